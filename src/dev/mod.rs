//! The local sandbox: a private EVM chain with x402's contracts and funded payers. The `dev` command and the tests use it; no money path does.

pub mod chain;
pub mod contracts;
pub mod keys;
mod leash;
pub mod node;

pub use chain::Chain;
