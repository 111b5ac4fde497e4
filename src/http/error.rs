//! The HTTP status of every answer, and the shape of whatever is not a success. The status of a reason is in the table of `status`.
//!
//! | what happened | status |
//! |---|---|
//! | verified, settled, or the payment is bad | 200 |
//! | the envelope cannot be read (`invalid_json`, `missing_parameters`), a bad `Idempotency-Key` | 400 |
//! | no valid token or key | 401 |
//! | a key that is not for this (scope, payTo, network) | 403 |
//! | a limit is used up | 429 with `Retry-After` |
//! | body too large, too slow | 413, 408 |
//! | could not find out, or no capacity before the deadline, or whoever has a say could not be asked | 503 with `Retry-After` |
//! | may have happened (`settlement_pending`) | as configured, 200 by default, with `Retry-After` |
//! | our own fault | 500 |

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::endpoint::Endpoint;
pub(super) use super::problem::Problem;
use super::status::status_of;
use crate::facilitator::{Answer, Outcome, Verdict};
use crate::protocol::response::{Accrual, SettleResponse, UNKNOWN_NETWORK, VerifyResponse};
use crate::protocol::{Amount, Reason};
use crate::scheme::Rejection;

/// Seconds after which asking again makes sense.
pub(super) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");
const UPTO_SESSION_ID: HeaderName = HeaderName::from_static("x-upto-session-id");
pub(super) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest `invalidMessage` or `errorMessage`, in characters.
const MESSAGE_LIMIT: usize = 500;

/// The answer to `/verify`.
pub(super) fn verify(answer: Answer<Verdict>) -> Response<Body> {
    let wait = match &answer.verdict {
        Verdict::Rejected(rejection) => rejection.retry_after,
        Verdict::Valid { .. } | Verdict::Held { .. } | Verdict::Unavailable(_) => None,
    };
    let session = match &answer.verdict {
        Verdict::Held { session, .. } => Some(session.clone()),
        Verdict::Valid { .. } | Verdict::Rejected(_) | Verdict::Unavailable(_) => None,
    };
    let (status, body) = verify_parts(answer.verdict);
    let mut response = name_session(json(status, &body), session.as_deref());
    if wait.is_some() || status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, retry_after(wait));
    }
    response
}

/// The answer to `/settle`; `pending` is the status of an outcome that is not known yet.
pub(super) fn settle(answer: Answer<Outcome>, pending: StatusCode) -> Response<Body> {
    let replayed = matches!(
        answer.verdict,
        Outcome::Settled { replayed: true, .. } | Outcome::Accrued { replayed: true, .. }
    );
    let session = match &answer.verdict {
        Outcome::Accrued { session, .. } => Some(session.clone()),
        Outcome::Settled { .. }
        | Outcome::Rejected { .. }
        | Outcome::Unconfirmed { .. }
        | Outcome::Unavailable(_) => None,
    };
    let unconfirmed = matches!(answer.verdict, Outcome::Unconfirmed { .. });
    let wait = match &answer.verdict {
        Outcome::Rejected { rejection, .. } => rejection.retry_after,
        Outcome::Settled { .. }
        | Outcome::Accrued { .. }
        | Outcome::Unconfirmed { .. }
        | Outcome::Unavailable(_) => None,
    };
    let (status, body) = settle_parts(answer, pending);
    let mut response = name_session(json(status, &body), session.as_deref());
    if unconfirmed || wait.is_some() || status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, retry_after(wait));
    }
    if replayed {
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, yes);
    }
    response
}

/// Whole seconds, rounded up: whoever waits that long has waited long enough.
fn retry_after(wait: Option<Duration>) -> HeaderValue {
    wait.map_or(RETRY_AFTER, |wait| {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        HeaderValue::from(seconds.max(1))
    })
}

