//! Solana beside the sandbox: its validators are no packages that could be fetched, so we say what is there and how to go on.

use std::env::consts::EXE_SUFFIX;
use std::env::split_paths;
use std::ffi::OsStr;

/// A local validator, how it is started, and where it is explained.
struct Validator {
    program: &'static str,
    start: &'static str,
    guide: &'static str,
}

/// The better one first: it starts faster and knows mainnet's accounts.
const VALIDATORS: [Validator; 2] = [
    Validator {
        program: "surfpool",
        start: "surfpool start",
        guide: "https://docs.surfpool.run",
    },
    Validator {
        program: "solana-test-validator",
        start: "solana-test-validator",
        guide: "https://docs.anza.xyz/cli/install",
    },
];
/// What both listen on.
const NODE: &str = "http://127.0.0.1:8899";

/// What to do for Solana on this machine, by the value of `PATH`.
pub(super) fn advice(search_path: &OsStr) -> Vec<String> {
    let found = VALIDATORS.iter().find(|v| is_on(search_path, v.program));
    let Some(validator) = found else {
        let mut lines = vec![
            "Solana: no local validator on PATH. With one of these it can be served too:"
                .to_owned(),
        ];
        lines.extend(
            VALIDATORS
                .iter()
                .map(|v| format!("  {:<22} {}", v.program, v.guide)),
        );
        return lines;
    };
    let Validator { program, start, .. } = validator;
    vec![
        format!("Solana: {program} is on PATH. To serve it too:"),
        format!("  {start}"),
        format!(
            r#"  curl {NODE} -H 'content-type: application/json' -d '{{"jsonrpc":"2.0","id":1,"method":"getGenesisHash"}}'"#
        ),
        format!(
            r#"  # networks.toml: [svm.solana-local] with genesis = "<the first 32 characters>", testnet = true, rpc = ["{NODE}"]"#
        ),
        "  # a mint of yours, and SOL for the key: solana airdrop 10".to_owned(),
        "  PORT=8091 NETWORKS_FILE=networks.toml SVM_NETWORKS=solana-local SVM_ASSETS_SOLANA_LOCAL=<mint> SVM_PRIVATE_KEY_FILE=~/.config/solana/id.json x402-facilitator".to_owned(),
    ]
}

fn is_on(search_path: &OsStr, program: &str) -> bool {
    let name = format!("{program}{EXE_SUFFIX}");
    split_paths(search_path).any(|folder| folder.join(&name).is_file())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A folder that holds `programs`.
    fn folder(programs: &[&str]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("x402-path-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        for program in programs {
            std::fs::write(folder.join(format!("{program}{EXE_SUFFIX}")), "").unwrap();
        }
        folder
    }

    #[test]
    fn says_how_to_get_a_validator_where_there_is_none() {
        for search_path in [OsStr::new(""), folder(&[]).as_os_str()] {
            assert_eq!(
                advice(search_path),
                [
                    "Solana: no local validator on PATH. With one of these it can be served too:",
                    "  surfpool               https://docs.surfpool.run",
                    "  solana-test-validator  https://docs.anza.xyz/cli/install",
                ]
            );
        }
    }

    #[test]
    fn says_how_to_go_on_where_there_is_one() {
        let lines = advice(folder(&["solana-test-validator"]).as_os_str());
        assert_eq!(
            lines,
            [
                "Solana: solana-test-validator is on PATH. To serve it too:",
                "  solana-test-validator",
                r#"  curl http://127.0.0.1:8899 -H 'content-type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"getGenesisHash"}'"#,
                r#"  # networks.toml: [svm.solana-local] with genesis = "<the first 32 characters>", testnet = true, rpc = ["http://127.0.0.1:8899"]"#,
                "  # a mint of yours, and SOL for the key: solana airdrop 10",
                "  PORT=8091 NETWORKS_FILE=networks.toml SVM_NETWORKS=solana-local SVM_ASSETS_SOLANA_LOCAL=<mint> SVM_PRIVATE_KEY_FILE=~/.config/solana/id.json x402-facilitator",
            ]
        );
    }

    #[test]
    fn takes_the_better_one_of_two() {
        let lines = advice(folder(&["surfpool", "solana-test-validator"]).as_os_str());
        assert_eq!(lines[0], "Solana: surfpool is on PATH. To serve it too:");
    }
}
