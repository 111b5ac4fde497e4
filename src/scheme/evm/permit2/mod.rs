//! A transfer by Permit2 through a proxy of x402, with or without a sponsored EIP-2612 approval: what the schemes that take one agree on.

mod onchain;
pub(in crate::scheme) mod wire;

use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};

use super::chain::Chain;
use super::requested::{self, Requested};
use super::signed::{Deploys, Signed};
use super::sponsoring::{self, Sponsoring};
use super::{eip2612, identity};
use crate::chain::evm::eip712::{PermitTransfer, permit2_separator};
use crate::clock::UnixMillis;
use crate::protocol::Reason;
use crate::protocol::payment::Payment;
use crate::scheme::verified::Identity;
use crate::scheme::{Refusal, Rejection};

pub(in crate::scheme) use onchain::Trial;

/// What a payer permitted, beside what the resource server asks for.
#[derive(Debug)]
pub(in crate::scheme) struct Permitted {
    pub(in crate::scheme) chain: Arc<Chain>,
    /// With the amount that is to move: what was permitted, or less where the scheme charges less.
    pub(in crate::scheme) requested: Requested,
    /// The payer as written.
    pub(in crate::scheme) payer: String,
    pub(in crate::scheme) owner: Address,
    pub(in crate::scheme) transfer: PermitTransfer,
    digest: B256,
    pub(in crate::scheme) signed: Signed,
    pub(in crate::scheme) sponsoring: Sponsoring,
    pub(in crate::scheme) now: UnixMillis,
}

/// A failed check and, where there is more to say, a sentence for people.
pub(in crate::scheme) type Flaw = (Reason, Option<&'static str>);

impl Permitted {
    pub(in crate::scheme) fn new(
        chain: Arc<Chain>,
        requested: Requested,
        payment: &Payment,
        payload: wire::Payload,
        now: UnixMillis,
    ) -> Self {
        let wire::Payload {
            payer,
            owner,
            transfer,
            signature,
        } = payload;
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
        Self {
            chain,
            requested,
            payer,
            owner,
            transfer,
            digest,
            signed,
            sponsoring,
            now,
        }
    }

    /// `terms` is what was agreed on with the payer: two requests for one authorization must agree on it, whatever each of them charges.
    pub(in crate::scheme) fn identity(&self, terms: &Requested) -> Identity {
        let chain_id = self.chain.network.chain_id;
        Identity {
            payment_key: identity::permit2_key(chain_id, self.owner, self.transfer.nonce),
            fingerprint: identity::fingerprint(terms, self.owner, self.digest),
            proof: identity::proof(&self.signed, &self.sponsoring.to_bytes()),
            payer: self.payer.clone(),
        }
    }

    /// The asset, the proxy and the recipient, in the reference order.
    pub(in crate::scheme) fn flaw_of_parties(&self, proxy: Address) -> Option<Reason> {
        if let Some(reason) = requested::asset_flaw(&self.chain, self.requested.asset) {
            return Some(reason);
        }
        if self.transfer.spender != proxy {
            return Some(Reason::InvalidPermit2Spender);
        }
        if self.transfer.to != self.requested.pay_to {
            return Some(Reason::InvalidPermit2RecipientMismatch);
        }
        None
    }

    pub(in crate::scheme) fn flaw_of_window(&self) -> Option<Reason> {
        let now = U256::from(self.now.as_secs());
        if self.transfer.deadline < now + U256::from(self.chain.network.headroom()) {
            return Some(Reason::Permit2DeadlineExpired);
        }
        if self.transfer.valid_after > now {
            return Some(Reason::Permit2NotYetValid);
        }
        None
    }

    pub(in crate::scheme) fn flaw_of_token(&self) -> Option<Reason> {
        let differs = self.transfer.token != self.requested.asset;
        differs.then_some(Reason::Permit2TokenMismatch)
    }

    /// Signature and sponsoring, as far as they can be judged before the payer's code is read. `fails_anyway` when a later check fails whatever they say.
    pub(in crate::scheme) fn flaw_of_proof(&self, fails_anyway: bool) -> Option<Flaw> {
        // Whether an asset has code comes before the signature; only of listed ones we know it.
        if !self.chain.lists(self.requested.asset) {
            return None;
        }
        let seen = self.chain.seen(self.owner, self.now);
        let later = self.sponsoring.flaw(seen);
        let flaw =
            self.signed
                .flaw_in_process(Deploys::Nothing, seen, fails_anyway || later.is_some());
        match flaw {
            Some(_) => Some((Reason::InvalidPermit2Signature, None)),
            None => later.map(|(reason, message)| (reason, Some(message))),
        }
    }

    pub(in crate::scheme) fn rejected(&self, (reason, message): Flaw) -> Rejection {
        let mut rejection = Rejection::new(reason).of(&self.payer);
        rejection.message = message.map(ToOwned::to_owned);
        rejection
    }

    fn refused(&self, reason: Reason) -> Refusal {
        Refusal::Rejected(self.rejected((reason, None)))
    }
}