fn verify_parts(verdict: Verdict) -> (StatusCode, VerifyResponse) {
    match verdict {
        Verdict::Valid { payer } | Verdict::Held { payer, session: _ } => {
            let valid = VerifyResponse {
                is_valid: true,
                invalid_reason: None,
                invalid_message: None,
                payer: Some(payer),
            };
            (StatusCode::OK, valid)
        }
        Verdict::Rejected(rejection) => (status_of(rejection.reason), invalid(rejection)),
        // The cause was logged where it was met. It is not for strangers: it may name a node.
        Verdict::Unavailable(_) => {
            let reason = Reason::UnexpectedVerifyError;
            let message =
                "the payment could not be checked now; nothing is wrong with it as far as we know";
            (
                StatusCode::SERVICE_UNAVAILABLE,
                invalid(Rejection::new(reason).because(message)),
            )
        }
    }
}

fn settle_parts(answer: Answer<Outcome>, pending: StatusCode) -> (StatusCode, SettleResponse) {
    let network = answer.network;
    match answer.verdict {
        Outcome::Settled {
            transaction,
            payer,
            amount,
            replayed: _,
        } => {
            let settled = SettleResponse {
                success: true,
                error_reason: None,
                error_message: None,
                payer: Some(payer),
                transaction,
                network: or_unknown(network),
                amount: amount.map(|amount| amount.to_string()),
                extra: None,
            };
            (StatusCode::OK, settled)
        }
        Outcome::Accrued {
            payer,
            amount,
            session,
            charged,
            remaining,
            replayed: _,
        } => {
            let extra = Accrual {
                session_id: session,
                state: "accrued",
                charged: charged.to_string(),
                remaining: remaining.to_string(),
            };
            (StatusCode::OK, accrued(payer, amount, network, extra))
        }
        Outcome::Rejected {
            rejection,
            transaction,
        } => (
            status_of(rejection.reason),
            unsettled(rejection, transaction, network),
        ),
        Outcome::Unconfirmed { transaction, payer } => {
            // Clients retry a pending answer if it names a transaction and take it for final if it does not.
            debug_assert!(
                !transaction.is_empty(),
                "a pending answer names its transaction"
            );
            let message = "the transaction was made and its outcome is not known yet; ask again";
            let rejection = Rejection::new(Reason::SettlementPending)
                .because(message)
                .of(payer);
            (pending, unsettled(rejection, Some(transaction), network))
        }
        Outcome::Unavailable(_) => {
            let message =
                "what becomes of the payment cannot be told now; ask again with the same payment";
            let rejection = Rejection::new(Reason::UnexpectedSettleError).because(message);
            (
                StatusCode::SERVICE_UNAVAILABLE,
                unsettled(rejection, None, network),
            )
        }
    }
}

/// A success of which nothing is on chain yet.
fn accrued(payer: String, amount: Amount, network: String, extra: Accrual) -> SettleResponse {
    SettleResponse {
        success: true,
        error_reason: None,
        error_message: None,
        payer: Some(payer),
        transaction: String::new(),
        network: or_unknown(network),
        amount: Some(amount.to_string()),
        extra: Some(extra),
    }
}

fn invalid(rejection: Rejection) -> VerifyResponse {
    VerifyResponse {
        is_valid: false,
        invalid_reason: Some(rejection.reason),
        invalid_message: rejection.message.map(shorten),
        payer: rejection.payer,
    }
}

fn unsettled(rejection: Rejection, transaction: Option<String>, network: String) -> SettleResponse {
    SettleResponse {
        success: false,
        error_reason: Some(rejection.reason),
        error_message: rejection.message.map(shorten),
        payer: rejection.payer,
        transaction: transaction.unwrap_or_default(),
        network: or_unknown(network),
        amount: None,
        extra: None,
    }
}

/// Clients refuse an answer whose network is empty.
fn or_unknown(network: String) -> String {
    if network.is_empty() {
        UNKNOWN_NETWORK.to_owned()
    } else {
        network
    }
}

fn shorten(message: String) -> String {
    if message.chars().count() <= MESSAGE_LIMIT {
        return message;
    }
    message.chars().take(MESSAGE_LIMIT).collect()
}

