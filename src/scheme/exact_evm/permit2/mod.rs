//! A payment by Permit2 through the x402 `exact` proxy, with or without a sponsored EIP-2612 approval.

mod onchain;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};

use super::{NAME, wire};
use crate::chain::evm::contracts::EXACT_PERMIT2_PROXY;
use crate::chain::evm::eip712::{PermitTransfer, permit2_separator};
use crate::clock::UnixMillis;
use crate::protocol::Reason;
use crate::protocol::payment::Payment;
use crate::scheme::evm::requested::{self, Requested};
use crate::scheme::evm::signed::{Deploys, Signed};
use crate::scheme::evm::sponsoring::{self, Sponsoring};
use crate::scheme::evm::{Chain, eip2612, identity};
use crate::scheme::verified::Identity;
use crate::scheme::{Refusal, Rejection};

/// A Permit2 payment whose in-process checks are done.
#[derive(Debug)]
pub(super) struct Permitted {
    chain: Arc<Chain>,
    identity: Identity,
    requested: Requested,
    owner: Address,
    transfer: PermitTransfer,
    digest: B256,
    signed: Signed,
    sponsoring: Sponsoring,
    rejection: Option<Rejection>,
    now: UnixMillis,
}

/// Does every check that needs no chain.
///
/// # Errors
/// Requirements that cannot be read.
pub(super) fn check(
    chain: Arc<Chain>,
    payment: &Payment,
    payload: wire::Permit2,
    now: UnixMillis,
) -> Result<Permitted, Rejection> {
    let wire::Permit2 {
        payer,
        owner,
        transfer,
        signature,
    } = payload;
    let requested =
        Requested::parse(NAME, &payment.requirements).map_err(|rejection| rejection.of(&payer))?;
    let digest = transfer.digest(permit2_separator(chain.network.chain_id));
    // EIP-6492 is not for Permit2: it would have to be told apart from a signature that the wallet understands.
    let signed = Signed::new(signature, None, digest, owner);
    let expected = eip2612::Expected {
        payer: owner,
        asset: requested.asset,
        amount: transfer.amount,
        open_until: U256::from(now.as_secs()) + U256::from(chain.network.headroom()),
    };
    let sponsoring = sponsoring::read(&chain, payment, &expected);
    let identity = Identity {
        payment_key: identity::permit2_key(chain.network.chain_id, owner, transfer.nonce),
        fingerprint: identity::fingerprint(&requested, owner, digest),
        proof: identity::proof(&signed, &sponsoring.to_bytes()),
        payer,
    };
    let mut checked = Permitted {
        chain,
        identity,
        requested,
        owner,
        transfer,
        digest,
        signed,
        sponsoring,
        rejection: None,
        now,
    };
    checked.rejection = checked.flaw(payment);
    Ok(checked)
}

impl Permitted {
    /// The first failure in the reference order that no chain read can overrule.
    fn flaw(&self, payment: &Payment) -> Option<Rejection> {
        if let Some((reason, message)) = self.requested.flaw() {
            return Some(self.rejected(reason).because(message));
        }
        if let Some(reason) = self.flaw_before_signature(payment) {
            return Some(self.rejected(reason));
        }
        // Whether an asset has code comes before the signature; only of listed ones we know it.
        if !self.chain.lists(self.requested.asset) {
            return None;
        }
        let seen = self.chain.seen(self.owner, self.now);
        let later = self.sponsoring.flaw(seen);
        let flaw = self
            .signed
            .flaw_in_process(Deploys::Nothing, seen, later.is_some());
        match flaw {
            Some(_) => Some(self.rejected(Reason::InvalidPermit2Signature)),
            None => later.map(|(reason, message)| self.rejected(reason).because(message)),
        }
    }

    fn flaw_before_signature(&self, payment: &Payment) -> Option<Reason> {
        let now = U256::from(self.now.as_secs());
        if !requested::schemes_agree(payment, NAME) {
            return Some(Reason::UnsupportedPayloadType);
        }
        if !requested::networks_agree(payment) {
            return Some(Reason::InvalidExactEvmNetworkMismatch);
        }
        if let Some(reason) = requested::asset_flaw(&self.chain, self.requested.asset) {
            return Some(reason);
        }
        if self.transfer.spender != EXACT_PERMIT2_PROXY {
            return Some(Reason::InvalidPermit2Spender);
        }
        if self.transfer.to != self.requested.pay_to {
            return Some(Reason::InvalidPermit2RecipientMismatch);
        }
        if self.transfer.deadline < now + U256::from(self.chain.network.headroom()) {
            return Some(Reason::Permit2DeadlineExpired);
        }
        if self.transfer.valid_after > now {
            return Some(Reason::Permit2NotYetValid);
        }
        if self.transfer.amount != self.requested.amount {
            return Some(Reason::Permit2AmountMismatch);
        }
        if self.transfer.token != self.requested.asset {
            return Some(Reason::Permit2TokenMismatch);
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
