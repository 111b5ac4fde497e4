//! Accounts and balances.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use solana_account::Account;
use solana_account_decoder::parse_account_data::{
    AccountAdditionalDataV3, SplTokenAdditionalDataV2, parse_account_data_v3,
};
use solana_account_decoder::parse_token::token_amount_to_ui_amount_v3;
use solana_pubkey::Pubkey;

use crate::chain::in_context;
use crate::history::TokenAccount;
use crate::ledger::Ledger;
use crate::params;
use crate::rpc::{Answer, Refusal};

/// The most accounts of one `getMultipleAccounts`.
const MOST: usize = 100;

pub fn call(ledger: &mut Ledger, method: &str, params: &Value) -> Option<Answer> {
    Some(match method {
        "getAccountInfo" => one(ledger, params),
        "getMultipleAccounts" => many(ledger, params),
        "getBalance" => balance(ledger, params),
        "getTokenAccountBalance" => token_balance(ledger, params),
        _ => return None,
    })
}

fn one(ledger: &Ledger, params: &Value) -> Answer {
    let shown = show(ledger, &params::pubkey(&params[0])?, &params[1])?;
    Ok(in_context(ledger, shown))
}

fn many(ledger: &Ledger, params: &Value) -> Answer {
    let keys = params::list(&params[0], MOST)?;
    let shown = keys
        .iter()
        .map(|key| show(ledger, &params::pubkey(key)?, &params[1]));
    let shown: Vec<Value> = shown.collect::<Result<_, _>>()?;
    Ok(in_context(ledger, json!(shown)))
}

fn balance(ledger: &Ledger, params: &Value) -> Answer {
    let lamports = ledger.svm.get_balance(&params::pubkey(&params[0])?);
    Ok(in_context(ledger, json!(lamports.unwrap_or(0))))
}

fn token_balance(ledger: &Ledger, params: &Value) -> Answer {
    let key = params::pubkey(&params[0])?;
    let account = ledger.svm.get_account(&key);
    let account = account.filter(|account| account.lamports > 0);
    let account =
        account.ok_or_else(|| Refusal::invalid("Invalid param: could not find account"))?;
    let token = TokenAccount::of(&ledger.svm, &account)
        .ok_or_else(|| Refusal::invalid("Invalid param: not a Token account"))?;
    Ok(in_context(ledger, token.amount_shown()))
}

/// An account that exists, as `config` (`encoding`, `dataSlice`) wants it; null for others.
fn show(ledger: &Ledger, key: &Pubkey, config: &Value) -> Answer {
    match ledger.svm.get_account(key) {
        Some(account) if account.lamports > 0 => encode(ledger, key, &account, config),
        _ => Ok(Value::Null),
    }
}

pub fn encode(ledger: &Ledger, key: &Pubkey, account: &Account, config: &Value) -> Answer {
    let bytes = sliced(&account.data, &config["dataSlice"]);
    let base64 = || json!([BASE64.encode(bytes), "base64"]);
    let data = match config["encoding"].as_str() {
        Some("base64") => base64(),
        Some("base58") => json!([base58(bytes)?, "base58"]),
        Some("jsonParsed") => parsed(ledger, key, account).unwrap_or_else(base64),
        None => json!(base58(bytes)?),
        Some(other) => return Err(Refusal::invalid(format!("unsupported encoding: {other}"))),
    };
    Ok(json!({
        "data": data,
        "executable": account.executable,
        "lamports": account.lamports,
        "owner": account.owner.to_string(),
        "rentEpoch": account.rent_epoch,
        "space": account.data.len(),
    }))
}

fn base58(bytes: &[u8]) -> Result<String, Refusal> {
    if bytes.len() > 128 {
        let message = "Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding.";
        return Err(Refusal::new(-32600, message));
    }
    Ok(bs58::encode(bytes).into_string())
}

fn parsed(ledger: &Ledger, key: &Pubkey, account: &Account) -> Option<Value> {
    let token = TokenAccount::of(&ledger.svm, account);
    let additional = token.map(|token| AccountAdditionalDataV3 {
        spl_token_additional_data: Some(token.additional()),
    });
    let parsed = parse_account_data_v3(key, &account.owner, &account.data, additional);
    serde_json::to_value(parsed.ok()?).ok()
}

fn sliced<'a>(data: &'a [u8], slice: &Value) -> &'a [u8] {
    let length = |name: &str| slice[name].as_u64().and_then(|it| usize::try_from(it).ok());
    let rest = data
        .get(length("offset").unwrap_or(0)..)
        .unwrap_or_default();
    &rest[..length("length").unwrap_or(rest.len()).min(rest.len())]
}

impl TokenAccount {
    fn additional(&self) -> SplTokenAdditionalDataV2 {
        SplTokenAdditionalDataV2::with_decimals(self.decimals)
    }

    /// `getTokenAccountBalance`'s value.
    pub fn amount_shown(&self) -> Value {
        let shown = token_amount_to_ui_amount_v3(self.amount, &self.additional());
        serde_json::to_value(shown).unwrap_or_default()
    }
}
