//! One function per event: what is logged, and how it reads. Nothing here ever sees a key, a signature or an RPC URL.

use tracing::{debug, error, info, warn};

use crate::chain;
use crate::chain::evm::broadcast::Class;
use crate::protocol::Network;
use crate::store::{self, Mined, Verdict};

/// A cause with everything below it, as one line.
fn chain_of(cause: &dyn std::error::Error) -> String {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

pub fn note(text: &str) {
    warn!("{text}");
}

pub fn listening(address: std::net::SocketAddr) {
    info!(%address, "Facilitator listening");
}

pub fn cannot_accept(cause: &std::io::Error) {
    warn!(%cause, "connections cannot be accepted");
}

/// At debug level: whoever does this does it often.
pub fn too_many_connections() {
    debug!("a connection was closed: its address has too many");
}

pub fn answered(status: u16, latency: std::time::Duration) {
    let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    debug!(http.status = status, latency_ms, "a request was answered");
}

pub fn panicked(route: &str) {
    error!(http.route = route, "a panic while answering a request");
}

pub fn chain_trouble(network: &Network, cause: &dyn std::error::Error) {
    warn!(payment.network = %network, cause = chain_of(cause), "a node could not be asked");
}

pub fn wrong_chain(network: &Network, chain: &str) {
    error!(payment.network = %network, chain.id = chain, "the node is on another chain; nothing is verified or sent there");
}

pub fn store_trouble(cause: &store::Error) {
    error!(cause = chain_of(cause), "the database could not be asked");
}

pub fn lane_trouble(network: &Network, signer: &str, cause: &store::Error) {
    warn!(payment.network = %network, lane.signer = signer, cause = chain_of(cause), "the lane starts over");
}

pub fn watcher_trouble(network: &Network, cause: &store::Error) {
    warn!(payment.network = %network, cause = chain_of(cause), "the watcher could not report");
}

pub fn lane_paused(network: &Network, signer: &str, reason: &str) {
    error!(payment.network = %network, lane.signer = signer, reason, "the lane is paused");
}

pub fn lane_resumed(network: &Network, signer: &str) {
    info!(payment.network = %network, lane.signer = signer, "the lane goes on");
}

pub fn foreign_nonces(network: &Network, signer: &str, ours: u64, chain: u64) {
    error!(payment.network = %network, lane.signer = signer, lane.next_nonce = ours, chain.next_nonce = chain,
        "somebody else sends from this signer: account nonces are consumed that we did not use");
}

pub fn foreign_hash(network: &Network, ours: &str, theirs: &str) {
    error!(payment.network = %network, transaction = ours, answered = theirs, "a node answered with another hash than that of the bytes");
}

pub fn not_signed(network: &Network, signer: &str, cause: &dyn std::error::Error) {
    error!(payment.network = %network, lane.signer = signer, cause = chain_of(cause), "the signer did not sign");
}

pub fn too_dear(network: &Network) {
    warn!(payment.network = %network, "gas costs more than the configured limit; payments wait");
}

pub fn enqueued(network: &Network, id: &str, payment_key: &str) {
    info!(payment.network = %network, settlement.id = id, payment.key = payment_key, "a payment is queued");
}

pub fn sent(network: &Network, hash: &str, class: Class) {
    match class {
        Class::Sent => {
            info!(payment.network = %network, transaction = hash, "a transaction was sent");
        }
        Class::Indeterminate
        | Class::NonceTooLow
        | Class::Underpriced
        | Class::Gap
        | Class::FeeTooLow
        | Class::DelegatedLimit
        | Class::NoFunds
        | Class::Invalid => {
            warn!(payment.network = %network, transaction = hash, ?class, "a transaction was not plainly accepted");
        }
    }
}

/// Bytes went to every send endpoint; a refusal is no verdict where the same bytes are sent again and again.
pub fn handed_over<T>(network: &Network, hash: &str, answers: &[Result<T, chain::Error>]) {
    if answers.iter().any(Result::is_ok) {
        info!(payment.network = %network, transaction = hash, "a transaction was sent");
        return;
    }
    let cause = answers.iter().find_map(|answer| answer.as_ref().err());
    let cause = cause.map(|cause| chain_of(cause));
    warn!(payment.network = %network, transaction = hash, cause, "a transaction was not plainly accepted");
}

pub fn resumed(network: &Network, hash: &str) {
    info!(payment.network = %network, transaction = hash, "a stored transaction is sent again");
}

pub fn gap_closed(network: &Network, signer: &str, nonce: u64) {
    warn!(payment.network = %network, lane.signer = signer, lane.nonce = nonce, "an account nonce without a transaction was given to nobody");
}

pub fn replaced_attempt(network: &Network, before: &str, after: &str, is_noop: bool) {
    info!(payment.network = %network, transaction = after, before, is_noop, "a transaction was replaced at the same account nonce");
}

pub fn replaced(network: &Network, signer: &str, nonce: u64) {
    error!(payment.network = %network, lane.signer = signer, lane.nonce = nonce, "an account nonce was consumed by a transaction that is not ours");
}

pub fn reorged(network: &Network, hash: &str, block: u64) {
    error!(payment.network = %network, transaction = hash, chain.block = block, "a reorg took away the block of a transaction");
}

pub fn mined(network: &Network, mined: &Mined, verdicts: &[(String, Verdict)]) {
    info!(payment.network = %network, transaction = mined.hash, chain.block = mined.block.number, gas = mined.gas_used, "a transaction was mined");
    for (id, verdict) in verdicts {
        concluded(network, id, verdict);
    }
}

pub fn concluded(network: &Network, id: &str, verdict: &Verdict) {
    match verdict {
        Verdict::Settled { transaction, .. } => {
            info!(payment.network = %network, settlement.id = id, transaction, "a payment is settled");
        }
        Verdict::Elsewhere { transaction, .. } => {
            warn!(payment.network = %network, settlement.id = id, transaction, "a payment was settled by somebody else");
        }
        Verdict::Failed { reason, .. } => {
            warn!(payment.network = %network, settlement.id = id, reason = reason.as_str(), "a payment failed on chain");
        }
        Verdict::Expired { .. } => {
            warn!(payment.network = %network, settlement.id = id, "a payment expired unused");
        }
        Verdict::Requeue { .. } => {
            warn!(payment.network = %network, settlement.id = id, "a payment goes back into the queue");
        }
    }
}

/// A request met a limit; at debug level, for there may be many.
pub fn limited(network: &str, reason: &str) {
    debug!(
        payment.network = network,
        reason, "a request met a limit of this service"
    );
}

/// Somebody who has a say about payments could not be asked.
pub fn policy_unasked(cause: &str) {
    warn!(cause, "what the policy asks for could not be found out");
}

pub fn webhook_delivered(endpoint: &str, id: &str, attempts: i64) {
    debug!(
        webhook.endpoint = endpoint,
        webhook.id = id,
        attempts,
        "a webhook was delivered"
    );
}

pub fn webhook_failed(endpoint: &str, id: &str, attempts: i64, problem: &str) {
    warn!(
        webhook.endpoint = endpoint,
        webhook.id = id,
        attempts,
        problem,
        "a webhook was not delivered; it is sent again"
    );
}

pub fn webhook_dead(endpoint: &str, id: &str, attempts: i64, problem: &str) {
    error!(
        webhook.endpoint = endpoint,
        webhook.id = id,
        attempts,
        problem,
        "a webhook is given up: nobody took it"
    );
}

pub fn reloaded(file: &str) {
    info!(file, "a file was read again");
}

pub fn not_reloaded(file: &str, problem: &str) {
    error!(
        file,
        problem, "a file could not be read again; what it said before still holds"
    );
}

pub fn verified(network: &str, reason: Option<&str>) {
    debug!(payment.network = network, reason, "a payment was verified");
}

pub fn settle_answered(network: &str, answer: &str, reason: Option<&str>) {
    info!(
        payment.network = network,
        answer, reason, "a settlement was answered"
    );
}

pub fn task_ended(name: &str) {
    error!(task = name, "a task ended that should not have; draining");
}

pub fn draining() {
    info!("draining: requests under way are finished, new ones are refused");
}