/// A problem's status, its name in `error`, and its nearest protocol reason.
fn facts(problem: Problem) -> (StatusCode, &'static str, Reason) {
    use Problem as P;
    match problem {
        // The capital is that of the facilitator this one replaces; callers compare it. The protocol has no reason for a missing token.
        P::Unauthorized => (
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            Reason::UnexpectedError,
        ),
        P::Forbidden { .. } => (
            StatusCode::FORBIDDEN,
            Reason::InsufficientScope.as_str(),
            Reason::InsufficientScope,
        ),
        P::BadIdempotencyKey => (
            StatusCode::BAD_REQUEST,
            "invalid_idempotency_key",
            Reason::InvalidPayload,
        ),
        P::BodyTooLarge { .. } => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            Reason::InvalidPayload,
        ),
        P::BodyTooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            Reason::InvalidJson,
        ),
        P::BodyBroken => (
            StatusCode::BAD_REQUEST,
            "body_incomplete",
            Reason::InvalidJson,
        ),
        P::NoSuchPath => (StatusCode::NOT_FOUND, "not_found", Reason::UnexpectedError),
        P::WrongMethod => (
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            Reason::UnexpectedError,
        ),
        P::BadReference => (
            StatusCode::BAD_REQUEST,
            "invalid_reference",
            Reason::UnexpectedError,
        ),
        P::NoSettlement => (
            StatusCode::NOT_FOUND,
            "settlement_not_found",
            Reason::UnexpectedError,
        ),
        P::KeysUnavailable | P::RecordUnavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            Reason::UnexpectedError,
        ),
        P::Panicked => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "unexpected_error",
            Reason::UnexpectedError,
        ),
    }
}

