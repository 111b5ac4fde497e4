//! Everything that needs a socket, in one binary: real chain, real databases, stock clients. Nothing here reaches a public network.
//!
//! The EVM chain and the stock clients come from npm (`tests/package.json`, installed on first use), the Solana ledger from `tests/ledger`
//! (built on first use, in minutes); Postgres comes from the machine.

mod harness;

mod crash;
mod fault_proxy;
mod ledger;
mod pay;
mod postgres;
mod reference;
mod reference_svm;
mod sandbox;
mod signing;
mod signing_svm;
mod store;
