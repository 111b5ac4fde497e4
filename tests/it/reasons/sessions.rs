//! Calls under a permit with one flaw.

use alloy::primitives::Address;
use reqwest::Method;

use crate::sessions::{CAP, Permit, Scene, rejected};

/// `/verify` refuses it, and so does `/settle`.
async fn refused(scene: &Scene, permit: &Permit, price: u64, reason: &str) {
    let body = permit.body(price);
    rejected(&scene.client.verify(&body).await, reason);
    rejected(&scene.client.settle(&body).await, reason);
}

pub(super) async fn beyond_the_cap() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    scene.hold(&permit, 1).await;
    let refused = scene.client.verify(&permit.body(CAP)).await;
    rejected(&refused, "cap_exhausted");
    scene.close().await;
}

pub(super) async fn after_its_end() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let id = scene.hold(&permit, 1).await;
    scene.client.settle(&permit.body(0)).await;
    let path = format!("/sessions/{id}/close");
    let closed = scene.client.send(Method::POST, &path, &[], "").await;
    assert_eq!(closed.body["status"], "closed", "{}", closed.body);
    refused(&scene, &permit, 1, "session_closed").await;
    scene.close().await;
}

pub(super) async fn before_the_older_is_settled() {
    let scene = Scene::new().await;
    scene.hold(&scene.permit(), 1).await;
    let refused = scene.client.verify(&scene.next_permit(1).body(1)).await;
    rejected(&refused, "settling_in_progress");
    scene.close().await;
}

pub(super) async fn to_another_recipient() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    scene.hold(&permit, 1).await;
    let other = permit.paying(Address::repeat_byte(0xbb));
    refused(&scene, &other, 1, "permit_bound_to_other_recipient").await;
    scene.close().await;
}

pub(super) async fn by_another_caller() {
    let tokens = "one-token-of-16-characters,other-token-of-16-characters";
    let scene = Scene::with(|s| s.set("BEARER_TOKENS", tokens)).await;
    let body = scene.permit().body(1).to_string();
    let ask = async |path, token| {
        let headers = [
            ("authorization", token),
            ("content-type", "application/json"),
        ];
        scene
            .client
            .send(Method::POST, path, &headers, body.clone())
            .await
    };
    let held = ask("/verify", "Bearer one-token-of-16-characters").await;
    assert_eq!(held.body["isValid"], true, "{}", held.body);
    for path in ["/verify", "/settle"] {
        let answer = ask(path, "Bearer other-token-of-16-characters").await;
        rejected(&answer, "permit_bound_to_other_caller");
    }
    scene.close().await;
}

pub(super) async fn of_a_nonce_at_work() {
    let scene = Scene::new().await;
    scene.hold(&scene.permit(), 1).await;
    let twin = scene.permit().with_cap(CAP - 1);
    rejected(
        &scene.client.verify(&twin.body(1)).await,
        "permit_nonce_reserved",
    );
    scene.close().await;
}

pub(super) async fn without_a_promise() {
    let scene = Scene::new().await;
    let answer = scene.client.settle(&scene.permit().body(1)).await;
    rejected(&answer, "hold_not_found");
    scene.close().await;
}

pub(super) async fn beyond_its_promise() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    scene.hold(&permit, 1).await;
    rejected(&scene.client.settle(&permit.body(2)).await, "hold_exceeded");
    scene.close().await;
}
