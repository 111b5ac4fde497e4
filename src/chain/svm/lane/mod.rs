//! A lane: the one task that co-signs for a fee payer on a network, leased in the database and fenced there.
//!
//! Pull queued payments → simulate exactly what will be signed → sign slot 0 → store bytes and states in one database transaction → only then
//! send, and send the same bytes again until the watcher has proven an end. There is no account nonce and nothing to replace: the buyer fixed
//! the message, and our signature of it, the transaction's id, is known before anybody hears of it.

mod pull;
mod send;
mod simulate;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::chain::Chain;
use crate::chain::lease::{self, Seat};
use crate::observe;
use crate::signer::svm::Signer;
use crate::store::{self, InFlight, Lease, POLL};

/// Most transactions without a proven end per fee payer.
const IN_FLIGHT_MAX: usize = 64;
/// How often a paused lane looks whether it may go on.
const PAUSE_CHECK: Duration = Duration::from_secs(2);
/// How often a lane that is not paused looks whether it should be, where another key could pay instead.
const PURSE_CHECK: Duration = Duration::from_secs(30);
/// How often the database is asked for transactions in flight although none is known.
const REREAD: Duration = Duration::from_secs(2);
/// What a fee payer must keep so as to exist.
const RENT_EXEMPT: u64 = 890_880;
/// Lamports that a payment is reckoned with before it is known.
const TYPICAL_COST: u64 = 120_000;

/// One fee payer on one network.
#[derive(Debug)]
pub struct Lane {
    chain: Arc<Chain>,
    signer: Arc<dyn Signer>,
    /// Base58, as rows name it.
    address: String,
    /// Names this process in the lease.
    holder: String,
    paused: Option<String>,
    /// When it was last asked whether this lane can pay.
    considered_at: Option<Instant>,
    /// Transactions without a proven end, as last read.
    open: Vec<InFlight>,
    /// When `open` was last read.
    read_at: Option<Instant>,
    /// When this process last sent a transaction.
    sent: HashMap<String, Instant>,
    /// What is being sent.
    sends: JoinSet<()>,
}

/// What the fee payer has and has spent today, lamports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Purse {
    lamports: u64,
    spent: u64,
}

impl Lane {
    pub fn new(chain: Arc<Chain>, signer: Arc<dyn Signer>, holder: String) -> Self {
        let address = signer.address().to_string();
        Self {
            chain,
            signer,
            address,
            holder,
            paused: None,
            considered_at: None,
            open: Vec::new(),
            read_at: None,
            sent: HashMap::new(),
            sends: JoinSet::new(),
        }
    }

