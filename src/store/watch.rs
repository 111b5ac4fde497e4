//! What a watcher has to look at: payments that wait for a transaction, and what is decided but may still change.

use sqlx::Row;

use super::outcomes::Block;
use super::row::{Settlement, settlement_columns};
use super::{Result, Store};
use crate::protocol::Network;

/// A mined transaction whose block may still change.
#[derive(Debug, Clone)]
pub struct NotFinal {
    pub transaction_id: String,
    pub hash: String,
    pub block: Block,
}

impl Store {
    /// Every payment that a transaction was made for and whose end it may still be: all but the settled and the released.
    pub async fn carried_by(&self, transaction_id: &str) -> Result<Vec<Settlement>> {
        let rows = sqlx::query(concat!(
            "select ",
            settlement_columns!(),
            " from settlements where state in ('queued', 'submitted', 'settled_elsewhere', 'failed', 'expired') and id in \
             (select settlement_id from settlement_transactions where transaction_id = $1) order by id"
        ))
        .bind(transaction_id)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(Settlement::read).collect()
    }

    /// Payments that had a transaction and wait without an open one, some at a time: those after an id, in the order of ids. A row that cannot be
    /// read is left out.
    pub async fn leftovers(&self, network: &Network, after: &str) -> Result<Vec<Settlement>> {
        let rows = sqlx::query(concat!(
            "select ",
            settlement_columns!(),
            " from settlements where network = $1 and state in ('queued', 'submitted') and transaction_hash is not null and id > $2 \
             and not exists (select 1 from settlement_transactions st join transactions t on t.id = st.transaction_id \
             where st.settlement_id = settlements.id and t.state in ('signed', 'broadcast')) order by id limit 5"
        ))
        .bind(network.as_str())
        .bind(after)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .iter()
            .filter_map(|row| Settlement::read(row).ok())
            .collect())
    }

    /// Mined transactions that are not final yet, oldest block first: the next to become final.
    pub async fn oldest_not_final(&self, network: &Network) -> Result<Vec<NotFinal>> {
        self.not_final(
            network,
            "select id, mined_hash, block_number, block_hash from transactions \
             where network = $1 and state = 'mined' and final_at is null order by block_number, id limit 1000",
        )
        .await
    }

    /// Mined transactions that are not final yet, newest block first: the next that a reorg takes away.
    pub async fn newest_not_final(&self, network: &Network) -> Result<Vec<NotFinal>> {
        self.not_final(
            network,
            "select id, mined_hash, block_number, block_hash from transactions \
             where network = $1 and state = 'mined' and final_at is null order by block_number desc, id limit 1000",
        )
        .await
    }

    async fn not_final(&self, network: &Network, query: &'static str) -> Result<Vec<NotFinal>> {
        let rows = sqlx::query(query)
            .bind(network.as_str())
            .fetch_all(&self.pool)
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let number: i64 = row.try_get("block_number")?;
            found.push(NotFinal {
                transaction_id: row.try_get("id")?,
                hash: row.try_get("mined_hash")?,
                block: Block {
                    number: u64::try_from(number).unwrap_or(0),
                    hash: row.try_get("block_hash")?,
                },
            });
        }
        Ok(found)
    }

    /// Failed settlements whose authorization may still be live, some at a time: those after an id, in the order of ids. A row that
    /// cannot be read is left out.
    pub async fn failed_unfinished(
        &self,
        network: &Network,
        after: &str,
    ) -> Result<Vec<Settlement>> {
        let rows = sqlx::query(concat!(
            "select ",
            settlement_columns!(),
            " from settlements where network = $1 and state = 'failed' and final_at is null and id > $2 order by id limit 20"
        ))
        .bind(network.as_str())
        .bind(after)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .iter()
            .filter_map(|row| Settlement::read(row).ok())
            .collect())
    }
}
