//! The sweeper: looks at every session now and then, and puts on its way what is due. It only enqueues; the settlement goes the one path. One
//! replica sweeps at a time, which saves work and decides nothing: every step is one conditional transaction of the store.

use std::sync::Arc;
use std::time::Duration;

use ruint::aliases::U256;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Facilitator;
use super::sessions::Pushed;
use crate::chain::lease::{Seat, heartbeats};
use crate::clock::UnixMillis;
use crate::config;
use crate::observe;
use crate::protocol::Network;
use crate::scheme::Refusal;
use crate::store::{self, Keeper, Session, SessionState};

/// Rows that are read in one go, and pages that one sweep reads at most.
const PAGE: u32 = 200;
const MOST_PAGES: usize = 5_000;

/// What one sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    pub seen: usize,
    /// Sessions whose unclaimed holds were ended.
    pub expired: usize,
    pub enqueued: usize,
    pub closed: usize,
    /// Refused by the chain, or a batch that came to nothing.
    pub failed: usize,
    /// Could not find out.
    pub unavailable: usize,
    pub archived: u64,
}

/// Sweeps until told to stop, whenever the lease is ours.
pub async fn run(facilitator: Arc<Facilitator>, stopping: CancellationToken) {
    let network = Network::parse("sweeper:sessions").expect("it has the form of a network");
    let holder = uuid::Uuid::now_v7().to_string();
    let store = &facilitator.parts.store;
    let seat = Seat {
        store,
        network: &network,
        signer: "sweeper",
        holder: &holder,
    };
    while !stopping.is_cancelled() {
        let lease = tokio::select! {
            lease = seat.acquire() => lease,
            () = stopping.cancelled() => return,
        };
        tokio::select! {
            cause = heartbeats(store, &lease) => observe::sweeper_trouble(&cause),
            () = facilitator.sweep_again_and_again() => {}
            () = stopping.cancelled() => {
                if let Err(cause) = store.give_back(&lease).await {
                    observe::sweeper_trouble(&cause);
                }
                return;
            }
        }
    }
}

impl Facilitator {
    async fn sweep_again_and_again(&self) {
        loop {
            match self.sweep().await {
                Ok(report) => observe::swept(&report),
                Err(cause) => observe::sweeper_trouble(&cause),
            }
            sleep(self.parts.sessions.sweep_interval).await;
        }
    }

