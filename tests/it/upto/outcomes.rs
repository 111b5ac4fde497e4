//! What became of a charge is what the chain says.

use alloy::primitives::{Bytes, U256};
use alloy::sol_types::SolCall;
use serde_json::json;

use crate::harness::chain::{USDC, WEALTH};
use crate::harness::oracle::{failure, success};
use crate::harness::sign::{PERMIT2, Permit2};
use crate::harness::sign_upto::charge;
use crate::harness::world::{PAYEE, World, invalidateUnorderedNoncesCall, price, setSilentCall};

/// The payer takes back a Permit2 nonce: its word and its bit.
fn invalidate(nonce: U256) -> Bytes {
    let call = invalidateUnorderedNoncesCall {
        wordPos: nonce >> 8,
        mask: U256::ONE << (nonce & U256::from(0xff)).to::<usize>(),
    };
    call.abi_encode().into()
}

#[tokio::test]
async fn a_ceiling_that_the_payer_takes_back_before_the_block_is_not_charged() {
    let world = World::new().await;
    let mut nonce = U256::ZERO;
    let ceiling = world.upto(|payment| nonce = payment.message.nonce);
    let payer = world.payer.address();

    let answer = world
        .settle_after_call_of(payer, &charge(&ceiling, 900), PERMIT2, invalidate(nonce))
        .await;

    failure(&answer, "permit2_invalid_nonce");
    let again = world.client.settle(&charge(&ceiling, 1)).await;
    failure(&again, "permit2_invalid_nonce");
    let earned = world.sandbox.balance_of(USDC, PAYEE).await;
    assert_eq!(earned, U256::ZERO);
    assert_eq!(world.sends(), 1);
    world.close().await;
}

#[tokio::test]
async fn an_exact_payment_that_the_payer_takes_back_before_the_block_is_not_paid() {
    let world = World::new().await;
    let payment = Permit2::new(&price(), world.payer.address());
    let body = price().v2(&payment.signed_by(&world.payer), &json!(null));
    let payer = world.payer.address();
    let take_back = invalidate(payment.message.nonce);

    let answer = world
        .settle_after_call_of(payer, &body, PERMIT2, take_back)
        .await;

    failure(&answer, "invalid_exact_evm_nonce_already_used");
    world.close().await;
}

#[tokio::test]
async fn a_ceiling_that_was_taken_back_is_refused() {
    let world = World::new().await;
    let mut nonce = U256::ZERO;
    let ceiling = world.upto(|payment| nonce = payment.message.nonce);
    let payer = world.payer.address();
    world
        .sandbox
        .set_balance(payer, U256::from(10).pow(U256::from(18)))
        .await;
    let sent = world
        .sandbox
        .send_by(&world.payer, 0, PERMIT2, invalidate(nonce), 50)
        .await;
    assert_eq!(world.sandbox.receipt(sent).await["status"], "0x1");

    for units in [0, 900] {
        let answer = world.client.settle(&charge(&ceiling, units)).await;
        failure(&answer, "permit2_invalid_nonce");
    }
    assert_eq!(world.sends(), 0);
    world.close().await;
}

#[tokio::test]
async fn a_token_that_says_nothing_paid_nothing() {
    let world = World::new().await;
    world.place("SilentToken", USDC).await;
    let ceiling = world.upto(|_| {});
    let silence = setSilentCall { on: true }.abi_encode().into();

    let answer = world
        .settle_after(&charge(&ceiling, 900), USDC, silence)
        .await;

    let hash = failure(&answer, "invalid_upto_evm_transaction_failed");
    let receipt = world.sandbox.receipt(hash.parse().expect("a hash")).await;
    assert_eq!(receipt["status"], "0x1", "the receipt alone would say paid");
    world.close().await;
}

#[tokio::test]
async fn what_stays_after_a_charge_is_the_payers() {
    let world = World::new().await;
    let ceiling = world.upto(|_| {});
    success(&world.client.settle(&charge(&ceiling, 900)).await);
    let left = world.sandbox.balance_of(USDC, world.payer.address()).await;
    assert_eq!(left, U256::from(WEALTH - 900));
    world.close().await;
}
