//! Ceilings with one flaw, and what happens to good ones.

use alloy::primitives::{Address, Bytes, U256, address, bytes};
use alloy::sol_types::SolCall;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::chain::{USDC, WEALTH};
use crate::harness::sign_upto::{UPTO_PROXY, charge};
use crate::harness::world::{PRICE, World, transferCall};

const OTHER: Address = address!("0x00000000000000000000000000000000000cafe9");

pub(super) fn accepting_another_scheme(world: &World) -> Value {
    let mut body = world.upto(|_| {});
    body["paymentPayload"]["accepted"]["scheme"] = json!("exact");
    body
}

pub(super) fn accepting_another_network(world: &World) -> Value {
    let mut body = world.upto(|_| {});
    body["paymentPayload"]["accepted"]["network"] = json!("eip155:8453");
    body
}

pub(super) fn for_another_facilitator(world: &World) -> Value {
    world.upto(|payment| payment.message.witness.facilitator = OTHER)
}

pub(super) async fn charging_more_than_the_ceiling() {
    let world = World::new().await;
    let body = world.upto(|_| {});

    let answer = world.client.settle(&charge(&body, PRICE + 1)).await;

    let expected = json!({
        "success": false, "errorReason": "invalid_upto_evm_payload_settlement_exceeds_amount", "transaction": "",
        "network": "eip155:84532", "payer": world.payer.address().to_checksum(None),
    });
    assert_eq!((answer.status.as_u16(), answer.body), (200, expected));
    assert_eq!(world.sends(), 0);
    world.close().await;
}

pub(super) async fn proxy_that_finds_the_amount_too_high() -> (World, Value) {
    with_proxy(&bytes!("fe64b4c7")).await
}

pub(super) async fn proxy_that_wants_another_caller() -> (World, Value) {
    with_proxy(&bytes!("0f6fae87")).await
}

/// A proxy that names its Permit2 and reverts with this error otherwise.
async fn with_proxy(error: &Bytes) -> (World, Value) {
    let world = World::new().await;
    let asks = bytes!("60003560e01c636afdd85014601f57");
    let reverts = [&bytes!("63")[..], error, &bytes!("60e01b60005260046000fd")].concat();
    let names = bytes!("5b73000000000022d473030f116ddee9f6b43ac78ba360005260206000f3");
    let code = [&asks[..], &reverts, &names].concat();
    world.sandbox.set_code(UPTO_PROXY, &code.into()).await;
    let body = world.upto(|_| {});
    (world, body)
}

pub(super) async fn balance_gone_before_the_block() {
    let world = World::new().await;
    let body = charge(&world.upto(|_| {}), 900);
    let units = U256::from(WEALTH - 1);
    let leave = transferCall { to: OTHER, units }.abi_encode().into();

    let payer = world.payer.address();
    let answer = world.settle_after_call_of(payer, &body, USDC, leave).await;

    let hash = answer.body["transaction"].clone();
    let expected = json!({
        "success": false, "errorReason": "invalid_upto_evm_transaction_failed", "errorMessage": "the transaction reverted",
        "transaction": hash, "network": "eip155:84532", "payer": payer.to_checksum(None),
    });
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &expected));
    let again = world.client.settle(&body).await;
    assert_eq!(again.body, expected);
    assert_eq!(world.sends(), 1);
    world.close().await;
}

pub(super) async fn verified_by_another_caller() {
    let tokens = ["alice-alice-alice-alice", "bob-bob-bob-bob-bob"];
    let world = World::with(|settings| settings.set("BEARER_TOKENS", &tokens.join(","))).await;
    let body = world.upto(|_| {}).to_string();
    let ask = |path: &'static str, token: &str| {
        let bearer = format!("Bearer {token}");
        let (client, body) = (&world.client, body.clone());
        async move {
            client
                .send(Method::POST, path, &[("authorization", &bearer)], body)
                .await
        }
    };
    let verified = ask("/verify", tokens[0]).await;
    assert_eq!(verified.body["isValid"], true, "{}", verified.body);

    let payer = world.payer.address().to_checksum(None);
    let message = "another caller verified this payment first";
    let verified = ask("/verify", tokens[1]).await;
    let expected = json!({
        "isValid": false, "invalidReason": "upto_caller_mismatch", "invalidMessage": message, "payer": payer,
    });
    assert_eq!((verified.status.as_u16(), verified.body), (200, expected));
    let settled = ask("/settle", tokens[1]).await;
    let expected = json!({
        "success": false, "errorReason": "upto_caller_mismatch", "errorMessage": message, "payer": payer,
        "transaction": "", "network": "eip155:84532",
    });
    assert_eq!((settled.status.as_u16(), settled.body), (200, expected));
    assert_eq!(world.sends(), 0);

    let settled = ask("/settle", tokens[0]).await;
    assert_eq!(settled.body["success"], true, "{}", settled.body);
    world.close().await;
}
