//! Our own contracts, compiled into the binary, and the addresses where stock clients expect them.

use alloy::primitives::{Address, B256, Bytes, U256, address, keccak256};
use alloy::sol_types::SolValue;
use serde_json::Value;

pub use crate::chain::evm::contracts::UPTO_PERMIT2_PROXY;
use crate::chain::evm::contracts::{EXACT_PERMIT2_PROXY, MULTICALL3, PERMIT2};

/// USDC on Base Sepolia; here it is our own token that answers like it.
pub const USDC: Address = address!("0x036CbD53842c5426634e7929541eC2318f3dCF7e");
/// Creates smart wallets; what an EIP-6492 signature names. Not a real address of anybody.
pub const WALLET_FACTORY: Address = address!("0x00000000000000000000000000000000be1c0001");

const COMPILED: &str = include_str!("../../contracts/compiled.json");

const PLACES: [(&str, Address); 6] = [
    ("BenchToken", USDC),
    ("BenchPermit2", PERMIT2),
    ("BenchExactProxy", EXACT_PERMIT2_PROXY),
    ("BenchUptoProxy", UPTO_PERMIT2_PROXY),
    ("BenchMulticall3", MULTICALL3),
    ("BenchWalletFactory", WALLET_FACTORY),
];

/// Storage slots of the token, as in Circle's.
const BALANCES_SLOT: u64 = 9;
const ALLOWANCES_SLOT: u64 = 10;

/// The runtime code of one of our contracts by its name in Solidity; `None` when there is no such contract.
pub fn runtime(name: &str) -> Option<Bytes> {
    runtime_in(&compiled(), name)
}

/// Every contract that x402 needs on a chain, with its address.
pub(super) fn placements() -> [(Address, Bytes); PLACES.len()] {
    let compiled = compiled();
    PLACES.map(|(name, address)| {
        let code = runtime_in(&compiled, name);
        (address, code.expect("compiled.json has what PLACES names"))
    })
}

/// The token's storage slot of an account's balance.
pub(super) fn balance_slot(account: Address) -> B256 {
    keccak256((account, U256::from(BALANCES_SLOT)).abi_encode())
}

/// The token's storage slot of what `spender` may take from `owner`.
pub(super) fn allowance_slot(owner: Address, spender: Address) -> B256 {
    let of_owner = keccak256((owner, U256::from(ALLOWANCES_SLOT)).abi_encode());
    keccak256((spender, of_owner).abi_encode())
}

fn runtime_in(compiled: &Value, name: &str) -> Option<Bytes> {
    compiled[name]["runtime"].as_str()?.parse().ok()
}

fn compiled() -> Value {
    serde_json::from_str(COMPILED).expect("compiled.json is ours and embedded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_code_for_every_place_and_none_for_a_stranger() {
        assert_eq!(placements().len(), PLACES.len());
        assert!(placements().iter().all(|(_, code)| !code.is_empty()));
        assert_eq!(runtime("NoSuchContract"), None);
    }
}
