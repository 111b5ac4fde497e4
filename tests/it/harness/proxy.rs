//! A node that misbehaves on request: sits between the facilitator and the chain, counts, records, and does what its plan says.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::rpc::Rpc;

/// For [`Proxy::plan`]: until [`Proxy::heal`].
pub(crate) const ALWAYS: usize = usize::MAX;
/// For [`Proxy::plan`]: an `eth_call` that overrides state.
pub(crate) const OVERRIDE: &str = "eth_call with overrides";

/// What happens to a call. In a batch the other calls are answered as if nothing were wrong, unless the whole request is hit.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The connection ends without an answer and the chain hears nothing. Hits the whole request.
    Drop,
    /// The chain hears the call, but the connection ends without an answer. Hits the whole request.
    DropAnswer,
    /// The chain hears the call, but the answer is this HTTP status. Hits the whole request.
    Status(StatusCode),
    /// Everything is late. Hits the whole request.
    Delay(Duration),
    /// An error with this text; the chain hears nothing.
    Refuse(&'static str),
    /// The chain hears the call, but the answer is an error with this text.
    RefuseAnswer(&'static str),
    /// The result is null; the chain hears nothing.
    Null,
    /// The result is this; the chain hears nothing.
    Answer(Value),
    /// The chain hears the call twice; the answer is the second.
    Twice,
    /// The node is this many blocks behind: `latest` means an older block.
    StaleHead(u64),
    /// The result is another hash; in a block or receipt, `hash` and `blockHash` are.
    WrongHash,
}

/// The proxy. Dropping it closes its port and its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    url: String,
    node: Arc<Node>,
    _server: JoinSet<Infallible>,
}

#[derive(Debug)]
struct Node {
    upstream: Rpc,
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    plans: Vec<Plan>,
    requests: usize,
    /// Parameters of every call, by method.
    calls: BTreeMap<String, Vec<Value>>,
}

#[derive(Debug)]
struct Plan {
    method: String,
    times: usize,
    fault: Fault,
}

/// The connection ends: hyper closes it when a service fails.
#[derive(Debug, thiserror::Error)]
#[error("dropped as planned")]
struct Dropped;

impl Proxy {
    pub(crate) async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let node = Arc::new(Node {
            upstream: Rpc::new(upstream),
            script: Mutex::default(),
        });
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&node)));
        Self {
            url: format!("http://{address}"),
            node,
            _server: server,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next `times` calls of `method` (`*` is any) meet `fault`; earlier plans for the same call go first.
    pub(crate) fn plan(&self, method: &str, times: usize, fault: Fault) {
        let method = method.to_owned();
        self.node.script().plans.push(Plan {
            method,
            times,
            fault,
        });
    }

    /// Nobody gets through until [`Self::heal`].
    pub(crate) fn cut(&self) {
        self.plan("*", ALWAYS, Fault::Drop);
    }

    /// Forgets all plans.
    pub(crate) fn heal(&self) {
        self.node.script().plans.clear();
    }

    /// HTTP requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.node.script().requests
    }

    /// The parameters of each call of a method so far, also inside batches.
    pub(crate) fn calls(&self, method: &str) -> Vec<Value> {
        let script = self.node.script();
        script.calls.get(method).cloned().unwrap_or_default()
    }
}