    /// Runs until `stop`. Every failure is waited out and tried again: the rows in the database are the only state that matters.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let lease = tokio::select! {
                lease = self.seat().acquire() => lease,
                () = stop.cancelled() => return,
            };
            let store = self.chain.store.clone();
            let ended = tokio::select! {
                cause = lease::heartbeats(&store, &lease) => Err(cause),
                ended = self.work(&lease, &stop) => ended,
            };
            // Whoever works next, ourselves included, need not wait for the lease to run out.
            if let Err(cause) = store.give_back(&lease).await {
                observe::lane_trouble(&self.chain.config.network, &self.address, &cause);
            }
            let Err(cause) = ended else { return };
            observe::lane_trouble(&self.chain.config.network, &self.address, &cause);
            sleep(lease::DATABASE_RETRY).await;
        }
    }

    fn seat(&self) -> Seat<'_> {
        Seat {
            store: &self.chain.store,
            network: &self.chain.config.network,
            signer: &self.address,
            holder: &self.holder,
        }
    }

    async fn work(&mut self, lease: &Lease, stop: &CancellationToken) -> store::Result<()> {
        let network = self.chain.config.network.clone();
        let bell = self.chain.store.queue_bell(network.as_str());
        self.recover(lease).await?;
        loop {
            let queued = bell.next();
            self.step(lease).await?;
            tokio::select! {
                () = sleep(POLL) => {}
                () = queued => {}
                () = stop.cancelled() => {
                    self.finish_sends().await;
                    return Ok(());
                }
            }
        }
    }

    /// What a lane does first: what its last holder stored may never have been sent.
    async fn recover(&mut self, lease: &Lease) -> store::Result<()> {
        self.chain.store.unclaim_all(lease).await?;
        let network = &self.chain.config.network;
        self.paused = self.chain.store.lane(network, &self.address).await?.paused;
        self.sent.clear();
        self.reload().await?;
        for transaction in &self.open {
            if let Some(attempt) = transaction.attempts.last() {
                observe::resumed(&self.chain.config.network, &attempt.hash);
            }
        }
        self.tend();
        Ok(())
    }

    /// One activation: tend what is in flight, then take on what fits.
    async fn step(&mut self, lease: &Lease) -> store::Result<()> {
        // A fork may open what was decided, so nothing in flight is no reason never to look.
        let is_old = self.read_at.is_none_or(|at| at.elapsed() >= REREAD);
        if is_old || !self.open.is_empty() {
            self.reload().await?;
        }
        self.tend();
        if self.paused.is_some() {
            return self.reconsider(lease).await;
        }
        self.look_after_purse(lease).await?;
        if self.paused.is_none() && self.open.len() < IN_FLIGHT_MAX {
            self.pull(lease).await?;
        }
        Ok(())
    }

    async fn reload(&mut self) -> store::Result<()> {
        let network = &self.chain.config.network;
        self.open = self
            .chain
            .store
            .in_flight(network, Some(&self.address))
            .await?;
        self.read_at = Some(Instant::now());
        let open = &self.open;
        self.sent
            .retain(|id, _| open.iter().any(|transaction| &transaction.id == id));
        Ok(())
    }

    /// Whether a paused lane may go on.
    async fn reconsider(&mut self, lease: &Lease) -> store::Result<()> {
        let is_soon = self
            .considered_at
            .is_some_and(|at| at.elapsed() < PAUSE_CHECK);
        if is_soon {
            return Ok(());
        }
        self.considered_at = Some(Instant::now());
        let Some(purse) = self.purse().await? else {
            return Ok(());
        };
        if self.objection(purse, TYPICAL_COST).is_none() {
            self.chain.store.pause(lease, None).await?;
            self.paused = None;
            observe::lane_resumed(&self.chain.config.network, &self.address);
        }
        Ok(())
    }

    /// Pauses a lane that cannot pay before anybody sends it a payment: sellers are then shown another key. With one key there is nobody to show
    /// instead, and the look before a payment is enough.
    async fn look_after_purse(&mut self, lease: &Lease) -> store::Result<()> {
        let is_soon = self
            .considered_at
            .is_some_and(|at| at.elapsed() < PURSE_CHECK);
        if is_soon || !self.chain.fee_payers.has_choice() {
            return Ok(());
        }
        self.considered_at = Some(Instant::now());
        let Some(purse) = self.purse().await? else {
            return Ok(());
        };
        match self.objection(purse, TYPICAL_COST) {
            Some(why) => self.pause(lease, why).await,
            None => Ok(()),
        }
    }

    /// `None` when the chain could not be asked.
    async fn purse(&self) -> store::Result<Option<Purse>> {
        let network = &self.chain.config.network;
        let lamports = match self.chain.lamports(&self.address).await {
            Ok(lamports) => lamports,
            Err(cause) => {
                observe::chain_trouble(network, &cause);
                return Ok(None);
            }
        };
        let spent = self.chain.store.spent_today(network, &self.address).await?;
        let spent = u64::try_from(spent).unwrap_or(0);
        Ok(Some(Purse { lamports, spent }))
    }

    /// Why the fee payer cannot take on a cost beside what is in flight; `None` when it can.
    fn objection(&self, purse: Purse, cost: u64) -> Option<&'static str> {
        let fees = self.open.iter().filter_map(|open| open.attempts.last());
        let committed: u128 = fees.map(|attempt| attempt.max_fee).sum();
        let needed = committed.saturating_add(u128::from(cost));
        if needed + u128::from(purse.spent) > self.chain.config.daily_spend_cap {
            Some("the daily spend cap is reached")
        } else if needed + u128::from(RENT_EXEMPT) > u128::from(purse.lamports) {
            Some("the fee payer cannot pay for fees")
        } else {
            None
        }
    }

    async fn pause(&mut self, lease: &Lease, reason: &str) -> store::Result<()> {
        if self.paused.as_deref() != Some(reason) {
            observe::lane_paused(&self.chain.config.network, &self.address, reason);
            self.chain.store.pause(lease, Some(reason)).await?;
            self.paused = Some(reason.to_owned());
            self.considered_at = Some(Instant::now());
        }
        Ok(())
    }
}
