//! A transaction as a validator reads it: the second opinion on ours.

use std::collections::HashSet;

use solana_message::VersionedMessage;
use solana_transaction::versioned::VersionedTransaction;

/// Most bytes of a transaction.
pub const PACKET: usize = 1232;

/// Reads wire bytes that can be read in one way only; `None` for all others.
pub fn read(wire: &[u8]) -> Option<VersionedTransaction> {
    if wire.len() > PACKET {
        return None;
    }
    let transaction: VersionedTransaction = bincode::deserialize(wire).ok()?;
    // The reader takes bytes after the end, and lengths written longer than they need be.
    let canonical = bincode::serialize(&transaction).ok()? == wire;
    (canonical && transaction.sanitize().is_ok()).then_some(transaction)
}

/// Whether it is of the kinds that a sponsor deals with: no format newer than v0, no account listed twice.
pub fn is_usual(transaction: &VersionedTransaction) -> bool {
    let keys = transaction.message.static_account_keys();
    let different: HashSet<_> = keys.iter().collect();
    let signatures = usize::from(transaction.message.header().num_required_signatures);
    let format = match &transaction.message {
        VersionedMessage::Legacy(_) | VersionedMessage::V0(_) => true,
        VersionedMessage::V1(_) => false,
    };
    format && different.len() == keys.len() && transaction.signatures.len() == signatures
}
