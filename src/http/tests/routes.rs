//! Every endpoint, through the router.

use super::*;

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let app = app(&[]).await;
    for (length, status) in [(64 * 1024, 400), (64 * 1024 + 1, 413)] {
        let response = ask(&app, posted("/verify", vec![b' '; length])).await;
        assert_eq!(response.status().as_u16(), status, "{length} bytes");
    }
}

async fn panics() {
    panic!("a secret in a panic")
}

#[tokio::test]
async fn a_panic_is_500_in_the_protocols_shape() {
    let routes = Router::new()
        .route("/settle", post(panics))
        .route("/verify", post(panics))
        .route("/supported", post(panics));
    let app = enclose(routes, &server());

    let response = ask(&app, posted("/settle", "{}")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers().contains_key("x-request-id"));
    let told = body(response).await;
    assert_eq!(
        (&told["success"], &told["errorReason"]),
        (&json!(false), &json!("unexpected_error"))
    );
    assert_eq!(
        (&told["transaction"], &told["network"]),
        (&json!(""), &json!("unknown:unknown"))
    );
    assert!(!told.to_string().contains("secret"), "{told}");

    let mut call = posted("/facilitator/verify", "{}");
    call.headers_mut()
        .insert("origin", "https://shop.example".parse().unwrap());
    let response = ask(&app, call).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let told = body(response).await;
    assert_eq!(
        (&told["isValid"], &told["invalidReason"]),
        (&json!(false), &json!("unexpected_error"))
    );

    let told = body(ask(&app, posted("/supported", "{}")).await).await;
    assert_eq!(told["error"], "unexpected_error");
}

