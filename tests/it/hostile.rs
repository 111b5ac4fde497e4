//! Who may want our gas or a free ride: every row of the attack list that a payer, a token or a factory can try.

mod factories;
mod loot;
mod mints;
mod payers;
mod sponsor;
mod tokens;

use alloy::primitives::Address;
use serde_json::{Value, json};

use crate::harness::http::Answer;
use crate::harness::world::{World, price};

/// Most gas that a payment of a contract wallet may cost.
const WALLET_GAS_CAP: u64 = 300_000;
/// Most gas that a transfer by EIP-3009 may cost.
const TRANSFER_GAS_CAP: u64 = 150_000;

/// Refused before anything was signed.
async fn assert_refused(world: &World, body: &Value, reason: &str) {
    let sends = world.sends();
    let verified = world.client.verify(body).await;
    assert_eq!(verified.body["isValid"], false, "{}", verified.body);
    assert_eq!(verified.body["invalidReason"], reason, "{}", verified.body);
    assert_unsent(&world.client.settle(body).await, reason);
    assert_eq!(world.sends(), sends);
}

fn assert_unsent(answer: &Answer, reason: &str) {
    let body = &answer.body;
    let told = (&body["success"], &body["errorReason"], &body["transaction"]);
    assert_eq!(told, (&json!(false), &json!(reason), &json!("")), "{body}");
}

/// Paid for with gas, and told as a failure that names its transaction.
async fn assert_failed(world: &World, answer: &Answer, reason: &str, gas_cap: u64) {
    let body = &answer.body;
    let told = (&body["success"], &body["errorReason"]);
    assert_eq!(told, (&json!(false), &json!(reason)), "{body}");
    let gas = world.gas_used(&body["transaction"]).await;
    assert!(gas <= gas_cap, "{gas} gas");
}

/// No request for this payment is ever told that it was settled.
async fn assert_never_succeeds(world: &World, body: &Value) {
    for _ in 0..2 {
        let answer = world.client.settle(body).await;
        assert_eq!(answer.body["success"], false, "{}", answer.body);
    }
    let verified = world.client.verify(body).await;
    assert_eq!(verified.body["isValid"], false, "{}", verified.body);
}

async fn assert_earned(world: &World, asset: Address, units: u64) {
    let earned = world.sandbox.balance_of(asset, price().pay_to).await;
    assert_eq!(earned, alloy::primitives::U256::from(units));
}
