//! `/admin`: who gets in, and a lane that stays paused until an operator says otherwise.

use reqwest::Method;
use serde_json::json;

use super::browse_as_operator;
use crate::harness::facilitator::Facilitator;
use crate::harness::http::{Answer, Client};
use crate::harness::world::World;

const TOKEN: &str = "an-operators-password";
/// `operator:an-operators-password`.
const BASIC: &str = "Basic b3BlcmF0b3I6YW4tb3BlcmF0b3JzLXBhc3N3b3Jk";
const BEARER: &str = "Bearer an-operators-password";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn world() -> World {
    World::with(|s| s.set("ADMIN_TOKEN", TOKEN).set("SETTLE_TIMEOUT_MS", "4000")).await
}

async fn order(client: &Client, path: &str, headers: &[(&str, &str)], form: String) -> Answer {
    let headers = [headers, &[FORM]].concat();
    client.send(Method::POST, path, &headers, form).await
}

fn lane(world: &World) -> String {
    format!("network=eip155:84532&signer={:#x}", world.signer)
}

#[tokio::test]
async fn only_operators_get_in() {
    let world = world().await;
    let client = &world.client;
    for shown in [
        None,
        Some("Bearer wrong"),
        Some("Basic d3Jvbmc6d3Jvbmc="),
        Some("Basic !"),
        Some(TOKEN),
    ] {
        let headers: Vec<_> = shown
            .map(|shown| ("authorization", shown))
            .into_iter()
            .collect();
        let answer = client.send(Method::GET, "/admin", &headers, "").await;
        assert_eq!(answer.status.as_u16(), 401, "{shown:?}");
        assert!(
            answer.header("www-authenticate").starts_with("Basic "),
            "{shown:?}"
        );
        assert!(!answer.text.contains("Next nonce"), "{shown:?}");
    }
    for shown in [BASIC, BEARER] {
        let answer = client
            .send(Method::GET, "/admin", &[("authorization", shown)], "")
            .await;
        assert_eq!(answer.status.as_u16(), 200, "{shown}");
        assert!(answer.text.contains("takes payments"), "{}", answer.text);
    }
    world.close().await;
}

#[tokio::test]
async fn other_sites_cannot_use_an_operators_browser() {
    let world = world().await;
    let client = &world.client;
    let page = client
        .send(Method::GET, "/admin", &[("authorization", BASIC)], "")
        .await;
    let (_, rest) = page
        .text
        .split_once("name=\"token\" value=\"")
        .expect("a form");
    let (token, _) = rest.split_once('"').expect("a value");
    let token = token
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let (lane, operator) = (lane(&world), ("authorization", BASIC));

    let blind = order(client, "/admin/pause", &[operator], lane.clone()).await;
    assert_eq!(blind.status.as_u16(), 403);
    let form = format!("{lane}&token={token}");
    let elsewhere = [operator, ("sec-fetch-site", "cross-site")];
    let foreign = order(client, "/admin/pause", &elsewhere, form.clone()).await;
    assert_eq!(foreign.status.as_u16(), 403);
    let ready = client.get("/readyz?verbose").await;
    assert!(!ready.text.contains("paused"), "{}", ready.text);

    let here = [operator, ("sec-fetch-site", "same-origin")];
    let ours = order(client, "/admin/pause", &here, form).await;
    assert!(
        ours.status.as_u16() == 303 || ours.status.is_success(),
        "{}",
        ours.text
    );
    let ready = client.get("/readyz").await;
    assert_eq!(ready.status.as_u16(), 503, "the only lane is paused");
    assert!(
        ready.text.contains("paused by an operator"),
        "{}",
        ready.text
    );
    world.close().await;
}

#[tokio::test]
async fn a_paused_lane_sends_nothing_until_it_is_resumed_across_a_restart() {
    let world = world().await;
    let lane = lane(&world);
    let operator = [("authorization", BEARER)];
    let wrong = order(
        &world.client,
        "/admin/pause",
        &operator,
        "network=eip155:1&signer=x".to_owned(),
    )
    .await;
    assert_eq!(wrong.status.as_u16(), 400);
    let done = order(&world.client, "/admin/pause", &operator, lane.clone()).await;
    assert_ne!(done.status.as_u16(), 400, "{}", done.text);

    let body = world.eip3009(|_| {});
    let refused = world.client.settle(&body).await;
    assert_eq!(
        refused.reason(),
        "settlement_capacity_exceeded",
        "{}",
        refused.body
    );

    let settings = world.facilitator.settings().clone();
    assert!(world.facilitator.stop().await);
    let facilitator = Facilitator::start(settings).await;
    let client = facilitator.client();
    // Longer than a lane waits before it thinks its own pause over again.
    let still = client.settle(&body).await;
    assert_eq!(
        still.reason(),
        "settlement_capacity_exceeded",
        "{}",
        still.body
    );
    let ready = client.get("/readyz?verbose").await;
    assert!(
        ready.text.contains("paused by an operator"),
        "{}",
        ready.text
    );
    assert_eq!(world.proxy.calls("eth_sendRawTransaction").len(), 0);

    order(&client, "/admin/resume", &operator, lane).await;
    let paid = client.settle(&body).await;
    assert_eq!(paid.body["success"], json!(true), "{}", paid.body);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn the_page_is_fine_in_every_browser_setting() {
    let views = browse_as_operator(TOKEN).await;
    for view in &views {
        assert!(
            view.text.contains("Next nonce") || view.text.contains("Lanes"),
            "{}",
            view.text
        );
        assert!(view.text.contains("Pause"), "{}", view.text);
    }
}
