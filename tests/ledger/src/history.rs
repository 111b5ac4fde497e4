//! What has landed: statuses, and transactions with what they did.

use litesvm::LiteSVM;
use litesvm::types::{TransactionMetadata, TransactionResult};
use serde_json::{Value, json};
use solana_account::Account;
use solana_account_decoder::parse_account_data::SplTokenAdditionalDataV2;
use solana_account_decoder::parse_token::token_amount_to_ui_amount_v3;
use solana_message::VersionedMessage;
use solana_message::v0::LoadedAddresses;
use solana_pubkey::Pubkey;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_status::{
    ConfirmedTransactionWithStatusMeta, TransactionStatusMeta, TransactionTokenBalance,
    TransactionWithStatusMeta, UiTransactionEncoding, VersionedTransactionWithStatusMeta,
    map_inner_instructions,
};

use crate::chain::in_context;
use crate::ledger::Ledger;
use crate::params;
use crate::rpc::{Answer, Refusal};

/// The most signatures of one `getSignatureStatuses`.
const MOST: usize = 256;
/// A node remembers statuses for so many slots unless it is asked to search.
const RECENT: u64 = 300;
/// Where a lookup table's addresses begin.
const TABLE_HEADER: usize = 56;

/// A transaction in a block.
#[derive(Debug, Clone)]
pub struct Landed {
    slot: u64,
    time: i64,
    /// Not there for an airdrop.
    transaction: Option<VersionedTransaction>,
    meta: TransactionStatusMeta,
}

/// Balances of a transaction's accounts at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub loaded: LoadedAddresses,
    pub lamports: Vec<u64>,
    pub tokens: Vec<TransactionTokenBalance>,
}

/// What matters of a token account, of either program.
pub struct TokenAccount {
    pub mint: Pubkey,
    pub owner: Pubkey,
    pub amount: u64,
    pub decimals: u8,
}

impl TokenAccount {
    pub fn of(svm: &LiteSVM, account: &Account) -> Option<Self> {
        let program = account.owner.to_string();
        let programs = [
            "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
            "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb",
        ];
        // Longer data says at byte 165 what it is: 2 is an account, 1 a mint.
        let kind = account.data.get(165).copied().unwrap_or(2);
        if !programs.contains(&program.as_str()) || account.data.len() < 165 || kind != 2 {
            return None;
        }
        let key = |from: usize| Pubkey::try_from(&account.data[from..from + 32]).ok();
        let mint = key(0)?;
        let amount = u64::from_le_bytes(account.data[64..72].try_into().ok()?);
        let decimals = *svm.get_account(&mint)?.data.get(44)?;
        Some(Self {
            mint,
            owner: key(32)?,
            amount,
            decimals,
        })
    }
}

impl Snapshot {
    pub fn take(svm: &LiteSVM, message: &VersionedMessage) -> Self {
        let loaded = loaded_addresses(svm, message);
        let keys = message.static_account_keys().iter();
        let keys = keys.chain(&loaded.writable).chain(&loaded.readonly);
        let accounts: Vec<_> = keys
            .map(|key| svm.get_account(key).unwrap_or_default())
            .collect();
        let lamports = accounts.iter().map(|account| account.lamports).collect();
        let tokens = (0..).zip(&accounts);
        let tokens = tokens.filter_map(|(index, account)| token_balance(svm, index, account));
        Self {
            lamports,
            tokens: tokens.collect(),
            loaded,
        }
    }
}

fn token_balance(svm: &LiteSVM, index: u8, account: &Account) -> Option<TransactionTokenBalance> {
    let token = TokenAccount::of(svm, account)?;
    let decimals = SplTokenAdditionalDataV2::with_decimals(token.decimals);
    Some(TransactionTokenBalance {
        account_index: index,
        mint: token.mint.to_string(),
        ui_token_amount: token_amount_to_ui_amount_v3(token.amount, &decimals),
        owner: token.owner.to_string(),
        program_id: account.owner.to_string(),
    })
}

