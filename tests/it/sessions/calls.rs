//! Hold at `/verify`, charge at `/settle`.

use alloy::primitives::U256;
use serde_json::json;

use super::{CAP, Scene, post, rejected, sums};

#[tokio::test]
async fn a_call_is_held_charged_and_accrued_and_nothing_is_sent() {
    let scene = Scene::new().await;
    let permit = scene.permit();

    let held = scene.client.verify(&permit.body(2_500)).await;
    let payer = json!(scene.owner.address().to_checksum(None));
    assert_eq!(held.body, json!({"isValid": true, "payer": payer}));
    let id = held.header("x-upto-session-id").to_owned();
    assert_eq!(sums(&scene.session(&id).await), [2_500, 0, 0, 0]);

    let charged = scene.client.settle(&permit.body(1_000)).await;
    let expected = json!({
        "success": true, "payer": payer, "transaction": "", "network": "eip155:84532", "amount": "1000",
        "extra": {"sessionId": id, "state": "accrued", "charged": "1000", "remaining": "9000"},
    });
    assert_eq!(charged.body, expected);
    assert_eq!(charged.header("x-upto-session-id"), id);
    assert_eq!(sums(&scene.session(&id).await), [0, 1_000, 0, 0]);

    let again = scene.client.settle(&permit.body(1_000)).await;
    rejected(&again, "hold_not_found");
    assert_eq!(scene.chain.nonce(scene.signer.address()).await, 0);
    scene.close().await;
}

#[tokio::test]
async fn a_charge_takes_no_more_than_was_held_and_may_take_nothing() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let id = scene.hold(&permit, 500).await;
    rejected(
        &scene.client.settle(&permit.body(501)).await,
        "hold_exceeded",
    );
    let nothing = scene.client.settle(&permit.body(0)).await;
    assert_eq!(nothing.body["amount"], "0", "{}", nothing.body);
    assert_eq!(sums(&scene.session(&id).await), [0; 4]);
    scene.close().await;
}

#[tokio::test]
async fn the_cap_bears_no_more_than_it_says_however_many_ask_at_once() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let body = permit.body(3_000);
    let asked = (0..10).map(|_| scene.client.verify(&body));
    let answers = futures::future::join_all(asked).await;
    let held = answers.iter().filter(|a| a.body["isValid"] == true);
    assert_eq!(held.count(), 3);
    for refused in answers.iter().filter(|a| a.body["isValid"] == false) {
        rejected(refused, "cap_exhausted");
    }
    scene.close().await;
}

#[tokio::test]
async fn a_repeated_request_with_its_key_holds_and_charges_once() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let body = permit.body(700).to_string();
    let json = ("content-type", "application/json");
    let key = |key| [json, ("idempotency-key", key)];
    let mut id = String::new();
    for _ in 0..3 {
        let held = post(&scene.client, "/verify", &body, &key("a")).await;
        assert_eq!(held.body["isValid"], true, "{}", held.body);
        held.header("x-upto-session-id").clone_into(&mut id);
    }
    assert_eq!(sums(&scene.session(&id).await), [700, 0, 0, 0]);
    for replayed in ["", "true", "true"] {
        let charged = post(&scene.client, "/settle", &body, &key("a")).await;
        assert_eq!(charged.body["success"], true, "{}", charged.body);
        assert_eq!(charged.header("idempotency-replayed"), replayed);
    }
    assert_eq!(sums(&scene.session(&id).await), [0, 700, 0, 0]);
    let other = permit.body(600).to_string();
    let reused = post(&scene.client, "/settle", &other, &key("a")).await;
    rejected(&reused, "invalid_payload");
    scene.close().await;
}

#[tokio::test]
async fn a_retry_hears_its_answer_whatever_became_of_the_balance() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let body = permit.body(700).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ];
    scene.hold(&permit, 700).await;
    let first = post(&scene.client, "/settle", &body, &headers).await;
    let all = scene
        .chain
        .balance_of(super::USDC, scene.owner.address())
        .await;
    scene.spend(all).await;
    let again = post(&scene.client, "/settle", &body, &headers).await;
    assert_eq!(first.body, again.body);
    scene.close().await;
}

#[tokio::test]
async fn a_balance_that_does_not_bear_what_is_promised_holds_nothing_more() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let id = scene.hold(&permit, 6_000).await;
    let all = scene
        .chain
        .balance_of(super::USDC, scene.owner.address())
        .await;
    scene.spend(all - U256::from(7_000)).await;
    rejected(
        &scene.client.verify(&permit.body(1_001)).await,
        "insufficient_balance",
    );
    scene.hold(&permit, 1_000).await;
    assert_eq!(sums(&scene.session(&id).await), [7_000, 0, 0, 0]);
    scene.close().await;
}

#[tokio::test]
async fn a_newer_permit_waits_for_the_older_to_be_settled() {
    let scene = Scene::new().await;
    let (older, newer) = (scene.permit(), scene.next_permit(1));
    let id = scene.call(&older, 2_000).await;

    rejected(
        &scene.client.verify(&newer.body(100)).await,
        "settling_in_progress",
    );
    let settled = scene.becomes(&id, "closing").await;
    assert_eq!(sums(&settled), [0, 0, 0, 2_000]);
    let next = scene.hold(&newer, 100).await;

    assert_ne!(next, id);
    assert_eq!(scene.session(&id).await["status"], "closed");
    rejected(&scene.client.verify(&older.body(1)).await, "session_closed");
    assert_eq!(older.paid(&scene.chain).await, [2_000]);
    scene.close().await;
}

#[tokio::test]
async fn an_unclaimed_hold_is_free_again_when_its_time_is_over() {
    let scene = Scene::swept(|s| s).await;
    let permit = scene.permit().held_for(1);
    let id = scene.hold(&permit, CAP).await;
    crate::harness::oracle::eventually("the hold released", || async {
        (sums(&scene.session(&id).await) == [0; 4]).then_some(())
    })
    .await;
    rejected(
        &scene.client.settle(&permit.body(1)).await,
        "hold_not_found",
    );
    scene.hold(&permit, CAP).await;
    scene.close().await;
}
