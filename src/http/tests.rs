//! The door as clients meet it: a real socket, or the router itself. What needs no payment path is tested over routes of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use axum::routing::post;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::router::enclose;
use super::{Drained, bind, router, serve};
use crate::config::{Auth, Cors, Server, Settle};
use crate::facilitator::Facilitator;
use crate::secret::Secret;

/// The one place that makes a facilitator for these tests.
#[expect(clippy::unused_async, reason = "a real one has to open a store")]
async fn facilitator() -> Arc<Facilitator> {
    Arc::new(Facilitator)
}

fn server() -> Server {
    Server {
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        base_path: "/facilitator".to_owned(),
        cors: Cors::Any,
        body_limit: 64 * 1024,
        read_timeout: Duration::from_secs(5),
        max_connections: 16,
        drain_timeout: Duration::from_secs(5),
    }
}

async fn app(tokens: &[&str]) -> Router {
    let tokens = tokens.iter().copied().map(Secret::new).collect();
    let settle = Settle {
        timeout: Duration::from_secs(20),
        pending_status: 200,
    };
    let draining = CancellationToken::new();
    router(
        facilitator().await,
        &server(),
        &Auth { tokens },
        &settle,
        draining,
    )
}

async fn ask(app: &Router, request: Request<Body>) -> Response<Body> {
    app.clone().oneshot(request).await.unwrap()
}

fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap()
}

fn posted(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).body(body.into()).unwrap()
}

async fn body(response: Response<Body>) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

/// A server on a port of its own; `stop` drains it and tells how that ended.
struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinSet<Drained>,
}

