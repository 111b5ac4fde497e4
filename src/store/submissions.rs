//! The step from the queue to a transaction: bytes and states are committed together, before anything is sent.

use sqlx::{Any, Transaction};

use super::exposures::crowded_out;
use super::transactions::{insert_attempt, insert_transaction};
use super::{Lease, NewAttempt, Result, Role, Store, new_id};
use crate::protocol::Amount;

/// A payment in a transaction about to be stored, and the payer's balance that its simulation saw.
#[derive(Debug, Clone)]
pub struct Submission {
    pub settlement_id: String,
    pub asset: String,
    pub payer: String,
    pub balance: Amount,
}

/// What became of storing a transaction, or several of which each needs the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted<Ids = String> {
    /// Stored under these ids; they may be sent now.
    Stored(Ids),
    /// These payments are no longer queued. Nothing was stored: build the transaction again without them.
    Gone(Vec<String>),
    /// These payments do not fit the payer's balance beside what is in flight. Nothing was stored.
    Crowded(Vec<String>),
}

impl<Ids> Submitted<Ids> {
    /// The same, with what was stored told otherwise.
    pub fn map<Others>(self, tell: impl FnOnce(Ids) -> Others) -> Submitted<Others> {
        match self {
            Self::Stored(ids) => Submitted::Stored(tell(ids)),
            Self::Gone(gone) => Submitted::Gone(gone),
            Self::Crowded(crowded) => Submitted::Crowded(crowded),
        }
    }
}

impl Store {
    /// Takes the account nonce where the chain has one, stores the bytes and moves every payment `queued → submitted`, all or nothing.
    ///
    /// # Errors
    /// [`Error::Fenced`](super::Error::Fenced) when the lane is not ours any more or its next account nonce is another.
    pub async fn submit(
        &self,
        lease: &Lease,
        account_nonce: Option<u64>,
        attempt: NewAttempt,
        payments: Vec<Submission>,
    ) -> Result<Submitted> {
        let stored = self.store(lease, account_nonce, [attempt], payments);
        Ok(stored.await?.map(|[id]| id))
    }

    /// The same for one payment whose permit goes first: two transactions, with this account nonce and the next, or none.
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub async fn submit_with_permit(
        &self,
        lease: &Lease,
        account_nonce: u64,
        permit_and_payment: [NewAttempt; 2],
        payment: Submission,
    ) -> Result<Submitted<[String; 2]>> {
        self.store(
            lease,
            Some(account_nonce),
            permit_and_payment,
            vec![payment],
        )
        .await
    }

    /// Stores transactions for the payments, in account nonce order; the last one pays.
    async fn store<const N: usize>(
        &self,
        lease: &Lease,
        account_nonce: Option<u64>,
        attempts: [NewAttempt; N],
        mut payments: Vec<Submission>,
    ) -> Result<Submitted<[String; N]>> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let mut nonces = [account_nonce; N];
        for (nonce, above) in nonces.iter_mut().zip(0..) {
            *nonce = nonce.map(|first| first + above);
            match *nonce {
                Some(nonce) => self.take_nonce(&mut tx, lease, nonce).await?,
                None => self.fence(&mut tx, lease).await?,
            }
        }
        // One order for everybody, or two lanes could wait for each other.
        payments.sort_by(|a, b| a.settlement_id.cmp(&b.settlement_id));
        let hash = attempts.last().map_or("", |attempt| &attempt.hash);
        let gone = submit_settlements(&mut tx, &payments, hash, now).await?;
        if !gone.is_empty() {
            tx.rollback().await?;
            return Ok(Submitted::Gone(gone));
        }
        let crowded = crowded_out(&mut tx, lease.network(), payments.clone()).await?;
        if !crowded.is_empty() {
            tx.rollback().await?;
            return Ok(Submitted::Crowded(crowded));
        }
        let ids = [(); N].map(|()| new_id());
        for ((id, attempt), nonce) in ids.iter().zip(&attempts).zip(nonces) {
            insert_transaction(&mut tx, id, lease, nonce, now).await?;
            insert_attempt(&mut tx, id, 0, attempt, now).await?;
            link(&mut tx, id, attempt.role, &payments).await?;
        }
        tx.commit().await?;
        Ok(Submitted::Stored(ids))
    }
}

async fn submit_settlements(
    tx: &mut Transaction<'static, Any>,
    payments: &[Submission],
    hash: &str,
    now: i64,
) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for payment in payments {
        let moved = sqlx::query(
            "update settlements set state = 'submitted', transaction_hash = $1, updated_at = $2, claimed_by = null \
             where id = $3 and state = 'queued'",
        )
        .bind(hash)
        .bind(now)
        .bind(&payment.settlement_id)
        .execute(&mut **tx)
        .await?;
        if moved.rows_affected() != 1 {
            gone.push(payment.settlement_id.clone());
        }
    }
    Ok(gone)
}

async fn link(
    tx: &mut Transaction<'static, Any>,
    transaction_id: &str,
    role: Role,
    payments: &[Submission],
) -> Result<()> {
    for payment in payments {
        sqlx::query("insert into settlement_transactions (settlement_id, transaction_id, role) values ($1, $2, $3)")
            .bind(&payment.settlement_id)
            .bind(transaction_id)
            .bind(role.as_str())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
