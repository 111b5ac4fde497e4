//! Sessions that merchants keep: each `/settle` moves a sum on chain now, within what the permit allows in all.

use super::{Account, Call};
use crate::facilitator::settle::Waiter;
use crate::facilitator::verify::unavailable;
use crate::facilitator::{Facilitator, Outcome, Verdict};
use crate::hooks::Point;
use crate::observe;
use crate::protocol::{Amount, Reason};
use crate::scheme::{self, Refusal};
use crate::store::{Batch, Batched, Fate, Keeper, Purpose, Session, Stage};

/// Tries against others who settle the same session.
const TRIES: usize = 3;

impl Facilitator {
    /// Checks a call and promises nothing.
    pub(super) async fn check_call(
        &self,
        call: &Call<'_>,
        known: Option<Account>,
    ) -> Result<Verdict, Refusal> {
        self.may_ask(call, known.as_ref()).await?;
        let outstanding = Some(in_flight(known.as_ref()));
        self.ask_chain(call, known.as_ref(), outstanding).await?;
        Ok(Verdict::Valid {
            payer: call.opening().payer.clone(),
        })
    }

    /// Moves the asked amount, once: a repeated request joins the settlement that the first one made, as long as nobody was told of it.
    pub(super) async fn settle_asked(
        &self,
        call: &Call<'_>,
        known: Option<Account>,
    ) -> Result<Outcome, Refusal> {
        if call.amount().is_zero() {
            let message = "amount must be more than zero";
            return Err(call.refuse(Reason::InvalidPaymentRequirements, message));
        }
        if let Some(account) = &known
            && let Some(outcome) = self.join_earlier(call, account).await?
        {
            return Ok(outcome);
        }
        self.may_ask(call, known.as_ref()).await?;
        if self.parts.draining.is_cancelled() {
            return Err(Refusal::Unavailable("shutting down".to_owned()));
        }
        let parties = call.parties();
        self.parts.limits.room(&parties).await?;
        let outstanding = Some(in_flight(known.as_ref()));
        let permit = self.ask_chain(call, known.as_ref(), outstanding).await?;
        let looked_at = known.map_or(0, |account| account.session.sequence);
        let mut session = self.open(call, Keeper::Merchant, permit).await?;
        // Settlements made since we looked, also ones that are done and told already: they may be this very request's.
        if session.sequence != looked_at
            && let Some(account) = self.account(&session.id).await?
            && let Some(outcome) = self.join_earlier(call, &account).await?
        {
            return Ok(outcome);
        }
        for _ in 0..TRIES {
            match self.enqueue_asked(call, &session).await? {
                Batched::Queued(id) => {
                    observe::enqueued(&session.network, &id, &session.permit_key);
                    self.parts.limits.payer_settles(&parties);
                    self.parts.hooks.reached(Point::Enqueued).await;
                    return Ok(self.wait(&id, &mut waiter(call)).await);
                }
                Batched::InFlight(batch) => return self.join_batch(call, &batch).await,
                Batched::Exhausted => return Err(call.exhausted()),
                Batched::Closed => return Err(call.closed()),
                Batched::UsedUp(quota) => {
                    return Err(Refusal::Rejected(self.parts.limits.used_up(&quota)));
                }
                Batched::Moved => {}
            }
            let Some(account) = self.account(&session.id).await? else {
                return Err(call.closed());
            };
            // Somebody else's may be done and not told: it may be ours as well.
            if let Some(outcome) = self.join_earlier(call, &account).await? {
                return Ok(outcome);
            }
            session = account.session;
        }
        Err(call.settling())
    }

    /// Whether the permit may be asked for this much at all, as far as the record goes.
    async fn may_ask(&self, call: &Call<'_>, known: Option<&Account>) -> Result<(), Refusal> {
        let Some(account) = known else {
            return self.make_way(call).await;
        };
        if !account.session.is_open() {
            return Err(call.closed());
        }
        let totals = &account.totals;
        let taken = totals.settled.checked_add(totals.in_flight);
        let whole = taken.and_then(|taken| taken.checked_add(call.amount()));
        if whole.is_none_or(|whole| whole > account.session.cap) {
            return Err(call.exhausted());
        }
        Ok(())
    }

