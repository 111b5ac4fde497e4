//! What a session owes, put on its way: the one place where a sum becomes a batch, for the sweeper and for people.

use std::time::Duration;

use super::Account;
use crate::clock::UnixMillis;
use crate::config;
use crate::facilitator::Facilitator;
use crate::facilitator::verify::unavailable;
use crate::hooks::Point;
use crate::observe;
use crate::protocol::Reason;
use crate::scheme::{self, Refusal};
use crate::store::{Batch, Batched, Fate, Keeper, NextAttempt, Purpose, Session};

/// How long a batch may wait for a lane.
const QUEUE_TIME: Duration = Duration::from_mins(10);
/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// What became of an attempt to settle what a session owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::facilitator) enum Pushed {
    /// Queued under this settlement id.
    Queued(String),
    /// A batch may still pay; its settlement id.
    InFlight(String),
    /// It owes nothing.
    Nothing,
    /// The last batch came to nothing: counted, and to be tried again later.
    Failed(Reason),
    /// The session moved on meanwhile, or is no more.
    Moved,
}

impl Facilitator {
    /// Puts what a session owes into the queue, unless something of it may still pay.
    ///
    /// # Errors
    /// [`Refusal::Rejected`] when the chain does not bear it; that is counted as a failure.
    pub(in crate::facilitator) async fn push(
        &self,
        id: &str,
        reason: &str,
    ) -> Result<Pushed, Refusal> {
        let Some(account) = self.account(id).await? else {
            return Ok(Pushed::Moved);
        };
        let Account {
            session,
            totals,
            batches,
        } = &account;
        if let Some(batch) = batches.iter().find(|batch| batch.fate == Fate::InFlight) {
            return Ok(Pushed::InFlight(batch.settlement_id.clone()));
        }
        if totals.pending.is_zero() || session.keeper == Keeper::Merchant {
            return Ok(Pushed::Nothing);
        }
        if let Some((sequence, reason)) = uncounted_failure(session, batches) {
            self.count_failure(session, Some(sequence), reason).await?;
            return Ok(Pushed::Failed(reason));
        }
        let Some(scheme) = self.parts.schemes.batches(&session.network) else {
            let message = format!("no scheme settles sessions on {}", session.network);
            return Err(Refusal::Unavailable(message));
        };
        let prepared = scheme.batch(session, totals.pending, session.sequence);
        let verified = match prepared.await {
            Ok(verified) => verified,
            Err(refusal) => {
                if let Refusal::Rejected(rejection) = &refusal {
                    self.count_failure(session, None, rejection.reason).await?;
                }
                return Err(refusal);
            }
        };
        self.parts.hooks.reached(Point::BatchPrepared).await;
        let batch = scheme::Batch {
            session_id: &session.id,
            sequence: session.sequence,
            reason,
            purpose: Purpose::Pending,
        };
        let request = scheme::Request {
            caller: &session.caller,
            wire_network: &session.wire_network,
            deadline: self.parts.clock.now().plus(QUEUE_TIME),
            quotas: &self.parts.limits.tallies(session),
        };
        let batched = verified.enqueue_batch(&self.parts.store, batch, request);
        match batched.await.map_err(|cause| unavailable(&cause))? {
            Batched::Queued(id) => {
                observe::batch_enqueued(&session.network, &id, &session.id, totals.pending, reason);
                self.parts.hooks.reached(Point::Enqueued).await;
                Ok(Pushed::Queued(id))
            }
            Batched::InFlight(batch) => Ok(Pushed::InFlight(batch.settlement_id)),
            Batched::Moved | Batched::Exhausted | Batched::Closed | Batched::UsedUp(_) => {
                Ok(Pushed::Moved)
            }
        }
    }

    /// Counts a failure, and after too many gives the session up: what it owes stays on record for an operator.
    async fn count_failure(
        &self,
        session: &Session,
        sequence: Option<u64>,
        reason: Reason,
    ) -> Result<(), Refusal> {
        let failures = session.failures.saturating_add(1);
        let settings = &self.parts.sessions;
        let next = if failures >= settings.attempts {
            NextAttempt::Never
        } else {
            let now = self.parts.clock.now();
            let last = UnixMillis(session.deadline.saturating_mul(1000));
            let pause = pause(settings.sweep_interval, failures);
            let pause = pause_before(last, settings, pause, now);
            NextAttempt::At(now.plus(pause))
        };
        let store = &self.parts.store;
        let noted = store.note_batch_failure(&session.id, sequence, reason, next);
        noted.await.map_err(|cause| unavailable(&cause))?;
        observe::session_not_settled(&session.id, Some(reason));
        if next == NextAttempt::Never {
            observe::session_failed(&session.id, reason);
        }
        Ok(())
    }
}

/// Doubles with every failure, up to an hour.
fn pause(interval: Duration, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    interval.saturating_mul(factor).min(LONGEST_PAUSE)
}

/// Before a permit runs out there is a try left, however long the pause would be: after that, one that never landed is worth nothing.
fn pause_before(
    deadline: UnixMillis,
    settings: &config::Sessions,
    pause: Duration,
    now: UnixMillis,
) -> Duration {
    let left = now.until(deadline);
    if left.is_zero() {
        return pause;
    }
    let until_buffer = left.saturating_sub(settings.deadline_buffer);
    pause.min(until_buffer.max(settings.sweep_interval))
}

/// The last batch, when it came to nothing through no lack of room of ours and was not counted yet.
fn uncounted_failure(session: &Session, batches: &[Batch]) -> Option<(u64, Reason)> {
    let last = batches.last()?;
    let reason = last.reason.unwrap_or(Reason::UnexpectedSettleError);
    let is_theirs = last.fate == Fate::Free && reason != Reason::SettlementCapacityExceeded;
    let is_new = last.sequence >= session.failed_sequence;
    (is_theirs && is_new).then_some((last.sequence, reason))
}

/// The code of a refusal, for the log; none when it was no verdict.
pub(in crate::facilitator) fn reason_of(refusal: &Refusal) -> Option<Reason> {
    match refusal {
        Refusal::Rejected(rejection) => Some(rejection.reason),
        Refusal::Unavailable(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let interval = Duration::from_secs(30);
        for (failures, seconds) in [(1, 30), (2, 60), (5, 480), (8, 3600), (4_000_000_000, 3600)] {
            let expected = Duration::from_secs(seconds);
            assert_eq!(pause(interval, failures), expected, "{failures}");
        }
    }

    #[test]
    fn a_try_is_left_before_a_permit_runs_out() {
        let settings = config::Sessions {
            keeper: Keeper::Facilitator,
            unclaimed: crate::store::Unclaimed::Release,
            sweep_interval: Duration::from_secs(30),
            idle_settle: Duration::ZERO,
            long_idle: Duration::ZERO,
            deadline_buffer: Duration::from_mins(1),
            cap_threshold: 90,
            attempts: 10,
            archive_after: Duration::ZERO,
        };
        for (left, seconds) in [
            (0, 480),
            (20, 30),
            (60, 30),
            (100, 40),
            (539, 479),
            (9999, 480),
        ] {
            let now = UnixMillis(1_000_000);
            let deadline = now.plus(Duration::from_secs(left));
            let found = pause_before(deadline, &settings, Duration::from_mins(8), now);
            assert_eq!(found, Duration::from_secs(seconds), "{left}");
        }
    }
}
