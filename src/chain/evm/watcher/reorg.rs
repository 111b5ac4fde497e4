//! Blocks that were taken away, blocks that cannot be any more, and account nonces that somebody else consumed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alloy::primitives::Address;
use serde_json::json;

use super::judge::is_active;
use super::standing::Standing;
use super::{Receipt, Trouble, Watcher};
use crate::chain::evm::Error;
use crate::chain::evm::chain::{Chain, Head, parse, tag};
use crate::chain::evm::rpc::Call;
use crate::clock::UnixMillis;
use crate::observe;
use crate::store::{InFlight, NotFinal};

/// Blocks compared per round.
const BLOCKS_MAX: usize = 100;
/// An account nonce that one node calls consumed without a receipt of ours is usually that node lagging: how long it must stay so.
const REPLACED_GRACE: Duration = Duration::from_secs(15);

/// An account nonce found consumed by none of our attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConsumedElsewhere {
    since: Instant,
    /// Whether it was told that nothing could be decided about its payments.
    is_told: bool,
}

/// Whether a transaction that cannot be included any more leaves payments that nobody can decide about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undecided {
    None,
    Stays,
}

impl Watcher {
    /// Compares the blocks that hold something of ours and are not final with the chain as it is now, newest first. False when the node does
    /// not have some of them: it may only be behind, so nothing is taken back and the comparison has to be repeated.
    pub(super) async fn check_canonical(&self) -> Result<bool, Trouble> {
        let network = &self.chain.config.network;
        let not_final = self.chain.store.newest_not_final(network).await?;
        let mut is_complete = true;
        for some in not_final.chunks(BLOCKS_MAX) {
            let canonical = self.canonical(some).await?;
            let mut stands = false;
            for was in some {
                match canonical.get(&was.block.number) {
                    Some(hash) if *hash == was.block.hash => stands = true,
                    Some(_) if self.is_taken_away(was).await? => {
                        observe::reorged(network, &was.hash, was.block.number);
                        self.chain.store.unmined(was).await?;
                    }
                    Some(_) | None => is_complete = false,
                }
            }
            // What a block that stands was built on stands as well.
            if stands {
                break;
            }
        }
        Ok(is_complete)
    }

