//! Events of lanes and their signers.

use tracing::{error, info, warn};

use super::labels::{self, Named};
use super::metrics::catalogue::{
    BALANCE, BIDS, DAILY_CAP, IN_FLIGHT, LANE_LEASED, LANE_PAUSED, LANE_PAUSES, LANE_TROUBLE,
    NONCE, NONCE_GAPS, NOT_SIGNED, RUNWAY, SPENT_TODAY, TOO_DEAR, VIOLATIONS,
};
use super::repeats::{Repeats, gist};
use super::{chain_of, float, native};
use crate::protocol::Network;
use crate::store;

static REPEATS: Repeats = Repeats::new();

fn names(network: &Network, signer: &str) -> (String, String) {
    let index = labels::signer(Named {
        network: network.as_str(),
        address: signer,
    });
    (labels::network(network.as_str()), index)
}

pub fn lane_trouble(network: &Network, signer: &str, cause: &store::Error) {
    let (name, index) = names(network, signer);
    LANE_TROUBLE.count([&name, &index]);
    let cause = chain_of(cause);
    if let Some(left_out) = REPEATS.say("lane_trouble", &[network.as_str(), signer, &gist(&cause)])
    {
        warn!(event = "lane_trouble", payment.network = %network, lane.signer = signer, cause, left_out, "the lane starts over");
    }
}

pub fn lane_paused(network: &Network, signer: &str, reason: &str) {
    let (name, index) = names(network, signer);
    LANE_PAUSES.count([&name, &index, labels::pause(reason)]);
    lane_state(network, signer, Some(reason));
    error!(event = "lane_paused", payment.network = %network, lane.signer = signer, reason, "the lane is paused");
}

pub fn lane_resumed(network: &Network, signer: &str) {
    lane_state(network, signer, None);
    info!(event = "lane_resumed", payment.network = %network, lane.signer = signer, "the lane goes on");
}

/// Whether the lane is paused, and why, as its row says.
pub fn lane_state(network: &Network, signer: &str, paused: Option<&str>) {
    let (name, index) = names(network, signer);
    let paused = paused.map(labels::pause);
    for reason in labels::pauses() {
        let is_so = paused == Some(reason);
        LANE_PAUSED.note(f64::from(u8::from(is_so)), [&name, &index, reason]);
    }
}

/// Whether somebody works the lane.
pub fn lane_leased(network: &Network, signer: &str, is_leased: bool) {
    let (name, index) = names(network, signer);
    LANE_LEASED.note(f64::from(u8::from(is_leased)), [&name, &index]);
}

/// The account nonces of a signer: `db`, `latest` or `pending`.
pub fn nonces(network: &Network, signer: &str, kind: &'static str, nonce: u64) {
    let (name, index) = names(network, signer);
    NONCE.note(float(nonce.into()), [&name, &index, kind]);
}

/// What a signer has and spends: billionths of billionths of the native coin. What is not known is left as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purse {
    pub balance: Option<u128>,
    /// Settlements that the balance pays for.
    pub runway: Option<u128>,
    pub spent_today: Option<u128>,
    pub daily_cap: Option<u128>,
    pub in_flight: Option<u64>,
}

pub fn purse(network: &Network, signer: &str, purse: Purse) {
    let (name, index) = names(network, signer);
    let labels = [name.as_str(), index.as_str()];
    if let Some(balance) = purse.balance {
        BALANCE.note(native(balance), labels);
    }
    if let Some(runway) = purse.runway {
        RUNWAY.note(float(runway), labels);
    }
    if let Some(spent) = purse.spent_today {
        SPENT_TODAY.note(native(spent), labels);
    }
    if let Some(cap) = purse.daily_cap {
        DAILY_CAP.note(native(cap), labels);
    }
    if let Some(in_flight) = purse.in_flight {
        IN_FLIGHT.note(float(in_flight.into()), labels);
    }
}

pub fn foreign_nonces(network: &Network, signer: &str, ours: u64, chain: u64) {
    VIOLATIONS.count(["foreign_nonce"]);
    error!(event = "foreign_nonces", payment.network = %network, lane.signer = signer, lane.next_nonce = ours, chain.next_nonce = chain,
        "somebody else sends from this signer: account nonces are consumed that we did not use");
}

pub fn not_signed(network: &Network, signer: &str, cause: &dyn std::error::Error) {
    NOT_SIGNED.count([&labels::network(network.as_str())]);
    let cause = chain_of(cause);
    if let Some(left_out) = REPEATS.say("not_signed", &[network.as_str(), signer, &gist(&cause)]) {
        error!(event = "not_signed", payment.network = %network, lane.signer = signer, cause, left_out, "the signer did not sign");
    }
}

pub fn too_dear(network: &Network) {
    TOO_DEAR.count([&labels::network(network.as_str())]);
    if let Some(left_out) = REPEATS.say("too_dear", &[network.as_str()]) {
        warn!(event = "too_dear", payment.network = %network, left_out, "gas costs more than the configured limit; payments wait");
    }
}

pub fn resumed(network: &Network, hash: &str) {
    info!(event = "resumed", payment.network = %network, transaction = hash, "a stored transaction is sent again");
}

pub fn gap_closed(network: &Network, signer: &str, nonce: u64) {
    NONCE_GAPS.count([&labels::network(network.as_str())]);
    warn!(event = "gap_closed", payment.network = %network, lane.signer = signer, lane.nonce = nonce, "an account nonce without a transaction was given to nobody");
}

pub fn replaced_attempt(network: &Network, before: &str, after: &str, is_noop: bool) {
    let kind = if is_noop { "noop" } else { "bump" };
    BIDS.count([&labels::network(network.as_str()), kind]);
    info!(event = "replaced_attempt", payment.network = %network, transaction = after, before, is_noop, "a transaction was replaced at the same account nonce");
}

pub fn replaced(network: &Network, signer: &str, nonce: u64) {
    VIOLATIONS.count(["foreign_transaction"]);
    error!(event = "replaced", payment.network = %network, lane.signer = signer, lane.nonce = nonce, "an account nonce was consumed by a transaction that is not ours");
}

pub fn stuck(network: &Network, signer: &str, nonce: Option<u64>) {
    VIOLATIONS.count(["foreign_transaction"]);
    error!(event = "stuck", payment.network = %network, lane.signer = signer, lane.nonce = nonce,
        "an account nonce was consumed by a transaction that is not ours, and what became of its payments cannot be proven: they wait for an operator");
}
