//! What can go wrong between us and a node.

use alloy::primitives::Bytes;

/// A call to a node that gave no usable result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing can be said: connection, timeout, HTTP status, unreadable answer. Never a verdict on a payment.
    #[error("the node could not be asked: {0}")]
    Unavailable(String),
    /// The node understood the call and refused it.
    #[error("the node answered {code}: {message}")]
    Refused {
        code: i64,
        message: String,
        /// What an EVM execution returned when it failed.
        data: Option<Bytes>,
    },
}

impl Error {
    /// Whether the execution itself failed, as opposed to the asking: only this says something about a payment.
    pub fn is_revert(&self) -> bool {
        match self {
            Self::Unavailable(_) => false,
            Self::Refused { code, message, .. } => {
                let message = message.to_lowercase();
                let says = |text| message.contains(text);
                *code == 3
                    || says("revert")
                    || says("out of gas")
                    || says("outofgas")
                    || says("memoryoog")
                    || says("invalid opcode")
            }
        }
    }
}
