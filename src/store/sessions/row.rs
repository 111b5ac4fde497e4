//! A session's row.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::protocol::{Amount, Network, Reason};
use crate::store::Result;
use crate::store::row::impossible;

/// The columns of a [`Session`], in one place for every query that reads one.
macro_rules! session_columns {
    () => {
        "id, permit_key, fingerprint, network, wire_network, asset, owner, spender, pay_to, caller, payer, cap, deadline, permit, keeper, \
         held, charged, state, sequence, last_activity, failures, failed_sequence, next_attempt_at, last_reason, last_failure, permit_seen, \
         created_at, updated_at, archived_at"
    };
}
pub(super) use session_columns;

/// A session on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Digest of the permit as it was first written.
    pub id: String,
    /// `erc2612:<chain>:<asset>:<owner>:<spender>:<nonce>`, hex in lower case.
    pub permit_key: String,
    pub fingerprint: String,
    pub network: Network,
    pub wire_network: String,
    pub asset: String,
    pub owner: String,
    pub spender: String,
    pub pay_to: String,
    pub caller: String,
    /// The owner as written in the payload.
    pub payer: String,
    pub cap: Amount,
    /// Last block time, unix seconds, at which the permit can be executed.
    pub deadline: i64,
    /// Opaque: what the chain room needs to execute the permit.
    pub permit: String,
    pub keeper: Keeper,
    pub held: Amount,
    /// Owed in all, settled or not; it only grows.
    pub charged: Amount,
    pub state: SessionState,
    /// Number of the next batch.
    pub sequence: u64,
    /// Last hold or charge, unix milliseconds.
    pub last_activity: i64,
    /// Batches that failed in a row.
    pub failures: u32,
    /// The batch that was counted last among the failures, plus one.
    pub failed_sequence: u64,
    pub next_attempt_at: i64,
    /// Why the last batch was made.
    pub last_reason: Option<String>,
    pub last_failure: Option<Reason>,
    /// Somebody sent the permit before us.
    pub permit_seen: bool,
    pub created_at: i64,
    pub updated_at: i64,
    pub archived_at: Option<i64>,
}

/// Who keeps the account of a session's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// Calls hold and charge here; sums are settled when they are due.
    Facilitator,
    /// The merchant adds up and asks for each settlement.
    Merchant,
}

/// What a session still takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    Open,
    /// Nothing new is held; what is owed is being settled.
    Closing,
    /// Nothing is owed.
    Closed,
    /// What is owed could not be settled. The amount is kept.
    Failed,
}

impl Keeper {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Facilitator => "facilitator",
            Self::Merchant => "merchant",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "facilitator" => Ok(Self::Facilitator),
            "merchant" => Ok(Self::Merchant),
            other => Err(impossible("keeper", other)),
        }
    }
}

impl SessionState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "open" => Ok(Self::Open),
            "closing" => Ok(Self::Closing),
            "closed" => Ok(Self::Closed),
            "failed" => Ok(Self::Failed),
            other => Err(impossible("state", other)),
        }
    }
}

impl Session {
    pub(super) fn read(row: &AnyRow) -> Result<Self> {
        let network: String = row.try_get("network")?;
        let (keeper, state): (String, String) = (row.try_get("keeper")?, row.try_get("state")?);
        let permit_seen: i64 = row.try_get("permit_seen")?;
        let failure: Option<String> = row.try_get("last_failure")?;
        Ok(Self {
            id: row.try_get("id")?,
            permit_key: row.try_get("permit_key")?,
            fingerprint: row.try_get("fingerprint")?,
            network: Network::parse(&network).ok_or_else(|| impossible("network", &network))?,
            wire_network: row.try_get("wire_network")?,
            asset: row.try_get("asset")?,
            owner: row.try_get("owner")?,
            spender: row.try_get("spender")?,
            pay_to: row.try_get("pay_to")?,
            caller: row.try_get("caller")?,
            payer: row.try_get("payer")?,
            cap: read_amount(row, "cap")?,
            deadline: row.try_get("deadline")?,
            permit: row.try_get("permit")?,
            keeper: Keeper::parse(&keeper)?,
            held: read_amount(row, "held")?,
            charged: read_amount(row, "charged")?,
            state: SessionState::parse(&state)?,
            sequence: read_count(row, "sequence")?,
            last_activity: row.try_get("last_activity")?,
            failures: u32::try_from(read_count(row, "failures")?).unwrap_or(u32::MAX),
            failed_sequence: read_count(row, "failed_sequence")?,
            next_attempt_at: row.try_get("next_attempt_at")?,
            last_reason: row.try_get("last_reason")?,
            last_failure: failure.as_deref().and_then(Reason::parse),
            permit_seen: permit_seen != 0,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            archived_at: row.try_get("archived_at")?,
        })
    }
}

pub(super) fn read_amount(row: &AnyRow, column: &str) -> Result<Amount> {
    let text: String = row.try_get(column)?;
    Amount::parse(&text).ok_or_else(|| impossible(column, &text))
}

fn read_count(row: &AnyRow, column: &str) -> Result<u64> {
    let count: i64 = row.try_get(column)?;
    u64::try_from(count).map_err(|_| impossible(column, "negative"))
}
