//! A payment that was verified: the only thing that can be enqueued.

use crate::protocol::{Amount, Network};
use crate::store::{self, Enqueued, NewSettlement, Quota, Store};

/// What names a payment and what a repeated request must share with the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What can happen once on chain: `eip3009:84532:<token>:<from>:<nonce>`, hex in lower case.
    pub payment_key: String,
    /// Digest of the economic terms and the signed digest, hex.
    pub fingerprint: String,
    /// Digest of the normalised signature and the extensions used, hex.
    pub proof: String,
    /// The payer as written in the payload.
    pub payer: String,
}

/// The terms of a verified payment and the work that settles it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terms {
    pub scheme: &'static str,
    pub network: Network,
    /// In the chain's normal form: hex in lower case.
    pub asset: String,
    /// The payer in the chain's normal form: rows are grouped by it.
    pub payer: String,
    /// In the chain's normal form.
    pub pay_to: String,
    pub amount: Amount,
    /// What the chain room needs, as JSON that the store does not read.
    pub work: String,
    /// The effect that proves the payment, as JSON that the store does not read.
    pub expect: String,
    /// The only signer that may send it, where the payment names one.
    pub required_sender: Option<String>,
    /// First block time, unix seconds, at which the authorization can no longer be executed; `i64::MAX` when that is beyond it,
    /// or when no time ends it.
    pub expires_at: i64,
    /// Whether it may share a transaction with others.
    pub batchable: bool,
    /// Whether code of the payer's decides what is paid: a contract wallet, deployed or not, or a program on Solana.
    pub contract_wallet: bool,
}

/// Made only in `scheme`, after every check passed.
#[derive(Debug, Clone)]
pub struct Verified {
    identity: Identity,
    terms: Terms,
}

impl Verified {
    pub(super) fn new(identity: Identity, terms: Terms) -> Self {
        Self { identity, terms }
    }

    pub fn payer(&self) -> &str {
        &self.identity.payer
    }

    /// The payer in the chain's normal form, as the chain knows it: what the payload claims is not always who pays.
    pub fn payer_address(&self) -> &str {
        &self.terms.payer
    }

    pub fn is_contract_wallet(&self) -> bool {
        self.terms.contract_wallet
    }

    /// Puts the payment into the queue, once per payment key. The only caller of the store's insert.
    pub async fn enqueue(
        self,
        store: &Store,
        request: Request<'_>,
    ) -> Result<Enqueued, store::Error> {
        let Self { identity, terms } = self;
        let new = NewSettlement {
            payment_key: identity.payment_key,
            fingerprint: identity.fingerprint,
            proof: identity.proof,
            caller: request.caller.to_owned(),
            scheme: terms.scheme.to_owned(),
            network: terms.network,
            wire_network: request.wire_network.to_owned(),
            asset: terms.asset,
            payer: terms.payer,
            pay_to: terms.pay_to,
            amount: terms.amount,
            work: terms.work,
            expect: terms.expect,
            required_sender: terms.required_sender,
            batchable: terms.batchable,
            deadline: request.deadline,
            expires_at: terms.expires_at,
        };
        store.enqueue(new, request.quotas).await
    }
}

/// Who asks, until when they wait, and what they may have in a day.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub caller: &'a str,
    pub wire_network: &'a str,
    pub deadline: crate::clock::UnixMillis,
    pub quotas: &'a [Quota],
}
