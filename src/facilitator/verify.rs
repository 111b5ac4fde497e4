//! `/verify`: every check, and no effect but the claim on a payment that may be charged less than what was signed.

use std::time::Instant;

use tracing::instrument;

use super::claim::Claimant;
use super::limits::{Kind, Parties};
use super::policy::Terms;
use super::{Answer, Caller, Facilitator, Request, Verdict, asked, malformed};
use crate::observe;
use crate::protocol::payment::Purpose;
use crate::protocol::{Event, Payment, Reason};
use crate::scheme::{Check, Checked, Identity, Refusal, Rejection, Verified};
use crate::store::{Settlement, Stage};

impl Facilitator {
    #[instrument(skip_all)]
    pub async fn verify(&self, request: Request<'_>) -> Answer<Verdict> {
        let started = Instant::now();
        let _seat = match self.admit(request, Kind::Verify) {
            Ok(seat) => seat,
            Err(refused) => return Answer::never_verified(refused, started.elapsed()),
        };
        let payment = match self.parse(Purpose::Verify, request.body) {
            Ok(payment) => payment,
            Err(cause) => return Answer::never_verified(malformed(cause), started.elapsed()),
        };
        let verdict = match self.verify_payment(&payment, request).await {
            Ok(verdict) => verdict,
            Err(Refusal::Rejected(rejection)) => Verdict::Rejected(rejection),
            Err(Refusal::Unavailable(cause)) => Verdict::Unavailable(cause),
        };
        observe::verified(
            asked(&payment),
            verdict.name(),
            verdict.reason(),
            started.elapsed(),
        );
        let told = match &verdict {
            Verdict::Valid { payer } | Verdict::Held { payer, .. } => {
                Some((Event::VerifyAfter, Some(payer.as_str()), None))
            }
            Verdict::Rejected(refused) => Some((Event::VerifyFailed, None, Some(refused))),
            Verdict::Unavailable(_) => None,
        };
        if let Some((event, payer, refused)) = told {
            self.notify(event, &payment, request.caller, payer, refused)
                .await;
        }
        Answer {
            network: payment.wire_network,
            verdict,
        }
    }

    async fn verify_payment(
        &self,
        payment: &Payment,
        request: Request<'_>,
    ) -> Result<Verdict, Refusal> {
        let Judged { checked, refused } = self.check(payment, request.caller, Kind::Verify)?;
        match checked {
            Check::Payment(checked) => {
                let payer = self.verify_once(payment, request, checked, refused).await?;
                Ok(Verdict::Valid { payer })
            }
            Check::Session(checked) => {
                refuse_by_policy(refused)?;
                self.verify_session(payment, request, checked).await
            }
        }
    }

    async fn verify_once(
        &self,
        payment: &Payment,
        request: Request<'_>,
        checked: Box<dyn Checked>,
        refused: Option<Rejection>,
    ) -> Result<String, Refusal> {
        let caller = request.caller;
        let claimant = Claimant::new(checked.as_ref(), payment, caller);
        let (identity, expired) = (checked.identity().clone(), checked.expired());
        let verdict = |row| {
            Claimant::check_row(claimant.as_ref(), &row)?;
            verdict_on_record(&row, &identity, expired).map_err(Refusal::Rejected)
        };
        self.check_claim(claimant.as_ref()).await?;
        if let Some(row) = self.on_record(&identity).await? {
            return verdict(row);
        }
        refuse_by_policy(refused)?;
        refuse_expired(checked.as_ref())?;
        let parties = Parties::of(payment, &identity.payer, caller);
        let limits = &self.parts.limits;
        let room = limits.payer_may_verify(&parties);
        room.map_err(Refusal::Rejected)?;
        match self.ask(checked, payment, caller, Kind::Verify).await {
            Ok(verified) => {
                let payer = parties.paid_by(verified.payer());
                let counted = limits.payer_verified(&payer);
                if !parties.knows_payer() {
                    counted.map_err(Refusal::Rejected)?;
                }
                self.claim_valid(claimant.as_ref(), &verified).await?;
                Ok(verified.payer().to_owned())
            }
            Err(refusal) => match self.on_record_meanwhile(&refusal, &identity).await? {
                Some(row) => verdict(row),
                None => Err(refusal),
            },
        }
    }

