//! A payment whose in-process checks are done, and the one question to the chain that is left.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join;
use solana_signature::Signature;

use super::cluster::Cluster;
use super::flaw::Flaw;
use super::layout;
use super::requested::{self, Requested};
use super::wire;
use super::{identity, simulated, smart_wallet, sponsor, terms};
use crate::chain::svm::instruction::Instruction;
use crate::chain::svm::ledger::Trial;
use crate::chain::svm::programs;
use crate::chain::svm::token::{Transfer, associated_account};
use crate::chain::svm::transaction::{self, Transaction};
use crate::chain::svm::work::Kind;
use crate::protocol::Reason;
use crate::protocol::payment::{Payment, Version};
use crate::scheme::verified::Identity;
use crate::scheme::{Checked, Refusal, Rejection, Verified};

/// A transaction to sponsor.
#[derive(Debug)]
pub(super) struct Sponsored {
    pub(super) cluster: Arc<Cluster>,
    pub(super) version: Version,
    pub(super) requested: Requested,
    pub(super) transaction: Transaction,
    identity: Identity,
    verdict: Result<Path, Rejection>,
}

/// How the payment is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    /// By its own instructions.
    Plain(Transfer),
    /// By what a wallet's program does with them.
    SmartWallet(Vec<Instruction>),
}

/// Does every check that needs no chain.
///
/// # Errors
/// Requirements or a transaction that cannot be read; an earlier failure in the reference order is told instead.
pub(super) fn check(cluster: Arc<Cluster>, payment: &Payment) -> Result<Sponsored, Rejection> {
    let requested = Requested::parse(&payment.requirements)?;
    let envelope = requested::flaw(payment, &requested, &cluster);
    let transaction = match (wire::parse(payment), &envelope) {
        (Ok(transaction), _) => transaction,
        (Err(_), Some(earlier)) => return Err(earlier.clone()),
        (Err(undecodable), None) => return Err(undecodable),
    };
    let terms = layout::Terms {
        version: payment.version,
        requested: &requested,
        policy: &cluster.policy,
        ours: &cluster.fee_payers,
    };
    let verdict = match envelope {
        Some(rejection) => Err(rejection),
        None => judge(&transaction, terms).map_err(Rejection::from),
    };
    let instructions = transaction.instructions().unwrap_or_default();
    let payer = layout::claimed_payer(&instructions);
    // A smart wallet is not named before the simulation; its key holder is.
    let payer = payer.or_else(|| transaction.signers().get(1).copied());
    Ok(Sponsored {
        identity: identity::identify(&transaction, &requested, &cluster, payer),
        version: payment.version,
        cluster,
        requested,
        transaction,
        verdict,
    })
}

/// The checks of the transaction, in the reference order.
fn judge(transaction: &Transaction, terms: layout::Terms<'_>) -> Result<Path, Flaw> {
    sponsor::check_signers(transaction, terms.requested, terms.policy)?;
    let instructions = transaction
        .instructions()
        .filter(|_| !transaction.has_lookups());
    let Some(instructions) = instructions else {
        return Err(Flaw::new(Reason::InvalidExactSvmAltResolutionNotAvailable)
            .because("address lookup tables are not resolved here"));
    };
    let flaw = match layout::check(&instructions, terms) {
        Ok(transfer) => return Ok(Path::Plain(transfer)),
        Err(flaw) => flaw,
    };
    let wallet = terms.policy.smart_wallet.as_ref();
    let wallet = wallet.filter(|wallet| {
        let may_be_one = smart_wallet::may_be_one(flaw.reason, &instructions, wallet);
        terms.version == Version::V2 && may_be_one
    });
    let Some(wallet) = wallet else {
        return Err(flaw);
    };
    smart_wallet::check(&instructions, wallet, terms)?;
    Ok(Path::SmartWallet(instructions))
}

#[async_trait]
impl Checked for Sponsored {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn rejection(&self) -> Option<&Rejection> {
        self.verdict.as_ref().err()
    }

    fn expired(&self) -> Reason {
        match self.version {
            Version::V1 => Reason::TransactionFailed,
            Version::V2 => Reason::InvalidExactSvmTransactionFailed,
        }
    }

    async fn verify(self: Box<Self>) -> Result<Verified, Refusal> {
        let path = self.verdict.clone().map_err(Refusal::Rejected)?;
        let trial = self.trial(&path);
        let ledger = &self.cluster.ledger;
        let validity = ledger.validity(self.transaction.blockhash());
        let (simulation, validity) = try_join(ledger.simulate(&trial), validity)
            .await
            .map_err(|cause| Refusal::Unavailable(cause.to_string()))?;
        let paid = simulated::judge(&self, &path, &trial, &simulation)?;
        simulated::check_time_left(&self, &paid, validity).map_err(Refusal::Rejected)?;
        let identity = Identity {
            payer: paid.transfer.authority.to_string(),
            ..self.identity.clone()
        };
        Ok(Verified::new(identity, terms::of(&self, &paid, validity)))
    }
}

impl Sponsored {
    /// The transaction with slot 0 empty, and the accounts to look at afterwards: mint and destination, which it names itself.
    fn trial(&self, path: &Path) -> Trial {
        let transaction = &self.transaction;
        let clients = transaction.client_signatures();
        let message = transaction.message_bytes();
        let accounts = match path {
            Path::Plain(transfer) => vec![transfer.mint, transfer.destination],
            Path::SmartWallet(_) => self.possible_accounts(),
        };
        Trial {
            wire: transaction::assemble(&Signature::default(), clients, message),
            keys: transaction.keys().to_vec(),
            accounts,
        }
    }

    /// The mint and the destinations under either token program, as far as the message lists them.
    fn possible_accounts(&self) -> Vec<solana_pubkey::Pubkey> {
        let Requested { pay_to, asset, .. } = &self.requested;
        let destinations = [programs::TOKEN, programs::TOKEN_2022]
            .iter()
            .filter_map(|program| associated_account(pay_to, program, asset));
        let listed = self.transaction.keys();
        let accounts = std::iter::once(*asset).chain(destinations);
        accounts.filter(|key| listed.contains(key)).collect()
    }
}

/// What a simulation proved.
#[derive(Debug)]
pub(super) struct Paid {
    pub(super) kind: Kind,
    pub(super) transfer: Transfer,
    /// Whether the mint keeps a part of each transfer.
    pub(super) fee: MintFee,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MintFee {
    None,
    Possible,
}
