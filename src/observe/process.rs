//! Events of the process, its database, and what it reads of itself from time to time.

use std::time::Duration;

use tracing::{error, info, warn};

use super::labels;
use super::metrics::catalogue::{
    ATTEMPTS, BUILD, CONCLUDED, IN_STATE, MINED, NETWORK_READY, NONCE_GAPS, NOT_SIGNED, OLDEST,
    READY, REORGS, REVERTED, RPC_UP, SIGNER_INFO, STORE_CONNECTIONS, STORE_ERRORS, TOO_DEAR,
    VIOLATIONS,
};
use super::repeats::{Repeats, gist};
use super::{chain_of, float, metrics};
use crate::config::Config;
use crate::protocol::Network;
use crate::reconcile::Report;
use crate::store;

static REPEATS: Repeats = Repeats::new();

pub fn note(text: &str) {
    warn!(event = "note", "{text}");
}

/// What is served: from here on these networks and assets may stand in labels. Counters whose every label is known begin at 0, so that a first
/// event is a rise.
pub fn serving(config: &Config) {
    labels::learn(config);
    BUILD.note(1.0, [env!("CARGO_PKG_VERSION")]);
    let evm = config.evm.networks.iter().map(|network| &network.network);
    let svm = config.svm.networks.iter().map(|network| &network.network);
    for network in evm.chain(svm).map(Network::as_str) {
        for counter in [
            &MINED,
            &REVERTED,
            &REORGS,
            &NONCE_GAPS,
            &NOT_SIGNED,
            &TOO_DEAR,
        ] {
            counter.note(0.0, [network]);
        }
        ATTEMPTS.note(0.0, [network, "sent"]);
        CONCLUDED.note(0.0, [network, "settled", labels::NONE]);
    }
    for kind in [
        "foreign_nonce",
        "foreign_hash",
        "foreign_transaction",
        "wrong_chain",
        "difference",
        "panic",
        "task_ended",
    ] {
        VIOLATIONS.note(0.0, [kind]);
    }
    for kind in ["database", "migrate", "fenced", "inconsistent"] {
        STORE_ERRORS.note(0.0, [kind]);
    }
}

/// Who signs on a network, in configured order.
pub fn signers(network: &Network, addresses: &[String]) {
    labels::learn_signers(network.as_str(), addresses);
    for address in addresses {
        let index = labels::signer(labels::Named {
            network: network.as_str(),
            address,
        });
        SIGNER_INFO.note(1.0, [network.as_str(), &index, address]);
    }
}

pub fn store_trouble(cause: &store::Error) {
    count(cause);
    let cause = chain_of(cause);
    if let Some(left_out) = REPEATS.say("store_trouble", &[&gist(&cause)]) {
        error!(
            event = "store_trouble",
            cause, left_out, "the database could not be asked"
        );
    }
}

pub fn watcher_trouble(network: &Network, cause: &store::Error) {
    count(cause);
    let cause = chain_of(cause);
    if let Some(left_out) = REPEATS.say("watcher_trouble", &[network.as_str(), &gist(&cause)]) {
        warn!(event = "watcher_trouble", payment.network = %network, cause, left_out, "the watcher could not report");
    }
}

fn count(cause: &store::Error) {
    let kind = match cause {
        store::Error::Database(_) => "database",
        store::Error::Migrate(_) => "migrate",
        store::Error::Fenced => "fenced",
        store::Error::Inconsistent(_) => "inconsistent",
    };
    STORE_ERRORS.count([kind]);
}

/// Connections to the database: in use, idle, and the most there may be.
pub fn connections(used: u32, idle: u32, most: u32) {
    for (state, count) in [("used", used), ("idle", idle), ("max", most)] {
        STORE_CONNECTIONS.note(count.into(), [state]);
    }
}

/// What waits in one state on one network.
#[derive(Debug, Clone, Copy)]
pub struct Backlog<'a> {
    pub network: &'a Network,
    /// `queued`, `submitted` or `not_final`.
    pub state: &'static str,
    pub count: u64,
    /// Age of the oldest; zero where there is none.
    pub oldest: Duration,
}

pub fn backlog(backlog: Backlog<'_>) {
    let network = labels::network(backlog.network.as_str());
    IN_STATE.note(float(backlog.count.into()), [&network, backlog.state]);
    OLDEST.took(backlog.oldest, [&network, backlog.state]);
}

/// Which read endpoints of a network answer, in configured order.
pub fn endpoints(network: &Network, up: &[bool]) {
    let name = labels::network(network.as_str());
    for (index, up) in up.iter().enumerate() {
        RPC_UP.note(f64::from(u8::from(*up)), [&name, &index.to_string()]);
    }
}

pub fn network_ready(network: &Network, is_ready: bool) {
    let name = labels::network(network.as_str());
    NETWORK_READY.note(f64::from(u8::from(is_ready)), [&name]);
}

pub fn ready(is_ready: bool) {
    READY.note(f64::from(u8::from(is_ready)), []);
}

/// What the process uses; called from time to time.
pub fn tick() {
    metrics::process::note();
}

/// What a comparison of the ledger with the chain found.
pub fn reconciled(report: &Report) {
    let network = &report.network;
    for difference in &report.differences {
        VIOLATIONS.count(["difference"]);
        error!(
            event = "difference",
            payment.network = network,
            difference.kind = difference.kind.as_str(),
            difference.subject = difference.subject,
            detail = difference.detail,
            "the ledger and the chain disagree"
        );
    }
    if let Some(cause) = &report.interrupted {
        warn!(
            event = "reconcile_interrupted",
            payment.network = network,
            cause,
            "the ledger could not be compared with the chain to the end"
        );
        return;
    }
    info!(
        event = "reconciled",
        payment.network = network,
        settled = report.settled,
        transactions = report.transactions,
        differences = report.differences.len(),
        "the ledger was compared with the chain"
    );
}

pub fn task_ended(name: &str) {
    VIOLATIONS.count(["task_ended"]);
    error!(
        event = "task_ended",
        task = name,
        "a task ended that should not have; draining"
    );
}

pub fn draining() {
    info!(
        event = "draining",
        "draining: requests under way are finished, new ones are refused"
    );
}

pub fn reloaded(file: &str) {
    info!(event = "reloaded", file, "a file was read again");
}

pub fn not_reloaded(file: &str, problem: &str) {
    error!(
        event = "not_reloaded",
        file, problem, "a file could not be read again; what it said before still holds"
    );
}
