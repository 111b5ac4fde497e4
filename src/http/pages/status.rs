//! `GET /status.json`: what `/` shows, for programs. Signers are named; what they have is not for strangers.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::Serialize;

use super::VERSION;
use super::facts::Facts;
use crate::facilitator::{NetworkView, Overview};
use crate::http::endpoint::Endpoint;
use crate::http::error::{self, Problem};
use crate::http::router::App;

const FEED: usize = 20;

/// Times are milliseconds, moments unix milliseconds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    version: &'static str,
    at: i64,
    uptime_ms: u64,
    settled_24h: u64,
    /// Oldest first; the last hour is under way.
    settled_by_hour: &'a [u64],
    median_latency_ms: Option<u64>,
    networks: Vec<Seen<'a>>,
    /// Absent where the operator does not list settlements.
    #[serde(skip_serializing_if = "Option::is_none")]
    recent: Option<Vec<Recent<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Seen<'a> {
    network: &'a str,
    name: &'a str,
    ready: bool,
    nodes_up: usize,
    nodes: usize,
    head: Option<u64>,
    head_age_ms: Option<u64>,
    signers: Vec<Signer<'a>>,
}

#[derive(Serialize)]
struct Signer<'a> {
    address: &'a str,
    paused: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recent<'a> {
    id: &'a str,
    network: &'a str,
    asset: &'a str,
    amount: &'a str,
    payer: &'a str,
    pay_to: &'a str,
    transaction: &'a str,
    settled_at: i64,
    latency_ms: i64,
    r#final: bool,
}

pub(in crate::http) async fn status(State(app): State<App>) -> Response<Body> {
    match app.facilitator.overview().await {
        Ok(overview) => error::json(StatusCode::OK, &told(&overview, &app.facts)),
        Err(_) => error::problem(Endpoint::Status, Problem::RecordUnavailable),
    }
}

fn told<'a>(overview: &'a Overview, facts: &'a Facts) -> Status<'a> {
    let recent = overview.recent.iter().take(FEED).map(|recent| Recent {
        id: &recent.id,
        network: &recent.network,
        asset: &recent.asset,
        amount: &recent.amount,
        payer: &recent.payer,
        pay_to: &recent.pay_to,
        transaction: &recent.transaction,
        settled_at: recent.settled_at,
        latency_ms: recent.settled_at - recent.created_at,
        r#final: recent.is_final,
    });
    Status {
        version: VERSION,
        at: overview.at.0,
        uptime_ms: millis(overview.uptime),
        settled_24h: overview.settled(),
        settled_by_hour: &overview.by_hour,
        median_latency_ms: overview.median_latency.map(millis),
        networks: overview
            .networks
            .iter()
            .map(|seen| network(seen, facts))
            .collect(),
        recent: facts.public_feed.then(|| recent.collect()),
    }
}

fn network<'a>(seen: &'a NetworkView, facts: &'a Facts) -> Seen<'a> {
    let signer = seen.lanes.iter().map(|lane| Signer {
        address: &lane.signer,
        paused: lane.paused.is_some(),
    });
    Seen {
        network: &seen.network,
        name: facts.name(&seen.network),
        ready: seen.is_ready,
        nodes_up: seen.nodes_up,
        nodes: seen.nodes,
        head: seen.head,
        head_age_ms: seen.head_age.map(millis),
        signers: signer.collect(),
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
