//! Keys that everybody knows: for local chains, never anywhere else.

use alloy::primitives::keccak256;
use ed25519_dalek::SigningKey;
use solana_pubkey::Pubkey;

/// The `index`-th account in a role such as `payer` or `fee payer`.
pub fn account(role: &str, index: usize) -> SigningKey {
    SigningKey::from_bytes(&keccak256(format!("x402-test solana {role} {index}")).0)
}

pub fn address(key: &SigningKey) -> Pubkey {
    key.verifying_key().to_bytes().into()
}

/// Both halves in base58, as wallets import them.
pub fn secret(key: &SigningKey) -> String {
    bs58::encode(key.to_keypair_bytes()).into_string()
}
