//! From landed transactions to verdicts.

use serde::Deserialize;
use serde_json::{Value, json};
use solana_pubkey::Pubkey;

use super::standing::block;
use super::{LATE, Trouble, Watcher};
use crate::chain::svm::Error;
use crate::chain::svm::chain::{in_version, read_work};
use crate::chain::svm::effect::{Effect, read_inner};
use crate::chain::svm::landed::{Landed, Landing, judge};
use crate::chain::svm::status::Status;
use crate::chain::svm::transaction::Transaction;
use crate::chain::svm::work::Kind;
use crate::observe;
use crate::protocol::Reason;
use crate::store::{self, Attempt, Block, InFlight, Mined, Settlement, Stage, Verdict};

/// A transaction has one payment: its proof is the transaction as a whole.
const PROOF_INDEX: u64 = 0;
const WEI_PER_GWEI: u128 = 1_000_000_000;

/// What is known about a landed transaction besides its status.
#[derive(Debug, Clone, Copy)]
enum Told<'a> {
    /// Nodes index what is confirmed a little later.
    NotYet,
    /// `None` from nodes without a history.
    Meta(Option<&'a Meta>),
}

/// A transaction as a node tells it, as much as we use.
#[derive(Debug, Deserialize)]
struct Seen {
    slot: u64,
    meta: Option<Meta>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    err: Option<Value>,
    fee: u64,
    compute_units_consumed: Option<u64>,
    #[serde(default)]
    inner_instructions: Value,
    loaded_addresses: Option<Loaded>,
    pre_token_balances: Option<Vec<TokenBalance>>,
    post_token_balances: Option<Vec<TokenBalance>>,
}

/// What lookup tables held.
#[derive(Debug, Deserialize)]
struct Loaded {
    writable: Vec<String>,
    readonly: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenBalance {
    account_index: usize,
    mint: String,
    ui_token_amount: TokenAmount,
}

#[derive(Debug, Deserialize)]
struct TokenAmount {
    amount: String,
}

impl Watcher {
    /// Notes a confirmed transaction together with what it proves about its payment. Nothing is noted while anything is unproven.
    pub(super) async fn judge(
        &self,
        transaction: &InFlight,
        status: &Status,
    ) -> Result<(), Trouble> {
        let Some(attempt) = transaction.attempts.last() else {
            return Ok(());
        };
        let seen = self.read(attempt).await?;
        let meta = seen.as_ref().and_then(|seen| seen.meta.as_ref());
        let slot = seen.as_ref().map_or(status.slot, |seen| seen.slot);
        let error = match meta {
            Some(meta) => meta.err.clone(),
            None => status.error.clone(),
        };
        // A node that keeps no history: what succeeded is what we signed, and after a while that has to do.
        let told = if meta.is_none() && self.age(transaction) < LATE {
            Told::NotYet
        } else {
            Told::Meta(meta)
        };
        let mut verdicts = Vec::new();
        let settlements = self.chain.store.carried_by(&transaction.id).await?;
        for settlement in &settlements {
            if !is_open(settlement) {
                continue;
            }
            let landing = landing(settlement, attempt, told, error.clone())?;
            let Some(verdict) = verdict(settlement, attempt, &landing, block(slot)) else {
                return Ok(());
            };
            verdicts.push((settlement.id.clone(), verdict));
        }
        let fee = meta.map_or(attempt.max_fee, |meta| u128::from(meta.fee));
        let mined = Mined {
            transaction_id: transaction.id.clone(),
            hash: attempt.hash.clone(),
            block: block(slot),
            succeeded: error.is_none(),
            gas_used: meta
                .and_then(|meta| meta.compute_units_consumed)
                .unwrap_or(0),
            gas_price: 0,
            // The whole fee, in lamports; spending is kept in billionths of the native coin.
            l1_fee: fee.saturating_mul(WEI_PER_GWEI),
        };
        if self.chain.store.mined(&mined, &verdicts).await? {
            observe::mined(observe::Landing {
                network: &self.chain.config.network,
                transaction,
                mined: &mined,
                settlements: &settlements,
                verdicts: &verdicts,
                now: self.chain.clock.now(),
            });
        }
        Ok(())
    }

