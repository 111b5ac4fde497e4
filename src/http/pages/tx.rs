//! `GET /tx/{reference}`: the life of one payment, for whoever asks "did it settle?".

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Response, StatusCode};
use maud::{Markup, html};
use url::form_urlencoded;

use super::facts::Facts;
use super::format::{amount, count, latency, linked, moment, short};
use super::{Here, Page, apology, words};
use crate::clock::UnixMillis;
use crate::facilitator::Timeline;
use crate::http::router::App;
use crate::http::settlements::is_sane;
use crate::store::Carriage;

/// The field to ask in.
pub(super) fn question(base: &str, asked: &str) -> Markup {
    html! {
        form class="ask" method="get" action={ (base) "/tx" } role="search" {
            input type="text" name="reference" value=(asked) required maxlength="256" autocomplete="off" spellcheck="false"
                aria-label="Transaction, payment key or settlement id" placeholder="0x… or eip3009:…";
            button type="submit" { "Look it up" }
        }
    }
}

/// What was typed into the field.
pub(in crate::http) async fn asked(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let query = query.unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let reference = pairs.find(|(name, _)| name == "reference");
    let reference = reference.map(|(_, value)| value.trim().to_owned());
    answer(&app, reference.unwrap_or_default()).await
}

pub(in crate::http) async fn page(
    State(app): State<App>,
    reference: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    let reference = reference.map(|Path(text)| text).unwrap_or_default();
    answer(&app, reference).await
}

async fn answer(app: &App, reference: String) -> Response<Body> {
    let base = &app.base_path;
    if !is_sane(&reference) {
        let text =
            "A payment is named by its transaction, its payment key, or its settlement’s id.";
        return apology(base, StatusCode::BAD_REQUEST, "Which payment?", text);
    }
    let Ok(timelines) = app.facilitator.timelines(&reference).await else {
        let text =
            "The record cannot be read at the moment. Payments on their way go on all the same.";
        return apology(
            base,
            StatusCode::SERVICE_UNAVAILABLE,
            "Ask again in a moment",
            text,
        );
    };
    if timelines.is_empty() {
        let text = "No payment of that name is on record here. It may have been refused before anything was written down, or belong to another facilitator.";
        return apology(base, StatusCode::NOT_FOUND, "Not on record", text);
    }
    let page = Page {
        title: "Payment",
        here: Here::Elsewhere,
        base,
        is_live: timelines.iter().any(is_under_way),
    };
    page.respond(
        StatusCode::OK,
        &main(&timelines, &app.facts, base, &reference),
    )
}

pub(super) fn main(timelines: &[Timeline], facts: &Facts, base: &str, asked: &str) -> Markup {
    html! {
        div id="live" {
            @if let [one] = timelines {
                (Told { timeline: one, facts }.whole())
            } @else {
                h1 { (timelines.len()) " payments" }
                p class="lead" { "One transaction carried all of these." }
                @for timeline in timelines {
                    h2 { a href={ (base) "/tx/" (timeline.settlement.id) } { (Told { timeline, facts }.amount()) } }
                    (Told { timeline, facts }.facts())
                }
            }
        }
        h2 { "Another payment" }
        (question(base, if timelines.len() > 1 { asked } else { "" }))
    }
}

/// Whether something may still change soon.
fn is_under_way(timeline: &Timeline) -> bool {
    matches!(timeline.settlement.state, "queued" | "submitted")
        || timeline.settlement.state == "settled" && !timeline.settlement.r#final
}

/// One moment of a payment's life.
struct Step {
    title: &'static str,
    /// Unix milliseconds; `None` where it was not noted.
    at: Option<i64>,
    look: &'static str,
    detail: Markup,
}

struct Told<'a> {
    timeline: &'a Timeline,
    facts: &'a Facts,
}

