//! `/settle`: enqueue once, wait for the outcome, tell it once.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tracing::instrument;

use super::claim::Claimant;
use super::delivery::DeliveryClaim;
use super::limits::{Kind, Parties};
use super::verify::{is_same, payer_of, refuse_expired, unavailable};
use super::{Answer, Facilitator, Outcome, Request, asked, malformed};
use crate::clock::UnixMillis;
use crate::hooks::Point;
use crate::observe;
use crate::protocol::payment::Purpose;
use crate::protocol::{Amount, Payment, Reason};
use crate::scheme::{self, Check, Checked, Identity, Refusal, Rejection, Verified};
use crate::store::{Delivered, Delivery, Enqueued, POLL, Settlement, Stage};

/// How long past its deadline a request tries to end in order.
const GRACE: Duration = Duration::from_secs(3);

/// A request that waits for a payment's outcome.
pub(super) struct Waiter<'a> {
    pub(super) request: Request<'a>,
    pub(super) payer: String,
    /// The code to answer when the window passed.
    pub(super) expired: Reason,
    /// What was signed, where less may be charged: then a success tells how much was.
    pub(super) ceiling: Option<Amount>,
    pub(super) claimant: Option<Claimant<'a>>,
    pub(super) deadline: UnixMillis,
}

impl Facilitator {
    #[instrument(skip_all)]
    pub async fn settle(&self, request: Request<'_>) -> Answer<Outcome> {
        let started = Instant::now();
        let deadline = self.parts.clock.now().plus(self.parts.settle_timeout);
        let _seat = match self.admit(request, Kind::Settle) {
            Ok(seat) => seat,
            Err(refused) => return Answer::never_settled(refused, started.elapsed()),
        };
        let payment = match self.parse(Purpose::Settle, request.body) {
            Ok(payment) => payment,
            Err(cause) => return Answer::never_settled(malformed(cause), started.elapsed()),
        };
        let verdict = match self.settle_payment(&payment, request, deadline).await {
            Ok(outcome) => outcome,
            Err(Refusal::Rejected(rejection)) => Outcome::Rejected {
                rejection,
                transaction: None,
            },
            Err(Refusal::Unavailable(cause)) => Outcome::Unavailable(cause),
        };
        observe::settle_answered(
            asked(&payment),
            verdict.name(),
            verdict.reason(),
            started.elapsed(),
        );
        Answer {
            network: payment.wire_network,
            verdict,
        }
    }

    async fn settle_payment(
        &self,
        payment: &Payment,
        request: Request<'_>,
        deadline: UnixMillis,
    ) -> Result<Outcome, Refusal> {
        match self.check(payment, request.caller)? {
            Check::Payment(checked) => self.settle_once(payment, request, deadline, checked).await,
            Check::Session(checked) => self.settle_session(payment, request, checked).await,
        }
    }

    async fn settle_once(
        &self,
        payment: &Payment,
        request: Request<'_>,
        deadline: UnixMillis,
        checked: Box<dyn Checked>,
    ) -> Result<Outcome, Refusal> {
        let identity = checked.identity().clone();
        let mut waiter = Waiter {
            request,
            payer: identity.payer.clone(),
            expired: checked.expired(),
            ceiling: checked.ceiling(),
            claimant: Claimant::new(checked.as_ref(), payment, request.caller),
            deadline,
        };
        self.check_claim(waiter.claimant.as_ref()).await?;
        if let Some(row) = self.on_record(&identity).await? {
            return self.join(&row, &identity, &mut waiter).await;
        }
        refuse_expired(checked.as_ref())?;
        if self.parts.draining.is_cancelled() {
            return Err(Refusal::Unavailable("shutting down".to_owned()));
        }
        let parties = Parties::of(payment, &identity.payer, request.caller);
        let (verified, paid) = match self.accept(checked, &parties, deadline).await {
            Ok(accepted) => accepted,
            Err(refusal) => {
                return match self.on_record_meanwhile(&refusal, &identity).await? {
                    Some(row) => self.join(&row, &identity, &mut waiter).await,
                    None => Err(refusal),
                };
            }
        };
        self.claim(waiter.claimant.as_ref(), &verified).await?;
        let asked = scheme::Request {
            caller: request.caller.as_str(),
            wire_network: &payment.wire_network,
            deadline,
            quotas: &self.parts.limits.quotas(&paid),
        };
        match verified.enqueue(&self.parts.store, asked).await {
            Ok(Enqueued::First(id)) => {
                self.parts.limits.payer_settles(&paid);
                tell_first(payment, &id, &identity, waiter.ceiling);
                self.parts.hooks.reached(Point::Enqueued).await;
                Ok(self.wait(&id, &mut waiter).await)
            }
            // Somebody was first while we verified.
            Ok(Enqueued::Known) => match self.on_record(&identity).await? {
                Some(row) => self.join(&row, &identity, &mut waiter).await,
                None => Err(Refusal::Unavailable(
                    "the queue was full; try again".to_owned(),
                )),
            },
            Ok(Enqueued::UsedUp(quota)) => {
                Err(Refusal::Rejected(self.parts.limits.used_up(&quota)))
            }
            Err(cause) => Err(unavailable(&cause)),
        }
    }

