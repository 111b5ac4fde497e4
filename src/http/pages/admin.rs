//! `/admin`: what an operator looks at, and the two things to do about a lane. The browser asks for the key (HTTP Basic, any name); programs send
//! it as a bearer token. A browser adds the key to requests that other sites make it send, so forms carry a token that only our page knows.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::timeout;
use url::form_urlencoded;

use super::facts::Facts;
use super::format::{ago, amount, count, linked, moment, short};
use super::{Here, Page, apology};
use crate::clock::UnixMillis;
use crate::facilitator::{Control, LaneView, NetworkView, Order, coins};
use crate::http::auth::Denied;
use crate::http::router::App;
use crate::store::{ApiKey, Overdue};

/// Largest form, bytes.
const FORM_LIMIT: usize = 4096;
const FORM_TIME: Duration = Duration::from_secs(5);

/// Somebody who showed an admin key.
struct Operator {
    /// What forms carry.
    token: String,
    /// Whether the key came as no browser sends it by itself.
    is_program: bool,
}

/// Lets operators in.
fn admit(app: &App, headers: &HeaderMap) -> Result<Operator, StatusCode> {
    let facts = &app.facts;
    if facts.admin_token.is_none() && !app.guard.has_keys() {
        return Err(StatusCode::NOT_FOUND);
    }
    let (key, is_program) = shown(headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let is_token = facts
        .admin_token
        .as_ref()
        .is_some_and(|token| token.matches(&key));
    let is_key = match app.guard.is_admin_key(&key) {
        Ok(is_key) => is_key,
        Err(Denied::Unavailable) if !is_token => return Err(StatusCode::SERVICE_UNAVAILABLE),
        Err(Denied::Unavailable | Denied::Unknown) => false,
    };
    if !is_token && !is_key {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let digest = Sha256::digest(format!("form of /admin: {key}").as_bytes());
    let token = STANDARD.encode(digest);
    Ok(Operator { token, is_program })
}

/// The key that a request shows, and whether it came as a bearer token.
fn shown(headers: &HeaderMap) -> Option<(String, bool)> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, shown) = value.to_str().ok()?.split_once(' ')?;
    let shown = shown.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((shown.to_owned(), true));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(shown).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    Some((password.to_owned(), false))
}

fn refusal(app: &App, status: StatusCode) -> Response<Body> {
    let base = &app.base_path;
    let (title, text) = match status {
        StatusCode::NOT_FOUND => (
            "No such page",
            "There is no admin key: set ADMIN_TOKEN, or make an API key with the scope admin.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Ask again in a moment",
            "The database does not answer, so keys cannot be checked.",
        ),
        StatusCode::FORBIDDEN => (
            "Not from here",
            "This request was not made by the admin page. Open it again and use its buttons.",
        ),
        StatusCode::BAD_REQUEST => ("Which lane?", "The form names no lane."),
        _ => (
            "For operators",
            "This page takes an admin key as the password.",
        ),
    };
    let mut response = apology(base, status, title, text);
    if status == StatusCode::UNAUTHORIZED {
        let ask = HeaderValue::from_static("Basic realm=\"x402 facilitator\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
    }
    response
}

pub(in crate::http) async fn page(State(app): State<App>, headers: HeaderMap) -> Response<Body> {
    let operator = match admit(&app, &headers) {
        Ok(operator) => operator,
        Err(status) => return refusal(&app, status),
    };
    let Ok(control) = app.facilitator.control().await else {
        return refusal(&app, StatusCode::SERVICE_UNAVAILABLE);
    };
    let page = Page {
        title: "Admin · x402 facilitator",
        here: Here::Admin,
        base: &app.base_path,
        is_live: true,
    };
    let desk = Desk {
        control: &control,
        facts: &app.facts,
        base: &app.base_path,
        token: &operator.token,
    };
    page.respond(StatusCode::OK, &desk.main())
}

pub(in crate::http) async fn pause(
    State(app): State<App>,
    request: Request<Body>,
) -> Response<Body> {
    answer(&app, request, Order::Pause).await
}

pub(in crate::http) async fn resume(
    State(app): State<App>,
    request: Request<Body>,
) -> Response<Body> {
    answer(&app, request, Order::Resume).await
}

async fn answer(app: &App, request: Request<Body>, order: Order) -> Response<Body> {
    match obey(app, request, order).await {
        Ok(()) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SEE_OTHER;
            let place = HeaderValue::from_str(&format!("{}/admin", app.base_path));
            let place = place.unwrap_or(HeaderValue::from_static("/admin"));
            response.headers_mut().insert(header::LOCATION, place);
            response
        }
        Err(status) => refusal(app, status),
    }
}

