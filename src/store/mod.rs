//! What must survive a crash. One SQL text on Postgres and SQLite; every transition is one conditional statement.

use crate::clock::UnixMillis;
use crate::protocol::{Amount, Network};

/// A payment about to be queued.
#[derive(Debug, Clone)]
pub struct NewSettlement {
    pub payment_key: String,
    pub fingerprint: String,
    pub proof: String,
    pub caller: String,
    pub scheme: String,
    pub network: Network,
    pub wire_network: String,
    pub asset: String,
    pub payer: String,
    pub pay_to: String,
    pub amount: Amount,
    pub work: String,
    pub expect: String,
    pub required_sender: Option<String>,
    pub batchable: bool,
    pub deadline: UnixMillis,
}

/// What became of an insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// This request is the first with its payment key; the id of its row.
    First(String),
    /// The payment key is on record already.
    Known,
}

/// The store could not be asked, or holds something it should not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database could not be asked")]
    Database(#[from] sqlx::Error),
    #[error("the database holds something impossible: {0}")]
    Inconsistent(String),
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    _pool: sqlx::AnyPool,
}

impl Store {
    /// Inserts the payment unless its key is on record.
    pub async fn enqueue(&self, _new: NewSettlement) -> Result<Enqueued, Error> {
        Err(Error::Inconsistent("not built yet".to_owned()))
    }
}
