//! Hold, then charge: an amount is promised at `/verify` and taken at `/settle`, each once.

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::row::read_amount;
use super::{Session, SessionState, Unclaimed};
use crate::clock::UnixMillis;
use crate::protocol::Amount;
use crate::store::row::impossible;
use crate::store::{Result, Store, new_id};

/// Most holds of a session that are free at once.
const MOST_FREE: i64 = 1000;

/// An amount about to be held.
#[derive(Debug, Clone, Copy)]
pub struct NewHold<'a> {
    pub amount: Amount,
    pub expires_at: UnixMillis,
    pub caller: &'a str,
    /// A repeated request with the same key holds nothing more.
    pub key: Option<&'a str>,
}

/// An amount about to be charged.
#[derive(Debug, Clone, Copy)]
pub struct NewCharge<'a> {
    pub amount: Amount,
    pub caller: &'a str,
    /// A repeated request with the same key charges nothing more.
    pub key: Option<&'a str>,
    pub source: Source,
}

/// Where a charge is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// One hold, and nothing without one.
    Hold,
    /// One hold where there is one that bears it, what is left of the cap otherwise.
    HoldOrCap,
}

/// A promise on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub id: String,
    pub amount: Amount,
    pub state: HoldState,
    pub expires_at: i64,
    /// What was taken of it.
    pub charged: Option<Amount>,
    pub caller: String,
    pub settlement_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    Held,
    Charged,
    Released,
}

/// What became of holding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    Done(Hold),
    /// The same key held it before.
    Repeated(Hold),
    /// The cap does not bear it beside what is held and charged.
    Exhausted,
    /// The session takes nothing new.
    Closed,
    /// The key held another amount before.
    KeyReused,
    /// Too many holds are free already.
    Crowded,
}

/// What became of charging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charged {
    Done(Hold),
    /// The same key charged it before.
    Repeated(Hold),
    /// No hold of this caller is free.
    NoHold,
    /// Every free hold is smaller; the largest of them.
    TooMuch(Amount),
    Exhausted,
    Closed,
    /// The key charged another amount before.
    KeyReused,
}

impl Store {
    /// Promises an amount to a call. `None` when there is no such session.
    pub async fn hold(
        &self,
        session_id: &str,
        new: NewHold<'_>,
        unclaimed: Unclaimed,
    ) -> Result<Option<(Session, Held)>> {
        let mut tx = self.begin().await?;
        let Some(mut session) = self.lock_session(&mut tx, session_id).await? else {
            return Ok(None);
        };
        self.end_expired_holds(&mut tx, &mut session, unclaimed)
            .await?;
        let held = self.hold_locked(&mut tx, &mut session, new).await?;
        self.save_session(&mut tx, &session).await?;
        tx.commit().await?;
        Ok(Some((session, held)))
    }

    async fn hold_locked(
        &self,
        tx: &mut Transaction<'static, Any>,
        session: &mut Session,
        new: NewHold<'_>,
    ) -> Result<Held> {
        let before = find(tx, &session.id, Keyed::Verify, new.key).await?;
        if let Some(before) = &before {
            if before.amount != new.amount || before.caller != new.caller {
                return Ok(Held::KeyReused);
            }
            if before.state != HoldState::Released {
                return Ok(Held::Repeated(before.clone()));
            }
        }
        if !session.is_open() {
            return Ok(Held::Closed);
        }
        if new.amount > session.remaining() {
            return Ok(Held::Exhausted);
        }
        if free_holds(tx, &session.id).await? >= MOST_FREE {
            return Ok(Held::Crowded);
        }
        let whole = session.held.checked_add(new.amount);
        session.held = whole.ok_or_else(|| impossible("held", "overflow"))?;
        session.last_activity = self.now();
        let hold = Hold {
            id: before.map_or_else(new_id, |released| released.id),
            amount: new.amount,
            state: HoldState::Held,
            expires_at: new.expires_at.0,
            charged: None,
            caller: new.caller.to_owned(),
            settlement_id: None,
        };
        self.write_hold(tx, &session.id, &hold, new.key, None)
            .await?;
        Ok(Held::Done(hold))
    }

    /// Takes an amount of one hold and frees its rest. `None` when there is no such session.
    pub async fn charge(
        &self,
        session_id: &str,
        new: NewCharge<'_>,
        unclaimed: Unclaimed,
    ) -> Result<Option<(Session, Charged)>> {
        let mut tx = self.begin().await?;
        let Some(mut session) = self.lock_session(&mut tx, session_id).await? else {
            return Ok(None);
        };
        self.end_expired_holds(&mut tx, &mut session, unclaimed)
            .await?;
        let charged = self.charge_locked(&mut tx, &mut session, new).await?;
        self.save_session(&mut tx, &session).await?;
        tx.commit().await?;
        Ok(Some((session, charged)))
    }

