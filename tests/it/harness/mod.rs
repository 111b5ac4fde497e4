//! What tests stand on. Except for starting the sandbox, nothing here uses the product's code: a mistake in it must not hide itself.

pub(crate) mod batch;
pub(crate) mod binary;
pub(crate) mod browser;
pub(crate) mod chain;
pub(crate) mod facilitator;
pub(crate) mod http;
pub(crate) mod keyring;
pub(crate) mod ledger;
pub(crate) mod mint;
pub(crate) mod npm;
pub(crate) mod oracle;
pub(crate) mod otlp;
pub(crate) mod postgres;
pub(crate) mod promtool;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod rpc;
pub(crate) mod scene;
pub(crate) mod scratch;
pub(crate) mod sign;
pub(crate) mod sign_svm;
pub(crate) mod sign_upto;
pub(crate) mod svm_tables;
pub(crate) mod svm_wire;
pub(crate) mod svm_world;
pub(crate) mod world;
