//! The wire around the payments: paths, methods, headers, tokens, sizes.

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Door, shaped};
use crate::harness::http::Answer;

const BEARER: &str = "Bearer sixteen-or-more-letters";
const OPEN: [(&str, &str); 1] = [("BEARER_TOKEN", "sixteen-or-more-letters")];

#[tokio::test]
async fn every_spelling_of_a_path_leads_there() {
    let door = Door::with(&[("BASE_PATH", "/facilitator")]).await;
    let body = door.payments().await[0].to_string();
    for path in [
        "/verify",
        "//verify",
        "/verify/",
        "/facilitator/verify",
        "/facilitator//verify/",
        "/verify?x=1",
    ] {
        let verdict = door.post(path, body.clone()).await;
        assert_eq!(verdict.body["isValid"], true, "{path}: {}", verdict.text);
    }
    for path in ["/supported", "//supported/", "/facilitator/supported"] {
        let kinds = door.client.get(path).await.body["kinds"].clone();
        assert!(kinds.is_array(), "{path}");
    }
    for path in [
        "/Verify",
        "/verify/x",
        "/facilitators/verify",
        "/settlements",
    ] {
        let lost = door.post(path, body.clone()).await;
        assert_eq!(
            (lost.status.as_u16(), &lost.body["error"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn probes_answer_any_caller_and_say_no_more_than_they_must() {
    let door = Door::with(&OPEN).await;
    for path in ["/healthz", "/health", "/livez", "/readyz"] {
        let got = door
            .client
            .send(Method::GET, path, &[("host", "10.0.0.1")], "")
            .await;
        assert_eq!(got.status, 200, "{path}");
        let head = door.client.send(Method::HEAD, path, &[], "").await;
        assert_eq!(
            (head.status.as_u16(), head.text.as_str()),
            (200, ""),
            "{path}"
        );
    }
    let ready = door.client.get("/readyz").await.body;
    assert_eq!(
        ready,
        json!({"ready": true, "draining": false, "checks": []})
    );
    let verbose = door.client.get("/readyz?verbose").await.body;
    assert_eq!(verbose["checks"][0]["name"], "database");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let door = Door::open().await;
    for (method, path, allowed) in [
        (Method::GET, "/verify", "POST"),
        (Method::PUT, "/settle", "POST"),
        (Method::POST, "/supported", "GET, HEAD"),
        (Method::DELETE, "/healthz", "GET, HEAD"),
    ] {
        let answer = door.client.send(method, path, &[], "").await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.header("allow"), allowed, "{path}");
    }
    let hint = door.client.get("/verify").await;
    assert_eq!(hint.body["isValid"], false, "{}", hint.text);
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told_and_the_shape_stays() {
    let door = Door::with(&OPEN).await;
    let body = door.payments().await[0].to_string();
    let wrong = [
        &[][..],
        &[("authorization", "Bearer sixteen-or-more-letterz")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Basic sixteen-or-more-letters")],
        &[("authorization", "sixteen-or-more-letters")],
        &[("authorization", BEARER), ("authorization", BEARER)],
        &[("x-api-key", "sixteen-or-more-letters")],
    ];
    for headers in wrong {
        let turned_away = |answer: &Answer| {
            assert_eq!(answer.status, 401, "{headers:?}");
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, r#"Bearer realm="facilitator""#);
            assert_eq!(answer.body["error"], "Unauthorized");
            assert_eq!(answer.body["message"], "Valid Bearer token is required");
        };
        for path in ["/verify", "/settle"] {
            let answer = door
                .client
                .send(Method::POST, path, headers, body.clone())
                .await;
            turned_away(&answer);
            shaped(&answer);
            assert_ne!(answer.body["isValid"], true);
            assert_ne!(answer.body["success"], true);
        }
        let read = door
            .client
            .send(Method::GET, "/settlements/x", headers, "")
            .await;
        turned_away(&read);
    }
    assert_eq!(door.client.get("/supported").await.status, 200);
    let bearer = [("authorization", BEARER)];
    let verdict = door
        .client
        .send(Method::POST, "/verify", &bearer, body)
        .await;
    assert_eq!(verdict.body["isValid"], true, "{}", verdict.text);
    door.is_untouched().await;
}

#[tokio::test]
async fn a_bad_idempotency_key_is_refused_before_anything_happens() {
    let door = Door::open().await;
    let body = door.payments().await[0].to_string();
    let long = "k".repeat(256);
    for keys in [
        &[("idempotency-key", "")][..],
        &[("idempotency-key", "two words")],
        &[("idempotency-key", "tab\there")],
        &[("idempotency-key", "é")],
        &[("idempotency-key", &long)],
        &[("idempotency-key", "a"), ("idempotency-key", "b")],
    ] {
        let answer = door
            .client
            .send(Method::POST, "/settle", keys, body.clone())
            .await;
        assert_eq!(answer.status, 400, "{keys:?}");
        shaped(&answer);
        assert_eq!(answer.body["error"], "invalid_idempotency_key");
    }
    door.is_untouched().await;
}

#[tokio::test]
async fn a_request_id_comes_back_where_it_is_sane() {
    let door = Door::open().await;
    let with = async |id: &str| {
        let headers = [("x-request-id", id)];
        let answer = door
            .client
            .send(Method::GET, "/supported", &headers, "")
            .await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(with("order-7/try:1").await, "order-7/try:1");
    for insane in ["two words", "é", &"x".repeat(129)] {
        let given = with(insane).await;
        assert_eq!(given.len(), 36, "{given}");
    }
}

#[tokio::test]
async fn ten_megabytes_are_too_large_with_and_without_announcement() {
    let door = Door::open().await;
    let large = vec![b' '; 10 * 1024 * 1024];
    let chunks = large
        .chunks(64 * 1024)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
    let unannounced = reqwest::Body::wrap(http_body_util::StreamBody::new(
        futures::stream::iter(chunks.collect::<Vec<_>>()).map(|chunk| {
            chunk.map(|bytes| hyper::body::Frame::data(hyper::body::Bytes::from(bytes)))
        }),
    ));
    for body in [reqwest::Body::from(large.clone()), unannounced] {
        let answer = door.post("/settle", body).await;
        assert_eq!(answer.status, 413);
        shaped(&answer);
        assert_eq!(answer.body["error"], "body_too_large");
    }
    let almost = format!("{{}}{}", " ".repeat(65_536 - 2));
    assert_eq!(
        door.post("/verify", almost).await.reason(),
        "missing_parameters"
    );
}

#[tokio::test]
async fn browsers_are_let_in_only_where_configured() {
    let preflight = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type",
        ),
    ];
    let ask = async |door: &Door| {
        let asked = door
            .client
            .send(Method::OPTIONS, "/verify", &preflight, "")
            .await;
        let origin = asked.header("access-control-allow-origin").to_owned();
        (asked.status.as_u16(), origin)
    };
    let off = Door::open().await;
    assert_eq!(ask(&off).await.1, "");
    let listed = Door::with(&[("CORS_ORIGINS", "https://shop.example")]).await;
    assert_eq!(ask(&listed).await, (200, "https://shop.example".to_owned()));
    let other = Door::with(&[("CORS_ORIGINS", "https://other.example")]).await;
    assert_eq!(ask(&other).await.1, "");
    let any = Door::with(&[("CORS_ORIGINS", "*")]).await;
    assert_eq!(ask(&any).await, (200, "*".to_owned()));

    let headers = [("origin", "https://shop.example")];
    let refused = any
        .client
        .send(Method::POST, "/verify", &headers, "no")
        .await;
    assert_eq!(refused.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn only_what_is_the_same_for_everybody_may_be_cached() {
    let door = Door::open().await;
    for path in [
        "/",
        "/verify",
        "/settle",
        "/settlements/x",
        "/healthz",
        "/readyz",
    ] {
        assert_eq!(
            door.client.get(path).await.header("cache-control"),
            "no-store",
            "{path}"
        );
    }
    let supported = door.client.get("/supported").await;
    assert_ne!(supported.header("cache-control"), "no-store");
    assert_eq!(supported.header("x-content-type-options"), "nosniff");
    assert_eq!(supported.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_503_and_no_verdict() {
    let door = Door::with(&[("EVM_RPC_URL_BASE_SEPOLIA", "http://127.0.0.1:1")]).await;
    let body = &door.payments().await[0];
    let verdict = door.client.verify(body).await;
    assert_eq!(
        (verdict.status.as_u16(), verdict.reason()),
        (503, "unexpected_verify_error")
    );
    assert_eq!(verdict.body["isValid"], false);
    let outcome = door.client.settle(body).await;
    assert_eq!(
        (outcome.status.as_u16(), outcome.reason()),
        (503, "unexpected_settle_error")
    );
    assert_eq!(outcome.body["transaction"], "");
    assert_eq!(outcome.body["network"], "eip155:84532");
    for answer in [verdict, outcome] {
        assert_ne!(answer.header("retry-after"), "");
        assert!(!answer.text.contains("127.0.0.1"), "{}", answer.text);
        assert_eq!(answer.body["payer"], Value::Null);
    }
    door.is_untouched().await;
}
