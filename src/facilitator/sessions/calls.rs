//! Hold, then charge.

use std::time::Duration;

use super::{Account, Call, TIME_LEFT};
use crate::clock::UnixMillis;
use crate::facilitator::verify::unavailable;
use crate::facilitator::{Facilitator, Outcome, Verdict};
use crate::protocol::{Amount, Reason};
use crate::scheme::Refusal;
use crate::store::{Charged, Held, Keeper, NewCharge, NewHold, Session, SessionState, Source};

impl Facilitator {
    /// Promises the price of a call.
    pub(super) async fn hold_call(
        &self,
        call: &Call<'_>,
        known: Option<Account>,
    ) -> Result<Verdict, Refusal> {
        let session = self.opened(call, known, None).await?;
        let new = NewHold {
            amount: call.amount(),
            expires_at: self.hold_until(call),
            caller: call.request.caller.as_str(),
            key: call.request.idempotency_key,
        };
        let unclaimed = self.parts.sessions.unclaimed;
        let held = self.parts.store.hold(&session.id, new, unclaimed).await;
        let Some((_, held)) = held.map_err(|cause| unavailable(&cause))? else {
            return Err(call.closed());
        };
        match held {
            Held::Done(_) | Held::Repeated(_) => Ok(Verdict::Held {
                payer: call.opening().payer.clone(),
                session: session.id,
            }),
            Held::Exhausted => Err(call.exhausted()),
            Held::Closed => Err(call.closed()),
            Held::KeyReused => Err(call.key_reused()),
            Held::Crowded => {
                let message = "too many calls of this session are under way";
                Err(Refusal::Unavailable(message.to_owned()))
            }
        }
    }

    /// A session that takes this call, as far as anybody knows before it is locked. `hold` is what of its holds this call takes.
    pub(super) async fn opened(
        &self,
        call: &Call<'_>,
        known: Option<Account>,
        hold: Option<Amount>,
    ) -> Result<Session, Refusal> {
        match &known {
            // What was promised before a session was closing is taken while it is.
            Some(account) if hold.is_none() && !account.session.is_open() => {
                return Err(call.closed());
            }
            Some(account) if account.session.state == SessionState::Closed => {
                return Err(call.closed());
            }
            Some(_) => {}
            None => self.make_way(call).await?,
        }
        let outstanding = match &known {
            Some(account) => outstanding(account, hold),
            None => Some(Amount::ZERO),
        };
        let permit = self.ask_chain(call, known.as_ref(), outstanding).await?;
        self.open(call, Keeper::Facilitator, permit).await
    }

    /// As long as the resource server says, and never longer than `/settle` takes the permit.
    fn hold_until(&self, call: &Call<'_>) -> UnixMillis {
        let asked = Duration::from_secs(call.payment.requirements.max_timeout_seconds);
        let deadline = call.opening().deadline.saturating_mul(1000);
        let left = i64::try_from(TIME_LEFT.as_millis()).unwrap_or(i64::MAX);
        let last = UnixMillis(deadline.saturating_sub(left));
        self.parts.clock.now().plus(asked).min(last)
    }

    /// Takes what a call came to of its hold.
    pub(super) async fn charge_call(
        &self,
        call: &Call<'_>,
        known: Option<Account>,
    ) -> Result<Outcome, Refusal> {
        let Some(account) = known else {
            return Err(no_hold(call));
        };
        if let Some(before) = self.charged_before(call, &account).await? {
            return before;
        }
        let taken = call.amount().min(account.totals.held);
        let session = self.opened(call, Some(account), Some(taken)).await?;
        self.take(call, &session, Source::Hold).await
    }

    /// Charges, once a chain was asked.
    pub(super) async fn take(
        &self,
        call: &Call<'_>,
        session: &Session,
        source: Source,
    ) -> Result<Outcome, Refusal> {
        let new = NewCharge {
            amount: call.amount(),
            caller: call.request.caller.as_str(),
            key: call.request.idempotency_key,
            source,
        };
        let unclaimed = self.parts.sessions.unclaimed;
        let charged = self.parts.store.charge(&session.id, new, unclaimed).await;
        let Some((session, charged)) = charged.map_err(|cause| unavailable(&cause))? else {
            return Err(no_hold(call));
        };
        match charged {
            Charged::Done(_) => Ok(accrued(call, &session, false)),
            Charged::Repeated(_) => Ok(accrued(call, &session, true)),
            Charged::NoHold => Err(no_hold(call)),
            Charged::TooMuch(most) => {
                let message = format!("no hold bears this charge; the largest is {most}");
                Err(call.refuse(Reason::HoldExceeded, &message))
            }
            Charged::Exhausted => Err(call.exhausted()),
            Charged::Closed => Err(call.closed()),
            Charged::KeyReused => Err(call.key_reused()),
        }
    }

    /// The answer to a repeated request: what was charged stays charged, whatever the chain says now.
    pub(super) async fn charged_before(
        &self,
        call: &Call<'_>,
        account: &Account,
    ) -> Result<Option<Result<Outcome, Refusal>>, Refusal> {
        let Some(key) = call.request.idempotency_key else {
            return Ok(None);
        };
        let before = self.parts.store.charge_with_key(&account.session.id, key);
        let before = before.await.map_err(|cause| unavailable(&cause))?;
        Ok(before.map(|hold| {
            let is_same = hold.charged == Some(call.amount());
            if is_same && hold.caller == call.request.caller.as_str() {
                Ok(accrued(call, &account.session, true))
            } else {
                Err(call.key_reused())
            }
        }))
    }
}

/// What is still to come besides what this call takes.
fn outstanding(account: &Account, hold: Option<Amount>) -> Option<Amount> {
    let all = account.totals.outstanding(account.session.keeper)?;
    all.checked_sub(hold.unwrap_or(Amount::ZERO))
}

fn no_hold(call: &Call<'_>) -> Refusal {
    let message =
        "nothing is held for this call; verify it first, and settle it within maxTimeoutSeconds";
    call.refuse(Reason::HoldNotFound, message)
}

fn accrued(call: &Call<'_>, session: &Session, replayed: bool) -> Outcome {
    Outcome::Accrued {
        payer: call.opening().payer.clone(),
        amount: call.amount(),
        session: session.id.clone(),
        charged: session.charged,
        remaining: session.remaining(),
        replayed,
    }
}
