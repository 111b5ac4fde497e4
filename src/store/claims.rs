//! Who verified a payment first, for payments that charge less than what was signed. A claim makes nothing happen: it only refuses others.

use sqlx::Row;

use super::{Result, Store};
use crate::clock::UnixMillis;

/// Most claims of one caller on one payer's payments that stand at a time and are not on record as settlements, which keep others away themselves.
const PER_PAYER_MAX: i64 = 256;
/// Most claims of one caller that stand at a time.
const PER_CALLER_MAX: i64 = 65_536;
/// How many claims that ran out are cleared away by one that is made.
const CLEARED_AT_ONCE: i64 = 16;

/// A payment about to be claimed.
#[derive(Debug, Clone)]
pub struct NewClaim<'a> {
    pub payment_key: &'a str,
    pub caller: &'a str,
    /// In the chain's normal form.
    pub payer: &'a str,
    pub expires_at: UnixMillis,
}

impl Store {
    /// The caller that claimed the payment; `None` where nobody did, or the claim ran out.
    pub async fn claimed_by(&self, payment_key: &str) -> Result<Option<String>> {
        let row =
            sqlx::query("select caller from claims where payment_key = $1 and expires_at > $2")
                .bind(payment_key)
                .bind(self.now())
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|row| row.try_get("caller")).transpose()?)
    }

    /// Claims the payment unless somebody has; tells who has it then. `None` when the caller has too many already.
    pub async fn claim_payment(&self, new: &NewClaim<'_>) -> Result<Option<String>> {
        let now = self.now();
        sqlx::query(
            "delete from claims where payment_key in (select payment_key from claims where expires_at <= $1 limit $2)",
        )
        .bind(now)
        .bind(CLEARED_AT_ONCE)
        .execute(&self.pool)
        .await?;
        // One statement, so that of two callers the first has it. A claim that ran out is taken over.
        sqlx::query(
            "insert into claims (payment_key, caller, payer, created_at, expires_at) select $1, $2, $3, $4, $5 \
             where (select count(*) from claims where caller = $2 and payer = $3 and expires_at > $4 and not exists (select 1 \
             from settlements where settlements.payment_key = claims.payment_key and settlements.state <> 'released')) < $6 \
             and (select count(*) from claims where caller = $2 and expires_at > $4) < $7 \
             on conflict (payment_key) do update set caller = excluded.caller, payer = excluded.payer, \
             created_at = excluded.created_at, expires_at = excluded.expires_at where claims.expires_at <= excluded.created_at",
        )
        .bind(new.payment_key)
        .bind(new.caller)
        .bind(new.payer)
        .bind(now)
        .bind(new.expires_at.0)
        .bind(PER_PAYER_MAX)
        .bind(PER_CALLER_MAX)
        .execute(&self.pool)
        .await?;
        self.claimed_by(new.payment_key).await
    }

    /// Whether a caller has as many claims on a payer as it may have.
    pub async fn is_claimed_out(&self, caller: &str, payer: &str) -> Result<bool> {
        let row = sqlx::query(
            "select count(*) as claims from claims where caller = $1 and payer = $2 and expires_at > $3 and not exists (select 1 \
             from settlements where settlements.payment_key = claims.payment_key and settlements.state <> 'released')",
        )
        .bind(caller)
        .bind(payer)
        .bind(self.now())
        .fetch_one(&self.pool)
        .await?;
        Ok(row.try_get::<i64, _>("claims")? >= PER_PAYER_MAX)
    }
}