    /// Closes what the node calls final, after one last comparison.
    pub(super) async fn finalise(
        &self,
        not_final: Vec<NotFinal>,
        head: &Head,
    ) -> Result<(), Trouble> {
        if not_final.is_empty() {
            return Ok(());
        }
        let finalized: Result<Option<Head>, Error> = self
            .chain
            .rpc
            .read("eth_getBlockByNumber", json!(["finalized", false]))
            .await;
        let by_depth = head
            .number()
            .saturating_sub(self.chain.config.finality_depth);
        let last_final = match finalized {
            Ok(Some(block)) => block.number(),
            Ok(None) | Err(Error::Refused { .. }) => by_depth,
            Err(cause @ Error::Unavailable(_)) => return Err(cause.into()),
        };
        let done: Vec<NotFinal> = not_final
            .into_iter()
            .filter(|was| was.block.number <= last_final)
            .take(BLOCKS_MAX)
            .collect();
        let canonical = self.canonical(&done).await?;
        for was in &done {
            match canonical.get(&was.block.number) {
                Some(hash) if *hash == was.block.hash => self.chain.store.finalise(was).await?,
                Some(_) if self.is_taken_away(was).await? => {
                    observe::reorged(&self.chain.config.network, &was.hash, was.block.number);
                    self.chain.store.unmined(was).await?;
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Whether the receipt, too, is not in that block any more. A header that differs while the receipt stays is a node contradicting itself.
    async fn is_taken_away(&self, was: &NotFinal) -> Result<bool, Error> {
        let receipt: Option<Receipt> = self
            .chain
            .rpc
            .read("eth_getTransactionReceipt", json!([was.hash]))
            .await?;
        Ok(receipt.is_none_or(|receipt| receipt.block().hash != was.block.hash))
    }

    /// Today's hash of every block number that something of ours is in, as far as the node has them.
    async fn canonical(&self, not_final: &[NotFinal]) -> Result<BTreeMap<u64, String>, Error> {
        let mut numbers: Vec<u64> = not_final.iter().map(|was| was.block.number).collect();
        numbers.dedup();
        if numbers.is_empty() {
            return Ok(BTreeMap::new());
        }
        let calls: Vec<Call> = numbers
            .iter()
            .map(|number| ("eth_getBlockByNumber", json!([tag(*number), false])))
            .collect();
        let answers = self.chain.rpc.batch(calls).await?;
        let mut hashes = BTreeMap::new();
        for (number, answer) in numbers.iter().zip(&answers) {
            if let Some(block) = parse::<Option<Head>>(Some(answer))? {
                hashes.insert(*number, block.block().hash);
            }
        }
        Ok(hashes)
    }

    /// Looks for account nonces that were consumed by transactions that are not ours. Two independent nodes must agree, or the consuming block
    /// be final; and no attempt of ours may have a receipt anywhere.
    pub(super) async fn find_replaced(&mut self, missing: &[InFlight]) {
        let is_open = |id: &String| missing.iter().any(|transaction| &transaction.id == id);
        self.consumed_since.retain(|id, _| is_open(id));
        for transaction in missing {
            // Each by itself: one that cannot be asked about does not keep the others open.
            if let Err(trouble) = self.look_for_replacement(transaction).await {
                self.tell(&trouble);
            }
        }
    }

    async fn look_for_replacement(&mut self, transaction: &InFlight) -> Result<(), Trouble> {
        if !self.is_late(transaction) || !self.is_replaced(transaction).await? {
            self.consumed_since.remove(&transaction.id);
            return Ok(());
        }
        let seen = self.consumed_since.entry(transaction.id.clone());
        let seen = *seen.or_insert_with(|| ConsumedElsewhere {
            since: Instant::now(),
            is_told: false,
        });
        let is_due = seen.since.elapsed() >= REPLACED_GRACE;
        if is_due && self.replace(transaction).await? == Undecided::Stays && !seen.is_told {
            let network = &self.chain.config.network;
            observe::stuck(network, &transaction.signer, transaction.account_nonce);
            self.consumed_since.insert(
                transaction.id.clone(),
                ConsumedElsewhere {
                    is_told: true,
                    ..seen
                },
            );
        }
        Ok(())
    }

    /// Ends a transaction that cannot be included any more. Nonce and guards are read at one block, so that no attempt can have landed in between.
    async fn replace(&self, transaction: &InFlight) -> Result<Undecided, Trouble> {
        let Some(account_nonce) = transaction.account_nonce else {
            return Ok(Undecided::None);
        };
        let head: Head = self
            .chain
            .rpc
            .read("eth_getBlockByNumber", json!(["latest", false]))
            .await?;
        let head = self.confirmed(&head).await?;
        let at = json!({"blockHash": head.block().hash, "requireCanonical": true});
        let count: alloy::primitives::U64 = self
            .chain
            .rpc
            .read("eth_getTransactionCount", json!([transaction.signer, at]))
            .await?;
        if count.to::<u64>() <= account_nonce {
            return Ok(Undecided::None);
        }
        let mut verdicts = Vec::new();
        for settlement in self.chain.store.carried_by(&transaction.id).await? {
            if !is_active(transaction, &settlement) {
                continue;
            }
            match self.standing(&settlement, &head).await {
                Standing::Decided(verdict) => verdicts.push((settlement.id, verdict)),
                Standing::Live => verdicts.push((settlement.id, self.requeue())),
                // Not proven, so nothing is said about any payment in it.
                Standing::Unclear => return Ok(Undecided::Stays),
            }
        }
        if self
            .chain
            .store
            .replaced(&transaction.id, &verdicts)
            .await?
        {
            observe::replaced(
                &self.chain.config.network,
                &transaction.signer,
                account_nonce,
            );
        }
        Ok(Undecided::None)
    }

    /// Whether a transaction waits longer than transactions do.
    fn is_late(&self, transaction: &InFlight) -> bool {
        let now = self.chain.clock.now();
        let first = transaction.attempts.first();
        first.is_some_and(|attempt| {
            UnixMillis(attempt.created_at).until(now) >= self.chain.config.bump_after
        })
    }

    async fn is_replaced(&self, transaction: &InFlight) -> Result<bool, Trouble> {
        let (Ok(signer), Some(account_nonce)) = (
            transaction.signer.parse::<Address>(),
            transaction.account_nonce,
        ) else {
            return Ok(false);
        };
        let is_final = consumed(&self.chain, signer, "finalized", account_nonce).await;
        let mut calls: Vec<Call> = vec![("eth_getTransactionCount", json!([signer, "latest"]))];
        calls.extend(
            transaction
                .attempts
                .iter()
                .map(|attempt| ("eth_getTransactionReceipt", json!([attempt.hash]))),
        );
        let mut witnesses = 0;
        for answers in self.chain.rpc.ask_all(&calls).await {
            let Ok(answers) = answers else { continue };
            let Ok(count) = parse::<alloy::primitives::U64>(answers.first()) else {
                continue;
            };
            for answer in answers.get(1..).unwrap_or_default() {
                // A receipt, or an answer that might have been one.
                if !matches!(parse::<Option<Receipt>>(Some(answer)), Ok(None)) {
                    return Ok(false);
                }
            }
            if count.to::<u64>() > account_nonce {
                witnesses += 1;
            }
        }
        Ok(witnesses >= 2 || (witnesses >= 1 && is_final))
    }
}

async fn consumed(chain: &Chain, signer: Address, tag: &str, account_nonce: u64) -> bool {
    chain
        .account_nonce(signer, tag)
        .await
        .is_ok_and(|next| next > account_nonce)
}
