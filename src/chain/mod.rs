//! Live connections to chains, one folder per family. Chain crates' own types stay in here and in `scheme`.

mod error;
pub mod evm;
pub(crate) mod lease;
pub mod pulse;
mod rpc;
pub mod svm;
mod witness;

pub use error::Error;
pub use rpc::{Endpoints, Identity, Rpc};
pub use witness::{Trouble, Witness};
