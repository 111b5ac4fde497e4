//! The codes that a payment's scheme has for what only the chain decides.

use crate::chain::evm::work::{Expect, Guard};
use crate::protocol::Reason;

/// Our transaction reverted, or no transaction of ours can ever pay.
pub(super) fn unpaid(expect: &Expect) -> Reason {
    if is_upto(expect) {
        Reason::InvalidUptoEvmTransactionFailed
    } else {
        Reason::InvalidExactEvmTransactionFailed
    }
}

/// Our transaction succeeded and nothing arrived.
pub(super) fn in_vain(expect: &Expect) -> Reason {
    if is_upto(expect) {
        Reason::InvalidUptoEvmTransactionFailed
    } else {
        Reason::InvalidExactEvmTransferEventMismatch
    }
}

/// The authorization was consumed by somebody who did not pay.
pub(super) fn consumed(expect: &Expect) -> Reason {
    if is_upto(expect) {
        Reason::Permit2InvalidNonce
    } else {
        Reason::InvalidExactEvmNonceAlreadyUsed
    }
}

fn is_upto(expect: &Expect) -> bool {
    match &expect.guard {
        // A batch never gets here: see `watcher::session`.
        Guard::Eip3009 { .. } | Guard::Session { .. } | Guard::Permit2 { ceiling: None, .. } => {
            false
        }
        Guard::Permit2 {
            ceiling: Some(_), ..
        } => true,
    }
}
