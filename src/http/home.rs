//! `GET /`: what this is, for a person or for a program.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use super::router::App;
pub(super) async fn home(State(_app): State<App>, _headers: HeaderMap) -> Response<Body> { Response::new(Body::empty()) }
