//! Who may charge a metered payment. At `/settle` the resource server alone decides how much of the ceiling it takes, so that right belongs to the
//! caller whose key is bound to the recipient, or else to the one that verified the payment first. Nobody is paid for having a claim, and nobody
//! is refused for want of one: it only keeps others away. It is written before the answer, not after it: an answer that says "valid" to a caller who
//! cannot settle any more would cost that caller the goods.

use std::time::Duration;

use super::verify::unavailable;
use super::{Caller, Facilitator};
use crate::clock::UnixMillis;
use crate::protocol::{Payment, Reason};
use crate::scheme::{Checked, Refusal, Rejection, Verified};
use crate::store::{NewClaim, Settlement};

/// When a payer with too many unsettled payments may try again.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Longest that a claim stands, milliseconds, however far the deadline.
const LONGEST: i64 = 30 * 24 * 60 * 60 * 1000;

/// A caller before a payment that it may have to be the first to verify.
pub(super) struct Claimant<'a> {
    caller: &'a Caller,
    payment_key: String,
    payer: String,
}

impl<'a> Claimant<'a> {
    /// `None` where anybody may settle: exact payments, which pay what was signed to whom it was signed for; services without keys; and callers whose
    /// key is bound to the recipient.
    pub(super) fn new(
        checked: &dyn Checked,
        payment: &Payment,
        caller: &'a Caller,
    ) -> Option<Self> {
        let is_free = checked.ceiling().is_none()
            || !caller.is_authenticated()
            || caller.is_bound_to(&payment.requirements.pay_to);
        let identity = checked.identity();
        (!is_free).then(|| Self {
            caller,
            payment_key: identity.payment_key.clone(),
            payer: identity.payer.clone(),
        })
    }

    /// Refuses a payment that another caller asked to settle.
    pub(super) fn check_row(claimant: Option<&Self>, row: &Settlement) -> Result<(), Refusal> {
        claimant.map_or(Ok(()), |claimant| claimant.admits(Some(&row.caller)))
    }

    fn admits(&self, owner: Option<&str>) -> Result<(), Refusal> {
        if owner.is_none_or(|owner| owner == self.caller.as_str()) {
            return Ok(());
        }
        let rejection = Rejection::new(Reason::UptoCallerMismatch)
            .because("another caller verified this payment first")
            .of(&self.payer);
        Err(Refusal::Rejected(rejection))
    }
}

impl Facilitator {
    /// Refuses a payment that another caller has claimed.
    pub(super) async fn check_claim(&self, claimant: Option<&Claimant<'_>>) -> Result<(), Refusal> {
        let Some(claimant) = claimant else {
            return Ok(());
        };
        let claimed_by = self.parts.store.claimed_by(&claimant.payment_key).await;
        let claimed_by = claimed_by.map_err(|cause| unavailable(&cause))?;
        claimant.admits(claimed_by.as_deref())
    }

    /// Claims a payment that was just verified.
    pub(super) async fn claim(
        &self,
        claimant: Option<&Claimant<'_>>,
        verified: &Verified,
    ) -> Result<(), Refusal> {
        let Some(claimant) = claimant else {
            return Ok(());
        };
        let now = self.parts.clock.now().0;
        let ends = verified.expires_at().saturating_mul(1000);
        let new = NewClaim {
            payment_key: &claimant.payment_key,
            caller: claimant.caller.as_str(),
            payer: verified.account(),
            expires_at: UnixMillis(ends.min(now.saturating_add(LONGEST))),
        };
        let claimed_by = self.parts.store.claim_payment(&new).await;
        let claimed_by = claimed_by.map_err(|cause| unavailable(&cause))?;
        claimant.admits(claimed_by.as_deref())
    }

    /// Claims a payment that is about to be called valid. One payer's payments that nobody settles are not called valid without end: the first
    /// that could not be claimed is one that the payer, as a caller, could close unpaid.
    pub(super) async fn claim_valid(
        &self,
        claimant: Option<&Claimant<'_>>,
        verified: &Verified,
    ) -> Result<(), Refusal> {
        self.claim(claimant, verified).await?;
        let Some(claimant) = claimant else {
            return Ok(());
        };
        let store = &self.parts.store;
        let claimed_by = store.claimed_by(&claimant.payment_key).await;
        if claimed_by.map_err(|cause| unavailable(&cause))?.is_some() {
            return Ok(());
        }
        let caller = claimant.caller.as_str();
        let is_out = store.is_claimed_out(caller, verified.account()).await;
        if !is_out.map_err(|cause| unavailable(&cause))? {
            return Ok(());
        }
        let rejection = Rejection::new(Reason::PayerConcurrencyCapExceeded)
            .because("too many payments of this payer were verified and are not settled")
            .of(&claimant.payer)
            .until(RETRY_AFTER);
        Err(Refusal::Rejected(rejection))
    }
}
