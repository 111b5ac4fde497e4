//! The routes, and what stands before them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware;
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

use super::auth::{Guard, Keyring};
use super::endpoint::Endpoint;
use super::envelope::{catch, envelope};
use super::error::{self, Problem};
use super::extract::{self, BodyLimits};
use super::pages::{Facts, admin, docs, home, status, tx};
use super::{cors, health, sessions, settle, settlements, supported, verify};
use crate::config::{self, Cidr};
use crate::facilitator::Facilitator;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct App {
    pub(super) facilitator: Arc<Facilitator>,
    pub(super) guard: Arc<Guard>,
    pub(super) trusted_proxies: Arc<[Cidr]>,
    pub(super) body_limits: BodyLimits,
    pub(super) pending: StatusCode,
    pub(super) base_path: Arc<str>,
    pub(super) draining: CancellationToken,
    pub(super) facts: Arc<Facts>,
}

/// What stands behind the door.
pub struct House {
    pub facilitator: Arc<Facilitator>,
    /// The keys of the database, where they open the door.
    pub keyring: Option<Arc<Keyring>>,
    /// Turns `/readyz` to 503; cancel it some seconds before the one given to [`serve`](super::serve) where a load balancer needs time to
    /// notice, or pass the same.
    pub draining: CancellationToken,
    /// What the pages tell of the configuration.
    pub facts: Facts,
}

/// The whole service as one router.
pub fn router(
    house: House,
    server: &config::Server,
    auth: &config::Auth,
    settle: &config::Settle,
) -> Router {
    let House {
        facilitator,
        keyring,
        draining,
        facts,
    } = house;
    let app = App {
        facilitator,
        guard: Arc::new(Guard::new(auth, keyring)),
        trusted_proxies: server.trusted_proxies.as_slice().into(),
        body_limits: BodyLimits {
            bytes: server.body_limit,
            time: server.read_timeout,
        },
        pending: StatusCode::from_u16(settle.pending_status).unwrap_or(StatusCode::OK),
        base_path: Arc::from(server.base_path.trim_end_matches('/')),
        draining,
        facts: Arc::new(facts),
    };
    enclose(routes().with_state(app), server)
}

fn routes() -> Router<App> {
    Router::new()
        .route("/", get(home::home))
        .route("/tx", get(tx::asked))
        .route("/tx/{reference}", get(tx::page))
        .route("/docs", get(docs::docs))
        .route("/openapi.json", get(docs::openapi))
        .route("/admin", get(admin::page))
        .route("/admin/pause", post(admin::pause))
        .route("/admin/resume", post(admin::resume))
        .route("/status.json", get(status::status))
        .route("/verify", post(verify::verify))
        .route("/settle", post(settle::settle))
        .route("/supported", get(supported::supported))
        .route("/settlements/{reference}", get(settlements::settlements))
        .route("/sessions", get(sessions::list))
        .route("/sessions/track", post(sessions::track))
        .route("/sessions/{id}", get(sessions::one))
        .route("/sessions/{id}/settle", post(sessions::settle))
        .route("/sessions/{id}/close", post(sessions::close))
        .route("/health", get(health::live))
        .route("/healthz", get(health::live))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_such_path)
}

/// Puts the envelope and CORS around routes. The path is changed before the routes see it, so they are the fallback of an empty router.
pub(super) fn enclose(routes: Router, server: &config::Server) -> Router {
    let base: Arc<str> = Arc::from(server.base_path.trim_end_matches('/'));
    let inner = Router::new()
        .fallback_service(routes)
        .layer(middleware::from_fn(catch));
    let inner = match cors::layer(&server.cors) {
        Some(cors) => inner.layer(cors),
        None => inner,
    };
    inner.layer(middleware::from_fn_with_state(base, envelope))
}

async fn no_such_path(parts: Parts) -> Response<Body> {
    error::problem(extract::endpoint(&parts), Problem::NoSuchPath)
}

async fn wrong_method(parts: Parts) -> Response<Body> {
    let endpoint = extract::endpoint(&parts);
    let mut response = error::problem(endpoint, Problem::WrongMethod);
    let allow = HeaderValue::from_static(allowed(endpoint));
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

fn allowed(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Verify | Endpoint::Settle | Endpoint::SessionAction => "POST",
        Endpoint::Supported
        | Endpoint::Settlements
        | Endpoint::Sessions
        | Endpoint::Health
        | Endpoint::Home
        | Endpoint::Payment
        | Endpoint::Docs
        | Endpoint::Status
        | Endpoint::Admin
        | Endpoint::Records
        | Endpoint::Unknown => "GET, HEAD",
    }
}
