//! What keys and limits do not let through: good payments, and the chain hears nothing of them.

use serde_json::{Value, json};
use x402_facilitator::protocol::Reason;

use crate::harness::facilitator::Settings;
use crate::harness::http::Answer;
use crate::harness::keyring;
use crate::harness::world::World;

const ELSEWHERE: &str = "0x00000000000000000000000000000000000cafe7";

/// A limit that lets nothing through is met by the first payment.
pub(super) async fn met(reason: Reason, limits: &'static str) {
    let world = World::with(|settings| limited(settings, limits)).await;
    let body = world.eip3009(|_| {});
    let code = reason.as_str();
    let reads = world.reads();

    let is_about_both = code.contains("concurrency") && !code.starts_with("payer");
    if code.contains("verify") || is_about_both {
        let answer = world.client.verify(&body).await;
        assert_limited(
            &answer,
            code,
            &json!({"isValid": false, "invalidReason": code}),
        );
    }
    if !code.contains("verify") {
        let answer = world.client.settle(&body).await;
        let network = "eip155:84532";
        let told =
            json!({"success": false, "errorReason": code, "transaction": "", "network": network});
        assert_limited(&answer, code, &told);
    }
    assert_eq!((world.reads(), world.sends()), (reads, 0), "{code}");
    assert_eq!(world.client.get("/settlements/x").await.status, 404);
    world.close().await;
}

pub(super) fn limited(settings: Settings, limits: &str) -> Settings {
    let file = settings.path().join("limits.toml");
    std::fs::write(&file, limits).expect("the limits are written");
    settings.set("LIMITS_FILE", &file.display().to_string())
}

fn assert_limited(answer: &Answer, code: &str, told: &Value) {
    assert_eq!(answer.status.as_u16(), 429, "{code}: {}", answer.body);
    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=86_400).contains(&wait), "{code}: {wait}");
    for (name, value) in told.as_object().expect("an object") {
        assert_eq!(answer.body[name], *value, "{code}: {}", answer.body);
    }
}

pub(super) async fn without_the_scope() {
    let (world, key) = keyed(&["--scopes", "verify"]).await;
    let body = world.eip3009(|_| {});
    let verified = keyring::call(&world.client, &key, "/verify", &body).await;
    assert_eq!(verified.body["isValid"], true, "{}", verified.body);
    let settled = keyring::call(&world.client, &key, "/settle", &body).await;
    assert_forbidden(&settled, "insufficient_scope");
    let challenge = settled.header("www-authenticate");
    assert_eq!(
        challenge,
        r#"Bearer realm="facilitator", error="insufficient_scope""#
    );
    assert_eq!(world.sends(), 0);
    world.close().await;
}

pub(super) async fn to_somebody_else() {
    let (world, key) = keyed(&["--pay-to", ELSEWHERE]).await;
    refused_for_the_caller(world, &key, "caller_pay_to_not_allowed").await;
}

pub(super) async fn on_another_network() {
    let (world, key) = keyed(&["--networks", "eip155:8453"]).await;
    refused_for_the_caller(world, &key, "caller_network_not_allowed").await;
}

async fn refused_for_the_caller(world: World, key: &str, code: &str) {
    let body = world.eip3009(|_| {});
    let verified = keyring::call(&world.client, key, "/verify", &body).await;
    assert_eq!(verified.status.as_u16(), 403, "{}", verified.body);
    assert_eq!(verified.body["isValid"], false);
    assert_eq!(verified.body["invalidReason"], code);
    let settled = keyring::call(&world.client, key, "/settle", &body).await;
    assert_forbidden(&settled, code);
    assert_eq!((world.reads(), world.sends()), (0, 0));
    world.close().await;
}

fn assert_forbidden(answer: &Answer, code: &str) {
    assert_eq!(answer.status.as_u16(), 403, "{}", answer.body);
    let (success, reason) = (&answer.body["success"], &answer.body["errorReason"]);
    assert_eq!((success, reason), (&json!(false), &json!(code)));
    assert_eq!(answer.body["transaction"], "");
}

/// A world that asks for keys, and one that is bound like this.
async fn keyed(bindings: &[&str]) -> (World, String) {
    let settings = Settings::new("http://127.0.0.1:1").set("API_KEYS", "on");
    let key = keyring::create(&settings, "shop", bindings).await;
    let world = World::with(|other| settings.at_node_of(&other)).await;
    (world, key)
}
