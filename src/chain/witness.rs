//! What a chain says about what is on record: the other half of a reconciliation.

use async_trait::async_trait;

use super::Error;
use crate::protocol::Network;
use crate::store::{self, Difference, FinalTransaction, Settlement};

/// A chain that can be asked what really happened. It reports and changes nothing.
#[async_trait]
pub trait Witness: Send + Sync {
    fn network(&self) -> &Network;

    /// Whether the transactions of settled and final payments still prove them.
    async fn settled(&self, rows: &[Settlement]) -> Result<Vec<Difference>, Trouble>;

    /// Whether the authorizations of expired payments are unused.
    async fn expired(&self, rows: &[Settlement]) -> Result<Vec<Difference>, Trouble>;

    /// Whether final transactions ended and cost as booked.
    async fn transactions(&self, rows: &[FinalTransaction]) -> Result<Vec<Difference>, Trouble>;

    /// Whether this signer sent only what is on record.
    async fn signer(&self, signer: &str) -> Result<Vec<Difference>, Trouble>;
}

/// Why a comparison could not be made. Never a difference.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Chain(#[from] Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}