async fn accept(listener: TcpListener, node: Arc<Node>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a listener accepts");
                connections.spawn(serve(stream, Arc::clone(&node)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, node: Arc<Node>) {
    let service = service_fn(move |request| {
        let node = Arc::clone(&node);
        async move { node.answer(request).await }
    });
    // A failing connection is what this is for.
    let _ended = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Node {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics while planning")
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Dropped> {
        let body = request.collect().await.map_err(|_| Dropped)?.to_bytes();
        let asked: Value = serde_json::from_slice(&body).expect("the facilitator sends JSON");
        let faults = self.script().meet(&asked);
        for fault in faults.iter().flatten() {
            if matches!(fault, Fault::Drop) {
                return Err(Dropped);
            }
            if let Fault::Delay(time) = fault {
                tokio::time::sleep(*time).await;
            }
        }
        let answered = self.forward(&asked, &faults).await.map_err(|_| Dropped)?;
        let mut status = StatusCode::OK;
        for fault in faults.iter().flatten() {
            if matches!(fault, Fault::DropAnswer) {
                return Err(Dropped);
            }
            if let Fault::Status(planned) = fault {
                status = *planned;
            }
        }
        let body = if status.is_success() {
            answered.to_string()
        } else {
            String::new()
        };
        let response = Response::builder()
            .status(status)
            .header("content-type", "application/json");
        Ok(response.body(Full::from(body)).expect("a valid response"))
    }

    /// Without faults the request goes through as it came; else call by call, in order.
    async fn forward(
        &self,
        asked: &Value,
        faults: &[Option<Fault>],
    ) -> Result<Value, reqwest::Error> {
        if faults.iter().all(Option::is_none) {
            return self.upstream.post(asked).await;
        }
        let Some(batch) = asked.as_array() else {
            return self.forward_one(asked, faults[0].as_ref()).await;
        };
        let mut answers = Vec::new();
        for (call, fault) in batch.iter().zip(faults) {
            answers.push(self.forward_one(call, fault.as_ref()).await?);
        }
        Ok(answers.into())
    }

    async fn forward_one(
        &self,
        call: &Value,
        fault: Option<&Fault>,
    ) -> Result<Value, reqwest::Error> {
        let answer =
            |key: &str, value: Value| json!({"jsonrpc": "2.0", "id": call["id"], key: value});
        let error = |text: &str| answer("error", json!({"code": -32000, "message": text}));
        let Some(fault) = fault else {
            return self.upstream.post(call).await;
        };
        match fault {
            Fault::Refuse(text) => Ok(error(text)),
            Fault::Null => Ok(answer("result", Value::Null)),
            Fault::Answer(result) => Ok(answer("result", result.clone())),
            Fault::StaleHead(behind) => self.forward_stale(call, *behind).await,
            Fault::RefuseAnswer(text) => {
                self.upstream.post(call).await?;
                Ok(error(text))
            }
            Fault::Twice => {
                self.upstream.post(call).await?;
                self.upstream.post(call).await
            }
            Fault::WrongHash => {
                let mut real = self.upstream.post(call).await?;
                spoil_hashes(&mut real["result"]);
                Ok(real)
            }
            Fault::Drop | Fault::DropAnswer | Fault::Status(_) | Fault::Delay(_) => {
                self.upstream.post(call).await
            }
        }
    }

    /// The call as a node would answer it whose newest block is `behind` blocks old.
    async fn forward_stale(&self, call: &Value, behind: u64) -> Result<Value, reqwest::Error> {
        let head = self.upstream.block_number().await.saturating_sub(behind);
        let block = format!("{head:#x}");
        let mut call = call.clone();
        for parameter in call["params"].as_array_mut().into_iter().flatten() {
            if matches!(parameter.as_str(), Some("latest" | "pending")) {
                *parameter = json!(block);
            }
        }
        let mut answer = self.upstream.post(&call).await?;
        if call["method"] == "eth_blockNumber" {
            answer["result"] = json!(block);
        }
        for name in ["blockNumber", "number"] {
            let block = answer["result"][name].as_str().and_then(number);
            if block.is_some_and(|block| block > head) {
                answer["result"] = Value::Null;
            }
        }
        Ok(answer)
    }
}

impl Script {
    /// Writes a request down and takes what is planned for each of its calls.
    fn meet(&mut self, asked: &Value) -> Vec<Option<Fault>> {
        self.requests += 1;
        let calls = asked
            .as_array()
            .map_or(std::slice::from_ref(asked), Vec::as_slice);
        calls.iter().map(|call| self.meet_call(call)).collect()
    }

    fn meet_call(&mut self, call: &Value) -> Option<Fault> {
        let method = call["method"].as_str().unwrap_or_default();
        let known = self.calls.entry(method.to_owned()).or_default();
        known.push(call["params"].clone());
        let overrides = method == "eth_call" && call["params"].get(2).is_some();
        let name = if overrides { OVERRIDE } else { method };
        let due = |plan: &&mut Plan| {
            plan.times > 0 && [method, name, "*"].contains(&plan.method.as_str())
        };
        let plan = self.plans.iter_mut().find(due)?;
        if plan.times != ALWAYS {
            plan.times -= 1;
        }
        Some(plan.fault.clone())
    }
}

fn number(hex: &str) -> Option<u64> {
    u64::from_str_radix(hex.strip_prefix("0x")?, 16).ok()
}

fn spoil_hashes(result: &mut Value) {
    if let Value::String(hash) = result {
        *hash = spoiled(hash);
    }
    for name in ["hash", "blockHash"] {
        if let Some(Value::String(hash)) = result.get_mut(name) {
            *hash = spoiled(hash);
        }
    }
}

fn spoiled(hash: &str) -> String {
    let (start, last) = hash.split_at(hash.len() - 1);
    format!("{start}{}", if last == "0" { "1" } else { "0" })
}
