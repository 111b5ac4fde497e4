//! Bodies that are no requests, and requests for what is not offered.

use alloy::primitives::Address;
use serde_json::{Value, json};

use super::{Door, substituted};

#[tokio::test]
async fn bodies_that_are_no_requests_are_400_with_the_protocols_reason() {
    let door = Door::open().await;
    let read = &door.payments().await[0];
    let good = read.to_string();
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let parts = ["paymentPayload", "paymentRequirements"].map(|name| read[name].clone());
    let as_array = json!([2, parts[0], parts[1]]).to_string();
    let top_twice = good.replacen('{', r#"{"x402Version":2,"#, 1);
    for (body, reason) in [
        ("", "invalid_json"),
        (" ", "invalid_json"),
        ("{", "invalid_json"),
        ("not json", "invalid_json"),
        (r#"{"a":1}{"b":2}"#, "invalid_json"),
        (&good[..good.len() - 1], "invalid_json"),
        ("[]", "missing_parameters"),
        (&as_array, "missing_parameters"),
        (&deep, "missing_parameters"),
        ("null", "missing_parameters"),
        ("7", "missing_parameters"),
        (r#""text""#, "missing_parameters"),
        ("{}", "missing_parameters"),
        (
            r#"{"paymentPayload":null,"paymentRequirements":null}"#,
            "missing_parameters",
        ),
        (r#"{"paymentPayload":{}}"#, "missing_parameters"),
        (r#"{"paymentRequirements":{}}"#, "missing_parameters"),
        (&top_twice, "missing_parameters"),
    ] {
        for answer in door.refuses(body).await {
            assert_eq!(answer.reason(), reason, "{body:.60}: {}", answer.text);
            assert_eq!(answer.status, 400, "{body:.60}");
        }
    }
    let deep_member = good.replacen(r#""payload":{"#, &format!(r#""payload":{{"x":{deep},"#), 1);
    let ignored = door.post("/verify", deep_member).await;
    assert_eq!(ignored.body["isValid"], true, "{}", ignored.text);
    let not_utf8 = door.post("/verify", vec![b'"', 0xff, b'"']).await;
    assert_eq!(not_utf8.reason(), "invalid_json");
    door.is_untouched().await;
}

#[tokio::test]
async fn arrays_in_place_of_objects_are_refused_though_they_hold_the_same() {
    let door = Door::open().await;
    let [v2, permit2, v1] = door.payments().await;
    let authorization = "/paymentPayload/payload/authorization";
    for (body, pointer, order) in [
        (
            &v2,
            authorization,
            &["from", "to", "value", "validAfter", "validBefore", "nonce"][..],
        ),
        (
            &v2,
            "/paymentPayload/payload",
            &["signature", "authorization"],
        ),
        (&v2, "/paymentPayload/accepted", &["scheme", "network"]),
        (&v1, "/paymentPayload", &["scheme", "network", "payload"]),
        (
            &permit2,
            "/paymentPayload/payload/permit2Authorization/permitted",
            &["token", "amount"],
        ),
        (
            &permit2,
            "/paymentPayload/payload/permit2Authorization/witness",
            &["to", "validAfter"],
        ),
    ] {
        let object = body.pointer(pointer).expect("it is there");
        let array: Value = order.iter().map(|name| object[name].clone()).collect();
        for answer in door
            .refuses(&substituted(body, pointer, Some(&array)).to_string())
            .await
        {
            assert_eq!(answer.reason(), "invalid_payload", "{pointer}");
        }
    }
}

#[tokio::test]
async fn a_member_given_twice_is_refused_wherever_money_depends_on_it() {
    let door = Door::open().await;
    let good = door.payments().await[0].to_string();
    for (name, again) in [
        ("signature", "\"0x00\""),
        ("authorization", "{}"),
        ("from", "\"0x00\""),
        ("to", "\"0x00\""),
        ("value", "\"1\""),
        ("validBefore", "\"1\""),
        ("nonce", "\"0x00\""),
        ("amount", "\"1\""),
        ("asset", "\"0x00\""),
        ("payTo", "\"0x00\""),
        ("scheme", "\"exact\""),
        ("accepted", "{}"),
        ("payload", "{}"),
        ("paymentPayload", "{}"),
        ("paymentRequirements", "{}"),
        ("extra", "{}"),
    ] {
        // The last one: requirements come after the payload, and only theirs are read of those that both have.
        let at = good.rfind(&format!("\"{name}\":")).expect("it is there");
        let twice = format!("{}\"{name}\":{again},{}", &good[..at], &good[at..]);
        for answer in door.refuses(&twice).await {
            let known = [
                "missing_parameters",
                "invalid_payload",
                "invalid_payment_requirements",
            ];
            assert!(known.contains(&answer.reason()), "{name}: {}", answer.text);
        }
    }
    door.is_untouched().await;
}

#[tokio::test]
async fn versions_schemes_and_networks_that_are_not_offered_have_their_reasons() {
    let door = Door::open().await;
    let [v2, _, v1] = door.payments().await;
    let huge = json!(1e300);
    for (good, pointers, value, reason) in [
        (&v2, vec!["/x402Version"], json!(1), "invalid_x402_version"),
        (&v1, vec!["/x402Version"], json!(2), "invalid_x402_version"),
        (
            &v2,
            vec!["/paymentPayload/x402Version"],
            json!(3),
            "invalid_x402_version",
        ),
        (
            &v2,
            vec!["/paymentPayload/x402Version"],
            json!("2"),
            "invalid_x402_version",
        ),
        (
            &v2,
            vec!["/paymentPayload/x402Version"],
            huge.clone(),
            "invalid_x402_version",
        ),
        (
            &v2,
            vec!["/paymentRequirements/scheme"],
            json!("upto-and-beyond"),
            "unsupported_scheme",
        ),
        (
            &v2,
            vec!["/paymentRequirements/network"],
            json!("eip155:1"),
            "invalid_network",
        ),
        (
            &v2,
            vec!["/paymentRequirements/network"],
            json!("eip155:*"),
            "invalid_network",
        ),
        (
            &v2,
            vec!["/paymentRequirements/network"],
            json!("base-sepolia"),
            "invalid_network",
        ),
        (
            &v2,
            vec!["/paymentRequirements/network"],
            json!("eip155:084532"),
            "invalid_network",
        ),
        (
            &v1,
            vec!["/paymentRequirements/network"],
            json!("eip155:84532"),
            "invalid_network",
        ),
        (
            &v1,
            vec!["/paymentRequirements/network"],
            json!("base"),
            "invalid_network",
        ),
        (
            &v2,
            vec!["/paymentRequirements/amount"],
            huge,
            "invalid_payment_requirements",
        ),
        (
            &v2,
            vec!["/paymentRequirements/amount"],
            json!("9".repeat(79)),
            "invalid_payment_requirements",
        ),
        (
            &v2,
            vec!["/paymentRequirements/amount"],
            json!("0"),
            "invalid_payment_requirements",
        ),
        (
            &v2,
            vec!["/paymentRequirements/asset"],
            json!("0x12"),
            "invalid_payment_requirements",
        ),
        (
            &v2,
            vec!["/paymentRequirements/payTo"],
            json!(Address::ZERO),
            "invalid_payment_requirements",
        ),
        (
            &v2,
            vec!["/paymentPayload/payload/authorization/from"],
            json!("0x12"),
            "invalid_payload",
        ),
    ] {
        for pointer in pointers {
            let body = substituted(good, pointer, Some(&value));
            for answer in door.refuses(&body.to_string()).await {
                assert_eq!(answer.reason(), reason, "{pointer} = {value}");
                assert_eq!(answer.status, 200, "{pointer} = {value}");
            }
        }
    }
    door.is_untouched().await;
}
