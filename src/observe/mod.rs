//! One function per event: its log line and its numbers together. Nothing here ever sees a key, a signature or an RPC URL.
//!
//! Every line has an `event` from a closed set, for programs, and a message, for people. Trouble that repeats is said once a minute
//! (`repeats`); labels of numbers come from closed sets (`labels`). Set-up is in `log` (lines), `otel` (traces and export) and `metrics`.

mod chain;
mod door;
mod labels;
mod lane;
mod log;
pub mod metrics;
mod otel;
mod payment;
mod process;
mod repeats;
mod session;

use std::error::Error;

pub use chain::{
    Rpc, RpcOutcome, chain_trouble, foreign_hash, handed_over, head, reorged, rpc_asked, sent,
    wrong_chain,
};
pub use door::{
    answered, arrived, cannot_accept, limited, listening, metrics_listening, panicked,
    too_many_connections,
};
pub use labels::Named;
pub use lane::{
    Purse, foreign_nonces, gap_closed, lane_leased, lane_paused, lane_resumed, lane_state,
    lane_trouble, nonces, not_signed, purse, replaced, replaced_attempt, resumed, stuck, too_dear,
};
pub use log::start as start_log;
pub use otel::{Telemetry, adopt, sending};
pub use payment::{
    Asked, Landing, charged, closed, concluded, enqueued, mined, settle_answered, verified,
};
pub use process::{
    Backlog, backlog, connections, draining, endpoints, network_ready, not_reloaded, note, ready,
    reconciled, reloaded, serving, signers, store_trouble, task_ended, tick, watcher_trouble,
};

pub use session::{
    batch_enqueued, session_failed, session_fallen, session_not_settled, session_unavailable,
    sweeper_trouble, swept,
};

/// A cause with everything below it, as one line.
fn chain_of(cause: &dyn Error) -> String {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// A count or an amount as numbers of metrics are: whoever needs every digit asks the record.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floats; fifteen digits are enough to look at"
)]
fn float(number: u128) -> f64 {
    number as f64
}

/// Billionths of billionths of the native coin: wei, or lamports times a billion.
fn native(wei: u128) -> f64 {
    float(wei) / 1e18
}
