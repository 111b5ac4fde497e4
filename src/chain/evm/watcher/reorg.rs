//! Blocks that were taken away, blocks that cannot be any more, and account nonces that somebody else consumed.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use serde_json::json;

use super::guard::Consumption;
use super::{Receipt, Trouble, Watcher};
use crate::chain::evm::Error;
use crate::chain::evm::chain::{Chain, Head, parse, tag};
use crate::chain::evm::lane::simulate::read_work;
use crate::chain::evm::rpc::Call;
use crate::observe;
use crate::protocol::Reason;
use crate::store::{InFlight, NotFinal, Verdict};

/// Blocks compared per round.
const BLOCKS_MAX: usize = 100;
/// An account nonce that one node calls consumed without a receipt of ours is usually that node lagging: how long to wait before asking all.
const REPLACED_GRACE_MILLIS: i64 = 15_000;

impl Watcher {
    /// Compares every block that holds something of ours and is not final with the chain as it is now.
    pub(super) async fn check_canonical(&self, head: &Head) -> Result<(), Trouble> {
        let not_final = self
            .chain
            .store
            .not_final(&self.chain.config.network)
            .await?;
        let canonical = self.canonical(&not_final, head.number()).await?;
        for was in &not_final {
            let hash = canonical.get(&was.block.number);
            if hash.is_some_and(|hash| *hash != was.block.hash) {
                observe::reorged(&self.chain.config.network, &was.hash, was.block.number);
                self.chain.store.unmined(was).await?;
            }
        }
        Ok(())
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
            .collect();
        let canonical = self.canonical(&done, head.number()).await?;
        for was in &done {
            match canonical.get(&was.block.number) {
                Some(hash) if *hash == was.block.hash => self.chain.store.finalise(was).await?,
                Some(_) => {
                    observe::reorged(&self.chain.config.network, &was.hash, was.block.number);
                    self.chain.store.unmined(was).await?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Today's hash of every block number that something of ours is in. A number above the head is reported as taken away.
    async fn canonical(
        &self,
        not_final: &[NotFinal],
        head: u64,
    ) -> Result<BTreeMap<u64, String>, Error> {
        let mut numbers: Vec<u64> = not_final.iter().map(|was| was.block.number).collect();
        numbers.dedup();
        numbers.truncate(BLOCKS_MAX);
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
            match parse::<Option<Head>>(Some(answer))? {
                Some(block) => hashes.insert(*number, block.block().hash),
                None if *number > head => hashes.insert(*number, String::new()),
                None => None,
            };
        }
        Ok(hashes)
    }

    /// Looks for account nonces that were consumed by transactions that are not ours. Two independent nodes must agree, or the consuming block
    /// be final; and no attempt of ours may have a receipt anywhere.
    pub(super) async fn find_replaced(
        &self,
        missing: &[InFlight],
        head: &Head,
    ) -> Result<(), Trouble> {
        let now = self.chain.clock.now().0;
        let mut next_nonces: BTreeMap<&str, u64> = BTreeMap::new();
        for transaction in missing {
            let waited = transaction
                .attempts
                .last()
                .map_or(0, |attempt| now.saturating_sub(attempt.created_at));
            let Ok(signer) = transaction.signer.parse::<Address>() else {
                continue;
            };
            if waited < REPLACED_GRACE_MILLIS {
                continue;
            }
            let next = match next_nonces.get(transaction.signer.as_str()) {
                Some(next) => *next,
                None => self.chain.account_nonce(signer, "latest").await?,
            };
            next_nonces.insert(&transaction.signer, next);
            if next <= transaction.account_nonce || !self.is_replaced(signer, transaction).await? {
                continue;
            }
            let mut verdicts = Vec::new();
            for settlement in self.chain.store.submitted_in(&transaction.id).await? {
                let (_, expect) = read_work(&settlement)?;
                let verdict = match self
                    .consumption(&settlement, &expect, &head.block())
                    .await?
                {
                    Consumption::Paid {
                        transaction,
                        block,
                        log_index,
                    } => Verdict::Elsewhere {
                        transaction,
                        block,
                        log_index,
                    },
                    Consumption::Cancelled => Verdict::Failed {
                        reason: Reason::InvalidExactEvmNonceAlreadyUsed,
                        message: Some("the authorization was consumed without paying".to_owned()),
                        transaction: None,
                        block: Some(head.block()),
                    },
                    Consumption::Unused => self.requeue(&settlement),
                    // Not proven, so nothing is said about any payment in it.
                    Consumption::Unknown => return Ok(()),
                };
                verdicts.push((settlement.id, verdict));
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
                    transaction.account_nonce,
                );
            }
        }
        Ok(())
    }

    async fn is_replaced(&self, signer: Address, transaction: &InFlight) -> Result<bool, Trouble> {
        let is_final = consumed(&self.chain, signer, "finalized", transaction.account_nonce).await;
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
            if count.to::<u64>() > transaction.account_nonce {
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
