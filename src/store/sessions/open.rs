//! How a session begins: once per permit, and only where no other permit of its owner and spender is at work.

use sqlx::{Any, Transaction};

use super::account::{Totals, batches};
use super::row::session_columns;
use super::{Keeper, Session, SessionState, Unclaimed};
use crate::protocol::{Amount, Network};
use crate::store::{Error, Result, Store};

/// Tries to open against others who open at the same time.
const TRIES: usize = 4;

/// A session about to be opened; the terms that it pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    pub id: String,
    pub permit_key: String,
    pub fingerprint: String,
    pub network: Network,
    pub wire_network: String,
    pub asset: String,
    pub owner: String,
    pub spender: String,
    pub pay_to: String,
    pub caller: String,
    pub payer: String,
    pub cap: Amount,
    /// Unix seconds.
    pub deadline: i64,
    pub permit: String,
    pub keeper: Keeper,
}

/// What became of opening a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It is on record, from now or from before, in whatever state.
    Ready(Box<Session>),
    /// An older permit of this owner and spender has something held, pending or in flight.
    Busy(Box<Session>),
    /// Another permit with this nonce was charged, or is at work.
    NonceTaken(Box<Session>),
}

impl Store {
    /// The session of a permit, however the permit was written.
    pub async fn find_session(
        &self,
        permit_key: &str,
        fingerprint: &str,
    ) -> Result<Option<Session>> {
        let row = sqlx::query(concat!(
            "select ",
            session_columns!(),
            " from sessions where permit_key = $1 and fingerprint = $2"
        ))
        .bind(permit_key)
        .bind(fingerprint)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(Session::read).transpose()
    }

    /// The sessions of a new one's owner and spender that are not closed.
    pub async fn live_sessions(&self, new: &NewSession) -> Result<Vec<Session>> {
        let rows = sqlx::query(concat!(
            "select ",
            session_columns!(),
            " from sessions where network = $1 and asset = $2 and owner = $3 and spender = $4 and state <> 'closed' and archived_at is null"
        ))
        .bind(new.network.as_str())
        .bind(&new.asset)
        .bind(&new.owner)
        .bind(&new.spender)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(Session::read).collect()
    }

    /// Opens the session unless its permit has one. Older sessions of the same owner and spender are closed when nothing is to come of any of
    /// them; one that has something to come stands in the way: a permit sets the allowance, it does not add to it.
    pub async fn open_session(&self, new: &NewSession, unclaimed: Unclaimed) -> Result<Opened> {
        for _ in 0..TRIES {
            if let Some(known) = self.find_session(&new.permit_key, &new.fingerprint).await? {
                return Ok(Opened::Ready(Box::new(known)));
            }
            let mut tx = self.begin().await?;
            let mut live = self.lock_live(&mut tx, new).await?;
            let is_twin = |older: &Session| {
                older.permit_key == new.permit_key && older.fingerprint == new.fingerprint
            };
            // Opened by a twin of this request since we looked.
            if let Some(at) = live.iter().position(is_twin) {
                return Ok(Opened::Ready(Box::new(live.swap_remove(at))));
            }
            if let Some(in_the_way) = self.retire(&mut tx, live, new, unclaimed).await? {
                tx.commit().await?;
                return Ok(in_the_way);
            }
            if let Some(charged) = charged_with(&mut tx, new).await? {
                return Ok(Opened::NonceTaken(Box::new(charged)));
            }
            if self.insert_session(&mut tx, new).await? {
                tx.commit().await?;
            }
            // Inserted, or somebody else was first: the next look says which.
        }
        Err(Error::Inconsistent(format!(
            "session {} can be neither opened nor found",
            new.id
        )))
    }

    async fn lock_live(
        &self,
        tx: &mut Transaction<'static, Any>,
        new: &NewSession,
    ) -> Result<Vec<Session>> {
        let rows = sqlx::query(concat!(
            "update sessions set version = version + 1 where network = $1 and asset = $2 and owner = $3 and spender = $4 \
             and state <> 'closed' and archived_at is null returning ",
            session_columns!()
        ))
        .bind(new.network.as_str())
        .bind(&new.asset)
        .bind(&new.owner)
        .bind(&new.spender)
        .fetch_all(&mut **tx)
        .await?;
        let live = rows.iter().map(Session::read).collect::<Result<Vec<_>>>();
        let mut live = live?;
        live.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(live)
    }

    /// Closes the older sessions, or none of them and says which stands in the way. They come in whatever order the database likes.
    async fn retire(
        &self,
        tx: &mut Transaction<'static, Any>,
        mut live: Vec<Session>,
        new: &NewSession,
        unclaimed: Unclaimed,
    ) -> Result<Option<Opened>> {
        live.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let mut in_the_way = None;
        for older in &mut live {
            self.end_expired_holds(tx, older, unclaimed).await?;
            let totals = Totals::of(older, &batches(&mut **tx, &older.id).await?)?;
            if !totals.is_done(older.keeper) && in_the_way.is_none() {
                in_the_way = Some(older.clone());
            }
        }
        for older in &mut live {
            if in_the_way.is_none() {
                older.state = SessionState::Closed;
            }
            self.save_session(tx, older).await?;
        }
        Ok(in_the_way.map(|older| {
            let same_nonce = older.permit_key == new.permit_key;
            let older = Box::new(older);
            if same_nonce {
                Opened::NonceTaken(older)
            } else {
                Opened::Busy(older)
            }
        }))
    }

    async fn insert_session(
        &self,
        tx: &mut Transaction<'static, Any>,
        new: &NewSession,
    ) -> Result<bool> {
        let inserted = sqlx::query(
            "insert into sessions (id, permit_key, fingerprint, network, wire_network, asset, owner, spender, pay_to, caller, payer, cap, \
             deadline, permit, keeper, held, charged, state, version, sequence, last_activity, failures, failed_sequence, next_attempt_at, \
             permit_seen, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, '0', '0', 'open', \
             0, 0, $16, 0, 0, 0, 0, $16, $16) on conflict do nothing",
        )
        .bind(&new.id)
        .bind(&new.permit_key)
        .bind(&new.fingerprint)
        .bind(new.network.as_str())
        .bind(&new.wire_network)
        .bind(&new.asset)
        .bind(&new.owner)
        .bind(&new.spender)
        .bind(&new.pay_to)
        .bind(&new.caller)
        .bind(&new.payer)
        .bind(new.cap.to_string())
        .bind(new.deadline)
        .bind(&new.permit)
        .bind(new.keeper.as_str())
        .bind(self.now())
        .execute(&mut **tx)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }
}

/// Another permit of the same nonce that something was charged to. The chain takes one of the two at most.
async fn charged_with(
    tx: &mut Transaction<'static, Any>,
    new: &NewSession,
) -> Result<Option<Session>> {
    let row = sqlx::query(concat!(
        "select ",
        session_columns!(),
        " from sessions where permit_key = $1 and fingerprint <> $2 and charged <> '0' limit 1"
    ))
    .bind(&new.permit_key)
    .bind(&new.fingerprint)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(Session::read).transpose()
}
