//! What a settlement row carries for the chain: the call to make and the effect that proves it. The store keeps both as opaque text.

use alloy::primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

/// What a lane needs to settle a payment, also after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    pub kind: Kind,
    pub to: Address,
    pub data: Bytes,
    /// Gas limit of the transaction when it goes alone.
    pub gas_limit: u64,
    /// Goes first, at the account nonce before; its callee is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<PermitCall>,
}

/// The call that gives a session's spender its allowance. Sent once per session: what it grants outlives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitCall {
    pub data: Bytes,
    pub gas_limit: u64,
}

/// Most gas that a permit may use.
pub const PERMIT_GAS_CAP: u64 = 150_000;

impl Work {
    /// Gas of every transaction that it takes.
    pub fn gas(&self) -> u64 {
        let permit = self.permit.as_ref().map_or(0, |permit| permit.gas_limit);
        self.gas_limit.saturating_add(permit)
    }
}

/// How a payment is made: decides caps and whether it may share a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Eip3009,
    Permit2,
    Permit2With2612,
    /// The payer has code: it runs our gas, so it goes alone.
    ContractWallet,
    /// Deploys the payer's wallet first, in the same transaction.
    Eip6492,
    /// A `transferFrom` by the signer itself, on the allowance of a session.
    Session,
}

impl Kind {
    /// Most gas a transaction of this kind may use, EIP-6492 deployments not counted.
    pub fn gas_cap(self) -> u64 {
        match self {
            Self::Eip3009 | Self::Session => 150_000,
            Self::Permit2 => 200_000,
            Self::Permit2With2612 | Self::ContractWallet | Self::Eip6492 => 300_000,
        }
    }
}

/// The effect that proves a payment, and the once-only guard of the chain that it consumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    pub asset: Address,
    pub from: Address,
    pub to: Address,
    pub value: U256,
    pub guard: Guard,
}

/// What can happen once on chain, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// EIP-3009 `authorizationState(from, nonce)` of the asset; executable while block time < `valid_before`.
    Eip3009 { nonce: B256, valid_before: U256 },
    /// Permit2's unordered nonce of the payer; executable while block time ≤ `deadline`.
    Permit2 {
        nonce: U256,
        deadline: U256,
        /// What the payer permitted where less may be charged (`upto`); `None` where the value itself is what was permitted.
        ceiling: Option<U256>,
    },
    /// The chain has none: `transferFrom` runs as often as it is sent. Only the account nonce that it was sent with guards it. `permit_deadline`
    /// is there while its permit has yet to be executed; without one nothing ends it.
    Session { permit_deadline: Option<U256> },
}

impl Guard {
    /// First block time, unix seconds, at which the authorization can no longer be executed; `i64::MAX` when that is beyond it.
    pub fn expires_at(&self) -> i64 {
        let first = match self {
            Self::Eip3009 { valid_before, .. } => *valid_before,
            Self::Permit2 { deadline, .. } => deadline.saturating_add(U256::ONE),
            Self::Session { permit_deadline } => {
                permit_deadline.map_or(U256::MAX, |deadline| deadline.saturating_add(U256::ONE))
            }
        };
        i64::try_from(first).unwrap_or(i64::MAX)
    }
}
