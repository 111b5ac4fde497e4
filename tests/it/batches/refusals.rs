//! Batches that could not pay are given up before anything is signed.

use alloy::primitives::U256;
use serde_json::json;
use x402_facilitator::protocol::Reason;
use x402_facilitator::store::Stage;

use super::{SEND, Scene};
use crate::harness::batch::CAP;
use crate::harness::chain::USDC;
use crate::harness::proxy::{ALWAYS, Fault, OVERRIDE};

/// Waits until the batch is given up, with nothing sent for it, and returns why.
async fn released(scene: &Scene, id: &str) -> Reason {
    let stage = scene.batches.becomes(id, "released").await;
    let sent = scene.proxy.calls(SEND);
    assert_eq!(sent.len(), 0, "nothing was sent");
    let Stage::Released { reason, .. } = stage else {
        panic!("{stage:?}")
    };
    reason
}

#[tokio::test]
async fn a_permit_that_somebody_sent_first_is_not_sent_again() {
    let scene = Scene::new().await;
    let call = scene.batches.permit_call();
    let theirs = scene.chain.send_by(&scene.other, 0, USDC, call, 50).await;
    scene.chain.receipt(theirs).await;

    let id = scene.batches.first(2_500).await;

    // The allowance would cover it: whose it is, is for the session to prove.
    assert_eq!(released(&scene, &id).await, Reason::PermitFailed);
    assert_eq!(scene.paid().await, [U256::ZERO; 0]);
    let next = scene.batches.next(1, 2_500).await;
    scene.batches.becomes(&next, "settled").await;
    scene.close().await;
}

#[tokio::test]
async fn an_owner_without_the_money_costs_no_gas() {
    let scene = Scene::new().await;
    let call = scene.away().await;
    let owner = scene.batches.owner.clone();
    let theirs = scene.chain.send_by(&owner, 0, USDC, call, 50).await;
    scene.chain.receipt(theirs).await;

    let id = scene.batches.first(2_500).await;

    assert_eq!(released(&scene, &id).await, Reason::InsufficientBalance);
    assert_eq!(scene.batches.nonce(&scene.chain).await, U256::ZERO);
    scene.close().await;
}

#[tokio::test]
async fn a_batch_beyond_its_allowance_costs_no_gas() {
    let scene = Scene::new().await;
    let beyond = scene.batches.first(CAP + 1).await;
    assert_eq!(
        released(&scene, &beyond).await,
        Reason::InsufficientAllowance
    );
    let alone = scene.batches.next(1, 1).await;
    assert_eq!(
        released(&scene, &alone).await,
        Reason::InsufficientAllowance
    );
    scene.close().await;
}

#[tokio::test]
async fn a_paused_token_costs_no_gas() {
    let scene = Scene::new().await;
    // `paused` is in slot 13 of the token.
    let on = U256::ONE.into();
    scene.chain.set_storage(USDC, U256::from(13), on).await;
    let id = scene.batches.first(2_500).await;
    assert_eq!(released(&scene, &id).await, Reason::TransactionFailed);
    scene.close().await;
}

#[tokio::test]
async fn a_permit_at_its_end_is_not_sent() {
    let mut scene = Scene::new().await;
    let now = x402_facilitator::clock::Clock::system().now().as_secs();
    scene.batches.permit.message.deadline = U256::from(now);
    let id = scene.batches.first(2_500).await;
    assert_eq!(released(&scene, &id).await, Reason::AuthorizationExpired);
    scene.close().await;
}

/// The node refuses the state override, or ignores it: what can be known without it is asked.
#[tokio::test]
async fn a_node_that_takes_no_overrides_is_asked_for_the_permit_and_the_balance() {
    let refuses = Fault::Refuse("too many arguments, want at most 2");
    for fault in [refuses, Fault::Answer(json!("0x"))] {
        let scene = Scene::new().await;
        scene.proxy.plan(OVERRIDE, ALWAYS, fault.clone());
        let id = scene.batches.first(2_500).await;
        scene.batches.becomes(&id, "settled").await;
        assert_eq!(scene.proxy.calls(SEND).len(), 2, "{fault:?}");
        assert_eq!(scene.paid().await, [U256::from(2_500)]);
        scene.close().await;
    }
}

#[tokio::test]
async fn without_overrides_a_used_permit_and_a_poor_owner_are_still_refused() {
    let used = Scene::new().await;
    let call = used.batches.permit_call();
    let theirs = used.chain.send_by(&used.other, 0, USDC, call, 50).await;
    used.chain.receipt(theirs).await;
    let poor = Scene::new().await;
    let (call, owner) = (poor.away().await, &poor.batches.owner);
    let theirs = poor.chain.send_by(owner, 0, USDC, call, 50).await;
    poor.chain.receipt(theirs).await;

    for (scene, reason) in [
        (used, Reason::PermitFailed),
        (poor, Reason::InsufficientBalance),
    ] {
        scene
            .proxy
            .plan(OVERRIDE, ALWAYS, Fault::Answer(json!("0x")));
        let id = scene.batches.first(2_500).await;
        assert_eq!(released(&scene, &id).await, reason);
        scene.close().await;
    }
}
