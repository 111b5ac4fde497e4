//! `GET /supported`

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};

use super::error;
use super::router::App;

pub(super) async fn supported(State(app): State<App>) -> Response<Body> {
    error::json(StatusCode::OK, &app.facilitator.supported())
}
