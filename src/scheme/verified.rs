//! A payment that was verified: the only thing that can be enqueued.

use crate::protocol::{Amount, Network};
use crate::store::{self, Batched, Enqueued, NewBatch, NewSettlement, Purpose, Quota, Store};

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
    effect: Effect,
}

/// What its settlement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// A transaction moves the amount.
    Pays,
    /// Nothing moves: the authorization is only kept from ever being charged.
    Closes,
}

impl Verified {
    pub(super) fn new(identity: Identity, terms: Terms) -> Self {
        Self {
            identity,
            terms,
            effect: Effect::Pays,
        }
    }

    /// A payment of which nothing is charged.
    pub(super) fn closing(identity: Identity, terms: Terms) -> Self {
        Self {
            effect: Effect::Closes,
            ..Self::new(identity, terms)
        }
    }

    /// As written in the payload.
    pub fn payer(&self) -> &str {
        &self.identity.payer
    }

    /// The payer in the chain's normal form, as the chain knows it: what the payload claims is not always who pays.
    pub fn account(&self) -> &str {
        &self.terms.payer
    }

    pub fn is_contract_wallet(&self) -> bool {
        self.terms.contract_wallet
    }

    /// First block time, unix seconds, at which the authorization can no longer be executed.
    pub fn expires_at(&self) -> i64 {
        self.terms.expires_at
    }

    /// Puts the payment on record, once per payment key: into the queue, or closed where nothing is charged. With [`Verified::enqueue_batch`] the only caller
    /// of the store's inserts.
    pub async fn enqueue(
        self,
        store: &Store,
        request: Request<'_>,
    ) -> Result<Enqueued, store::Error> {
        let (effect, quotas) = (self.effect, request.quotas);
        let new = self.into_settlement(request);
        match effect {
            Effect::Pays => store.enqueue(new, quotas).await,
            Effect::Closes => store.close_unpaid(new).await,
        }
    }

    /// Puts a sum of a session into the queue, in the transaction that finds it due.
    pub async fn enqueue_batch(
        self,
        store: &Store,
        batch: Batch<'_>,
        request: Request<'_>,
    ) -> Result<Batched, store::Error> {
        let quotas = request.quotas;
        let new = NewBatch {
            session_id: batch.session_id,
            sequence: batch.sequence,
            settlement: self.into_settlement(request),
            reason: batch.reason,
            purpose: batch.purpose,
        };
        store.enqueue_batch(new, quotas).await
    }

    fn into_settlement(self, request: Request<'_>) -> NewSettlement {
        let Self {
            identity, terms, ..
        } = self;
        NewSettlement {
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
        }
    }
}

/// Which sum of which session a settlement is.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub session_id: &'a str,
    /// The number it was prepared as.
    pub sequence: u64,
    /// `idle_timeout` and the like.
    pub reason: &'a str,
    pub purpose: Purpose<'a>,
}

/// Who asks, until when they wait, and what they may have in a day.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub caller: &'a str,
    pub wire_network: &'a str,
    pub deadline: crate::clock::UnixMillis,
    pub quotas: &'a [Quota],
}
