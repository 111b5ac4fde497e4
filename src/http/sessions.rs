//! `/sessions`: what a caller's sessions stand at, and what may be done to them. The shapes and statuses are those of the library whose sessions
//! these replace.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::error::{self, IDEMPOTENCY_REPLAYED, RETRY_AFTER};
use super::extract::{Call, Reader};
use super::router::App;
use crate::facilitator::{Refused, SessionView, Tracked};
use crate::protocol::{Object, Reason};

/// Sessions on a page where nobody says how many.
const PAGE: u32 = 50;
const MOST: u32 = 100;

/// A page of sessions; `next` names the session after which the next one begins.
#[derive(Serialize)]
struct Page {
    sessions: Vec<SessionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `?after=…&limit=…`; what else is asked for is nothing.
#[derive(Debug, PartialEq, Eq)]
struct Paging {
    after: String,
    limit: u32,
}

/// The body of `POST /sessions/{id}/settle`, which may be empty.
#[derive(Debug, Default, Deserialize)]
struct Settling {
    #[serde(default)]
    close: bool,
}

/// What is wrong, in the shape that this dialect's clients know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wrong<'a> {
    error: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

/// `GET /sessions?after=…&limit=…`
pub(super) async fn list(
    State(app): State<App>,
    reader: Reader,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let Some(Paging { after, limit }) = paging(query.as_deref().unwrap_or_default()) else {
        let message = "after is a session's id, limit a whole number from 1 to 100";
        return wrong(StatusCode::BAD_REQUEST, "invalid_reference", message, None);
    };
    let found = app.facilitator.sessions(&reader.0, &after, limit).await;
    match found {
        Ok(sessions) => {
            let is_full = u32::try_from(sessions.len()).is_ok_and(|length| length == limit);
            let last = sessions.last().filter(|_| is_full);
            let next = last.map(|session| session.session_id.clone());
            error::json(StatusCode::OK, &Page { sessions, next })
        }
        Err(refused) => refusal(&refused, None),
    }
}

/// `GET /sessions/{id}`
pub(super) async fn one(
    State(app): State<App>,
    reader: Reader,
    id: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    let Some(id) = sane(id) else {
        return not_found(None);
    };
    answer(app.facilitator.session(&reader.0, &id).await, &id)
}

/// `POST /sessions/{id}/settle`
pub(super) async fn settle(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    call: Call,
) -> Response<Body> {
    let Some(id) = sane(id) else {
        return not_found(None);
    };
    let body = if call.body().is_empty() {
        Ok(Object(Settling::default()))
    } else {
        serde_json::from_slice::<Object<Settling>>(call.body())
    };
    let Ok(Object(Settling { close })) = body else {
        let message = r#"the body is empty or {"close": true}"#;
        return wrong(
            StatusCode::BAD_REQUEST,
            "invalid_payload",
            message,
            Some(&id),
        );
    };
    let settled = app.facilitator.settle_owed(call.caller(), &id, close);
    answer(settled.await, &id)
}

/// `POST /sessions/{id}/close`
pub(super) async fn close(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    call: Call,
) -> Response<Body> {
    let Some(id) = sane(id) else {
        return not_found(None);
    };
    answer(app.facilitator.close_session(call.caller(), &id).await, &id)
}

/// `POST /sessions/track`
pub(super) async fn track(State(app): State<App>, call: Call) -> Response<Body> {
    match app.facilitator.track(call.request()).await {
        Ok(Tracked { session, replayed }) => {
            let response = error::json(StatusCode::OK, &session);
            let mut response = error::name_session(response, Some(&session.session_id));
            if replayed {
                let yes = HeaderValue::from_static("true");
                response.headers_mut().insert(IDEMPOTENCY_REPLAYED, yes);
            }
            response
        }
        Err(refused) => refusal(&refused, None),
    }
}

fn answer(found: Result<SessionView, Refused>, id: &str) -> Response<Body> {
    match found {
        Ok(view) => error::name_session(error::json(StatusCode::OK, &view), Some(&view.session_id)),
        Err(refused) => refusal(&refused, Some(id)),
    }
}

fn refusal(refused: &Refused, id: Option<&str>) -> Response<Body> {
    match refused {
        Refused::NotFound => not_found(id),
        Refused::Rejected(rejection) => {
            let message = rejection.message.as_deref().unwrap_or_default();
            let reason = rejection.reason;
            let Some(wait) = rejection.retry_after else {
                return wrong(status_of(reason), reason.as_str(), message, id);
            };
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut response = wrong(status, reason.as_str(), message, id);
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        Refused::Unavailable => {
            let message = "it cannot be told now; ask again";
            let mut response = wrong(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message, id);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            response
        }
    }
}

/// The payer must do something about most refusals: 402. What nobody can read is a bad request, and what will pass a conflict.
fn status_of(reason: Reason) -> StatusCode {
    if reason == Reason::SettlingInProgress {
        return StatusCode::CONFLICT;
    }
    let is_unreadable = [
        Reason::InvalidPayload,
        Reason::InvalidUptoEvmPayload,
        Reason::InvalidPaymentRequirements,
        Reason::UnsupportedPayloadType,
        Reason::UnsupportedScheme,
        Reason::InvalidNetwork,
    ]
    .contains(&reason);
    if is_unreadable {
        return StatusCode::BAD_REQUEST;
    }
    let is_others = [
        Reason::PermitBoundToOtherCaller,
        Reason::PermitBoundToOtherRecipient,
    ]
    .contains(&reason);
    if is_others {
        return StatusCode::FORBIDDEN;
    }
    StatusCode::PAYMENT_REQUIRED
}

fn not_found(id: Option<&str>) -> Response<Body> {
    let message = "no session of yours has this id";
    wrong(StatusCode::NOT_FOUND, "session_not_found", message, id)
}

fn wrong(
    status: StatusCode,
    error: &'static str,
    message: &str,
    session_id: Option<&str>,
) -> Response<Body> {
    let body = Wrong {
        error,
        message,
        session_id,
    };
    error::json(status, &body)
}

fn sane(id: Result<Path<String>, PathRejection>) -> Option<String> {
    id.ok().map(|Path(id)| id).filter(|id| is_sane(id))
}

/// Ids are digests in hex.
fn is_sane(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn paging(query: &str) -> Option<Paging> {
    let mut paging = Paging {
        after: String::new(),
        limit: PAGE,
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "after" if is_sane(&value) => paging.after = value.into_owned(),
            "limit" => paging.limit = value.parse().ok().filter(|n| (1..=MOST).contains(n))?,
            "after" => return None,
            _ => {}
        }
    }
    Some(paging)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_page_is_asked_for() {
        let page = |after: &str, limit| {
            let after = after.to_owned();
            Some(Paging { after, limit })
        };
        assert_eq!(paging(""), page("", 50));
        assert_eq!(paging("limit=100&after=ab12&x=y"), page("ab12", 100));
        for bad in [
            "limit=0",
            "limit=101",
            "limit=x",
            "after=",
            "after=%00",
            "after=a/b",
        ] {
            assert_eq!(paging(bad), None, "{bad}");
        }
    }
}
