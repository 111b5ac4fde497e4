//! The watcher: one task per network that only reports. Receipts and logs prove outcomes; heads, reorgs and finality are followed here.
//! It signs nothing and sends nothing. Several watchers may watch the same rows: every report is conditional.

mod codes;
mod guard;
mod judge;
mod reorg;
mod session;
mod standing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, U64, U128, U256};
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::chain::{Chain, Head, parse};
use super::rpc::Call;
use crate::clock::UnixMillis;
use crate::hooks::Point;
use crate::observe;
use crate::store::{self, Block, InFlight, NotFinal, Settlement};

pub(super) use guard::guard_question;
pub(super) use judge::payment_log;

/// When nothing is in flight, how often the database is asked whether that is still so.
const IDLE: Duration = Duration::from_secs(1);
/// How often what is slow to change is looked at: finality, replaced nonces, failed rows.
const SLOW: Duration = Duration::from_secs(2);
/// How often failed rows whose authorization still lives are looked at.
const FAILED: Duration = Duration::from_secs(20);
/// After a request's deadline its handler releases the row; past this, the handler is gone.
const ORPHAN_AFTER_MILLIS: i64 = 2_000;

/// Watches one network.
#[derive(Debug)]
pub struct Watcher {
    chain: Arc<Chain>,
    head: Option<Head>,
    slow_at: Option<Instant>,
    failed_at: Option<Instant>,
    /// Failed rows are looked at in turns: the last id of the last turn.
    failed_after: String,
    leftover_after: String,
    /// Whether what is on record was compared with the chain since the start and since the last head that did not follow.
    is_compared: bool,
    /// Open transactions whose account nonce was found consumed by none of ours, and when first.
    consumed_since: HashMap<String, reorg::ConsumedElsewhere>,
}

/// Decided rows that the chain may still change.
#[derive(Debug, Default)]
struct LooseEnds {
    not_final: Vec<NotFinal>,
    leftovers: Vec<Settlement>,
    failed: Vec<Settlement>,
}

impl LooseEnds {
    fn are_none(&self) -> bool {
        self.not_final.is_empty() && self.leftovers.is_empty() && self.failed.is_empty()
    }
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
    /// What a rollup charges for its data besides the gas, wei (OP stack).
    l1_fee: Option<U256>,
    pub(super) logs: Vec<Log>,
}

/// A log, as much as we use.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    pub(super) address: Address,
    pub(super) topics: Vec<B256>,
    pub(super) data: alloy::primitives::Bytes,
    #[serde(rename = "logIndex")]
    pub(super) index: U64,
    pub(super) transaction_hash: Option<String>,
}

impl Receipt {
    pub(super) fn block(&self) -> Block {
        Block {
            number: self.block_number.to(),
            hash: self.block_hash.clone(),
        }
    }

