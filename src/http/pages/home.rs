//! `GET /`: what this is and how it is doing, for a person or, on `Accept: application/json`, for a program.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use maud::{Markup, html};
use serde::Serialize;

use super::facts::{Facts, NetworkFacts};
use super::format::{ago, amount, count, latency, linked, long, short};
use super::quickstart::{Place, tabs};
use super::{Here, Page, VERSION, spark, tx, wants_json};
use crate::clock::UnixMillis;
use crate::facilitator::{NetworkView, Overview};
use crate::http::error;
use crate::http::router::App;
use crate::protocol::response::SupportedResponse;
use crate::store::Recent;

/// Settlements in the feed.
const FEED: usize = 20;

#[derive(Serialize)]
struct About {
    service: &'static str,
    version: &'static str,
    /// Whether `/verify` and `/settle` need a bearer token.
    authentication: bool,
    endpoints: &'static [Entry],
    #[serde(flatten)]
    supported: SupportedResponse,
}

#[derive(Serialize)]
struct Entry {
    method: &'static str,
    path: &'static str,
    purpose: &'static str,
}

const fn entry(method: &'static str, path: &'static str, purpose: &'static str) -> Entry {
    Entry {
        method,
        path,
        purpose,
    }
}

#[rustfmt::skip]
const ENDPOINTS: &[Entry] = &[
    entry("GET", "/supported", "Schemes, networks and signers, for x402 clients"),
    entry("POST", "/verify", "Check a signed payment; nothing is recorded against the payer"),
    entry("POST", "/settle", "Check it again, put it on chain, pay the gas"),
    entry("GET", "/settlements/{reference}", "What became of a payment: by id, payment key or transaction"),
    entry("GET", "/sessions", "Your upto sessions; one of them at /sessions/{id}"),
    entry("POST", "/sessions/{id}/settle", "Settle what a session owes now; /close takes no more calls"),
    entry("POST", "/sessions/track", "Charge a call to its session without verifying it first"),
    entry("GET", "/healthz", "Is the process up"),
    entry("GET", "/readyz", "Should requests be sent here (?verbose lists the checks)"),
    entry("GET", "/status.json", "How the networks stand and what was settled lately"),
    entry("GET", "/openapi.json", "All of this, for programs"),
];

pub(in crate::http) async fn home(State(app): State<App>, headers: HeaderMap) -> Response<Body> {
    let supported = app.facilitator.supported();
    let authentication = !app.guard.is_open();
    let mut response = if wants_json(&headers) {
        let about = About {
            service: "x402-facilitator",
            version: VERSION,
            authentication,
            endpoints: ENDPOINTS,
            supported,
        };
        error::json(StatusCode::OK, &about)
    } else {
        let overview = app.facilitator.overview().await.ok();
        let view = View {
            facts: &app.facts,
            supported: &supported,
            overview,
            base: &app.base_path,
            authentication,
            url: &own_url(&headers, &app.base_path),
        };
        view.respond()
    };
    let vary = HeaderValue::from_static("Accept");
    response.headers_mut().insert(header::VARY, vary);
    response
}

/// The address the visitor used, for the example; never trusted with anything else.
fn own_url(headers: &HeaderMap, base_path: &str) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").filter(|host| {
        host.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
    });
    let scheme = match text("x-forwarded-proto") {
        Some("https") => "https",
        _ => "http",
    };
    format!("{scheme}://{}{base_path}", host.unwrap_or("localhost:8090"))
}

/// Everything that the page shows.
pub(super) struct View<'a> {
    pub(super) facts: &'a Facts,
    pub(super) supported: &'a SupportedResponse,
    /// `None` while the database does not answer.
    pub(super) overview: Option<Arc<Overview>>,
    pub(super) base: &'a str,
    pub(super) authentication: bool,
    pub(super) url: &'a str,
}

