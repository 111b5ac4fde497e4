//! What a Solana network says about what is on record.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Error;
use super::chain::{Chain, read_work};
use super::work::Expect;
use crate::chain::rpc::parse;
use crate::chain::witness::{Trouble, Witness};
use crate::protocol::Network;
use crate::store::{Difference, DifferenceKind, FinalTransaction, Settlement};

/// A signer's newest transactions that are looked at: what a node gives at once.
const NEWEST: usize = 1000;
/// Unknown transactions that are looked into: anybody may name our key in a transaction of theirs.
const UNKNOWN_MAX: usize = 50;

/// A transaction as a node tells it, as much as we use.
#[derive(Debug, Deserialize)]
struct Seen {
    meta: Option<Meta>,
    transaction: Shown,
}

#[derive(Debug, Deserialize)]
struct Shown {
    message: Message,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    account_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    err: Option<Value>,
    fee: i64,
    #[serde(default)]
    pre_token_balances: Vec<TokenBalance>,
    #[serde(default)]
    post_token_balances: Vec<TokenBalance>,
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

#[derive(Debug, Deserialize)]
struct Named {
    signature: String,
}

#[async_trait]
impl Witness for Chain {
    fn network(&self) -> &Network {
        &self.config.network
    }

    async fn settled(&self, rows: &[Settlement]) -> Result<Vec<Difference>, Trouble> {
        let hashes: Vec<&str> = rows
            .iter()
            .map(|row| row.stage.transaction().unwrap_or_default())
            .collect();
        let seen = self.seen(&hashes).await?;
        let mut found = Vec::new();
        for ((row, hash), seen) in rows.iter().zip(hashes).zip(seen) {
            let (_, expect) = read_work(row)?;
            let (kind, detail) = match seen.and_then(|seen| seen.meta) {
                None => (
                    DifferenceKind::TransactionMissing,
                    format!("no node knows {hash}"),
                ),
                Some(meta) if meta.err.is_none() && pays(&meta, &expect) => continue,
                Some(_) => (
                    DifferenceKind::TransferMissing,
                    format!("{hash} did not bring the payee the amount"),
                ),
            };
            found.push(Difference {
                kind,
                subject: row.id.clone(),
                detail,
            });
        }
        Ok(found)
    }

    /// A finalized block above the last valid height proved it, and no later one can disprove it: there is nothing to ask.
    async fn expired(&self, _rows: &[Settlement]) -> Result<Vec<Difference>, Trouble> {
        Ok(Vec::new())
    }

    async fn transactions(&self, rows: &[FinalTransaction]) -> Result<Vec<Difference>, Trouble> {
        let hashes: Vec<&str> = rows.iter().map(|row| row.hash.as_str()).collect();
        let seen = self.seen(&hashes).await?;
        let compared = rows.iter().zip(seen);
        let flaws = compared.filter_map(|(row, seen)| {
            let (kind, detail) = transaction_flaw(row, seen.and_then(|seen| seen.meta).as_ref())?;
            Some(Difference {
                kind,
                subject: row.id.clone(),
                detail,
            })
        });
        Ok(flaws.collect())
    }

    async fn signer(&self, signer: &str) -> Result<Vec<Difference>, Trouble> {
        let config = json!({"commitment": "finalized", "limit": NEWEST});
        let newest: Vec<Named> = self
            .rpc
            .read("getSignaturesForAddress", json!([signer, config]))
            .await?;
        let mut unknown = Vec::new();
        for Named { signature } in newest {
            if unknown.len() < UNKNOWN_MAX && !self.store.has_attempt(&signature).await? {
                unknown.push(signature);
            }
        }
        let hashes: Vec<&str> = unknown.iter().map(String::as_str).collect();
        let seen = self.seen(&hashes).await?;
        let is_payer = |seen: &Option<Seen>| {
            let keys = seen
                .as_ref()
                .map(|seen| &seen.transaction.message.account_keys);
            keys.and_then(|keys| keys.first())
                .is_some_and(|first| first == signer)
        };
        let ours = hashes.iter().zip(&seen).filter(|(_, seen)| is_payer(seen));
        let ours: Vec<&str> = ours.map(|(hash, _)| *hash).collect();
        let Some(first) = ours.first() else {
            return Ok(Vec::new());
        };
        Ok(vec![Difference {
            kind: DifferenceKind::UnknownTransaction,
            subject: signer.to_owned(),
            detail: format!(
                "paid for {} transactions that are not on record, {first} among them",
                ours.len()
            ),
        }])
    }
}

impl Chain {
    /// Some transactions, `None` where every node that answers has none: one alone may have forgotten.
    async fn seen(&self, hashes: &[&str]) -> Result<Vec<Option<Seen>>, Error> {
        let config = json!({"encoding": "json", "commitment": "finalized", "maxSupportedTransactionVersion": 0});
        let call = |hash: &&str| ("getTransaction", json!([hash, config]));
        let calls: Vec<_> = hashes.iter().map(call).collect();
        let answers = self.rpc.batch(calls.clone()).await?;
        let mut all = Vec::with_capacity(hashes.len());
        for (index, call) in calls.into_iter().enumerate() {
            let mut seen: Option<Seen> = parse(answers.get(index))?;
            if seen.is_none() {
                for answers in self.rpc.ask_all(&[call]).await {
                    seen = seen.or(parse(answers?.first())?);
                }
            }
            all.push(seen);
        }
        Ok(all)
    }
}

/// Whether some account gained what the payee was to gain. Which account it is the watcher proved; that the transaction is still the same its
/// signature says.
fn pays(meta: &Meta, expect: &Expect) -> bool {
    let mint = expect.mint.to_string();
    let amounts = |balances: &[TokenBalance]| {
        let ours = balances.iter().filter(|balance| balance.mint == mint);
        let read = |balance: &TokenBalance| {
            let amount = balance.ui_token_amount.amount.parse().unwrap_or(0);
            (balance.account_index, amount)
        };
        ours.map(read).collect::<BTreeMap<usize, i128>>()
    };
    let before = amounts(&meta.pre_token_balances);
    let least = i128::from(expect.gain.unwrap_or(1));
    amounts(&meta.post_token_balances)
        .iter()
        .any(|(index, after)| after - before.get(index).unwrap_or(&0) >= least)
}

/// What is wrong with a final transaction.
fn transaction_flaw(
    row: &FinalTransaction,
    meta: Option<&Meta>,
) -> Option<(DifferenceKind, String)> {
    let Some(meta) = meta else {
        let detail = format!("no node knows {}", row.hash);
        return Some((DifferenceKind::TransactionMissing, detail));
    };
    if meta.err.is_none() != row.succeeded {
        let detail = format!("{} ended otherwise than is on record", row.hash);
        return Some((DifferenceKind::ResultChanged, detail));
    }
    if meta.fee == row.cost {
        return None;
    }
    let detail = format!(
        "{} cost {} lamports, {} are booked",
        row.hash, meta.fee, row.cost
    );
    Some((DifferenceKind::CostDiffers, detail))
}
