//! Everything that needs a socket, in one binary: real chain, real databases, stock clients. Nothing here reaches a public network.
//!
//! The chain and the stock clients come from npm (`tests/package.json`, installed on first use); Postgres comes from the machine.

mod harness;

mod crash;
mod fault_proxy;
mod faults;
mod lanes;
mod outcomes;
mod pay;
mod postgres;
mod reference;
mod replicas;
mod sandbox;
mod store;
