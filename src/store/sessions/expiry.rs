//! Holds that nobody claimed in time.

use sqlx::{Any, Row, Transaction};

use super::Session;
use super::holds::read_hold;
use crate::protocol::Amount;
use crate::store::row::impossible;
use crate::store::{Result, Store};

/// Expired holds of one session that are ended in one go; more wait for the next look.
const AT_ONCE: i64 = 200;

/// What happens to a hold that is not charged in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclaimed {
    /// Its amount is free again.
    Release,
    /// It is charged whole: for merchants that only ever verify.
    Charge,
}

impl Store {
    /// Ends the expired holds of a session. True when there were any.
    pub async fn expire_holds(&self, session_id: &str, unclaimed: Unclaimed) -> Result<bool> {
        let mut tx = self.begin().await?;
        let Some(mut session) = self.lock_session(&mut tx, session_id).await? else {
            return Ok(false);
        };
        let ended = self
            .end_expired_holds(&mut tx, &mut session, unclaimed)
            .await?;
        self.save_session(&mut tx, &session).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Sessions that have expired holds, some at a time.
    pub async fn sessions_with_expired_holds(&self, limit: u32) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "select distinct session_id from holds where state = 'held' and expires_at <= $1 limit $2",
        )
        .bind(self.now())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok(row.try_get("session_id")?))
            .collect()
    }

    /// Ends expired holds of a locked session, in the row and in `session`; the caller saves it.
    pub(super) async fn end_expired_holds(
        &self,
        tx: &mut Transaction<'static, Any>,
        session: &mut Session,
        unclaimed: Unclaimed,
    ) -> Result<bool> {
        let rows = sqlx::query(
            "select id, amount, state, expires_at, charged, caller, settlement_id from holds \
             where session_id = $1 and state = 'held' and expires_at <= $2 order by expires_at, id limit $3",
        )
        .bind(&session.id)
        .bind(self.now())
        .bind(AT_ONCE)
        .fetch_all(&mut **tx)
        .await?;
        for row in &rows {
            let hold = read_hold(row)?;
            let charged = match unclaimed {
                Unclaimed::Release => Amount::ZERO,
                Unclaimed::Charge => hold.amount,
            };
            session.claim(hold.amount, charged)?;
            let state = match unclaimed {
                Unclaimed::Release => "released",
                Unclaimed::Charge => "charged",
            };
            sqlx::query("update holds set state = $1, charged = $2, updated_at = $3 where id = $4 and state = 'held'")
                .bind(state)
                .bind(charged.to_string())
                .bind(self.now())
                .bind(&hold.id)
                .execute(&mut **tx)
                .await?;
        }
        Ok(!rows.is_empty())
    }
}

impl Session {
    /// Takes a hold out of what is held, and what was charged of it into what is owed.
    pub(super) fn claim(&mut self, held: Amount, charged: Amount) -> Result<()> {
        let less = self.held.checked_sub(held);
        let more = self.charged.checked_add(charged);
        let (Some(less), Some(more)) = (less, more) else {
            return Err(impossible("held", &self.held.to_string()));
        };
        (self.held, self.charged) = (less, more);
        Ok(())
    }
}
