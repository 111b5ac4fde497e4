//! `POST /verify`

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;

use super::error;
use super::extract::Call;
use super::router::App;

pub(super) async fn verify(State(app): State<App>, call: Call) -> Response<Body> {
    error::verify(app.facilitator.verify(call.request()).await)
}