    /// Everything that it cost its sender, wei.
    pub(super) fn cost_wei(&self) -> u128 {
        let price = self.effective_gas_price.map_or(0, |price| price.to());
        let gas: u64 = self.gas_used.to();
        let data: u128 = self.l1_fee.map_or(0, |fee| fee.saturating_to());
        u128::from(gas).saturating_mul(price).saturating_add(data)
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
            failed_at: None,
            failed_after: String::new(),
            leftover_after: String::new(),
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

    /// A fraction of the block time, so that a receipt is seen soon after its block.
    fn pace(&self) -> Duration {
        (self.chain.config.block_time / 4).clamp(Duration::from_millis(50), Duration::from_secs(1))
    }

    /// One round. True while a transaction is waited for. Every stage stands alone: one that fails is told and tried again in the next round.
    async fn step(&mut self) -> Result<bool, Trouble> {
        let network = &self.chain.config.network;
        let orphaned = UnixMillis(self.chain.clock.now().0.saturating_sub(ORPHAN_AFTER_MILLIS));
        self.chain.store.release_overdue(network, orphaned).await?;
        let open = self.chain.store.in_flight(network, None).await?;
        let is_slow = self.slow_at.is_none_or(|at| at.elapsed() >= SLOW);
        let loose = if is_slow {
            self.loose_ends().await?
        } else {
            LooseEnds::default()
        };
        if is_slow {
            self.slow_at = Some(Instant::now());
        }
        if open.is_empty() && loose.are_none() {
            return Ok(false);
        }
        let (head, receipts) = self.read(&open).await?;
        let confirmed = self.confirmed(&head).await?;
        let missing = self.judge_all(open, &receipts, &head, &confirmed).await;
        self.attempt(self.expire(&missing, &confirmed).await);
        let compared = self.compare(&head).await;
        self.attempt(compared);
        if is_slow {
            self.find_replaced(&missing).await;
            self.attempt(self.finalise(loose.not_final, &head).await);
            self.attempt(self.decide_leftovers(loose.leftovers, &confirmed).await);
            self.attempt(self.watch_failed(loose.failed, &confirmed).await);
        }
        Ok(!missing.is_empty())
    }

    fn attempt(&self, stage: Result<(), Trouble>) {
        if let Err(trouble) = stage {
            self.tell(&trouble);
        }
    }

    /// The newest block that counts as confirmed.
    async fn confirmed(&self, head: &Head) -> Result<Head, Error> {
        match self.chain.config.confirmations {
            0 | 1 => Ok(head.clone()),
            depth => self.header(head.number().saturating_sub(depth - 1)).await,
        }
    }

    /// Looks for a reorg when the head does not follow from the last one, until a comparison was complete.
    async fn compare(&mut self, head: &Head) -> Result<(), Trouble> {
        let is_due = !self.is_compared || self.follow(head);
        self.head = Some(head.clone());
        if is_due {
            self.is_compared = false;
            self.is_compared = self.check_canonical().await?;
        }
        Ok(())
    }

    /// What is decided but may still change, and what waits without a transaction.
    async fn loose_ends(&mut self) -> Result<LooseEnds, Trouble> {
        let (store, network) = (&self.chain.store, &self.chain.config.network);
        let not_final = store.oldest_not_final(network).await?;
        let leftovers = store.leftovers(network, &self.leftover_after).await?;
        self.leftover_after = leftovers
            .last()
            .map(|row| row.id.clone())
            .unwrap_or_default();
        let mut failed = Vec::new();
        if self.failed_at.is_none_or(|at| at.elapsed() >= FAILED) {
            failed = store.failed_unfinished(network, &self.failed_after).await?;
            self.failed_at = Some(Instant::now());
            self.failed_after = failed.last().map(|row| row.id.clone()).unwrap_or_default();
        }
        Ok(LooseEnds {
            not_final,
            leftovers,
            failed,
        })
    }

    /// Judges every transaction with a confirmed receipt; those without any are returned. One that cannot be judged now does not keep the others
    /// waiting.
    async fn judge_all(
        &self,
        open: Vec<InFlight>,
        receipts: &[Receipt],
        head: &Head,
        confirmed: &Head,
    ) -> Vec<InFlight> {
        let mut missing = Vec::new();
        let mut mined = Vec::new();
        for transaction in open {
            let found = transaction.attempts.iter().rev().find_map(|attempt| {
                receipts
                    .iter()
                    .find(|receipt| receipt.transaction_hash.eq_ignore_ascii_case(&attempt.hash))
            });
            match found {
                Some(receipt) if self.is_confirmed(receipt, head) => {
                    mined.push((transaction, receipt));
                }
                Some(_) => {}
                None => missing.push(transaction),
            }
        }
        // What a receipt proves needs no further question: those who were paid do not wait for the others' searches.
        mined.sort_by_key(|(_, receipt)| !receipt.succeeded());
        for (transaction, receipt) in mined {
            self.chain.hooks.reached(Point::Received).await;
            if let Err(cause) = self.judge(&transaction, receipt, confirmed).await {
                self.tell(&cause);
            }
        }
        missing
    }

    /// The newest head and every receipt that exists for the open transactions, in one request. An answer that is no receipt is none: what that
    /// means is never decided by its absence alone.
    async fn read(&self, open: &[InFlight]) -> Result<(Head, Vec<Receipt>), Error> {
        let mut calls: Vec<Call> = vec![("eth_getBlockByNumber", json!(["latest", false]))];
        let hashes = open
            .iter()
            .flat_map(|transaction| &transaction.attempts)
            .map(|attempt| &attempt.hash);
        calls.extend(hashes.map(|hash| ("eth_getTransactionReceipt", json!([hash]))));
        let answers = self.chain.rpc.batch(calls).await?;
        let head: Head = parse(answers.first())?;
        let receipts = answers
            .iter()
            .skip(1)
            .filter_map(|answer| parse::<Option<Receipt>>(Some(answer)).ok()?);
        Ok((head, receipts.collect()))
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
            .saturating_add(self.chain.config.confirmations.max(1));
        // The including block counts as the first confirmation. A head behind the receipt is another node's.
        head.number().saturating_add(1) >= deep_enough
    }
}
