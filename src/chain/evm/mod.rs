//! EVM chains: connection and reads, signatures, contracts, the lane that sends and the watcher that proves outcomes.

pub mod broadcast;
mod chain;
pub mod contracts;
pub mod eip712;
mod error;
mod fees;
pub mod gas;
mod lane;
pub mod reads;
mod revert;
mod rpc;
pub mod signature;
mod transaction;
mod watcher;
pub mod work;

pub use chain::Chain;
pub use error::Error;
pub use lane::Lane;
pub use reads::Reads;
pub use rpc::Rpc;
pub use watcher::Watcher;
