//! Transactions and their attempts. A row is committed before its bytes are sent; attempts are only ever added.

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::row::impossible;
use super::{Error, Lease, Result, Store, new_id};
use crate::protocol::Network;

/// What an attempt does with its account nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Payment,
    /// Gives a session's spender its allowance: the payment at the next account nonce needs it.
    Permit,
    /// A transfer of nothing to ourselves: gives the account nonce to nobody.
    Noop,
}

impl Role {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Permit => "permit",
            Self::Noop => "noop",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        match text {
            "payment" => Ok(Self::Payment),
            "permit" => Ok(Self::Permit),
            "noop" => Ok(Self::Noop),
            other => Err(impossible("role", other)),
        }
    }
}

/// Signed bytes about to be stored. Fees in wei per gas; on Solana `max_fee` is the whole fee in lamports.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    pub role: Role,
    pub hash: String,
    pub raw: Vec<u8>,
    pub max_fee: u128,
    pub priority_fee: u128,
}

/// Signed bytes on record.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub number: i64,
    pub role: Role,
    pub hash: String,
    pub raw: Vec<u8>,
    pub max_fee: u128,
    pub priority_fee: u128,
    pub created_at: i64,
}

/// A transaction whose end is not proven, with all its attempts, oldest first.
#[derive(Debug, Clone)]
pub struct InFlight {
    pub id: String,
    pub signer: String,
    /// `None` where the chain has none.
    pub account_nonce: Option<u64>,
    pub was_sent: bool,
    pub attempts: Vec<Attempt>,
    /// Until when the settlements that still wait for it can be executed, unix seconds; `None` when nobody waits.
    pub live_until: Option<i64>,
}

