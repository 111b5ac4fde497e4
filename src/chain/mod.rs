//! Live connections to chains, one folder per family. Chain crates' own types stay in here and in `scheme`.

mod error;
pub mod evm;
pub(crate) mod lease;
mod rpc;
pub mod svm;

pub use error::Error;
pub use rpc::{Endpoints, Identity, Rpc};
