//! What a watcher has to look at: payments that wait for a transaction, and what is decided but may still change.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::outcomes::Block;
use super::row::{Settlement, impossible, settlement_columns};
use super::{Result, Role, Store};
use crate::protocol::Network;

/// A mined transaction whose block may still change.
#[derive(Debug, Clone)]
pub struct NotFinal {
    pub transaction_id: String,
    pub hash: String,
    pub block: Block,
}

/// A transaction that was made to pay a settlement, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// Without a proven end.
    Open,
    /// Its account nonce was consumed by a transaction that is not ours.
    Replaced,
    Mined {
        hash: String,
        block: Block,
        /// What the attempt that was included did.
        role: Role,
        is_final: bool,
    },
}

impl Store {
    /// Every payment that a transaction was made to pay and whose end it may still be: all but the settled and the released.
    pub async fn carried_by(&self, transaction_id: &str) -> Result<Vec<Settlement>> {
        let rows = sqlx::query(concat!(
            "select ",
            settlement_columns!(),
            " from settlements where state in ('queued', 'submitted', 'settled_elsewhere', 'failed', 'expired') and id in \
             (select settlement_id from settlement_transactions where transaction_id = $1 and role = 'payment') order by id"
        ))
        .bind(transaction_id)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(Settlement::read).collect()
    }

    /// The transactions that were made to pay a settlement; its permit's is none of them.
    pub async fn carriers(&self, settlement_id: &str) -> Result<Vec<Carrier>> {
        let rows = sqlx::query(
            "select t.state, t.mined_hash, t.block_number, t.block_hash, t.final_at, a.role from settlement_transactions st \
             join transactions t on t.id = st.transaction_id \
             left join attempts a on a.transaction_id = t.id and a.hash = lower(t.mined_hash) \
             where st.settlement_id = $1 and st.role = 'payment' order by t.id limit 100",
        )
        .bind(settlement_id)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read_carrier).collect()
    }

    /// Whether the session's own permit is known to be on chain: a transaction of ours executed it, or a batch of the session was paid. A batch is
    /// only made with a permit that runs or on one that is known, so what paid it was the session's allowance, whoever sent the permit.
    pub async fn permit_landed(&self, session_id: &str) -> Result<bool> {
        let row = sqlx::query(
            "select 1 as found where exists (select 1 from settlements where session_id = $1 and state = 'settled') \
             or exists (select 1 from settlements s join settlement_transactions st on st.settlement_id = s.id and st.role = 'permit' \
             join transactions t on t.id = st.transaction_id and t.state = 'mined' and t.succeeded = 1 \
             join attempts a on a.transaction_id = t.id and a.hash = lower(t.mined_hash) and a.role = 'permit' where s.session_id = $1)",
        )
        .bind(session_id)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.is_some())
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

fn read_carrier(row: &AnyRow) -> Result<Carrier> {
    let state: String = row.try_get("state")?;
    match state.as_str() {
        "signed" | "broadcast" => return Ok(Carrier::Open),
        "replaced" => return Ok(Carrier::Replaced),
        "mined" => {}
        other => return Err(impossible("state", other)),
    }
    let (role, final_at): (Option<String>, Option<i64>) =
        (row.try_get("role")?, row.try_get("final_at")?);
    let role = role.ok_or_else(|| impossible("mined_hash", "of no attempt"))?;
    let number: i64 = row.try_get("block_number")?;
    Ok(Carrier::Mined {
        hash: row.try_get("mined_hash")?,
        block: Block {
            number: u64::try_from(number).unwrap_or(0),
            hash: row.try_get("block_hash")?,
        },
        role: Role::parse(&role)?,
        is_final: final_at.is_some(),
    })
}
