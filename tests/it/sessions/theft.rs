//! What the replaced system let happen, and must not.

use alloy::primitives::Address;
use serde_json::json;

use super::{CAP, Scene, post, rejected, sums};

/// H1: the recipient is no part of the permit, and was taken from whoever settled.
#[tokio::test]
async fn a_permit_pays_nobody_but_the_merchant_it_was_first_shown_to() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let id = scene.call(&permit, 1_000).await;
    let thief = permit.clone().paying(Address::repeat_byte(0xbb));
    rejected(
        &scene.client.verify(&thief.body(9_000)).await,
        "permit_bound_to_other_recipient",
    );
    rejected(
        &scene.client.settle(&thief.body(9_000)).await,
        "permit_bound_to_other_recipient",
    );
    assert_eq!(sums(&scene.session(&id).await), [0, 1_000, 0, 0]);
    scene.close().await;
}

/// H1, with keys: nor is it another caller's to charge.
#[tokio::test]
async fn a_permit_is_charged_by_nobody_but_the_caller_that_verified_it_first() {
    let tokens = "first-token-of-16-chars,second-token-of-16-chars";
    let scene = Scene::with(|s| s.set("BEARER_TOKENS", tokens)).await;
    let permit = scene.permit();
    let body = permit.body(1_000).to_string();
    let as_caller = |token| {
        let bearer = format!("Bearer {token}");
        let (client, body) = (scene.client.clone(), body.clone());
        async move |path: &str| {
            let headers = [
                ("content-type", "application/json"),
                ("authorization", bearer.as_str()),
            ];
            post(&client, path, &body, &headers).await
        }
    };
    let (first, second) = (
        as_caller("first-token-of-16-chars"),
        as_caller("second-token-of-16-chars"),
    );
    assert_eq!(scene.client.verify(&permit.body(1)).await.status, 401);
    let held = first("/verify").await;
    assert_eq!(held.body["isValid"], true, "{}", held.body);
    rejected(&second("/verify").await, "permit_bound_to_other_caller");
    rejected(&second("/settle").await, "permit_bound_to_other_caller");
    let id = held.header("x-upto-session-id");
    for path in [
        format!("/sessions/{id}/settle"),
        format!("/sessions/{id}/close"),
    ] {
        let headers = [("authorization", "Bearer second-token-of-16-chars")];
        assert_eq!(post(&scene.client, &path, "", &headers).await.status, 404);
    }
    assert_eq!(first("/settle").await.body["success"], true);
    scene.close().await;
}

/// H2: a consumed permit is no claim on a newer permit's allowance.
#[tokio::test]
async fn a_used_up_permit_spends_nothing_of_a_newer_ones_allowance() {
    let scene = Scene::swept(|s| s).await;
    let older = scene.permit().with_cap(1_000);
    let id = scene.call(&older, 1_000).await;
    scene.becomes(&id, "closed").await;
    let newer = scene.next_permit(1);
    scene.call(&newer, 500).await;
    let view = scene.client.get("/sessions").await;
    assert_eq!(view.body["sessions"].as_array().map(Vec::len), Some(2));
    rejected(
        &scene.client.verify(&older.body(1_000)).await,
        "session_closed",
    );
    rejected(
        &scene.client.settle(&older.body(1_000)).await,
        "session_closed",
    );
    scene.close().await;
}

/// H4 and the casing hole of the session id: one permit, one account, however it is written.
#[tokio::test]
async fn one_permit_is_one_account_however_it_is_written() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let id = scene.hold(&permit, 6_000).await;
    let mut lower = permit.body(6_000);
    let from = lower
        .pointer_mut("/paymentPayload/payload/authorization/from")
        .expect("there");
    *from = json!(format!("{:#x}", scene.owner.address()));
    rejected(&scene.client.verify(&lower).await, "cap_exhausted");
    let asset = lower
        .pointer_mut("/paymentPayload/accepted/asset")
        .expect("there");
    *asset = json!(asset.as_str().expect("text").to_lowercase());
    lower["paymentRequirements"]["amount"] = json!("4000");
    let same = scene.client.verify(&lower).await;
    assert_eq!(same.header("x-upto-session-id"), id);
    scene.close().await;
}

/// H4 and H5: the same owner at two merchants.
#[tokio::test]
async fn two_permits_of_one_nonce_at_two_merchants_are_not_both_good() {
    let scene = Scene::new().await;
    let first = scene.permit();
    let second = scene
        .permit()
        .with_cap(CAP + 1)
        .paying(Address::repeat_byte(0xbb));
    scene.hold(&first, 100).await;
    rejected(
        &scene.client.verify(&second.body(100)).await,
        "permit_nonce_reserved",
    );
    scene.close().await;
}

/// H5: permits in a row at two merchants are settled in their order.
#[tokio::test]
async fn two_permits_of_one_owner_at_two_merchants_are_both_paid() {
    let scene = Scene::new().await;
    let first = scene.permit();
    let second = scene.next_permit(1).paying(Address::repeat_byte(0xbb));
    let id = scene.call(&first, 4_000).await;
    rejected(
        &scene.client.verify(&second.body(300)).await,
        "settling_in_progress",
    );
    scene.becomes(&id, "closing").await;
    let other = scene.call(&second, 300).await;
    let settled = post(&scene.client, &format!("/sessions/{other}/settle"), "", &[]).await;
    assert_eq!(sums(&settled.body), [0, 0, 0, 300], "{}", settled.body);
    assert_eq!(first.paid(&scene.chain).await, [4_000]);
    assert_eq!(second.paid(&scene.chain).await, [300]);
    scene.close().await;
}

