//! What accounts hold, for whoever must know it.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::evm::contracts::Token;
use super::{Error, evm, svm};
use crate::protocol::Amount;

/// The tokens of one network.
#[async_trait]
pub trait Balances: Send + Sync {
    /// Atomic units of a token that an owner has in the newest block that a node answers for. Zero where there is no account.
    async fn balance(&self, token: &str, owner: &str) -> Result<Amount, Error>;
}

#[async_trait]
impl Balances for evm::Chain {
    async fn balance(&self, token: &str, owner: &str) -> Result<Amount, Error> {
        let address = |text: &str| text.parse::<Address>().map_err(|_| unreadable());
        let account = address(owner)?;
        let data = Bytes::from(Token::balanceOfCall { account }.abi_encode());
        let call = json!([{"to": address(token)?, "data": data}, "latest"]);
        let word: Bytes = self.rpc.read("eth_call", call).await?;
        // Nothing at all is what an address without code answers.
        let units = U256::try_from_be_slice(&word).filter(|_| word.len() == 32);
        units.map(Amount::from).ok_or_else(unreadable)
    }
}

#[derive(Deserialize)]
struct Accounts {
    value: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    account: Account,
}

#[derive(Deserialize)]
struct Account {
    data: Content,
}

#[derive(Deserialize)]
struct Content {
    parsed: Parsed,
}

#[derive(Deserialize)]
struct Parsed {
    info: Info,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    token_amount: TokenAmount,
}

#[derive(Deserialize)]
struct TokenAmount {
    amount: String,
}

#[async_trait]
impl Balances for svm::Chain {
    async fn balance(&self, token: &str, owner: &str) -> Result<Amount, Error> {
        let how = json!({"encoding": "jsonParsed", "commitment": "confirmed"});
        let question = json!([owner, {"mint": token}, how]);
        let found: Accounts = self.rpc.read("getTokenAccountsByOwner", question).await?;
        let amounts = found.value.iter().map(|entry| {
            let amount = &entry.account.data.parsed.info.token_amount.amount;
            Amount::parse(amount).ok_or_else(unreadable)
        });
        amounts.into_iter().try_fold(Amount::ZERO, |sum, amount| {
            sum.checked_add(amount?).ok_or_else(unreadable)
        })
    }
}

fn unreadable() -> Error {
    Error::Unavailable("the balance cannot be read".to_owned())
}
