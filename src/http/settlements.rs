//! `GET /settlements/{reference}`: what is on record, for reconciliation. It is no signal to release goods.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};

use super::endpoint::Endpoint;
use super::error::{self, Problem};
use super::extract::Reader;
use super::router::App;
use crate::facilitator::SettlementView;

/// One settlement by its id or payment key, or the list of those in a transaction.
pub(super) async fn settlements(
    State(app): State<App>,
    Reader(caller): Reader,
    reference: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    let problem = |problem| error::problem(Endpoint::Settlements, problem);
    let Some(reference) = reference
        .ok()
        .map(|Path(text)| text)
        .filter(|text| is_sane(text))
    else {
        return problem(Problem::BadReference);
    };
    let Ok(found) = app.facilitator.settlements(&reference, &caller).await else {
        return problem(Problem::RecordUnavailable);
    };
    match found.as_slice() {
        [] => problem(Problem::NoSettlement),
        [one] if names(&reference, one) => error::json(StatusCode::OK, one),
        many => error::json(StatusCode::OK, &many),
    }
}

pub(super) fn is_sane(reference: &str) -> bool {
    (1..=256).contains(&reference.len()) && reference.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether the reference is this settlement's own name rather than its transaction's.
fn names(reference: &str, view: &SettlementView) -> bool {
    reference.eq_ignore_ascii_case(&view.id) || reference.eq_ignore_ascii_case(&view.payment_key)
}
