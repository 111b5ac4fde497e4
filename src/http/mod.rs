//! The door: from HTTP to the [`Facilitator`](crate::facilitator::Facilitator) and back. Handlers extract, call, answer; no payment is judged here.
//!
//! Every request goes through the envelope (request id, path, span, panics), then CORS, then the routes; every answer that is not a page is
//! JSON, and those of `/verify` and `/settle` are protocol-shaped whatever went wrong. `error` alone chooses the status.

mod activity;
mod auth;
mod connection;
mod cors;
mod endpoint;
mod envelope;
mod error;
mod extract;
mod health;
mod metrics;
mod pages;
mod problem;
mod request_id;
mod router;
mod seats;
mod server;
mod sessions;
mod settle;
mod settlements;
mod status;
mod supported;
mod verify;

#[cfg(test)]
mod tests;

pub use auth::{Keyring, NewKey};
pub use metrics::{router as metrics_router, server as metrics_server};
pub use pages::Facts;
pub use router::{House, router};
pub use server::{Drained, bind, serve};
