//! `/verify`: every check, no effect.

use super::{Answer, Facilitator, Request, Verdict, malformed};
use crate::observe;
use crate::protocol::{Payment, Reason};
use crate::scheme::{Checked, Refusal, Rejection};
use crate::store::{Settlement, Stage};

impl Facilitator {
    pub async fn verify(&self, request: Request<'_>) -> Answer<Verdict> {
        let payment = match self.parse(request.body) {
            Ok(payment) => payment,
            Err(cause) => {
                let (network, rejection) = malformed(cause);
                return Answer {
                    network,
                    verdict: Verdict::Rejected(rejection),
                };
            }
        };
        let verdict = match self.verify_payment(&payment).await {
            Ok(payer) => Verdict::Valid { payer },
            Err(Refusal::Rejected(rejection)) => Verdict::Rejected(rejection),
            Err(Refusal::Unavailable(cause)) => Verdict::Unavailable(cause),
        };
        let reason = match &verdict {
            Verdict::Rejected(rejection) => Some(rejection.reason.as_str()),
            Verdict::Valid { .. } | Verdict::Unavailable(_) => None,
        };
        observe::verified(&payment.wire_network, reason);
        Answer {
            network: payment.wire_network,
            verdict,
        }
    }

    async fn verify_payment(&self, payment: &Payment) -> Result<String, Refusal> {
        let checked = self.check(payment)?;
        if let Some(row) = self.on_record(checked.as_ref()).await? {
            return verdict_on_record(&row, checked.as_ref()).map_err(Refusal::Rejected);
        }
        refuse_expired(checked.as_ref())?;
        Ok(checked.verify().await?.payer().to_owned())
    }

    /// The in-process checks. A failure of the window alone is not final yet: a payment on record answers first.
    pub(super) fn check(&self, payment: &Payment) -> Result<Box<dyn Checked>, Refusal> {
        let checked = self
            .parts
            .schemes
            .check(payment, self.parts.clock.now())
            .map_err(Refusal::Rejected)?;
        match checked.rejection() {
            Some(rejection) if !rejection.reason.is_expiry() => {
                Err(Refusal::Rejected(rejection.clone()))
            }
            Some(_) | None => Ok(checked),
        }
    }

    pub(super) async fn on_record(
        &self,
        checked: &dyn Checked,
    ) -> Result<Option<Settlement>, Refusal> {
        self.parts
            .store
            .find(&checked.identity().payment_key)
            .await
            .map_err(|cause| {
                observe::store_trouble(&cause);
                Refusal::Unavailable("the database could not be asked".to_owned())
            })
    }
}

pub(super) fn refuse_expired(checked: &dyn Checked) -> Result<(), Refusal> {
    match checked.rejection() {
        Some(rejection) => Err(Refusal::Rejected(rejection.clone())),
        None => Ok(()),
    }
}

/// Whether a request names the very payment of a row: same terms, same signature, same extensions.
pub(super) fn is_same(row: &Settlement, checked: &dyn Checked) -> bool {
    let identity = checked.identity();
    row.fingerprint == identity.fingerprint && row.proof == identity.proof
}

/// A payment on record is valid while its success is still owed to somebody.
fn verdict_on_record(row: &Settlement, checked: &dyn Checked) -> Result<String, Rejection> {
    let payer = checked.identity().payer.clone();
    let reject = |reason: Reason, message: &str| {
        Err(Rejection::new(reason).because(message).of(payer.clone()))
    };
    if !is_same(row, checked) {
        return reject(
            Reason::DuplicateSettlement,
            "another payment with this nonce is on record",
        );
    }
    match &row.stage {
        // `find` leaves released rows out; one that is released between two reads frees its key.
        Stage::Queued
        | Stage::Released { .. }
        | Stage::Submitted { .. }
        | Stage::Settled {
            delivered: None, ..
        } => Ok(payer),
        Stage::Settled {
            delivered: Some(_), ..
        } => reject(
            Reason::DuplicateSettlement,
            "this payment was settled and its success delivered",
        ),
        Stage::SettledElsewhere { .. } => reject(
            Reason::DuplicateSettlement,
            "this payment was settled by somebody else",
        ),
        Stage::Failed {
            reason, message, ..
        } => reject(
            *reason,
            message
                .as_deref()
                .unwrap_or("the settlement failed on chain"),
        ),
        Stage::Expired { .. } => reject(checked.expired(), "the authorization expired unused"),
    }
}
