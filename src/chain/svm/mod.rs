//! Solana: connection and reads, the lane that co-signs and sends, and the watcher that proves outcomes.

mod chain;
mod cost;
mod lane;
mod pulse;
mod reads;
mod status;
mod watcher;

use super::rpc;

pub use super::{Error, Rpc};
pub use chain::{Chain, connect};
pub use lane::Lane;
pub use pulse::pulse;
pub use reads::Reads;
pub use watcher::Watcher;
