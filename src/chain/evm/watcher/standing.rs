//! Where a payment stands on chain when no receipt of ours pays it: one decision for every place that has to make it.

use std::time::Duration;

use super::guard::Consumption;
use super::session::is_batch;
use super::{Trouble, Watcher, codes};
use crate::chain::evm::chain::Head;
use crate::chain::evm::lane::simulate::read_work;
use crate::chain::evm::work::{Expect, Guard};
use crate::clock::UnixMillis;
use crate::observe;
use crate::protocol::Reason;
use crate::store::{Block, InFlight, Settlement, Stage, Verdict};

/// How long a payment that goes back into the queue is waited for there.
const REQUEUE_FOR: Duration = Duration::from_secs(20);
/// A payment that found no way for so long is told as failed, and watched.
const GIVE_UP_AFTER: Duration = Duration::from_hours(24);

/// How long a consumed authorization is searched for before its lack of a trace is believed.
const TRACE_PATIENCE: Duration = Duration::from_mins(2);

/// What the chain's guard says about a payment at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Decided(Verdict),
    /// Not consumed, and its window is open.
    Live,
    /// Nothing is proven now.
    Unclear,
}

impl Watcher {
    /// Decides by the guard, pinned to a confirmed block. Failures to ask are told and leave the standing unclear.
    pub(super) async fn standing(&self, settlement: &Settlement, at: &Head) -> Standing {
        let Ok((_, expect)) = read_work(settlement) else {
            return Standing::Unclear;
        };
        if matches!(expect.guard, Guard::Session { .. }) {
            let standing = self.standing_of_batch(settlement, &expect).await;
            return standing.unwrap_or_else(|cause| {
                self.tell(&cause);
                Standing::Unclear
            });
        }
        let consumption = match self.consumption(settlement, &expect, &at.block()).await {
            Ok(consumption) => consumption,
            Err(cause) => {
                self.tell(&cause);
                return Standing::Unclear;
            }
        };
        let is_over = settlement.expires_at <= i64::try_from(at.timestamp()).unwrap_or(i64::MAX);
        let consumed =
            |message: &str| failed(codes::consumed(&expect), message, None, Some(at.block()));
        match consumption {
            Consumption::Unused if is_over => {
                Standing::Decided(Verdict::Expired { block: at.block() })
            }
            Consumption::Unused => Standing::Live,
            Consumption::Paid { transaction, block } => {
                Standing::Decided(Verdict::Elsewhere { transaction, block })
            }
            Consumption::Ours {
                transaction,
                block,
                log_index: Some(log_index),
            } => Standing::Decided(Verdict::Settled {
                transaction,
                block,
                log_index,
            }),
            Consumption::Ours {
                transaction,
                block,
                log_index: None,
            } => Standing::Decided(in_vain(&expect, &transaction, block)),
            Consumption::Cancelled => {
                Standing::Decided(consumed("the authorization was consumed without paying"))
            }
            // Consumed for good, and a complete search by a node that has the block found nothing that paid. Our own receipts had time to come.
            Consumption::Traceless if is_over || self.age(settlement) >= TRACE_PATIENCE => {
                Standing::Decided(consumed("the authorization was consumed without a trace"))
            }
            Consumption::Unknown if is_over && self.age(settlement) >= GIVE_UP_AFTER => {
                Standing::Decided(consumed(
                    "the authorization was consumed, by whom was not found",
                ))
            }
            Consumption::Traceless | Consumption::Unknown => Standing::Unclear,
        }
    }

    /// Concludes what waits without an open transaction of its own: left over by a receipt that could not be judged, or by a replaced transaction.
    pub(super) async fn decide_leftovers(
        &self,
        leftovers: Vec<Settlement>,
        at: &Head,
    ) -> Result<(), Trouble> {
        for settlement in leftovers {
            let is_queued = matches!(settlement.stage, Stage::Queued { .. });
            let Ok((_, expect)) = read_work(&settlement) else {
                continue;
            };
            let verdict = match self.standing(&settlement, at).await {
                Standing::Decided(verdict) => verdict,
                Standing::Live if self.age(&settlement) >= GIVE_UP_AFTER => {
                    failed(codes::unpaid(&expect), "given up after a day", None, None)
                }
                Standing::Live if !is_queued => self.requeue(),
                Standing::Live | Standing::Unclear => continue,
            };
            self.conclude(&settlement, &verdict).await?;
            // A batch fails only for good.
            if is_batch(&settlement) && matches!(verdict, Verdict::Failed { .. }) {
                self.chain.store.finish_failed(&settlement.id).await?;
            }
        }
        Ok(())
    }

    /// Ends payments whose window a confirmed block is past.
    pub(super) async fn expire(&self, missing: &[InFlight], at: &Head) -> Result<(), Trouble> {
        let now = i64::try_from(at.timestamp()).unwrap_or(i64::MAX);
        for transaction in missing
            .iter()
            .filter(|open| open.live_until.is_some_and(|until| until <= now))
        {
            for settlement in self.chain.store.carried_by(&transaction.id).await? {
                let is_waiting = matches!(settlement.stage, Stage::Submitted { .. });
                if !is_waiting || settlement.expires_at > now {
                    continue;
                }
                if let Standing::Decided(verdict) = self.standing(&settlement, at).await {
                    self.conclude(&settlement, &verdict).await?;
                }
            }
        }
        Ok(())
    }

    /// Failed payments whose authorization still lives may be paid by somebody else: watched to the end of their validity.
    pub(super) async fn watch_failed(
        &self,
        rows: Vec<Settlement>,
        at: &Head,
    ) -> Result<(), Trouble> {
        for settlement in rows {
            match self.standing(&settlement, at).await {
                Standing::Decided(
                    verdict @ (Verdict::Settled { .. } | Verdict::Elsewhere { .. }),
                ) => {
                    self.conclude(&settlement, &verdict).await?;
                }
                Standing::Decided(
                    Verdict::Failed { .. } | Verdict::Expired { .. } | Verdict::Requeue { .. },
                ) => {
                    self.chain.store.finish_failed(&settlement.id).await?;
                }
                Standing::Live | Standing::Unclear => {}
            }
        }
        Ok(())
    }

    async fn conclude(&self, settlement: &Settlement, verdict: &Verdict) -> Result<(), Trouble> {
        self.chain.store.conclude(settlement, verdict).await?;
        observe::concluded(&self.chain.config.network, &settlement.id, verdict);
        Ok(())
    }

    pub(super) fn requeue(&self) -> Verdict {
        Verdict::Requeue {
            deadline: self.chain.clock.now().plus(REQUEUE_FOR),
        }
    }

    fn age(&self, settlement: &Settlement) -> Duration {
        UnixMillis(settlement.created_at).until(self.chain.clock.now())
    }
}

pub(super) fn failed(
    reason: Reason,
    message: &str,
    transaction: Option<&str>,
    block: Option<Block>,
) -> Verdict {
    Verdict::Failed {
        reason,
        message: Some(message.to_owned()),
        transaction: transaction.map(ToOwned::to_owned),
        block,
    }
}

/// Our own transaction consumed the authorization and nothing arrived.
pub(super) fn in_vain(expect: &Expect, transaction: &str, block: Block) -> Verdict {
    let message = "the transaction consumed the authorization without the expected transfer";
    failed(
        codes::in_vain(expect),
        message,
        Some(transaction),
        Some(block),
    )
}
