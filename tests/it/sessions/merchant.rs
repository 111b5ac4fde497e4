//! Merchants that keep their sessions: `/settle` moves the asked amount now, once.

use serde_json::json;

use super::{CAP, Scene, post, rejected};
use crate::harness::oracle::{failure, success};

async fn merchants() -> Scene {
    Scene::with(|s| s.set("UPTO_SESSIONS", "merchant")).await
}

#[tokio::test]
async fn each_settle_moves_just_its_amount_within_the_cap() {
    let scene = merchants().await;
    let permit = scene.permit();
    let checked = scene.client.verify(&permit.body(CAP)).await;
    assert_eq!(
        (
            &checked.body["isValid"],
            checked.header("x-upto-session-id")
        ),
        (&json!(true), "")
    );
    for amount in [6_000, 3_000] {
        let settled = scene.client.settle(&permit.body(amount)).await;
        success(&settled);
        assert_eq!(settled.body["amount"], amount.to_string());
    }
    rejected(
        &scene.client.verify(&permit.body(1_001)).await,
        "cap_exhausted",
    );
    rejected(
        &scene.client.settle(&permit.body(1_001)).await,
        "cap_exhausted",
    );
    success(&scene.client.settle(&permit.body(1_000)).await);
    assert_eq!(permit.paid(&scene.chain).await, [6_000, 3_000, 1_000]);
    scene.close().await;
}

#[tokio::test]
async fn identical_settles_at_once_move_the_amount_once() {
    let timeout = ("SETTLE_TIMEOUT_MS", "3000");
    let scene = Scene::with(|s| s.set("UPTO_SESSIONS", "merchant").set(timeout.0, timeout.1)).await;
    let permit = scene.permit();
    let body = permit.body(2_000);
    scene.chain.hold_blocks().await;
    let asked = (0..10).map(|_| scene.client.settle(&body));
    let answers = futures::future::join_all(asked).await;
    let named: Vec<_> = answers
        .iter()
        .map(|answer| failure(answer, "settlement_pending"))
        .collect();
    assert!(named.iter().all(|hash| *hash == named[0]), "{named:?}");
    scene.chain.release_blocks().await;
    scene.chain.mine(1).await;
    success(&scene.client.settle(&body).await);
    assert_eq!(permit.paid(&scene.chain).await, [2_000]);
    scene.close().await;
}

/// H8: an answer that nobody heard is joined, and a larger sum that may hold it waits.
#[tokio::test]
async fn an_untold_settlement_is_joined_and_never_charged_again() {
    let scene = Scene::with(|s| {
        s.set("UPTO_SESSIONS", "merchant")
            .set("SETTLE_TIMEOUT_MS", "1500")
    })
    .await;
    let permit = scene.permit();
    scene.chain.hold_blocks().await;
    let pending = scene.client.settle(&permit.body(2_000)).await;
    failure(&pending, "settlement_pending");
    rejected(
        &scene.client.settle(&permit.body(2_500)).await,
        "settling_in_progress",
    );
    scene.chain.release_blocks().await;
    scene.chain.mine(1).await;
    crate::harness::oracle::eventually("the payment on chain", || async {
        (permit.paid(&scene.chain).await == [2_000]).then_some(())
    })
    .await;
    success(&scene.client.settle(&permit.body(2_000)).await);
    assert_eq!(permit.paid(&scene.chain).await, [2_000]);
    scene.close().await;
}

#[tokio::test]
async fn a_key_makes_a_settle_happen_once_and_another_key_once_more() {
    let token = "a-token-of-16-characters";
    let scene = Scene::with(|s| {
        s.set("UPTO_SESSIONS", "merchant")
            .set("BEARER_TOKEN", token)
    })
    .await;
    let permit = scene.permit();
    let bearer = format!("Bearer {token}");
    let settle = async |key| {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
            ("idempotency-key", key),
        ];
        post(
            &scene.client,
            "/settle",
            &permit.body(2_000).to_string(),
            &headers,
        )
        .await
    };
    let first = success(&settle("a").await);
    assert_eq!(success(&settle("a").await), first, "told again");
    assert_ne!(success(&settle("b").await), first);
    assert_eq!(permit.paid(&scene.chain).await, [2_000, 2_000]);
    scene.close().await;
}

#[tokio::test]
async fn a_settle_of_nothing_moves_nothing() {
    let scene = merchants().await;
    rejected(
        &scene.client.settle(&scene.permit().body(0)).await,
        "invalid_payment_requirements",
    );
    scene.close().await;
}
