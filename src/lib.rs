//! An x402 facilitator: verifies and settles other people's payments, pays the gas, and tells the truth about what happened.
//!
//! Rooms, and which way they may look: `http → facilitator → scheme → chain → store → protocol`.

pub mod chain;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dev;
pub mod facilitator;
pub mod hooks;
pub mod http;
pub mod inspect;
pub mod lifecycle;
pub mod observe;
pub mod protocol;
pub mod reconcile;
pub mod reload;
pub mod run;
pub mod scheme;
pub mod secret;
pub mod signer;
pub mod store;
