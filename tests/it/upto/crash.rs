//! SIGKILL at every point of a charge, on both engines.

use alloy::primitives::U256;

use crate::crash::{Blocks, Scene, survives};
use crate::harness::chain::USDC;
use crate::harness::facilitator::Process;
use crate::harness::oracle::{Payment, failure, success};
use crate::harness::postgres;

/// A charge of 900, killed at the point.
async fn charge_survives(point: &str, blocks: Blocks, database: Option<String>) {
    let scene = Scene::paying(database, |payer, signer| Payment::upto(payer, signer, 900)).await;
    survives(&scene, point, blocks).await;
}

/// A charge of nothing: told once, whatever happened, and never by a transaction.
async fn closing_survives(point: &str, database: Option<String>) {
    let scene = Scene::paying(database, |payer, signer| Payment::upto(payer, signer, 0)).await;
    scene.kill_at(point).await;

    let process = Process::start(&scene.settings, None).await;
    assert_eq!(scene.payment.state(&process.client).await, "closed");
    let told = process.client.settle(&scene.payment.body).await;
    assert_eq!(success(&told), "");
    assert_eq!(told.body["amount"], "0");
    let again = process.client.settle(&scene.payment.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), "");
    let earned = scene.chain.balance_of(USDC, scene.payment.pay_to).await;
    assert_eq!(earned, U256::ZERO);
    assert_eq!(scene.chain.nonce(scene.signer.address()).await, 0);
    process.kill().await;
}

macro_rules! kills {
    ($($name:ident: $point:literal, $blocks:ident;)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::charge_survives($point, super::Blocks::$blocks, None).await; })*

            #[tokio::test]
            async fn a_kill_over_a_charge_of_nothing_closes_it_once() {
                for point in ["Enqueued", "Settled"] {
                    super::closing_survives(point, None).await;
                }
            }
        }
        mod postgresql {
            $(#[tokio::test] async fn $name() {
                super::charge_survives($point, super::Blocks::$blocks, Some(super::postgres::database().await)).await;
            })*

            #[tokio::test]
            async fn a_kill_over_a_charge_of_nothing_closes_it_once() {
                for point in ["Enqueued", "Settled"] {
                    super::closing_survives(point, Some(super::postgres::database().await)).await;
                }
            }
        }
    };
}

kills! {
    a_kill_after_enqueueing_loses_and_doubles_nothing: "Enqueued", Made;
    a_kill_after_choosing_the_account_nonce_loses_and_doubles_nothing: "NonceChosen", Made;
    a_kill_after_signing_loses_and_doubles_nothing: "Signed", Made;
    a_kill_after_storing_loses_and_doubles_nothing: "Stored", Held;
    a_kill_after_sending_loses_and_doubles_nothing: "Sent", Made;
    a_kill_with_a_forgotten_transaction_sends_the_same_bytes_again: "Sent", HeldAndForgotten;
    a_kill_after_reading_the_receipt_loses_and_doubles_nothing: "Received", Made;
    a_kill_before_telling_the_success_leaves_it_to_be_told_once: "Settled", Made;
}
