//! `POST /settle`

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;

use super::error;
use super::extract::Call;
use super::router::App;

/// Awaited here and not in a task of its own: the facilitator must notice when nobody is left to take the answer.
pub(super) async fn settle(State(app): State<App>, call: Call) -> Response<Body> {
    error::settle(app.facilitator.settle(call.request()).await, app.pending)
}
