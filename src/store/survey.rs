//! What operators are shown: how much waits, who works, what was paid. Every query is bounded by an index or a limit; none decides anything.

use sqlx::Row;

use super::{Result, Store};
use crate::protocol::Network;

/// Landed transactions that costs are averaged over, on all networks together.
const RECENT: i64 = 200;

/// Rows that wait in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub count: u64,
    /// When the oldest was made, unix milliseconds.
    pub oldest: Option<i64>,
}

/// A lane's row, to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRow {
    pub network: String,
    pub signer: String,
    pub heartbeat: i64,
    pub is_held: bool,
    pub next_nonce: u64,
    pub paused: Option<String>,
}

/// What a landed transaction cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    pub network: String,
    pub signer: String,
    /// Billionths of the native coin.
    pub gwei: i64,
    /// Payments that it carried.
    pub payments: u64,
}

/// Connections to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    pub used: u32,
    pub idle: u32,
    pub most: u32,
}

impl Store {
    /// Payments in a state, `queued` or `submitted`: both are small, as nothing stays in them.
    pub async fn waiting(&self, network: &Network, state: &'static str) -> Result<Waiting> {
        self.count_waiting(
            "select count(*) as waiting, min(created_at) as oldest from settlements where network = $1 and state = $2",
            network,
            state,
        )
        .await
    }

    /// Landed transactions that a reorg could still take away.
    pub async fn waiting_for_finality(&self, network: &Network) -> Result<Waiting> {
        self.count_waiting(
            "select count(*) as waiting, min(created_at) as oldest from transactions where network = $1 and state = $2 and final_at is null",
            network,
            "mined",
        )
        .await
    }

    async fn count_waiting(
        &self,
        query: &'static str,
        network: &Network,
        state: &'static str,
    ) -> Result<Waiting> {
        let row = sqlx::query(query)
            .bind(network.as_str())
            .bind(state)
            .fetch_one(&self.pool)
            .await?;
        let count: i64 = row.try_get("waiting")?;
        Ok(Waiting {
            count: u64::try_from(count).unwrap_or(0),
            oldest: row.try_get("oldest")?,
        })
    }

    /// Transactions without a proven end, by signer.
    pub async fn in_flight_counts(&self, network: &Network) -> Result<Vec<(String, u64)>> {
        let rows = sqlx::query(
            "select signer, count(*) as open from transactions where network = $1 and state in ('signed', 'broadcast') group by signer",
        )
        .bind(network.as_str())
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &sqlx::any::AnyRow| {
            let open: i64 = row.try_get("open")?;
            Ok((row.try_get("signer")?, u64::try_from(open).unwrap_or(0)))
        };
        rows.iter().map(read).collect()
    }

    /// Every lane that there ever was: one per network and signer.
    pub async fn lanes(&self) -> Result<Vec<LaneRow>> {
        let rows = sqlx::query(
            "select network, signer, heartbeat, holder, next_nonce, paused from lanes where network not like 'sweeper:%' order by network, signer limit 1000",
        )
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &sqlx::any::AnyRow| {
            let holder: Option<String> = row.try_get("holder")?;
            let next_nonce: i64 = row.try_get("next_nonce")?;
            Ok(LaneRow {
                network: row.try_get("network")?,
                signer: row.try_get("signer")?,
                heartbeat: row.try_get("heartbeat")?,
                is_held: holder.is_some(),
                next_nonce: u64::try_from(next_nonce).unwrap_or(0),
                paused: row.try_get("paused")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// What the newest landed transactions cost.
    pub async fn recent_costs(&self) -> Result<Vec<Cost>> {
        let rows = sqlx::query(
            "select t.network as network, t.signer as signer, t.cost_gwei as gwei, \
             (select count(*) from settlement_transactions st where st.transaction_id = t.id) as payments \
             from transactions t where t.state = 'mined' and t.cost_gwei is not null order by t.id desc limit $1",
        )
        .bind(RECENT)
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &sqlx::any::AnyRow| {
            let payments: i64 = row.try_get("payments")?;
            Ok(Cost {
                network: row.try_get("network")?,
                signer: row.try_get("signer")?,
                gwei: row.try_get("gwei")?,
                payments: u64::try_from(payments).unwrap_or(0),
            })
        };
        rows.iter().map(read).collect()
    }

    pub fn connections(&self) -> Connections {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        Connections {
            used: self.pool.size().saturating_sub(idle),
            idle,
            most: self.pool.options().get_max_connections(),
        }
    }
}
