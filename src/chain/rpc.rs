//! JSON-RPC over HTTP: ordered failover for reads, every configured endpoint for sends. URLs carry keys and are never printed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Error;
use crate::observe;
use crate::protocol::Network;
use crate::secret::Secret;

/// Longest a node may take for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// Largest answer we read, bytes.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// Calls in one request: what public nodes take.
const BATCH_MAX: usize = 25;
/// How long a node that failed is asked after the others.
const DOWN: Duration = Duration::from_secs(10);
/// How long a node's word about which chain it is on counts.
const CHAIN_CHECK: Duration = Duration::from_hours(1);

/// Where a network is asked, and how a node proves to be on it.
#[derive(Debug)]
pub struct Endpoints<'a> {
    pub network: &'a Network,
    /// In order of preference.
    pub read: &'a [Secret],
    /// Where signed transactions go; the read endpoints where none are set.
    pub send: &'a [Secret],
    pub identity: Identity,
}

/// How a node says which chain it is on.
#[derive(Debug, Clone)]
pub struct Identity {
    /// A method without parameters.
    pub method: &'static str,
    /// The chain's name in the method's answer.
    pub read: fn(&Value) -> Option<String>,
    pub expected: String,
}

/// The endpoints of one network. None is believed before it has named the right chain.
#[derive(Debug)]
pub struct Rpc {
    client: reqwest::Client,
    network: Network,
    identity: Identity,
    read: Vec<Endpoint>,
    send: Vec<Endpoint>,
    calls: AtomicU64,
}

#[derive(Debug)]
struct Endpoint {
    url: Secret,
    /// When it last named our chain.
    checked: Mutex<Option<Instant>>,
    /// When it last could not be asked.
    failed: Mutex<Option<Instant>>,
    /// Whether it takes transactions and nothing else, as sequencers do: signed bytes name their chain themselves.
    is_send_only: bool,
}

impl Endpoint {
    fn all(urls: &[Secret], is_send_only: bool) -> Vec<Self> {
        let endpoint = |url: &Secret| Self {
            url: url.clone(),
            checked: Mutex::new(None),
            failed: Mutex::new(None),
            is_send_only,
        };
        urls.iter().map(endpoint).collect()
    }

    fn is_checked(&self) -> bool {
        let checked = *self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_send_only || checked.is_some_and(|at| at.elapsed() < CHAIN_CHECK)
    }

