//! Tokens that lie, burn or forgive. The logs of the token itself decide, never a status and never another contract's logs.

use alloy::primitives::{Address, Bytes, U256, address};
use alloy::sol_types::SolCall;
use serde_json::{Value, json};

use super::{
    TRANSFER_GAS_CAP, assert_earned, assert_failed, assert_never_succeeds, assert_refused,
};
use crate::harness::chain::USDC;
use crate::harness::sign::{Eip3009, Permit2};
use crate::harness::world::{
    ELSEWHERE, PRICE, World, price_elsewhere, setBurnGasCall, setForgerCall, setSilentCall,
    setWrongRecipientCall, setWrongValueCall, transfer_call,
};

const FORGER: Address = address!("0x00000000000000000000000000000000be1c0f00");
const MISMATCH: &str = "invalid_exact_evm_transfer_event_mismatch";

#[tokio::test]
async fn a_token_that_lies_about_the_transfer_never_gives_a_success() {
    for (lie, calls) in lies() {
        for by_permit2 in [false, true] {
            let world = World::new().await;
            world.place("SilentToken", USDC).await;
            world.place("LogForger", FORGER).await;
            for call in &calls {
                let rich = world.sandbox.rich_account().await;
                let set = world.sandbox.send(rich, USDC, call.clone()).await;
                assert_eq!(world.sandbox.receipt(set).await["status"], "0x1");
            }
            let body = pay(&world, by_permit2);

            let answer = world.client.settle(&body).await;

            assert_failed(&world, &answer, MISMATCH, TRANSFER_GAS_CAP).await;
            assert_never_succeeds(&world, &body).await;
            assert_earns_nothing_more(&world, lie).await;
            world.close().await;
        }
    }
}

#[tokio::test]
async fn a_lying_token_does_not_hold_up_the_payments_of_others() {
    let world = World::with_token("SilentToken").await;
    world.call(ELSEWHERE, setSilentCall { on: true }).await;
    let payer = world.payer.address();
    let approve = approve_permit2();
    let approval = world.sandbox.send_first(payer, ELSEWHERE, approve).await;
    assert_eq!(world.sandbox.receipt(approval).await["status"], "0x1");
    let terms = price_elsewhere();
    let payload = Permit2::new(&terms, payer).signed_by(&world.payer);
    let lie = terms.v2(&payload, &Value::Null);
    let honest = world.eip3009(|_| {});

    let (lied, paid) = tokio::join!(world.client.settle(&lie), world.client.settle(&honest));

    assert_eq!(lied.body["errorReason"], MISMATCH, "{}", lied.body);
    assert_eq!(paid.body["success"], true, "{}", paid.body);
    world.close().await;
}

#[tokio::test]
async fn a_token_that_burns_gas_is_refused_before_signing() {
    let world = World::new().await;
    world.place("SilentToken", USDC).await;
    // The least of them fits what a contract wallet may cost, not what a transfer may.
    for units in [150_000, 1_000_000, u64::MAX].map(U256::from) {
        world.call(USDC, setBurnGasCall { units }).await;
        let reason = "invalid_exact_evm_transaction_simulation_failed";
        assert_refused(&world, &pay(&world, false), reason).await;
        let reason = "permit2_simulation_failed";
        assert_refused(&world, &pay(&world, true), reason).await;
    }
    world.close().await;
}

