//! Somebody who is posted to: keeps what came and answers as planned.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_mins(1);

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Posted {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("headers are ASCII"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }
}

/// A status and a body; a redirect leads to its body.
pub(crate) type Planned = (u16, String);

/// Dropping it closes its port.
#[derive(Debug)]
pub(crate) struct Receiver {
    port: u16,
    plan: Arc<Mutex<VecDeque<Planned>>>,
    posted: watch::Receiver<Vec<Posted>>,
    connections: watch::Receiver<usize>,
    _server: JoinSet<Infallible>,
}

#[derive(Debug)]
struct Ear {
    plan: Arc<Mutex<VecDeque<Planned>>>,
    posted: watch::Sender<Vec<Posted>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let plan = Arc::<Mutex<VecDeque<Planned>>>::default();
        let (heard, posted) = watch::channel(Vec::new());
        let (count, connections) = watch::channel(0);
        let ear = Arc::new(Ear {
            plan: Arc::clone(&plan),
            posted: heard,
        });
        let mut server = JoinSet::new();
        server.spawn(accept(listener, ear, count));
        Self {
            port,
            plan,
            posted,
            connections,
            _server: server,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next answer that is not planned yet; 200 without a body when nothing is.
    pub(crate) fn plan(&self, status: u16, body: &str) {
        let mut plan = self.plan.lock().expect("no test panics while planning");
        plan.push_back((status, body.to_owned()));
    }

    /// Everything so far.
    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.posted.borrow().clone()
    }

    /// Connections so far, whatever came of them.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// Waits for so many requests, and returns all of them.
    pub(crate) async fn heard(&self, count: usize) -> Vec<Posted> {
        self.heard_where(|posted| posted.len() >= count).await
    }

    pub(crate) async fn heard_where(&self, is_enough: impl Fn(&[Posted]) -> bool) -> Vec<Posted> {
        let mut posted = self.posted.clone();
        let waited = posted.wait_for(|posted| is_enough(posted));
        let waited = tokio::time::timeout(PATIENCE, waited).await;
        let Ok(Ok(heard)) = waited else {
            panic!("not heard; so far {:?}", self.posted())
        };
        heard.clone()
    }
}

async fn accept(listener: TcpListener, ear: Arc<Ear>, count: watch::Sender<usize>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a listener accepts");
                count.send_modify(|count| *count += 1);
                connections.spawn(serve(stream, Arc::clone(&ear)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, ear: Arc<Ear>) {
    let service = service_fn(move |request| {
        let ear = Arc::clone(&ear);
        async move { ear.hear(request).await }
    });
    // A client that does not speak HTTP, or goes away.
    let _ended = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Ear {
    async fn hear(&self, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let planned = self.plan.lock().expect("no test panics while planning");
        let (status, body) = { planned }.pop_front().unwrap_or((200, String::new()));
        let headers = parts.headers;
        let posted = Posted { headers, text };
        self.posted.send_modify(|all| all.push(posted));
        let response = Response::builder().status(status);
        let response = match status {
            300..=399 => response.header("location", body).body(Full::default()),
            _ => response.body(Full::new(Bytes::from(body))),
        };
        Ok(response.expect("a planned answer is HTTP"))
    }
}
