//! Proven outcomes. Watchers report them; each is one conditional statement, so that several watchers may report the same.

use sqlx::{Any, Row, Transaction};

use super::transactions::to_i64;
use super::{NotFinal, Result, Settlement, Stage, Store, fees};
use crate::clock::UnixMillis;
use crate::protocol::Reason;

/// A block as a receipt names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub number: u64,
    pub hash: String,
}

/// A receipt of one of our attempts.
#[derive(Debug, Clone)]
pub struct Mined {
    pub transaction_id: String,
    /// The attempt that was included.
    pub hash: String,
    pub block: Block,
    pub succeeded: bool,
    pub gas_used: u64,
    /// Wei per gas.
    pub gas_price: u128,
    /// Wei charged besides the gas.
    pub l1_fee: u128,
}

impl Mined {
    /// What it cost: wei, or billionths of lamports.
    pub fn cost(&self) -> u128 {
        u128::from(self.gas_used)
            .saturating_mul(self.gas_price)
            .saturating_add(self.l1_fee)
    }

    pub(super) fn cost_gwei(&self) -> i64 {
        i64::try_from(self.cost().div_ceil(1_000_000_000)).unwrap_or(i64::MAX)
    }
}

/// What the chain proved about one settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The exact transfer is in this log.
    Settled {
        transaction: String,
        block: Block,
        log_index: u64,
    },
    /// Somebody else's transaction consumed the authorization and paid the same terms.
    /// Not a proof of ours: no log is claimed for it.
    Elsewhere { transaction: String, block: Block },
    /// Consumed without paying, or reverted alone.
    Failed {
        reason: Reason,
        message: Option<String>,
        transaction: Option<String>,
        block: Option<Block>,
    },
    /// A confirmed block is past its window and it was not consumed.
    Expired { block: Block },
    /// Its transaction can never pay it, but another may: back into the queue, alone, until this time.
    Requeue { deadline: UnixMillis },
}

impl Store {
    /// Notes a receipt and what it proves, and books the gas, in one go. False when another watcher was first.
    pub async fn mined(&self, mined: &Mined, verdicts: &[(String, Verdict)]) -> Result<bool> {
        let mut tx = self.begin().await?;
        let first = sqlx::query(
            "update transactions set state = 'mined', mined_hash = $1, block_number = $2, block_hash = $3, succeeded = $4, \
             gas_used = $5, gas_price = $6, updated_at = $7, final_at = null, cost_gwei = $9 where id = $8 and state in ('signed', 'broadcast')",
        )
        .bind(&mined.hash)
        .bind(to_i64(mined.block.number)?)
        .bind(&mined.block.hash)
        .bind(i64::from(mined.succeeded))
        .bind(to_i64(mined.gas_used)?)
        .bind(mined.gas_price.to_string())
        .bind(self.now())
        .bind(&mined.transaction_id)
        .bind(mined.cost_gwei())
        .execute(&mut *tx)
        .await?;
        if first.rows_affected() == 0 {
            return Ok(false);
        }
        book_gas(
            &mut tx,
            &mined.transaction_id,
            mined.cost_gwei(),
            self.today(),
        )
        .await?;
        fees::book(&mut tx, mined, verdicts, self.today()).await?;
        for (id, verdict) in verdicts {
            conclude(&mut tx, id, None, verdict, self.now()).await?;
        }
        tx.commit().await?;
        self.ring_all(verdicts);
        Ok(true)
    }

    /// The account nonce is proven consumed by a transaction that is not ours: none of the attempts can be included any more.
    pub async fn replaced(
        &self,
        transaction_id: &str,
        verdicts: &[(String, Verdict)],
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let first = sqlx::query(
            "update transactions set state = 'replaced', updated_at = $1 where id = $2 and state in ('signed', 'broadcast')",
        )
        .bind(self.now())
        .bind(transaction_id)
        .execute(&mut *tx)
        .await?;
        if first.rows_affected() == 0 {
            return Ok(false);
        }
        for (id, verdict) in verdicts {
            conclude(&mut tx, id, None, verdict, self.now()).await?;
        }
        tx.commit().await?;
        self.ring_all(verdicts);
        Ok(true)
    }

    /// Decides one settlement as it was seen: nothing happens when it has moved on since.
    pub async fn conclude(&self, seen: &Settlement, verdict: &Verdict) -> Result<()> {
        let mut tx = self.begin().await?;
        conclude(&mut tx, &seen.id, Some(&seen.stage), verdict, self.now()).await?;
        tx.commit().await?;
        self.ring_settlement(&seen.id);
        Ok(())
    }

    /// A reorg took the block away: the transaction is open again, and so is everything it had decided.
    pub async fn unmined(&self, was: &NotFinal) -> Result<()> {
        let mut tx = self.begin().await?;
        let first = sqlx::query(
            "update transactions set state = 'broadcast', updated_at = $1, mined_hash = null, block_number = null, block_hash = null \
             where id = $2 and state = 'mined' and block_hash = $3 and final_at is null",
        )
        .bind(self.now())
        .bind(&was.transaction_id)
        .bind(&was.block.hash)
        .execute(&mut *tx)
        .await?;
        if first.rows_affected() == 0 {
            return Ok(());
        }
        let cost: i64 = sqlx::query("select cost_gwei from transactions where id = $1")
            .bind(&was.transaction_id)
            .fetch_one(&mut *tx)
            .await?
            .try_get("cost_gwei")?;
        book_gas(
            &mut tx,
            &was.transaction_id,
            cost.saturating_neg(),
            self.today(),
        )
        .await?;
        fees::unbook(&mut tx, &was.transaction_id).await?;
        let rows = sqlx::query(
            "update settlements set state = 'submitted', transaction_hash = coalesce((select hash from attempts where transaction_id = $4 \
             and role = 'payment' order by number desc limit 1), $1), log_index = null, block_number = null, \
             block_hash = null, reason = null, message = null, final_at = null, updated_at = $2 \
             where state in ('settled', 'failed') and block_hash = $3 and id in \
             (select settlement_id from settlement_transactions where transaction_id = $4 and role = 'payment') returning id",
        )
        .bind(&was.hash)
        .bind(self.now())
        .bind(&was.block.hash)
        .bind(&was.transaction_id)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        for row in &rows {
            let id: String = row.try_get("id")?;
            self.ring_settlement(&id);
        }
        Ok(())
    }