    async fn enqueue_asked(&self, call: &Call<'_>, session: &Session) -> Result<Batched, Refusal> {
        let Some(batches) = self.parts.schemes.batches(&session.network) else {
            return Err(call.refuse(Reason::UnsupportedScheme, "no sessions here"));
        };
        let prepared = batches.batch(session, call.amount(), session.sequence);
        let verified = prepared.await?;
        let batch = scheme::Batch {
            session_id: &session.id,
            sequence: session.sequence,
            reason: "asked",
            purpose: Purpose::Asked {
                key: call.request.idempotency_key,
            },
        };
        let request = scheme::Request {
            caller: call.request.caller.as_str(),
            wire_network: &call.payment.wire_network,
            deadline: call.deadline,
            quotas: &self.parts.limits.quotas(&call.parties()),
        };
        let done = verified.enqueue_batch(&self.parts.store, batch, request);
        done.await.map_err(|cause| unavailable(&cause))
    }

    /// The settlement that this request, or one just like it, made before.
    async fn join_earlier(
        &self,
        call: &Call<'_>,
        account: &Account,
    ) -> Result<Option<Outcome>, Refusal> {
        if let Some(settlement_id) = self.asked_before(call, account).await? {
            return Ok(Some(self.wait(&settlement_id, &mut waiter(call)).await));
        }
        let unfinished = |batch: &&Batch| match batch.fate {
            Fate::InFlight => true,
            // Told while this request was on its way: they may be one.
            Fate::Settled => !batch.delivered || batch.updated_at >= call.arrived.0,
            Fate::Free => false,
        };
        match account.batches.iter().rev().find(unfinished) {
            // A key of its own says that it is another request than the one that nobody was told of.
            Some(batch)
                if batch.fate == Fate::Settled && call.request.idempotency_key.is_some() =>
            {
                Ok(None)
            }
            Some(batch) => Ok(Some(self.join_batch(call, batch).await?)),
            None => Ok(None),
        }
    }

    /// The settlement that a request with this key made, unless that one came to nothing.
    async fn asked_before(
        &self,
        call: &Call<'_>,
        account: &Account,
    ) -> Result<Option<String>, Refusal> {
        let Some(key) = call.request.idempotency_key else {
            return Ok(None);
        };
        let before = self.parts.store.charge_with_key(&account.session.id, key);
        let before = before.await.map_err(|cause| unavailable(&cause))?;
        let Some((hold, settlement_id)) =
            before.and_then(|hold| Some((hold.clone(), hold.settlement_id?)))
        else {
            return Ok(None);
        };
        if hold.charged != Some(call.amount()) {
            return Err(call.key_reused());
        }
        let row = self.parts.store.get(&settlement_id).await;
        let row = row.map_err(|cause| unavailable(&cause))?;
        let is_void = row.is_none_or(|row| matches!(row.stage, Stage::Released { .. }));
        Ok((!is_void).then_some(settlement_id))
    }

    /// Waits for a settlement that may be this very request's: of the same amount, and without a key that says otherwise. Any other must come to
    /// its end first: `transferFrom` may happen twice, so what is asked for while the last answer is open may be the same charge grown since.
    async fn join_batch(&self, call: &Call<'_>, batch: &Batch) -> Result<Outcome, Refusal> {
        if batch.amount != call.amount() || call.request.idempotency_key.is_some() {
            return Err(call.settling());
        }
        Ok(self.wait(&batch.settlement_id, &mut waiter(call)).await)
    }
}

/// What may still be taken of the balance besides this request.
fn in_flight(known: Option<&Account>) -> Amount {
    known.map_or(Amount::ZERO, |account| account.totals.in_flight)
}

fn waiter<'a>(call: &Call<'a>) -> Waiter<'a> {
    Waiter {
        request: call.request,
        payer: call.opening().payer.clone(),
        expired: Reason::AuthorizationExpired,
        ceiling: Some(call.opening().cap),
        claimant: None,
        deadline: call.deadline,
    }
}
