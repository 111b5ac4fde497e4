//! Whether what landed stays: finality closes it, a fork that loses opens it again.

use std::time::{Duration, Instant};

use super::{Trouble, Watcher};
use crate::chain::svm::status::{Ask, Depth, Status, everywhere, statuses};
use crate::observe;
use crate::store::{Block, NotFinal, Stage};

/// How long a mined transaction must be found nowhere before it counts as dropped.
const GRACE: Duration = Duration::from_secs(4);

/// What becomes of a mined transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Final,
    /// In the block that is on record, which may still go.
    Stays,
    /// In another block now.
    Moved,
    /// This node does not know it.
    Unknown,
}

/// A slot names its block: two confirmed blocks of one slot would be two chains.
pub(super) fn block(slot: u64) -> Block {
    Block {
        number: slot,
        hash: slot.to_string(),
    }
}

impl Watcher {
    /// Closes what is finalized, and opens what a fork took away.
    pub(super) async fn finalise(&mut self, not_final: Vec<NotFinal>) -> Result<(), Trouble> {
        let is_waiting = |id: &String| not_final.iter().any(|was| &was.transaction_id == id);
        self.gone_since.retain(|id, _| is_waiting(id));
        let signatures: Vec<String> = not_final.iter().map(|was| was.hash.clone()).collect();
        let known = statuses(&self.chain.rpc, &signatures, Ask::History).await?;
        let mut unknown = Vec::new();
        for was in not_final {
            match standing(&was, known.get(&was.hash)) {
                Standing::Final => self.close(&was).await?,
                Standing::Moved => self.open_again(&was).await?,
                Standing::Unknown => {
                    unknown.push(was);
                    continue;
                }
                Standing::Stays => {}
            }
            self.gone_since.remove(&was.transaction_id);
        }
        self.look_everywhere(unknown).await
    }

    /// A node that lags knows nothing of what is confirmed: only when no endpoint knows it, for a while, was it dropped.
    async fn look_everywhere(&mut self, unknown: Vec<NotFinal>) -> Result<(), Trouble> {
        if unknown.is_empty() {
            return Ok(());
        }
        let signatures: Vec<String> = unknown.iter().map(|was| was.hash.clone()).collect();
        let answers = everywhere(&self.chain.rpc, &signatures).await;
        let answers: Vec<_> = answers.into_iter().flatten().collect();
        for was in unknown {
            let is_unknown = |known: &super::super::status::Known| {
                standing(&was, known.get(&was.hash)) == Standing::Unknown
            };
            if answers.is_empty() || !answers.iter().all(is_unknown) {
                self.gone_since.remove(&was.transaction_id);
                continue;
            }
            let since = self.gone_since.entry(was.transaction_id.clone());
            if since.or_insert_with(Instant::now).elapsed() >= GRACE {
                self.open_again(&was).await?;
            }
        }
        Ok(())
    }

    async fn close(&self, was: &NotFinal) -> Result<(), Trouble> {
        let store = &self.chain.store;
        store.finalise(was).await?;
        for settlement in store.carried_by(&was.transaction_id).await? {
            if matches!(settlement.stage, Stage::Failed { .. }) {
                store.finish_failed(&settlement.id).await?;
            }
        }
        Ok(())
    }

    async fn open_again(&self, was: &NotFinal) -> Result<(), Trouble> {
        observe::reorged(&self.chain.config.network, &was.hash, was.block.number);
        Ok(self.chain.store.unmined(was).await?)
    }
}

fn standing(was: &NotFinal, status: Option<&Status>) -> Standing {
    match status {
        Some(status) if status.depth < Depth::Confirmed => Standing::Unknown,
        Some(status) if status.slot != was.block.number => Standing::Moved,
        Some(status) if status.depth == Depth::Finalized => Standing::Final,
        Some(_) => Standing::Stays,
        None => Standing::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_recorded_block_becomes_final() {
        let was = NotFinal {
            transaction_id: "t".to_owned(),
            hash: "id".to_owned(),
            block: block(7),
        };
        let at = |slot, depth| Status {
            slot,
            depth,
            error: None,
        };
        for (status, expected) in [
            (Some(at(7, Depth::Finalized)), Standing::Final),
            (Some(at(7, Depth::Confirmed)), Standing::Stays),
            (Some(at(7, Depth::Processed)), Standing::Unknown),
            (Some(at(8, Depth::Finalized)), Standing::Moved),
            (Some(at(8, Depth::Confirmed)), Standing::Moved),
            (Some(at(8, Depth::Processed)), Standing::Unknown),
            (None, Standing::Unknown),
        ] {
            assert_eq!(standing(&was, status.as_ref()), expected, "{status:?}");
        }
    }
}
