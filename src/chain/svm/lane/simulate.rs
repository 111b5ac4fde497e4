//! The last look before signing: the message exactly as it will be signed, with slot 0 empty. A signed one would be out of our hands before it is
//! on record.

use futures::TryFutureExt;
use serde_json::Value;
use solana_hash::Hash;
use solana_message::v0::MessageAddressTableLookup;
use solana_signature::Signature;

use super::Lane;
use crate::chain::svm::chain::{in_version, read_work};
use crate::chain::svm::cost;
use crate::chain::svm::ledger::{Account, Ledger, NotLoaded, Simulation, Trial};
use crate::chain::svm::transaction::Transaction;
use crate::chain::svm::work::{Expect, Kind, Work};
use crate::observe;
use crate::protocol::Reason;
use crate::store::{self, Settlement};

/// Fewer blocks than this left, and a transaction may not land any more. The height in a row is an upper bound, so it is no small number.
const LEAST_LIFE: u64 = 40;
/// Where a token account keeps its amount.
const AMOUNT_AT: std::ops::Range<usize> = 64..72;

/// A claimed payment as it was read from its row.
pub(super) struct Claimed {
    pub(super) settlement: Settlement,
    pub(super) work: Work,
    expect: Expect,
    trial: Trial,
    blockhash: Hash,
    lookups: Vec<MessageAddressTableLookup>,
    /// The most that it costs, lamports.
    pub(super) cost: u64,
}

/// What a last look says.
pub(super) enum Look {
    /// It would pay; the source held so much before.
    Ready { balance: u64 },
    /// It cannot pay any more.
    Refused { reason: Reason, message: String },
    /// The fee payer cannot pay: nothing is said about the payment.
    Purse,
    /// Could not be asked.
    Unclear,
}

/// What a simulation's error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Payment,
    /// It has landed already, and we have not sent it: somebody else has our key, or our database is not the only one.
    Done,
    Purse,
}

impl Lane {
    /// A row that cannot be read is given up: it must not stand in the way of the others.
    pub(super) async fn read_rows(&self, rows: Vec<Settlement>) -> store::Result<Vec<Claimed>> {
        let mut claimed = Vec::with_capacity(rows.len());
        for settlement in rows {
            match read_row(&settlement, &self.address) {
                Ok((work, expect, transaction)) => claimed.push(Claimed {
                    trial: trial(&work, &expect, &transaction),
                    cost: cost::of(&transaction),
                    blockhash: transaction.blockhash().clone(),
                    lookups: transaction.lookups().to_vec(),
                    settlement,
                    work,
                    expect,
                }),
                Err(cause) => {
                    observe::store_trouble(&cause);
                    self.chain
                        .store
                        .release(&settlement.id, Reason::UnexpectedSettleError, None)
                        .await?;
                }
            }
        }
        Ok(claimed)
    }

    pub(super) async fn look(&self, claimed: &Claimed) -> Look {
        let reads = &self.chain.reads;
        let asked = futures::try_join!(
            reads
                .simulate(&claimed.trial)
                .map_err(NotLoaded::Unavailable),
            reads
                .validity(&claimed.blockhash)
                .map_err(NotLoaded::Unavailable),
            self.still_loads(claimed),
        );
        let (simulation, validity) = match asked {
            Ok((simulation, validity, true)) => (simulation, validity),
            Ok((_, _, false)) => return unloaded("a lookup table has changed".to_owned()),
            Err(NotLoaded::Unusable(why)) => return unloaded(why),
            Err(NotLoaded::Unavailable(cause)) => {
                observe::chain_trouble(&self.chain.config.network, &cause);
                return Look::Unclear;
            }
        };
        let needed = validity.block_height.saturating_add(LEAST_LIFE);
        let is_old = validity.blocks_left() < LEAST_LIFE;
        if is_old || claimed.work.last_valid_block_height < needed {
            return claimed.refused("the blockhash has too little life left".to_owned());
        }
        let Some(error) = &simulation.error else {
            return match balance_before(&simulation, &claimed.expect) {
                Some(balance) => Look::Ready { balance },
                None => Look::Unclear,
            };
        };
        match trouble(error) {
            Trouble::Purse => Look::Purse,
            Trouble::Done => Look::Refused {
                reason: Reason::DuplicateSettlement,
                message: "this transaction has landed already".to_owned(),
            },
            Trouble::Payment if reads.all_refuse(&claimed.trial).await => {
                claimed.refused(format!("Simulation failed: {error}"))
            }
            Trouble::Payment => Look::Unclear,
        }
    }
}

