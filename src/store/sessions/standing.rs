//! Sessions as they are looked up and listed.

use sqlx::Row;

use super::Session;
use super::row::session_columns;
use crate::store::{Result, Store};

/// Who may see a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visible<'a> {
    /// Those that this caller opened.
    Of(&'a str),
    All,
}

impl Store {
    pub async fn session(&self, id: &str) -> Result<Option<Session>> {
        let row = sqlx::query(concat!(
            "select ",
            session_columns!(),
            " from sessions where id = $1"
        ))
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(Session::read).transpose()
    }

    /// Sessions in the order of their ids, those after one, archived ones left out.
    pub async fn sessions(
        &self,
        visible: Visible<'_>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Session>> {
        let caller = match visible {
            Visible::Of(caller) => Some(caller),
            Visible::All => None,
        };
        let rows = sqlx::query(concat!(
            "select ",
            session_columns!(),
            " from sessions where caller = coalesce($1, caller) and id > $2 and archived_at is null order by id limit $3"
        ))
        .bind(caller)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(Session::read).collect()
    }

    /// Closed sessions with a batch that failed since they were closed, some at a time.
    pub async fn sessions_to_reopen(&self, limit: u32) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "select id from sessions where state = 'closed' and archived_at is null and exists (select 1 from settlements \
             where settlements.session_id = sessions.id and settlements.state in ('failed', 'released') \
             and coalesce(settlements.final_at, settlements.updated_at) >= sessions.updated_at) order by id limit $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
    }

    /// Sessions that something may be due for, some at a time: not closed, not archived, not waiting after a failure, and those after an id.
    /// A row that cannot be read is left out.
    pub async fn sessions_to_sweep(&self, after: &str, limit: u32) -> Result<Vec<Session>> {
        let rows = sqlx::query(concat!(
            "select ",
            session_columns!(),
            " from sessions where state <> 'closed' and archived_at is null and next_attempt_at <= $1 and id > $2 order by id limit $3"
        ))
        .bind(self.now())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .iter()
            .filter_map(|row| Session::read(row).ok())
            .collect())
    }
}
