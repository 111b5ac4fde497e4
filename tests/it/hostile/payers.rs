//! Payers that change between our look and the block: their balance, their code, their mind.

use alloy::primitives::{Address, Bytes, U256, address};
use alloy::sol_types::SolCall;
use serde_json::Value;

use super::{
    TRANSFER_GAS_CAP, WALLET_GAS_CAP, assert_earned, assert_failed, assert_never_succeeds,
    assert_refused, assert_unsent,
};
use crate::harness::chain::{USDC, WEALTH};
use crate::harness::sign::{Eip3009, Permit2};
use crate::harness::world::{ELSEWHERE, PRICE, World, price, setModeCall, transferCall};

const WALLET: Address = address!("0x00000000000000000000000000000000be1c00aa");
const OTHER: Address = address!("0x00000000000000000000000000000000000cafe9");
/// `GasBurnerWallet` in its ways to be difficult.
const BURN_ALL: u8 = 1;
const WRONG_MAGIC: u8 = 2;
const REVERT: u8 = 3;
const RETURN_BOMB: u8 = 4;
const BURN_THEN_ANSWER: u8 = 5;
const ONLY_IN_CALLS: u8 = 6;

#[tokio::test]
async fn a_balance_moved_after_verify_is_seen_at_settle() {
    let world = World::new().await;
    for body in [world.eip3009(|_| {}), world.permit2(|_| {})] {
        let verified = world.client.verify(&body).await;
        assert_eq!(verified.body["isValid"], true, "{}", verified.body);
    }
    let (payer, everything) = (world.payer.address(), U256::from(WEALTH));
    move_balance(&world, payer, OTHER, everything).await;

    let reason = "invalid_exact_evm_insufficient_balance";
    assert_refused(&world, &world.eip3009(|_| {}), reason).await;
    let reason = "permit2_insufficient_balance";
    assert_refused(&world, &world.permit2(|_| {}), reason).await;
    assert_eq!(world.sends(), 0);
    world.close().await;
}

#[tokio::test]
async fn a_balance_moved_after_the_simulation_costs_one_capped_transaction() {
    for by_permit2 in [false, true] {
        let world = World::new().await;
        let body = if by_permit2 {
            world.permit2(|_| {})
        } else {
            world.eip3009(|_| {})
        };
        let units = U256::from(WEALTH);
        let call = transferCall { to: OTHER, units }.abi_encode().into();
        let payer = world.payer.address();

        let answer = world.settle_after_call_of(payer, &body, USDC, call).await;

        let reason = "invalid_exact_evm_transaction_failed";
        assert_failed(&world, &answer, reason, TRANSFER_GAS_CAP).await;
        assert_never_succeeds(&world, &body).await;
        assert_eq!(world.sandbox.account_nonce(world.signer).await, 1);
        world.close().await;
    }
}

#[tokio::test]
async fn a_payment_that_failed_and_is_paid_by_somebody_later_is_never_a_success_of_ours() {
    let world = World::new().await;
    let body = world.eip3009(|_| {});
    let payer = world.payer.address();
    let units = U256::from(WEALTH);
    let call = transferCall { to: OTHER, units }.abi_encode().into();
    let answer = world.settle_after_call_of(payer, &body, USDC, call).await;
    assert_eq!(answer.body["success"], false, "{}", answer.body);

    world.sandbox.fund(&[payer]).await;
    let rich = world.sandbox.rich_account().await;
    let call = crate::harness::world::transfer_call(&body);
    let paid = world.sandbox.send(rich, USDC, call).await;
    assert_eq!(world.sandbox.receipt(paid).await["status"], "0x1");

    assert_never_succeeds(&world, &body).await;
    world.close().await;
}

#[tokio::test]
async fn a_wallet_that_burns_lies_or_bombs_is_refused_before_it_costs_anything() {
    let world = World::new().await;
    let owner = world.payer.address();
    world.place_wallet("GasBurnerWallet", WALLET, owner).await;
    for mode in [BURN_ALL, WRONG_MAGIC, REVERT, RETURN_BOMB, BURN_THEN_ANSWER] {
        world.call(WALLET, setModeCall { mode }).await;
        let [authorized, permitted] = wallet_payments(&world);
        assert_refused(&world, &authorized, "invalid_exact_evm_signature").await;
        assert_refused(&world, &permitted, "invalid_permit2_signature").await;
    }
    world.close().await;
}