    /// The in-process checks. Neither a failure of the window alone nor one of the policy is final yet: a payment on record answers first.
    pub(super) fn check(
        &self,
        payment: &Payment,
        caller: &Caller,
        kind: Kind,
    ) -> Result<Judged, Refusal> {
        caller.permits(payment).map_err(Refusal::Rejected)?;
        let (policy, terms) = (&self.parts.policy, Terms::from(payment));
        let refused = policy.terms(&terms, kind).err();
        let checked = self.parts.schemes.check(payment, self.parts.clock.now());
        // What the operator takes comes before what is wrong with it, as it did in the facilitator that this one replaces.
        let first = |rejection: Rejection| {
            let payer = rejection.payer.clone();
            let refused = refused
                .clone()
                .map(|refused| Rejection { payer, ..refused });
            Refusal::Rejected(refused.unwrap_or(rejection))
        };
        let checked = checked.map_err(first)?;
        let rejection = match &checked {
            Check::Payment(checked) if checked.is_over() => None,
            Check::Payment(checked) => checked.rejection(),
            Check::Session(checked) => checked.rejection(),
        };
        if let Some(rejection) = rejection {
            return Err(first(rejection.clone()));
        }
        let payer = match &checked {
            Check::Payment(checked) => &checked.identity().payer,
            Check::Session(checked) => &checked.opening().payer,
        };
        let refused = match refused {
            Some(refused) => Some(refused.of(payer.clone())),
            None => policy.payer(payer, &terms).err(),
        };
        Ok(Judged { checked, refused })
    }

    /// Asks everybody who has a say: whom the operator named, the chain, and again the policy about what the chain said.
    pub(super) async fn ask(
        &self,
        checked: Box<dyn Checked>,
        payment: &Payment,
        caller: &Caller,
        kind: Kind,
    ) -> Result<Verified, Refusal> {
        let (policy, terms) = (&self.parts.policy, Terms::from(payment));
        let payer = checked.identity().payer.clone();
        policy.ask(kind, &terms, &payer, caller).await?;
        let verified = checked.verify().await?;
        policy.verified(&verified, &terms).await?;
        Ok(verified)
    }

    pub(super) async fn on_record(
        &self,
        identity: &Identity,
    ) -> Result<Option<Settlement>, Refusal> {
        self.parts
            .store
            .find(&identity.payment_key)
            .await
            .map_err(|cause| unavailable(&cause))
    }

    /// The row of a payment that the chain spoke against. A twin of this request may have settled it since we looked: then a used nonce or an
    /// empty account is our own doing, and the row answers.
    pub(super) async fn on_record_meanwhile(
        &self,
        refusal: &Refusal,
        identity: &Identity,
    ) -> Result<Option<Settlement>, Refusal> {
        match refusal {
            Refusal::Rejected(_) => self.on_record(identity).await,
            Refusal::Unavailable(_) => Ok(None),
        }
    }
}

pub(super) fn unavailable(cause: &crate::store::Error) -> Refusal {
    observe::store_trouble(cause);
    Refusal::Unavailable("the database could not be asked".to_owned())
}

/// A payment that can be named, and the rule that is against it.
pub(super) struct Judged {
    pub(super) checked: Check,
    pub(super) refused: Option<Rejection>,
}

pub(super) fn refuse_by_policy(refused: Option<Rejection>) -> Result<(), Refusal> {
    match refused {
        Some(rejection) => Err(Refusal::Rejected(rejection)),
        None => Ok(()),
    }
}

pub(super) fn refuse_expired(checked: &dyn Checked) -> Result<(), Refusal> {
    match checked.rejection() {
        Some(rejection) => Err(Refusal::Rejected(rejection.clone())),
        None => Ok(()),
    }
}

/// Whether a request names the very payment of a row: same terms, same signature, same extensions.
pub(super) fn is_same(row: &Settlement, identity: &Identity) -> bool {
    row.fingerprint == identity.fingerprint && row.proof == identity.proof
}

/// Who pays, in every answer about a row. The row names whoever the chain was seen to take the money from: a smart wallet, where the request only
/// shows its key holder. The same address keeps the spelling of the request.
pub(super) fn payer_of(row: &Settlement, written: &str) -> String {
    if row.payer.eq_ignore_ascii_case(written) {
        written.to_owned()
    } else {
        row.payer.clone()
    }
}

/// A payment on record is valid while its success is still owed to somebody.
fn verdict_on_record(
    row: &Settlement,
    identity: &Identity,
    expired: Reason,
) -> Result<String, Rejection> {
    if !is_same(row, identity) {
        return Err(Rejection::new(Reason::DuplicateSettlement)
            .because("another payment with this nonce is on record")
            .of(identity.payer.clone()));
    }
    let payer = payer_of(row, &identity.payer);
    let reject = |reason: Reason, message: &str| {
        Err(Rejection::new(reason).because(message).of(payer.clone()))
    };
    match &row.stage {
        // `find` leaves released rows out; one that is released between two reads frees its key.
        Stage::Queued { .. }
        | Stage::Released { .. }
        | Stage::Submitted { .. }
        | Stage::Settled {
            delivered: None, ..
        }
        | Stage::Closed { delivered: None } => Ok(payer),
        Stage::Settled {
            delivered: Some(_), ..
        } => reject(
            Reason::DuplicateSettlement,
            "this payment was settled and its success delivered",
        ),
        Stage::Closed { delivered: Some(_) } => reject(
            Reason::DuplicateSettlement,
            "this payment was closed without a charge",
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
        Stage::Expired { .. } => reject(expired, "the authorization expired unused"),
    }
}
