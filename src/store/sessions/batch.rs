//! Sums of a session on their way to the chain: one batch at a time, and the row of the batch is made in the transaction that found it due.

use sqlx::{Any, Transaction};

use super::account::{Batch, Fate, Totals, batches};
use super::holds::{Hold, HoldState, Keyed, find};
use super::{Keeper, Session, SessionState};
use crate::clock::UnixMillis;
use crate::protocol::{Amount, Reason};
use crate::store::row::impossible;
use crate::store::settlements::{Entry, insert};
use crate::store::{NewSettlement, Quota, Result, Store, new_id};

/// Most batches that a session is settled in: a limit on what a session may make us keep and add up.
const MOST_BATCHES: u64 = 10_000;

/// A batch about to be queued.
#[derive(Debug, Clone)]
pub struct NewBatch<'a> {
    pub session_id: &'a str,
    /// The number it was prepared as; another batch made meanwhile makes it void.
    pub sequence: u64,
    pub settlement: NewSettlement,
    /// Why it is made: `idle_timeout` and the like.
    pub reason: &'a str,
    pub purpose: Purpose<'a>,
}

/// Whose sum a batch settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// What was charged before.
    Pending,
    /// What the merchant asks for now, with the key of its request.
    Asked { key: Option<&'a str> },
}

/// What became of queueing a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batched {
    /// Queued under this settlement id.
    Queued(String),
    /// Another batch of the session may still pay.
    InFlight(Batch),
    /// The session moved on since it was looked at, or has less pending; nothing was queued.
    Moved,
    /// The cap does not bear it beside what was settled.
    Exhausted,
    /// The session takes nothing new, or had as many batches as one may have.
    Closed,
    /// Today's number of this quota is used up; nothing was queued.
    UsedUp(Quota),
}

impl Store {
    /// Moves a sum from pending to in flight: the settlement's row is made with the session locked, and only with nothing else in flight.
    /// It counts against every quota in the same transaction.
    pub async fn enqueue_batch(&self, new: NewBatch<'_>, quotas: &[Quota]) -> Result<Batched> {
        let mut tx = self.begin().await?;
        let Some(mut session) = self.lock_session(&mut tx, new.session_id).await? else {
            return Ok(Batched::Closed);
        };
        let earlier = batches(&mut *tx, &session.id).await?;
        if let Some(batch) = earlier.iter().find(|batch| batch.fate == Fate::InFlight) {
            return Ok(Batched::InFlight(batch.clone()));
        }
        if session.sequence != new.sequence {
            return Ok(Batched::Moved);
        }
        if session.sequence >= MOST_BATCHES {
            return Ok(Batched::Closed);
        }
        if was_replaced(&mut tx, &session).await? {
            return Ok(Batched::Closed);
        }
        let totals = Totals::of(&session, &earlier)?;
        let amount = new.settlement.amount;
        if let Some(refused) = take_up(&mut session, &totals, amount, new.purpose) {
            return Ok(refused);
        }
        if earlier
            .last()
            .is_some_and(|last| last.fate == Fate::Settled)
        {
            session.failures = 0;
            session.last_failure = None;
        }
        let id = new_id();
        let network = new.settlement.network.clone();
        let entry = Entry {
            id: &id,
            state: "queued",
            session_id: Some(&session.id),
            now: self.now(),
        };
        if !insert(&mut *tx, new.settlement, entry).await? {
            return Err(impossible(
                "payment_key",
                &format!("{}:{}", session.id, new.sequence),
            ));
        }
        if let Some(quota) = self.count(&mut tx, quotas).await? {
            tx.rollback().await?;
            return Ok(Batched::UsedUp(quota));
        }
        if let Purpose::Asked { key } = new.purpose {
            self.record_asked(&mut tx, &session, amount, key, &id)
                .await?;
            session.last_activity = self.now();
        }
        session.sequence += 1;
        session.last_reason = Some(new.reason.to_owned());
        self.save_session(&mut tx, &session).await?;
        tx.commit().await?;
        self.ring_queue(network.as_str());
        Ok(Batched::Queued(id))
    }

    /// Notes which settlement a merchant's request made; a request with the same key finds it again.
    async fn record_asked(
        &self,
        tx: &mut Transaction<'static, Any>,
        session: &Session,
        amount: Amount,
        key: Option<&str>,
        settlement_id: &str,
    ) -> Result<()> {
        let before = find(tx, &session.id, Keyed::Settle, key).await?;
        let hold = Hold {
            id: before.map_or_else(new_id, |hold| hold.id),
            amount,
            state: HoldState::Charged,
            expires_at: self.now(),
            charged: Some(amount),
            caller: session.caller.clone(),
            settlement_id: Some(settlement_id.to_owned()),
        };
        self.write_hold(tx, &session.id, &hold, None, key).await
    }

    /// The charge that a request with this key made.
    pub async fn charge_with_key(&self, session_id: &str, key: &str) -> Result<Option<Hold>> {
        let mut tx = self.begin().await?;
        find(&mut tx, session_id, Keyed::Settle, Some(key)).await
    }

