//! A lane: the one task that signs for a signer on a network. It owns the account nonce, leased in the database and fenced there.
//!
//! Pull queued payments → simulate exactly what will be signed → sign → store bytes and states in one database transaction → only then send.
//! It alone raises fees, fills gaps and turns what can no longer pay into a noop. What became of a transaction the watcher reports.

mod look;
mod pull;
mod recover;
pub(super) mod simulate;
mod tend;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(in crate::chain::evm) use look::Step;

use super::Error;
use super::broadcast::{self, Class};
use super::chain::Chain;
use super::fees::Market;
use crate::chain::lease::{self, Seat};
use crate::hooks::Point;
use crate::observe;
use crate::signer::{Signed, Signer};
use crate::store::{self, InFlight, Lease, POLL};

/// Most transactions without a proven end per signer: nodes keep about this many.
const IN_FLIGHT_MAX: usize = 16;
/// How often a paused lane looks whether it may go on.
const PAUSE_CHECK: Duration = Duration::from_secs(2);
/// How often the database is asked for transactions in flight although none is known.
const REREAD: Duration = Duration::from_secs(2);

/// One signer on one network.
#[derive(Debug)]
pub struct Lane {
    chain: Arc<Chain>,
    signer: Arc<dyn Signer>,
    /// Lower-case hex, as rows name it.
    address: String,
    /// Names this process in the lease.
    holder: String,
    next_nonce: u64,
    paused: Option<String>,
    /// Transactions without a proven end, as last read.
    open: Vec<InFlight>,
    /// When `open` was last read.
    read_at: Option<Instant>,
    sent: HashMap<String, Sent>,
    /// As last read; only to give simulations a price.
    market: Option<Market>,
}

/// A transaction's last sending by this process.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    class: Class,
}

/// Why a lane's work ended.
enum End {
    /// The lease is gone, or the account nonce is not what we thought: start over from the database and the chain.
    StartOver,
    Stopped,
}

impl Lane {
    pub fn new(chain: Arc<Chain>, signer: Arc<dyn Signer>, holder: String) -> Self {
        let address = signer.address().to_string().to_lowercase();
        Self {
            chain,
            signer,
            address,
            holder,
            next_nonce: 0,
            paused: None,
            open: Vec::new(),
            read_at: None,
            sent: HashMap::new(),
            market: None,
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
            match ended {
                Ok(End::Stopped) => return,
                Ok(End::StartOver) => {}
                Err(cause) => {
                    observe::lane_trouble(&self.chain.config.network, &self.address, &cause);
                    sleep(lease::DATABASE_RETRY).await;
                }
            }
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

    async fn work(&mut self, lease: &Lease, stop: &CancellationToken) -> store::Result<End> {
        let bell = self
            .chain
            .store
            .queue_bell(self.chain.config.network.as_str());
        while !self.recover(lease).await? {
            tokio::select! {
                () = sleep(PAUSE_CHECK) => {}
                () = stop.cancelled() => return Ok(End::Stopped),
            }
        }
        loop {
            let queued = bell.next();
            if let Some(end) = self.step(lease).await? {
                return Ok(end);
            }
            tokio::select! {
                () = sleep(POLL) => {}
                () = queued => {}
                () = stop.cancelled() => return Ok(End::Stopped),
            }
        }
    }

    /// One activation: tend what is in flight, then take on what fits.
    async fn step(&mut self, lease: &Lease) -> store::Result<Option<End>> {
        // A reorg may open what was decided, so nothing in flight is no reason never to look.
        let is_old = self.read_at.is_none_or(|at| at.elapsed() >= REREAD);
        if is_old || !self.open.is_empty() {
            self.reload().await?;
        }
        if let Some(end) = self.tend(lease).await? {
            return Ok(Some(end));
        }
        if self.paused.is_some() {
            return self.reconsider(lease).await;
        }
        if self.open.len() < IN_FLIGHT_MAX {
            return self.pull(lease).await;
        }
        Ok(None)
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

    /// Sends stored bytes everywhere and acts on what the nodes say. `first` when no other attempt at this account nonce exists.
    async fn send(
        &mut self,
        lease: &Lease,
        transaction_id: &str,
        signed: &Signed,
        first: bool,
    ) -> store::Result<Option<End>> {
        let answers = self.chain.send_raw(&[&signed.raw]).await.concat();
        self.note_answers(lease, transaction_id, signed, &answers, first)
            .await
    }

    /// Acts on what the nodes said to stored bytes.
    async fn note_answers(
        &mut self,
        lease: &Lease,
        transaction_id: &str,
        signed: &Signed,
        answers: &[Result<B256, Error>],
        first: bool,
    ) -> store::Result<Option<End>> {
        for hash in answers
            .iter()
            .flatten()
            .filter(|hash| **hash != signed.hash)
        {
            observe::foreign_hash(
                &self.chain.config.network,
                &signed.hash.to_string(),
                &hash.to_string(),
            );
        }
        let class = broadcast::combine(answers);
        let at = Instant::now();
        self.sent
            .insert(transaction_id.to_owned(), Sent { at, class });
        observe::sent(&self.chain.config.network, &signed.hash.to_string(), class);
        self.chain
            .store
            .note_sent(&self.chain.config.network, transaction_id)
            .await?;
        self.chain.hooks.reached(Point::Sent).await;
        match class {
            Class::NoFunds => self.pause(lease, "the signer cannot pay for gas").await?,
            Class::Underpriced if first => {
                self.pause(
                    lease,
                    "a transaction that is not ours sits at our account nonce",
                )
                .await?;
            }
            Class::DelegatedLimit => {
                self.pause(lease, "the signer has code, which limits it")
                    .await?;
            }
            Class::NonceTooLow | Class::Gap if first => return Ok(Some(End::StartOver)),
            Class::Sent
            | Class::Indeterminate
            | Class::NonceTooLow
            | Class::Gap
            | Class::Underpriced
            | Class::FeeTooLow
            | Class::Invalid => {}
        }
        Ok(None)
    }

    async fn pause(&mut self, lease: &Lease, reason: &str) -> store::Result<()> {
        if self.paused.as_deref() != Some(reason) {
            observe::lane_paused(&self.chain.config.network, &self.address, reason);
            self.chain.store.pause(lease, Some(reason)).await?;
            self.paused = Some(reason.to_owned());
        }
        Ok(())
    }
}
