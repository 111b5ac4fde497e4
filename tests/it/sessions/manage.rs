//! The session endpoints, in the shapes of the library whose sessions these replace.

use serde_json::json;

use super::{CAP, Scene, post, sums};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_session_shows_its_account() {
    let scene = Scene::with(|s| s.set("BASE_PATH", "/pay")).await;
    let permit = scene.permit();
    let id = scene.call(&permit, 2_500).await;
    let view = scene.client.get(&format!("/pay/sessions/{id}")).await;
    let mut body = view.body.clone();
    assert!(
        body["lastActivityMs"]
            .as_i64()
            .is_some_and(|at| at > 1_600_000_000_000)
    );
    body["lastActivityMs"] = json!(0);
    assert_eq!(
        body,
        json!({
            "sessionId": id, "status": "open", "network": "eip155:84532", "asset": format!("{:#x}", super::USDC),
            "owner": format!("{:#x}", scene.owner.address()), "spender": format!("{:#x}", scene.signer.address()),
            "payTo": format!("{:#x}", permit.pay_to), "cap": CAP.to_string(), "held": "0", "pendingSpent": "2500",
            "inFlight": "0", "settledTotal": "0", "remaining": "7500",
            "deadline": permit.signed.message.deadline.to_string(), "lastActivityMs": 0, "failures": 0, "keeper": "facilitator",
        })
    );
    assert_eq!(
        scene.client.get("/sessions").await.body,
        json!({"sessions": [view.body]})
    );
    for unknown in ["/sessions/0", "/sessions/%00", "/sessions/a%2fb"] {
        let answer = scene.client.get(unknown).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["error"]),
            (404, &json!("session_not_found"))
        );
    }
    assert_eq!(scene.client.get("/sessions?limit=0").await.status, 400);
    scene.close().await;
}

#[tokio::test]
async fn a_session_is_settled_on_request_and_closed_with_it() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let id = scene.call(&permit, 2_500).await;
    let path = format!("/sessions/{id}/settle");
    let settled = post(&scene.client, &path, "", &[]).await;
    assert_eq!(settled.status, 200);
    assert_eq!(sums(&settled.body), [0, 0, 0, 2_500], "{}", settled.body);
    assert_eq!(settled.body["lastSettlement"]["reason"], "requested");
    let nothing = post(&scene.client, &path, "{}", &[JSON]).await;
    assert_eq!(nothing.body["status"], "open");
    scene.call(&permit, 500).await;
    let closed = post(&scene.client, &path, r#"{"close": true}"#, &[JSON]).await;
    assert_eq!(closed.body["status"], "closed", "{}", closed.body);
    assert_eq!(permit.paid(&scene.chain).await, [2_500, 500]);
    let bad = post(&scene.client, &path, "[1]", &[JSON]).await;
    assert_eq!(
        (bad.status.as_u16(), &bad.body["error"]),
        (400, &json!("invalid_payload"))
    );
    let nobody = post(&scene.client, "/sessions/ab/settle", "", &[]).await;
    assert_eq!(nobody.status, 404);
    scene.close().await;
}

#[tokio::test]
async fn a_tracked_call_is_charged_without_a_promise_or_takes_its_own() {
    let scene = Scene::new().await;
    let permit = scene.permit();
    let track = async |price: u64, key: Option<&str>| {
        let mut headers = vec![JSON];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        post(
            &scene.client,
            "/sessions/track",
            &permit.body(price).to_string(),
            &headers,
        )
        .await
    };
    let first = track(1_000, Some("k")).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(sums(&first.body), [0, 1_000, 0, 0]);
    assert_eq!(first.header("x-upto-session-id"), first.body["sessionId"]);
    assert_eq!(
        sums(&track(1_000, Some("k")).await.body),
        [0, 1_000, 0, 0],
        "once"
    );
    scene.hold(&permit, 500).await;
    assert_eq!(
        sums(&track(500, None).await.body),
        [0, 1_500, 0, 0],
        "not held and charged"
    );

    let full = track(8_501, None).await;
    assert_eq!(
        (full.status.as_u16(), &full.body["error"]),
        (402, &json!("cap_exhausted"))
    );
    assert_eq!(
        full.body["message"],
        "Upto cap exhausted, reauthorize with higher max"
    );
    let id = first.header("x-upto-session-id");
    post(&scene.client, &format!("/sessions/{id}/close"), "", &[]).await;
    let closed = track(1, None).await;
    assert_eq!(
        (closed.status.as_u16(), &closed.body["error"]),
        (402, &json!("session_closed"))
    );
    let bad = post(&scene.client, "/sessions/track", "{}", &[JSON]).await;
    assert_eq!(
        (bad.status.as_u16(), &bad.body["error"]),
        (400, &json!("invalid_payload"))
    );
    scene.close().await;
}
