//! Preflight and hooks: what they are asked, what their answers mean, and what happens when there is none.

use crate::harness::oracle::success;
use crate::harness::receiver::Receiver;
use crate::harness::world::World;
use crate::webhooks::{SECRET, assert_signed};

async fn asked_by(name: &'static str, receiver: &Receiver, more: &[(&str, &str)]) -> World {
    let url = receiver.url();
    World::with(|settings| {
        let settings = settings.set(name, &url).set("WEBHOOK_SECRETS", SECRET);
        more.iter()
            .fold(settings, |s, (name, value)| s.set(name, value))
    })
    .await
}

#[tokio::test]
async fn what_a_preflight_answers_decides() {
    let receiver = Receiver::start().await;
    let world = asked_by("SETTLE_PREFLIGHT_URL", &receiver, &[]).await;
    let body = world.eip3009(|_| {});
    let long = "x".repeat(70_000);
    for (status, answer, code, message) in [
        (
            200,
            r#"{"allow": false}"#,
            "policy_preflight_denied",
            "preflight denied",
        ),
        (
            200,
            r#"{"allow": false, "reason": "over budget\n"}"#,
            "policy_preflight_denied",
            "over budget",
        ),
        (
            403,
            "no",
            "policy_preflight_denied",
            "preflight denied (HTTP 403)",
        ),
        (500, "", "policy_unavailable", "preflight error HTTP 500"),
        (404, "", "policy_unavailable", "preflight error HTTP 404"),
        // A redirect is not followed: it would lead where nobody looked.
        (
            307,
            "http://127.0.0.1:1/",
            "policy_unavailable",
            "preflight error HTTP 307",
        ),
        (
            200,
            "yes",
            "policy_unavailable",
            "preflight request failed: the answer is no JSON object",
        ),
        (
            200,
            &long,
            "policy_unavailable",
            "preflight request failed: the answer is too long",
        ),
    ] {
        receiver.plan(status, answer);
        let answer = world.client.settle(&body).await;
        let told = (answer.reason(), answer.body["errorMessage"].as_str());
        assert_eq!(told, (code, Some(message)), "{}", answer.body);
    }
    assert_eq!(world.sends(), 0);
    receiver.plan(200, r#"{"allow": true}"#);
    success(&world.client.settle(&body).await);
    // What is on record is not asked about again.
    let asked = receiver.posted().len();
    world.client.settle(&body).await;
    assert_eq!(receiver.posted().len(), asked);
    world.close().await;
}

#[tokio::test]
async fn a_preflight_that_is_late_is_a_no_unless_told_otherwise() {
    for (open, settles) in [("false", false), ("true", true)] {
        // Accepts connections and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let url = format!("http://{}/", silent.local_addr().expect("bound"));
        let world = World::with(|s| {
            s.set("SETTLE_PREFLIGHT_URL", &url)
                .set("SETTLE_PREFLIGHT_TIMEOUT_MS", "100")
                .set("SETTLE_PREFLIGHT_FAIL_OPEN", open)
        });
        let world = world.await;
        let answer = world.client.settle(&world.eip3009(|_| {})).await;
        assert_eq!(answer.body["success"], settles, "{}", answer.body);
        if !settles {
            assert_eq!(answer.status.as_u16(), 503);
            let message = "preflight request failed: no answer in time";
            assert_eq!(answer.body["errorMessage"], message);
        }
        world.close().await;
    }
}

#[tokio::test]
async fn a_hook_is_asked_with_a_signature_that_only_we_could_make() {
    let receiver = Receiver::start().await;
    let world = asked_by("HOOK_BEFORE_SETTLE_URL", &receiver, &[]).await;
    let body = world.eip3009(|_| {});
    assert_eq!(world.client.verify(&body).await.body["isValid"], true);
    assert_eq!(receiver.posted().len(), 0, "no hook of verification is set");
    success(&world.client.settle(&body).await);
    let posted = receiver.posted();
    assert_eq!(posted.len(), 1);
    assert_signed(&posted[0], SECRET);
    let told = posted[0].json();
    assert_eq!(told["type"], "settle.before");
    let payer = &body["paymentPayload"]["payload"]["authorization"]["from"];
    assert_eq!(told["data"]["payer"], *payer);
    assert_eq!(
        told["data"]["amount"],
        body["paymentRequirements"]["amount"]
    );
    world.close().await;
}
