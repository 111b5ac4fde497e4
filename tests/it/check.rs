//! The commands that an operator runs before giving a deployment traffic: `check`, `keygen`, `migrate` as a step of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use sqlx::{AnyConnection, Connection};

use crate::harness::binary;
use crate::harness::chain::Sandbox;
use crate::harness::ledger::Ledger;
use crate::harness::postgres;
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::scratch::Folder;

const KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

async fn run(folder: &Path, pairs: &[(&str, &str)], arguments: &[&str]) -> Output {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables: Vec<_> = pairs.iter().map(owned).collect();
    binary::run(folder, &variables, arguments).await
}

fn printed(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", printed(output)))
}

/// The grade of the first finding about `subject` whose text holds `part`.
fn grade<'a>(report: &'a Value, subject: &str, part: &str) -> &'a str {
    let findings = report["findings"].as_array().expect("a list");
    let text = |finding: &Value| finding["text"].as_str().expect("text").to_owned();
    let found = findings
        .iter()
        .find(|finding| finding["subject"] == subject && text(finding).contains(part));
    let found = found.unwrap_or_else(|| panic!("nothing about {subject} {part:?}: {report:#}"));
    found["grade"].as_str().expect("a grade")
}

/// The signer of these tests with gas, on a chain of its own.
async fn funded_key(sandbox: &Sandbox) -> String {
    let signer = sandbox.signer(0).await;
    signer.to_bytes().to_string()
}

#[tokio::test]
async fn a_deployment_that_will_do_is_told_so_without_its_secrets() {
    let (sandbox, folder) = (Sandbox::start().await, Folder::new());
    let (key, url) = (
        funded_key(&sandbox).await,
        format!("{}/?key=s3cret-path", sandbox.url()),
    );
    let token = "a-token-that-nobody-may-see";
    let pairs = [
        ("EVM_PRIVATE_KEY", key.as_str()),
        ("EVM_RPC_URL_BASE_SEPOLIA", &url),
        ("BEARER_TOKEN", token),
    ];

    let output = run(folder.path(), &pairs, &["check"]).await;

    let said = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in [
        "base-sepolia (chain 84532, testnet)",
        "ok    database",
        "chain 84532, block",
        "Multicall3 is at 0xcA11bde05977b3631167028862bE2a173976CA11",
        "holds 1000.0",
        "all is well",
    ] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    for secret in [key.trim_start_matches("0x"), "s3cret-path", token] {
        assert!(!said.contains(secret), "{secret} is told: {said}");
    }
}

