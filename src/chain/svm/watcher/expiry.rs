//! When a transaction can never land: its blockhash is too old for every endpoint, and none has it in its history. Absence alone proves nothing.

use std::time::{Duration, Instant};

use serde_json::json;

use super::standing::block;
use super::{Trouble, Watcher, signature};
use crate::chain::svm::Error;
use crate::chain::svm::chain::read_work;
use crate::chain::svm::rpc::parse;
use crate::chain::svm::status::{Known, everywhere};
use crate::observe;
use crate::store::{InFlight, Stage, Verdict};

/// Independent endpoints that must say so, where so many are configured.
const WITNESSES: usize = 2;
/// How long they must keep saying so: an address may hide several nodes, one of them behind.
const GRACE: Duration = Duration::from_secs(4);

/// One endpoint's word: the finalized height, read first, and then what it knows.
struct Witness {
    height: u64,
    known: Known,
}

/// What the witnesses say about one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Expired,
    NotProven,
}

impl Watcher {
    /// Ends payments whose transaction can never land any more.
    pub(super) async fn expire(&mut self, missing: &[InFlight]) -> Result<(), Trouble> {
        let is_missing = |id: &String| missing.iter().any(|transaction| &transaction.id == id);
        self.last_valid.retain(|id, _| is_missing(id));
        self.expired_since.retain(|id, _| is_missing(id));
        let late = self.late(missing).await?;
        if late.is_empty() {
            return Ok(());
        }
        let signatures: Vec<String> = late
            .iter()
            .filter_map(|(open, _)| signature(open))
            .collect();
        let endpoints = self.witnesses(&signatures).await;
        for (transaction, last_valid) in late {
            let Some(id) = signature(transaction) else {
                continue;
            };
            if word(&endpoints, &id, last_valid) == Word::NotProven {
                self.expired_since.remove(&transaction.id);
                continue;
            }
            let since = self.expired_since.entry(transaction.id.clone());
            if since.or_insert_with(Instant::now).elapsed() >= GRACE {
                self.end(transaction, last_valid).await?;
            }
        }
        Ok(())
    }

    /// Those that some node calls too old.
    async fn late<'a>(
        &mut self,
        missing: &'a [InFlight],
    ) -> Result<Vec<(&'a InFlight, u64)>, Trouble> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let height: u64 = self.chain.rpc.read("getBlockHeight", finalized()).await?;
        let mut late = Vec::new();
        for transaction in missing {
            let last_valid = self.last_valid(transaction).await?;
            late.extend(
                last_valid
                    .filter(|last| *last < height)
                    .map(|last| (transaction, last)),
            );
        }
        Ok(late)
    }

    async fn last_valid(&mut self, transaction: &InFlight) -> Result<Option<u64>, Trouble> {
        if let Some(known) = self.last_valid.get(&transaction.id) {
            return Ok(Some(*known));
        }
        let mut last: Option<u64> = None;
        for settlement in self.chain.store.carried_by(&transaction.id).await? {
            let (work, _) = read_work(&settlement)?;
            last = last.max(Some(work.last_valid_block_height));
        }
        if let Some(last) = last {
            self.last_valid.insert(transaction.id.clone(), last);
        }
        Ok(last)
    }

    /// Every endpoint's word, `None` for those that could not be asked: each has its place, so that heights and histories are of one node.
    async fn witnesses(&self, signatures: &[String]) -> Vec<Option<Witness>> {
        let heights = self
            .chain
            .rpc
            .ask_all(&[("getBlockHeight", finalized())])
            .await;
        // Only now: what is not in the history of a node past that height never will be.
        let known = everywhere(&self.chain.rpc, signatures).await;
        let witness = |(heights, known): (Result<Vec<_>, Error>, Result<Known, Error>)| {
            let height = parse(heights.ok()?.first()).ok()?;
            Some(Witness {
                height,
                known: known.ok()?,
            })
        };
        heights.into_iter().zip(known).map(witness).collect()
    }

    async fn end(&self, transaction: &InFlight, last_valid: u64) -> Result<(), Trouble> {
        let mut verdicts = Vec::new();
        for settlement in self.chain.store.carried_by(&transaction.id).await? {
            if matches!(settlement.stage, Stage::Submitted { .. }) {
                let block = block(last_valid);
                verdicts.push((settlement.id, Verdict::Expired { block }));
            }
        }
        let store = &self.chain.store;
        if store.replaced(&transaction.id, &verdicts).await? {
            for (id, verdict) in &verdicts {
                observe::concluded(&self.chain.config.network, id, verdict);
            }
        }
        Ok(())
    }
}

/// One endpoint that knows the transaction outweighs all that do not.
fn word(endpoints: &[Option<Witness>], signature: &str, last_valid: u64) -> Word {
    let mut witnesses = endpoints.iter().flatten();
    if witnesses.any(|witness| witness.known.contains_key(signature)) {
        return Word::NotProven;
    }
    let past = endpoints
        .iter()
        .flatten()
        .filter(|witness| witness.height > last_valid);
    if past.count() >= WITNESSES.min(endpoints.len()).max(1) {
        Word::Expired
    } else {
        Word::NotProven
    }
}

fn finalized() -> serde_json::Value {
    json!([{"commitment": "finalized"}])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::svm::status::{Depth, Status};

    fn at(height: u64) -> Witness {
        let known = Known::new();
        Witness { height, known }
    }

    fn knows(height: u64) -> Witness {
        let status = Status {
            slot: 1,
            depth: Depth::Processed,
            error: None,
        };
        let known = Known::from([("id".to_owned(), status)]);
        Witness { height, known }
    }

    #[test]
    fn expiry_needs_witnesses_past_the_height_and_nobody_who_knows_the_transaction() {
        for (endpoints, expected) in [
            (vec![Some(at(101))], Word::Expired),
            (vec![Some(at(100))], Word::NotProven),
            (vec![None], Word::NotProven),
            (vec![], Word::NotProven),
            (vec![Some(knows(101))], Word::NotProven),
            (vec![Some(at(101)), Some(at(101))], Word::Expired),
            (vec![Some(at(101)), None], Word::NotProven),
            (vec![Some(at(101)), Some(at(100))], Word::NotProven),
            (vec![Some(at(101)), Some(at(101)), None], Word::Expired),
            (
                vec![Some(at(101)), Some(at(101)), Some(at(7))],
                Word::Expired,
            ),
            (
                vec![Some(at(101)), Some(at(101)), Some(knows(7))],
                Word::NotProven,
            ),
        ] {
            assert_eq!(word(&endpoints, "id", 100), expected);
        }
    }
}
