//! No secret leaves the process: not in an answer, not in the log at debug level, whatever goes wrong.

use alloy::primitives::{Address, address};
use hyper::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};
use x402_facilitator::dev::keys;

use crate::harness::binary::{self, Binary};
use crate::harness::chain::Sandbox;
use crate::harness::facilitator::Settings;
use crate::harness::http::Answer;
use crate::harness::oracle::eventually;
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::scene::Scene;
use crate::harness::sign::{Eip3009, Permit2, Terms};
use crate::harness::svm_world::{self, SvmRequest};

const PAYEE: Address = address!("0x0000000000000000000000000000000000005ec1");
/// In the path of the node's URL, where providers put keys.
const NODE_KEY: &str = "canary-node-key-9f3b";
const TOKEN: &str = "canary-bearer-token-51c7";
const WRONG_TOKEN: &str = "canary-wrong-token-77aa";
/// What a node may say that knows how it was called.
const TELLTALE: &str = "no access to https://node.example/v2/canary-node-key-9f3b";

#[tokio::test]
async fn no_secret_is_answered_or_logged_at_debug() {
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let proxy = Proxy::start(sandbox.url()).await;
    let url = format!("{}/v2/{NODE_KEY}", proxy.url());
    let settings = Settings::new(&url)
        .set("BEARER_TOKEN", TOKEN)
        .set("SETTLE_TIMEOUT_MS", "2000")
        .set("RUST_LOG", "debug");
    let mut program = Binary::start(settings.path(), &settings.pairs()).await;
    let payer = sandbox.payers(1).await.remove(0);
    let terms = Terms::usdc(PAYEE, 2_500);
    let mut signatures = Vec::new();
    let mut answers = Vec::new();

    for (method, fault) in [
        ("none", Fault::Null),
        ("*", Fault::Drop),
        ("*", Fault::Status(StatusCode::UNAUTHORIZED)),
        ("*", Fault::Refuse(TELLTALE)),
        ("*", Fault::Null),
        ("eth_sendRawTransaction", Fault::Refuse(TELLTALE)),
        ("eth_sendRawTransaction", Fault::RefuseAnswer(TELLTALE)),
    ] {
        proxy.heal();
        proxy.plan(method, ALWAYS, fault);
        let eip3009 = Eip3009::new(&terms, payer.address()).signed_by(&payer);
        let permit2 = Permit2::new(&terms, payer.address()).signed_by(&payer);
        for payload in [eip3009, permit2] {
            signatures.push(payload["signature"].as_str().expect("hex")[2..].to_owned());
            let body = terms.v2(&payload, &Value::Null).to_string();
            for token in [TOKEN, WRONG_TOKEN] {
                let bearer = format!("Bearer {token}");
                let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k")];
                for path in ["/verify", "/settle"] {
                    let client = &program.client;
                    answers.push(
                        client
                            .send(Method::POST, path, &headers, body.clone())
                            .await,
                    );
                }
            }
        }
    }
    for path in [
        "/",
        "/supported",
        "/readyz?verbose",
        "/settlements/x",
        "/nowhere",
    ] {
        let headers = [("authorization", "Bearer canary-bearer-token-51c7")];
        answers.push(program.client.send(Method::GET, path, &headers, "").await);
    }
    proxy.heal();
    program.signal("INT").await;
    program.ended().await;

    let settled = answers.iter().any(|answer| answer.body["success"] == true);
    let unavailable = answers.iter().any(|answer| answer.status == 503);
    assert!(settled && unavailable, "the canaries were in danger");
    let key = keys::key("signer", 0).to_string();
    let mut secrets = vec![NODE_KEY, TOKEN, WRONG_TOKEN, key.trim_start_matches("0x")];
    secrets.extend(signatures.iter().map(String::as_str));
    let log = program.log();
    assert!(log.contains("DEBUG"), "the log is at debug level");
    for secret in secrets {
        is_kept(secret, &log, &answers);
    }
}

