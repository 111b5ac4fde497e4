//! Solana by configuration: the settings of an operator take effect, all of them.

use serde_json::{Value, json};

use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::ledger::Ledger;
use crate::harness::proxy::Proxy;
use crate::harness::scene::{AMOUNT, Scene};
use crate::harness::sign_svm::DEVNET;
use crate::harness::svm_wire::Keypair;
use crate::harness::svm_world::{self, SvmRequest};

/// The scene's mint by its name, and these keys in place of one.
fn settings(scene: &Scene, keys: &[&Keypair], url: &str) -> Settings {
    let keys: Vec<String> = keys.iter().map(|key| key.secret()).collect();
    svm_world::settings(scene, url)
        .set("SVM_PRIVATE_KEY", &keys.join(","))
        .without("SVM_ANY_ASSET")
        .set(
            "SVM_ASSETS_SOLANA_DEVNET",
            &scene.terms.mint.key.to_string(),
        )
}

#[tokio::test]
async fn a_node_of_another_network_is_not_believed() {
    let mainnet = Ledger::of_genesis("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d").await;
    let scene = Scene::start().await;
    let settings = settings(&scene, &[&scene.fee_payer], mainnet.url());
    let facilitator = Facilitator::start(settings).await;

    let answer = facilitator
        .client()
        .verify(&SvmRequest::new(&scene).await.body)
        .await;

    assert_eq!(
        answer.reason(),
        "unexpected_verify_error",
        "{}",
        answer.text
    );
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn a_bound_of_the_sponsor_holds() {
    let scene = Scene::start().await;
    let settings = settings(&scene, &[&scene.fee_payer], scene.ledger.url())
        .set("SVM_MAX_COMPUTE_UNITS", "100");
    let facilitator = Facilitator::start(settings).await;

    let answer = facilitator
        .client()
        .verify(&SvmRequest::new(&scene).await.body)
        .await;

    assert_eq!(
        answer.reason(),
        "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction_too_high"
    );
    assert_eq!(answer.body["invalidMessage"], "at most 100");
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn serves_solana_alone_through_the_nodes_that_are_named() {
    let scene = Scene::start().await;
    let other = scene.ledger.fee_payer().await;
    let (reads, sends) = (
        Proxy::start(scene.ledger.url()).await,
        Proxy::start(scene.ledger.url()).await,
    );
    let settings = settings(&scene, &[&other, &scene.fee_payer], reads.url())
        .set("SVM_SEND_URL_SOLANA_DEVNET", sends.url());
    let facilitator = Facilitator::start(settings).await;
    let client = facilitator.client();

    let supported = client.get("/supported").await.body;
    let shown = &supported["kinds"][0]["extra"]["feePayer"];
    let kind = |version: u8, network: &str| {
        let extra = json!({"feePayer": shown});
        json!({"x402Version": version, "scheme": "exact", "network": network, "extra": extra})
    };
    let kinds = json!([kind(2, DEVNET), kind(1, "solana-devnet")]);
    assert_eq!(supported["kinds"], kinds);
    let mut signers = [other.key().to_string(), scene.fee_payer.key().to_string()];
    signers.sort_unstable();
    assert!(signers.iter().any(|signer| shown == signer));
    assert_eq!(supported["signers"], json!({"solana:*": signers}));

    let body = SvmRequest::new(&scene).await.body;
    let verified = client.verify(&body).await;
    assert_eq!(verified.body["isValid"], true, "{}", verified.text);
    let settled = client.settle(&body).await;
    assert_eq!(settled.body["success"], true, "{}", settled.text);
    assert_eq!(scene.received().await, AMOUNT);

    assert!(!reads.calls("simulateTransaction").is_empty());
    assert_eq!(reads.calls("sendTransaction"), Vec::<Value>::new());
    assert!(!sends.calls("sendTransaction").is_empty());
    assert!(facilitator.stop().await);
}
