//! What the handlers take from a request: who asks, the bounded body, the idempotency key.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::auth;
use super::endpoint::Endpoint;
use super::error::{self, Problem};
use super::router::App;
use super::seats::Crowd;
use crate::facilitator::{self, Caller, Scope};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// How much of a refused body is read and thrown away, so that a client which sends first and reads later sees the answer instead of a reset.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// How long that may take: the seat is wanted by others.
const LINGER: Duration = Duration::from_secs(2);
/// How long a body is waited for while seats are scarce.
const CROWDED: Duration = Duration::from_secs(2);

/// A call of `/verify` or `/settle`: admitted, and its body read whole.
#[derive(Debug)]
pub(super) struct Call {
    body: Bytes,
    caller: Caller,
    idempotency_key: Option<String>,
}

impl Call {
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn request(&self) -> facilitator::Request<'_> {
        facilitator::Request {
            body: &self.body,
            caller: &self.caller,
            idempotency_key: self.idempotency_key.as_deref(),
        }
    }
}

impl FromRequest<App> for Call {
    type Rejection = Response<Body>;

    async fn from_request(request: Request<Body>, app: &App) -> Result<Self, Self::Rejection> {
        let (parts, mut body) = request.into_parts();
        // One time for all that is read of the body, kept or thrown away.
        let deadline = Instant::now() + app.body_limits.time;
        match read(&parts, &mut body, app, deadline).await {
            Ok(call) => Ok(call),
            Err(problem) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let time = if problem == Problem::BodyTooSlow {
                    Duration::ZERO
                } else {
                    left.min(LINGER)
                };
                linger(&parts.headers, body, time).await;
                Err(error::problem(endpoint(&parts), problem))
            }
        }
    }
}

/// Somebody who may read the record, or their part of it.
pub(super) struct Reader(pub(super) Caller);

impl FromRequestParts<App> for Reader {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        admit(parts, app)
            .map(Self)
            .map_err(|problem| error::problem(endpoint(parts), problem))
    }
}

/// What a body may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    pub(super) bytes: usize,
    pub(super) time: Duration,
}

/// The endpoint that the envelope wrote down.
pub(super) fn endpoint(parts: &Parts) -> Endpoint {
    parts.extensions.get().copied().unwrap_or(Endpoint::Unknown)
}

async fn read(
    parts: &Parts,
    body: &mut Body,
    app: &App,
    deadline: Instant,
) -> Result<Call, Problem> {
    let caller = admit(parts, app)?;
    let scope = scope(endpoint(parts));
    if !caller.may(scope) {
        return Err(Problem::Forbidden { scope });
    }
    let idempotency_key = idempotency_key(&parts.headers)?;
    let crowd = parts.extensions.get::<Crowd>().cloned();
    let crowded = async {
        match crowd {
            Some(crowd) => crowd.lasts(CROWDED).await,
            None => std::future::pending().await,
        }
    };
    let body = tokio::select! {
        read = timeout_at(deadline, read_body(body, app.body_limits.bytes)) => {
            read.map_err(|_| Problem::BodyTooSlow)??
        }
        () = crowded => return Err(Problem::BodyTooSlow),
    };
    Ok(Call {
        body,
        caller,
        idempotency_key,
    })
}

fn admit(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    let address = auth::client(parts, &app.trusted_proxies);
    Ok(app.guard.admit(&parts.headers, address)?)
}

/// What a call needs a key to be for. Whatever is not known to be harmless counts as spending.
fn scope(endpoint: Endpoint) -> Scope {
    match endpoint {
        Endpoint::Verify => Scope::Verify,
        Endpoint::Settle
        | Endpoint::Sessions
        | Endpoint::SessionAction
        | Endpoint::Supported
        | Endpoint::Settlements
        | Endpoint::Health
        | Endpoint::Home
        | Endpoint::Payment
        | Endpoint::Docs
        | Endpoint::Status
        | Endpoint::Admin
        | Endpoint::Records
        | Endpoint::Unknown => Scope::Settle,
    }
}

/// Never holds more than the limit and one frame, whatever was announced.
async fn read_body(body: &mut Body, limit: usize) -> Result<Bytes, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Problem::BodyTooLarge { limit });
    }
    let mut read = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::BodyBroken)?;
        let Some(bytes) = frame.data_ref() else {
            continue; // trailers
        };
        if read.len() + bytes.len() > limit {
            return Err(Problem::BodyTooLarge { limit });
        }
        read.extend_from_slice(bytes);
    }
    Ok(read.into())
}

/// Reads a refused body into nothing for a while. A client that asked first (`Expect: 100-continue`) is simply told.
async fn linger(headers: &HeaderMap, mut body: Body, time: Duration) {
    if time.is_zero() || headers.contains_key(header::EXPECT) {
        return;
    }
    let discard = async {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else {
                break;
            };
            left = rest;
        }
    };
    // Out of time is as good as done: the answer is the same.
    let _ = timeout(time, discard).await;
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let bytes = value.as_bytes();
    let sane = (1..=255).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if sane && values.next().is_none() => Ok(Some(key.to_owned())),
        _ => Err(Problem::BadIdempotencyKey),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::HeaderValue;
    use futures::{StreamExt, stream};

    use super::*;

    const FRAME: usize = 8 * 1024;

    /// A body without announcement and, as far as any limit goes, without end; and how much of it was asked for.
    fn endless() -> (Body, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let frames = stream::repeat_with(move || {
            count.fetch_add(FRAME, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from_static(&[b' '; FRAME]))
        });
        (
            Body::from_stream(frames.take(4 * LINGER_BYTES / FRAME)),
            asked,
        )
    }

    #[tokio::test]
    async fn an_endless_body_is_given_up_one_frame_past_the_limit() {
        let (mut body, asked) = endless();
        let limit = 4 * FRAME;
        assert_eq!(
            read_body(&mut body, limit).await,
            Err(Problem::BodyTooLarge { limit })
        );
        assert_eq!(asked.load(Ordering::Relaxed), limit + FRAME);
    }

    #[tokio::test]
    async fn lingering_over_an_endless_body_ends() {
        let time = Duration::from_hours(1);
        let (body, asked) = endless();
        linger(&HeaderMap::new(), body, time).await;
        assert_eq!(asked.load(Ordering::Relaxed), LINGER_BYTES + FRAME);

        let (body, asked) = endless();
        let expects =
            HeaderMap::from_iter([(header::EXPECT, HeaderValue::from_static("100-continue"))]);
        linger(&expects, body, time).await;
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    }

    fn key(values: &[&[u8]]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        }
        idempotency_key(&headers)
    }

    #[test]
    fn passes_on_a_sane_idempotency_key() {
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(
            key(&[b"order-7/retry:1"]),
            Ok(Some("order-7/retry:1".to_owned()))
        );
        assert_eq!(key(&[&[b'k'; 255]]).unwrap().unwrap().len(), 255);
    }

    #[test]
    fn refuses_an_idempotency_key_that_is_no_name() {
        let long = [b'k'; 256];
        let two: &[&[u8]] = &[b"a", b"b"];
        for bad in [
            &[&b""[..]][..],
            &[b"two words"],
            &[b"t\tb"],
            &["é".as_bytes()],
            &[&long],
            two,
        ] {
            assert_eq!(key(bad), Err(Problem::BadIdempotencyKey), "{bad:?}");
        }
    }
}
