//! Settlements as requests see them: insert once, look up, deliver once, give up.

use sqlx::{Any, Executor};

use super::row::{Settlement, settlement_columns};
use super::{Quota, Result, Store, new_id};
use crate::clock::UnixMillis;
use crate::protocol::{Amount, Network, Reason};

/// A payment about to be queued.
#[derive(Debug, Clone)]
pub struct NewSettlement {
    pub payment_key: String,
    pub fingerprint: String,
    pub proof: String,
    pub caller: String,
    pub scheme: String,
    pub network: Network,
    pub wire_network: String,
    pub asset: String,
    pub payer: String,
    pub pay_to: String,
    pub amount: Amount,
    pub work: String,
    pub expect: String,
    pub required_sender: Option<String>,
    pub batchable: bool,
    pub deadline: UnixMillis,
    /// First block time, unix seconds, at which the authorization can no longer be executed.
    pub expires_at: i64,
}

/// What became of an insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// This request is the first with its payment key; the id of its row.
    First(String),
    /// The payment key is on record already.
    Known,
    /// Not inserted, for today's number of this quota is used up.
    UsedUp(Quota),
}

/// One caller being told the success.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Names this one answer, so that only it can be given back.
    pub id: String,
    pub caller: String,
    pub idempotency_key: Option<String>,
}

impl Delivery {
    pub fn new(caller: &str, idempotency_key: Option<&str>) -> Self {
        let idempotency_key = idempotency_key.map(ToOwned::to_owned);
        Self {
            id: new_id(),
            caller: caller.to_owned(),
            idempotency_key,
        }
    }
}

impl Store {
    /// Inserts the payment unless its key is on record: the unique payment key decides who is first. It counts against every quota in the same
    /// transaction, so that whoever finds a quota used up also finds the payments that used it.
    pub async fn enqueue(&self, new: NewSettlement, quotas: &[Quota]) -> Result<Enqueued> {
        let network = new.network.clone();
        let enqueued = self.insert(new, "queued", quotas).await?;
        if matches!(enqueued, Enqueued::First(_)) {
            self.ring_queue(network.as_str());
        }
        Ok(enqueued)
    }

    /// Like [`Store::enqueue`] for a payment of which nothing is charged: it never becomes a transaction, and its row keeps others from charging it.
    pub async fn close_unpaid(&self, new: NewSettlement) -> Result<Enqueued> {
        self.insert(new, "closed", &[]).await
    }

    async fn insert(&self, new: NewSettlement, state: &str, quotas: &[Quota]) -> Result<Enqueued> {
        let id = new_id();
        let entry = Entry {
            id: &id,
            state,
            session_id: None,
            now: self.now(),
        };
        if quotas.is_empty() {
            let is_first = insert(&self.pool, new, entry).await?;
            return Ok(if is_first {
                Enqueued::First(id)
            } else {
                Enqueued::Known
            });
        }
        let mut tx = self.begin().await?;
        if !insert(&mut *tx, new, entry).await? {
            return Ok(Enqueued::Known);
        }
        if let Some(quota) = self.count(&mut tx, quotas).await? {
            tx.rollback().await?;
            return Ok(Enqueued::UsedUp(quota));
        }
        tx.commit().await?;
        Ok(Enqueued::First(id))
    }

    /// The live row of a payment key; a released one does not count.
    pub async fn find(&self, payment_key: &str) -> Result<Option<Settlement>> {
        let row = sqlx::query(concat!(
            "select ",
            settlement_columns!(),
            " from settlements where payment_key = $1 and state <> 'released'"
        ))
        .bind(payment_key)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(Settlement::read).transpose()
    }

    /// A row by its id, released or not.
    pub async fn get(&self, id: &str) -> Result<Option<Settlement>> {
        let row = sqlx::query(concat!(
            "select ",
            settlement_columns!(),
            " from settlements where id = $1"
        ))
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(Settlement::read).transpose()
    }