async fn obey(app: &App, request: Request<Body>, order: Order) -> Result<(), StatusCode> {
    let operator = admit(app, request.headers())?;
    let is_foreign = request
        .headers()
        .get("sec-fetch-site")
        .is_some_and(|site| site != "same-origin");
    let body = timeout(FORM_TIME, to_bytes(request.into_body(), FORM_LIMIT)).await;
    let body = body
        .ok()
        .and_then(Result::ok)
        .ok_or(StatusCode::BAD_REQUEST)?;
    let field = |name: &str| {
        let mut pairs = form_urlencoded::parse(&body);
        let found = pairs.find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned())
    };
    let token = field("token").unwrap_or_default();
    let is_ours: bool = token.as_bytes().ct_eq(operator.token.as_bytes()).into();
    if !operator.is_program && (is_foreign || !is_ours) {
        return Err(StatusCode::FORBIDDEN);
    }
    let (Some(network), Some(signer)) = (field("network"), field("signer")) else {
        return Err(StatusCode::BAD_REQUEST);
    };
    // Postgres takes no such text.
    if network.contains('\0') || signer.contains('\0') {
        return Err(StatusCode::BAD_REQUEST);
    }
    match app.facilitator.order(order, &network, &signer).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

struct Desk<'a> {
    control: &'a Control,
    facts: &'a Facts,
    base: &'a str,
    token: &'a str,
}