    /// One activation: what is due now is put on its way. Doing it twice does nothing more.
    ///
    /// # Errors
    /// The database could not be asked; what was done before stays done.
    pub async fn sweep(&self) -> Result<Report, store::Error> {
        let mut report = Report::default();
        self.end_holds(&mut report).await?;
        for id in self.parts.store.sessions_to_reopen(PAGE).await? {
            match self.parts.store.note_fallen(&id).await {
                Ok(true) => {
                    observe::session_fallen(&id);
                    report.failed += 1;
                }
                Ok(false) => {}
                Err(cause @ store::Error::Inconsistent(_)) => {
                    observe::session_unavailable(&id, &cause.to_string());
                    report.unavailable += 1;
                }
                Err(cause) => return Err(cause),
            }
        }
        let mut after = String::new();
        for _ in 0..MOST_PAGES {
            let page = self.parts.store.sessions_to_sweep(&after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            for session in &page {
                report.seen += 1;
                self.tend(session, &mut report).await;
            }
        }
        let before = self.parts.clock.now().0;
        let kept = i64::try_from(self.parts.sessions.archive_after.as_millis()).unwrap_or(i64::MAX);
        let before = UnixMillis(before.saturating_sub(kept));
        report.archived = self.parts.store.archive_sessions(before).await?;
        Ok(report)
    }

    async fn end_holds(&self, report: &mut Report) -> Result<(), store::Error> {
        for _ in 0..MOST_PAGES {
            let expired = self.parts.store.sessions_with_expired_holds(PAGE).await?;
            if expired.is_empty() {
                break;
            }
            let before = report.expired;
            for id in &expired {
                let unclaimed = self.parts.sessions.unclaimed;
                match self.parts.store.expire_holds(id, unclaimed).await {
                    Ok(_) => report.expired += 1,
                    // One row that cannot be read keeps no other session waiting.
                    Err(cause @ store::Error::Inconsistent(_)) => {
                        observe::session_unavailable(id, &cause.to_string());
                        report.unavailable += 1;
                    }
                    Err(cause) => return Err(cause),
                }
            }
            if report.expired == before {
                break;
            }
        }
        Ok(())
    }

    /// One session's turn. What goes wrong with it keeps no other waiting.
    async fn tend(&self, session: &Session, report: &mut Report) {
        let (settings, now) = (&self.parts.sessions, self.parts.clock.now());
        // Whether it owes anything takes another look at the database: not for sessions that nothing could be due for.
        if [true, false].map(|owes| due(session, owes, settings, now)) == [None, None] {
            return;
        }
        let done = self.tend_due(session, report).await;
        if let Err(refusal) = done {
            match refusal {
                Refusal::Rejected(_) => report.failed += 1,
                Refusal::Unavailable(cause) => {
                    observe::session_unavailable(&session.id, &cause);
                    report.unavailable += 1;
                }
            }
        }
    }

    async fn tend_due(&self, session: &Session, report: &mut Report) -> Result<(), Refusal> {
        let Some((session, owes)) = self.owes(&session.id).await? else {
            return Ok(());
        };
        let Some(due) = due(&session, owes, &self.parts.sessions, self.parts.clock.now()) else {
            return Ok(());
        };
        if due.closes && self.close(&session.id).await? == Some(SessionState::Closed) {
            report.closed += 1;
            return Ok(());
        }
        if !due.settles {
            return Ok(());
        }
        match self.push(&session.id, due.reason).await? {
            Pushed::Queued(_) => report.enqueued += 1,
            Pushed::Failed(_) => report.failed += 1,
            Pushed::InFlight(_) | Pushed::Moved | Pushed::Nothing => {}
        }
        Ok(())
    }
}

/// What is due of a session, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    reason: &'static str,
    settles: bool,
    closes: bool,
}

/// Decides in the order of the library whose place this takes: what is owed is settled when the session is idle, near its deadline or near its cap;
/// what nobody used for long is closed.
fn due(session: &Session, owes: bool, settings: &config::Sessions, now: UnixMillis) -> Option<Due> {
    let settles = owes && session.keeper == Keeper::Facilitator;
    let due = |reason, closes| {
        Some(Due {
            reason,
            settles,
            closes,
        })
    };
    match session.state {
        SessionState::Closed => return None,
        SessionState::Closing => return due("closing", true),
        // Given up, and closed when it is settled after all, by a late outcome or on request.
        SessionState::Failed => {
            return Some(Due {
                reason: "failed",
                settles: false,
                closes: true,
            });
        }
        SessionState::Open => {}
    }
    let idle = UnixMillis(session.last_activity).until(now);
    let left = now.until(UnixMillis(session.deadline.saturating_mul(1000)));
    if settles && idle >= settings.idle_settle {
        return due("idle_timeout", false);
    }
    if settles && left <= settings.deadline_buffer {
        return due("deadline_buffer", true);
    }
    if settles && reaches(session, settings.cap_threshold) {
        return due("cap_threshold", false);
    }
    let is_over = left == Duration::ZERO || session.charged >= session.cap;
    if is_over || idle >= settings.long_idle {
        return due("auto_close", true);
    }
    None
}

/// Whether so many percent of the cap are charged.
fn reaches(session: &Session, percent: u64) -> bool {
    let (cap, hundred) = (session.cap.units(), U256::from(100));
    let percent = U256::from(percent);
    // In this order nothing overflows.
    let threshold = cap / hundred * percent + cap % hundred * percent / hundred;
    session.charged.units() >= threshold
}

#[cfg(test)]
mod tests;
