//! EVM chains: connection and reads, signatures, contracts, the lane that sends and the watcher that proves outcomes.

pub mod broadcast;
mod chain;
pub mod contracts;
pub mod eip712;
mod fees;
pub mod gas;
mod lane;
mod pulse;
pub mod reads;
mod reconcile;
pub mod revert;
pub mod signature;
mod transaction;
mod watcher;
pub mod work;

use super::rpc;

pub use super::{Error, Rpc};
pub use chain::{Chain, connect};
pub use lane::Lane;
pub use pulse::pulse;
pub use reads::Reads;
pub use watcher::Watcher;