#[tokio::test]
async fn every_problem_of_the_configuration_is_told_at_once_and_nobody_is_asked() {
    let folder = Folder::new();
    let pairs = [
        ("PORT", "seventy"),
        ("EVM_NETWORKS", "bse"),
        ("LOG_FORMAT", "xml"),
    ];
    let output = run(folder.path(), &pairs, &["check", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let report = report(&output);
    assert_eq!(report["ok"], false);
    let problems = report["problems"].to_string();
    for name in ["PORT", "EVM_NETWORKS", "LOG_FORMAT"] {
        assert!(problems.contains(name), "{name}: {problems}");
    }
    assert_eq!(report["findings"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn what_is_missing_on_the_chain_is_told_with_what_it_prevents() {
    let sandbox = Sandbox::start().await;
    let folder = Folder::new();
    // A token that is nowhere, and a signer without gas.
    let nowhere = "0x00000000000000000000000000000000000000aa";
    let pairs = [
        ("EVM_PRIVATE_KEY", KEY),
        ("EVM_RPC_URL_BASE_SEPOLIA", sandbox.url()),
        ("EVM_ASSETS_BASE_SEPOLIA", nowhere),
    ];
    let output = run(folder.path(), &pairs, &["check", "--json"]).await;
    let report = report(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    assert_eq!(grade(&report, "base-sepolia", "has no code at"), "bad");
    assert_eq!(
        grade(&report, "base-sepolia", "holds nothing to pay gas with"),
        "bad"
    );
    assert_eq!(grade(&report, "base-sepolia", "Permit2 is at"), "good");
    let offline = run(folder.path(), &pairs, &["check", "--offline"]).await;
    assert_eq!(offline.status.code(), Some(0), "{}", printed(&offline));
}

#[tokio::test]
async fn a_node_that_is_down_or_on_another_chain_is_told_and_one_of_two_may_be() {
    let (sandbox, other) = (Sandbox::start().await, Sandbox::with_id(31_337).await);
    let (key, folder) = (funded_key(&sandbox).await, Folder::new());
    let check = async |urls: &str| {
        let pairs = [
            ("EVM_PRIVATE_KEY", key.as_str()),
            ("EVM_RPC_URL_BASE_SEPOLIA", urls),
        ];
        let output = run(folder.path(), &pairs, &["check", "--json"]).await;
        (output.status.code(), report(&output))
    };

    let (code, alone) = check("http://127.0.0.1:1").await;
    assert_eq!(code, Some(1));
    assert_eq!(grade(&alone, "base-sepolia", "no node answers"), "bad");

    let (code, foreign) = check(other.url()).await;
    assert_eq!(code, Some(1));
    assert_eq!(grade(&foreign, "base-sepolia", "on chain 31337"), "bad");

    let (code, one_of_two) = check(&format!("http://127.0.0.1:1,{}", sandbox.url())).await;
    assert_eq!(code, Some(0), "{one_of_two:#}");
    assert_eq!(
        grade(&one_of_two, "base-sepolia", "node 1 of 2"),
        "doubtful"
    );
    assert_eq!(grade(&one_of_two, "base-sepolia", "node 2 of 2"), "good");
}

#[tokio::test]
async fn a_node_that_never_answers_does_not_hold_the_command() {
    let sandbox = Sandbox::start().await;
    let (proxy, folder) = (Proxy::start(sandbox.url()).await, Folder::new());
    proxy.plan("eth_chainId", ALWAYS, Fault::Delay(Duration::from_mins(1)));
    let pairs = [
        ("EVM_PRIVATE_KEY", KEY),
        ("EVM_RPC_URL_BASE_SEPOLIA", proxy.url()),
    ];
    let output = run(folder.path(), &pairs, &["check", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        grade(&report(&output), "base-sepolia", "no node answers"),
        "bad"
    );
}

#[tokio::test]
async fn a_solana_network_is_looked_at_like_any_other() {
    let (ledger, folder) = (Ledger::start().await, Folder::new());
    let key = ledger.fee_payer().await.secret();
    let mint = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
    let pairs = [
        ("EVM_NETWORKS", ""),
        ("SVM_NETWORKS", "solana-devnet"),
        ("SVM_PRIVATE_KEY", key.as_str()),
        ("SVM_RPC_URL_SOLANA_DEVNET", ledger.url()),
    ];
    let output = run(folder.path(), &pairs, &["check", "--json"]).await;
    let report = report(&output);
    assert_eq!(grade(&report, "solana-devnet", "node 1 of 1"), "good");
    assert_eq!(grade(&report, "solana-devnet", "holds "), "good");
    assert_eq!(
        grade(&report, "solana-devnet", mint),
        "bad",
        "the ledger has no such mint"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn a_database_is_asked_whether_it_answers_and_fits() {
    let folder = Folder::new();
    let url = postgres::database().await;
    let with = |url: &'static str| [("EVM_NETWORKS", ""), ("DATABASE_URL", url)];
    let nobody = with("postgres://u:pa55word@127.0.0.1:1/x");
    let output = run(folder.path(), &nobody, &["check", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(grade(&report(&output), "database", "127.0.0.1:1"), "bad");
    assert!(
        !printed(&output).contains("pa55word"),
        "{}",
        printed(&output)
    );

    let pairs = [("EVM_NETWORKS", ""), ("DATABASE_URL", url.as_str())];
    let strict = [&pairs[..], &[("AUTO_MIGRATE", "false")]].concat();
    let check = async |pairs: &[(&str, &str)]| {
        let output = run(folder.path(), pairs, &["check", "--json"]).await;
        let report = report(&output);
        (
            output.status.code(),
            grade(&report, "database", "schema").to_owned(),
        )
    };
    assert_eq!(check(&pairs).await, (Some(0), "good".to_owned()));
    assert_eq!(check(&strict).await, (Some(1), "bad".to_owned()));
    let refused = run(folder.path(), &strict, &[]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        printed(&refused).contains("run `migrate`"),
        "{}",
        printed(&refused)
    );

    let migrated = run(folder.path(), &pairs, &["migrate"]).await;
    assert_eq!(migrated.status.code(), Some(0), "{}", printed(&migrated));
    assert_eq!(check(&strict).await, (Some(0), "good".to_owned()));

    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&url).await.expect("it answers");
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 values (9999, 'later', true, '\\x00', 0)";
    sqlx::query(newer)
        .execute(&mut connection)
        .await
        .expect("a row");
    assert_eq!(check(&pairs).await, (Some(1), "bad".to_owned()));
    let older_program = run(folder.path(), &pairs, &[]).await;
    assert_eq!(
        older_program.status.code(),
        Some(1),
        "{}",
        printed(&older_program)
    );
}

#[tokio::test]
async fn keygen_writes_a_key_that_the_service_takes_and_never_replaces_one() {
    let folder = Folder::new();
    for (family, variable, network) in [
        (
            "evm",
            "EVM_PRIVATE_KEY_FILE",
            ("EVM_NETWORKS", "base-sepolia"),
        ),
        (
            "solana",
            "SVM_PRIVATE_KEY_FILE",
            ("SVM_NETWORKS", "solana-devnet"),
        ),
    ] {
        let output = run(folder.path(), &[], &["keygen", family, "--out", family]).await;
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
        let address = String::from_utf8(output.stdout).expect("text");
        let file = folder.path().join(family);
        let key = std::fs::read_to_string(&file).expect("the key");
        let mode = std::fs::metadata(&file)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!address.contains(key.trim()));

        let check = run(
            folder.path(),
            &[(variable, family), network],
            &["check", "--offline"],
        )
        .await;
        let said = printed(&check);
        assert_eq!(check.status.code(), Some(0), "{said}");
        assert!(
            said.contains(&format!("signer: {}", address.trim())),
            "{said}"
        );

        let again = run(folder.path(), &[], &["keygen", family, "--out", family]).await;
        assert_eq!(again.status.code(), Some(1));
        assert_eq!(std::fs::read_to_string(&file).expect("the key"), key);
    }
    let shown = run(folder.path(), &[], &["keygen", "evm", "--show"]).await;
    assert_eq!(String::from_utf8_lossy(&shown.stdout).trim().len(), 66);
    assert_eq!(
        run(folder.path(), &[], &["keygen", "evm"])
            .await
            .status
            .code(),
        Some(2)
    );
}
