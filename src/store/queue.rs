//! The queue as lanes see it: claim, hand back, put back, and clear away what nobody waits for.

use sqlx::Row;

use super::row::{Settlement, settlement_columns};
use super::{Lease, Result, Store};
use crate::clock::UnixMillis;
use crate::protocol::{Network, Reason};

impl Store {
    /// Claims up to `limit` queued payments that this signer may send, oldest first, those handed back lately last, until `until`. A claim only keeps other lanes from doing the
    /// same work; it decides nothing. A lane that an operator paused gets none.
    pub async fn claim(
        &self,
        network: &Network,
        signer: &str,
        until: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Settlement>> {
        let rows = sqlx::query(concat!(
            "update settlements set claimed_by = $1, claimed_until = $2 where id in (select id from settlements \
             where network = $3 and state = 'queued' and (deadline > $4 or transaction_hash is not null) and claimed_until <= $4 \
             and (required_sender is null or required_sender = $1) and not exists (select 1 from lanes l where l.network = $3 \
             and l.signer = $1 and l.paused like 'paused by an operator%') order by claimed_until, created_at, id limit $5) \
             and state = 'queued' and claimed_until <= $4 returning ",
            settlement_columns!()
        ))
        .bind(signer)
        .bind(until.0)
        .bind(network.as_str())
        .bind(self.now())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let mut claimed = rows
            .iter()
            .map(Settlement::read)
            .collect::<Result<Vec<_>>>()?;
        claimed.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(claimed)
    }

    /// Hands a claim back; the payment may be claimed again from `from` on.
    pub async fn unclaim(&self, id: &str, signer: &str, from: UnixMillis) -> Result<()> {
        sqlx::query(
            "update settlements set claimed_until = $1 where id = $2 and claimed_by = $3 and state = 'queued'",
        )
        .bind(from.0)
        .bind(id)
        .bind(signer)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Frees what an earlier holder of this lane claimed and died over; its present holder has claimed nothing yet.
    pub async fn unclaim_all(&self, lease: &Lease) -> Result<()> {
        sqlx::query(
            "update settlements set claimed_until = 0 where network = $1 and claimed_by = $2 and state = 'queued'",
        )
        .bind(lease.network().as_str())
        .bind(lease.signer())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Releases queued payments whose deadline passed `grace` ago: their request is gone, nothing was signed for them.
    pub async fn release_overdue(&self, network: &Network, before: UnixMillis) -> Result<u64> {
        let rows = sqlx::query(
            "update settlements set state = 'released', reason = $1, updated_at = $2 \
             where network = $3 and state = 'queued' and deadline < $4 and transaction_hash is null returning id",
        )
        .bind(Reason::SettlementCapacityExceeded.as_str())
        .bind(self.now())
        .bind(network.as_str())
        .bind(before.0)
        .fetch_all(&self.pool)
        .await?;
        for row in &rows {
            let id: String = row.try_get("id")?;
            self.ring_settlement(&id);
        }
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }
}
