//! The seam between sessions and the schemes that have them. A session is one permit that pays many times; the facilitator keeps its account,
//! the scheme knows what the permit allows, what the chain says of it, and how a sum of it is settled.

use async_trait::async_trait;

use super::{Checked, Refusal, Rejection, Verified};
use crate::protocol::{Amount, Network};
use crate::store;

/// What a scheme made of a request.
pub enum Check {
    /// One payment, settled once.
    Payment(Box<dyn Checked>),
    /// One call under a permit that pays many.
    Session(Box<dyn SessionChecked>),
}

/// What a session is opened with, and pins at first sight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The session id: a digest of the permit as it was first written.
    pub id: String,
    /// What can happen once on chain: `erc2612:<chain>:<asset>:<owner>:<spender>:<nonce>`, hex in lower case.
    pub permit_key: String,
    /// Digest of the cap, the deadline and the signed digest, hex: two permits of one nonce differ in it.
    pub fingerprint: String,
    pub network: Network,
    pub wire_network: String,
    /// In the chain's normal form: hex in lower case. So are owner, spender and payee.
    pub asset: String,
    pub owner: String,
    pub spender: String,
    pub pay_to: String,
    /// The owner as written in the payload: answers echo it.
    pub payer: String,
    /// The most that the permit allows in all.
    pub cap: Amount,
    /// Last block time, unix seconds, at which the permit can be executed.
    pub deadline: i64,
    /// What the chain room needs to execute the permit, as JSON that nobody else reads.
    pub permit: String,
}

/// What a session has outstanding, for the checks against the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether this session's own permit is known to be on chain, by us or by somebody who sent it first.
    pub permit_landed: bool,
    /// Held, pending and in flight, without the request that is being checked: the balance must bear both.
    pub outstanding: Amount,
}

/// Where a session's permit stands on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermitState {
    NotLanded,
    Landed,
    /// Consumed by somebody else's transaction, with the allowance as signed.
    FrontRun,
}

/// What the chain said of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainSees {
    pub permit: PermitState,
}

/// A call under a permit whose in-process checks are done.
#[async_trait]
pub trait SessionChecked: Send + Sync {
    fn opening(&self) -> &Opening;

    /// The price of this call at `/verify`, the charge at `/settle`.
    fn amount(&self) -> Amount;

    /// The first failed check that needs no network, signature included.
    fn rejection(&self) -> Option<&Rejection>;

    /// Asks the chain once: code, permit nonce, balance, allowance, and the permit simulated unless it landed.
    async fn verify(&self, standing: &Standing) -> Result<ChainSees, Refusal>;
}

/// How sums of a session are settled.
#[async_trait]
pub trait Batches: Send + Sync {
    /// Reads the chain again and prepares the settlement of `amount` as the session's batch number `sequence`, with or without its permit.
    async fn batch(
        &self,
        session: &store::Session,
        amount: Amount,
        sequence: u64,
    ) -> Result<Verified, Refusal>;
}

#[cfg(test)]
impl Check {
    /// The payment that a scheme without sessions made of a request.
    pub(super) fn payment(self) -> Box<dyn Checked> {
        match self {
            Self::Payment(checked) => checked,
            Self::Session(_) => panic!("not a payment of its own"),
        }
    }
}
