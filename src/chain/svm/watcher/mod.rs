//! The watcher: one task per network that only reports. Confirmed transactions prove outcomes; expiry, forks and finality are followed here.
//! It signs nothing and sends nothing. Several watchers may watch the same rows: every report is conditional.

mod expiry;
mod judge;
mod standing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::chain::Chain;
use super::status::{Ask, Depth, statuses};
use crate::clock::UnixMillis;
use crate::hooks::Point;
use crate::observe;
use crate::store::{self, InFlight, NotFinal};

/// When nothing is in flight, how often the database is asked whether that is still so.
const IDLE: Duration = Duration::from_secs(1);
/// How often what is slow to change is looked at: finality, expiry.
const SLOW: Duration = Duration::from_secs(2);
/// From this age on a transaction's status is asked of every endpoint, history included.
const LATE: Duration = Duration::from_secs(8);
/// After a request's deadline its handler releases the row; past this, the handler is gone.
const ORPHAN_AFTER_MILLIS: i64 = 2_000;

/// Watches one network.
#[derive(Debug)]
pub struct Watcher {
    chain: Arc<Chain>,
    slow_at: Option<Instant>,
    /// The last valid height of open transactions, as their rows say.
    last_valid: HashMap<String, u64>,
    /// Since when an open transaction is found too old everywhere.
    expired_since: HashMap<String, Instant>,
    /// Since when a mined transaction is found nowhere.
    gone_since: HashMap<String, Instant>,
}

/// Nothing could be reported this time; the next round tries again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Chain(#[from] Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Watcher {
    pub fn new(chain: Arc<Chain>) -> Self {
        Self {
            chain,
            slow_at: None,
            last_valid: HashMap::new(),
            expired_since: HashMap::new(),
            gone_since: HashMap::new(),
        }
    }

    /// Runs until `stop`; failures are logged and tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let network = self.chain.config.network.clone();
        let bell = self.chain.store.sent_bell(network.as_str());
        loop {
            let sent = bell.next();
            let pause = match self.step().await {
                Ok(true) => self.pace(),
                Ok(false) => IDLE,
                Err(cause) => {
                    self.tell(&cause);
                    self.pace()
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = sent => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn tell(&self, trouble: &Trouble) {
        match trouble {
            Trouble::Chain(cause) => observe::chain_trouble(&self.chain.config.network, cause),
            Trouble::Store(cause) => observe::watcher_trouble(&self.chain.config.network, cause),
        }
    }

    /// About a block's time: one question for everything in flight.
    fn pace(&self) -> Duration {
        let block_time = self.chain.config.block_time;
        block_time.clamp(Duration::from_millis(100), Duration::from_secs(1))
    }

    /// One round. True while a transaction is waited for. Every stage stands alone: one that fails is told and tried again in the next round.
    async fn step(&mut self) -> Result<bool, Trouble> {
        let network = &self.chain.config.network;
        let orphaned = UnixMillis(self.chain.clock.now().0.saturating_sub(ORPHAN_AFTER_MILLIS));
        self.chain.store.release_overdue(network, orphaned).await?;
        let open = self.chain.store.in_flight(network, None).await?;
        let is_slow = self.slow_at.is_none_or(|at| at.elapsed() >= SLOW);
        let mut not_final: Vec<NotFinal> = Vec::new();
        if is_slow {
            self.slow_at = Some(Instant::now());
            not_final = self.chain.store.oldest_not_final(network).await?;
            let noted = self.note_pauses().await;
            self.attempt(noted);
        }
        if open.is_empty() && not_final.is_empty() {
            return Ok(false);
        }
        let missing = self.judge_all(open, is_slow).await;
        let missing = missing.inspect_err(|cause| self.tell(cause));
        if is_slow {
            let finalised = self.finalise(not_final).await;
            self.attempt(finalised);
            if let Ok(missing) = &missing {
                let expired = self.expire(missing).await;
                self.attempt(expired);
            }
        }
        Ok(missing.map_or(true, |missing| !missing.is_empty()))
    }

    /// The lanes may be worked by another process: what it found out about them is in the database.
    async fn note_pauses(&self) -> Result<(), Trouble> {
        let fee_payers = &self.chain.fee_payers;
        if !fee_payers.has_choice() {
            return Ok(());
        }
        for address in fee_payers.addresses() {
            let network = &self.chain.config.network;
            let lane = self.chain.store.lane(network, &address.to_string()).await?;
            fee_payers.note(&address, lane.paused.is_some());
        }
        Ok(())
    }

    fn attempt(&self, stage: Result<(), Trouble>) {
        if let Err(trouble) = stage {
            self.tell(&trouble);
        }
    }

    /// Judges every confirmed transaction; those that no node knows are returned. One that cannot be judged now does not keep the others waiting.
    async fn judge_all(
        &self,
        open: Vec<InFlight>,
        is_slow: bool,
    ) -> Result<Vec<InFlight>, Trouble> {
        let is_late = open.iter().any(|transaction| self.age(transaction) >= LATE);
        let ask = if is_slow && is_late {
            Ask::Everybody
        } else {
            Ask::Recent
        };
        let signatures: Vec<String> = open.iter().filter_map(signature).collect();
        let known = statuses(&self.chain.rpc, &signatures, ask).await?;
        let mut missing = Vec::new();
        for transaction in open {
            let status = signature(&transaction).and_then(|id| known.get(&id));
            match status {
                Some(status) if status.depth >= Depth::Confirmed => {
                    self.chain.hooks.reached(Point::Received).await;
                    if let Err(cause) = self.judge(&transaction, status).await {
                        self.tell(&cause);
                    }
                }
                // A block has it, which may not stay.
                Some(_) => {}
                None => missing.push(transaction),
            }
        }
        Ok(missing)
    }

    fn age(&self, transaction: &InFlight) -> Duration {
        let first = transaction.attempts.first();
        let now = self.chain.clock.now();
        first.map_or(Duration::ZERO, |first| {
            UnixMillis(first.created_at).until(now)
        })
    }
}

/// A transaction's id: it has one attempt, whose bytes never change.
fn signature(transaction: &InFlight) -> Option<String> {
    let attempt = transaction.attempts.last()?;
    Some(attempt.hash.clone())
}
