//! The real program's start, as an operator meets it: without configuration, with a wrong one, and its other commands.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::binary::{self, Binary};
use crate::harness::npm;
use crate::harness::scratch::{Folder, free_port};

const NOWHERE: &str = "http://127.0.0.1:1";
const KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

async fn run(folder: &Path, pairs: &[(&str, &str)], arguments: &[&str]) -> Output {
    binary::run(folder, &variables(pairs), arguments).await
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn without_configuration_it_serves_base_sepolia_and_says_what_it_chose() {
    let folder = Folder::new();
    // All that a test must change: nobody asks a public node, and the usual port may be taken.
    let only = variables(&[("EVM_RPC_URL_BASE_SEPOLIA", NOWHERE), ("PORT", "0")]);
    let mut program = Binary::start(folder.path(), &only).await;

    assert_eq!(program.client.get("/healthz").await.status, 200);
    // Its node does not answer, and it has no other.
    let ready = program.client.get("/readyz").await;
    assert_eq!(ready.status, 503);
    let checks = ready.body["checks"]
        .as_array()
        .expect("the checks are listed");
    let named = |check: &Value| (check["name"].clone(), check["ok"].clone());
    assert_eq!(named(&checks[0]), (json!("database"), json!(true)));
    assert_eq!(
        named(&checks[1]),
        (json!("network eip155:84532"), json!(false))
    );
    let supported = program.client.get("/supported").await.body;
    let kind = |version: u8, network: &str| json!({"x402Version": version, "scheme": "exact", "network": network});
    let signer = supported["signers"]["eip155:*"][0].as_str().expect("one");
    let mut upto = kind(2, "eip155:84532");
    upto["scheme"] = json!("upto");
    upto["extra"] = json!({"facilitatorAddress": signer, "dialects": ["permit2", "erc2612"]});
    let kinds = [kind(2, "eip155:84532"), kind(1, "base-sepolia"), upto];
    assert_eq!(supported["kinds"], json!(kinds));

    let said = program.said("No configuration").await;
    let key = folder.path().join("data/evm-throwaway.key");
    for part in [
        "SQLite at",
        "base-sepolia only",
        "data/evm-throwaway.key",
        signer,
    ] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    program.said("anyone may settle, on testnets only").await;
    let mode = std::fs::metadata(&key)
        .expect("the key is kept")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(&key).expect("the key is readable");
    assert!(
        !program
            .log()
            .contains(secret.trim().trim_start_matches("0x"))
    );
    assert!(folder.path().join("data/facilitator.db").is_file());

    program.signal("INT").await;
    assert_eq!(program.ended().await.code(), Some(0));
    let again = Binary::start(folder.path(), &only).await;
    let supported = again.client.get("/supported").await.body;
    assert_eq!(
        supported["signers"]["eip155:*"][0], signer,
        "the key is kept"
    );
}

#[tokio::test]
async fn a_dot_env_file_configures_it_and_the_environment_wins() {
    let folder = Folder::new();
    let text = format!("PORT=1\nBASE_PATH=/facilitator\nEVM_RPC_URL_BASE_SEPOLIA={NOWHERE}\n");
    std::fs::write(folder.path().join(".env"), text).expect("a file");
    let program = Binary::start(folder.path(), &variables(&[("PORT", "0")])).await;
    assert_ne!(program.address.port(), 1);
    assert_eq!(program.client.get("/facilitator/healthz").await.status, 200);
}

/// What a mainnet needs.
const MAINNET: [(&str, &str); 5] = [
    ("EVM_NETWORKS", "base"),
    ("EVM_RPC_URL_BASE", NOWHERE),
    ("EVM_PRIVATE_KEY", KEY),
    ("DATABASE_URL", "sqlite://kept/facilitator.db"),
    ("BEARER_TOKEN", "sixteen-or-more-letters"),
];

/// A value that is wrong beside or instead of those above, and the variable that is told.
const WRONG: [(&str, &str, &str); 12] = [
    ("DATABASE_URL", "sqlite://x?mode=memory", "DATABASE_URL"),
    ("SETTLE_AUTH", "off", "SETTLE_AUTH"),
    ("PORT", "seventy", "PORT"),
    ("HOST", "localhost", "HOST"),
    ("SETTLE_TIMEOUT_MS", "20s", "SETTLE_TIMEOUT_MS"),
    ("NETWORKS_FILE", "/nowhere", "NETWORKS_FILE"),
    ("EVM_ASSETS_BASE", "USDC", "EVM_ASSETS_BASE"),
    ("EVM_RPC_URL_BSE", NOWHERE, "EVM_RPC_URL_BSE"),
    ("EVM_NETWORKS", "base,bse", "EVM_NETWORKS"),
    ("EVM_NETWORKS", "eip155:4242", "EVM_RPC_URL_EIP155_4242"),
    ("CORS_ORIGINS", "shop", "CORS_ORIGINS"),
    ("RUST_LOG", "a=b=c", "RUST_LOG"),
];

/// Does not start, names all these, and leaves no file behind.
async fn refuses_to_start(pairs: &[(&str, &str)], names: &[&str]) {
    let folder = Folder::new();
    let output = run(folder.path(), pairs, &[]).await;
    let said = complaint(&output);
    assert_eq!(output.status.code(), Some(1), "{pairs:?}: {said}");
    for name in names {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "files are left for {pairs:?}");
}

#[tokio::test]
async fn a_mainnet_that_lacks_something_names_it() {
    let without = |missing: &[&str]| {
        let mut pairs = MAINNET.to_vec();
        pairs.retain(|(name, _)| !missing.contains(name));
        pairs
    };
    for missing in ["EVM_PRIVATE_KEY", "DATABASE_URL", "BEARER_TOKEN"] {
        refuses_to_start(&without(&[missing]), &[missing]).await;
    }
    refuses_to_start(&without(&["BEARER_TOKEN"]), &["SETTLE_AUTH=off"]).await;
    let all = ["EVM_PRIVATE_KEY", "DATABASE_URL", "BEARER_TOKEN"];
    refuses_to_start(&without(&all), &all).await;
}

#[tokio::test]
async fn every_wrong_value_is_told_by_its_name() {
    for (name, value, told) in WRONG {
        let mut pairs = MAINNET.to_vec();
        pairs.retain(|(known, _)| *known != name);
        pairs.push((name, value));
        refuses_to_start(&pairs, &[told]).await;
    }
}

#[tokio::test]
async fn a_mainnet_starts_with_key_database_and_token_or_a_loud_warning() {
    let common = [
        ("EVM_NETWORKS", "base"),
        ("EVM_RPC_URL_BASE", NOWHERE),
        ("EVM_PRIVATE_KEY", KEY),
        ("DATABASE_URL", "sqlite://kept/facilitator.db"),
        ("PORT", "0"),
    ];
    for (last, open) in [
        (("BEARER_TOKEN", "sixteen-or-more-letters"), false),
        (("SETTLE_AUTH", "off"), true),
    ] {
        let folder = Folder::new();
        let pairs = [&common[..], &[last]].concat();
        let program = Binary::start(folder.path(), &variables(&pairs)).await;
        assert_eq!(program.client.get("/healthz").await.status, 200);
        let warned = program.log().contains("WARNING: SETTLE_AUTH=off");
        assert_eq!(warned, open);
        assert!(!folder.path().join("data").exists(), "no throwaway key");
    }
}

#[tokio::test]
async fn without_networks_it_starts_with_no_kinds_and_no_key() {
    let folder = Folder::new();
    let none = variables(&[("EVM_NETWORKS", ""), ("PORT", "0")]);
    let program = Binary::start(folder.path(), &none).await;
    let supported = program.client.get("/supported").await.body;
    assert_eq!(
        supported,
        json!({"kinds": [], "extensions": [], "signers": {}})
    );
    assert!(!folder.path().join("data/evm-throwaway.key").exists());
    program.said("EVM_NETWORKS is empty").await;
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let pairs = [("EVM_NETWORKS", ""), ("HOST", "127.0.0.1"), ("PORT", &port)];
    let output = run(folder.path(), &pairs, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("PORT"),
        "{}",
        complaint(&output)
    );
}

#[tokio::test]
async fn migrate_makes_the_database_and_may_be_repeated() {
    let folder = Folder::new();
    let pairs = [
        ("EVM_NETWORKS", ""),
        ("DATABASE_URL", "sqlite://made/here.db"),
    ];
    for _ in 0..2 {
        let output = run(folder.path(), &pairs, &["migrate"]).await;
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    }
    assert!(folder.path().join("made/here.db").is_file());
    let nowhere = [
        ("EVM_NETWORKS", ""),
        ("DATABASE_URL", "postgres://u@127.0.0.1:1/x"),
    ];
    let output = run(folder.path(), &nowhere, &["migrate"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("DATABASE_URL"),
        "{}",
        complaint(&output)
    );
}

#[tokio::test]
async fn healthcheck_tells_by_its_exit_code_whether_the_service_answers() {
    let folder = Folder::new();
    let port = free_port().to_string();
    let absent = run(folder.path(), &[("PORT", &port)], &["healthcheck"]).await;
    assert_eq!(absent.status.code(), Some(1));

    let pairs = variables(&[("EVM_NETWORKS", ""), ("PORT", "0")]);
    let program = Binary::start(folder.path(), &pairs).await;
    let port = program.address.port().to_string();
    let present = run(folder.path(), &[("PORT", &port)], &["healthcheck"]).await;
    assert_eq!(present.status.code(), Some(0), "{}", complaint(&present));
    assert_eq!(
        run(folder.path(), &[], &["dance"]).await.status.code(),
        Some(2)
    );
}

#[tokio::test]
async fn dev_once_pays_and_says_so() {
    let folder = Folder::new();
    let anvil = npm::anvil().await;
    let programs = anvil.parent().expect("a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{programs}:{path}");
    let arguments = ["dev", "--once", "--data-dir", "scratch"];
    let output = run(folder.path(), &[("PATH", &path)], &arguments).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{said}{}",
        complaint(&output)
    );
    for method in ["Eip3009", "Permit2"] {
        let paid = said
            .lines()
            .find(|line| line.contains(&format!("by {method}")));
        let line = paid.unwrap_or_else(|| panic!("no payment by {method}: {said}"));
        assert!(line.contains("transaction 0x"), "{line}");
    }
    assert!(!said.contains("installing"), "{said}");
}
