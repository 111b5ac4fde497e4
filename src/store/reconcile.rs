//! What a comparison of the ledger with the chain reads and leaves behind.

use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::row::{Settlement, impossible, settlement_columns};
use super::transactions::to_i64;
use super::{Result, Store};
use crate::clock::UnixMillis;
use crate::protocol::Network;

/// Rows read at a time.
const PAGE: i64 = 100;

/// One place where the ledger and the chain disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub kind: DifferenceKind,
    /// A settlement's or transaction's id, or a signer.
    pub subject: String,
    /// For people.
    pub detail: String,
}

/// What disagrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The chain does not know a transaction that the ledger has as final.
    TransactionMissing,
    /// It is in another block than the ledger says.
    BlockChanged,
    /// It does not hold the transfer that proves a settled payment.
    TransferMissing,
    /// An authorization that the ledger has as expired unused is used.
    ExpiredButUsed,
    /// It ended otherwise than the ledger says.
    ResultChanged,
    /// It cost something else than was booked.
    CostDiffers,
    /// The days' spending is not the sum of what the transactions cost.
    SpendingDiffers,
    /// A signer sent something that the ledger does not know.
    UnknownTransaction,
}

impl DifferenceKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransactionMissing => "transaction_missing",
            Self::BlockChanged => "block_changed",
            Self::TransferMissing => "transfer_missing",
            Self::ExpiredButUsed => "expired_but_used",
            Self::ResultChanged => "result_changed",
            Self::CostDiffers => "cost_differs",
            Self::SpendingDiffers => "spending_differs",
            Self::UnknownTransaction => "unknown_transaction",
        }
    }
}

/// A transaction of ours that is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalTransaction {
    pub id: String,
    pub hash: String,
    pub block_hash: String,
    pub succeeded: bool,
    /// Billionths of the native coin, rounded up.
    pub cost: i64,
}

/// What a signer has spent, by its two records. Billionths of the native coin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    pub signer: String,
    /// The sum over the days.
    pub booked: i64,
    /// The sum over the transactions.
    pub cost: i64,
}

/// A signer's account nonces on record below some number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownNonces {
    /// The first; `None` when there is none.
    pub first: Option<u64>,
    pub count: u64,
}

impl Store {
    /// Claims work that is due when it was last begun longer ago than `every_millis`. Of all replicas one gets it.
    pub async fn claim_job(&self, name: &str, every_millis: i64) -> Result<bool> {
        let now = self.now();
        let claimed = sqlx::query(
            "insert into jobs (name, ran_at) values ($1, $2) on conflict (name) do update set ran_at = excluded.ran_at \
             where jobs.ran_at <= $3",
        )
        .bind(name)
        .bind(now)
        .bind(now.saturating_sub(every_millis))
        .execute(&self.pool)
        .await?;
        Ok(claimed.rows_affected() == 1)
    }

    /// Settled and final payments that changed since, in the order of ids: a page after an id.
    pub async fn final_settled(
        &self,
        network: &Network,
        since: UnixMillis,
        after: &str,
    ) -> Result<Vec<Settlement>> {
        self.settlements_in(network, "settled", since, after).await
    }

    /// Expired payments that changed since, in the order of ids: a page after an id.
    pub async fn expired(
        &self,
        network: &Network,
        since: UnixMillis,
        after: &str,
    ) -> Result<Vec<Settlement>> {
        self.settlements_in(network, "expired", since, after).await
    }

    async fn settlements_in(
        &self,
        network: &Network,
        state: &str,
        since: UnixMillis,
        after: &str,
    ) -> Result<Vec<Settlement>> {
        let rows = sqlx::query(concat!(
            "select ",
            settlement_columns!(),
            " from settlements where network = $1 and state = $2 and updated_at >= $3 and id > $4 \
             and (state = 'expired' or final_at is not null) order by id limit $5"
        ))
        .bind(network.as_str())
        .bind(state)
        .bind(since.0)
        .bind(after)
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(Settlement::read).collect()
    }

