//! Limits, patience and the drain, over real sockets.

use super::*;

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
async fn a_slow_body_is_408_in_the_protocols_shape() {
    let quick = Server {
        read_timeout: Duration::from_millis(100),
        ..server()
    };
    let settle = Settle {
        timeout: Duration::from_secs(20),
        pending_status: 200,
    };
    let auth = Auth {
        tokens: Vec::new(),
        api_keys: false,
    };
    let router = router(house().await, &quick, &auth, &settle);
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
