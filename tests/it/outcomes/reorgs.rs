//! The chain takes blocks back, or calls them final.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use serde_json::{Value, json};

use super::{SEND, Scene, transferCall};
use crate::harness::chain::USDC;
use crate::harness::oracle::{Payment, eventually, failure, success, text, waiting};
use crate::harness::proxy::{ALWAYS, Fault};

#[tokio::test]
async fn a_payment_that_a_reorg_took_back_settles_again_and_is_not_told_twice() {
    let scene = Scene::new().await;
    let payment = Payment::new(&scene.payer);
    let paid = success(&scene.client.settle(&payment.body).await);
    let before = payment.record(&scene.client).await.expect("a record");

    scene.chain.hold_blocks().await;
    scene.chain.reorg(1).await;
    assert_eq!(payment.transfers(&scene.chain).await, [""; 0]);
    let taken_back = payment.becomes(&scene.client, "submitted").await;
    assert_eq!(
        taken_back["transaction"],
        json!(paid),
        "the same transaction"
    );
    eventually("the same bytes in the pool", || async {
        let waiting = waiting(&scene.chain, scene.signer.address()).await;
        waiting
            .iter()
            .any(|ours| ours["hash"] == json!(paid))
            .then_some(())
    })
    .await;
    scene.chain.release_blocks().await;
    scene.chain.mine(1).await;

    let after = payment.becomes(&scene.client, "settled").await;
    assert_eq!(
        (&before["delivered"], &after["delivered"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(payment.transfers(&scene.chain).await.len(), 1);
    failure(
        &scene.client.settle(&payment.body).await,
        "duplicate_settlement",
    );
    scene.is_right_about(&payment).await;
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn a_failure_that_a_reorg_took_back_may_still_pay() {
    let scene = Scene::new().await;
    let payment = Payment::new(&scene.payer);
    let all = scene.chain.balance_of(USDC, scene.payer.address()).await;
    let away = transferCall {
        to: Address::repeat_byte(0xee),
        value: all,
    };
    let (answer, theirs) = scene
        .overtaken(&payment, &scene.payer, away.abi_encode().into())
        .await;
    assert_eq!(
        answer["errorReason"], "invalid_exact_evm_transaction_failed",
        "{answer}"
    );

    // Without the payer's own transaction, ours finds the money again.
    let receipt = scene.chain.receipt(theirs).await;
    let block: U256 = text(&receipt["blockNumber"]).parse().expect("a number");
    let head = scene.chain.block_number().await;
    scene.chain.reorg(head + 1 - block.to::<u64>()).await;

    payment.becomes(&scene.client, "settled").await;
    assert_eq!(payment.transfers(&scene.chain).await.len(), 1);
    success(&scene.client.settle(&payment.body).await);
    scene.is_right_about(&payment).await;
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn an_expired_payment_that_a_reorg_let_land_is_settled() {
    let scene = Scene::new().await;
    let payment = Payment::new(&scene.payer);
    let before = scene.chain.snapshot().await;
    scene.chain.hold_blocks().await;

    let (answer, ours) = tokio::join!(scene.client.settle(&payment.body), async {
        let waiting = eventually("our transaction", || async {
            let waiting = waiting(&scene.chain, scene.signer.address()).await;
            waiting.first().cloned()
        })
        .await;
        scene.proxy.plan(SEND, ALWAYS, Fault::Drop);
        let hash = text(&waiting["hash"]).parse().expect("a hash");
        scene.chain.drop_transaction(hash).await;
        let past = payment.eip3009().message.validBefore + U256::ONE;
        let _: Value = scene
            .chain
            .call("evm_setNextBlockTimestamp", json!([past]))
            .await;
        scene.chain.mine(1).await;
        hash
    });
    failure(
        &answer,
        "invalid_exact_evm_payload_authorization_valid_before",
    );
    assert_eq!(
        payment.becomes(&scene.client, "expired").await["delivered"],
        false
    );
    // Another block in its place, and in it the bytes that were sent first.
    scene.chain.revert(&before).await;
    let sent = scene.proxy.calls(SEND)[0].clone();
    let again: B256 = scene.chain.call(SEND, sent).await;
    assert_eq!(again, ours);
    scene.chain.mine(1).await;

    let record = payment.becomes(&scene.client, "settled").await;
    assert_eq!(record["transaction"], json!(ours));
    assert_eq!(
        success(&scene.client.settle(&payment.body).await),
        ours.to_string()
    );
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn a_settlement_becomes_final_with_its_block() {
    let scene = Scene::new().await;
    let payment = Payment::new(&scene.payer);
    success(&scene.client.settle(&payment.body).await);
    let record = payment.record(&scene.client).await.expect("a record");
    assert_eq!(record["final"], false);

    scene.chain.mine(70).await;

    eventually("a final record", || async {
        let record = payment.record(&scene.client).await?;
        (record["final"] == true).then_some(())
    })
    .await;
    scene.facilitator.stop().await;
}
