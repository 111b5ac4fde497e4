//! Questions about the chain itself.

use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::params;
use crate::rpc::Answer;

const VERSION: &str = "4.2.2";
const SLOTS_PER_EPOCH: u64 = 432_000;

/// A value with the slot that it is of.
pub fn in_context(ledger: &Ledger, value: Value) -> Value {
    json!({"context": {"apiVersion": VERSION, "slot": ledger.slot()}, "value": value})
}

pub fn call(ledger: &mut Ledger, method: &str, params: &Value) -> Option<Answer> {
    Some(Ok(match method {
        "getHealth" => json!("ok"),
        "getVersion" => json!({"solana-core": VERSION, "feature-set": 0}),
        "getGenesisHash" => json!(ledger.genesis),
        "getSlot" => json!(ledger.slot()),
        "getBlockHeight" => json!(ledger.height()),
        "getEpochInfo" => epoch(ledger),
        "getLatestBlockhash" => latest_blockhash(ledger),
        "isBlockhashValid" => return Some(is_blockhash_valid(ledger, params)),
        "getRecentPrioritizationFees" => fees(ledger),
        "getMinimumBalanceForRentExemption" => return Some(rent(ledger, params)),
        _ => return None,
    }))
}

fn epoch(ledger: &Ledger) -> Value {
    json!({
        "absoluteSlot": ledger.slot(),
        "blockHeight": ledger.height(),
        "epoch": ledger.slot() / SLOTS_PER_EPOCH,
        "slotIndex": ledger.slot() % SLOTS_PER_EPOCH,
        "slotsInEpoch": SLOTS_PER_EPOCH,
        "transactionCount": ledger.landed.len(),
    })
}

pub fn blockhash(ledger: &Ledger) -> Value {
    let (hash, last) = ledger.latest_blockhash();
    json!({"blockhash": hash.to_string(), "lastValidBlockHeight": last})
}

fn latest_blockhash(ledger: &Ledger) -> Value {
    in_context(ledger, blockhash(ledger))
}

fn is_blockhash_valid(ledger: &Ledger, params: &Value) -> Answer {
    let valid = ledger.knows_blockhash(&params::hash(&params[0])?);
    Ok(in_context(ledger, json!(valid)))
}

/// Nobody else bids.
fn fees(ledger: &Ledger) -> Value {
    let slots = ledger.slot().saturating_sub(2)..=ledger.slot();
    slots
        .map(|slot| json!({"slot": slot, "prioritizationFee": 0}))
        .collect()
}

fn rent(ledger: &Ledger, params: &Value) -> Answer {
    let length = usize::try_from(params::number(&params[0])?);
    let length = length.map_err(crate::rpc::Refusal::invalid)?;
    Ok(json!(ledger.svm.minimum_balance_for_rent_exemption(length)))
}
