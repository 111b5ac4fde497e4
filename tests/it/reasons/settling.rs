//! What happens to a service while it verifies and settles good payments.

use alloy::primitives::{Address, U256, address};
use alloy::sol_types::SolCall;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::harness::chain::{USDC, WEALTH};
use crate::harness::facilitator::Settings;
use crate::harness::http::Answer;
use crate::harness::world::{PAYEE, PRICE, World, setSilentCall, transferCall};

const OTHER: Address = address!("0x00000000000000000000000000000000000cafe9");
const TRANSFER_GAS_CAP: u64 = 150_000;

fn hurried(settings: Settings) -> Settings {
    settings.set("SETTLE_TIMEOUT_MS", "1500")
}

pub(super) async fn without_token() {
    let token = "a-token-long-enough";
    let world = World::with(|settings| settings.set("BEARER_TOKEN", token)).await;
    let body = world.eip3009(|_| {});

    let verified = world.client.verify(&body).await;
    assert_eq!(verified.status.as_u16(), 401);
    assert_eq!(verified.body["isValid"], false);
    assert_eq!(verified.body["invalidReason"], "unexpected_error");
    let settled = world.client.settle(&body).await;
    assert_eq!(settled.status.as_u16(), 401);
    assert_failed(&settled, "unexpected_error", &json!(""), &Value::Null);
    assert_eq!((world.reads(), world.sends()), (0, 0));
    world.close().await;
}

pub(super) async fn verify_without_node() {
    let world = World::new().await;
    let body = world.eip3009(|_| {});
    world.proxy.cut();

    let answer = world.client.verify(&body).await;
    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(answer.headers["retry-after"], "2");
    let message = &answer.body["invalidMessage"];
    let reason = "unexpected_verify_error";
    let expected = json!({"isValid": false, "invalidReason": reason, "invalidMessage": message});
    assert_eq!(answer.body, expected);
    assert!(!message.to_string().contains("127.0.0.1"));

    world.proxy.heal();
    assert_eq!(world.client.verify(&body).await.body["isValid"], true);
    world.close().await;
}

pub(super) async fn settle_without_node() {
    let world = World::new().await;
    let body = world.eip3009(|_| {});
    world.proxy.cut();
    let answer = world.client.settle(&body).await;
    assert_unavailable(&answer);

    world.proxy.heal();
    let answer = world.client.settle(&body).await;
    assert_eq!(answer.body["success"], true, "{}", answer.body);
    world.close().await;
}

pub(super) async fn without_blocks() {
    let world = World::with(hurried).await;
    let body = world.eip3009(|_| {});
    world.sandbox.hold_blocks().await;

    let answer = world.client.settle(&body).await;
    let hash = answer.body["transaction"].clone();
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.headers["retry-after"], "2");
    assert_failed(&answer, "settlement_pending", &hash, &payer(&world));
    let pooled: Value = world
        .sandbox
        .call("eth_getTransactionByHash", json!([hash]))
        .await;
    assert_eq!(pooled["from"], json!(world.signer));

    // Verifying what is under way is no reason to refuse it: its success is still owed.
    assert_eq!(world.client.verify(&body).await.body["isValid"], true);
    world.sandbox.release_blocks().await;
    world.sandbox.mine(1).await;
    let answer = world.client.settle(&body).await;
    assert_eq!(answer.body["success"], true, "{}", answer.body);
    assert_eq!(
        world.sandbox.balance_of(USDC, PAYEE).await,
        U256::from(PRICE)
    );
    world.close().await;
}

pub(super) async fn without_gas() {
    let world = World::poor(hurried).await;
    let body = world.eip3009(|_| {});

    let answer = world.client.settle(&body).await;
    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(answer.headers["retry-after"], "2");
    let reason = "settlement_capacity_exceeded";
    assert_failed(&answer, reason, &json!(""), &payer(&world));
    assert_eq!(world.sends(), 0);

    // The key is free again.
    assert_eq!(world.client.verify(&body).await.body["isValid"], true);
    world.close().await;
}

