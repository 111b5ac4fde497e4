//! A session as people and programs see it, with the members of the library whose place it takes, and some more.

use serde::Serialize;

use super::Account;
use crate::store::{Batch, Fate, SessionState};

/// Amounts are atomic units in decimal, times unix milliseconds but for `deadline`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    pub session_id: String,
    /// `open`, `settling` while a batch may still pay, `closing`, `closed` or `failed`.
    pub status: &'static str,
    pub network: String,
    pub asset: String,
    pub owner: String,
    pub spender: String,
    pub pay_to: String,
    pub cap: String,
    /// Promised to calls under way.
    pub held: String,
    /// Charged, and in no batch that may pay.
    pub pending_spent: String,
    pub in_flight: String,
    pub settled_total: String,
    /// What neither a hold nor a charge has taken of the cap.
    pub remaining: String,
    /// Unix seconds.
    pub deadline: String,
    pub last_activity_ms: i64,
    /// Settlements refused in a row.
    pub failures: u32,
    pub keeper: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_settlement: Option<LastSettlement>,
}

/// The newest settlement of a session, or the newest try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastSettlement {
    pub at_ms: i64,
    /// `idle_timeout`, `deadline_buffer`, `cap_threshold` and the like.
    pub reason: String,
    /// False also while the outcome is not known yet; the status is `settling` then.
    pub success: bool,
    pub transaction: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<&'static str>,
}

impl From<Account> for SessionView {
    fn from(account: Account) -> Self {
        let last_settlement = last_settlement(&account);
        let Account {
            session, totals, ..
        } = account;
        let status = match session.state {
            SessionState::Open | SessionState::Closing if totals.has_batch_in_flight => "settling",
            SessionState::Open => "open",
            SessionState::Closing => "closing",
            SessionState::Closed => "closed",
            SessionState::Failed => "failed",
        };
        Self {
            status,
            network: session.network.to_string(),
            cap: session.cap.to_string(),
            held: totals.held.to_string(),
            pending_spent: totals.pending.to_string(),
            in_flight: totals.in_flight.to_string(),
            settled_total: totals.settled.to_string(),
            remaining: session.remaining().to_string(),
            deadline: session.deadline.to_string(),
            last_activity_ms: session.last_activity,
            failures: session.failures,
            keeper: session.keeper.as_str(),
            last_settlement,
            session_id: session.id,
            asset: session.asset,
            owner: session.owner,
            spender: session.spender,
            pay_to: session.pay_to,
        }
    }
}

fn last_settlement(account: &Account) -> Option<LastSettlement> {
    let session = &account.session;
    let reason = session.last_reason.clone().unwrap_or_default();
    // A try that the chain refused made no batch: it counts as the last one when it came after.
    let refused = session.last_failure.filter(|_| session.failures > 0);
    match account.batches.last() {
        Some(last) if refused.is_none() || last.fate != Fate::Settled => {
            Some(of_batch(last, reason))
        }
        Some(_) | None => refused.map(|failure| LastSettlement {
            at_ms: session.updated_at,
            reason,
            success: false,
            transaction: String::new(),
            error_reason: Some(failure.as_str()),
        }),
    }
}

fn of_batch(batch: &Batch, reason: String) -> LastSettlement {
    LastSettlement {
        at_ms: batch.updated_at,
        reason,
        success: batch.fate == Fate::Settled,
        transaction: batch.transaction.clone().unwrap_or_default(),
        error_reason: batch.reason.map(crate::protocol::Reason::as_str),
    }
}
