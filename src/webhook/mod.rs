//! Webhooks by the Standard Webhooks specification: how messages are signed, and how those of the outbox get to their receivers.

mod courier;
mod signature;

pub use courier::Courier;
pub use signature::{Message, SigningSecret};
