//! A permit with its signature, as a session keeps it.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use serde::{Deserialize, Serialize};

use crate::chain::evm::contracts::Token;
use crate::chain::evm::eip712::Permit;
use crate::chain::evm::signature::Ecdsa;
use crate::chain::evm::work::{PERMIT_GAS_CAP, PermitCall};

/// A permit and the signature to execute it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignedPermit {
    pub(super) permit: Permit,
    /// `None` where no token would take it: such a permit is refused before anything is kept of it.
    pub(super) signature: Option<Ecdsa>,
}

/// The same as a session's column.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    owner: Address,
    spender: Address,
    value: U256,
    nonce: U256,
    deadline: U256,
    v: u8,
    r: B256,
    s: B256,
}

impl SignedPermit {
    /// The call that executes it, with the most gas that its transaction may use.
    pub(super) fn call(&self) -> Option<PermitCall> {
        let Permit {
            owner,
            spender,
            value,
            deadline,
            ..
        } = self.permit;
        let Ecdsa { r, s, v } = self.signature?;
        let call = Token::permitCall {
            owner,
            spender,
            value,
            deadline,
            v,
            r,
            s,
        };
        Some(PermitCall {
            data: Bytes::from(call.abi_encode()),
            gas_limit: PERMIT_GAS_CAP,
        })
    }

    /// Empty for a permit that cannot be executed.
    pub(super) fn to_json(&self) -> String {
        let Some(Ecdsa { r, s, v }) = self.signature else {
            return String::new();
        };
        let Permit {
            owner,
            spender,
            value,
            nonce,
            deadline,
        } = self.permit;
        let kept = Kept {
            owner,
            spender,
            value,
            nonce,
            deadline,
            v,
            r,
            s,
        };
        serde_json::to_string(&kept).expect("plain data is JSON")
    }

    /// `None` for what [`SignedPermit::to_json`] did not write.
    pub(super) fn from_json(text: &str) -> Option<Self> {
        let kept: Kept = serde_json::from_str(text).ok()?;
        Some(Self {
            permit: Permit {
                owner: kept.owner,
                spender: kept.spender,
                value: kept.value,
                nonce: kept.nonce,
                deadline: kept.deadline,
            },
            signature: Some(Ecdsa {
                r: kept.r,
                s: kept.s,
                v: kept.v,
            }),
        })
    }
}