impl Desk<'_> {
    fn main(&self) -> Markup {
        let overview = &self.control.overview;
        html! {
            h1 { "Admin" }
            div id="live" {
                p class="lead" { (count(overview.settled())) " settled in 24 hours, " (self.control.overdue.len()) " waiting too long." }
                h2 id="lanes" { "Lanes" }
                @if overview.networks.is_empty() { div class="empty" { b { "No network is configured." } } }
                @else { (self.lanes()) }
                h2 id="stuck" { "Waiting too long" }
                @if self.control.overdue.is_empty() {
                    div class="empty" { b { "Nothing is stuck." } "Payments that wait for more than two minutes appear here." }
                } @else { (self.overdue()) }
                h2 id="keys" { "API keys" }
                @if self.control.keys.is_empty() {
                    div class="empty" { b { "No keys yet." } "Make one with " code { "x402-facilitator keys create --name …" } }
                } @else { (self.keys()) }
            }
        }
    }

    fn lanes(&self) -> Markup {
        html! {
            div class="table" tabindex="0" role="region" aria-labelledby="lanes" { table {
                thead { tr {
                    th scope="col" { "Lane" } th scope="col" { "State" } th scope="col" class="n" { "Funds" }
                    th scope="col" class="n" { "Lasts for" } th scope="col" class="n" { "Spent today" }
                    th scope="col" class="n" { "In flight" } th scope="col" class="n" { "Next nonce" } th scope="col" { "Do" }
                } }
                tbody { @for network in &self.control.overview.networks { @for lane in &network.lanes { (self.lane(network, lane)) } } }
            } }
        }
    }

    fn lane(&self, network: &NetworkView, lane: &LaneView) -> Markup {
        let purse = lane.purse;
        let funds = |wei: Option<u128>| wei.map_or_else(|| "–".to_owned(), coins);
        let number = |number: Option<u64>| number.map_or_else(|| "–".to_owned(), count);
        let runway = purse
            .runway
            .map(|runway| u64::try_from(runway).unwrap_or(u64::MAX));
        let has_nonce = network.network.starts_with("eip155:");
        let is_stopped = lane
            .paused
            .as_deref()
            .is_some_and(|why| why.starts_with("paused by an operator"));
        html! {
            tr {
                th scope="row" { (self.facts.name(&network.network)) small { (linked(self.facts, &network.network, "address", &lane.signer)) } }
                td {
                    @match &lane.paused {
                        Some(why) => { span class="tag warn" { "paused" } small { (why) } }
                        None => span class="tag good" { "takes payments" },
                    }
                    @if !lane.is_leased { small { "held by nobody at the moment" } }
                }
                td class="n" { (funds(purse.balance)) }
                td class="n" { @match runway { Some(runway) => { "≈ " (count(runway)) small { "settlements" } }, None => "–" } }
                td class="n" { (funds(purse.spent_today)) small { "of " (funds(purse.daily_cap)) } }
                td class="n" { (number(purse.in_flight)) }
                td class="n" { (number(lane.next_nonce.filter(|_| has_nonce))) }
                td { (self.button(network, lane, if is_stopped { Order::Resume } else { Order::Pause })) }
            }
        }
    }

    fn button(&self, network: &NetworkView, lane: &LaneView, order: Order) -> Markup {
        let (path, name) = match order {
            Order::Pause => ("/admin/pause", "Pause"),
            Order::Resume => ("/admin/resume", "Resume"),
        };
        let of = format!(
            "{name} {} {}",
            self.facts.name(&network.network),
            short(&lane.signer)
        );
        html! {
            form method="post" action={ (self.base) (path) } {
                input type="hidden" name="token" value=(self.token);
                input type="hidden" name="network" value=(network.network);
                input type="hidden" name="signer" value=(lane.signer);
                button class="quiet" type="submit" aria-label=(of) { (name) }
            }
        }
    }

    fn overdue(&self) -> Markup {
        let now = self.control.overview.at;
        let row = |row: &Overdue| {
            let token = self.facts.token(&row.network, &row.asset);
            html! { tr {
                td { a class="amount" href={ (self.base) "/tx/" (row.id) } { (amount(&row.amount, token)) } }
                td { (self.facts.name(&row.network)) }
                td { (row.state) }
                td { @if let Some(signer) = &row.signer { span class="mono" title=(signer) { (short(signer)) } } }
                td class="n" { (ago(UnixMillis(row.created_at).until(now))) }
            } }
        };
        html! {
            div class="table" tabindex="0" role="region" aria-labelledby="stuck" { table {
                thead { tr { th scope="col" { "Payment" } th scope="col" { "Network" } th scope="col" { "State" } th scope="col" { "Lane" } th scope="col" class="n" { "Since" } } }
                tbody { @for overdue in &self.control.overdue { (row(overdue)) } }
            } }
        }
    }

    fn keys(&self) -> Markup {
        let list = |entries: &[String]| {
            if entries.is_empty() {
                "any".to_owned()
            } else {
                entries.join(", ")
            }
        };
        let row = |key: &ApiKey| {
            html! { tr {
                th scope="row" { (key.name) small class="mono" { (key.id) "…" } }
                td { (key.scopes.join(", ")) }
                td { (list(&key.networks)) small { "to " (list(&key.pay_to)) } }
                td class="n" { (moment(key.created_at)) }
                td { @if key.revoked_at.is_some() { span class="tag bad" { "revoked" } } @else { span class="tag good" { "in use" } } }
            } }
        };
        html! {
            div class="table" tabindex="0" role="region" aria-labelledby="keys" { table {
                thead { tr { th scope="col" { "Key" } th scope="col" { "For" } th scope="col" { "Networks" } th scope="col" class="n" { "Made" } th scope="col" { "State" } } }
                tbody { @for key in &self.control.keys { (row(key)) } }
            } }
        }
    }
}
