//! A payer's signature, and what it says before the chain is asked.

use alloy::primitives::{Address, B256, Bytes};

use super::payers::Payer;
use crate::chain::evm::signature::{Deployment, Ecdsa};
use crate::config::Factory;

/// A signature without its wrapper, in the form that contracts get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scheme) struct Signed {
    /// `v` is 27 or 28 where the payer's own key signed. A contract's signature is left as it is: some wallets give `v` a meaning of their own.
    pub(in crate::scheme) bytes: Bytes,
    /// EIP-6492: how the payer's wallet is deployed.
    pub(in crate::scheme) deployment: Option<Deployment>,
    pub(in crate::scheme) fit: Fit,
}

/// What ECDSA recovery says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scheme) enum Fit {
    /// The payer's key signed this digest.
    Payer(Ecdsa),
    /// 65 bytes, and not by the payer's key. Only a contract could accept it.
    Another,
    /// Not 65 bytes: only a contract can judge it.
    Opaque,
}

/// Whether the factory that a signature names may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scheme) enum Deploys {
    Nothing,
    ByListed(Factory),
    ByUnlisted,
}

/// How a signature fails a payer without code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scheme) enum Flaw {
    Factory,
    Signature,
}

impl Signed {
    pub(in crate::scheme) fn new(
        bytes: Bytes,
        deployment: Option<Deployment>,
        digest: B256,
        payer: Address,
    ) -> Self {
        let ecdsa = Ecdsa::parse(&bytes).filter(|ecdsa| ecdsa.recover(digest) == Some(payer));
        let fit = match ecdsa {
            Some(ecdsa) => Fit::Payer(ecdsa),
            None if bytes.len() == 65 => Fit::Another,
            None => Fit::Opaque,
        };
        Self {
            bytes: ecdsa.map_or(bytes, Ecdsa::to_bytes),
            deployment,
            fit,
        }
    }

    /// What is wrong with it when the payer has no code.
    pub(in crate::scheme) fn flaw_without_code(&self, deploys: Deploys) -> Option<Flaw> {
        match (deploys, self.fit) {
            (Deploys::ByUnlisted, _) => Some(Flaw::Factory),
            // The simulation deploys the wallet and lets it judge.
            (Deploys::ByListed(_), _) | (Deploys::Nothing, Fit::Payer(_)) => None,
            (Deploys::Nothing, Fit::Another | Fit::Opaque) => Some(Flaw::Signature),
        }
    }

    /// What is wrong with it before the payer's code is read. When the payment fails anyway, an unknown payer is taken for the usual one,
    /// so that a tampered field is reported as the signature that it breaks.
    pub(in crate::scheme) fn flaw_in_process(
        &self,
        deploys: Deploys,
        payer: Option<Payer>,
        fails_anyway: bool,
    ) -> Option<Flaw> {
        match payer {
            Some(Payer::WithoutCode) => self.flaw_without_code(deploys),
            Some(Payer::WithCode) => None,
            None if !fails_anyway => None,
            None => match (deploys, self.fit) {
                (Deploys::Nothing, Fit::Opaque) => None,
                (_, Fit::Payer(_) | Fit::Another | Fit::Opaque) => self.flaw_without_code(deploys),
            },
        }
    }
}
