//! EVM chains: connection and reads, signatures, contracts, the lane that sends and the watcher that proves outcomes.

pub mod contracts;
pub mod eip712;
pub mod error;
pub mod gas;
pub mod reads;
pub mod rpc;
pub mod signature;
pub mod work;

pub use error::Error;
