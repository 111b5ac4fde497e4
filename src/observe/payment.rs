//! Events of payments: what was asked, what was answered, what the chain proved.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::labels::{self, NONE, Named};
use super::metrics::catalogue::{
    CONCLUDED, GAS_SPENT, GAS_USED, GAS_WASTED, MINED, REVERTED, SETTLE_DURATION, SETTLES, STAGES,
    VERIFIES, VERIFY_DURATION, VOLUME,
};
use super::{float, native, otel};
use crate::clock::UnixMillis;
use crate::protocol::{Amount, Network};
use crate::store::{InFlight, Mined, Settlement, Verdict};

/// What a request is about, as it was written: only what is ours becomes a label.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub network: &'a str,
    pub scheme: &'a str,
    pub asset: &'a str,
}

impl Asked<'_> {
    /// A request that could not be read.
    pub const UNREAD: Asked<'static> = Asked {
        network: "",
        scheme: "",
        asset: "",
    };
}

/// `result` is `valid`, `rejected` or `unavailable`.
pub fn verified(
    asked: Asked<'_>,
    result: &'static str,
    reason: Option<&'static str>,
    took: Duration,
) {
    let network = labels::network(asked.network);
    let symbol = labels::symbol(asked.network, asked.asset);
    let scheme = labels::scheme(asked.scheme);
    VERIFIES.count([&network, scheme, &symbol, result, reason.unwrap_or(NONE)]);
    VERIFY_DURATION.took(took, [&network, result]);
    debug!(
        event = "verified",
        payment.network = asked.network,
        answer = result,
        reason,
        "a payment was verified"
    );
}

/// `result` is `settled`, `replayed`, `rejected`, `unconfirmed` or `unavailable`.
pub fn settle_answered(
    asked: Asked<'_>,
    result: &'static str,
    reason: Option<&'static str>,
    took: Duration,
) {
    let network = labels::network(asked.network);
    let symbol = labels::symbol(asked.network, asked.asset);
    let scheme = labels::scheme(asked.scheme);
    SETTLES.count([&network, scheme, &symbol, result, reason.unwrap_or(NONE)]);
    SETTLE_DURATION.took(took, [&network, result]);
    info!(
        event = "settle_answered",
        payment.network = asked.network,
        answer = result,
        reason,
        "a settlement was answered"
    );
}

pub fn enqueued(network: &Network, id: &str, payment_key: &str) {
    otel::remember(id);
    info!(event = "enqueued", payment.network = %network, settlement.id = id, payment.key = payment_key, "a payment is queued");
}

/// A transaction of ours that landed, and what it proved.
#[derive(Debug, Clone, Copy)]
pub struct Landing<'a> {
    pub network: &'a Network,
    pub transaction: &'a InFlight,
    pub mined: &'a Mined,
    /// Those that the transaction carried.
    pub settlements: &'a [Settlement],
    /// By settlement id.
    pub verdicts: &'a [(String, Verdict)],
    pub now: UnixMillis,
}

pub fn mined(landing: Landing<'_>) {
    let Landing { network, mined, .. } = landing;
    info!(event = "mined", payment.network = %network, transaction = mined.hash, chain.block = mined.block.number, gas = mined.gas_used, "a transaction was mined");
    let name = labels::network(network.as_str());
    let signer = labels::signer(Named {
        network: network.as_str(),
        address: &landing.transaction.signer,
    });
    MINED.count([&name]);
    GAS_USED.note(float(mined.gas_used.into()), [&name]);
    GAS_SPENT.note(native(mined.cost()), [&name, &signer]);
    if !mined.succeeded {
        REVERTED.count([&name]);
    }
    let is_settled = |(_, verdict): &(String, Verdict)| matches!(verdict, Verdict::Settled { .. });
    if !landing.verdicts.iter().any(is_settled) {
        GAS_WASTED.note(native(mined.cost()), [&name, &signer]);
    }
    for (id, verdict) in landing.verdicts {
        concluded(network, id, verdict);
        let row = landing.settlements.iter().find(|row| &row.id == id);
        if let (Verdict::Settled { .. }, Some(row)) = (verdict, row) {
            settled(landing, &name, row);
        }
    }
}

/// Times are the rows', so that it does not matter which process did what.
fn settled(landing: Landing<'_>, network: &str, row: &Settlement) {
    let symbol = labels::symbol(landing.network.as_str(), &row.asset);
    // A decimal number always reads.
    let amount = row.amount.to_string().parse().unwrap_or(0.0);
    VOLUME.note(amount, [network, &symbol]);
    let created = UnixMillis(row.created_at);
    STAGES.took(created.until(landing.now), [network, "total"]);
    if let Some(first) = landing.transaction.attempts.first() {
        let signed = UnixMillis(first.created_at);
        STAGES.took(created.until(signed), [network, "queue"]);
        STAGES.took(signed.until(landing.now), [network, "chain"]);
    }
}

pub fn concluded(network: &Network, id: &str, verdict: &Verdict) {
    otel::forget(id, verdict);
    let name = labels::network(network.as_str());
    let count = |outcome: &str, reason: &str| CONCLUDED.count([&name, outcome, reason]);
    match verdict {
        Verdict::Settled { transaction, .. } => {
            count("settled", NONE);
            info!(event = "settled", payment.network = %network, settlement.id = id, transaction, "a payment is settled");
        }
        Verdict::Elsewhere { transaction, .. } => {
            count("settled_elsewhere", NONE);
            warn!(event = "settled_elsewhere", payment.network = %network, settlement.id = id, transaction, "a payment was settled by somebody else");
        }
        Verdict::Failed { reason, .. } => {
            count("failed", reason.as_str());
            warn!(event = "failed", payment.network = %network, settlement.id = id, reason = reason.as_str(), "a payment failed on chain");
        }
        Verdict::Expired { .. } => {
            count("expired", NONE);
            warn!(event = "expired", payment.network = %network, settlement.id = id, "a payment expired unused");
        }
        Verdict::Requeue { .. } => {
            count("requeued", NONE);
            warn!(event = "requeued", payment.network = %network, settlement.id = id, "a payment goes back into the queue");
        }
    }
}

pub fn closed(network: &Network, id: &str, payment_key: &str) {
    info!(event = "closed", payment.network = %network, settlement.id = id, payment.key = payment_key, "a payment is closed without a charge");
}

/// The resource server alone decided how much of the ceiling is taken: whoever is asked about it later finds both numbers here.
pub fn charged(network: &Network, id: &str, amount: Amount, ceiling: Amount) {
    info!(event = "charged", payment.network = %network, settlement.id = id, payment.amount = %amount, payment.ceiling = %ceiling, "a ceiling is charged");
}
