//! Whose limits a request counts against: a header that anybody can write decides nothing.

use reqwest::Method;
use serde_json::Value;

use super::{limited, over_limit};
use crate::harness::http::Answer;
use crate::harness::world::World;

const TWO_A_MINUTE: &str = "[anonymous]\nverify_per_minute = 2\n";

async fn verify(world: &World, body: &Value, forwarded: &str) -> Answer {
    let headers = [("x-forwarded-for", forwarded)];
    let client = &world.client;
    client
        .send(Method::POST, "/verify", &headers, body.to_string())
        .await
}

#[tokio::test]
async fn a_forged_forwarding_header_buys_no_new_limits() {
    for (proxies, forwarded) in [
        // Nobody is trusted.
        ("", "198.51.100.{}"),
        // Somebody else is.
        ("10.0.0.0/8", "198.51.100.{}"),
        ("10.0.0.0/8", "198.51.100.{}, 10.0.0.1"),
        // The proxy adds the true address after what its client made up.
        ("127.0.0.1", "198.51.100.{}, 203.0.113.7"),
    ] {
        let set = |s| limited(s, TWO_A_MINUTE).set("TRUSTED_PROXIES", proxies);
        let world = World::with(set).await;
        let body = world.eip3009(|_| {});
        for n in 1..=2 {
            let forwarded = forwarded.replace("{}", &n.to_string());
            assert_eq!(
                verify(&world, &body, &forwarded).await.body["isValid"],
                true
            );
        }
        let answer = verify(&world, &body, &forwarded.replace("{}", "3")).await;
        over_limit(&answer, "seller_verify_cap_exceeded");
        world.close().await;
    }
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_have_limits_of_their_own() {
    let set = |s| limited(s, TWO_A_MINUTE).set("TRUSTED_PROXIES", "127.0.0.0/8");
    let world = World::with(set).await;
    let body = world.eip3009(|_| {});
    for client in ["203.0.113.7", "203.0.113.8", "2001:db8:1::1"] {
        for _ in 0..2 {
            assert_eq!(verify(&world, &body, client).await.body["isValid"], true);
        }
        let answer = verify(&world, &body, client).await;
        over_limit(&answer, "seller_verify_cap_exceeded");
    }
    // Another host of the same IPv6 network is the same client.
    let answer = verify(&world, &body, "2001:db8:1::ffff").await;
    over_limit(&answer, "seller_verify_cap_exceeded");
    world.close().await;
}
