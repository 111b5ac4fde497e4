//! The three answers: rejected (checked, and bad), unavailable (could not find out), unconfirmed (may have happened).

use std::time::Duration;

use crate::observe;
use crate::protocol::Amount;
use crate::scheme::Rejection;

/// An answer together with the network to echo on the wire, as the request wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    pub network: String,
    pub verdict: T,
}

impl Answer<Verdict> {
    /// A request that was refused before it was known whom it is about.
    pub(super) fn never_verified(
        (network, rejection): (String, Rejection),
        took: Duration,
    ) -> Self {
        let verdict = Verdict::Rejected(rejection);
        let (name, reason) = (verdict.name(), verdict.reason());
        observe::verified(observe::Asked::UNREAD, name, reason, took);
        Self { network, verdict }
    }
}

impl Answer<Outcome> {
    /// The same of `/settle`.
    pub(super) fn never_settled((network, rejection): (String, Rejection), took: Duration) -> Self {
        let verdict = Outcome::Rejected {
            rejection,
            transaction: None,
        };
        let (name, reason) = (verdict.name(), verdict.reason());
        observe::settle_answered(observe::Asked::UNREAD, name, reason, took);
        Self { network, verdict }
    }
}

/// The answer to `/verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Valid {
        payer: String,
    },
    /// Valid, and the price of the call is held by the session.
    Held {
        payer: String,
        session: String,
    },
    Rejected(Rejection),
    Unavailable(String),
}

impl Verdict {
    /// The answer's class, for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Valid { .. } | Self::Held { .. } => "valid",
            Self::Rejected(_) => "rejected",
            Self::Unavailable(_) => "unavailable",
        }
    }

    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Rejected(rejection) => Some(rejection.reason.as_str()),
            Self::Valid { .. } | Self::Held { .. } | Self::Unavailable(_) => None,
        }
    }
}

/// The answer to `/settle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Proven on chain, and told to one caller only. `replayed` when the same caller asked again with the same idempotency key.
    Settled {
        /// Empty where nothing was charged.
        transaction: String,
        payer: String,
        /// What was really charged, where that may be less than what was signed.
        amount: Option<Amount>,
        replayed: bool,
    },
    /// Charged to a session that is settled later. A success for the resource server, and nothing on chain yet.
    Accrued {
        payer: String,
        amount: Amount,
        session: String,
        /// What the session owes in all, settled or not.
        charged: Amount,
        remaining: Amount,
        replayed: bool,
    },
    /// Definitive; `transaction` where one is known (a reverted one, or the one that paid already).
    Rejected {
        rejection: Rejection,
        transaction: Option<String>,
    },
    /// May have happened: the transaction was made and its outcome is not known yet.
    Unconfirmed { transaction: String, payer: String },
    /// Nothing was enqueued.
    Unavailable(String),
}

impl Outcome {
    /// The answer's class, for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Settled { replayed: true, .. } => "replayed",
            Self::Settled { .. } => "settled",
            Self::Accrued { .. } => "accrued",
            Self::Rejected { .. } => "rejected",
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::Unavailable(_) => "unavailable",
        }
    }

    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Rejected { rejection, .. } => Some(rejection.reason.as_str()),
            Self::Settled { .. }
            | Self::Accrued { .. }
            | Self::Unconfirmed { .. }
            | Self::Unavailable(_) => None,
        }
    }
}
