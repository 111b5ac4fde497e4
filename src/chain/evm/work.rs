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
}

impl Kind {
    /// Whether the payer has code, or will have by then.
    pub fn is_contract_wallet(self) -> bool {
        match self {
            Self::ContractWallet | Self::Eip6492 => true,
            Self::Eip3009 | Self::Permit2 | Self::Permit2With2612 => false,
        }
    }

    /// Most gas a transaction of this kind may use, EIP-6492 deployments not counted.
    pub fn gas_cap(self) -> u64 {
        match self {
            Self::Eip3009 => 150_000,
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
    Permit2 { nonce: U256, deadline: U256 },
}

impl Guard {
    /// First block time, unix seconds, at which the authorization can no longer be executed; `i64::MAX` when that is beyond it.
    pub fn expires_at(&self) -> i64 {
        let first = match self {
            Self::Eip3009 { valid_before, .. } => *valid_before,
            Self::Permit2 { deadline, .. } => deadline.saturating_add(U256::ONE),
        };
        i64::try_from(first).unwrap_or(i64::MAX)
    }
}