    /// The transaction and what it settled cannot change any more.
    pub async fn finalise(&self, done: &NotFinal) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("update transactions set final_at = $1 where id = $2 and block_hash = $3 and final_at is null")
            .bind(self.now())
            .bind(&done.transaction_id)
            .bind(&done.block.hash)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "update settlements set final_at = $1 where state = 'settled' and block_hash = $2 and final_at is null and id in \
             (select settlement_id from settlement_transactions where transaction_id = $3 and role = 'payment')",
        )
        .bind(self.now())
        .bind(&done.block.hash)
        .bind(&done.transaction_id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Nothing can happen to this failed settlement any more.
    pub async fn finish_failed(&self, id: &str) -> Result<()> {
        sqlx::query("update settlements set final_at = $1 where id = $2 and state = 'failed'")
            .bind(self.now())
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    fn ring_all(&self, verdicts: &[(String, Verdict)]) {
        for (id, _) in verdicts {
            self.ring_settlement(id);
        }
    }
}

/// One settlement's transition. A row that is not where the verdict starts from, or not as it was seen, stays as it is: somebody else decided
/// first. So does one whose proof proves another payment already, and a session's batch that failed for good: its amount may be charged anew.
async fn conclude(
    tx: &mut Transaction<'static, Any>,
    id: &str,
    seen: Option<&Stage>,
    verdict: &Verdict,
    now: i64,
) -> Result<()> {
    let change = Change::of(verdict)?;
    sqlx::query(
        "update settlements set state = $1, reason = $2, message = $3, transaction_hash = coalesce($4, transaction_hash), \
         block_number = $5, block_hash = $6, log_index = $7, settled_at = $8, deadline = coalesce($9, deadline), \
         batchable = case when $9 is null then batchable else 0 end, claimed_until = 0, final_at = null, updated_at = $8 \
         where id = $10 and (state = 'submitted' or (state = 'queued' and transaction_hash is not null) \
         or (state in ('failed', 'expired') and $1 in ('settled', 'settled_elsewhere') and (session_id is null or final_at is null)) or (state = 'settled_elsewhere' and $1 = 'settled')) \
         and ($11 is null or (state = $11 and coalesce(transaction_hash, '') = $12)) \
         and not exists (select 1 from settlements other where other.network = settlements.network and other.transaction_hash = $4 \
         and other.log_index = $7 and other.id <> $10)",
    )
    .bind(change.state)
    .bind(change.reason)
    .bind(change.message)
    .bind(change.transaction)
    .bind(change.block.map(|block| to_i64(block.number)).transpose()?)
    .bind(change.block.map(|block| block.hash.as_str()))
    .bind(change.log_index)
    .bind(now)
    .bind(change.deadline)
    .bind(id)
    .bind(seen.map(Stage::name))
    .bind(seen.map(|stage| stage.transaction().unwrap_or_default()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The columns that a verdict sets.
struct Change<'a> {
    state: &'static str,
    reason: Option<&'static str>,
    message: Option<&'a str>,
    transaction: Option<&'a str>,
    block: Option<&'a Block>,
    log_index: Option<i64>,
    deadline: Option<i64>,
}

impl<'a> Change<'a> {
    fn of(verdict: &'a Verdict) -> Result<Self> {
        let plain = |state| Self {
            state,
            reason: None,
            message: None,
            transaction: None,
            block: None,
            log_index: None,
            deadline: None,
        };
        Ok(match verdict {
            Verdict::Settled {
                transaction,
                block,
                log_index,
            } => Self {
                transaction: Some(transaction),
                block: Some(block),
                log_index: Some(to_i64(*log_index)?),
                ..plain("settled")
            },
            Verdict::Elsewhere { transaction, block } => Self {
                transaction: Some(transaction),
                block: Some(block),
                ..plain("settled_elsewhere")
            },
            Verdict::Failed {
                reason,
                message,
                transaction,
                block,
            } => Self {
                reason: Some(reason.as_str()),
                message: message.as_deref(),
                transaction: transaction.as_deref(),
                block: block.as_ref(),
                ..plain("failed")
            },
            Verdict::Expired { block } => Self {
                block: Some(block),
                ..plain("expired")
            },
            Verdict::Requeue { deadline } => Self {
                deadline: Some(deadline.0),
                ..plain("queued")
            },
        })
    }
}

/// Books what a transaction cost on a day, in gwei rounded up; a reorg books it back.
async fn book_gas(
    tx: &mut Transaction<'static, Any>,
    transaction_id: &str,
    gwei: i64,
    day: i64,
) -> Result<()> {
    sqlx::query(
        "insert into spending (network, signer, day, gwei) select network, signer, $1, $2 from transactions where id = $3 \
         on conflict (network, signer, day) do update set gwei = spending.gwei + excluded.gwei",
    )
    .bind(day)
    .bind(gwei)
    .bind(transaction_id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
