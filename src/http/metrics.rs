//! `/metrics`, on a port of its own: it needs no token, and so it must not be where strangers come in.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use axum::routing::get;

use crate::config::{MetricsPort, Server};
use crate::observe;

/// Scrapers at once.
const CONNECTIONS: usize = 16;

/// How the port is served: like the other, for few.
pub fn server(server: &Server, port: MetricsPort) -> Server {
    Server {
        host: port.host,
        port: port.port,
        max_connections: CONNECTIONS,
        drain_timeout: std::time::Duration::from_secs(1),
        ..server.clone()
    }
}

pub fn router() -> Router {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics() -> Response<Body> {
    let mut response = Response::new(Body::from(observe::metrics::text()));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