/// What a message's lookups stand for; a table that is not there stands for nothing.
pub fn loaded_addresses(svm: &LiteSVM, message: &VersionedMessage) -> LoadedAddresses {
    let mut loaded = LoadedAddresses::default();
    for lookup in message.address_table_lookups().unwrap_or_default() {
        let table = svm.get_account(&lookup.account_key).unwrap_or_default();
        let at = |index: &u8| {
            let start = TABLE_HEADER + 32 * usize::from(*index);
            Pubkey::try_from(table.data.get(start..start + 32)?).ok()
        };
        loaded
            .writable
            .extend(lookup.writable_indexes.iter().filter_map(at));
        loaded
            .readonly
            .extend(lookup.readonly_indexes.iter().filter_map(at));
    }
    loaded
}

impl Landed {
    pub fn new(
        ledger: &Ledger,
        transaction: VersionedTransaction,
        executed: TransactionResult,
        before: Snapshot,
        after: Snapshot,
    ) -> Self {
        let (status, done) = match executed {
            Ok(done) => (Ok(()), done),
            Err(failed) => (Err(failed.err), failed.meta),
        };
        let inner = map_inner_instructions(done.inner_instructions).collect();
        let returned = Some(done.return_data).filter(|data| !data.data.is_empty());
        let meta = TransactionStatusMeta {
            status,
            fee: done.fee,
            pre_balances: before.lamports,
            post_balances: after.lamports,
            inner_instructions: Some(inner),
            log_messages: Some(done.logs),
            pre_token_balances: Some(before.tokens),
            post_token_balances: Some(after.tokens),
            rewards: Some(Vec::new()),
            loaded_addresses: before.loaded,
            return_data: returned,
            compute_units_consumed: Some(done.compute_units_consumed),
            cost_units: None,
        };
        Self {
            slot: ledger.slot(),
            time: ledger.time(),
            transaction: Some(transaction),
            meta,
        }
    }

    fn airdrop(ledger: &Ledger, done: TransactionMetadata) -> Self {
        let meta = TransactionStatusMeta {
            fee: done.fee,
            ..TransactionStatusMeta::default()
        };
        Self {
            slot: ledger.slot(),
            time: ledger.time(),
            transaction: None,
            meta,
        }
    }
}

pub fn call(ledger: &mut Ledger, method: &str, params: &Value) -> Option<Answer> {
    Some(match method {
        "getSignatureStatuses" => statuses(ledger, params),
        "getSignaturesForAddress" => signatures(ledger, params),
        "getTransaction" => transaction(ledger, params),
        "requestAirdrop" => airdrop(ledger, params),
        _ => return None,
    })
}

fn statuses(ledger: &Ledger, params: &Value) -> Answer {
    let search = params[1]["searchTransactionHistory"] == true;
    let status = |wanted: &Value| {
        let landed = ledger.landed.get(&params::signature(wanted)?);
        let known = landed.and_then(|landed| status(ledger, landed, search));
        Ok(known.unwrap_or(Value::Null))
    };
    let signatures = params::list(&params[0], MOST)?.iter();
    let statuses: Vec<Value> = signatures.map(status).collect::<Result<_, Refusal>>()?;
    Ok(in_context(ledger, json!(statuses)))
}

fn status(ledger: &Ledger, landed: &Landed, search: bool) -> Option<Value> {
    let age = ledger.slot().saturating_sub(landed.slot);
    let level = confirmation(ledger, age)?;
    if age > RECENT && !search {
        return None;
    }
    let error = landed.meta.status.clone().err();
    Some(json!({
        "slot": landed.slot,
        "confirmations": (level != "finalized").then_some(age),
        "err": error,
        "status": landed.meta.status,
        "confirmationStatus": level,
    }))
}

/// How sure a block is that so many slots have followed; nothing while nobody has seen it.
fn confirmation(ledger: &Ledger, age: u64) -> Option<&'static str> {
    let rules = &ledger.rules;
    match age {
        age if age < rules.seen => None,
        age if age >= rules.finalized => Some("finalized"),
        age if age >= rules.confirmed => Some("confirmed"),
        _ => Some("processed"),
    }
}