#[tokio::test]
async fn no_secret_of_solana_is_answered_or_logged_at_debug() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(scene.ledger.url()).await;
    let url = format!("{}/?api-key={NODE_KEY}", proxy.url());
    let settings = svm_world::settings(&scene, &url)
        .set("SETTLE_TIMEOUT_MS", "2000")
        .set("RUST_LOG", "debug");
    let mut program = Binary::start(settings.path(), &settings.pairs()).await;
    let mut answers = Vec::new();

    // A success, however slow the machine is.
    let request = SvmRequest::new(&scene).await;
    answers.push(program.client.verify(&request.body).await);
    let settled = eventually("a success", || async {
        let answer = program.client.settle(&request.body).await;
        (answer.body["success"] == true).then_some(answer)
    });
    answers.push(settled.await);
    for (method, fault) in [
        ("*", Fault::Drop),
        ("*", Fault::Status(StatusCode::UNAUTHORIZED)),
        ("*", Fault::Refuse(TELLTALE)),
        ("*", Fault::Null),
        ("sendTransaction", Fault::Refuse(TELLTALE)),
    ] {
        proxy.heal();
        let request = SvmRequest::new(&scene).await;
        proxy.plan(method, ALWAYS, fault);
        answers.push(program.client.verify(&request.body).await);
        answers.push(program.client.settle(&request.body).await);
    }
    answers.push(program.client.get("/supported").await);
    answers.push(program.client.get("/readyz?verbose").await);
    proxy.heal();
    program.signal("INT").await;
    program.ended().await;

    let settled = answers.iter().any(|answer| answer.body["success"] == true);
    let unavailable = answers.iter().any(|answer| answer.status == 503);
    assert!(settled && unavailable, "the canaries were in danger");
    let log = program.log();
    assert!(log.contains("DEBUG"), "the log is at debug level");
    for secret in [NODE_KEY, &scene.fee_payer.secret()] {
        is_kept(secret, &log, &answers);
    }
}

fn is_kept(secret: &str, log: &str, answers: &[Answer]) {
    let told = log.lines().find(|line| line.contains(secret));
    assert_eq!(told, None, "in the log: {secret}");
    for answer in answers {
        let headers = format!("{:?}", answer.headers);
        assert!(!answer.text.contains(secret), "{secret} in {}", answer.text);
        assert!(!headers.contains(secret), "{secret} in {headers}");
    }
}

#[tokio::test]
async fn no_start_up_error_repeats_a_secret() {
    let folder = Settings::new("http://127.0.0.1:1");
    let broken = json!({
        "EVM_PRIVATE_KEY": "canary-not-a-key",
        "EVM_RPC_URL_BASE_SEPOLIA": "wss://node.example/canary-node-key",
        "DATABASE_URL": "mysql://user:canary-password@db/x",
        "BEARER_TOKENS": "canary-short,canary with spaces in it",
        "ALCHEMY_API_KEY": "canary/../key",
        "INFURA_API_KEY": "canary key",
        "EVM_SEND_URL_BASE_SEPOLIA": "ftp://canary@node.example",
        "SVM_PRIVATE_KEY": "canary-not-a-key",
        "HELIUS_API_KEY": "canary key",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://canary@collector.example",
        "OTEL_EXPORTER_OTLP_HEADERS": "canary",
    });
    for (name, value) in broken.as_object().expect("an object") {
        let settings = folder.clone().set(name, value.as_str().expect("text"));
        let output = binary::run(settings.path(), &settings.pairs(), &[]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(name), "{name} is not named: {said}");
        assert!(!said.contains("canary"), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_database_that_refuses_is_told_without_its_password() {
    let folder = Settings::new("http://127.0.0.1:1");
    let url = "postgres://user:canary-password@127.0.0.1:1/x";
    let settings = folder.set("DATABASE_URL", url).set("RUST_LOG", "debug");
    let output = binary::run(settings.path(), &settings.pairs(), &[]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("DATABASE_URL"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}
