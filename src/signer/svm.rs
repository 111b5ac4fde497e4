//! Solana keys: Ed25519, and a transaction's first signature is its id.

use std::fmt;

use async_trait::async_trait;
use ed25519_dalek::{Signer as _, SigningKey};
use solana_pubkey::Pubkey;
use solana_signature::Signature;

use super::Error;
use crate::secret::Secret;

/// A Solana key.
#[async_trait]
pub trait Signer: Send + Sync + fmt::Debug {
    fn address(&self) -> Pubkey;

    /// Signs a message as it is. The same message always gets the same signature.
    async fn sign(&self, message: &[u8]) -> Result<Signature, Error>;
}

/// A key in this process's memory.
pub struct Local(SigningKey);

impl Local {
    /// Reads a keypair of 64 bytes in base58: the secret half, then the public one, which must belong to it.
    ///
    /// # Errors
    /// [`Error::NotAKeypair`], without the text.
    pub fn parse(keypair: &Secret) -> Result<Self, Error> {
        let mut bytes = [0; 64];
        let length = bs58::decode(keypair.expose()).onto(&mut bytes);
        if length != Ok(bytes.len()) {
            return Err(Error::NotAKeypair);
        }
        SigningKey::from_keypair_bytes(&bytes)
            .map(Self)
            .map_err(|_| Error::NotAKeypair)
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Local({})", self.address())
    }
}

#[async_trait]
impl Signer for Local {
    fn address(&self) -> Pubkey {
        self.0.verifying_key().to_bytes().into()
    }

    async fn sign(&self, message: &[u8]) -> Result<Signature, Error> {
        Ok(self.0.sign(message).to_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keypair whose secret half is 32 times `seed`.
    fn keypair(seed: u8) -> [u8; 64] {
        SigningKey::from_bytes(&[seed; 32]).to_keypair_bytes()
    }

    fn text(bytes: &[u8]) -> Secret {
        Secret::new(bs58::encode(bytes).into_string())
    }

    #[test]
    fn refuses_what_is_no_keypair_and_repeats_nothing_of_it() {
        let mut of_another = keypair(1);
        of_another[32..].copy_from_slice(&keypair(2)[32..]);
        let valid = keypair(1);
        for bad in [
            Secret::new(""),
            Secret::new("0OIl"),
            text(&valid[..32]),
            text(&valid[..63]),
            text(&[&valid[..], &[1]].concat()),
            text(&of_another),
            text(&[0xff; 64]),
            Secret::new(format!(" {}", text(&valid).expose())),
        ] {
            let error = Local::parse(&bad).unwrap_err();
            assert_eq!(error.to_string(), "not a Solana keypair of 64 bytes");
        }
    }

    #[test]
    fn shows_its_address_and_nothing_else() {
        let signer = Local::parse(&text(&keypair(1))).unwrap();
        assert_eq!(
            format!("{signer:?}"),
            "Local(AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9)"
        );
    }

    #[tokio::test]
    async fn signs_so_that_the_chain_accepts_it_and_always_the_same() {
        let signer = Local::parse(&text(&keypair(1))).unwrap();
        let signature = signer.sign(b"a message").await.unwrap();
        assert!(signature.verify(signer.address().as_ref(), b"a message"));
        assert!(!signature.verify(signer.address().as_ref(), b"another"));
        assert_eq!(signer.sign(b"a message").await.unwrap(), signature);
    }
}
