//! Nodes that take transactions, and how little one of them may cost the others' payments.

use std::time::Duration;

use tokio::time::timeout;

use crate::harness::facilitator::Facilitator;
use crate::harness::oracle::success;
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::scene::{AMOUNT, Scene};
use crate::harness::svm_world::{SvmRequest, settings};

/// Longer than payments take, and shorter than the service's patience with a node.
const SOON: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_node_that_never_answers_keeps_no_payment_waiting() {
    let scene = Scene::start().await;
    let (quick, stuck) = (
        Proxy::start(scene.ledger.url()).await,
        Proxy::start(scene.ledger.url()).await,
    );
    stuck.plan(
        "sendTransaction",
        ALWAYS,
        Fault::Delay(Duration::from_mins(2)),
    );
    let urls = format!("{},{}", stuck.url(), quick.url());
    let settings = settings(&scene, scene.ledger.url()).set("SVM_SEND_URL_SOLANA_DEVNET", &urls);
    let facilitator = Facilitator::start(settings).await;
    let client = facilitator.client();

    let paid = timeout(SOON, async {
        for _ in 0..3 {
            let request = SvmRequest::new(&scene).await;
            assert_eq!(success(&client.settle(&request.body).await), request.id);
        }
    });

    assert!(paid.await.is_ok(), "a payment waited for the node");
    assert_eq!(scene.received().await, 3 * AMOUNT);
    assert!(
        stuck.calls("sendTransaction").len() >= 3,
        "every node hears of every payment"
    );
    // With it the wait for its answers ends.
    drop(stuck);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn what_is_being_sent_when_the_service_stops_is_still_sent() {
    let scene = Scene::start().await;
    let slow = Proxy::start(scene.ledger.url()).await;
    slow.plan(
        "sendTransaction",
        1,
        Fault::Delay(Duration::from_millis(700)),
    );
    let settings = settings(&scene, scene.ledger.url())
        .set("SVM_SEND_URL_SOLANA_DEVNET", slow.url())
        .set("SETTLE_TIMEOUT_MS", "400");
    let facilitator = Facilitator::start(settings).await;
    let request = SvmRequest::new(&scene).await;

    let answer = facilitator.client().settle(&request.body).await;
    assert_eq!(answer.reason(), "settlement_pending", "{}", answer.text);
    assert!(facilitator.stop().await);

    assert_eq!(scene.received().await, AMOUNT);
}
