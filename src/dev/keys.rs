//! Keys that everybody knows: for local chains, never anywhere else.

use alloy::primitives::{B256, keccak256};
use alloy::signers::local::PrivateKeySigner;

/// The private key of the `index`-th account in a role such as `payer` or `signer`.
pub fn key(role: &str, index: usize) -> B256 {
    keccak256(format!("x402-test {role} {index}"))
}

/// The account of [`key`].
pub fn account(role: &str, index: usize) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&key(role, index)).expect("a hash is below the curve's order")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::address;

    #[test]
    fn makes_the_accounts_that_the_scripts_make() {
        let expected = address!("0x1bfa95fB438F1Ef797cdF1ac2b5CC93b52daA94b");
        assert_eq!(account("payer", 3).address(), expected);
    }
}