/// Every finalized transaction that names an account, newest first.
fn signatures(ledger: &Ledger, params: &Value) -> Answer {
    let key = params::pubkey(&params[0])?;
    let limit = params[1]["limit"].as_u64().unwrap_or(1000);
    let mut named: Vec<_> = ledger
        .landed
        .iter()
        .filter(|(_, landed)| {
            let keys = landed.transaction.as_ref();
            let mut keys = keys.into_iter().flat_map(|one| one.message.static_account_keys());
            let age = ledger.slot().saturating_sub(landed.slot);
            keys.any(|one| *one == key) && confirmation(ledger, age) == Some("finalized")
        })
        .collect();
    named.sort_by_key(|(_, landed)| std::cmp::Reverse(landed.slot));
    let shown = named.into_iter().take(usize::try_from(limit).unwrap_or(1000));
    let shown = shown.map(|(signature, landed)| {
        json!({"signature": signature.to_string(), "slot": landed.slot, "err": landed.meta.status.clone().err(),
            "memo": null, "blockTime": landed.time, "confirmationStatus": "finalized"})
    });
    Ok(shown.collect())
}

fn transaction(ledger: &Ledger, params: &Value) -> Answer {
    let signature = params::signature(&params[0])?;
    // Old clients give an encoding in place of the settings.
    let config = &params[1];
    let encoding = config.as_str().or_else(|| config["encoding"].as_str());
    let encoding = json!(encoding.unwrap_or("json"));
    let encoding: UiTransactionEncoding =
        serde_json::from_value(encoding).map_err(Refusal::invalid)?;
    let wanted = config["commitment"].as_str().unwrap_or("finalized");
    if wanted == "processed" {
        let message = "Method does not support commitment below `confirmed`";
        return Err(Refusal::invalid(message));
    }
    let Some(landed) = ledger.landed.get(&signature) else {
        return Ok(Value::Null);
    };
    let level = confirmation(ledger, ledger.slot().saturating_sub(landed.slot));
    let sure = level == Some("finalized") || (level == Some("confirmed") && wanted == "confirmed");
    match &landed.transaction {
        Some(transaction) if sure => encode(landed, transaction, encoding, config),
        _ => Ok(Value::Null),
    }
}

fn encode(
    landed: &Landed,
    transaction: &VersionedTransaction,
    encoding: UiTransactionEncoding,
    config: &Value,
) -> Answer {
    let newest = config["maxSupportedTransactionVersion"].as_u64();
    let newest = newest.and_then(|version| u8::try_from(version).ok());
    let confirmed = ConfirmedTransactionWithStatusMeta {
        slot: landed.slot,
        tx_with_meta: TransactionWithStatusMeta::Complete(VersionedTransactionWithStatusMeta {
            transaction: transaction.clone(),
            meta: landed.meta.clone(),
        }),
        block_time: Some(landed.time),
        index: 0,
    };
    let encoded = confirmed.encode(encoding, newest).map_err(|_| {
        let version = "Transaction version (0) is not supported by the requesting client.";
        let advice = "Please try the request again with the following configuration parameter: \"maxSupportedTransactionVersion\": 0";
        Refusal::new(-32015, format!("{version} {advice}"))
    })?;
    serde_json::to_value(encoded).map_err(Refusal::invalid)
}

fn airdrop(ledger: &mut Ledger, params: &Value) -> Answer {
    let (key, lamports) = (params::pubkey(&params[0])?, params::number(&params[1])?);
    ledger.advance(1);
    let done = ledger.svm.airdrop(&key, lamports);
    let done = done.map_err(|failed| Refusal::new(-32603, failed.err))?;
    let signature = done.signature;
    let landed = Landed::airdrop(ledger, done);
    ledger.landed.insert(signature, landed);
    Ok(json!(signature.to_string()))
}