impl View<'_> {
    fn respond(&self) -> Response<Body> {
        let page = Page {
            title: "x402 facilitator",
            here: Here::Overview,
            base: self.base,
            is_live: true,
        };
        page.respond(StatusCode::OK, &self.main())
    }

    pub(super) fn main(&self) -> Markup {
        html! {
            h1 { "Get paid per request." }
            p class="lead" { "This x402 facilitator checks a buyer’s signed payment, puts it on chain, pays the gas, and tells the truth about what happened." }
            div id="live" {
                @match &self.overview {
                    Some(overview) => { (self.strip(overview)) (tiles(overview)) (self.feed(overview)) (self.networks(overview)) }
                    None => { div class="empty" { b { "The record cannot be read at the moment." } "Payments on their way are not lost: they go on when the database is back." } }
                }
            }
            h2 { "Did a payment settle?" }
            p class="note" { "Ask with a transaction, a payment key or a settlement’s id." }
            (tx::question(self.base, ""))
            h2 { "How a request is paid" }
            ol class="how" {
                li { "Your API answers " code { "402 Payment Required" } " with its price." }
                li { "The buyer signs a payment and asks again. No gas, no account." }
                li { "Your API sends the payment here: " code { "/verify" } ", then " code { "/settle" } "." }
                li { "The money is in your wallet. It never passes through ours." }
            }
            h2 id="start" { "Take a payment" }
            (tabs(&self.place()))
        }
    }

    fn place(&self) -> Place<'_> {
        let served = self.supported.kinds.iter().find(|kind| {
            kind.version == 2 && kind.scheme == "exact" && kind.network.starts_with("eip155:")
        });
        Place {
            url: self.url,
            network: served.map_or("eip155:84532", |kind| &kind.network),
            authentication: self.authentication,
        }
    }

    fn strip(&self, overview: &Overview) -> Markup {
        html! {
            ul class="strip" aria-label="Networks" {
                @for network in &overview.networks {
                    @let (dot, said) = health(network);
                    li {
                        span class={ "dot " (dot) } aria-hidden="true" {}
                        span { b { (self.facts.name(&network.network)) } " " span class="soft" { (said) } }
                    }
                }
                @if overview.networks.is_empty() {
                    li { span class="dot warn" aria-hidden="true" {} "No network is configured" }
                }
            }
        }
    }

    fn feed(&self, overview: &Overview) -> Markup {
        if !self.facts.public_feed {
            return html! {};
        }
        html! {
            h2 id="feed" { "Latest settlements" }
            @if overview.recent.is_empty() {
                div class="empty" { b { "Nothing settled yet." } "The first payment appears here seconds after it is made." }
            } @else {
                div class="table" tabindex="0" role="region" aria-labelledby="feed" { table {
                    thead { tr {
                        th scope="col" { "Amount" } th scope="col" class="wide" { "Network" }
                        th scope="col" class="wide" { "From" } th scope="col" { "To" }
                        th scope="col" class="wide" { "Transaction" } th scope="col" class="n wide" { "Took" } th scope="col" class="n" { "When" }
                    } }
                    tbody { @for recent in overview.recent.iter().take(FEED) { (self.row(recent, overview.at)) } }
                } }
            }
        }
    }

    fn row(&self, recent: &Recent, now: UnixMillis) -> Markup {
        let settled = UnixMillis(recent.settled_at);
        let (took, unit) = latency(UnixMillis(recent.created_at).until(settled));
        let token = self.facts.token(&recent.network, &recent.asset);
        let link = |kind, id| linked(self.facts, &recent.network, kind, id);
        html! {
            tr id={ "s" (recent.id) } {
                td { a class="amount" href={ (self.base) "/tx/" (recent.id) } { (amount(&recent.amount, token)) } }
                td class="wide" { (self.facts.name(&recent.network)) }
                td class="wide" { (link("address", &recent.payer)) }
                td { (link("address", &recent.pay_to)) }
                td class="wide" { (link("tx", &recent.transaction)) }
                td class="n wide" { (took) " " (unit) }
                td class="n soft" { (ago(settled.until(now))) }
            }
        }
    }

    fn networks(&self, overview: &Overview) -> Markup {
        html! {
            h2 id="networks" { "Networks and tokens" }
            @if self.facts.networks.is_empty() {
                div class="empty" { b { "No network is configured." } code { "EVM_NETWORKS" } " and " code { "SVM_NETWORKS" } " say which are served." }
            } @else {
                div class="table" tabindex="0" role="region" aria-labelledby="networks" { table {
                    thead { tr {
                        th scope="col" { "Network" } th scope="col" { "Tokens" } th scope="col" class="wide" { "Schemes" }
                        th scope="col" class="wide" { "Settled after" } th scope="col" { "Pays the gas" }
                    } }
                    tbody { @for network in &self.facts.networks { (self.network(network, overview)) } }
                } }
            }
        }
    }

    fn network(&self, network: &NetworkFacts, overview: &Overview) -> Markup {
        let seen = overview
            .networks
            .iter()
            .find(|seen| seen.network == network.network);
        let lanes = seen.map(|seen| seen.lanes.as_slice()).unwrap_or_default();
        html! {
            tr {
                th scope="row" {
                    (network.name) @if network.testnet { " " span class="tag" { "testnet" } }
                    small class="mono" title=(network.network) { (short(&network.network)) }
                }
                td {
                    @for (at, token) in network.tokens.iter().enumerate() {
                        @if at > 0 { ", " }
                        @match self.facts.explore(&network.network, "address", &token.address) {
                            Some(url) => a href=(url) title=(token.address) rel="noopener noreferrer" { (token.symbol) },
                            None => span title=(token.address) { (token.symbol) },
                        }
                    }
                    @if network.any_asset { @if !network.tokens.is_empty() { ", " } "any other" }
                }
                td class="wide" { (self.schemes(&network.network)) }
                td class="wide w" { (network.confirmation) }
                td { @for lane in lanes {
                    div { (linked(self.facts, &network.network, "address", &lane.signer))
                        @if lane.paused.is_some() { " " span class="tag warn" { "paused" } } }
                } @if lanes.is_empty() { span class="soft" { "–" } } }
            }
        }
    }

    fn schemes(&self, network: &str) -> String {
        let kinds = self.supported.kinds.iter();
        let mut schemes: Vec<&str> = kinds
            .filter(|kind| kind.network == network)
            .map(|kind| kind.scheme)
            .collect();
        schemes.dedup();
        schemes.join(", ")
    }
}