    /// Whether it failed a moment ago: then the others are asked first.
    fn is_down(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < DOWN)
    }

    fn note_answered(&self, answered: bool) {
        let failed = if answered { None } else { Some(Instant::now()) };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    fn note_checked(&self) {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// One call of a JSON-RPC batch.
pub(super) type Call = (&'static str, Value);

#[derive(Deserialize)]
struct Answer {
    /// Every JSON-RPC 2.0 answer has it; other JSON is none.
    jsonrpc: Option<String>,
    id: Option<u64>,
    result: Option<Box<RawValue>>,
    error: Option<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    code: i64,
    message: String,
    data: Option<Value>,
}

impl Rpc {
    pub fn new(endpoints: Endpoints<'_>, client: reqwest::Client) -> Self {
        let send = if endpoints.send.is_empty() {
            endpoints.read
        } else {
            endpoints.send
        };
        Self {
            client,
            network: endpoints.network.clone(),
            identity: endpoints.identity,
            read: Endpoint::all(endpoints.read, false),
            send: Endpoint::all(send, !endpoints.send.is_empty()),
            calls: AtomicU64::new(0),
        }
    }

    /// Reads from the first endpoint that can be asked.
    ///
    /// # Errors
    /// [`Error::Refused`] is a node's own verdict and is not retried elsewhere; [`Error::Unavailable`] when no endpoint could be asked.
    pub async fn read<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, Error> {
        let mut answers = self.batch(vec![(method, params)]).await?;
        decode(answers.pop().unwrap_or_else(|| Err(missing()))?.as_ref())
    }

    /// Several reads in one HTTP request to one endpoint, answers in the order asked.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no endpoint could be asked; each inner result is one node's verdict.
    pub async fn batch(
        &self,
        calls: Vec<Call>,
    ) -> Result<Vec<Result<Box<RawValue>, Error>>, Error> {
        let mut partial = None;
        let mut last = missing();
        for endpoint in by_health(&self.read) {
            match self.ask(endpoint, &calls).await {
                // A node that answers only some of it is as good as the others are bad.
                Ok(answers) if answers.iter().any(is_unavailable) => {
                    partial = partial.or(Some(answers));
                }
                Ok(answers) => return Ok(answers),
                Err(cause) => last = cause,
            }
        }
        partial.ok_or(last)
    }

    /// The same batch to every read endpoint separately, for verdicts that need every witness.
    pub async fn ask_all(
        &self,
        calls: &[Call],
    ) -> Vec<Result<Vec<Result<Box<RawValue>, Error>>, Error>> {
        futures::future::join_all(self.read.iter().map(|endpoint| self.ask(endpoint, calls))).await
    }

    /// The same batch to every read endpoint that did not fail a moment ago, for a second opinion that is not worth waiting for.
    pub async fn ask_up(
        &self,
        calls: &[Call],
    ) -> Vec<Result<Vec<Result<Box<RawValue>, Error>>, Error>> {
        let some_are_up = self.read.iter().any(|endpoint| !endpoint.is_down());
        let asked = self
            .read
            .iter()
            .filter(|endpoint| !some_are_up || !endpoint.is_down());
        futures::future::join_all(asked.map(|endpoint| self.ask(endpoint, calls))).await
    }

    /// Makes the same calls on every send endpoint at once, on each in one request so that they arrive in order. For every call one answer per
    /// endpoint, in configured order.
    pub async fn send<T: DeserializeOwned + Clone>(
        &self,
        calls: &[Call],
    ) -> Vec<Vec<Result<T, Error>>> {
        // One that failed a moment ago only delays the others, where there are others.
        let some_are_up = self.send.iter().any(|endpoint| !endpoint.is_down());
        let asked = self
            .send
            .iter()
            .filter(|endpoint| !some_are_up || !endpoint.is_down());
        let sends = asked.map(|endpoint| async {
            match self.ask(endpoint, calls).await {
                Ok(answers) => answers
                    .into_iter()
                    .map(|answer| decode(answer?.as_ref()))
                    .collect(),
                Err(cause) => vec![Err(cause); calls.len()],
            }
        });
        let by_endpoint: Vec<Vec<Result<T, Error>>> = futures::future::join_all(sends).await;
        (0..calls.len())
            .map(|index| {
                by_endpoint
                    .iter()
                    .filter_map(|answers| answers.get(index).cloned())
                    .collect()
            })
            .collect()
    }

    /// HTTP requests made so far, for tests and metrics.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn ask(
        &self,
        endpoint: &Endpoint,
        calls: &[Call],
    ) -> Result<Vec<Result<Box<RawValue>, Error>>, Error> {
        let answered = self.ask_checked(endpoint, calls).await;
        endpoint.note_answered(answered.is_ok());
        answered
    }

    async fn ask_checked(
        &self,
        endpoint: &Endpoint,
        calls: &[Call],
    ) -> Result<Vec<Result<Box<RawValue>, Error>>, Error> {
        if !endpoint.is_checked() {
            self.check_chain(endpoint).await?;
        }
        let chunks = calls
            .chunks(BATCH_MAX)
            .map(|chunk| self.post_or_split(&endpoint.url, chunk));
        Ok(futures::future::try_join_all(chunks)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    /// A node that takes no batches is asked one by one.
    async fn post_or_split(
        &self,
        url: &Secret,
        calls: &[Call],
    ) -> Result<Vec<Result<Box<RawValue>, Error>>, Error> {
        match self.post(url, calls).await {
            Err(Error::Refused { .. }) if calls.len() > 1 => {
                let singles = calls
                    .iter()
                    .map(|call| self.post(url, std::slice::from_ref(call)));
                Ok(futures::future::try_join_all(singles)
                    .await?
                    .into_iter()
                    .flatten()
                    .collect())
            }
            answered => answered,
        }
    }

    /// A node on another chain would verify and settle nonsense: it counts as one that cannot be asked.
    async fn check_chain(&self, endpoint: &Endpoint) -> Result<(), Error> {
        let question = (self.identity.method, json!([]));
        let mut answers = self.post(&endpoint.url, &[question]).await?;
        let answer: Value = decode(&answers.pop().unwrap_or_else(|| Err(missing()))?)?;
        let named = (self.identity.read)(&answer)
            .ok_or_else(|| Error::Unavailable("the node does not name its chain".to_owned()))?;
        if named != self.identity.expected {
            observe::wrong_chain(&self.network, &named);
            return Err(Error::Unavailable(format!("the node is on chain {named}")));
        }
        endpoint.note_checked();
        Ok(())
    }

    async fn post(
        &self,
        url: &Secret,
        calls: &[Call],
    ) -> Result<Vec<Result<Box<RawValue>, Error>>, Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let body = request_body(calls);
        let request = self
            .client
            .post(url.expose())
            .timeout(CALL_TIMEOUT)
            .json(&body);
        let response = request.send().await.map_err(|cause| unavailable(&cause))?;
        let status = response.status();
        let bytes = read_limited(response).await?;
        if let Some(answers) = parse_answers(&bytes, calls.len()) {
            return Ok(answers);
        }
        // One error for a whole batch.
        if let Ok(Answer {
            error: Some(complaint),
            ..
        }) = serde_json::from_slice(&bytes)
        {
            return Err(refused(complaint));
        }
        Err(Error::Unavailable(format!(
            "HTTP {status} without a JSON-RPC answer"
        )))
    }
}

/// In configured order, those that failed a moment ago last.
fn by_health(endpoints: &[Endpoint]) -> impl Iterator<Item = &Endpoint> {
    let up = endpoints.iter().filter(|endpoint| !endpoint.is_down());
    up.chain(endpoints.iter().filter(|endpoint| endpoint.is_down()))
}

fn is_unavailable(answer: &Result<Box<RawValue>, Error>) -> bool {
    matches!(answer, Err(Error::Unavailable(_)))
}

fn request_body(calls: &[Call]) -> Value {
    let one = |(id, (method, params)): (usize, &Call)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    match calls {
        [call] => one((0, call)),
        calls => calls.iter().enumerate().map(one).collect(),
    }
}

async fn read_limited(mut response: reqwest::Response) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|cause| unavailable(&cause))?
    {
        if bytes.len() + chunk.len() > ANSWER_LIMIT {
            return Err(Error::Unavailable("the answer is too large".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Answers by id, as a node may give them in any order; `None` when this is no complete JSON-RPC answer.
fn parse_answers(bytes: &[u8], expected: usize) -> Option<Vec<Result<Box<RawValue>, Error>>> {
    let answers: Vec<Answer> = if expected == 1 {
        let mut only: Answer = serde_json::from_slice(bytes).ok()?;
        only.id = Some(0);
        vec![only]
    } else {
        serde_json::from_slice(bytes).ok()?
    };
    let mut slots: Vec<Option<Result<Box<RawValue>, Error>>> =
        (0..expected).map(|_| None).collect();
    for answer in answers {
        let slot = slots.get_mut(usize::try_from(answer.id?).ok()?)?;
        *slot = Some(match answer.error {
            Some(complaint) => Err(refused(complaint)),
            None if answer.jsonrpc.is_none() => return None,
            None => Ok(answer.result.unwrap_or_else(null)),
        });
    }
    slots.into_iter().collect()
}

/// Throttling is not a verdict: it counts as "could not be asked".
fn refused(complaint: Complaint) -> Error {
    const LIMIT_EXCEEDED: i64 = -32005;
    let message: String = without_urls(&complaint.message)
        .chars()
        .filter(|c| !c.is_control())
        .take(500)
        .collect();
    let lower = message.to_lowercase();
    let throttled = complaint.code == LIMIT_EXCEEDED
        || complaint.code == 429
        || lower.contains("rate limit")
        || lower.contains("too many requests");
    if throttled {
        return Error::Unavailable(format!("throttled: {message}"));
    }
    let data = complaint.data.and_then(|data| match data {
        Value::String(hex) => hex.parse().ok(),
        Value::Object(map) => map
            .get("data")
            .and_then(Value::as_str)
            .and_then(|hex| hex.parse().ok()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    });
    Error::Refused {
        code: complaint.code,
        message,
        data,
    }
}

/// What a node says without the URLs in it: it may know by which one we called, and that one carries a key.
fn without_urls(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        if word.contains("://") {
            "[a URL]"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

pub(super) fn decode<T: DeserializeOwned>(raw: &RawValue) -> Result<T, Error> {
    serde_json::from_str(raw.get())
        .map_err(|cause| Error::Unavailable(format!("unreadable answer: {cause}")))
}

/// Reads one answer of a batch.
pub(super) fn parse<T: DeserializeOwned>(
    answer: Option<&Result<Box<RawValue>, Error>>,
) -> Result<T, Error> {
    match answer {
        Some(Ok(raw)) => decode(raw),
        Some(Err(cause)) => Err(cause.clone()),
        None => Err(Error::Unavailable("an answer is missing".to_owned())),
    }
}

/// A transport failure without its URL, which carries keys.
fn unavailable(cause: &reqwest::Error) -> Error {
    let kind = if cause.is_timeout() {
        "timed out"
    } else if cause.is_connect() {
        "connection refused"
    } else {
        "connection broke"
    };
    Error::Unavailable(kind.to_owned())
}

fn missing() -> Error {
    Error::Unavailable("no endpoint is configured".to_owned())
}

fn null() -> Box<RawValue> {
    RawValue::from_string("null".to_owned()).expect("null is JSON")
}
