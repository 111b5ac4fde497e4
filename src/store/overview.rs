//! What people are shown: the newest settlements, how many there were, and the life of one. Every query is bounded by an index and a limit.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Result, Store};

const HOUR: i64 = 3_600_000;
/// Most transactions that are told of one settlement, and most attempts of one transaction.
const TOLD: i64 = 20;

/// A settlement on chain, as a feed shows it. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    pub id: String,
    pub network: String,
    pub asset: String,
    pub payer: String,
    pub pay_to: String,
    /// Atomic units.
    pub amount: String,
    pub transaction: String,
    pub created_at: i64,
    pub settled_at: i64,
    pub is_final: bool,
}

/// A payment that waits longer than payments should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    pub id: String,
    pub network: String,
    pub state: String,
    pub asset: String,
    pub amount: String,
    pub created_at: i64,
    /// The signer whose lane took it last.
    pub signer: Option<String>,
}

/// Settlements of one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourCount {
    /// Hours since the epoch.
    pub hour: i64,
    pub settled: u64,
}

/// What happened to a settlement and when, unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Life {
    pub settled_at: Option<i64>,
    pub final_at: Option<i64>,
    pub delivered_at: Option<i64>,
    /// Oldest first.
    pub transactions: Vec<Carriage>,
}

/// A transaction that carried a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carriage {
    pub signer: String,
    pub account_nonce: Option<i64>,
    /// `signed`, `broadcast`, `mined` or `replaced`.
    pub state: String,
    pub mined_hash: Option<String>,
    pub block_number: Option<i64>,
    pub succeeded: Option<bool>,
    pub gas_used: Option<i64>,
    /// Billionths of the native coin.
    pub cost_gwei: Option<i64>,
    pub created_at: i64,
    /// Payments that it carried.
    pub payments: i64,
    /// Oldest first.
    pub attempts: Vec<Tried>,
}

/// One signed form of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    pub hash: String,
    /// `payment` or `noop`.
    pub role: String,
    pub created_at: i64,
}

impl Store {
    /// The newest settlements, newest first.
    pub async fn recently_settled(&self, limit: u32) -> Result<Vec<Recent>> {
        let rows = sqlx::query(
            "select id, network, asset, payer, pay_to, amount, transaction_hash, created_at, settled_at, final_at from settlements \
             where settled_at is not null and state = 'settled' and transaction_hash is not null order by settled_at desc limit $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &AnyRow| {
            let final_at: Option<i64> = row.try_get("final_at")?;
            Ok(Recent {
                id: row.try_get("id")?,
                network: row.try_get("network")?,
                asset: row.try_get("asset")?,
                payer: row.try_get("payer")?,
                pay_to: row.try_get("pay_to")?,
                amount: row.try_get("amount")?,
                transaction: row.try_get("transaction_hash")?,
                created_at: row.try_get("created_at")?,
                settled_at: row.try_get("settled_at")?,
                is_final: final_at.is_some(),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Settlements by hour, from the beginning of an hour on. Whoever asks often keeps the hours that are over.
    pub async fn settled_since(&self, hour: i64) -> Result<Vec<HourCount>> {
        let rows = sqlx::query(
            "select settled_at / 3600000 as settled_hour, count(*) as settled from settlements \
             where settled_at >= $1 and state = 'settled' group by settled_at / 3600000",
        )
        .bind(hour * HOUR)
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &AnyRow| {
            let settled: i64 = row.try_get("settled")?;
            Ok(HourCount {
                hour: row.try_get("settled_hour")?,
                settled: u64::try_from(settled).unwrap_or(0),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Payments that have waited for their end since before `before`, oldest first.
    pub async fn overdue(&self, network: &str, before: i64, limit: u32) -> Result<Vec<Overdue>> {
        let mut overdue = Vec::new();
        for state in ["queued", "submitted"] {
            let rows = sqlx::query(
                "select id, state, asset, amount, created_at, claimed_by from settlements \
                 where network = $1 and state = $2 and created_at < $3 order by created_at limit $4",
            )
            .bind(network)
            .bind(state)
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
            for row in &rows {
                overdue.push(Overdue {
                    id: row.try_get("id")?,
                    network: network.to_owned(),
                    state: row.try_get("state")?,
                    asset: row.try_get("asset")?,
                    amount: row.try_get("amount")?,
                    created_at: row.try_get("created_at")?,
                    signer: row.try_get("claimed_by")?,
                });
            }
        }
        Ok(overdue)
    }

    /// The life of the settlement with this id; empty when there is none.
    pub async fn life(&self, id: &str) -> Result<Life> {
        let row =
            sqlx::query("select settled_at, final_at, delivered_at from settlements where id = $1")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        let Some(row) = row else {
            return Ok(Life::default());
        };
        Ok(Life {
            settled_at: row.try_get("settled_at")?,
            final_at: row.try_get("final_at")?,
            delivered_at: row.try_get("delivered_at")?,
            transactions: self.carriages(id).await?,
        })
    }

    async fn carriages(&self, settlement: &str) -> Result<Vec<Carriage>> {
        let rows = sqlx::query(
            "select t.id as id, t.signer as signer, t.account_nonce as account_nonce, t.state as state, t.mined_hash as mined_hash, \
             t.block_number as block_number, t.succeeded as succeeded, t.gas_used as gas_used, t.cost_gwei as cost_gwei, \
             t.created_at as created_at, (select count(*) from settlement_transactions o where o.transaction_id = t.id) as payments \
             from settlement_transactions st join transactions t on t.id = st.transaction_id where st.settlement_id = $1 order by t.id limit $2",
        )
        .bind(settlement)
        .bind(TOLD)
        .fetch_all(&self.pool)
        .await?;
        let mut carriages = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: String = row.try_get("id")?;
            let succeeded: Option<i64> = row.try_get("succeeded")?;
            carriages.push(Carriage {
                signer: row.try_get("signer")?,
                account_nonce: row.try_get("account_nonce")?,
                state: row.try_get("state")?,
                mined_hash: row.try_get("mined_hash")?,
                block_number: row.try_get("block_number")?,
                succeeded: succeeded.map(|succeeded| succeeded != 0),
                gas_used: row.try_get("gas_used")?,
                cost_gwei: row.try_get("cost_gwei")?,
                created_at: row.try_get("created_at")?,
                payments: row.try_get("payments")?,
                attempts: self.tried(&id).await?,
            });
        }
        Ok(carriages)
    }

    async fn tried(&self, transaction: &str) -> Result<Vec<Tried>> {
        let rows = sqlx::query(
            "select hash, role, created_at from attempts where transaction_id = $1 order by number limit $2",
        )
        .bind(transaction)
        .bind(TOLD)
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &AnyRow| {
            Ok(Tried {
                hash: row.try_get("hash")?,
                role: row.try_get("role")?,
                created_at: row.try_get("created_at")?,
            })
        };
        rows.iter().map(read).collect()
    }
}
