//! Transactions of ours: what they call, what they bid, and how stored bytes are read back for a replacement.

use alloy::consensus::{Transaction as _, TxEip1559, TxEnvelope, TxLegacy, TypedTransaction};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{Address, Bytes, TxKind, U256};

/// Gas of a transfer of nothing to ourselves.
pub(super) const NOOP_GAS: u64 = 21_000;

/// A bid for gas, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fee {
    Legacy { gas_price: u128 },
    Dynamic { max_fee: u128, priority_fee: u128 },
}

impl Fee {
    /// The most that a unit of gas can cost.
    pub(super) fn most(self) -> u128 {
        match self {
            Self::Legacy { gas_price } => gas_price,
            Self::Dynamic { max_fee, .. } => max_fee,
        }
    }

    pub(super) fn priority(self) -> u128 {
        match self {
            Self::Legacy { gas_price } => gas_price,
            Self::Dynamic { priority_fee, .. } => priority_fee,
        }
    }
}

/// The call of a transaction. It never carries value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub to: Address,
    pub data: Bytes,
    pub gas_limit: u64,
}

impl Call {
    /// Gives an account nonce to nobody.
    pub(super) fn noop(signer: Address) -> Self {
        Self {
            to: signer,
            data: Bytes::new(),
            gas_limit: NOOP_GAS,
        }
    }

    pub(super) fn unsigned(&self, chain_id: u64, nonce: u64, fee: Fee) -> TypedTransaction {
        let (to, input, gas_limit) = (TxKind::Call(self.to), self.data.clone(), self.gas_limit);
        match fee {
            Fee::Legacy { gas_price } => TypedTransaction::Legacy(TxLegacy {
                chain_id: Some(chain_id),
                nonce,
                gas_price,
                gas_limit,
                to,
                value: U256::ZERO,
                input,
            }),
            Fee::Dynamic {
                max_fee,
                priority_fee,
            } => TypedTransaction::Eip1559(TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: max_fee,
                max_priority_fee_per_gas: priority_fee,
                to,
                value: U256::ZERO,
                access_list: alloy::eips::eip2930::AccessList::default(),
                input,
            }),
        }
    }
}

/// The call and the bid of stored bytes; `None` when they are not a transaction of ours.
pub(super) fn decode(raw: &[u8]) -> Option<(Call, Fee)> {
    let envelope = TxEnvelope::decode_2718(&mut &*raw).ok()?;
    let call = Call {
        to: envelope.to()?,
        data: envelope.input().clone(),
        gas_limit: envelope.gas_limit(),
    };
    let fee = match envelope.gas_price() {
        Some(gas_price) => Fee::Legacy { gas_price },
        None => Fee::Dynamic {
            max_fee: envelope.max_fee_per_gas(),
            priority_fee: envelope.max_priority_fee_per_gas()?,
        },
    };
    Some((call, fee))
}