#[tokio::test]
async fn a_wallet_that_is_honest_only_in_free_calls_is_refused_before_signing() {
    let world = World::new().await;
    let owner = world.payer.address();
    world.place_wallet("GasBurnerWallet", WALLET, owner).await;
    let mode = ONLY_IN_CALLS;
    world.call(WALLET, setModeCall { mode }).await;
    let [authorized, permitted] = wallet_payments(&world);

    let answer = world.client.settle(&authorized).await;
    assert_unsent(&answer, "invalid_exact_evm_signature");
    let answer = world.client.settle(&permitted).await;
    assert_unsent(&answer, "invalid_permit2_signature");
    assert_eq!(world.sends(), 0);
    world.close().await;
}

#[tokio::test]
async fn a_wallet_that_changes_its_mind_before_the_block_costs_at_most_the_cap() {
    for mode in [
        BURN_ALL,
        WRONG_MAGIC,
        REVERT,
        RETURN_BOMB,
        BURN_THEN_ANSWER,
        ONLY_IN_CALLS,
    ] {
        for by_permit2 in [0, 1] {
            let world = World::new().await;
            let owner = world.payer.address();
            world.place_wallet("GasBurnerWallet", WALLET, owner).await;
            let body = &wallet_payments(&world)[by_permit2];

            let change = setModeCall { mode }.abi_encode().into();
            let answer = world.settle_after(body, WALLET, change).await;

            let reason = "invalid_exact_evm_transaction_failed";
            assert_failed(&world, &answer, reason, WALLET_GAS_CAP).await;
            assert_earned(&world, USDC, 0).await;
            world.close().await;
        }
    }
}

#[tokio::test]
async fn a_payer_that_gets_code_after_verify_is_judged_by_its_code() {
    let world = World::new().await;
    world.place("StrictDelegate7702", ELSEWHERE).await;
    let [authorized, permitted] = [world.eip3009(|_| {}), world.permit2(|_| {})];
    for body in [&authorized, &permitted] {
        assert_eq!(world.client.verify(body).await.body["isValid"], true);
    }
    delegate(&world).await;

    assert_refused(&world, &authorized, "invalid_exact_evm_signature").await;
    assert_refused(&world, &permitted, "invalid_permit2_signature").await;

    world.place("Delegate7702", ELSEWHERE).await;
    for body in [&authorized, &permitted] {
        let answer = world.client.settle(body).await;
        assert_eq!(answer.body["success"], true, "{}", answer.body);
    }
    assert_earned(&world, USDC, 2 * PRICE).await;
    world.close().await;
}

#[tokio::test]
async fn a_payer_that_gets_code_after_the_simulation_costs_at_most_the_cap() {
    let world = World::new().await;
    // What the account delegates to is nothing yet, so it is an account with code that says nothing.
    world.place("Delegate7702", ELSEWHERE).await;
    delegate(&world).await;
    let body = world.eip3009(|_| {});
    world.sandbox.hold_blocks().await;
    let interfere = async {
        world.sandbox.pooled(world.signer).await;
        world.place("StrictDelegate7702", ELSEWHERE).await;
        world.sandbox.mine(1).await;
    };

    let (answer, ()) = tokio::join!(world.client.settle(&body), interfere);

    let reason = "invalid_exact_evm_transaction_failed";
    assert_failed(&world, &answer, reason, WALLET_GAS_CAP).await;
    world.sandbox.release_blocks().await;
    world.close().await;
}

#[tokio::test]
async fn an_account_that_loses_its_code_pays_by_its_key_again() {
    let world = World::new().await;
    world.place("StrictDelegate7702", ELSEWHERE).await;
    delegate(&world).await;
    let body = world.eip3009(|_| {});
    assert_refused(&world, &body, "invalid_exact_evm_signature").await;

    let payer = world.payer.address();
    world.sandbox.set_code(payer, &Bytes::new()).await;

    let answer = world.client.settle(&body).await;
    assert_eq!(answer.body["success"], true, "{}", answer.body);
    world.close().await;
}

/// The wallet pays by EIP-3009 and by Permit2, signed by its owner.
fn wallet_payments(world: &World) -> [Value; 2] {
    let terms = price();
    let authorized = Eip3009::new(&terms, WALLET).signed_by(&world.payer);
    let permitted = Permit2::new(&terms, WALLET).signed_by(&world.payer);
    [authorized, permitted].map(|payload| terms.v2(&payload, &Value::Null))
}

/// The payer delegates to the contract at [`ELSEWHERE`] (EIP-7702).
async fn delegate(world: &World) {
    let designator = [&[0xef, 0x01, 0x00], ELSEWHERE.as_slice()].concat();
    let payer = world.payer.address();
    world.sandbox.set_code(payer, &designator.into()).await;
}

async fn move_balance(world: &World, from: Address, to: Address, units: U256) {
    let call = transferCall { to, units }.abi_encode().into();
    let moved = world.sandbox.send_first(from, USDC, call).await;
    assert_eq!(world.sandbox.receipt(moved).await["status"], "0x1");
}