    async fn read(&self, attempt: &Attempt) -> Result<Option<Seen>, Error> {
        let config = json!({
            "encoding": "base64",
            "commitment": "confirmed",
            "maxSupportedTransactionVersion": 0,
        });
        let params = json!([attempt.hash, config]);
        match self.chain.rpc.read("getTransaction", params).await {
            // It has no history.
            Err(Error::Refused { .. }) => Ok(None),
            answered => answered,
        }
    }
}

/// Whether the settlement's end is not decided, or decided by something that was not final.
fn is_open(settlement: &Settlement) -> bool {
    match settlement.stage {
        Stage::Queued { .. } | Stage::Submitted { .. } | Stage::Expired { .. } => true,
        Stage::Settled { .. }
        | Stage::Closed { .. }
        | Stage::SettledElsewhere { .. }
        | Stage::Failed { .. }
        | Stage::Released { .. } => false,
    }
}

fn landing(
    settlement: &Settlement,
    attempt: &Attempt,
    told: Told<'_>,
    error: Option<Value>,
) -> store::Result<Landing> {
    let (work, expect) = read_work(settlement)?;
    let impossible =
        |why| store::Error::Inconsistent(format!("the bytes of {}: {why}", attempt.hash));
    let transaction = Transaction::decode(&attempt.raw).map_err(impossible)?;
    let (effects, gained) = match told {
        Told::NotYet => (None, None),
        Told::Meta(meta) => {
            let landed = meta.and_then(loaded);
            let landed = landed.and_then(|loaded| transaction.clone().load(&loaded).ok());
            let transaction = match landed {
                Some(transaction) => transaction,
                None => transaction.load(&work.loaded).map_err(impossible)?,
            };
            (
                effects(&transaction, work.kind, meta),
                meta.and_then(|meta| {
                    gained(transaction.keys(), &expect.destination, &expect.mint, meta)
                }),
            )
        }
    };
    let landed = Landed {
        error,
        effects,
        gained,
    };
    Ok(judge(&expect, &landed))
}

/// What landed is what we signed; only inner instructions are the node's word. A plain transfer needs none.
fn effects(transaction: &Transaction, kind: Kind, meta: Option<&Meta>) -> Option<Vec<Effect>> {
    let instructions = transaction.instructions()?;
    let top = instructions.iter().map(Effect::from);
    let inner = meta.and_then(|meta| read_inner(&meta.inner_instructions, transaction.keys()));
    match (inner, kind) {
        (Some(inner), _) => Some(top.chain(inner).collect()),
        (None, Kind::Transfer) => Some(top.collect()),
        (None, Kind::SmartWallet) => None,
    }
}

/// The accounts that the transaction took from lookup tables, as they were when it landed. Some nodes leave them out: then what was judged counts.
fn loaded(meta: &Meta) -> Option<Vec<Pubkey>> {
    let Loaded { writable, readonly } = meta.loaded_addresses.as_ref()?;
    let keys = writable.iter().chain(readonly).map(|key| key.parse().ok());
    keys.collect()
}

/// What an account gained; one that is not listed before had nothing.
fn gained(keys: &[Pubkey], account: &Pubkey, mint: &Pubkey, meta: &Meta) -> Option<i128> {
    let index = keys.iter().position(|key| key == account)?;
    let mint = mint.to_string();
    let find = |balances: &[TokenBalance]| {
        let mut ours = balances
            .iter()
            .filter(|one| one.account_index == index && one.mint == mint);
        ours.next()?.ui_token_amount.amount.parse::<u64>().ok()
    };
    let after = find(meta.post_token_balances.as_deref()?)?;
    let before = find(meta.pre_token_balances.as_deref()?).unwrap_or(0);
    Some(i128::from(after) - i128::from(before))
}

/// `None` while nothing is proven.
fn verdict(
    settlement: &Settlement,
    attempt: &Attempt,
    landing: &Landing,
    block: Block,
) -> Option<Verdict> {
    let message = match landing {
        Landing::Unproven => return None,
        Landing::Paid => {
            return Some(Verdict::Settled {
                transaction: attempt.hash.clone(),
                block,
                log_index: PROOF_INDEX,
            });
        }
        Landing::Failed { message } => message.clone(),
        Landing::NotPaid => "the transaction succeeded without the expected transfer".to_owned(),
    };
    let v2 = landing.reason()?;
    Some(Verdict::Failed {
        reason: in_version(settlement, v2, Reason::TransactionFailed),
        message: Some(message),
        transaction: Some(attempt.hash.clone()),
        block: Some(block),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Pubkey {
        Pubkey::new_from_array([n; 32])
    }

    fn meta(before: &Value, after: &Value) -> Meta {
        let meta = json!({
            "err": null,
            "fee": 10_001,
            "computeUnitsConsumed": 150,
            "preTokenBalances": before,
            "postTokenBalances": after,
        });
        serde_json::from_value(meta).unwrap()
    }

    fn held(index: usize, mint: u8, amount: &str) -> Value {
        json!({"accountIndex": index, "mint": key(mint).to_string(), "uiTokenAmount": {"amount": amount}})
    }

    #[test]
    fn counts_what_the_destination_gained() {
        let gain = |before: Value, after: Value| {
            gained(&[key(1), key(2)], &key(2), &key(9), &meta(&before, &after))
        };
        let two = |amount| json!([held(0, 9, "7"), held(1, 9, amount)]);
        assert_eq!(gain(two("5"), two("15")), Some(10));
        assert_eq!(gain(two("15"), two("5")), Some(-10));
        assert_eq!(gain(json!([]), two("15")), Some(15));
        assert_eq!(gain(Value::Null, two("15")), None);
        assert_eq!(gain(two("5"), Value::Null), None);
        assert_eq!(gain(two("5"), json!([held(1, 8, "15")])), None);
        assert_eq!(gain(two("5"), two("-1")), None);
    }
}
