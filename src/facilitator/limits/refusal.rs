//! What a limit says to whoever meets it.

use std::time::Duration;

use crate::protocol::Reason;
use crate::scheme::Rejection;

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    All,
    Caller,
    Payer,
}

/// What it limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cap {
    Verify,
    Settle,
    Concurrency,
}

/// Whose gas it is. A payee has a limit of nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spender {
    All,
    Caller,
    Payer,
    PayTo,
}

/// A limit of gas that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overspent {
    pub(super) who: Spender,
    /// Whether it is the limit of transactions that paid nobody.
    pub(super) failed: bool,
}

pub(super) fn of(whose: Whose, cap: Cap, wait: Duration) -> Rejection {
    let reason = match (whose, cap) {
        (Whose::All, Cap::Verify) => Reason::GlobalVerifyCapExceeded,
        (Whose::All, Cap::Settle) => Reason::GlobalSettleCapExceeded,
        (Whose::All, Cap::Concurrency) => Reason::GlobalConcurrencyCapExceeded,
        (Whose::Caller, Cap::Verify) => Reason::SellerVerifyCapExceeded,
        (Whose::Caller, Cap::Settle) => Reason::SellerSettleCapExceeded,
        (Whose::Caller, Cap::Concurrency) => Reason::SellerConcurrencyCapExceeded,
        (Whose::Payer, Cap::Verify) => Reason::PayerVerifyCapExceeded,
        (Whose::Payer, Cap::Settle) => Reason::PayerSettleCapExceeded,
        (Whose::Payer, Cap::Concurrency) => Reason::PayerConcurrencyCapExceeded,
    };
    Rejection::new(reason)
        .because("a limit of this service; nothing is wrong with the payment as far as we know")
        .until(wait)
}

pub(super) fn fees(over: Overspent, wait: Duration) -> Rejection {
    let reason = match over.who {
        Spender::All => Reason::GlobalFeeSponsoredCapExceeded,
        Spender::Caller => Reason::SellerFeeSponsoredCapExceeded,
        Spender::Payer => Reason::PayerFeeSponsoredCapExceeded,
        Spender::PayTo => Reason::PayToFeeSponsoredCapExceeded,
    };
    let message = if over.failed {
        "transactions that paid nobody have cost too much gas today"
    } else {
        "the gas that is paid for these in a day is spent"
    };
    Rejection::new(reason).because(message).until(wait)
}
