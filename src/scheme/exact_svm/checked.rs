//! A payment whose in-process checks are done, and the one question to the chain that is left.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join;
use solana_signature::Signature;

use super::cluster::Cluster;
use super::flaw::Flaw;
use super::layout::{self, Terms};
use super::policy::{LookupTables, SmartWallet};
use super::requested::{self, Requested};
use super::wire;
use super::{identity, simulated, smart_wallet, sponsor, terms as settlement};
use crate::chain::svm::instruction::Instruction;
use crate::chain::svm::ledger::{NotLoaded, Trial};
use crate::chain::svm::programs;
use crate::chain::svm::tables::{ACCOUNTS_MAX, TABLES_MAX};
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
    verdict: Result<Judged, Rejection>,
}

/// How far the checks came that need no chain.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Judged {
    As(Path),
    /// The accounts in the lookup tables have to be read first.
    Unread,
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
    let terms = terms(payment.version, &requested, &cluster);
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

fn terms<'a>(version: Version, requested: &'a Requested, cluster: &'a Cluster) -> Terms<'a> {
    Terms {
        version,
        requested,
        policy: &cluster.policy,
        ours: &cluster.fee_payers,
    }
}

/// The checks of the transaction, in the reference order: those of its instructions wait until all their accounts are known.
fn judge(transaction: &Transaction, terms: Terms<'_>) -> Result<Judged, Flaw> {
    sponsor::check_signers(transaction, terms.requested, terms.policy)?;
    if !transaction.is_unread() {
        let instructions = transaction.known_instructions();
        return judge_instructions(instructions, terms).map(Judged::As);
    }
    if terms.policy.lookup_tables == LookupTables::Refused {
        return Err(Flaw::new(Reason::InvalidExactSvmAltResolutionNotAvailable)
            .because("address lookup tables are not resolved here"));
    }
    let accounts = transaction.keys().len() + transaction.loads();
    if transaction.lookups().len() > TABLES_MAX || accounts > ACCOUNTS_MAX {
        return Err(
            Flaw::new(Reason::InvalidExactSvmAltResolutionFailed).because(format!(
                "more than {TABLES_MAX} tables or {ACCOUNTS_MAX} accounts"
            )),
        );
    }
    let known = transaction.known_instructions();
    let Err(flaw) = layout::check_known(&known, terms) else {
        return Ok(Judged::Unread);
    };
    let wallet = smart_wallet_of(&flaw, &known, terms).ok_or(flaw)?;
    smart_wallet::check(&known, wallet, terms)?;
    Ok(Judged::Unread)
}

fn judge_instructions(instructions: Vec<Instruction>, terms: Terms<'_>) -> Result<Path, Flaw> {
    let flaw = match layout::check(&instructions, terms) {
        Ok(transfer) => return Ok(Path::Plain(transfer)),
        Err(flaw) => flaw,
    };
    let wallet = smart_wallet_of(&flaw, &instructions, terms).ok_or(flaw)?;
    smart_wallet::check(&instructions, wallet, terms)?;
    Ok(Path::SmartWallet(instructions))
}

/// The bounds to judge by where a plain payment's flaw may be that it is a smart wallet's.
fn smart_wallet_of<'a>(
    flaw: &Flaw,
    instructions: &[Instruction],
    terms: Terms<'a>,
) -> Option<&'a SmartWallet> {
    let wallet = terms.policy.smart_wallet.as_ref()?;
    let may_be_one = smart_wallet::may_be_one(flaw.reason, instructions, wallet);
    (terms.version == Version::V2 && may_be_one).then_some(wallet)
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

    async fn verify(mut self: Box<Self>) -> Result<Verified, Refusal> {
        let path = match self.verdict.clone().map_err(Refusal::Rejected)? {
            Judged::As(path) => path,
            Judged::Unread => self.read_tables().await?,
        };
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
        Ok(Verified::new(
            identity,
            settlement::of(&self, &paid, validity),
        ))
    }
}

impl Sponsored {
    /// Reads the lookup tables and does the checks that waited for them.
    async fn read_tables(&mut self) -> Result<Path, Refusal> {
        let refuse = |flaw: Flaw| Refusal::Rejected(flaw.into());
        let unusable = |why: String| {
            refuse(Flaw::new(Reason::InvalidExactSvmAltResolutionFailed).because(why))
        };
        let loaded = self.cluster.ledger.load(self.transaction.lookups()).await;
        let loaded = loaded.map_err(|cause| match cause {
            NotLoaded::Unavailable(cause) => Refusal::Unavailable(cause.to_string()),
            NotLoaded::Unusable(why) => unusable(why),
        })?;
        let terms = terms(self.version, &self.requested, &self.cluster);
        sponsor::check_loaded(&loaded, terms.ours).map_err(refuse)?;
        let transaction = self.transaction.clone().load(&loaded);
        self.transaction = transaction.map_err(|why| unusable(why.to_owned()))?;
        let instructions = self.transaction.known_instructions();
        judge_instructions(instructions, terms).map_err(refuse)
    }

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