impl Lane {
    /// Whether the lookup tables still hold what was judged: on another fork they may have been filled in another way.
    async fn still_loads(&self, claimed: &Claimed) -> Result<bool, NotLoaded> {
        if claimed.lookups.is_empty() {
            return Ok(true);
        }
        let loaded = self.chain.reads.load(&claimed.lookups).await?;
        Ok(loaded == claimed.work.loaded)
    }
}

impl Claimed {
    fn refused(&self, message: String) -> Look {
        let v2 = match self.work.kind {
            Kind::Transfer => Reason::InvalidExactSvmTransactionSimulationFailed,
            Kind::SmartWallet => Reason::InvalidExactSvmSmartWalletSimulationFailed,
        };
        let reason = in_version(&self.settlement, v2, Reason::TransactionSimulationFailed);
        Look::Refused { reason, message }
    }
}

fn unloaded(message: String) -> Look {
    let reason = Reason::InvalidExactSvmAltResolutionFailed;
    Look::Refused { reason, message }
}

fn read_row(settlement: &Settlement, address: &str) -> store::Result<(Work, Expect, Transaction)> {
    let (work, expect) = read_work(settlement)?;
    let impossible =
        |why: &str| store::Error::Inconsistent(format!("work of {}: {why}", settlement.id));
    let transaction = Transaction::decode(&work.wire(&Signature::default()))
        .and_then(|transaction| transaction.load(&work.loaded))
        .map_err(impossible)?;
    // What we sign is what account 0 says, whatever the row says beside it.
    if transaction.fee_payer().to_string() != address {
        return Err(impossible("another fee payer"));
    }
    Ok((work, expect, transaction))
}

fn trial(work: &Work, expect: &Expect, transaction: &Transaction) -> Trial {
    Trial {
        wire: work.wire(&Signature::default()),
        keys: transaction.keys().to_vec(),
        accounts: vec![expect.source],
    }
}

/// What the payer's account held before the transfer: what it holds after it, and the amount.
fn balance_before(simulation: &Simulation, expect: &Expect) -> Option<u64> {
    let Account { data, .. } = simulation.accounts.first()?.as_ref()?;
    let after = data.get(AMOUNT_AT)?.try_into().ok()?;
    u64::from_le_bytes(after).checked_add(expect.amount)
}

fn trouble(error: &Value) -> Trouble {
    match error.as_str() {
        Some("AlreadyProcessed") => return Trouble::Done,
        Some("AccountNotFound" | "InsufficientFundsForFee" | "InvalidAccountForFee") => {
            return Trouble::Purse;
        }
        Some(_) | None => {}
    }
    if error["InsufficientFundsForRent"]["account_index"] == 0 {
        Trouble::Purse
    } else {
        Trouble::Payment
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_the_fee_payers_troubles_from_the_payments() {
        for (error, about) in [
            (json!("AlreadyProcessed"), Trouble::Done),
            (json!("AccountNotFound"), Trouble::Purse),
            (json!("InsufficientFundsForFee"), Trouble::Purse),
            (
                json!({"InsufficientFundsForRent": {"account_index": 0}}),
                Trouble::Purse,
            ),
            (
                json!({"InsufficientFundsForRent": {"account_index": 1}}),
                Trouble::Payment,
            ),
            (json!("BlockhashNotFound"), Trouble::Payment),
            (
                json!({"InstructionError": [2, {"Custom": 1}]}),
                Trouble::Payment,
            ),
        ] {
            assert_eq!(trouble(&error), about, "{error}");
        }
    }
}
