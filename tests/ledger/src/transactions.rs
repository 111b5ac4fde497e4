//! Simulating and sending.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use litesvm::types::{FailedTransactionMetadata, SimulatedTransactionInfo, TransactionMetadata};
use serde_json::{Value, json};
use solana_account::{Account, AccountSharedData};
use solana_message::{AccountKeys, VersionedMessage};
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use solana_transaction_status::{map_inner_instructions, parse_ui_inner_instructions};

use crate::chain::{blockhash, in_context};
use crate::history::Snapshot;
use crate::ledger::{Ledger, verified};
use crate::rpc::{Answer, Refusal};
use crate::{accounts, params};

const LAMPORTS_PER_SIGNATURE: u64 = 5_000;

pub fn call(ledger: &mut Ledger, method: &str, params: &Value) -> Option<Answer> {
    Some(match method {
        "simulateTransaction" => simulate(ledger, params),
        "sendTransaction" => send(ledger, params),
        "getFeeForMessage" => fee(ledger, params),
        _ => return None,
    })
}

/// What came of a simulation.
struct Simulated {
    error: Option<TransactionError>,
    meta: TransactionMetadata,
    accounts: Vec<(Pubkey, AccountSharedData)>,
}

/// Executes without effect. Signatures do not matter here, blockhashes and repetitions do.
fn try_out(ledger: &Ledger, transaction: &VersionedTransaction) -> Result<Simulated, Refusal> {
    let executed = match ledger.check(transaction) {
        Ok(()) => ledger.svm.simulate_transaction(transaction.clone()),
        Err(err) => Err(FailedTransactionMetadata {
            err,
            meta: TransactionMetadata::default(),
        }),
    };
    match executed {
        Ok(SimulatedTransactionInfo {
            meta,
            post_accounts,
        }) => Ok(Simulated {
            error: None,
            meta,
            accounts: post_accounts,
        }),
        Err(failed) if unreadable(&failed.err) => {
            let message = format!("invalid transaction: {}", failed.err);
            Err(Refusal::invalid(message))
        }
        Err(failed) => Ok(Simulated {
            error: Some(failed.err),
            meta: failed.meta,
            accounts: Vec::new(),
        }),
    }
}

/// Errors that a real node meets before it simulates.
fn unreadable(error: &TransactionError) -> bool {
    matches!(
        error,
        TransactionError::SanitizeFailure
            | TransactionError::AddressLookupTableNotFound
            | TransactionError::InvalidAddressLookupTableOwner
            | TransactionError::InvalidAddressLookupTableData
            | TransactionError::InvalidAddressLookupTableIndex
    )
}

fn simulate(ledger: &mut Ledger, params: &Value) -> Answer {
    let config = &params[1];
    let mut transaction = params::transaction(&params[0], config)?;
    let verify = config["sigVerify"] == true;
    let replace = config["replaceRecentBlockhash"] == true;
    if verify && replace {
        let message = "sigVerify may not be used with replaceRecentBlockhash";
        return Err(Refusal::invalid(message));
    }
    if replace {
        let (hash, _) = ledger.latest_blockhash();
        transaction.message.set_recent_blockhash(hash);
    }
    if verify && !verified(&transaction) {
        return Err(Refusal::signature());
    }
    let simulated = try_out(ledger, &transaction)?;
    let accounts = accounts_after(ledger, &simulated, &config["accounts"])?;
    let inner = config["innerInstructions"] == true;
    let mut shown = show(ledger, &transaction.message, simulated, inner);
    shown["accounts"] = accounts;
    if replace {
        shown["replacementBlockhash"] = blockhash(ledger);
    }
    Ok(in_context(ledger, shown))
}

/// The accounts that the caller asked for as they would be; null each when the transaction would fail.
fn accounts_after(ledger: &Ledger, simulated: &Simulated, wanted: &Value) -> Answer {
    if wanted.is_null() {
        return Ok(Value::Null);
    }
    let after = |key: &Value| {
        let key = params::pubkey(key)?;
        let changed = simulated.accounts.iter().find(|(known, _)| *known == key);
        let account = changed.map(|(_, account)| Account::from(account.clone()));
        let account = account.or_else(|| ledger.svm.get_account(&key));
        match account.filter(|account| account.lamports > 0) {
            Some(account) if simulated.error.is_none() => {
                let encoding = wanted["encoding"].as_str().unwrap_or("base64");
                accounts::encode(ledger, &key, &account, &json!({"encoding": encoding}))
            }
            _ => Ok(Value::Null),
        }
    };
    let keys = params::list(&wanted["addresses"], usize::MAX)?.iter();
    let shown: Vec<Value> = keys.map(after).collect::<Result<_, _>>()?;
    Ok(json!(shown))
}

/// `simulateTransaction`'s value, and the data of a refused `sendTransaction`. A node parses inner instructions of programs it knows.
fn show(
    ledger: &Ledger,
    message: &VersionedMessage,
    simulated: Simulated,
    with_inner: bool,
) -> Value {
    let Simulated { error, meta, .. } = simulated;
    let before = Snapshot::take(&ledger.svm, message);
    let keys = AccountKeys::new(message.static_account_keys(), Some(&before.loaded));
    let inner = with_inner.then(|| {
        let inner = map_inner_instructions(meta.inner_instructions);
        let inner = inner.map(|one| parse_ui_inner_instructions(one, &keys));
        inner.collect::<Vec<_>>()
    });
    let returned = Some(meta.return_data).filter(|data| !data.data.is_empty());
    let returned = returned.map(|returned| {
        let data = [BASE64.encode(returned.data), "base64".to_owned()];
        json!({"programId": returned.program_id.to_string(), "data": data})
    });
    json!({
        "accounts": null,
        "err": error,
        "fee": meta.fee,
        "innerInstructions": inner,
        "loadedAddresses": {
            "writable": texts(&before.loaded.writable),
            "readonly": texts(&before.loaded.readonly),
        },
        "logs": meta.logs,
        "replacementBlockhash": null,
        "returnData": returned,
        "unitsConsumed": meta.compute_units_consumed,
    })
}

fn texts(keys: &[Pubkey]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

fn send(ledger: &mut Ledger, params: &Value) -> Answer {
    let config = &params[1];
    let transaction = params::transaction(&params[0], config)?;
    let signature = transaction.signatures[0];
    if config["skipPreflight"] != true {
        if !verified(&transaction) {
            return Err(Refusal::signature());
        }
        let simulated = try_out(ledger, &transaction)?;
        if let Some(error) = simulated.error.clone() {
            let shown = show(ledger, &transaction.message, simulated, false);
            return Err(Refusal::preflight(&error, shown));
        }
    }
    ledger.accept(transaction);
    Ok(json!(signature.to_string()))
}

/// What a message would cost its fee payer; null when its blockhash is not good.
fn fee(ledger: &mut Ledger, params: &Value) -> Answer {
    let bytes = params::base64(params::text(&params[0])?)?;
    let message: VersionedMessage = bincode::deserialize(&bytes).map_err(Refusal::invalid)?;
    let known = ledger.knows_blockhash(message.recent_blockhash());
    let signers = usize::from(message.header().num_required_signatures);
    let transaction = VersionedTransaction {
        signatures: vec![Signature::default(); signers],
        message,
    };
    let fee = try_out(ledger, &transaction)?.meta.fee;
    let fee = fee.max(LAMPORTS_PER_SIGNATURE * signers as u64);
    Ok(in_context(ledger, json!(known.then_some(fee))))
}
