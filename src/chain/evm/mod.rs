//! EVM chains: connection and reads, signatures, contracts, the lane that sends and the watcher that proves outcomes.

pub mod contracts;
pub mod error;
pub mod rpc;
pub mod work;

pub use error::Error;
