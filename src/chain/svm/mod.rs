//! Solana: how transactions are read and judged, connection and reads, the lane that co-signs and sends, and the watcher that proves outcomes.

mod blockhashes;
pub mod budget;
mod chain;
mod cost;
pub mod effect;
mod fee_payers;
pub mod instruction;
pub mod landed;
mod lane;
pub mod ledger;
pub mod programs;
mod pulse;
mod reads;
mod reconcile;
mod status;
pub mod tables;
pub mod token;
pub mod transaction;
mod watcher;
pub mod work;

use super::rpc;

pub use super::{Error, Rpc};
pub use chain::{Chain, connect};
pub use fee_payers::FeePayers;
pub use lane::Lane;
pub use ledger::Ledger;
pub use pulse::pulse;
pub use reads::Reads;
pub use watcher::Watcher;