#[tokio::test]
async fn without_a_token_nothing_is_verified_settled_or_told() {
    let app = app(&["alpha"]).await;
    for path in ["/verify", "//settle/", "/facilitator/settle"] {
        let response = ask(&app, posted(path, "{}")).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(
            response.headers()["www-authenticate"],
            r#"Bearer realm="facilitator""#
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
        let told = body(response).await;
        assert_eq!(told["error"], "Unauthorized");
        assert_eq!(told["message"], "Valid Bearer token is required");
        if path == "/verify" {
            assert_eq!(
                (&told["isValid"], &told["invalidReason"]),
                (&json!(false), &json!("unexpected_error"))
            );
        } else {
            assert_eq!(
                (&told["success"], &told["errorReason"]),
                (&json!(false), &json!("unexpected_error"))
            );
            assert_eq!(
                (&told["transaction"], &told["network"]),
                (&json!(""), &json!("unknown:unknown"))
            );
        }
    }
    let response = ask(&app, request(Method::GET, "/settlements/x")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    for open in ["/", "/supported", "/healthz", "/readyz"] {
        assert_eq!(
            ask(&app, request(Method::GET, open)).await.status(),
            StatusCode::OK,
            "{open}"
        );
    }
}

#[tokio::test]
async fn with_a_token_the_body_is_read() {
    let app = app(&["alpha", "beta"]).await;
    let mut request = posted("/verify", "{}");
    request
        .headers_mut()
        .insert("authorization", "Bearer beta".parse().unwrap());
    let response = ask(&app, request).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(body(response).await["invalidReason"], "missing_parameters");
}

#[tokio::test]
async fn probes_answer_get_and_head_whatever_the_host() {
    let app = app(&["alpha"]).await;
    for path in [
        "/health",
        "/healthz",
        "/livez",
        "/readyz",
        "//healthz",
        "/facilitator/healthz",
    ] {
        for method in [Method::GET, Method::HEAD] {
            let mut probe = request(method.clone(), path);
            probe
                .headers_mut()
                .insert("host", "healthcheck.railway.app".parse().unwrap());
            let response = ask(&app, probe).await;
            assert_eq!(response.status(), StatusCode::OK, "{method} {path}");
            assert_eq!(response.headers()["content-type"], "application/json");
        }
    }
}

#[tokio::test]
async fn readiness_turns_when_the_drain_begins_and_lists_its_checks() {
    let draining = CancellationToken::new();
    let settle = Settle {
        timeout: Duration::from_secs(20),
        pending_status: 200,
    };
    let auth = Auth {
        tokens: Vec::new(),
        api_keys: false,
    };
    let house = House {
        draining: draining.clone(),
        ..house().await
    };
    let app = router(house, &server(), &auth, &settle);
    let brief = body(ask(&app, request(Method::GET, "/readyz")).await).await;
    assert_eq!(
        (&brief["ready"], &brief["checks"]),
        (&json!(true), &json!([]))
    );
    let verbose = body(ask(&app, request(Method::GET, "/readyz?verbose")).await).await;
    assert!(
        !verbose["checks"].as_array().unwrap().is_empty(),
        "{verbose}"
    );

    draining.cancel();
    let response = ask(&app, request(Method::GET, "/readyz")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let told = body(response).await;
    assert_eq!(
        (&told["ready"], &told["draining"]),
        (&json!(false), &json!(true))
    );
    assert!(!told["checks"].as_array().unwrap().is_empty(), "{told}");
    assert_eq!(
        ask(&app, request(Method::GET, "/healthz")).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn unreadable_bodies_are_400_in_the_protocols_shape() {
    let app = app(&[]).await;
    for (sent, reason) in [
        ("", "invalid_json"),
        ("nonsense", "invalid_json"),
        ("{}", "missing_parameters"),
        ("[]", "missing_parameters"),
    ] {
        let response = ask(&app, posted("/settle", sent)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{sent:?}");
        let told = body(response).await;
        assert_eq!(told["errorReason"], reason, "{sent:?}");
        assert_eq!(
            (&told["transaction"], &told["network"]),
            (&json!(""), &json!("unknown:unknown"))
        );
    }
}

#[tokio::test]
async fn every_spelling_of_a_path_reaches_it_without_a_redirect() {
    let app = app(&[]).await;
    for path in [
        "/verify",
        "//verify",
        "/verify/",
        "/facilitator/verify",
        "/facilitator//verify/",
        "/verify?x=1",
    ] {
        let response = ask(&app, posted(path, "{}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(
            body(response).await["invalidReason"],
            "missing_parameters",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_get_of_verify_says_how_to_call_it() {
    let app = app(&["alpha"]).await;
    let response = ask(&app, request(Method::GET, "/verify")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        response
            .headers()
            .get_all("allow")
            .iter()
            .collect::<Vec<_>>(),
        ["POST"]
    );
    let told = body(response).await;
    assert!(
        told["message"].as_str().unwrap().contains("paymentPayload"),
        "{told}"
    );
    assert_eq!(told["isValid"], false);

    let response = ask(&app, posted("/supported", "{}")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET, HEAD");
    assert_eq!(body(response).await["error"], "method_not_allowed");
}

#[tokio::test]
async fn an_unknown_path_is_typed_and_carries_the_callers_request_id() {
    let app = app(&[]).await;
    let mut lost = request(Method::GET, "/nowhere");
    lost.headers_mut()
        .insert("x-request-id", "trace-7".parse().unwrap());
    let response = ask(&app, lost).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["x-request-id"], "trace-7");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(body(response).await["error"], "not_found");
}

#[tokio::test]
async fn a_settlement_that_is_not_on_record_is_404() {
    let app = app(&[]).await;
    let response = ask(
        &app,
        request(Method::GET, "/settlements/permit2:84532:0xab:7"),
    )
    .await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(body(response).await["error"], "settlement_not_found");
    for bad in [
        "/settlements/a%00b",
        "/settlements/%FF",
        "/settlements/a%20b",
    ] {
        let response = ask(&app, request(Method::GET, bad)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(body(response).await["error"], "invalid_reference", "{bad}");
    }
}

#[tokio::test]
async fn a_bad_idempotency_key_is_refused_before_anything_happens() {
    let app = app(&[]).await;
    let mut call = posted("/settle", "{}");
    call.headers_mut()
        .insert("idempotency-key", "two words".parse().unwrap());
    let response = ask(&app, call).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let told = body(response).await;
    assert_eq!(
        (&told["error"], &told["success"]),
        (&json!("invalid_idempotency_key"), &json!(false))
    );
}

#[tokio::test]
async fn browsers_may_call_only_where_they_are_allowed() {
    let preflight = || {
        Request::builder()
            .method(Method::OPTIONS)
            .uri("/facilitator/settle")
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type",
            )
            .body(Body::empty())
            .unwrap()
    };
    let shop = || vec!["https://shop.example".to_owned()];
    for (cors, allowed) in [
        (Cors::Off, None),
        (Cors::Any, Some("*")),
        (Cors::Origins(shop()), Some("https://shop.example")),
        (
            Cors::Origins(vec!["https://other.example".to_owned()]),
            None,
        ),
    ] {
        let server = Server {
            cors: cors.clone(),
            ..server()
        };
        let routes = Router::new().route("/settle", post(|| async { "ok" }));
        let app = enclose(routes, &server);
        let response = ask(&app, preflight()).await;
        let origin = response.headers().get("access-control-allow-origin");
        assert_eq!(origin.map(|o| o.to_str().unwrap()), allowed, "{cors:?}");
        assert!(response.headers().contains_key("x-request-id"), "{cors:?}");
    }
    let mut call = posted("/settle", "{}");
    call.headers_mut()
        .insert("origin", "https://shop.example".parse().unwrap());
    let response = ask(&app(&[]).await, call).await;
    let exposed = response.headers()["access-control-expose-headers"]
        .to_str()
        .unwrap();
    for name in ["x-request-id", "retry-after", "extension-responses"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test]
async fn the_page_is_for_people_and_json_for_programs() {
    let app = app(&["alpha"]).await;
    let response = ask(&app, request(Method::GET, "/facilitator/")).await;
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let page = String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    for part in [
        "eip155:84532",
        "href=\"/facilitator/docs\"",
        "FACILITATOR_TOKEN",
        "/facilitator&quot;",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }

    let mut call = request(Method::GET, "/");
    call.headers_mut()
        .insert("accept", "application/json".parse().unwrap());
    let told = body(ask(&app, call).await).await;
    assert_eq!(
        (&told["service"], &told["authentication"]),
        (&json!("x402-facilitator"), &json!(true))
    );
    assert!(
        told["kinds"].is_array() && told["endpoints"].is_array(),
        "{told}"
    );
}

#[tokio::test]
async fn a_get_with_a_json_content_type_and_no_body_is_fine() {
    let mut call = request(Method::GET, "/supported");
    call.headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    let response = ask(&app(&["alpha"]).await, call).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("cache-control"));
    assert!(body(response).await["kinds"].is_array());
}

/// The routes as `router.rs` writes them down: method in lower case, path.
fn routed() -> std::collections::BTreeSet<(String, String)> {
    let lines = include_str!("../router.rs").lines();
    let written = lines.filter_map(|line| line.trim().strip_prefix(".route(\""));
    let route = |rest: &str| {
        let (path, handler) = rest.split_once("\", ").unwrap();
        let (method, _) = handler.split_once('(').unwrap();
        (method.to_owned(), path.to_owned())
    };
    written.map(route).collect()
}

#[tokio::test]
async fn every_route_is_documented_and_every_documented_route_exists() {
    let app = app(&[]).await;
    let document = body(ask(&app, request(Method::GET, "/openapi.json")).await).await;
    let paths = document["paths"].as_object().unwrap();
    let documented = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(|method| (method.clone(), path.clone()))
    });
    assert_eq!(
        documented.collect::<std::collections::BTreeSet<_>>(),
        routed()
    );
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let app = app(&[]).await;
    let document = body(ask(&app, request(Method::GET, "/openapi.json")).await).await;
    let text = document.to_string();
    let mut references = 0;
    for rest in text.split("\"$ref\":\"#").skip(1) {
        let (pointer, _) = rest.split_once('"').unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        references += 1;
    }
    assert!(references > 40, "{references}");
    assert!(
        document["components"]["schemas"]["Reason"]["enum"]
            .as_array()
            .unwrap()
            .len()
            > 50
    );
}
