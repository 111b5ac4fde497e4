//! Points of the money path at which a test may stop the process. The product passes [`Nothing`].

use std::fmt;

use alloy::primitives::Bytes;
use async_trait::async_trait;

/// A moment between two effects of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// What a session owes is due, the chain was asked; nothing is in the queue.
    BatchPrepared,
    /// The payment is in the queue.
    Enqueued,
    /// The lane chose an account nonce; nothing is signed.
    NonceChosen,
    /// Signed, not stored, not sent.
    Signed { raw: Bytes },
    /// The bytes are stored, not sent.
    Stored,
    /// A node took the bytes, or may have.
    Sent,
    /// A receipt was read, nothing is noted.
    Received,
    /// A request learned that its payment is settled; it has not claimed the right to tell.
    Settled,
}

/// Called at every [`Point`]; the path goes on when the future ends.
#[async_trait]
pub trait Hooks: Send + Sync + fmt::Debug {
    async fn reached(&self, point: Point);
}

/// No hooks.
#[derive(Debug)]
pub struct Nothing;

#[async_trait]
impl Hooks for Nothing {
    async fn reached(&self, _: Point) {}
}