    async fn charge_locked(
        &self,
        tx: &mut Transaction<'static, Any>,
        session: &mut Session,
        new: NewCharge<'_>,
    ) -> Result<Charged> {
        if let Some(before) = find(tx, &session.id, Keyed::Settle, new.key).await? {
            let same = before.charged == Some(new.amount) && before.caller == new.caller;
            return Ok(if same {
                Charged::Repeated(before)
            } else {
                Charged::KeyReused
            });
        }
        if session.state == SessionState::Closed {
            return Ok(Charged::Closed);
        }
        let free = claimable(tx, &session.id, new.caller, self.now()).await?;
        let hold = match (best_fit(&free, new.amount), new.source) {
            (Some(hold), _) => hold.clone(),
            (None, Source::Hold) => {
                let largest = free.iter().map(|hold| hold.amount).max();
                return Ok(largest.map_or(Charged::NoHold, Charged::TooMuch));
            }
            (None, Source::HoldOrCap) if !session.is_open() => return Ok(Charged::Closed),
            (None, Source::HoldOrCap) => match self.hold_for(session, new) {
                Some(hold) => hold,
                None => return Ok(Charged::Exhausted),
            },
        };
        session.claim(hold.amount, new.amount)?;
        session.last_activity = self.now();
        let hold = Hold {
            state: HoldState::Charged,
            charged: Some(new.amount),
            ..hold
        };
        self.write_hold(tx, &session.id, &hold, None, new.key)
            .await?;
        Ok(Charged::Done(hold))
    }

    /// A hold of just this charge, for a caller that asked for none before; `None` when the cap does not bear it.
    fn hold_for(&self, session: &mut Session, new: NewCharge<'_>) -> Option<Hold> {
        if new.amount > session.remaining() {
            return None;
        }
        session.held = session.held.checked_add(new.amount)?;
        Some(Hold {
            id: new_id(),
            amount: new.amount,
            state: HoldState::Held,
            expires_at: self.now(),
            charged: None,
            caller: new.caller.to_owned(),
            settlement_id: None,
        })
    }

    /// Writes a hold as it is now; a key that it has is kept.
    pub(super) async fn write_hold(
        &self,
        tx: &mut Transaction<'static, Any>,
        session_id: &str,
        hold: &Hold,
        verify_key: Option<&str>,
        settle_key: Option<&str>,
    ) -> Result<()> {
        sqlx::query(
            "insert into holds (id, session_id, amount, state, expires_at, charged, caller, verify_key, settle_key, settlement_id, \
             created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) \
             on conflict (id) do update set amount = excluded.amount, state = excluded.state, expires_at = excluded.expires_at, \
             charged = excluded.charged, verify_key = coalesce(holds.verify_key, excluded.verify_key), \
             settle_key = coalesce(holds.settle_key, excluded.settle_key), settlement_id = excluded.settlement_id, \
             updated_at = excluded.updated_at",
        )
        .bind(&hold.id)
        .bind(session_id)
        .bind(hold.amount.to_string())
        .bind(hold.state.as_str())
        .bind(hold.expires_at)
        .bind(hold.charged.map(|charged| charged.to_string()))
        .bind(&hold.caller)
        .bind(verify_key)
        .bind(settle_key)
        .bind(&hold.settlement_id)
        .bind(self.now())
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

/// The hold that a charge takes: of those that bear it the smallest, of equals the one that ends first.
fn best_fit(free: &[Hold], amount: Amount) -> Option<&Hold> {
    let bearing = free.iter().filter(|hold| hold.amount >= amount);
    bearing.min_by_key(|hold| (hold.amount, hold.expires_at))
}

async fn free_holds(tx: &mut Transaction<'static, Any>, session_id: &str) -> Result<i64> {
    let row =
        sqlx::query("select count(*) as free from holds where session_id = $1 and state = 'held'")
            .bind(session_id)
            .fetch_one(&mut **tx)
            .await?;
    Ok(row.try_get("free")?)
}

/// The free holds of a caller. There are never more than [`MOST_FREE`].
async fn claimable(
    tx: &mut Transaction<'static, Any>,
    session_id: &str,
    caller: &str,
    now: i64,
) -> Result<Vec<Hold>> {
    let rows = sqlx::query(
        "select id, amount, state, expires_at, charged, caller, settlement_id from holds \
         where session_id = $1 and state = 'held' and expires_at > $2 and caller = $3 order by expires_at, id",
    )
    .bind(session_id)
    .bind(now)
    .bind(caller)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(read_hold).collect()
}

/// Which request an Idempotency-Key came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyed {
    Verify,
    Settle,
}

/// The hold that a request with this key made or took before.
pub(super) async fn find(
    tx: &mut Transaction<'static, Any>,
    session_id: &str,
    keyed: Keyed,
    key: Option<&str>,
) -> Result<Option<Hold>> {
    let Some(key) = key else { return Ok(None) };
    let query = match keyed {
        Keyed::Verify => {
            "select id, amount, state, expires_at, charged, caller, settlement_id from holds where session_id = $1 and verify_key = $2"
        }
        Keyed::Settle => {
            "select id, amount, state, expires_at, charged, caller, settlement_id from holds where session_id = $1 and settle_key = $2"
        }
    };
    let row = sqlx::query(query)
        .bind(session_id)
        .bind(key)
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(read_hold).transpose()
}

pub(super) fn read_hold(row: &AnyRow) -> Result<Hold> {
    let state: String = row.try_get("state")?;
    let charged: Option<String> = row.try_get("charged")?;
    let charged =
        charged.map(|text| Amount::parse(&text).ok_or_else(|| impossible("charged", &text)));
    Ok(Hold {
        id: row.try_get("id")?,
        amount: read_amount(row, "amount")?,
        state: HoldState::parse(&state)?,
        expires_at: row.try_get("expires_at")?,
        charged: charged.transpose()?,
        caller: row.try_get("caller")?,
        settlement_id: row.try_get("settlement_id")?,
    })
}

impl HoldState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Charged => "charged",
            Self::Released => "released",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "held" => Ok(Self::Held),
            "charged" => Ok(Self::Charged),
            "released" => Ok(Self::Released),
            other => Err(impossible("state", other)),
        }
    }
}