/// The protocol's members come first, for its clients; `error` and `message` are for everybody else.
#[derive(Serialize)]
struct Shaped<T> {
    #[serde(flatten)]
    protocol: T,
    error: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Plain {}

/// The answer to a request that never reached the facilitator, or whose handler panicked.
pub(super) fn problem(endpoint: Endpoint, problem: Problem) -> Response<Body> {
    let (status, error, reason) = facts(problem);
    let message = problem.explain(endpoint);
    let rejection = Rejection::new(reason).because(message.clone());
    let mut response = match endpoint {
        Endpoint::Verify => json(
            status,
            &Shaped {
                protocol: invalid(rejection),
                error,
                message,
            },
        ),
        Endpoint::Settle => {
            let protocol = unsettled(rejection, None, UNKNOWN_NETWORK.to_owned());
            json(
                status,
                &Shaped {
                    protocol,
                    error,
                    message,
                },
            )
        }
        Endpoint::Supported
        | Endpoint::Settlements
        | Endpoint::Sessions
        | Endpoint::SessionAction
        | Endpoint::Health
        | Endpoint::Home
        | Endpoint::Payment
        | Endpoint::Docs
        | Endpoint::Status
        | Endpoint::Admin
        | Endpoint::Records
        | Endpoint::Unknown => json(
            status,
            &Shaped {
                protocol: Plain {},
                error,
                message,
            },
        ),
    };
    let headers = response.headers_mut();
    if let Some(challenge) = problem.challenge() {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        );
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

/// Says which session an answer is about.
pub(super) fn name_session(mut response: Response<Body>, id: Option<&str>) -> Response<Body> {
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().insert(UPTO_SESSION_ID, id);
    }
    response
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let bytes = serde_json::to_vec(body).expect("answers are structs with string keys");
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    const NETWORK: &str = "base-sepolia";

    /// Status, `Retry-After`, `Idempotency-Replayed`, body.
    async fn told(response: Response<Body>) -> (u16, Option<String>, Option<String>, Value) {
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers[header::CONTENT_TYPE], "application/json");
        let header = |name: HeaderName| {
            let value = parts.headers.get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let (retry, replayed) = (header(header::RETRY_AFTER), header(IDEMPOTENCY_REPLAYED));
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap();
        (parts.status.as_u16(), retry, replayed, body)
    }

    fn answer<T>(verdict: T) -> Answer<T> {
        Answer {
            network: NETWORK.to_owned(),
            verdict,
        }
    }

    async fn settled(outcome: Outcome) -> (u16, Option<String>, Option<String>, Value) {
        told(settle(answer(outcome), StatusCode::OK)).await
    }

    #[tokio::test]
    async fn a_valid_payment_is_told_with_its_payer() {
        let response = verify(answer(Verdict::Valid {
            payer: "0xAb".to_owned(),
        }));
        let body = json!({ "isValid": true, "payer": "0xAb" });
        assert_eq!(told(response).await, (200, None, None, body));
    }

    #[tokio::test]
    async fn a_bad_payment_is_an_answer_like_any_other() {
        let rejection = Rejection::new(Reason::InvalidExactEvmSignature)
            .because("why")
            .of("0xAb");
        let response = verify(answer(Verdict::Rejected(rejection.clone())));
        let body = json!({
            "isValid": false, "invalidReason": "invalid_exact_evm_signature", "invalidMessage": "why", "payer": "0xAb"
        });
        assert_eq!(told(response).await, (200, None, None, body));

        let body = json!({
            "success": false, "errorReason": "invalid_exact_evm_signature", "errorMessage": "why", "payer": "0xAb",
            "transaction": "", "network": NETWORK
        });
        let outcome = Outcome::Rejected {
            rejection,
            transaction: None,
        };
        assert_eq!(settled(outcome).await, (200, None, None, body));
    }

    #[tokio::test]
    async fn could_not_find_out_is_503_and_keeps_the_cause_to_itself() {
        let cause = "https://node.example/v2/secret-key timed out".to_owned();
        let (status, after, _, body) =
            told(verify(answer(Verdict::Unavailable(cause.clone())))).await;
        assert_eq!((status, after), (503, Some("2".to_owned())));
        assert_eq!(body["invalidReason"], "unexpected_verify_error");
        assert!(!body.to_string().contains("secret-key"), "{body}");

        let (status, after, _, body) = settled(Outcome::Unavailable(cause)).await;
        assert_eq!((status, after), (503, Some("2".to_owned())));
        assert_eq!(body["errorReason"], "unexpected_settle_error");
        assert_eq!(
            (&body["transaction"], &body["network"]),
            (&json!(""), &json!(NETWORK))
        );
        assert!(!body.to_string().contains("secret-key"), "{body}");
    }

    #[tokio::test]
    async fn a_settled_payment_is_told_and_a_replay_says_so() {
        let outcome = |replayed| Outcome::Settled {
            transaction: "0xfeed".to_owned(),
            payer: "0xAb".to_owned(),
            amount: None,
            replayed,
        };
        let body = json!({ "success": true, "payer": "0xAb", "transaction": "0xfeed", "network": NETWORK });
        assert_eq!(
            settled(outcome(false)).await,
            (200, None, None, body.clone())
        );
        let yes = Some("true".to_owned());
        assert_eq!(settled(outcome(true)).await, (200, None, yes, body));
    }

    #[tokio::test]
    async fn a_metered_payment_tells_what_was_charged() {
        let outcome = Outcome::Settled {
            transaction: String::new(),
            payer: "0xAb".to_owned(),
            amount: Some(Amount::ZERO),
            replayed: false,
        };
        let (_, _, _, body) = settled(outcome).await;
        let expected = json!({
            "success": true, "payer": "0xAb", "transaction": "", "network": NETWORK, "amount": "0",
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn a_pending_payment_keeps_its_transaction_under_the_configured_status() {
        for status in [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR] {
            let outcome = Outcome::Unconfirmed {
                transaction: "0xfeed".to_owned(),
                payer: "0xAb".to_owned(),
            };
            let (told, after, _, body) = told(settle(answer(outcome), status)).await;
            assert_eq!((told, after), (status.as_u16(), Some("2".to_owned())));
            assert_eq!(body["success"], false);
            assert_eq!(body["errorReason"], "settlement_pending");
            assert_eq!(body["transaction"], "0xfeed");
            assert_eq!(body["network"], NETWORK);
            assert_eq!(body["payer"], "0xAb");
        }
    }

    #[tokio::test]
    async fn a_duplicate_keeps_the_transaction_that_paid() {
        let rejection = Rejection::new(Reason::DuplicateSettlement);
        let outcome = Outcome::Rejected {
            rejection,
            transaction: Some("0xfeed".to_owned()),
        };
        let (status, _, _, body) = settled(outcome).await;
        assert_eq!((status, &body["transaction"]), (200, &json!("0xfeed")));
    }

    #[tokio::test]
    async fn an_empty_network_is_never_told() {
        let verdict = Outcome::Unavailable(String::new());
        let nowhere = Answer {
            network: String::new(),
            verdict,
        };
        let (_, _, _, body) = told(settle(nowhere, StatusCode::OK)).await;
        assert_eq!(body["network"], "unknown:unknown");
    }

    #[test]
    fn only_what_is_not_about_the_payment_is_an_http_error() {
        let mut errors: Vec<_> = Reason::ALL
            .iter()
            .map(|reason| (status_of(*reason).as_u16(), reason.as_str()))
            .filter(|(status, _)| *status != 200)
            .collect();
        errors.sort_unstable();
        let limits: Vec<_> = errors
            .extract_if(.., |(status, _)| *status == 429)
            .collect();
        let is_a_limit = |code: &str| code.ends_with("_cap_exceeded");
        assert!(
            limits.iter().all(|(_, code)| is_a_limit(code)),
            "{limits:?}"
        );
        assert!(
            !errors.iter().any(|(_, code)| is_a_limit(code)),
            "{errors:?}"
        );
        let expected = [
            (400, "invalid_json"),
            (400, "missing_parameters"),
            (403, "caller_network_not_allowed"),
            (403, "caller_pay_to_not_allowed"),
            (403, "insufficient_scope"),
            (500, "unexpected_error"),
            (503, "policy_unavailable"),
            (503, "settlement_capacity_exceeded"),
            (503, "unexpected_settle_error"),
            (503, "unexpected_verify_error"),
        ];
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(shorten("é".repeat(501)), "é".repeat(500));
        assert_eq!(shorten("short".to_owned()), "short");
    }

    const FORBIDDEN: Problem = Problem::Forbidden {
        scope: crate::facilitator::Scope::Settle,
    };
    const PROBLEMS: [(Problem, u16, &str); 13] = [
        (Problem::Unauthorized, 401, "Unauthorized"),
        (FORBIDDEN, 403, "insufficient_scope"),
        (Problem::KeysUnavailable, 503, "unavailable"),
        (Problem::BadIdempotencyKey, 400, "invalid_idempotency_key"),
        (Problem::BodyTooLarge { limit: 1 }, 413, "body_too_large"),
        (Problem::BodyTooSlow, 408, "body_too_slow"),
        (Problem::BodyBroken, 400, "body_incomplete"),
        (Problem::NoSuchPath, 404, "not_found"),
        (Problem::WrongMethod, 405, "method_not_allowed"),
        (Problem::BadReference, 400, "invalid_reference"),
        (Problem::NoSettlement, 404, "settlement_not_found"),
        (Problem::RecordUnavailable, 503, "unavailable"),
        (Problem::Panicked, 500, "unexpected_error"),
    ];

    #[tokio::test]
    async fn every_problem_is_protocol_shaped_where_the_protocol_is_spoken() {
        for (kind, status, error) in PROBLEMS {
            let (told_status, _, _, body) = told(problem(Endpoint::Verify, kind)).await;
            assert_eq!((told_status, &body["error"]), (status, &json!(error)));
            assert_eq!(body["isValid"], false, "{body}");
            assert!(body["invalidReason"].is_string(), "{body}");

            let (told_status, _, _, body) = told(problem(Endpoint::Settle, kind)).await;
            assert_eq!((told_status, &body["error"]), (status, &json!(error)));
            assert_eq!(body["success"], false, "{body}");
            assert!(body["errorReason"].is_string(), "{body}");
            assert_eq!(
                (&body["transaction"], &body["network"]),
                (&json!(""), &json!("unknown:unknown"))
            );

            let (told_status, _, _, body) = told(problem(Endpoint::Unknown, kind)).await;
            assert_eq!((told_status, &body["error"]), (status, &json!(error)));
            assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        }
    }
}