    /// Every settlement that any attempt with this hash carried, or that this transaction paid.
    pub async fn by_transaction(&self, hash: &str) -> Result<Vec<Settlement>> {
        let rows = sqlx::query(concat!(
            "select ",
            settlement_columns!(),
            " from settlements where transaction_hash = $1 or id in (select st.settlement_id from settlement_transactions st \
             join attempts a on a.transaction_id = st.transaction_id where a.hash = $1) order by id limit 1000"
        ))
        .bind(hash)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(Settlement::read).collect()
    }

    /// Gives a queued payment up for which nothing was ever signed. False when that is not so any more.
    pub async fn release(&self, id: &str, reason: Reason, message: Option<&str>) -> Result<bool> {
        let done = sqlx::query(
            "update settlements set state = 'released', reason = $1, message = $2, updated_at = $3 where id = $4 and state = 'queued' \
             and transaction_hash is null",
        )
        .bind(reason.as_str())
        .bind(message)
        .bind(self.now())
        .bind(id)
        .execute(&self.pool)
        .await?;
        self.ring_settlement(id);
        Ok(done.rows_affected() == 1)
    }

    /// Claims the one delivery of a success; claiming again with the same delivery is the same claim. False when somebody else was told already, or
    /// it is not settled any more.
    pub async fn deliver(&self, id: &str, delivery: &Delivery) -> Result<bool> {
        let done = sqlx::query(
            "update settlements set delivered_at = $1, delivered_to = $2, delivery_key = $3, delivery_id = $4 \
             where id = $5 and state in ('settled', 'closed') and (delivered_at is null or delivery_id = $4)",
        )
        .bind(self.now())
        .bind(&delivery.caller)
        .bind(&delivery.idempotency_key)
        .bind(&delivery.id)
        .bind(id)
        .execute(&self.pool)
        .await?;
        self.ring_settlement(id);
        Ok(done.rows_affected() == 1)
    }

    /// Gives a delivery back whose answer was never written; only the very delivery that was claimed.
    pub async fn undeliver(&self, id: &str, delivery: &Delivery) -> Result<()> {
        sqlx::query(
            "update settlements set delivered_at = null, delivered_to = null, delivery_key = null, delivery_id = null \
             where id = $1 and delivery_id = $2",
        )
        .bind(id)
        .bind(&delivery.id)
        .execute(&self.pool)
        .await?;
        self.ring_settlement(id);
        Ok(())
    }
}

/// How a payment enters the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub id: &'a str,
    pub state: &'a str,
    /// A batch names its session.
    pub session_id: Option<&'a str>,
    pub now: i64,
}

/// The insert itself; false when the payment key is on record.
pub(super) async fn insert<'e>(
    executor: impl Executor<'e, Database = Any>,
    new: NewSettlement,
    entry: Entry<'_>,
) -> Result<bool> {
    let inserted = sqlx::query(
        "insert into settlements (id, payment_key, fingerprint, proof, caller, scheme, network, wire_network, asset, payer, \
         pay_to, amount, work, expect, required_sender, batchable, deadline, state, created_at, updated_at, claimed_until, expires_at, \
         session_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $21, $18, $18, 0, $19, $20) \
         on conflict do nothing",
    )
    .bind(entry.id)
    .bind(new.payment_key)
    .bind(new.fingerprint)
    .bind(new.proof)
    .bind(new.caller)
    .bind(new.scheme)
    .bind(new.network.as_str())
    .bind(new.wire_network)
    .bind(new.asset)
    .bind(new.payer)
    .bind(new.pay_to)
    .bind(new.amount.to_string())
    .bind(new.work)
    .bind(new.expect)
    .bind(new.required_sender)
    .bind(i64::from(new.batchable))
    .bind(new.deadline.0)
    .bind(entry.now)
    .bind(new.expires_at)
    .bind(entry.session_id)
    .bind(entry.state)
    .execute(executor)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