impl Told<'_> {
    fn amount(&self) -> String {
        let settlement = &self.timeline.settlement;
        let token = self.facts.token(&settlement.network, &settlement.asset);
        amount(&settlement.amount, token)
    }

    fn link(&self, kind: &str, id: &str) -> Markup {
        linked(self.facts, &self.timeline.settlement.network, kind, id)
    }

    fn whole(&self) -> Markup {
        let (name, look, meaning) = words::state(self.timeline.settlement.state);
        html! {
            div class="verdict" { h1 { (self.amount()) } span class={ "tag " (look) } { (name) } }
            p class="lead" { (meaning) @if let Some(why) = self.why() { " " (why) } }
            h2 { "What happened" }
            ol class="line" { @for step in self.steps() {
                li class=(step.look) {
                    b { (step.title) }
                    @if let Some(at) = step.at { (moment(at)) (self.since(at)) }
                    p { (step.detail) }
                }
            } }
            h2 { "The payment" }
            (self.facts())
        }
    }

    fn why(&self) -> Option<&'static str> {
        words::reason(self.timeline.settlement.reason?)
    }

    /// How long after the request.
    fn since(&self, at: i64) -> Markup {
        let began = self.timeline.settlement.created_at;
        let (number, unit) = latency(UnixMillis(began).until(UnixMillis(at)));
        html! { @if at > began && at - began < 600_000 { span class="when" { "+" (number) " " (unit) } } }
    }

    fn facts(&self) -> Markup {
        let settlement = &self.timeline.settlement;
        html! {
            dl class="facts" {
                dt { "From" } dd { (self.link("address", &settlement.payer)) }
                dt { "To" } dd { (self.link("address", &settlement.pay_to)) }
                dt { "Network" } dd { (self.facts.name(&settlement.network)) " " span class="soft mono" { (settlement.network) } }
                dt { "Token" } dd {
                    @if let Some(token) = self.facts.token(&settlement.network, &settlement.asset) { (token.symbol) " " }
                    (self.link("address", &settlement.asset))
                }
                dt { "Scheme" } dd { (settlement.scheme) }
                @if let Some(transaction) = &settlement.transaction { dt { "Transaction" } dd { (self.link("tx", transaction)) } }
                @if let Some(reason) = settlement.reason { dt { "Reason" } dd { code { (reason) } } }
                @if let Some(message) = &self.timeline.message { dt { "In its own words" } dd { (message) } }
                dt { "Payment key" } dd { code { (settlement.payment_key) } }
                dt { "Settlement" } dd { code { (settlement.id) } }
            }
        }
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step {
            title: "Accepted",
            at: Some(self.timeline.settlement.created_at),
            look: "",
            detail: html! { "The signature, the terms and the buyer’s funds were checked, and the payment was written down." },
        }];
        for carrier in &self.timeline.life.transactions {
            self.carried(carrier, &mut steps);
        }
        self.end(&mut steps);
        steps
    }

    fn carried(&self, carrier: &Carriage, steps: &mut Vec<Step>) {
        for (at, attempt) in carrier.attempts.iter().enumerate() {
            let title = match (attempt.role.as_str(), at) {
                ("noop", _) => "Withdrawn",
                (_, 0) => "Signed",
                _ => "Signed again, with a higher fee",
            };
            let detail = html! {
                (self.link("tx", &attempt.hash)) " by " (self.link("address", &carrier.signer))
                @if let Some(nonce) = carrier.account_nonce { ", nonce " (nonce) }
                @if at == 0 && carrier.payments > 1 { ", together with " (carrier.payments - 1) " more" }
                ". Stored before it was sent."
            };
            let at = Some(attempt.created_at);
            steps.push(Step {
                title,
                at,
                look: "",
                detail,
            });
        }
        if carrier.state == "broadcast" {
            let detail = html! { "Nodes have it; no block does yet." };
            steps.push(Step {
                title: "Sent",
                at: None,
                look: "wait",
                detail,
            });
        }
        if carrier.state == "mined" {
            let hash = carrier.mined_hash.as_deref().unwrap_or_default();
            let block = carrier
                .block_number
                .and_then(|block| u64::try_from(block).ok());
            let gas = carrier.gas_used.and_then(|gas| u64::try_from(gas).ok());
            let detail = html! {
                @if let Some(block) = block { "Block " (count(block)) ", " }
                span class="mono" title=(hash) { (short(hash)) }
                @if let Some(gas) = gas { ", " (count(gas)) (self.gas_unit()) }
                @if let Some(cost) = carrier.cost_gwei { ", paid by this service: " (self.cost(cost)) }
                "."
            };
            let has_failed = carrier.succeeded == Some(false);
            let title = if has_failed {
                "In a block, and refused"
            } else {
                "In a block"
            };
            let look = if has_failed { "bad" } else { "" };
            let at = self.timeline.life.settled_at;
            steps.push(Step {
                title,
                at,
                look,
                detail,
            });
        }
    }

    fn is_svm(&self) -> bool {
        self.timeline.settlement.network.starts_with("solana:")
    }

    fn gas_unit(&self) -> &'static str {
        if self.is_svm() {
            " compute units"
        } else {
            " gas"
        }
    }

    /// Billionths of the native coin: gwei, or lamports.
    fn cost(&self, cost: i64) -> String {
        let unit = if self.is_svm() { "lamports" } else { "gwei" };
        format!("{} {unit}", count(u64::try_from(cost).unwrap_or(0)))
    }

    fn end(&self, steps: &mut Vec<Step>) {
        let (settlement, life) = (&self.timeline.settlement, &self.timeline.life);
        let mut push = |title, at, look, detail| {
            steps.push(Step {
                title,
                at,
                look,
                detail,
            });
        };
        let changed = Some(settlement.updated_at);
        match settlement.state {
            "settled" => {
                let proof = html! { "The transfer of exactly this amount from the buyer to the seller was found on chain." };
                push("Settled", life.settled_at, "", proof);
                if let Some(at) = life.delivered_at {
                    push(
                        "Told to the seller",
                        Some(at),
                        "",
                        html! { "The seller’s server has the answer." },
                    );
                }
                if settlement.r#final {
                    push(
                        "Final",
                        life.final_at,
                        "",
                        html! { "The chain cannot take it back any more." },
                    );
                } else {
                    push(
                        "Not final yet",
                        None,
                        "wait",
                        html! { "Watched until the chain cannot take it back." },
                    );
                }
            }
            "queued" | "submitted" => {
                push(
                    "Not settled yet",
                    None,
                    "wait",
                    html! { "Watched until the chain says what became of it." },
                );
            }
            "settled_elsewhere" => {
                push(
                    "Paid elsewhere",
                    changed,
                    "",
                    html! { "Another transaction used the buyer’s permission, on the same terms." },
                );
            }
            "closed" => push(
                "Closed",
                changed,
                "",
                html! { "It was settled for nothing, without a transaction." },
            ),
            _ => {
                let (title, _, meaning) = words::state(settlement.state);
                push(
                    title,
                    changed,
                    "bad",
                    html! { (self.why().unwrap_or(meaning)) },
                );
            }
        }
    }
}
