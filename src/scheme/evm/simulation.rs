//! The settlement as a call that is tried before anything is signed.

use alloy::primitives::{Address, Bytes};

use crate::chain::evm::gas;
use crate::chain::evm::reads::{CallResult, ReadCall};
use crate::chain::evm::work::{Kind, Work};

/// Gas for a question about state: a token behind a proxy needs a tenth of it.
const QUESTION_GAS: u64 = 100_000;

/// A question about state.
pub(in crate::scheme) fn question(target: Address, data: Vec<u8>) -> ReadCall {
    ReadCall {
        target,
        gas: QUESTION_GAS,
        is_static: true,
        data: data.into(),
    }
}

/// `isValidSignature` of the payer, with no more gas than the whole payment may use.
pub(in crate::scheme) fn wallet_question(payer: Address, data: Vec<u8>) -> ReadCall {
    ReadCall {
        gas: Kind::ContractWallet.gas_cap(),
        ..question(payer, data)
    }
}

/// A settlement to try: what a lane would sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scheme) struct Attempt {
    pub(in crate::scheme) to: Address,
    pub(in crate::scheme) data: Bytes,
    /// Most gas that a transaction with it may use, whatever the payer turns out to be.
    pub(in crate::scheme) gas_limit: u64,
}

/// How a tried settlement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scheme) enum Simulated {
    Paid,
    /// Ran, and used more gas than a transaction of its kind may.
    TooDear,
    Reverted(Bytes),
}

impl Attempt {
    /// The call with the gas that is left of the limit when the transaction has been paid for.
    pub(in crate::scheme) fn call(&self) -> ReadCall {
        ReadCall {
            target: self.to,
            gas: self.gas_limit.saturating_sub(gas::intrinsic(&self.data)),
            is_static: false,
            data: self.data.clone(),
        }
    }

    /// What the call's result means for a payment of this kind. The read has touched the same state before, so the payment alone is somewhat
    /// dearer: a lane simulates exactly what it signs.
    pub(in crate::scheme) fn judge(&self, result: &CallResult, gas_limit: u64) -> Simulated {
        if !result.success {
            return Simulated::Reverted(result.data.clone());
        }
        let used = result.gas_used.unwrap_or_default();
        if used.saturating_add(gas::intrinsic(&self.data)) > gas_limit {
            return Simulated::TooDear;
        }
        Simulated::Paid
    }

    pub(in crate::scheme) fn into_work(self, kind: Kind, gas_limit: u64) -> Work {
        Work {
            kind,
            to: self.to,
            data: self.data,
            gas_limit,
            permit: None,
        }
    }
}
