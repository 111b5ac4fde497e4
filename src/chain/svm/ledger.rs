//! What verification asks a chain, and what it hears.

use async_trait::async_trait;
use serde_json::Value;
use solana_hash::Hash;
use solana_message::v0::MessageAddressTableLookup;
use solana_pubkey::Pubkey;

use super::effect::Effect;

/// The chain, as much as verification needs of it.
#[async_trait]
pub trait Ledger: Send + Sync + std::fmt::Debug {
    /// One `simulateTransaction`: `sigVerify: false` (the fee payer has not signed), `replaceRecentBlockhash: false` (what is tried is what
    /// will be sent), `innerInstructions: true`, commitment `confirmed`, and the state that `trial.accounts` have afterwards.
    async fn simulate(&self, trial: &Trial) -> Result<Simulation, Unavailable>;

    /// How long a message with this blockhash can land, if it can land now. Whether it can is for the simulation to say.
    async fn validity(&self, blockhash: &Hash) -> Result<Validity, Unavailable>;

    /// The accounts that these lookups load, the writable ones of every table first.
    ///
    /// # Errors
    /// Whether the tables could not be read, or are not what the message takes them for.
    async fn load(&self, lookups: &[MessageAddressTableLookup]) -> Result<Vec<Pubkey>, NotLoaded>;
}

/// The life of a blockhash, in block heights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Never too low: that of the newest blockhash.
    pub last_valid_block_height: u64,
    /// The confirmed height now.
    pub block_height: u64,
    /// Blocks that were made since this one's, never too many; none where its place is not known.
    pub age: u64,
}

impl Validity {
    pub fn blocks_left(self) -> u64 {
        self.last_valid_block_height
            .saturating_sub(self.block_height)
            .saturating_sub(self.age)
    }
}

/// Could not be asked. Never a verdict on a payment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Why the accounts of lookup tables are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLoaded {
    #[error(transparent)]
    Unavailable(Unavailable),
    /// A table is missing, deactivated, too short, or none.
    #[error("{0}")]
    Unusable(String),
}

/// A transaction to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The bytes, slot 0 empty.
    pub wire: Vec<u8>,
    /// The accounts that the message lists and loads, for reading inner instructions.
    pub keys: Vec<Pubkey>,
    /// Whose state afterwards is wanted; each is one of `keys`, since nodes know no others.
    pub accounts: Vec<Pubkey>,
}

impl Trial {
    /// An account's state after the simulation.
    pub fn after<'a>(&self, simulation: &'a Simulation, key: &Pubkey) -> Option<&'a Account> {
        let position = self.accounts.iter().position(|account| account == key)?;
        simulation.accounts.get(position)?.as_ref()
    }
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    /// The runtime's `TransactionError`, as JSON.
    pub error: Option<Value>,
    /// The inner instructions; `None` where the node showed none or they could not be read.
    pub inner: Option<Vec<Effect>>,
    /// The accounts that were asked for, in that order; `None` for one that does not exist.
    pub accounts: Vec<Option<Account>>,
}

/// An account's owner and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub owner: Pubkey,
    pub data: Vec<u8>,
}
