//! What names a payment, and what a repeated request must share with the first one.

use sha2::{Digest, Sha256};
use solana_pubkey::Pubkey;

use super::NAME;
use super::cluster::Cluster;
use super::requested::Requested;
use crate::chain::svm::transaction::Transaction;
use crate::scheme::verified::Identity;

/// Identifies a transaction by its message: the runtime runs a message once, and slot 0's signature, which anybody may write, is no part of it.
pub(super) fn identify(
    transaction: &Transaction,
    requested: &Requested,
    cluster: &Cluster,
    payer: Option<Pubkey>,
) -> Identity {
    let message = Sha256::digest(transaction.message_bytes());
    Identity {
        payment_key: format!("svm:{}:{message:x}", cluster.genesis()),
        fingerprint: fingerprint(requested, &message),
        proof: proof(transaction),
        payer: payer.map(|payer| payer.to_string()).unwrap_or_default(),
    }
}

/// Digest of the economic terms and of what was signed, hex. The message names the payer.
fn fingerprint(requested: &Requested, message: &[u8]) -> String {
    hash(&[
        NAME.as_bytes(),
        requested.network.as_str().as_bytes(),
        requested.asset.as_ref(),
        requested.pay_to.as_ref(),
        requested.amount.to_string().as_bytes(),
        message,
    ])
}

/// Digest of the clients' signatures, hex.
fn proof(transaction: &Transaction) -> String {
    let signatures = transaction.client_signatures().iter();
    hash(&signatures.map(AsRef::as_ref).collect::<Vec<_>>())
}

/// SHA-256 over the parts, each with its length before it: no two lists of parts look alike.
fn hash(parts: &[&[u8]]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    format!("{:x}", sha.finalize())
}