/// The colour of a network's dot, and what is said beside it.
fn health(network: &NetworkView) -> (&'static str, String) {
    if network.nodes_up == 0 && network.head.is_none() {
        return ("warn", "not reached yet".to_owned());
    }
    if !network.is_ready {
        let why = if network.nodes_up == 0 {
            "no node answers"
        } else {
            "takes no payments now"
        };
        return ("bad", why.to_owned());
    }
    let head = network
        .head
        .map_or_else(String::new, |head| format!("block {}", count(head)));
    if network.nodes_up < network.nodes {
        return (
            "warn",
            format!("{head}, {} of {} nodes", network.nodes_up, network.nodes),
        );
    }
    ("", head)
}

fn tiles(overview: &Overview) -> Markup {
    let settled = overview.settled();
    html! {
        dl class="tiles" {
            div class="tile day" {
                div { dt { "Settled in 24 hours" } dd { (count(settled)) } }
                @if settled > 0 { (spark::bars(&overview.by_hour)) }
            }
            div class="tile" {
                dt { "Median latency" }
                @match overview.median_latency.map(latency) {
                    Some((number, unit)) => dd { (number) " " small { (unit) } },
                    None => dd { "–" },
                }
                p { "request to proof on chain" }
            }
            div class="tile" {
                dt { "Up for" }
                dd { (long(overview.uptime)) }
                p { "version " (VERSION) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            let name = header::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn shows_the_address_the_visitor_used() {
        let host = |host| [("host", host)];
        let secure = |proto| [("host", "a.b"), ("x-forwarded-proto", proto)];
        for (pairs, expected) in [
            (&host("pay.example:8090")[..], "http://pay.example:8090/f"),
            (&secure("https"), "https://a.b/f"),
            (&secure("gopher"), "http://a.b/f"),
            (&host("[::1]:8090"), "http://[::1]:8090/f"),
            (&host("\"><script>"), "http://localhost:8090/f"),
            (&[], "http://localhost:8090/f"),
        ] {
            assert_eq!(own_url(&headers(pairs), "/f"), expected);
        }
    }

    #[test]
    fn programs_get_json_and_browsers_the_page() {
        let browser = "text/html,application/xhtml+xml,application/json;q=0.9";
        for (accept, json) in [
            ("application/json", true),
            ("application/json, */*;q=0.5", true),
            (browser, false),
            ("*/*", false),
        ] {
            let headers = headers(&[("accept", accept)]);
            assert_eq!(wants_json(&headers), json, "{accept}");
        }
    }
}
