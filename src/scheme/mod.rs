//! Schemes: what a payment must satisfy. A scheme turns a [`Payment`] into a [`Checked`] without asking anybody, and that into a [`Verified`]
//! with at most one question to the chain. Only this room makes a [`Verified`], and only a `Verified` can be enqueued.

pub mod evm;
pub mod exact_evm;
pub mod exact_svm;
mod registry;
mod session;
pub mod upto_evm;
mod verified;

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::UnixMillis;
use crate::protocol::response::SupportedKind;
use crate::protocol::{Amount, Network, Payment, Reason};

pub use registry::Registry;
pub use session::{Batches, ChainSees, Check, Opening, PermitState, SessionChecked, Standing};
pub use verified::{Batch, Identity, Request, Verified};

/// A payment scheme on a family of networks, named like the specification's file.
#[async_trait]
pub trait Scheme: Send + Sync {
    /// The scheme's name on the wire: `exact`.
    fn name(&self) -> &'static str;

    /// The networks it settles on.
    fn networks(&self) -> Vec<Network>;

    /// What `/supported` lists, versions 1 and 2.
    fn kinds(&self) -> Vec<SupportedKind>;

    /// Called before each answer of `/supported`, for schemes whose kinds take turns.
    fn turn(&self, _now: UnixMillis) {}

    /// Extension ids that it honours.
    fn extensions(&self) -> Vec<&'static str>;

    /// Addresses that pay the gas.
    fn signers(&self) -> Vec<String>;

    /// Every check that needs no network, signature included.
    ///
    /// # Errors
    /// A payload that cannot be read, so that no payment can be named. Every other failure is in the [`Checked`], whose identity is known.
    fn check(&self, payment: &Payment, now: UnixMillis) -> Result<Check, Rejection>;

    /// What settles the sessions of this scheme; `None` where it has none.
    fn batches(&self) -> Option<&dyn Batches> {
        None
    }
}

/// A payment whose identity is known and whose in-process checks are done.
#[async_trait]
pub trait Checked: Send + Sync {
    fn identity(&self) -> &Identity;

    /// The first failed check that no chain read can overrule, in the reference order.
    fn rejection(&self) -> Option<&Rejection>;

    /// Whether the payment's window has passed, whatever else is wrong with it: then a payment on record answers before any check of ours.
    fn is_over(&self) -> bool {
        self.rejection()
            .is_some_and(|rejection| rejection.reason.is_expiry())
    }

    /// The code of a payment whose window has passed.
    fn expired(&self) -> Reason;

    /// What was signed, where less may be charged: then answers tell the amount, and only the caller that verified the payment may charge it.
    fn ceiling(&self) -> Option<Amount> {
        None
    }

    /// Asks the chain: signature of payers with code, asset, and a simulation of the settlement itself.
    async fn verify(self: Box<Self>) -> Result<Verified, Refusal>;
}

/// Checked, and bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    /// Free text for people; never part of the reason.
    pub message: Option<String>,
    /// The payer as written in the payload, where one was read.
    pub payer: Option<String>,
    /// When asking again makes sense, where only time is in the way.
    pub retry_after: Option<Duration>,
}

impl Rejection {
    pub fn new(reason: Reason) -> Self {
        Self {
            reason,
            message: None,
            payer: None,
            retry_after: None,
        }
    }

    #[must_use]
    pub fn because(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    #[must_use]
    pub fn until(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    #[must_use]
    pub fn of(mut self, payer: impl Into<String>) -> Self {
        self.payer = Some(payer.into());
        self
    }
}

/// Why there is no [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Rejected(Rejection),
    /// Could not find out. Never a verdict on the payment.
    Unavailable(String),
}