impl Running {
    async fn start(router: Router, server: Server) -> Self {
        let (listener, address) = bind(&server).await.unwrap();
        let shutdown = CancellationToken::new();
        let mut task = JoinSet::new();
        let until = shutdown.clone();
        task.spawn(async move { serve(listener, router, &server, until).await });
        Self {
            address,
            shutdown,
            task,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(mut self) -> Drained {
        self.shutdown.cancel();
        self.task.join_next().await.unwrap().unwrap()
    }
}

/// Everything until the server closes; panics after five seconds.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await;
    // A reset after the answer is as good as an end.
    let _ = read.expect("the server closes the connection");
    String::from_utf8(bytes).unwrap()
}

async fn exchange(running: &Running, text: &str) -> String {
    let mut stream = running.connect().await;
    stream.write_all(text.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

fn json_of(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_413_with_and_without_announcement() {
    let running = Running::start(app(&[]).await, server()).await;
    let megabyte = vec![b' '; 1024 * 1024];
    for (path, chunked) in [
        ("/verify", false),
        ("/settle", false),
        ("/verify", true),
        ("/settle", true),
    ] {
        let mut stream = running.connect().await;
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", 10 * 1024 * 1024)
        };
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..10 {
            if chunked {
                stream.write_all(b"100000\r\n").await.unwrap();
            }
            stream.write_all(&megabyte).await.unwrap();
            if chunked {
                stream.write_all(b"\r\n").await.unwrap();
            }
        }
        if chunked {
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
        let answer = rest(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 413 "),
            "{path} {chunked}: {answer}"
        );
        let body = json_of(&answer);
        assert_eq!(body["error"], "body_too_large");
        if path == "/settle" {
            assert_eq!(
                (&body["errorReason"], &body["transaction"]),
                (&json!("invalid_payload"), &json!(""))
            );
            assert_eq!(body["network"], "unknown:unknown");
        } else {
            assert_eq!(
                (&body["isValid"], &body["invalidReason"]),
                (&json!(false), &json!("invalid_payload"))
            );
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_413_at_once() {
    let running = Running::start(app(&[]).await, server()).await;
    let answer = exchange(
        &running,
        "POST /verify HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
    );
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let app = app(&[]).await;
    for (length, status) in [(64 * 1024, 400), (64 * 1024 + 1, 413)] {
        let response = ask(&app, posted("/verify", vec![b' '; length])).await;
        assert_eq!(response.status().as_u16(), status, "{length} bytes");
    }
}

#[tokio::test]
async fn a_slow_body_is_408_in_the_protocols_shape() {
    let quick = Server {
        read_timeout: Duration::from_millis(100),
        ..server()
    };
    let settle = Settle {
        timeout: Duration::from_secs(20),
        pending_status: 200,
    };
    let auth = Auth { tokens: Vec::new() };
    let router = router(
        facilitator().await,
        &quick,
        &auth,
        &settle,
        CancellationToken::new(),
    );
    let running = Running::start(router, quick).await;
    let answer = exchange(
        &running,
        "POST /settle HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let body = json_of(&answer);
    assert_eq!(
        (&body["success"], &body["errorReason"]),
        (&json!(false), &json!("invalid_json"))
    );
    assert_eq!(
        (&body["transaction"], &body["network"]),
        (&json!(""), &json!("unknown:unknown"))
    );
}

#[tokio::test]
async fn a_client_that_drips_its_head_is_cut() {
    for opening in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "POST /verify HTTP/1.1\r\nHost: x\r\n",
    ] {
        let quick = Server {
            read_timeout: Duration::from_millis(200),
            ..server()
        };
        let running = Running::start(enclose(Router::new(), &quick), quick).await;
        let (mut reader, mut writer) = running.connect().await.into_split();
        writer.write_all(opening.as_bytes()).await.unwrap();
        let mut drip = JoinSet::new();
        drip.spawn(async move {
            while !opening.is_empty() && writer.write_all(b"X").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            std::future::pending::<()>().await; // keeps the writing half open
        });
        let mut bytes = Vec::new();
        let end = timeout(Duration::from_secs(4), reader.read_to_end(&mut bytes)).await;
        assert!(end.is_ok(), "still open after {opening:?}");
    }
}

#[tokio::test]
async fn a_second_head_may_not_be_dripped_either() {
    let quick = Server {
        read_timeout: Duration::from_millis(200),
        ..server()
    };
    let running = Running::start(app(&[]).await, quick).await;
    let mut stream = running.connect().await;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 1024];
    assert!(stream.read(&mut answer).await.unwrap() > 0);
    stream.write_all(b"GET /heal").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_timeout() {
    let quick = Server {
        read_timeout: Duration::from_millis(100),
        ..server()
    };
    let running = Running::start(app(&[]).await, quick).await;
    let mut stream = running.connect().await;
    for _ in 0..2 {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 1024];
        assert!(stream.read(&mut answer).await.unwrap() > 0);
        tokio::time::sleep(Duration::from_millis(400)).await;
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
async fn a_drain_finishes_the_request_under_way_and_takes_no_other() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, wait) = (Arc::clone(&entered), Arc::clone(&release));
    let slow = move || async move {
        enter.notify_one();
        wait.notified().await;
        "landed"
    };
    let routes = Router::new().route("/settle", post(slow));
    let running = Running::start(enclose(routes, &server()), server()).await;
    let address = running.address;
    let mut silent = running.connect().await;
    let mut stream = running.connect().await;
    stream
        .write_all(b"POST /settle HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    entered.notified().await;

    let drain = running.stop();
    let client = async {
        assert_eq!(rest(&mut silent).await, "");
        assert!(
            TcpStream::connect(address).await.is_err(),
            "the listener is closed"
        );
        release.notify_one();
        rest(&mut stream).await
    };
    let (drained, answer) = tokio::join!(drain, client);
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("landed"),
        "{answer}"
    );
    assert_eq!(drained, Drained { cut: 0 });
}

#[tokio::test]
async fn a_drain_cuts_what_outlasts_it() {
    let entered = Arc::new(Notify::new());
    let enter = Arc::clone(&entered);
    let stuck = move || async move {
        enter.notify_one();
        std::future::pending::<()>().await;
    };
    let routes = Router::new().route("/settle", post(stuck));
    let short = Server {
        drain_timeout: Duration::from_millis(100),
        ..server()
    };
    let running = Running::start(enclose(routes, &short), short).await;
    let mut stream = running.connect().await;
    stream
        .write_all(b"POST /settle HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    entered.notified().await;
    let drained = timeout(Duration::from_secs(5), running.stop())
        .await
        .expect("ends in time");
    assert_eq!(drained, Drained { cut: 1 });
}

#[tokio::test]
async fn over_the_cap_newcomers_wait_their_turn() {
    let one = Server {
        max_connections: 1,
        ..server()
    };
    let running = Running::start(app(&[]).await, one).await;
    let mut first = running.connect().await;
    first
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 1024];
    assert!(first.read(&mut answer).await.unwrap() > 0);

    let mut second = running.connect().await;
    second
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let early = timeout(Duration::from_millis(200), second.read(&mut answer)).await;
    assert!(early.is_err(), "served over the cap");
    drop(first);
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200 "));
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
    let auth = Auth { tokens: Vec::new() };
    let app = router(
        facilitator().await,
        &server(),
        &auth,
        &settle,
        draining.clone(),
    );
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
        policy.starts_with("default-src 'none'; style-src 'unsafe-inline'"),
        "{policy}"
    );
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let page = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(!page.contains("{{") && !page.contains("<script"), "{page}");
    for part in [
        "eip155:84532",
        "/settlements/{reference}",
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
