//! What the schemes of EVM chains share: the network, the payer's signature, Permit2 and its sponsoring, and the trial before anything is signed.

pub(in crate::scheme) mod chain;
pub(in crate::scheme) mod diagnose;
pub(in crate::scheme) mod eip2612;
pub(in crate::scheme) mod identity;
pub(in crate::scheme) mod payers;
pub(in crate::scheme) mod permit2;
pub(in crate::scheme) mod requested;
pub(in crate::scheme) mod signed;
pub(in crate::scheme) mod simulation;
pub(in crate::scheme) mod sponsoring;
#[cfg(test)]
pub(in crate::scheme) mod testing;
pub(in crate::scheme) mod wire;

pub use chain::Chain;