/// H7: what was charged survives the process.
#[tokio::test]
async fn a_restart_forgets_no_charge_and_no_cap() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let id = scene.call(&permit, 8_000).await;
    let Scene {
        chain,
        settings,
        facilitator,
        ..
    } = scene;
    assert!(facilitator.stop().await);
    let again = crate::harness::facilitator::Facilitator::start(settings).await;
    let client = again.client();
    rejected(&client.verify(&permit.body(2_001)).await, "cap_exhausted");
    assert_eq!(sums(&super::session(&client, &id).await), [0, 8_000, 0, 0]);
    drop(chain);
    again.stop().await;
}

/// H14: an amount is decimal digits or nothing.
#[tokio::test]
async fn a_garbage_amount_is_no_amount() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    scene.hold(&permit, 100).await;
    for bad in ["abc", "0x10", "-1", "1e3", "", " 5"] {
        let mut body = permit.body(1);
        body["paymentRequirements"]["amount"] = json!(bad);
        rejected(
            &scene.client.settle(&body).await,
            "invalid_payment_requirements",
        );
        let mut body = permit.body(1);
        body["paymentPayload"]["payload"]["authorization"]["value"] = json!(bad);
        rejected(
            &scene.client.settle(&body).await,
            "invalid_upto_evm_payload",
        );
    }
    scene.close().await;
}

/// H17: an allowance is left when a session is closed, and nobody can charge it.
#[tokio::test]
async fn what_is_left_of_an_allowance_is_nobodys_after_the_end() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let id = scene.call(&permit, 1_000).await;
    let headers = [("content-type", "application/json")];
    let path = format!("/sessions/{id}/settle");
    let closed = post(&scene.client, &path, r#"{"close": true}"#, &headers).await;
    assert_eq!(closed.body["status"], "closed", "{}", closed.body);
    for body in [
        permit.body(1),
        permit.clone().paying(Address::repeat_byte(0xbb)).body(1),
    ] {
        for answer in [
            scene.client.verify(&body).await,
            scene.client.settle(&body).await,
        ] {
            let reason = answer.reason();
            let expected = ["session_closed", "permit_bound_to_other_recipient"];
            assert!(expected.contains(&reason), "{}", answer.body);
        }
    }
    // Another permit of that nonce is no way to it either.
    let twin = scene.permit().with_cap(CAP - 1);
    rejected(&scene.client.verify(&twin.body(1)).await, "permit_failed");
    let tracked = post(
        &scene.client,
        "/sessions/track",
        &permit.body(1).to_string(),
        &headers,
    )
    .await;
    assert_eq!(tracked.body["error"], "session_closed");
    assert_eq!(permit.paid(&scene.chain).await, [1_000]);
    scene.close().await;
}

/// A session is no way past the numbers of a day.
#[tokio::test]
async fn what_a_day_allows_holds_for_sessions_too() {
    for (keeper, most) in [("merchant", 1), ("facilitator", 0)] {
        let scene = Scene::with(|s| {
            let file = s.path().join("limits.toml");
            let limits = format!("[payer]\nsettle_per_day = {most}\n");
            std::fs::write(&file, limits).expect("the limits are written");
            s.set("UPTO_SESSIONS", keeper)
                .set("LIMITS_FILE", &file.display().to_string())
        })
        .await;
        let permit = scene.permit();
        let refused = if keeper == "merchant" {
            let settled = scene.client.settle(&permit.body(10)).await;
            assert_eq!(settled.body["success"], true, "{}", settled.body);
            scene.client.settle(&permit.body(20)).await
        } else {
            let (body, json) = (permit.body(10).to_string(), "application/json");
            let headers = [("content-type", json)];
            let tracked = post(&scene.client, "/sessions/track", &body, &headers).await;
            assert_eq!(tracked.status, 429, "{}", tracked.body);
            scene.client.verify(&permit.body(10)).await
        };
        assert_eq!(refused.status, 429, "{}", refused.body);
        assert_eq!(refused.reason(), "payer_settle_cap_exceeded");
        scene.close().await;
    }
}

/// A payer that has nothing for a moment must not use up the tries of what it owes by showing newer permits.
#[tokio::test]
async fn newer_permits_do_not_make_an_older_session_fail() {
    let scene = Scene::with(|s| s.set("UPTO_SETTLE_ATTEMPTS", "2")).await;
    let older = scene.permit();
    let id = scene.call(&older, 4_000).await;
    let all = scene
        .chain
        .balance_of(super::USDC, scene.owner.address())
        .await;
    scene.spend(all).await;
    for nonce in 1..5 {
        let newer = scene.next_permit(nonce);
        rejected(
            &scene.client.verify(&newer.body(100)).await,
            "settling_in_progress",
        );
    }
    let view = scene.session(&id).await;
    assert_eq!(
        (&view["status"], &view["failures"]),
        (&json!("closing"), &json!(1))
    );
    assert_eq!(sums(&view), [0, 4_000, 0, 0]);
    scene.close().await;
}