    /// Stops the session from taking anything new; it is closed once nothing is to come of it. `None` when there is no such session.
    pub async fn close_session(&self, id: &str) -> Result<Option<Session>> {
        let mut tx = self.begin().await?;
        let Some(mut session) = self.lock_session(&mut tx, id).await? else {
            return Ok(None);
        };
        let totals = Totals::of(&session, &batches(&mut *tx, id).await?)?;
        let is_done = totals.is_done(session.keeper);
        session.state = match session.state {
            _ if is_done => SessionState::Closed,
            SessionState::Open | SessionState::Closing => SessionState::Closing,
            SessionState::Closed => SessionState::Closed,
            SessionState::Failed => SessionState::Failed,
        };
        self.save_session(&mut tx, &session).await?;
        tx.commit().await?;
        Ok(Some(session))
    }

    /// Counts a batch that failed, or could not be made, and says when the next may be tried. `sequence` is that of the failed batch: it is counted
    /// once, whoever reports it. With `give_up` the session is failed and keeps what it is owed.
    pub async fn note_batch_failure(
        &self,
        id: &str,
        sequence: Option<u64>,
        reason: Reason,
        next: NextAttempt,
    ) -> Result<Option<Session>> {
        let mut tx = self.begin().await?;
        let Some(mut session) = self.lock_session(&mut tx, id).await? else {
            return Ok(None);
        };
        if let Some(sequence) = sequence {
            if session.failed_sequence > sequence {
                return Ok(Some(session));
            }
            session.failed_sequence = sequence + 1;
        } else if session.next_attempt_at > self.now() {
            // A twin of this try was counted already.
            return Ok(Some(session));
        }
        session.failures = session.failures.saturating_add(1);
        session.last_failure = Some(reason);
        match next {
            NextAttempt::At(at) => session.next_attempt_at = at.0,
            NextAttempt::Never => session.state = SessionState::Failed,
        }
        self.save_session(&mut tx, &session).await?;
        tx.commit().await?;
        Ok(Some(session))
    }

    /// A closed session whose last settlement a reorg took away for good is failed: what it is owed shows. True when it is.
    pub async fn note_fallen(&self, id: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let Some(mut session) = self.lock_session(&mut tx, id).await? else {
            return Ok(false);
        };
        let batches = batches(&mut *tx, id).await?;
        let totals = Totals::of(&session, &batches)?;
        let is_owed = !totals.has_batch_in_flight && !totals.is_done(session.keeper);
        let has_fallen = session.state == SessionState::Closed && is_owed;
        if has_fallen {
            session.state = SessionState::Failed;
            session.last_failure = batches.last().and_then(|batch| batch.reason);
        }
        self.save_session(&mut tx, &session).await?;
        tx.commit().await?;
        Ok(has_fallen)
    }

    /// Notes that somebody else sent the session's permit, with the allowance as signed.
    pub async fn note_permit_seen(&self, id: &str) -> Result<()> {
        sqlx::query("update sessions set permit_seen = 1, version = version + 1 where id = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Puts closed and failed sessions that were quiet since `before` out of sight; nothing is deleted. How many.
    pub async fn archive_sessions(&self, before: UnixMillis) -> Result<u64> {
        let done = sqlx::query(
            "update sessions set archived_at = $1, version = version + 1 where state in ('closed', 'failed') and archived_at is null \
             and last_activity < $2 and updated_at < $2 and not exists (select 1 from settlements where settlements.session_id = sessions.id \
             and settlements.state in ('queued', 'submitted'))",
        )
        .bind(self.now())
        .bind(before.0)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}

/// When a failed batch may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    At(UnixMillis),
    /// An operator must look: the session is failed.
    Never,
}

/// Whether a session that is over would be paid out of a newer permit's allowance. The chain knows one allowance and does not tell whose it is.
async fn was_replaced(tx: &mut Transaction<'static, Any>, session: &Session) -> Result<bool> {
    match session.state {
        SessionState::Open | SessionState::Closing => return Ok(false),
        SessionState::Closed | SessionState::Failed => {}
    }
    let row = sqlx::query(
        "select 1 as found from sessions where network = $1 and asset = $2 and owner = $3 and spender = $4 and id <> $5 \
         and created_at > $6 and (charged <> '0' or state in ('open', 'closing')) limit 1",
    )
    .bind(session.network.as_str())
    .bind(&session.asset)
    .bind(&session.owner)
    .bind(&session.spender)
    .bind(&session.id)
    .bind(session.created_at)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.is_some())
}

/// Makes room for a batch's amount in what is charged; what is in the way otherwise.
fn take_up(
    session: &mut Session,
    totals: &Totals,
    amount: Amount,
    purpose: Purpose<'_>,
) -> Option<Batched> {
    match purpose {
        Purpose::Pending if amount.is_zero() || amount > totals.pending => Some(Batched::Moved),
        Purpose::Pending => None,
        Purpose::Asked { .. } if session.keeper != Keeper::Merchant || !session.is_open() => {
            Some(Batched::Closed)
        }
        // What was asked for in vain is pending, and asked for again first.
        Purpose::Asked { .. } => match totals.settled.checked_add(amount) {
            Some(charged) if charged <= session.cap => {
                session.charged = session.charged.max(charged);
                None
            }
            Some(_) | None => Some(Batched::Exhausted),
        },
    }
}
