//! What is wrong with a transaction.

use solana_pubkey::Pubkey;

use crate::protocol::Reason;
use crate::scheme::Rejection;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) reason: Reason,
    message: Option<String>,
    /// Who would have paid, where that is known.
    payer: Option<Pubkey>,
}

impl Flaw {
    pub(super) fn new(reason: Reason) -> Self {
        Self {
            reason,
            message: None,
            payer: None,
        }
    }

    pub(super) fn because(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    pub(super) fn of(mut self, payer: Pubkey) -> Self {
        self.payer = Some(payer);
        self
    }
}

impl From<Flaw> for Rejection {
    fn from(flaw: Flaw) -> Self {
        let mut rejection = Self::new(flaw.reason);
        rejection.message = flaw.message;
        rejection.payer = flaw.payer.map(|payer| payer.to_string());
        rejection
    }
}
