//! Sessions: one permit that pays many times. What is held and charged is written here; what is in flight and settled is derived from the
//! session's settlements, so that a reorg or a late outcome needs no bookkeeping and nothing can be charged twice.
//!
//! Every operation is one transaction that locks the session's row first, computes here, writes and commits.

mod account;
mod batch;
mod expiry;
mod holds;
mod open;
mod row;
mod standing;

use sqlx::{Any, Transaction};

use super::{Result, Store};
use crate::protocol::Amount;

pub use account::{Batch, Fate, Totals};
pub use batch::{Batched, NewBatch, NextAttempt, Purpose};
pub use expiry::Unclaimed;
pub use holds::{Charged, Held, Hold, HoldState, NewCharge, NewHold, Source};
pub use open::{NewSession, Opened};
pub use row::{Keeper, Session, SessionState};
pub use standing::Visible;

use row::session_columns;

impl Store {
    /// Holds the session's row until the transaction ends. Every change begins here.
    async fn lock_session(
        &self,
        tx: &mut Transaction<'static, Any>,
        id: &str,
    ) -> Result<Option<Session>> {
        let row = sqlx::query(concat!(
            "update sessions set version = version + 1 where id = $1 returning ",
            session_columns!()
        ))
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?;
        row.as_ref().map(Session::read).transpose()
    }

    /// Writes everything of a locked session that ever changes.
    async fn save_session(
        &self,
        tx: &mut Transaction<'static, Any>,
        session: &Session,
    ) -> Result<()> {
        sqlx::query(
            "update sessions set held = $1, charged = $2, state = $3, sequence = $4, last_activity = $5, failures = $6, failed_sequence = $7, \
             next_attempt_at = $8, last_reason = $9, last_failure = $10, permit_seen = $11, archived_at = $12, updated_at = $13 where id = $14",
        )
        .bind(session.held.to_string())
        .bind(session.charged.to_string())
        .bind(session.state.as_str())
        .bind(super::transactions::to_i64(session.sequence)?)
        .bind(session.last_activity)
        .bind(i64::from(session.failures))
        .bind(super::transactions::to_i64(session.failed_sequence)?)
        .bind(session.next_attempt_at)
        .bind(&session.last_reason)
        .bind(session.last_failure.map(crate::protocol::Reason::as_str))
        .bind(i64::from(session.permit_seen))
        .bind(session.archived_at)
        .bind(self.now())
        .bind(&session.id)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

impl Session {
    /// What neither a hold nor a charge has taken of the cap.
    pub fn remaining(&self) -> Amount {
        let taken = self.held.checked_add(self.charged);
        taken
            .and_then(|taken| self.cap.checked_sub(taken))
            .unwrap_or(Amount::ZERO)
    }

    /// Whether new calls may be held.
    pub fn is_open(&self) -> bool {
        self.state == SessionState::Open
    }
}
