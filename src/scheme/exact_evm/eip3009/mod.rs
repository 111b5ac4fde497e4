//! A payment by EIP-3009 `transferWithAuthorization`, in both its overloads, also of wallets that the payment itself deploys (EIP-6492).

mod diagnose;
mod onchain;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};

use super::{NAME, wire};
use crate::chain::evm::eip712::{Authorization, Domain};
use crate::chain::evm::signature::unwrap_6492;
use crate::clock::UnixMillis;
use crate::protocol::Reason;
use crate::protocol::payment::{Payment, Version};
use crate::scheme::evm::requested::{self, Requested};
use crate::scheme::evm::signed::{Deploys, Flaw, Signed};
use crate::scheme::evm::{Chain, identity};
use crate::scheme::verified::Identity;
use crate::scheme::{Refusal, Rejection};

/// An EIP-3009 payment whose in-process checks are done.
#[derive(Debug)]
pub(super) struct Authorized {
    chain: Arc<Chain>,
    identity: Identity,
    requested: Requested,
    authorization: Authorization,
    domain: Domain,
    digest: B256,
    signed: Signed,
    deploys: Deploys,
    rejection: Option<Rejection>,
    now: UnixMillis,
}

/// Does every check that needs no chain.
///
/// # Errors
/// Requirements or a signature wrapper that cannot be read.
pub(super) fn check(
    chain: Arc<Chain>,
    payment: &Payment,
    payload: wire::Eip3009,
    now: UnixMillis,
) -> Result<Authorized, Rejection> {
    let wire::Eip3009 {
        payer,
        authorization,
        signature,
    } = payload;
    let requested =
        Requested::parse(NAME, &payment.requirements).map_err(|rejection| rejection.of(&payer))?;
    let unwrapped = unwrap_6492(&signature).map_err(|_| {
        Rejection::new(Reason::InvalidPayload)
            .because("the signature ends like EIP-6492 and does not decode like it")
            .of(&payer)
    })?;
    let domain = token_domain(&chain, payment, requested.asset);
    let digest = authorization.digest(chain.domains.separator(&domain));
    let from = authorization.from;
    let signed = Signed::new(unwrapped.signature, unwrapped.deployment, digest, from);
    let identity = Identity {
        payment_key: identity::eip3009_key(
            chain.network.chain_id,
            requested.asset,
            from,
            authorization.nonce,
        ),
        fingerprint: identity::fingerprint(&requested, from, digest),
        proof: identity::proof(&signed, &[]),
        payer,
    };
    let deploys = chain.deploys(signed.deployment.as_ref());
    let mut checked = Authorized {
        chain,
        identity,
        requested,
        authorization,
        domain,
        digest,
        signed,
        deploys,
        rejection: None,
        now,
    };
    checked.rejection = checked.flaw(payment);
    Ok(checked)
}

/// The domain that the seller names. Without one it is empty: then the payment is refused, and still has a name.
fn token_domain(chain: &Chain, payment: &Payment, asset: Address) -> Domain {
    let extra = |name| payment.requirements.extra_text(name).unwrap_or_default();
    Domain {
        chain_id: chain.network.chain_id,
        contract: asset,
        name: extra("name").to_owned(),
        version: extra("version").to_owned(),
    }
}

impl Authorized {
    /// The first failure in the reference order that no chain read can overrule.
    fn flaw(&self, payment: &Payment) -> Option<Rejection> {
        if let Some(flaw) = self.requested.flaw() {
            return Some(self.rejected(flaw.0).because(flaw.1));
        }
        if let Some(reason) = self.flaw_before_signature(payment) {
            return Some(self.rejected(reason));
        }
        let later = self.flaw_after_signature(payment.version);
        let seen = self.chain.seen(self.authorization.from, self.now);
        let fails_anyway = later.is_some();
        let flaw = self
            .signed
            .flaw_in_process(self.deploys, seen, fails_anyway);
        flaw.map(reason_of).or(later).map(|r| self.rejected(r))
    }

    fn flaw_before_signature(&self, payment: &Payment) -> Option<Reason> {
        if !requested::schemes_agree(payment, NAME) {
            return Some(Reason::InvalidExactEvmScheme);
        }
        if self.domain.name.is_empty() || self.domain.version.is_empty() {
            return Some(Reason::InvalidExactEvmMissingEip712Domain);
        }
        if !requested::networks_agree(payment) {
            return Some(Reason::InvalidExactEvmNetworkMismatch);
        }
        requested::asset_flaw(&self.chain, self.requested.asset)
    }

    /// Whether too little of the window is left.
    fn is_late(&self) -> bool {
        self.authorization.valid_before
            < U256::from(self.now.as_secs()) + U256::from(self.chain.network.headroom())
    }

    fn flaw_after_signature(&self, version: Version) -> Option<Reason> {
        if self.authorization.to != self.requested.pay_to {
            return Some(Reason::InvalidExactEvmRecipientMismatch);
        }
        if self.is_late() {
            return Some(Reason::InvalidExactEvmAuthorizationValidBefore);
        }
        if self.authorization.valid_after > U256::from(self.now.as_secs()) {
            return Some(Reason::InvalidExactEvmAuthorizationValidAfter);
        }
        if self.authorization.value != self.requested.amount {
            return Some(match version {
                Version::V1 => Reason::InvalidExactEvmAuthorizationValue,
                Version::V2 => Reason::InvalidExactEvmAuthorizationValueMismatch,
            });
        }
        None
    }

    fn rejected(&self, reason: Reason) -> Rejection {
        Rejection::new(reason).of(&self.identity.payer)
    }

    fn refused(&self, reason: Reason) -> Refusal {
        Refusal::Rejected(self.rejected(reason))
    }
}

fn reason_of(flaw: Flaw) -> Reason {
    match flaw {
        Flaw::Factory => Reason::Eip6492FactoryNotAllowed,
        Flaw::Signature => Reason::InvalidExactEvmSignature,
    }
}
