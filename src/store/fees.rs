//! What payments cost us, by whoever caused it: booked with the receipt, taken back with a reorg.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::{Mined, Result, Store, Verdict};
use crate::protocol::Network;

/// Gas paid for somebody on a network today, in billionths of the native coin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fees {
    pub gwei: i64,
    /// The part that paid nobody.
    pub failed_gwei: i64,
}

/// Whom fees are summed for.
#[derive(Debug, Clone, Copy)]
pub struct Spenders<'a> {
    pub network: &'a Network,
    pub caller: &'a str,
    /// In the chain's normal form, like the next.
    pub payer: &'a str,
    pub pay_to: &'a str,
}

/// Fees of today at every level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeesToday {
    pub all: Fees,
    pub caller: Fees,
    pub payer: Fees,
    pub pay_to: Fees,
}

/// What changes in `fee_sums`. Ordered, so that two receipts of several payments never wait for each other.
type Changes = BTreeMap<(&'static str, String), Fees>;

impl Store {
    /// What the payments of these have cost since midnight UTC, as far as it has landed.
    pub async fn fees_today(&self, who: Spenders<'_>) -> Result<FeesToday> {
        let rows = sqlx::query(
            "select level, gwei, failed_gwei from fee_sums where day = $1 and network = $2 and \
             ((level = 'all' and subject = '') or (level = 'caller' and subject = $3) \
             or (level = 'payer' and subject = $4) or (level = 'pay_to' and subject = $5))",
        )
        .bind(self.today())
        .bind(who.network.as_str())
        .bind(who.caller)
        .bind(who.payer)
        .bind(who.pay_to)
        .fetch_all(&self.pool)
        .await?;
        let mut today = FeesToday::default();
        for row in &rows {
            let fees = Fees {
                gwei: row.try_get("gwei")?,
                failed_gwei: row.try_get("failed_gwei")?,
            };
            let level: String = row.try_get("level")?;
            match level.as_str() {
                "all" => today.all = fees,
                "caller" => today.caller = fees,
                "payer" => today.payer = fees,
                "pay_to" => today.pay_to = fees,
                other => return Err(super::row::impossible("level", other)),
            }
        }
        Ok(today)
    }

    /// Forgets sums and shares older than so many days. What a reorg could still take back is younger.
    pub async fn prune_fees(&self, days: i64) -> Result<()> {
        for statement in [
            "delete from fees where day < $1",
            "delete from fee_sums where day < $1",
        ] {
            sqlx::query(statement)
                .bind(self.today().saturating_sub(days))
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }
}

/// Books a receipt: every payment of the transaction bears an equal share, rounded up. One that it did not pay bears a failed share.
pub(super) async fn book(
    tx: &mut Transaction<'static, Any>,
    mined: &Mined,
    verdicts: &[(String, Verdict)],
    day: i64,
) -> Result<()> {
    let rows = sqlx::query(
        "select s.id, s.network, s.caller, s.payer, s.pay_to from settlement_transactions st \
         join settlements s on s.id = st.settlement_id where st.transaction_id = $1 order by s.id",
    )
    .bind(&mined.transaction_id)
    .fetch_all(&mut **tx)
    .await?;
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let network: String = first.try_get("network")?;
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let share = mined.cost_gwei() / count + i64::from(mined.cost_gwei() % count != 0);
    let mut changes = Changes::new();
    for row in &rows {
        let id: String = row.try_get("id")?;
        let failed = !pays(mined, &id, verdicts);
        sqlx::query("insert into fees (transaction_id, settlement_id, day, gwei, failed) values ($1, $2, $3, $4, $5)")
            .bind(&mined.transaction_id)
            .bind(&id)
            .bind(day)
            .bind(share)
            .bind(i64::from(failed))
            .execute(&mut **tx)
            .await?;
        add(&mut changes, row, share, failed)?;
    }
    apply(tx, day, &network, changes).await
}

/// Takes back what [`book`] booked.
pub(super) async fn unbook(tx: &mut Transaction<'static, Any>, transaction_id: &str) -> Result<()> {
    let rows = sqlx::query(
        "select s.network, s.caller, s.payer, s.pay_to, f.day, f.gwei, f.failed from fees f \
         join settlements s on s.id = f.settlement_id where f.transaction_id = $1 order by s.id",
    )
    .bind(transaction_id)
    .fetch_all(&mut **tx)
    .await?;
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let (network, day): (String, i64) = (first.try_get("network")?, first.try_get("day")?);
    let mut changes = Changes::new();
    for row in &rows {
        let (gwei, failed): (i64, i64) = (row.try_get("gwei")?, row.try_get("failed")?);
        add(&mut changes, row, gwei.saturating_neg(), failed != 0)?;
    }
    sqlx::query("delete from fees where transaction_id = $1")
        .bind(transaction_id)
        .execute(&mut **tx)
        .await?;
    apply(tx, day, &network, changes).await
}

/// Whether the transaction paid this settlement; where the chain's verdict is not in yet, whether it could have.
fn pays(mined: &Mined, id: &str, verdicts: &[(String, Verdict)]) -> bool {
    let verdict = verdicts.iter().find(|(of, _)| of == id);
    match verdict.map(|(_, verdict)| verdict) {
        Some(Verdict::Settled { .. }) => true,
        Some(
            Verdict::Elsewhere { .. }
            | Verdict::Failed { .. }
            | Verdict::Expired { .. }
            | Verdict::Requeue { .. },
        ) => false,
        None => mined.succeeded,
    }
}

fn add(changes: &mut Changes, row: &AnyRow, gwei: i64, failed: bool) -> Result<()> {
    let subjects = [
        ("all", String::new()),
        ("caller", row.try_get("caller")?),
        ("payer", row.try_get("payer")?),
        ("pay_to", row.try_get("pay_to")?),
    ];
    for subject in subjects {
        let sum = changes.entry(subject).or_default();
        sum.gwei = sum.gwei.saturating_add(gwei);
        if failed {
            sum.failed_gwei = sum.failed_gwei.saturating_add(gwei);
        }
    }
    Ok(())
}

async fn apply(
    tx: &mut Transaction<'static, Any>,
    day: i64,
    network: &str,
    changes: Changes,
) -> Result<()> {
    for ((level, subject), change) in changes {
        sqlx::query(
            "insert into fee_sums (day, network, level, subject, gwei, failed_gwei) values ($1, $2, $3, $4, $5, $6) \
             on conflict (day, network, level, subject) do update set gwei = fee_sums.gwei + excluded.gwei, \
             failed_gwei = fee_sums.failed_gwei + excluded.failed_gwei",
        )
        .bind(day)
        .bind(network)
        .bind(level)
        .bind(subject)
        .bind(change.gwei)
        .bind(change.failed_gwei)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