    /// Final transactions that changed since, in the order of ids: a page after an id.
    pub async fn final_transactions(
        &self,
        network: &Network,
        since: UnixMillis,
        after: &str,
    ) -> Result<Vec<FinalTransaction>> {
        let rows = sqlx::query(
            "select id, mined_hash, block_hash, succeeded, cost_gwei from transactions where network = $1 and state = 'mined' \
             and final_at is not null and updated_at >= $2 and id > $3 order by id limit $4",
        )
        .bind(network.as_str())
        .bind(since.0)
        .bind(after)
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read_transaction).collect()
    }

    /// What every signer has spent on a network, by both records.
    pub async fn spent(&self, network: &Network) -> Result<Vec<Spent>> {
        // `sum` of BIGINT is NUMERIC on Postgres.
        let rows = sqlx::query(
            "select signer, cast(sum(booked) as bigint) as booked, cast(sum(cost) as bigint) as cost from \
             (select signer, gwei as booked, 0 as cost from spending where network = $1 union all \
              select signer, 0 as booked, coalesce(cost_gwei, 0) as cost from transactions where network = $1 and state = 'mined') both_records \
             group by signer order by signer",
        )
        .bind(network.as_str())
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &AnyRow| {
            Ok(Spent {
                signer: row.try_get("signer")?,
                booked: row.try_get("booked")?,
                cost: row.try_get("cost")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// How many account nonces below `next` are on record for a signer, and from which on.
    pub async fn known_nonces(
        &self,
        network: &Network,
        signer: &str,
        next: u64,
    ) -> Result<KnownNonces> {
        let row = sqlx::query(
            "select min(account_nonce) as first, count(account_nonce) as known from transactions \
             where network = $1 and signer = $2 and account_nonce < $3",
        )
        .bind(network.as_str())
        .bind(signer)
        .bind(to_i64(next)?)
        .fetch_one(&self.pool)
        .await?;
        let first: Option<i64> = row.try_get("first")?;
        let count: i64 = row.try_get("known")?;
        Ok(KnownNonces {
            first: first.and_then(|first| u64::try_from(first).ok()),
            count: u64::try_from(count).unwrap_or(0),
        })
    }

    /// Whether a hash is of a transaction that we signed.
    pub async fn has_attempt(&self, hash: &str) -> Result<bool> {
        let row = sqlx::query("select hash from attempts where hash = $1")
            .bind(hash)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Replaces what the last comparison of a network found; a difference that is still there keeps the time it was first found.
    pub async fn note_differences(&self, network: &Network, found: &[Difference]) -> Result<()> {
        let now = self.now();
        let mut tx = self.begin().await?;
        for difference in found {
            sqlx::query(
                "insert into differences (network, kind, subject, detail, found_at, seen_at) values ($1, $2, $3, $4, $5, $5) \
                 on conflict (network, kind, subject) do update set detail = excluded.detail, seen_at = excluded.seen_at",
            )
            .bind(network.as_str())
            .bind(difference.kind.as_str())
            .bind(&difference.subject)
            .bind(&difference.detail)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query("delete from differences where network = $1 and seen_at < $2")
            .bind(network.as_str())
            .bind(now)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

fn read_transaction(row: &AnyRow) -> Result<FinalTransaction> {
    let succeeded: Option<i64> = row.try_get("succeeded")?;
    let cost: Option<i64> = row.try_get("cost_gwei")?;
    let hash: Option<String> = row.try_get("mined_hash")?;
    let block_hash: Option<String> = row.try_get("block_hash")?;
    let missing = |column| move || impossible(column, "null");
    Ok(FinalTransaction {
        id: row.try_get("id")?,
        hash: hash.ok_or_else(missing("mined_hash"))?,
        block_hash: block_hash.ok_or_else(missing("block_hash"))?,
        succeeded: succeeded.ok_or_else(missing("succeeded"))? != 0,
        cost: cost.ok_or_else(missing("cost_gwei"))?,
    })
}
