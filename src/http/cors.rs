//! Which browsers may call.

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::request_id;
use crate::config::Cors;

/// What a page may read of an answer besides its body.
const EXPOSED: [HeaderName; 4] = [
    request_id::HEADER,
    header::RETRY_AFTER,
    HeaderName::from_static("extension-responses"),
    HeaderName::from_static("idempotency-replayed"),
];

/// The layer for `cors`; `None` adds no header at all. Cookies are never allowed: there are none.
pub(super) fn layer(cors: &Cors) -> Option<CorsLayer> {
    let origins = match cors {
        Cors::Off => return None,
        Cors::Any => AllowOrigin::any(),
        // The configuration was validated; an origin that is no header value cannot be sent by a browser either.
        Cors::Origins(origins) => {
            AllowOrigin::list(origins.iter().filter_map(|o| HeaderValue::from_str(o).ok()))
        }
    };
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        // `*` would not cover `Authorization`.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED);
    Some(layer)
}
