//! What an EVM chain says about what is on record.

use alloy::primitives::{U64, U256};
use async_trait::async_trait;
use serde_json::json;

use super::Error;
use super::chain::{Chain, parse, parse_word};
use super::lane::simulate::read_work;
use super::watcher::{Receipt, guard_question, payment_log};
use crate::chain::witness::{Trouble, Witness};
use crate::protocol::Network;
use crate::store::{Difference, DifferenceKind, FinalTransaction, Settlement, Stage};

const WEI_PER_GWEI: u128 = 1_000_000_000;

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
        let receipts = self.receipts(&hashes).await?;
        let mut found = Vec::new();
        for (row, receipt) in rows.iter().zip(&receipts) {
            let Some((kind, detail)) = flaw(row, receipt.as_ref())? else {
                continue;
            };
            found.push(Difference {
                kind,
                subject: row.id.clone(),
                detail,
            });
        }
        Ok(found)
    }

    async fn expired(&self, rows: &[Settlement]) -> Result<Vec<Difference>, Trouble> {
        let mut questions = Vec::new();
        for row in rows {
            let (_, expect) = read_work(row)?;
            questions.extend(guard_question(&expect).map(|question| (row, question)));
        }
        let calls = questions.iter().map(|(_, question)| {
            let call = json!({"to": question.to, "data": question.data});
            ("eth_call", json!([call, "latest"]))
        });
        let answers = self.rpc.batch(calls.collect()).await?;
        let mut found = Vec::new();
        for (index, (row, question)) in questions.iter().enumerate() {
            let word: U256 = parse_word(answers.get(index))?;
            if (word & question.bit).is_zero() {
                continue;
            }
            found.push(Difference {
                kind: DifferenceKind::ExpiredButUsed,
                subject: row.id.clone(),
                detail: format!("{} is used on chain", row.payment_key),
            });
        }
        Ok(found)
    }

    async fn transactions(&self, rows: &[FinalTransaction]) -> Result<Vec<Difference>, Trouble> {
        let hashes: Vec<&str> = rows.iter().map(|row| row.hash.as_str()).collect();
        let receipts = self.receipts(&hashes).await?;
        let compared = rows.iter().zip(&receipts);
        let flaws = compared.filter_map(|(row, receipt)| {
            let (kind, detail) = transaction_flaw(row, receipt.as_ref())?;
            Some(Difference {
                kind,
                subject: row.id.clone(),
                detail,
            })
        });
        Ok(flaws.collect())
    }

    async fn signer(&self, signer: &str) -> Result<Vec<Difference>, Trouble> {
        let next: U64 = self
            .rpc
            .read("eth_getTransactionCount", json!([signer, "latest"]))
            .await?;
        let next = next.to();
        let known = self
            .store
            .known_nonces(&self.config.network, signer, next)
            .await?;
        let sent = known.first.map_or(0, |first| next.saturating_sub(first));
        if sent == known.count {
            return Ok(Vec::new());
        }
        Ok(vec![Difference {
            kind: DifferenceKind::UnknownTransaction,
            subject: signer.to_owned(),
            detail: format!(
                "sent {sent} transactions since its first on record, {} of them are on record",
                known.count
            ),
        }])
    }
}

impl Chain {
    /// The receipts of some transactions, `None` where every node that answers has none: one alone may have forgotten.
    async fn receipts(&self, hashes: &[&str]) -> Result<Vec<Option<Receipt>>, Error> {
        let call = |hash: &&str| ("eth_getTransactionReceipt", json!([hash]));
        let answers = self.rpc.batch(hashes.iter().map(call).collect()).await?;
        let mut receipts = Vec::with_capacity(hashes.len());
        for (index, hash) in hashes.iter().enumerate() {
            let mut receipt: Option<Receipt> = parse(answers.get(index))?;
            if receipt.is_none() {
                receipt = self.receipt_of_any(hash).await?;
            }
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    async fn receipt_of_any(&self, hash: &str) -> Result<Option<Receipt>, Error> {
        let calls = [("eth_getTransactionReceipt", json!([hash]))];
        let mut asked = Err(Error::Unavailable("no node was asked".to_owned()));
        for answers in self.rpc.ask_all(&calls).await {
            match answers.and_then(|answers| parse::<Option<Receipt>>(answers.first())) {
                Ok(Some(receipt)) => return Ok(Some(receipt)),
                Ok(None) => asked = Ok(None),
                Err(cause) => asked = asked.or(Err(cause)),
            }
        }
        asked
    }
}

/// What is wrong with a settled payment.
fn flaw(
    row: &Settlement,
    receipt: Option<&Receipt>,
) -> Result<Option<(DifferenceKind, String)>, Trouble> {
    let Stage::Settled { proof, .. } = &row.stage else {
        return Ok(None);
    };
    let transaction = &proof.transaction;
    let Some(receipt) = receipt else {
        let detail = format!("no node knows {transaction}");
        return Ok(Some((DifferenceKind::TransactionMissing, detail)));
    };
    let (_, expect) = read_work(row)?;
    let paid = payment_log(&receipt.logs, &expect).filter(|_| receipt.succeeded());
    if paid.and_then(|log| i64::try_from(log).ok()) != Some(proof.log_index) {
        let index = proof.log_index;
        let detail = format!("{transaction} has no such transfer as log {index}");
        return Ok(Some((DifferenceKind::TransferMissing, detail)));
    }
    let block = receipt.block();
    if block.hash.eq_ignore_ascii_case(&proof.block_hash) {
        return Ok(None);
    }
    let detail = format!(
        "{transaction} is in block {} ({})",
        block.number, block.hash
    );
    Ok(Some((DifferenceKind::BlockChanged, detail)))
}

/// What is wrong with a final transaction.
fn transaction_flaw(
    row: &FinalTransaction,
    receipt: Option<&Receipt>,
) -> Option<(DifferenceKind, String)> {
    let Some(receipt) = receipt else {
        let detail = format!("no node knows {}", row.hash);
        return Some((DifferenceKind::TransactionMissing, detail));
    };
    let block = receipt.block();
    if !block.hash.eq_ignore_ascii_case(&row.block_hash) {
        let detail = format!("{} is in block {} ({})", row.hash, block.number, block.hash);
        return Some((DifferenceKind::BlockChanged, detail));
    }
    if receipt.succeeded() != row.succeeded {
        let detail = format!("{} ended otherwise than is on record", row.hash);
        return Some((DifferenceKind::ResultChanged, detail));
    }
    let cost = receipt.cost_wei().div_ceil(WEI_PER_GWEI);
    if u128::try_from(row.cost) == Ok(cost) {
        return None;
    }
    let detail = format!("{} cost {cost} gwei, {} are booked", row.hash, row.cost);
    Some((DifferenceKind::CostDiffers, detail))
}
