//! Bodies that are no requests, and requests for what is not offered.

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

/// Which payment, which member of it, its wrong value as JSON, and the reason.
const NOT_OFFERED: [(u8, &str, &str, &str); 18] = [
    (2, "/x402Version", "1", "invalid_x402_version"),
    (1, "/x402Version", "2", "invalid_x402_version"),
    (
        2,
        "/paymentPayload/x402Version",
        "3",
        "invalid_x402_version",
    ),
    (
        2,
        "/paymentPayload/x402Version",
        r#""2""#,
        "invalid_x402_version",
    ),
    (
        2,
        "/paymentPayload/x402Version",
        "1e300",
        "invalid_x402_version",
    ),
    (
        2,
        "/paymentRequirements/scheme",
        r#""upto-and-beyond""#,
        "unsupported_scheme",
    ),
    (
        2,
        "/paymentRequirements/network",
        r#""eip155:1""#,
        "invalid_network",
    ),
    (
        2,
        "/paymentRequirements/network",
        r#""eip155:*""#,
        "invalid_network",
    ),
    (
        2,
        "/paymentRequirements/network",
        r#""base-sepolia""#,
        "invalid_network",
    ),
    (
        2,
        "/paymentRequirements/network",
        r#""eip155:084532""#,
        "invalid_network",
    ),
    (
        1,
        "/paymentRequirements/network",
        r#""eip155:84532""#,
        "invalid_network",
    ),
    (
        1,
        "/paymentRequirements/network",
        r#""base""#,
        "invalid_network",
    ),
    (
        2,
        "/paymentRequirements/amount",
        "1e300",
        "invalid_payment_requirements",
    ),
    (
        2,
        "/paymentRequirements/amount",
        r#""1e3""#,
        "invalid_payment_requirements",
    ),
    (
        2,
        "/paymentRequirements/amount",
        r#""0""#,
        "invalid_payment_requirements",
    ),
    (
        2,
        "/paymentRequirements/asset",
        r#""0x12""#,
        "invalid_payment_requirements",
    ),
    (
        2,
        "/paymentRequirements/payTo",
        ZERO,
        "invalid_payment_requirements",
    ),
    (
        2,
        "/paymentPayload/payload/authorization/from",
        r#""0x12""#,
        "invalid_payload",
    ),
];
const ZERO: &str = r#""0x0000000000000000000000000000000000000000""#;

#[tokio::test]
async fn versions_schemes_and_networks_that_are_not_offered_have_their_reasons() {
    let door = Door::open().await;
    let [v2, _, v1] = door.payments().await;
    for (version, pointer, wrong, reason) in NOT_OFFERED {
        let good = if version == 1 { &v1 } else { &v2 };
        let value: Value = serde_json::from_str(wrong).expect("JSON");
        let body = substituted(good, pointer, Some(&value));
        for answer in door.refuses(&body.to_string()).await {
            assert_eq!(answer.reason(), reason, "{pointer} = {wrong}");
            assert_eq!(answer.status, 200, "{pointer} = {wrong}");
        }
    }
    door.is_untouched().await;
}
