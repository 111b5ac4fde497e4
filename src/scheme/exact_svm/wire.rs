//! The payload: one transaction, in base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::chain::svm::transaction::Transaction;
use crate::protocol::Reason;
use crate::protocol::payment::{Payment, Version};
use crate::scheme::Rejection;

#[derive(Deserialize)]
struct Payload {
    transaction: String,
}

/// Reads the payload's transaction. Version 1 knows no lookup tables at all.
///
/// # Errors
/// `invalid_exact_svm_payload_transaction_could_not_be_decoded`.
pub(super) fn parse(payment: &Payment) -> Result<Transaction, Rejection> {
    let undecodable =
        |why: &str| Rejection::new(Reason::InvalidExactSvmTransactionUndecodable).because(why);
    let payload: Payload = serde_json::from_str(payment.payload.get())
        .map_err(|_| undecodable("the payload has no transaction"))?;
    let wire = BASE64_STANDARD
        .decode(&payload.transaction)
        .map_err(|_| undecodable("the transaction is not base64"))?;
    let transaction = Transaction::decode(&wire).map_err(undecodable)?;
    if payment.version == Version::V1 && transaction.is_unread() {
        return Err(undecodable("version 1 takes no address lookup tables"));
    }
    Ok(transaction)
}
