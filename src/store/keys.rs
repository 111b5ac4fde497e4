//! API keys: what is known about them, never the keys themselves.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::row::impossible;
use super::{Result, Store};

/// Most keys that are not revoked: all of them are kept in memory where requests are answered.
pub const KEYS_MAX: i64 = 10_000;

/// An API key on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's public prefix.
    pub id: String,
    pub name: String,
    /// SHA-256 of the whole key, hex in lower case.
    pub hash: String,
    pub scopes: Vec<String>,
    /// Addresses in their chain's normal form; empty: any.
    pub pay_to: Vec<String>,
    /// CAIP-2 ids; empty: any.
    pub networks: Vec<String>,
    /// Requests per minute; `None`: as the limits say.
    pub rate: Option<u32>,
    /// Payments per UTC day; `None`: as the limits say.
    pub daily: Option<i64>,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
}

/// What became of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    Done,
    /// A key of this name is in use.
    NameTaken,
    /// [`KEYS_MAX`] keys are in use.
    Full,
}

impl Store {
    /// Adds a key; `created_at` and `revoked_at` are the store's to say.
    pub async fn add_key(&self, key: &ApiKey) -> Result<Added> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("select count(*) as live from api_keys where revoked_at is null")
            .fetch_one(&mut *tx)
            .await?;
        if row.try_get::<i64, _>("live")? >= KEYS_MAX {
            return Ok(Added::Full);
        }
        let inserted = sqlx::query(
            "insert into api_keys (id, name, hash, scopes, pay_to, networks, rate, daily, created_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing",
        )
        .bind(&key.id)
        .bind(&key.name)
        .bind(&key.hash)
        .bind(key.scopes.join(","))
        .bind(key.pay_to.join(","))
        .bind(key.networks.join(","))
        .bind(key.rate.map(i64::from))
        .bind(key.daily)
        .bind(self.now())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(if inserted.rows_affected() == 1 {
            Added::Done
        } else {
            Added::NameTaken
        })
    }

    /// The keys in use, oldest first.
    pub async fn live_keys(&self) -> Result<Vec<ApiKey>> {
        let rows = sqlx::query(
            "select id, name, hash, scopes, pay_to, networks, rate, daily, created_at, revoked_at from api_keys \
             where revoked_at is null order by created_at, id limit $1",
        )
        .bind(KEYS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Every key, revoked ones included, newest first, at most so many.
    pub async fn all_keys(&self, limit: u32) -> Result<Vec<ApiKey>> {
        let rows = sqlx::query(
            "select id, name, hash, scopes, pay_to, networks, rate, daily, created_at, revoked_at from api_keys \
             order by created_at desc, id desc limit $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Revokes the key in use that has this prefix or name. False when there is none.
    pub async fn revoke_key(&self, named: &str) -> Result<bool> {
        let done = sqlx::query(
            "update api_keys set revoked_at = $1 where revoked_at is null and (id = $2 or name = $2)",
        )
        .bind(self.now())
        .bind(named)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}

fn read(row: &AnyRow) -> Result<ApiKey> {
    let list = |column: &str| -> Result<Vec<String>> {
        let text: String = row.try_get(column)?;
        let entries = text.split(',').filter(|entry| !entry.is_empty());
        Ok(entries.map(ToOwned::to_owned).collect())
    };
    let rate: Option<i64> = row.try_get("rate")?;
    let rate = rate.map(|rate| u32::try_from(rate).map_err(|_| impossible("rate", "negative")));
    Ok(ApiKey {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        hash: row.try_get("hash")?,
        scopes: list("scopes")?,
        pay_to: list("pay_to")?,
        networks: list("networks")?,
        rate: rate.transpose()?,
        daily: row.try_get("daily")?,
        created_at: row.try_get("created_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}