    /// Asks the chain about a new payment for which there is room by the limits.
    async fn accept<'a>(
        &self,
        checked: Box<dyn Checked>,
        parties: &Parties<'a>,
        deadline: UnixMillis,
    ) -> Result<(Verified, Parties<'a>), Refusal> {
        self.parts.limits.room(parties).await?;
        let patience = self.parts.clock.now().until(deadline);
        let Ok(verified) = timeout(patience, checked.verify()).await else {
            return Err(Refusal::Unavailable(
                "the chain did not answer in time".to_owned(),
            ));
        };
        let verified = verified?;
        let paid = parties.paid_by(verified.payer());
        if !parties.knows_payer() {
            self.parts.limits.room(&paid).await?;
        }
        Ok((verified, paid))
    }

    async fn join(
        &self,
        row: &Settlement,
        identity: &Identity,
        waiter: &mut Waiter<'_>,
    ) -> Result<Outcome, Refusal> {
        Claimant::check_row(waiter.claimant.as_ref(), row)?;
        if is_same(row, identity) {
            Ok(self.wait(&row.id, waiter).await)
        } else {
            Ok(other_payment(waiter))
        }
    }

    /// Waits for the outcome until the deadline. The settlement goes on whether or not anybody waits.
    #[instrument(skip_all)]
    pub(super) async fn wait(&self, id: &str, waiter: &mut Waiter<'_>) -> Outcome {
        let bell = self.parts.store.settlement_bell(id);
        let delivery = Delivery::new(
            waiter.request.caller.as_str(),
            waiter.request.idempotency_key,
        );
        let mut claim = DeliveryClaim::new(&self.parts, id, delivery);
        let mut submitted: Option<String> = None;
        loop {
            let rung = bell.next();
            let now = self.parts.clock.now();
            let is_late = now >= waiter.deadline;
            match self.parts.store.get(id).await {
                Ok(Some(row)) => {
                    waiter.payer = payer_of(&row, &waiter.payer);
                    submitted = row.stage.transaction().map(ToOwned::to_owned).or(submitted);
                    if let Some(outcome) = self.conclude(&row, waiter, &mut claim, is_late).await {
                        return outcome;
                    }
                }
                Ok(None) => {
                    return Outcome::Unavailable("the settlement is not on record".to_owned());
                }
                Err(cause) => {
                    observe::store_trouble(&cause);
                    if is_late {
                        return match submitted {
                            Some(transaction) => waiter.unconfirmed(&transaction),
                            None => {
                                Outcome::Unavailable("the database could not be asked".to_owned())
                            }
                        };
                    }
                }
            }
            // Late, and neither given up nor told: the database takes no writes. The last word is what it still lets us read.
            if now >= waiter.deadline.plus(GRACE) {
                return match submitted {
                    Some(transaction) => waiter.unconfirmed(&transaction),
                    None => Outcome::Unavailable("the database takes no writes".to_owned()),
                };
            }
            // A poll past the deadline still happens, so that the last word is the row's.
            let pause = if is_late {
                POLL
            } else {
                POLL.min(now.until(waiter.deadline))
            };
            tokio::select! {
                () = rung => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// What a row means for this waiter; `None` to go on waiting.
    async fn conclude(
        &self,
        row: &Settlement,
        waiter: &Waiter<'_>,
        claim: &mut DeliveryClaim,
        is_late: bool,
    ) -> Option<Outcome> {
        match &row.stage {
            Stage::Queued { earlier: None } if is_late => {
                // Lost to a lane that just stored its bytes: the next read says so.
                let reason = Reason::SettlementCapacityExceeded;
                let released = self.parts.store.release(&row.id, reason, None).await;
                released.inspect_err(observe::store_trouble).ok();
                None
            }
            Stage::Queued { earlier } => earlier
                .as_ref()
                .filter(|_| is_late)
                .map(|hash| waiter.unconfirmed(hash)),
            Stage::Submitted { transaction } => is_late.then(|| waiter.unconfirmed(transaction)),
            Stage::Settled {
                proof,
                delivered: None,
            } => {
                self.parts.hooks.reached(Point::Settled).await;
                let told = || waiter.settled(row, &proof.transaction, false);
                claim.take().await.then(told)
            }
            Stage::Closed { delivered: None } => {
                self.parts.hooks.reached(Point::Settled).await;
                claim.take().await.then(|| waiter.settled(row, "", false))
            }
            Stage::Settled {
                proof,
                delivered: Some(delivered),
            } if claim.recognise(delivered) => Some(waiter.settled(row, &proof.transaction, false)),
            Stage::Closed {
                delivered: Some(delivered),
            } if claim.recognise(delivered) => Some(waiter.settled(row, "", false)),
            Stage::Settled { .. }
            | Stage::Closed { .. }
            | Stage::SettledElsewhere { .. }
            | Stage::Failed { .. }
            | Stage::Expired { .. }
            | Stage::Released { .. } => Some(waiter.ended(row)),
        }
    }
}

impl Waiter<'_> {
    fn unconfirmed(&self, transaction: &str) -> Outcome {
        Outcome::Unconfirmed {
            transaction: transaction.to_owned(),
            payer: self.payer.clone(),
        }
    }

    /// The amount is the row's, whatever this request asked for.
    fn settled(&self, row: &Settlement, transaction: &str, replayed: bool) -> Outcome {
        Outcome::Settled {
            transaction: transaction.to_owned(),
            payer: self.payer.clone(),
            amount: self.ceiling.map(|_| row.amount),
            replayed,
        }
    }

    fn rejected(
        &self,
        reason: Reason,
        message: Option<&str>,
        transaction: Option<&String>,
    ) -> Outcome {
        let mut rejection = Rejection::new(reason).of(self.payer.clone());
        rejection.message = message.map(ToOwned::to_owned);
        Outcome::Rejected {
            rejection,
            transaction: transaction.cloned(),
        }
    }

    /// The answer of a payment that came to its end and is not ours to tell as a success.
    fn ended(&self, row: &Settlement) -> Outcome {
        let duplicate = |message, transaction| {
            self.rejected(Reason::DuplicateSettlement, Some(message), transaction)
        };
        match &row.stage {
            Stage::Settled {
                proof,
                delivered: Some(delivered),
            } if is_replay(delivered, self.request) => self.settled(row, &proof.transaction, true),
            Stage::Closed {
                delivered: Some(delivered),
            } if is_replay(delivered, self.request) => self.settled(row, "", true),
            Stage::Settled { proof, .. } => duplicate(
                "this payment was settled and its success delivered",
                Some(&proof.transaction),
            ),
            Stage::Closed { .. } => duplicate("this payment was closed without a charge", None),
            Stage::SettledElsewhere { transaction } => duplicate(
                "this payment was settled by somebody else",
                Some(transaction),
            ),
            Stage::Failed {
                reason,
                message,
                transaction,
            } => self.rejected(*reason, message.as_deref(), transaction.as_ref()),
            Stage::Expired { transaction } => self.rejected(
                self.expired,
                Some("the authorization expired unused"),
                transaction.as_ref(),
            ),
            Stage::Released { reason, message } => self.rejected(*reason, message.as_deref(), None),
            // Not an end: whoever asks for one while it lasts hears that it is taken.
            Stage::Queued { .. } | Stage::Submitted { .. } => {
                duplicate("this payment is under way", None)
            }
        }
    }
}

fn tell_first(payment: &Payment, id: &str, identity: &Identity, ceiling: Option<Amount>) {
    let terms = &payment.requirements;
    match ceiling {
        Some(_) if terms.amount.is_zero() => {
            observe::closed(&terms.network, id, &identity.payment_key);
        }
        Some(_) | None => observe::enqueued(&terms.network, id, &identity.payment_key),
    }
    if let Some(ceiling) = ceiling {
        observe::charged(&terms.network, id, terms.amount, ceiling);
    }
}

/// Only the same authenticated caller with the same idempotency key hears a success again.
fn is_replay(delivered: &Delivered, request: Request<'_>) -> bool {
    request.caller.is_authenticated()
        && delivered.caller == request.caller.as_str()
        && request.idempotency_key.is_some()
        && delivered.idempotency_key.as_deref() == request.idempotency_key
}

/// The answer to a request that is no payment, or one too many.
fn other_payment(waiter: &Waiter<'_>) -> Outcome {
    let rejection = Rejection::new(Reason::DuplicateSettlement)
        .because("another payment with this nonce is on record")
        .of(waiter.payer.clone());
    Outcome::Rejected {
        rejection,
        transaction: None,
    }
}
