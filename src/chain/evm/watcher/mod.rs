//! The watcher: one task per network that only reports. Receipts and logs prove outcomes; heads, reorgs and finality are followed here.
//! It signs nothing and sends nothing. Several watchers may watch the same rows: every report is conditional.

mod guard;
mod judge;
mod reorg;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, U64, U128};
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::chain::{Chain, Head, parse};
use super::rpc::Call;
use crate::hooks::Point;
use crate::observe;
use crate::store::{self, Block, InFlight};

/// When nothing is in flight, how often the database is asked whether that is still so.
const IDLE: Duration = Duration::from_secs(1);
/// How often what is slow to change is looked at: finality, replaced nonces, failed rows.
const SLOW: Duration = Duration::from_secs(2);
/// After a request's deadline its handler releases the row; past this, the handler is gone.
const ORPHAN_AFTER: Duration = Duration::from_secs(2);

/// Watches one network.
#[derive(Debug)]
pub struct Watcher {
    chain: Arc<Chain>,
    head: Option<Head>,
    slow_at: Option<Instant>,
    /// Whether what is on record was compared with the chain since the start and since the last head that did not follow.
    is_compared: bool,
    /// Open transactions whose account nonce was found consumed by none of ours, and when first.
    consumed_since: HashMap<String, Instant>,
}

/// Nothing could be reported this time; the next round tries again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Chain(#[from] Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A transaction's receipt, as much as we use.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receipt {
    pub(super) transaction_hash: String,
    block_number: U64,
    block_hash: String,
    status: U64,
    gas_used: U64,
    effective_gas_price: Option<U128>,
    pub(super) logs: Vec<Log>,
}

/// A log, as much as we use.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    pub(super) address: Address,
    pub(super) topics: Vec<B256>,
    pub(super) data: alloy::primitives::Bytes,
    pub(super) log_index: U64,
    pub(super) transaction_hash: Option<String>,
}

impl Receipt {
    pub(super) fn block(&self) -> Block {
        Block {
            number: self.block_number.to(),
            hash: self.block_hash.clone(),
        }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.status == U64::from(1)
    }
}

impl Watcher {
    pub fn new(chain: Arc<Chain>) -> Self {
        Self {
            chain,
            head: None,
            slow_at: None,
            is_compared: false,
            consumed_since: HashMap::new(),
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
                Err(Trouble::Chain(cause)) => {
                    observe::chain_trouble(&network, &cause);
                    self.pace()
                }
                Err(Trouble::Store(cause)) => {
                    observe::watcher_trouble(&network, &cause);
                    IDLE
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = sent => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// A fraction of the block time, so that a receipt is seen soon after its block.
    fn pace(&self) -> Duration {
        (self.chain.config.block_time / 4).clamp(Duration::from_millis(50), Duration::from_secs(1))
    }

    /// One round. True while something is waited for.
    async fn step(&mut self) -> Result<bool, Trouble> {
        let network = &self.chain.config.network;
        let before = crate::clock::UnixMillis(self.chain.clock.now().0.saturating_sub(2000));
        debug_assert_eq!(ORPHAN_AFTER.as_millis(), 2000);
        self.chain.store.release_overdue(network, before).await?;
        let open = self.chain.store.in_flight(network, None).await?;
        let is_slow = self.slow_at.is_none_or(|at| at.elapsed() >= SLOW);
        if open.is_empty() && !is_slow {
            return Ok(false);
        }
        let (head, receipts) = self.read(&open).await?;
        if !self.is_compared || self.follow(&head) {
            self.is_compared = false;
            self.is_compared = self.check_canonical().await?;
        }
        self.head = Some(head.clone());
        let mut missing = Vec::new();
        let mut trouble = None;
        for transaction in open {
            let found = transaction.attempts.iter().rev().find_map(|attempt| {
                receipts
                    .iter()
                    .find(|receipt| receipt.transaction_hash.eq_ignore_ascii_case(&attempt.hash))
            });
            match found {
                Some(receipt) if self.is_confirmed(receipt, &head) => {
                    self.chain.hooks.reached(Point::Received).await;
                    // What cannot be judged now must not keep the others waiting.
                    if let Err(cause) = self.judge(&transaction, receipt).await {
                        trouble = Some(cause);
                    }
                }
                Some(_) => {}
                None => missing.push(transaction),
            }
        }
        let waiting = !missing.is_empty() || trouble.is_some();
        self.expire(&missing, &head).await?;
        if is_slow {
            self.slow_at = Some(Instant::now());
            self.find_replaced(&missing, &head).await?;
            self.finalise(&head).await?;
            self.watch_failed(&head).await?;
        }
        trouble.map_or(Ok(waiting), Err)
    }

    /// The newest head and every receipt that exists for the open transactions, in one request.
    async fn read(&self, open: &[InFlight]) -> Result<(Head, Vec<Receipt>), Error> {
        let mut calls: Vec<Call> = vec![("eth_getBlockByNumber", json!(["latest", false]))];
        let hashes = open
            .iter()
            .flat_map(|transaction| &transaction.attempts)
            .map(|attempt| &attempt.hash);
        calls.extend(hashes.map(|hash| ("eth_getTransactionReceipt", json!([hash]))));
        let answers = self.chain.rpc.batch(calls).await?;
        let head: Head = parse(answers.first())?;
        let mut receipts = Vec::new();
        for answer in answers.get(1..).unwrap_or_default() {
            if let Some(receipt) = parse::<Option<Receipt>>(Some(answer))? {
                receipts.push(receipt);
            }
        }
        Ok((head, receipts))
    }

    /// Whether the head does not follow from the last one we saw: blocks were skipped, or taken away.
    fn follow(&self, head: &Head) -> bool {
        let Some(last) = &self.head else { return true };
        let same = last.block() == head.block();
        let next = last.number() + 1 == head.number() && last.block().hash == head.parent_hash;
        !(same || next)
    }

    fn is_confirmed(&self, receipt: &Receipt, head: &Head) -> bool {
        let deep_enough = receipt
            .block()
            .number
            .saturating_add(self.chain.config.confirmations);
        // The including block counts as the first confirmation. A head behind the receipt is another node's.
        head.number().saturating_add(1) >= deep_enough
    }
}
