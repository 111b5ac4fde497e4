//! What can go wrong at the door, in words. [`error`](super::error) chooses the status.

use super::auth::Denied;
use super::endpoint::Endpoint;
use crate::facilitator::Scope;

/// What went wrong before or instead of asking the facilitator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    Unauthorized,
    /// The key is good, and not for this.
    Forbidden {
        scope: Scope,
    },
    /// Whether the key is good cannot be told now.
    KeysUnavailable,
    BadIdempotencyKey,
    BodyTooLarge {
        limit: usize,
    },
    BodyTooSlow,
    /// The body ended early or its framing is broken.
    BodyBroken,
    NoSuchPath,
    WrongMethod,
    BadReference,
    NoSettlement,
    RecordUnavailable,
    Panicked,
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unknown => Self::Unauthorized,
            Denied::Unavailable => Self::KeysUnavailable,
        }
    }
}

impl Problem {
    /// For people; never part of a decision.
    pub(super) fn explain(self, endpoint: Endpoint) -> String {
        match self {
            Problem::Unauthorized => "Valid Bearer token is required".to_owned(),
            Problem::Forbidden { scope } => {
                format!("this key does not have the scope {}", scope.as_str())
            }
            Problem::KeysUnavailable => "keys cannot be checked now; ask again".to_owned(),
            Problem::BadIdempotencyKey => {
                "Idempotency-Key must be one header of 1 to 255 visible ASCII characters".to_owned()
            }
            Problem::BodyTooLarge { limit } => format!("the body is larger than {limit} bytes"),
            Problem::BodyTooSlow => "the body did not arrive in time".to_owned(),
            Problem::BodyBroken => "the body did not arrive whole".to_owned(),
            Problem::NoSuchPath => "there is nothing here; GET / lists the endpoints".to_owned(),
            Problem::WrongMethod => usage(endpoint),
            Problem::BadReference => {
                "a settlement is named by its id, payment key or transaction".to_owned()
            }
            Problem::NoSettlement => {
                "no settlement of that id, payment key or transaction".to_owned()
            }
            Problem::RecordUnavailable => "the record cannot be read now; ask again".to_owned(),
            Problem::Panicked => {
                "the facilitator failed; quote the x-request-id to its operator".to_owned()
            }
        }
    }
}

/// How an endpoint wants to be called, for those who just opened it in a browser.
fn usage(endpoint: Endpoint) -> String {
    match endpoint {
        Endpoint::Verify | Endpoint::Settle => {
            let route = endpoint.route();
            format!(
                r#"POST {{"x402Version":2,"paymentPayload":{{…}},"paymentRequirements":{{…}}}} as application/json to {route}"#
            )
        }
        Endpoint::SessionAction => {
            "use POST /sessions/track, POST /sessions/{id}/settle or POST /sessions/{id}/close"
                .to_owned()
        }
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
        | Endpoint::Unknown => format!("use GET {}", endpoint.route()),
    }
}

impl Problem {
    /// What to show next time, as RFC 6750 has it.
    pub(super) fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Unauthorized => Some(r#"Bearer realm="facilitator""#),
            Self::Forbidden { .. } => {
                Some(r#"Bearer realm="facilitator", error="insufficient_scope""#)
            }
            Self::KeysUnavailable
            | Self::BadIdempotencyKey
            | Self::BodyTooLarge { .. }
            | Self::BodyTooSlow
            | Self::BodyBroken
            | Self::NoSuchPath
            | Self::WrongMethod
            | Self::BadReference
            | Self::NoSettlement
            | Self::RecordUnavailable
            | Self::Panicked => None,
        }
    }
}
