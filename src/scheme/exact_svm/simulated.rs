//! The judgement over a simulation's answer.

use serde_json::Value;
use solana_pubkey::Pubkey;

use super::checked::{MintFee, Paid, Path, Sponsored};
use super::flaw::Flaw;
use super::mint::{Extension, Mint};
use super::smart_wallet;
use crate::chain::svm::effect::Effect;
use crate::chain::svm::ledger::{Account, Simulation, Trial, Validity};
use crate::chain::svm::token::Transfer;
use crate::chain::svm::work::Kind;
use crate::protocol::Reason;
use crate::protocol::payment::Version;
use crate::scheme::{Refusal, Rejection};

/// Where a token account names its owner.
const OWNER_AT: std::ops::Range<usize> = 32..64;

/// What a simulation's error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Payment,
    /// It has landed already.
    Done,
    /// The sponsor cannot pay the fee: nothing is known about the payment.
    Sponsor,
}

/// # Errors
/// Why the payment is refused, or that nothing was learned.
pub(super) fn judge(
    sponsored: &Sponsored,
    path: &Path,
    trial: &Trial,
    simulation: &Simulation,
) -> Result<Paid, Refusal> {
    if let Some(error) = &simulation.error {
        return Err(failed(sponsored.version, path, error));
    }
    let refuse = |flaw: Flaw| Refusal::Rejected(Rejection::from(flaw));
    let ours = &sponsored.cluster.fee_payers;
    let inner = simulation.inner.as_deref();
    let (kind, transfer) = match path {
        Path::Plain(transfer) => (Kind::Transfer, transfer.clone()),
        Path::SmartWallet(instructions) => {
            let Some(inner) = inner else {
                return Err(unavailable("the node shows no inner instructions"));
            };
            let top = instructions.iter().map(Effect::from);
            let effects: Vec<_> = top.chain(inner.iter().cloned()).collect();
            let transfer = smart_wallet::judge(&effects, &sponsored.requested, ours);
            (Kind::SmartWallet, transfer.map_err(refuse)?)
        }
    };
    smart_wallet::check_inner_isolation(inner.unwrap_or_default(), ours).map_err(refuse)?;
    let mint = trial.after(simulation, &transfer.mint);
    let destination = trial.after(simulation, &transfer.destination);
    let (Some(mint), Some(destination)) = (mint, destination) else {
        return Err(unavailable("the node shows no accounts"));
    };
    check_destination(destination, &sponsored.requested.pay_to, &transfer).map_err(refuse)?;
    let fee = check_mint(mint, sponsored, &transfer).map_err(refuse)?;
    Ok(Paid {
        kind,
        transfer,
        fee,
    })
}

/// A message that is about to expire is not worth a fee.
pub(super) fn check_time_left(
    sponsored: &Sponsored,
    paid: &Paid,
    validity: Validity,
) -> Result<(), Rejection> {
    if validity.blocks_left() >= sponsored.cluster.policy.min_blocks_left {
        return Ok(());
    }
    let reason = simulation_failed(sponsored.version, paid.kind);
    Err(Rejection::new(reason)
        .because("the blockhash is about to expire")
        .of(paid.transfer.authority.to_string()))
}

fn simulation_failed(version: Version, kind: Kind) -> Reason {
    match (version, kind) {
        (Version::V1, _) => Reason::TransactionSimulationFailed,
        (Version::V2, Kind::Transfer) => Reason::InvalidExactSvmTransactionSimulationFailed,
        (Version::V2, Kind::SmartWallet) => Reason::InvalidExactSvmSmartWalletSimulationFailed,
    }
}

fn check_mint(
    account: &Account,
    sponsored: &Sponsored,
    transfer: &Transfer,
) -> Result<MintFee, Flaw> {
    let allowed = sponsored.cluster.allowed_extensions(&transfer.mint);
    let mint = Mint::read(account, &transfer.token_program, &allowed).map_err(|unfit| {
        Flaw::new(Reason::AssetNotAllowed)
            .because(unfit.to_string())
            .of(transfer.authority)
    })?;
    let has_fee = mint.extensions.contains(&Extension::TRANSFER_FEE);
    Ok(if has_fee {
        MintFee::Possible
    } else {
        MintFee::None
    })
}

/// An associated account can be given away: its address does not say who owns it now.
fn check_destination(account: &Account, pay_to: &Pubkey, transfer: &Transfer) -> Result<(), Flaw> {
    let is_theirs = account.owner == transfer.token_program
        && account.data.get(OWNER_AT) == Some(pay_to.as_ref());
    if is_theirs {
        return Ok(());
    }
    Err(Flaw::new(Reason::InvalidExactSvmRecipientMismatch)
        .because("the payee no longer owns the account")
        .of(transfer.authority))
}

fn failed(version: Version, path: &Path, error: &Value) -> Refusal {
    let reason = match (trouble(error), path) {
        (Trouble::Sponsor, _) => return unavailable("the fee payer cannot pay the fee"),
        (Trouble::Done, _) => Reason::DuplicateSettlement,
        (Trouble::Payment, Path::Plain(_)) => simulation_failed(version, Kind::Transfer),
        (Trouble::Payment, Path::SmartWallet(_)) => simulation_failed(version, Kind::SmartWallet),
    };
    let flaw = Flaw::new(reason).because(format!("Simulation failed: {error}"));
    Refusal::Rejected(match path {
        Path::Plain(transfer) => flaw.of(transfer.authority).into(),
        Path::SmartWallet(_) => flaw.into(),
    })
}

/// Tells the sponsor's troubles from the payment's: an empty purse is no verdict on a stranger's payment.
fn trouble(error: &Value) -> Trouble {
    match error.as_str() {
        Some("AlreadyProcessed") => return Trouble::Done,
        Some("AccountNotFound" | "InsufficientFundsForFee" | "InvalidAccountForFee") => {
            return Trouble::Sponsor;
        }
        Some(_) | None => {}
    }
    let rent = &error["InsufficientFundsForRent"]["account_index"];
    if *rent == 0 {
        Trouble::Sponsor
    } else {
        Trouble::Payment
    }
}

fn unavailable(why: &str) -> Refusal {
    Refusal::Unavailable(why.to_owned())
}
