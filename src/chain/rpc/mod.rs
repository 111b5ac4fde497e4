//! JSON-RPC over HTTP: ordered failover for reads, every configured endpoint for sends. URLs carry keys and are never printed.

mod answer;
mod endpoint;

use std::time::{Duration, Instant};

use futures::stream::FuturesUnordered;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use self::answer::{
    Answer, is_unavailable, missing, parse_answers, read_limited, refused, request_body,
    unavailable,
};
use self::endpoint::{Endpoint, Role, by_health};
use super::Error;
use crate::observe;
use crate::protocol::Network;
use crate::secret::Secret;

/// Longest a node may take for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// Calls in one request: what public nodes take.
const BATCH_MAX: usize = 25;

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
}

/// One call of a JSON-RPC batch.
pub(super) type Call = (&'static str, Value);

impl Rpc {
    pub fn new(endpoints: Endpoints<'_>, client: reqwest::Client) -> Self {
        let (send, send_role) = if endpoints.send.is_empty() {
            (endpoints.read, Role::Send)
        } else {
            (endpoints.send, Role::SendOnly)
        };
        Self {
            client,
            network: endpoints.network.clone(),
            identity: endpoints.identity,
            read: Endpoint::all(endpoints.read, Role::Read),
            send: Endpoint::all(send, send_role),
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

    /// Which read endpoints answer and are on the right chain, in configured order.
    pub fn up(&self) -> Vec<bool> {
        self.read.iter().map(Endpoint::is_up).collect()
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
        let sends = self.send_endpoints().map(|it| self.send_to(it, calls));
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

    /// The same, but each endpoint's answers, one per call, as soon as it gives them.
    pub fn send_each<'a, T: DeserializeOwned + 'a>(
        &'a self,
        calls: &'a [Call],
    ) -> FuturesUnordered<impl Future<Output = Vec<Result<T, Error>>> + 'a> {
        self.send_endpoints()
            .map(|it| self.send_to(it, calls))
            .collect()
    }

    /// One that failed a moment ago only delays the others, where there are others.
    fn send_endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let some_are_up = self.send.iter().any(|endpoint| !endpoint.is_down());
        self.send
            .iter()
            .filter(move |endpoint| !some_are_up || !endpoint.is_down())
    }

    async fn send_to<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        calls: &[Call],
    ) -> Vec<Result<T, Error>> {
        match self.ask(endpoint, calls).await {
            Ok(answers) => answers
                .into_iter()
                .map(|answer| decode(answer?.as_ref()))
                .collect(),
            Err(cause) => calls.iter().map(|_| Err(cause.clone())).collect(),
        }
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
            .map(|chunk| self.post_or_split(endpoint, chunk));
        Ok(futures::future::try_join_all(chunks)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    /// A node that takes no batches is asked one by one.
    async fn post_or_split(
        &self,
        endpoint: &Endpoint,
        calls: &[Call],
    ) -> Result<Vec<Result<Box<RawValue>, Error>>, Error> {
        match self.post(endpoint, calls).await {
            Err(Error::Refused { .. }) if calls.len() > 1 => {
                let singles = calls
                    .iter()
                    .map(|call| self.post(endpoint, std::slice::from_ref(call)));
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
        let mut answers = self.post(endpoint, &[question]).await?;
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
        endpoint: &Endpoint,
        calls: &[Call],
    ) -> Result<Vec<Result<Box<RawValue>, Error>>, Error> {
        let started = Instant::now();
        let answered = self.exchange(&endpoint.url, calls).await;
        let rpc = observe::Rpc {
            network: &self.network,
            is_send: endpoint.is_send,
            index: endpoint.index,
            method: calls.first().map_or("none", |(method, _)| method),
            calls: calls.len(),
        };
        let outcome = match &answered {
            Ok(answers) if answers.iter().any(is_unavailable) => observe::RpcOutcome::Unavailable,
            Ok(answers) if answers.iter().all(Result::is_err) => observe::RpcOutcome::Refused,
            Ok(_) => observe::RpcOutcome::Ok,
            Err(Error::Refused { .. }) => observe::RpcOutcome::Refused,
            Err(Error::Unavailable(_)) => observe::RpcOutcome::Unavailable,
        };
        observe::rpc_asked(rpc, outcome, started.elapsed());
        answered
    }

    async fn exchange(
        &self,
        url: &Secret,
        calls: &[Call],
    ) -> Result<Vec<Result<Box<RawValue>, Error>>, Error> {
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
