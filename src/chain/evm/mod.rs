//! EVM chains: connection and reads, signatures, contracts, the lane that sends and the watcher that proves outcomes.

pub mod broadcast;
mod chain;
pub mod contracts;
mod error;
mod fees;
mod lane;
mod revert;
mod rpc;
mod transaction;
mod watcher;
pub mod work;

pub use chain::Chain;
pub use error::Error;
pub use lane::Lane;
pub use rpc::Rpc;
pub use watcher::Watcher;