#[tokio::test]
async fn a_token_that_burns_gas_after_the_simulation_costs_at_most_the_cap() {
    for units in [U256::MAX, U256::from(1_000_000)] {
        let world = World::new().await;
        world.place("SilentToken", USDC).await;
        let burn = setBurnGasCall { units }.abi_encode().into();
        let body = pay(&world, false);

        let answer = world.settle_after(&body, USDC, burn).await;

        let reason = "invalid_exact_evm_transaction_failed";
        assert_failed(&world, &answer, reason, TRANSFER_GAS_CAP).await;
        assert_never_succeeds(&world, &body).await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_token_that_does_nothing_is_no_token() {
    let world = World::with(|settings| settings.set("EVM_ANY_ASSET", "true")).await;
    world.place("EmptyContract", ELSEWHERE).await;
    let terms = price_elsewhere();
    let payer = world.payer.address();

    let payload = Eip3009::new(&terms, payer).signed_by(&world.payer);
    let body = terms.v2(&payload, &Value::Null);
    let reason = "invalid_exact_evm_eip3009_not_supported";
    assert_refused(&world, &body, reason).await;
    let payload = Permit2::new(&terms, payer).signed_by(&world.payer);
    let body = terms.v2(&payload, &Value::Null);
    assert_refused(&world, &body, "permit2_simulation_failed").await;
    world.close().await;
}

#[tokio::test]
async fn a_used_authorization_of_a_forgiving_token_is_refused() {
    let world = World::new().await;
    world.place("ForgivingToken", USDC).await;
    let body = pay(&world, false);
    let rich = world.sandbox.rich_account().await;
    let paid = world.sandbox.send(rich, USDC, transfer_call(&body)).await;
    assert_eq!(world.sandbox.receipt(paid).await["status"], "0x1");

    assert_refused(&world, &body, "invalid_exact_evm_nonce_already_used").await;
    assert_earned(&world, USDC, PRICE).await;
    world.close().await;
}

#[tokio::test]
async fn what_somebody_else_paid_first_is_no_success_of_ours() {
    for token in ["BenchToken", "ForgivingToken"] {
        let world = World::new().await;
        world.place(token, USDC).await;
        let body = pay(&world, false);

        let answer = world.settle_after(&body, USDC, transfer_call(&body)).await;

        let (told, hash) = (&answer.body["errorReason"], &answer.body["transaction"]);
        assert_eq!(told, "duplicate_settlement", "{token}: {}", answer.body);
        let receipt: Value = world
            .sandbox
            .call("eth_getTransactionReceipt", json!([hash]))
            .await;
        let rich = world.sandbox.rich_account().await;
        assert_eq!(receipt["from"], json!(rich), "the one that paid is named");
        assert_never_succeeds(&world, &body).await;
        assert_earned(&world, USDC, PRICE).await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_settled_payment_of_a_forgiving_token_succeeds_once() {
    let world = World::new().await;
    world.place("ForgivingToken", USDC).await;
    let body = pay(&world, false);

    let answer = world.client.settle(&body).await;

    assert_eq!(answer.body["success"], true, "{}", answer.body);
    assert_never_succeeds(&world, &body).await;
    assert_earned(&world, USDC, PRICE).await;
    assert_eq!(world.sends(), 1);
    world.close().await;
}

/// What the token may be told to do, by name.
fn lies() -> [(&'static str, Vec<Bytes>); 4] {
    let silent = Bytes::from(setSilentCall { on: true }.abi_encode());
    let value = setWrongValueCall { on: true }.abi_encode();
    let recipient = setWrongRecipientCall { on: true }.abi_encode();
    let forger = setForgerCall { forger: FORGER }.abi_encode();
    [
        ("silent", vec![silent.clone()]),
        ("one unit less", vec![value.into()]),
        ("to a thief", vec![recipient.into()]),
        ("a forged log", vec![forger.into(), silent]),
    ]
}

/// Whatever moved, it moved once.
async fn assert_earns_nothing_more(world: &World, lie: &str) {
    let earned = if lie == "one unit less" { PRICE - 1 } else { 0 };
    assert_earned(world, USDC, earned).await;
    assert_eq!(world.sandbox.account_nonce(world.signer).await, 1, "{lie}");
}

fn pay(world: &World, by_permit2: bool) -> Value {
    if by_permit2 {
        world.permit2(|_| {})
    } else {
        world.eip3009(|_| {})
    }
}

fn approve_permit2() -> Bytes {
    use crate::harness::sign::PERMIT2;
    use crate::harness::world::approveCall;
    let approve = approveCall {
        spender: PERMIT2,
        units: U256::MAX,
    };
    approve.abi_encode().into()
}
