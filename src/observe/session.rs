//! Events of sessions: sums that are queued, and those that cannot be.

use tracing::{debug, error, info, warn};

use super::chain_of;
use crate::facilitator::sweeper;
use crate::protocol::{Amount, Network, Reason};
use crate::store;

pub fn batch_enqueued(network: &Network, id: &str, session: &str, amount: Amount, reason: &str) {
    info!(event = "batch_enqueued", payment.network = %network, settlement.id = id, session.id = session, %amount, reason, "what a session owes is queued");
}

pub fn session_not_settled(session: &str, reason: Option<Reason>) {
    let reason = reason.map(Reason::as_str);
    warn!(
        event = "session_not_settled",
        session.id = session,
        reason,
        "what a session owes could not be settled now"
    );
}

pub fn session_failed(session: &str, reason: Reason) {
    error!(
        event = "session_failed",
        session.id = session,
        reason = reason.as_str(),
        "a session is given up; what it owes stays on record"
    );
}

pub fn session_fallen(session: &str) {
    error!(
        event = "session_fallen",
        session.id = session,
        "a reorg took away what a closed session had settled; it owes it again"
    );
}

pub fn session_unavailable(session: &str, cause: &str) {
    warn!(
        event = "session_unavailable",
        session.id = session,
        cause,
        "a session could not be looked after now"
    );
}

pub fn sweeper_trouble(cause: &store::Error) {
    warn!(
        event = "sweeper_trouble",
        cause = chain_of(cause),
        "the sweeper starts over"
    );
}

pub fn swept(report: &sweeper::Report) {
    debug!(event = "swept", ?report, "sessions were swept");
}