pub(super) async fn twice() {
    let world = World::new().await;
    let body = world.eip3009(|_| {});
    let first = world.client.settle(&body).await;
    assert_eq!(first.body["success"], true, "{}", first.body);
    let hash = &first.body["transaction"];

    let second = world.client.settle(&body).await;
    assert_eq!(second.status.as_u16(), 200);
    assert_failed(&second, "duplicate_settlement", hash, &payer(&world));
    let verified = world.client.verify(&body).await;
    assert_eq!(verified.body["invalidReason"], "duplicate_settlement");
    assert_eq!(world.sends(), 1);

    // Another payment with the same nonce is none of ours to settle, and learns nothing of the first.
    let nonce = &body["paymentPayload"]["payload"]["authorization"]["nonce"];
    let nonce = nonce.as_str().expect("text").parse().expect("a word");
    let other = world.eip3009(|payment| {
        payment.message.nonce = nonce;
        payment.message.validBefore += U256::ONE;
    });
    let answer = world.client.settle(&other).await;
    assert_failed(&answer, "duplicate_settlement", &json!(""), &payer(&world));
    world.close().await;
}

pub(super) async fn balance_gone_before_the_block() {
    let world = World::new().await;
    let body = world.eip3009(|_| {});
    let units = U256::from(WEALTH - 1);
    let leave = transferCall { to: OTHER, units }.abi_encode().into();

    let payer_address = world.payer.address();
    let answer = world
        .settle_after_call_of(payer_address, &body, USDC, leave)
        .await;

    let hash = answer.body["transaction"].clone();
    assert_eq!(answer.status.as_u16(), 200);
    let reason = "invalid_exact_evm_transaction_failed";
    assert_failed(&answer, reason, &hash, &payer(&world));
    assert!(world.gas_used(&hash).await <= TRANSFER_GAS_CAP);
    let again = world.client.settle(&body).await;
    assert_failed(&again, reason, &hash, &payer(&world));
    assert_eq!(world.client.verify(&body).await.body["isValid"], false);
    world.close().await;
}

pub(super) async fn token_silent_before_the_block() {
    let world = World::new().await;
    world.place("SilentToken", USDC).await;
    let body = world.eip3009(|_| {});

    let silence = setSilentCall { on: true }.abi_encode().into();
    let answer = world.settle_after(&body, USDC, silence).await;

    let hash = answer.body["transaction"].clone();
    assert_eq!(answer.status.as_u16(), 200);
    let reason = "invalid_exact_evm_transfer_event_mismatch";
    assert_failed(&answer, reason, &hash, &payer(&world));
    let receipt: Value = world
        .sandbox
        .call("eth_getTransactionReceipt", json!([hash]))
        .await;
    assert_eq!(receipt["status"], "0x1", "the receipt alone would say paid");
    world.close().await;
}

#[tokio::test]
async fn without_a_database_nothing_is_said_about_a_payment() {
    let folder = std::env::temp_dir().join(format!("x402-test-{}.db", uuid::Uuid::now_v7()));
    let url = format!("sqlite://{}", folder.display());
    let world = World::with(|settings| settings.set("DATABASE_URL", &url)).await;
    let body = world.eip3009(|_| {});
    let mut database = sqlx::sqlite::SqliteConnection::connect(&url).await.unwrap();
    let gone = "alter table settlements rename to gone";
    sqlx::query(gone).execute(&mut database).await.unwrap();

    let verified = world.client.verify(&body).await;
    assert_eq!(verified.status.as_u16(), 503);
    assert_eq!(verified.body["invalidReason"], "unexpected_verify_error");
    assert_unavailable(&world.client.settle(&body).await);
    assert_eq!(world.sends(), 0);

    let back = "alter table gone rename to settlements";
    sqlx::query(back).execute(&mut database).await.unwrap();
    assert_eq!(world.client.verify(&body).await.body["isValid"], true);
    world.close().await;
}

fn payer(world: &World) -> Value {
    json!(world.payer.address().to_checksum(None))
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(answer.headers["retry-after"], "2");
    assert_eq!(answer.body["success"], false);
    assert_eq!(answer.body["errorReason"], "unexpected_settle_error");
    assert_eq!(answer.body["transaction"], "");
    assert_eq!(answer.body["network"], "eip155:84532");
}

fn assert_failed(answer: &Answer, reason: &str, transaction: &Value, payer: &Value) {
    let body = &answer.body;
    let told = (&body["success"], &body["errorReason"], &body["transaction"]);
    assert_eq!(told, (&json!(false), &json!(reason), transaction), "{body}");
    assert_eq!(body["payer"], *payer, "{body}");
}
