//! What became of a session's batch. Nothing on chain says that a `transferFrom` happened once, so only our own transaction at its account nonce
//! does: it paid, or it is final and did not. Everything else stays open, and never is another one sent for it by the lane.

use serde_json::json;

use super::judge::payment_log;
use super::standing::{Standing, failed};
use super::{Receipt, Trouble, Watcher};
use crate::chain::evm::lane::simulate::read_work;
use crate::chain::evm::work::{Expect, Guard};
use crate::protocol::Reason;
use crate::store::{Block, Carrier, Role, Settlement, Verdict};

/// A batch's transaction that cannot change any more.
struct Ended {
    hash: String,
    block: Block,
    role: Role,
}

impl Watcher {
    /// Never [`Standing::Live`]: the queue is no way back for a batch.
    pub(super) async fn standing_of_batch(
        &self,
        settlement: &Settlement,
        expect: &Expect,
    ) -> Result<Standing, Trouble> {
        let carriers = self.chain.store.carriers(&settlement.id).await?;
        let Some(ended) = ended(carriers) else {
            return Ok(Standing::Unclear);
        };
        let mut standing = Standing::Unclear;
        // What is decided here may be charged again: the receipts are read once more, all of them.
        for Ended { hash, block, role } in ended {
            let receipt: Option<Receipt> = self
                .chain
                .rpc
                .read("eth_getTransactionReceipt", json!([hash]))
                .await?;
            let Some(receipt) = receipt.filter(|receipt| receipt.block().hash == block.hash) else {
                return Ok(Standing::Unclear);
            };
            let paid = receipt
                .succeeded()
                .then(|| payment_log(&receipt.logs, expect))
                .flatten();
            if let Some(log_index) = paid {
                return Ok(Standing::Decided(Verdict::Settled {
                    transaction: receipt.transaction_hash,
                    block,
                    log_index,
                }));
            }
            let message = match role {
                Role::Payment | Role::Permit if receipt.succeeded() => {
                    "the transaction succeeded without the expected transfer"
                }
                Role::Payment | Role::Permit => "the transaction reverted",
                Role::Noop => "the transaction was given up",
            };
            let reason = Reason::InvalidTransactionState;
            standing = Standing::Decided(failed(reason, message, Some(&hash), Some(block)));
        }
        Ok(standing)
    }
}

/// Whether a settlement is a session's batch.
pub(super) fn is_batch(settlement: &Settlement) -> bool {
    read_work(settlement).is_ok_and(|(_, expect)| matches!(expect.guard, Guard::Session { .. }))
}

/// Every transaction of a batch, once all of them are in final blocks. `None` while one is not, when the account nonce of one was consumed by
/// somebody else, or when there are none.
fn ended(carriers: Vec<Carrier>) -> Option<Vec<Ended>> {
    let ended = carriers.into_iter().map(|carrier| match carrier {
        Carrier::Mined {
            hash,
            block,
            role,
            is_final: true,
        } => Some(Ended { hash, block, role }),
        Carrier::Mined { .. } | Carrier::Open | Carrier::Replaced => None,
    });
    let ended: Vec<Ended> = ended.collect::<Option<_>>()?;
    (!ended.is_empty()).then_some(ended)
}
