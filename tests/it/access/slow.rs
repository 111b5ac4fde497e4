//! Clients that hold on to what others need: connections, bodies that never come, bodies without end.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::binary::Binary;
use crate::harness::facilitator::Settings;

const PROBE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

async fn program(variables: &[(&str, &str)]) -> Binary {
    let settings = Settings::new("http://127.0.0.1:1").set("EVM_NETWORKS", "");
    let settings = variables
        .iter()
        .fold(settings, |s, (name, value)| s.set(name, value));
    Binary::start(settings.path(), &settings.pairs()).await
}

async fn connect(program: &Binary) -> TcpStream {
    TcpStream::connect(("127.0.0.1", program.address.port()))
        .await
        .expect("it listens")
}

/// One request over a connection that stays open.
async fn probe(stream: &mut TcpStream) -> std::io::Result<bool> {
    stream.write_all(PROBE).await?;
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await?;
    Ok(answer[..length].starts_with(b"HTTP/1.1 200 "))
}

/// Everything until the service closes, and how long that took.
async fn rest(stream: &mut TcpStream) -> (String, Duration) {
    let began = Instant::now();
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    // A reset is an end too.
    let _ended = read.expect("the service closes the connection");
    (
        String::from_utf8_lossy(&bytes).into_owned(),
        began.elapsed(),
    )
}

#[tokio::test]
async fn connections_that_idle_or_stay_silent_give_way_when_others_need_their_place() {
    for says_something in [true, false] {
        let program = program(&[("MAX_CONNECTIONS", "8")]).await;
        let mut held = Vec::new();
        for _ in 0..8 {
            let mut stream = connect(&program).await;
            if says_something {
                assert!(probe(&mut stream).await.expect("served"));
            }
            held.push(stream);
        }
        let began = Instant::now();
        let mut newcomer = connect(&program).await;
        let served = timeout(Duration::from_secs(10), probe(&mut newcomer)).await;
        assert!(served.expect("served in time").expect("served"));
        let waited = began.elapsed();
        assert!(
            waited < Duration::from_secs(5),
            "{waited:?} says something: {says_something}"
        );
    }
}

#[tokio::test]
async fn bodies_that_drip_give_way_when_others_need_their_place() {
    let program = program(&[("MAX_CONNECTIONS", "8")]).await;
    let head = b"POST /settle HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    let mut dripping = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&program).await;
        stream.write_all(head).await.expect("sent");
        dripping.push(stream);
    }
    let began = Instant::now();
    let mut newcomer = connect(&program).await;
    let served = timeout(Duration::from_secs(20), probe(&mut newcomer)).await;
    assert!(served.expect("served in time").expect("served"));
    // Ten seconds is what a body may take while there is room.
    assert!(
        began.elapsed() < Duration::from_secs(7),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn while_there_is_room_an_idle_connection_stays() {
    let program = program(&[("MAX_CONNECTIONS", "8")]).await;
    let mut idle = connect(&program).await;
    assert!(probe(&mut idle).await.expect("served"));
    let silent = timeout(Duration::from_millis(1800), idle.read(&mut [0; 16])).await;
    assert!(silent.is_err(), "closed although there was room");
    assert!(probe(&mut idle).await.expect("served"));
}

#[tokio::test]
async fn one_address_has_its_share_of_connections_and_proxies_have_any_number() {
    let limit = ("MAX_CONNECTIONS_PER_ADDRESS", "2");
    let program = program(&[limit]).await;
    let (mut first, mut second) = (connect(&program).await, connect(&program).await);
    assert!(probe(&mut first).await.expect("served") && probe(&mut second).await.expect("served"));
    let (answer, waited) = rest(&mut connect(&program).await).await;
    assert_eq!(answer, "");
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    // A place given up is free again.
    drop(first);
    crate::harness::oracle::eventually("a free place", || async {
        let mut again = connect(&program).await;
        probe(&mut again)
            .await
            .is_ok_and(|served| served)
            .then_some(())
    })
    .await;

    let program = self::program(&[limit, ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&program).await;
        assert!(probe(&mut stream).await.expect("served"));
        held.push(stream);
    }
}

#[tokio::test]
async fn a_body_that_never_comes_is_refused_after_one_timeout_and_not_two() {
    let program = program(&[("READ_TIMEOUT_MS", "1000")]).await;
    for path in ["/verify", "/settle"] {
        let mut stream = connect(&program).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let (answer, waited) = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(waited < Duration::from_millis(1800), "{waited:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_refused_anyway_holds_its_place_for_two_seconds_at_most() {
    let program = program(&[("BEARER_TOKEN", "a-token-long-enough")]).await;
    let mut stream = connect(&program).await;
    let head =
        b"POST /settle HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head).await.expect("sent");
    let (answer, waited) = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(waited < Duration::from_secs(4), "{waited:?}");
}

#[tokio::test]
async fn many_huge_bodies_are_refused_in_bounded_memory() {
    const MEGABYTE: usize = 1024 * 1024;
    let program = program(&[]).await;
    let before = program.peak_memory();
    let chunk = vec![b' '; MEGABYTE];
    let send = |announced: bool| {
        let (program, chunk) = (&program, &chunk);
        async move {
            let mut stream = connect(program).await;
            let framing = if announced {
                format!("Content-Length: {}", 10 * MEGABYTE)
            } else {
                "Transfer-Encoding: chunked".to_owned()
            };
            let head = format!(
                "POST /verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.expect("sent");
            for _ in 0..10 {
                if !announced {
                    stream.write_all(b"100000\r\n").await.expect("sent");
                }
                stream.write_all(chunk).await.expect("sent");
                if !announced {
                    stream.write_all(b"\r\n").await.expect("sent");
                }
            }
            if !announced {
                stream.write_all(b"0\r\n\r\n").await.expect("sent");
            }
            let (answer, _) = rest(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        }
    };

    futures::future::join_all((0..20).map(|n| send(n % 2 == 0))).await;

    // 200 MB came in. Each connection may hold the limit, a frame and the buffers of its protocol.
    let grown = program.peak_memory() - before;
    assert!(grown < 24 * MEGABYTE, "grown by {grown} bytes");
}
