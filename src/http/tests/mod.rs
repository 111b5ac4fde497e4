//! The door as clients meet it: a real socket, or the router itself. What needs no payment path is tested over routes of its own.

mod routes;
mod sockets;

use std::collections::BTreeMap;
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
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::router::enclose;
use super::{Drained, Facts, House, bind, router, serve};
use crate::clock::Clock;
use crate::config::{self, Auth, Cors, Limits, Server, Sessions, Settle};
use crate::egress::{Egress, Reach};
use crate::facilitator::policy::{Gates, Questions};
use crate::facilitator::{self, Facilitator, Parts, Survey};
use crate::hooks;
use crate::reload::Reloadable;
use crate::scheme::Registry;
use crate::secret::Secret;
use crate::store::{Keeper, Store, Unclaimed};

/// A facilitator without schemes over an empty store: enough for everything that is not about one payment.
async fn facilitator() -> Arc<Facilitator> {
    let clock = Clock::system();
    let memory = Secret::new("sqlite::memory:");
    let store = Store::connect(&memory, 1, clock.clone()).await.unwrap();
    store.migrate().await.unwrap();
    let draining = CancellationToken::new();
    let survey = Survey::new(store.clone(), clock.clone(), Vec::new(), draining.clone());
    let rules = Arc::new(Reloadable::fixed(Limits::embedded()));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let egress = Egress::new(Reach::Public).unwrap();
    let open = config::Policy::default();
    let policy = facilitator::Policy::new(
        open.clone(),
        Arc::new(Reloadable::fixed(config::DenyList::default())),
        Questions::new(egress, Vec::new(), clock.clone()),
        Gates::new(&open, BTreeMap::new(), clock.clone()),
    );
    Arc::new(Facilitator::new(Parts {
        schemes: Registry::default(),
        policy,
        limits: facilitator::Limits::new(rules, BTreeMap::new(), store.clone(), clock.clone()),
        store,
        survey: Arc::new(survey),
        clock,
        hooks: Arc::new(hooks::Nothing),
        network_names: BTreeMap::new(),
        settle_timeout: Duration::from_secs(20),
        sessions: sessions(),
        tasks: TaskTracker::new(),
        draining,
    }))
}

async fn house() -> House {
    House {
        facilitator: facilitator().await,
        keyring: None,
        draining: CancellationToken::new(),
        facts: Facts::default(),
    }
}

fn sessions() -> Sessions {
    Sessions {
        keeper: Keeper::Facilitator,
        unclaimed: Unclaimed::Release,
        sweep_interval: Duration::from_secs(30),
        idle_settle: Duration::from_mins(2),
        long_idle: Duration::from_mins(30),
        deadline_buffer: Duration::from_mins(1),
        cap_threshold: 90,
        attempts: 10,
        archive_after: Duration::from_hours(720),
    }
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
        max_connections_per_address: None,
        trusted_proxies: Vec::new(),
        drain_notice: Duration::ZERO,
        drain_timeout: Duration::from_secs(5),
    }
}

async fn app(tokens: &[&str]) -> Router {
    let tokens = tokens.iter().copied().map(Secret::new).collect();
    let settle = Settle {
        timeout: Duration::from_secs(20),
        pending_status: 200,
    };
    let api_keys = false;
    let auth = Auth { tokens, api_keys };
    router(house().await, &server(), &auth, &settle)
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
