//! What every request goes through before it is routed, and every answer before it leaves: id, path, span, panics, headers.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use axum::middleware::Next;
use futures::FutureExt;
use tracing::{Instrument, Span, field};

use super::endpoint::{self, Endpoint};
use super::error::{self, Problem};
use super::request_id;
use crate::observe;

/// The middleware. `base` is the path prefix that the service answers under besides `/`.
pub(super) async fn envelope(
    State(base): State<Arc<str>>,
    mut request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let started = Instant::now();
    let _arrived = observe::arrived();
    let id = request_id::of(request.headers());
    let endpoint = route(&mut request, &base);
    let method = known(request.method());
    let span = span(method, endpoint, &id);
    observe::adopt(&span, request.headers(), method, endpoint.route());
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| log(method, endpoint, &response, started));
    dress(response.headers_mut(), endpoint, id);
    response
}

/// The middleware that answers when a handler panicked. It stands inside CORS, so that a browser may read that answer too.
pub(super) async fn catch(
    Extension(endpoint): Extension<Endpoint>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| {
        observe::panicked(endpoint.route());
        error::problem(endpoint, Problem::Panicked)
    })
}

/// Normalises the path and writes down which endpoint it names.
fn route(request: &mut Request<Body>, base: &str) -> Endpoint {
    let path = endpoint::normalise(request.uri().path(), base);
    let endpoint = Endpoint::of(&path);
    if path != request.uri().path()
        && let Some(uri) = with_path(request.uri(), &path)
    {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(endpoint);
    endpoint
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let query = uri
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

/// At error level, so that no log filter which lets a line pass takes its request id away. Probes are not logged: they would be most of the log.
fn span(method: &'static str, endpoint: Endpoint, id: &HeaderValue) -> Span {
    if endpoint == Endpoint::Health {
        return Span::none();
    }
    let id = id.to_str().unwrap_or_default();
    let route = endpoint.route();
    tracing::error_span!(
        "request",
        http.method = method,
        http.route = route,
        request_id = id,
        http.status = field::Empty,
        trace_id = field::Empty,
        otel.name = field::Empty,
        otel.kind = field::Empty,
    )
}

/// A method's name, from a closed set: clients may invent methods, the log may not.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn log(method: &'static str, endpoint: Endpoint, response: &Response<Body>, started: Instant) {
    let is_probe = endpoint == Endpoint::Health;
    let status = response.status().as_u16();
    Span::current().record("http.status", status);
    let latency = started.elapsed();
    observe::answered(method, endpoint.route(), status, latency, is_probe);
}

fn dress(headers: &mut HeaderMap, endpoint: Endpoint, id: HeaderValue) {
    headers.insert(request_id::HEADER, id);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if !endpoint.storable() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
