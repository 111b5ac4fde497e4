//! Everything that needs a socket, in one binary: real chain, real databases, stock clients. Nothing here reaches a public network.
//!
//! The EVM chain and the stock clients come from npm (`tests/package.json`, installed on first use), the Solana ledger from `tests/ledger`
//! (built on first use, in minutes); Postgres and promtool come from the machine.

mod harness;

mod access;
mod batches;
mod check;
mod clients;
mod cost;
mod crash;
mod deploy;
mod dev_solana;
mod door;
mod drain;
mod fault_proxy;
mod faults;
mod hostile;
mod lanes;
mod ledger;
mod ledger_controls;
mod manifests;
mod observe;
mod outcomes;
mod pages;
mod pay;
mod pay_wallets;
mod policy;
mod postgres;
mod reasons;
mod reconcile;
mod reference;
mod reference_svm;
mod repeats;
mod replicas;
mod sandbox;
mod secrets;
mod sessions;
mod signing;
mod signing_svm;
mod start;
mod start_svm;
mod store;
mod supported;
mod svm_crash;
mod svm_extensions;
mod svm_fee_payers;
mod svm_lookups;
mod svm_pay;
mod svm_records;
mod svm_replicas;
mod svm_sends;
mod svm_wallets;
mod upto;
mod webhooks;
