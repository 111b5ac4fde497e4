//! The account of a session, derived: what its settlements say of the sum that was charged.

use sqlx::any::AnyRow;
use sqlx::{Any, Executor, Row};

use super::row::read_amount;
use super::{Keeper, Session};
use crate::protocol::{Amount, Reason};
use crate::store::row::impossible;
use crate::store::{Error, Result, Store};

/// What became of a batch, as far as the account goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Settled,
    /// It never paid and never will: its amount is pending again.
    Free,
    /// It may have paid, or may yet.
    InFlight,
}

/// A settlement of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub settlement_id: String,
    /// Batches of a session are numbered in the order in which they were made.
    pub sequence: u64,
    pub amount: Amount,
    /// The state of its settlement.
    pub state: String,
    pub fate: Fate,
    pub reason: Option<Reason>,
    pub transaction: Option<String>,
    pub delivered: bool,
    pub updated_at: i64,
}

/// A session's sums. `held + pending + in_flight + settled` never exceeds the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub held: Amount,
    /// Charged, and in no batch that may pay.
    pub pending: Amount,
    pub in_flight: Amount,
    pub settled: Amount,
    /// Whether some batch may still pay.
    pub has_batch_in_flight: bool,
}

impl Totals {
    /// Splits what was charged by what became of its batches.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] when more was settled or sent than was ever charged.
    pub(super) fn of(session: &Session, batches: &[Batch]) -> Result<Self> {
        let sum = |fate: Fate| {
            let amounts = batches.iter().filter(|batch| batch.fate == fate);
            let mut amounts = amounts.map(|batch| batch.amount);
            amounts.try_fold(Amount::ZERO, Amount::checked_add)
        };
        let sums = sum(Fate::Settled).zip(sum(Fate::InFlight));
        let pending = sums.and_then(|(settled, in_flight)| {
            session.charged.checked_sub(settled)?.checked_sub(in_flight)
        });
        let (Some((settled, in_flight)), Some(pending)) = (sums, pending) else {
            let id = &session.id;
            return Err(Error::Inconsistent(format!(
                "session {id} paid more than it was charged"
            )));
        };
        Ok(Self {
            held: session.held,
            pending,
            in_flight,
            settled,
            has_batch_in_flight: batches.iter().any(|batch| batch.fate == Fate::InFlight),
        })
    }

    /// What is still to come of this session. A sum that a merchant asked for in vain is not owed: it asks again.
    pub fn outstanding(&self, keeper: Keeper) -> Option<Amount> {
        match keeper {
            Keeper::Facilitator => self
                .held
                .checked_add(self.pending)?
                .checked_add(self.in_flight),
            Keeper::Merchant => Some(self.in_flight),
        }
    }

    /// Whether nothing is to come any more.
    pub fn is_done(&self, keeper: Keeper) -> bool {
        !self.has_batch_in_flight && self.outstanding(keeper).is_some_and(Amount::is_zero)
    }
}

impl Batch {
    fn read(row: &AnyRow) -> Result<Self> {
        let key: String = row.try_get("payment_key")?;
        let sequence = key
            .rsplit_once(':')
            .and_then(|(_, number)| number.parse().ok());
        let state: String = row.try_get("state")?;
        let final_at: Option<i64> = row.try_get("final_at")?;
        let reason: Option<String> = row.try_get("reason")?;
        let delivered_at: Option<i64> = row.try_get("delivered_at")?;
        Ok(Self {
            settlement_id: row.try_get("id")?,
            sequence: sequence.ok_or_else(|| impossible("payment_key", &key))?,
            amount: read_amount(row, "amount")?,
            fate: fate(&state, final_at.is_some()),
            state,
            reason: reason.as_deref().and_then(Reason::parse),
            transaction: row.try_get("transaction_hash")?,
            delivered: delivered_at.is_some(),
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Nothing on chain keeps `transferFrom` from happening twice, so a batch is only done with when it is proven paid, when nothing was ever
/// signed for it, or when what was signed is final and did not pay. Whatever else it may be, it may still pay.
fn fate(state: &str, is_final: bool) -> Fate {
    match state {
        "settled" => Fate::Settled,
        "released" => Fate::Free,
        "failed" if is_final => Fate::Free,
        _ => Fate::InFlight,
    }
}

/// Every batch of a session, in order.
pub(super) async fn batches<'e>(
    executor: impl Executor<'e, Database = Any>,
    session_id: &str,
) -> Result<Vec<Batch>> {
    let rows = sqlx::query(
        "select id, payment_key, amount, state, final_at, reason, transaction_hash, delivered_at, updated_at \
         from settlements where session_id = $1",
    )
    .bind(session_id)
    .fetch_all(executor)
    .await?;
    let mut batches = rows.iter().map(Batch::read).collect::<Result<Vec<_>>>()?;
    batches.sort_by_key(|batch| batch.sequence);
    Ok(batches)
}

impl Store {
    /// A session with its sums and its batches, as somebody sees it who only reads. The batches are read first: a sum charged meanwhile shows
    /// as pending, never as less than nothing.
    pub async fn session_account(&self, id: &str) -> Result<Option<(Session, Totals, Vec<Batch>)>> {
        let batches = batches(&self.pool, id).await?;
        let Some(session) = self.session(id).await? else {
            return Ok(None);
        };
        let totals = Totals::of(&session, &batches)?;
        Ok(Some((session, totals, batches)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_never_pay_is_free_again() {
        for (state, is_final, expected) in [
            ("queued", false, Fate::InFlight),
            ("submitted", false, Fate::InFlight),
            ("settled", false, Fate::Settled),
            ("settled", true, Fate::Settled),
            ("settled_elsewhere", false, Fate::InFlight),
            ("failed", false, Fate::InFlight),
            ("failed", true, Fate::Free),
            ("expired", false, Fate::InFlight),
            ("released", false, Fate::Free),
            ("something new", false, Fate::InFlight),
        ] {
            assert_eq!(fate(state, is_final), expected, "{state}, {is_final}");
        }
    }
}
