//! Probes. Nothing here asks a chain; nothing needs a token or a certain `Host`.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{Response, StatusCode};
use serde::Serialize;

use super::error;
use super::router::App;

#[derive(Serialize)]
struct Alive {
    status: &'static str,
    version: &'static str,
}

/// The process is up and turning.
pub(super) async fn live() -> Response<Body> {
    let alive = Alive {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    };
    error::json(StatusCode::OK, &alive)
}

/// Whether to send requests here. The checks are listed when something is wrong, or with `?verbose`.
pub(super) async fn ready(State(app): State<App>, RawQuery(query): RawQuery) -> Response<Body> {
    let mut readiness = app.facilitator.readiness().await;
    readiness.draining |= app.draining.is_cancelled();
    readiness.ready &= !readiness.draining;
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    if readiness.ready && !is_verbose(query.as_deref()) {
        readiness.checks.clear();
    }
    error::json(status, &readiness)
}

fn is_verbose(query: Option<&str>) -> bool {
    let query = query.unwrap_or_default();
    query
        .split('&')
        .any(|pair| pair == "verbose" || pair.starts_with("verbose="))
}
