//! Keys that sign for us. A signer never hands its key out; a remote one may be slow or down.

pub mod svm;

use std::fmt;

use alloy::consensus::{SignableTransaction, TxEnvelope, TypedTransaction};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use async_trait::async_trait;

use crate::secret::Secret;

/// Signed bytes and the hash they will have on chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub raw: Bytes,
    pub hash: B256,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key's text is not a key; the text is not repeated.
    #[error("not a secp256k1 private key in hex")]
    NotAKey,
    /// The same of a Solana keypair.
    #[error("not a Solana keypair of 64 bytes")]
    NotAKeypair,
    #[error("the signer did not sign: {0}")]
    Refused(String),
}

/// An EVM key.
#[async_trait]
pub trait Signer: Send + Sync + fmt::Debug {
    fn address(&self) -> Address;

    /// Signs the transaction as it is: nonce, fees and gas are the caller's.
    async fn sign(&self, transaction: TypedTransaction) -> Result<Signed, Error>;
}

/// A key in this process's memory.
pub struct Local(PrivateKeySigner);

impl Local {
    /// Reads a private key, hex with or without `0x`.
    ///
    /// # Errors
    /// [`Error::NotAKey`], without the text.
    pub fn parse(key: &Secret) -> Result<Self, Error> {
        key.expose()
            .trim()
            .parse()
            .map(Self)
            .map_err(|_| Error::NotAKey)
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Local").field(&self.0.address()).finish()
    }
}

#[async_trait]
impl Signer for Local {
    fn address(&self) -> Address {
        self.0.address()
    }

    async fn sign(&self, transaction: TypedTransaction) -> Result<Signed, Error> {
        let digest = transaction.signature_hash();
        let signature = self
            .0
            .sign_hash_sync(&digest)
            .map_err(|cause| Error::Refused(cause.to_string()))?;
        let envelope: TxEnvelope = transaction.into_signed(signature).into();
        Ok(Signed {
            raw: envelope.encoded_2718().into(),
            hash: *envelope.tx_hash(),
        })
    }
}