impl Store {
    /// Stores another attempt at the same account nonce. False when the transaction was decided meanwhile: do not send.
    pub async fn add_attempt(
        &self,
        lease: &Lease,
        transaction: &InFlight,
        attempt: &NewAttempt,
    ) -> Result<bool> {
        let now = self.now();
        let mut tx = self.begin().await?;
        self.fence(&mut tx, lease).await?;
        let open = sqlx::query("update transactions set updated_at = $1 where id = $2 and state in ('signed', 'broadcast')")
            .bind(now)
            .bind(&transaction.id)
            .execute(&mut *tx)
            .await?;
        if open.rows_affected() == 0 {
            return Ok(false);
        }
        let number = i64::try_from(transaction.attempts.len())
            .map_err(|_| impossible("number", "too many"))?;
        insert_attempt(&mut tx, &transaction.id, number, attempt, now).await?;
        if attempt.role == Role::Payment {
            sqlx::query(
                "update settlements set transaction_hash = $1 where state = 'submitted' and id in \
                 (select settlement_id from settlement_transactions where transaction_id = $2 and role = 'payment')",
            )
            .bind(&attempt.hash)
            .bind(&transaction.id)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Stores a noop at an account nonce that was taken but has no transaction.
    pub async fn fill_gap(
        &self,
        lease: &Lease,
        account_nonce: u64,
        attempt: &NewAttempt,
    ) -> Result<()> {
        let now = self.now();
        let mut tx = self.begin().await?;
        self.fence(&mut tx, lease).await?;
        let id = new_id();
        insert_transaction(&mut tx, &id, lease, Some(account_nonce), now).await?;
        insert_attempt(&mut tx, &id, 0, attempt, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whether any transaction of the signer is on record at this account nonce.
    pub async fn has_transaction(
        &self,
        network: &Network,
        signer: &str,
        account_nonce: u64,
    ) -> Result<bool> {
        let row = sqlx::query(
            "select id from transactions where network = $1 and signer = $2 and account_nonce = $3",
        )
        .bind(network.as_str())
        .bind(signer)
        .bind(to_i64(account_nonce)?)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.is_some())
    }

    /// Whether a hash is of a transaction of ours, and if so whether that one was made for the settlement; `None` when it is somebody else's.
    pub async fn carried_in(&self, hash: &str, settlement_id: &str) -> Result<Option<bool>> {
        let row = sqlx::query(
            "select (select count(*) from settlement_transactions st where st.transaction_id = a.transaction_id \
             and st.settlement_id = $1) as links from attempts a where a.hash = $2",
        )
        .bind(settlement_id)
        .bind(hash)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let links: i64 = row.try_get("links")?;
        Ok(Some(links > 0))
    }

    /// Notes that some node took the bytes, or may have.
    pub async fn note_sent(&self, network: &Network, transaction_id: &str) -> Result<()> {
        sqlx::query("update transactions set state = 'broadcast', updated_at = $1 where id = $2 and state = 'signed'")
            .bind(self.now())
            .bind(transaction_id)
            .execute(&self.pool)
            .await?;
        self.ring_sent(network.as_str());
        Ok(())
    }

    /// Transactions without a proven end, of one signer or of all, in account nonce order; without one, oldest first.
    pub async fn in_flight(
        &self,
        network: &Network,
        signer: Option<&str>,
    ) -> Result<Vec<InFlight>> {
        let rows = sqlx::query(
            "select t.id, t.signer, t.account_nonce, t.state, a.number, a.role, a.hash, a.raw, a.max_fee, a.priority_fee, a.created_at, \
             (select max(s.expires_at) from settlement_transactions st join settlements s on s.id = st.settlement_id \
              where st.transaction_id = t.id and s.state = 'submitted') as live_until \
             from transactions t join attempts a on a.transaction_id = t.id \
             where t.network = $1 and t.signer = coalesce($2, t.signer) and t.state in ('signed', 'broadcast') \
             order by t.signer, t.account_nonce, t.id, a.number limit 4096",
        )
        .bind(network.as_str())
        .bind(signer)
        .fetch_all(&self.pool)
        .await?;
        let mut found: Vec<InFlight> = Vec::new();
        for row in &rows {
            let id: String = row.try_get("id")?;
            if found.last().is_none_or(|last| last.id != id) {
                found.push(read_in_flight(row, id)?);
            }
            let last = found.last_mut().expect("one was just pushed");
            last.attempts.push(read_attempt(row)?);
        }
        Ok(found)
    }
}

pub(super) async fn insert_transaction(
    tx: &mut Transaction<'static, Any>,
    id: &str,
    lease: &Lease,
    account_nonce: Option<u64>,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "insert into transactions (id, network, signer, account_nonce, state, created_at, updated_at) \
         values ($1, $2, $3, $4, 'signed', $5, $5)",
    )
    .bind(id)
    .bind(lease.network().as_str())
    .bind(lease.signer())
    .bind(account_nonce.map(to_i64).transpose()?)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn insert_attempt(
    tx: &mut Transaction<'static, Any>,
    transaction_id: &str,
    number: i64,
    attempt: &NewAttempt,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "insert into attempts (transaction_id, number, role, hash, raw, max_fee, priority_fee, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(transaction_id)
    .bind(number)
    .bind(attempt.role.as_str())
    .bind(&attempt.hash)
    .bind(attempt.raw.clone())
    .bind(attempt.max_fee.to_string())
    .bind(attempt.priority_fee.to_string())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn read_in_flight(row: &AnyRow, id: String) -> Result<InFlight> {
    let nonce: Option<i64> = row.try_get("account_nonce")?;
    let nonce = nonce
        .map(|nonce| u64::try_from(nonce).map_err(|_| impossible("account_nonce", "negative")));
    let state: String = row.try_get("state")?;
    Ok(InFlight {
        id,
        signer: row.try_get("signer")?,
        account_nonce: nonce.transpose()?,
        was_sent: state == "broadcast",
        attempts: Vec::new(),
        live_until: row.try_get("live_until")?,
    })
}

fn read_attempt(row: &AnyRow) -> Result<Attempt> {
    let role: String = row.try_get("role")?;
    let max_fee: String = row.try_get("max_fee")?;
    let priority_fee: String = row.try_get("priority_fee")?;
    Ok(Attempt {
        number: row.try_get("number")?,
        role: Role::parse(&role)?,
        hash: row.try_get("hash")?,
        raw: row.try_get("raw")?,
        max_fee: max_fee
            .parse()
            .map_err(|_| impossible("max_fee", &max_fee))?,
        priority_fee: priority_fee
            .parse()
            .map_err(|_| impossible("priority_fee", &priority_fee))?,
        created_at: row.try_get("created_at")?,
    })
}

pub(super) fn to_i64(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::Inconsistent(format!("{number} does not fit")))
}
