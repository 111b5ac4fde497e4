//! Events of nodes and chains.

use std::time::Duration;

use tracing::{error, info, warn};

use super::chain_of;
use super::labels;
use super::metrics::catalogue::{
    ATTEMPTS, HEAD, HEAD_AGE, REORGS, RPC_DURATION, RPC_REQUESTS, VIOLATIONS,
};
use super::repeats::{Repeats, gist};
use crate::chain;
use crate::chain::evm::broadcast::Class;
use crate::protocol::Network;

static REPEATS: Repeats = Repeats::new();

/// A request to a node.
#[derive(Debug, Clone, Copy)]
pub struct Rpc<'a> {
    pub network: &'a Network,
    /// Whether it is one of those that transactions go to.
    pub is_send: bool,
    /// The endpoint's place among those of its role, from 0.
    pub index: usize,
    /// What was asked first, when several things were.
    pub method: &'static str,
    pub calls: usize,
}

/// How a request to a node went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RpcOutcome {
    Ok,
    /// The node's own verdict.
    Refused,
    Unavailable,
}

pub fn rpc_asked(rpc: Rpc<'_>, outcome: RpcOutcome, took: Duration) {
    let network = labels::network(rpc.network.as_str());
    let role = if rpc.is_send { "send" } else { "read" };
    let index = rpc.index.to_string();
    let method = if rpc.calls > 1 { "batch" } else { rpc.method };
    let outcome = match outcome {
        RpcOutcome::Ok => "ok",
        RpcOutcome::Refused => "refused",
        RpcOutcome::Unavailable => "unavailable",
    };
    RPC_REQUESTS.count([&network, role, &index, method, outcome]);
    RPC_DURATION.took(took, [&network, role, &index]);
}

/// The newest block of a network was read.
pub fn head(network: &Network, number: u64, age: Duration) {
    let name = labels::network(network.as_str());
    HEAD.note(super::float(number.into()), [&name]);
    HEAD_AGE.took(age, [&name]);
}

pub fn chain_trouble(network: &Network, cause: &dyn std::error::Error) {
    let cause = chain_of(cause);
    if let Some(left_out) = REPEATS.say("chain_trouble", &[network.as_str(), &gist(&cause)]) {
        warn!(event = "chain_trouble", payment.network = %network, cause, left_out, "a node could not be asked");
    }
}

pub fn wrong_chain(network: &Network, chain: &str) {
    VIOLATIONS.count(["wrong_chain"]);
    if let Some(left_out) = REPEATS.say("wrong_chain", &[network.as_str(), chain]) {
        error!(event = "wrong_chain", payment.network = %network, chain.id = chain, left_out, "the node is on another chain; nothing is verified or sent there");
    }
}

pub fn foreign_hash(network: &Network, ours: &str, theirs: &str) {
    VIOLATIONS.count(["foreign_hash"]);
    error!(event = "foreign_hash", payment.network = %network, transaction = ours, answered = theirs, "a node answered with another hash than that of the bytes");
}

pub fn reorged(network: &Network, hash: &str, block: u64) {
    REORGS.count([&labels::network(network.as_str())]);
    error!(event = "reorged", payment.network = %network, transaction = hash, chain.block = block, "a reorg took away the block of a transaction");
}

pub fn sent(network: &Network, hash: &str, class: Class) {
    let outcome = match class {
        Class::Sent => "sent",
        Class::Indeterminate => "indeterminate",
        Class::NonceTooLow => "nonce_too_low",
        Class::Underpriced => "underpriced",
        Class::Gap => "gap",
        Class::FeeTooLow => "fee_too_low",
        Class::DelegatedLimit => "delegated_limit",
        Class::NoFunds => "no_funds",
        Class::Invalid => "invalid",
    };
    ATTEMPTS.count([&labels::network(network.as_str()), outcome]);
    if class == Class::Sent {
        info!(event = "sent", payment.network = %network, transaction = hash, "a transaction was sent");
    } else {
        refused(network, hash, outcome);
    }
}

/// Bytes went to every send endpoint; a refusal is no verdict where the same bytes are sent again and again.
pub fn handed_over<T>(network: &Network, hash: &str, answers: &[Result<T, chain::Error>]) {
    let name = labels::network(network.as_str());
    if answers.iter().any(Result::is_ok) {
        ATTEMPTS.count([&name, "sent"]);
        info!(event = "sent", payment.network = %network, transaction = hash, "a transaction was sent");
        return;
    }
    ATTEMPTS.count([&name, "refused"]);
    let cause = answers.iter().find_map(|answer| answer.as_ref().err());
    let cause = cause.map(|cause| chain_of(cause)).unwrap_or_default();
    refused(network, hash, &cause);
}

fn refused(network: &Network, hash: &str, cause: &str) {
    if let Some(left_out) = REPEATS.say("not_accepted", &[hash, &gist(cause)]) {
        warn!(event = "not_accepted", payment.network = %network, transaction = hash, cause, left_out, "a transaction was not plainly accepted");
    }
}
