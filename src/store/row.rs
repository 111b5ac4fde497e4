//! A settlement's row, folded into the stage it is in. Combinations that no transition makes are an error.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Error, Result};
use crate::protocol::{Amount, Network, Reason};

/// The columns of a [`Settlement`], in one place for every query that reads one.
macro_rules! settlement_columns {
    () => {
        "id, payment_key, fingerprint, proof, caller, scheme, network, wire_network, asset, payer, pay_to, amount, work, expect, \
         required_sender, batchable, state, reason, message, deadline, expires_at, created_at, updated_at, transaction_hash, log_index, \
         block_number, block_hash, final_at, delivered_at, delivered_to, delivery_key, delivery_id"
    };
}
pub(super) use settlement_columns;

/// A payment on record.
#[derive(Debug, Clone)]
pub struct Settlement {
    pub id: String,
    pub payment_key: String,
    pub fingerprint: String,
    pub proof: String,
    pub caller: String,
    pub scheme: String,
    pub network: Network,
    pub wire_network: String,
    pub asset: String,
    pub payer: String,
    pub pay_to: String,
    pub amount: Amount,
    pub work: String,
    pub expect: String,
    pub required_sender: Option<String>,
    pub batchable: bool,
    pub deadline: i64,
    /// First block time, unix seconds, at which the authorization can no longer be executed.
    pub expires_at: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub stage: Stage,
}

/// Where a settlement stands, with what is only true there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// `earlier` is the newest attempt of a transaction that could not pay it: such a row is never given up without a verdict of the chain.
    Queued {
        earlier: Option<String>,
    },
    /// Its bytes are stored and may be on chain; `transaction` is the newest attempt's hash.
    Submitted {
        transaction: String,
    },
    Settled {
        proof: Proof,
        delivered: Option<Delivered>,
    },
    /// Nothing was charged, by no transaction; the authorization is never charged again.
    Closed {
        delivered: Option<Delivered>,
    },
    /// Somebody else's transaction paid the same terms.
    SettledElsewhere {
        transaction: String,
    },
    Failed {
        reason: Reason,
        message: Option<String>,
        transaction: Option<String>,
    },
    Expired {
        transaction: Option<String>,
    },
    /// Given up before any bytes were live; the payment key is free.
    Released {
        reason: Reason,
        message: Option<String>,
    },
}

/// The log that proves a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub transaction: String,
    pub log_index: i64,
    pub block_number: i64,
    pub block_hash: String,
    pub is_final: bool,
}

/// Who was told the success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Names the one answer that was claimed.
    pub id: String,
    pub caller: String,
    pub idempotency_key: Option<String>,
}

impl Stage {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Submitted { .. } => "submitted",
            Self::Settled { .. } => "settled",
            Self::Closed { .. } => "closed",
            Self::SettledElsewhere { .. } => "settled_elsewhere",
            Self::Failed { .. } => "failed",
            Self::Expired { .. } => "expired",
            Self::Released { .. } => "released",
        }
    }
}

impl Stage {
    /// The transaction that the row names, where it names one.
    pub fn transaction(&self) -> Option<&str> {
        match self {
            Self::Queued {
                earlier: transaction,
            }
            | Self::Failed { transaction, .. }
            | Self::Expired { transaction } => transaction.as_deref(),
            Self::Submitted { transaction } | Self::SettledElsewhere { transaction } => {
                Some(transaction)
            }
            Self::Settled { proof, .. } => Some(&proof.transaction),
            Self::Closed { .. } | Self::Released { .. } => None,
        }
    }
}

impl Settlement {
    pub(super) fn read(row: &AnyRow) -> Result<Self> {
        let network: String = row.try_get("network")?;
        let amount: String = row.try_get("amount")?;
        let batchable: i64 = row.try_get("batchable")?;
        Ok(Self {
            id: row.try_get("id")?,
            payment_key: row.try_get("payment_key")?,
            fingerprint: row.try_get("fingerprint")?,
            proof: row.try_get("proof")?,
            caller: row.try_get("caller")?,
            scheme: row.try_get("scheme")?,
            network: Network::parse(&network).ok_or_else(|| impossible("network", &network))?,
            wire_network: row.try_get("wire_network")?,
            asset: row.try_get("asset")?,
            payer: row.try_get("payer")?,
            pay_to: row.try_get("pay_to")?,
            amount: Amount::parse(&amount).ok_or_else(|| impossible("amount", &amount))?,
            work: row.try_get("work")?,
            expect: row.try_get("expect")?,
            required_sender: row.try_get("required_sender")?,
            batchable: batchable != 0,
            deadline: row.try_get("deadline")?,
            expires_at: row.try_get("expires_at")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            stage: read_stage(row)?,
        })
    }
}

fn read_stage(row: &AnyRow) -> Result<Stage> {
    let state: String = row.try_get("state")?;
    let transaction: Option<String> = row.try_get("transaction_hash")?;
    let message: Option<String> = row.try_get("message")?;
    let known = |transaction: Option<String>| {
        transaction.ok_or_else(|| impossible("transaction_hash", &state))
    };
    Ok(match state.as_str() {
        "queued" => Stage::Queued {
            earlier: transaction,
        },
        "submitted" => Stage::Submitted {
            transaction: known(transaction)?,
        },
        "settled" => Stage::Settled {
            proof: read_proof(row, known(transaction)?)?,
            delivered: read_delivered(row)?,
        },
        "closed" => Stage::Closed {
            delivered: read_delivered(row)?,
        },
        "settled_elsewhere" => Stage::SettledElsewhere {
            transaction: known(transaction)?,
        },
        "failed" => Stage::Failed {
            reason: read_reason(row)?,
            message,
            transaction,
        },
        "expired" => Stage::Expired { transaction },
        "released" => Stage::Released {
            reason: read_reason(row)?,
            message,
        },
        other => return Err(impossible("state", other)),
    })
}

fn read_proof(row: &AnyRow, transaction: String) -> Result<Proof> {
    let final_at: Option<i64> = row.try_get("final_at")?;
    Ok(Proof {
        transaction,
        log_index: row.try_get("log_index")?,
        block_number: row.try_get("block_number")?,
        block_hash: row.try_get("block_hash")?,
        is_final: final_at.is_some(),
    })
}

fn read_delivered(row: &AnyRow) -> Result<Option<Delivered>> {
    let at: Option<i64> = row.try_get("delivered_at")?;
    if at.is_none() {
        return Ok(None);
    }
    let caller: Option<String> = row.try_get("delivered_to")?;
    let caller = caller.ok_or_else(|| impossible("delivered_to", "null"))?;
    let id: Option<String> = row.try_get("delivery_id")?;
    let id = id.ok_or_else(|| impossible("delivery_id", "null"))?;
    Ok(Some(Delivered {
        id,
        caller,
        idempotency_key: row.try_get("delivery_key")?,
    }))
}

fn read_reason(row: &AnyRow) -> Result<Reason> {
    let code: Option<String> = row.try_get("reason")?;
    let code = code.unwrap_or_default();
    Reason::parse(&code).ok_or_else(|| impossible("reason", &code))
}

pub(super) fn impossible(column: &str, value: &str) -> Error {
    Error::Inconsistent(format!("{column} = {value:?}"))
}
