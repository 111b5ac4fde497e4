//! Daily numbers shared by all replicas, and how much is under way.

use sqlx::{Any, Row, Transaction};

use super::{Result, Store};
use crate::protocol::Network;

/// A daily number of payments that somebody may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    pub subject: String,
    pub most: i64,
}

/// Payments under way, each counted no further than one past the number that was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnderWay {
    /// Waiting for a lane of the network.
    pub queued: i64,
    /// Of the caller, waiting or sent.
    pub caller: i64,
    /// Of the payer in the asset, waiting or sent.
    pub payer: i64,
}

/// Whose payments to count.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    pub network: &'a Network,
    pub caller: &'a str,
    pub asset: &'a str,
    pub payer: &'a str,
    /// Where counting ends.
    pub most: i64,
}

impl Store {
    /// The first quota that is used up today, without counting anything.
    pub async fn used_up(&self, quotas: &[Quota]) -> Result<Option<Quota>> {
        for quota in quotas {
            let row = sqlx::query("select payments from quotas where day = $1 and subject = $2")
                .bind(self.today())
                .bind(&quota.subject)
                .fetch_optional(&self.pool)
                .await?;
            let payments: Option<i64> = row.map(|row| row.try_get("payments")).transpose()?;
            if payments.unwrap_or(0) >= quota.most {
                return Ok(Some(quota.clone()));
            }
        }
        Ok(None)
    }

    /// Counts one payment of today against every quota; the first that is used up is returned, and then nothing may be committed. One statement
    /// per quota decides, so replicas together never exceed it.
    pub(super) async fn count(
        &self,
        tx: &mut Transaction<'static, Any>,
        quotas: &[Quota],
    ) -> Result<Option<Quota>> {
        // One order for everybody, or two requests could wait for each other.
        let mut quotas: Vec<&Quota> = quotas.iter().collect();
        quotas.sort_by(|a, b| a.subject.cmp(&b.subject));
        for quota in quotas {
            let counted = sqlx::query(
                "insert into quotas (day, subject, payments) select $1, $2, 1 where $3 > 0 \
                 on conflict (day, subject) do update set payments = quotas.payments + 1 where quotas.payments < $3",
            )
            .bind(self.today())
            .bind(&quota.subject)
            .bind(quota.most)
            .execute(&mut **tx)
            .await?;
            if counted.rows_affected() == 0 {
                return Ok(Some(quota.clone()));
            }
        }
        Ok(None)
    }

    /// Forgets numbers older than so many days.
    pub async fn prune_quotas(&self, days: i64) -> Result<()> {
        sqlx::query("delete from quotas where day < $1")
            .bind(self.today().saturating_sub(days))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// How much is under way.
    pub async fn under_way(&self, whose: Whose<'_>) -> Result<UnderWay> {
        let row = sqlx::query(
            "select (select count(*) from (select 1 from settlements where network = $1 and state = 'queued' limit $5) q) as queued, \
             (select count(*) from (select 1 from settlements where caller = $2 and state in ('queued', 'submitted') limit $5) c) as of_caller, \
             (select count(*) from (select 1 from settlements where network = $1 and asset = $3 and payer = $4 \
             and state in ('queued', 'submitted') limit $5) p) as of_payer",
        )
        .bind(whose.network.as_str())
        .bind(whose.caller)
        .bind(whose.asset)
        .bind(whose.payer)
        .bind(whose.most.saturating_add(1))
        .fetch_one(&self.pool)
        .await?;
        Ok(UnderWay {
            queued: row.try_get("queued")?,
            caller: row.try_get("of_caller")?,
            payer: row.try_get("of_payer")?,
        })
    }
}
