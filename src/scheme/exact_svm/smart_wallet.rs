//! Payments from wallets that are programs: the transfer happens in a call of theirs, so a simulation shows it. Behind a setting.

use solana_pubkey::Pubkey;

use super::flaw::Flaw;
use super::layout::Terms;
use super::memo;
use super::policy::SmartWallet;
use super::requested::Requested;
use super::sponsor;
use crate::chain::svm::budget;
use crate::chain::svm::effect::Effect;
use crate::chain::svm::instruction::Instruction;
use crate::chain::svm::programs;
use crate::chain::svm::token::{Transfer, associated_account};
use crate::protocol::Reason;

/// Units that the runtime grants each instruction when no limit is set, and the most it grants at all.
const UNITS_PER_INSTRUCTION: u32 = 200_000;
const UNITS_MAX: u32 = 1_400_000;

/// Whether a plain payment's flaw may be that it is a smart wallet's. Too many units may be only where a wallet's program is called: the
/// reference has no bound on them in a plain payment.
pub(super) fn may_be_one(
    plain: Reason,
    instructions: &[Instruction],
    wallet: &SmartWallet,
) -> bool {
    let calls_one = || {
        instructions
            .iter()
            .any(|i| wallet.programs.contains(&i.program))
    };
    let is_shape = [
        Reason::InvalidExactSvmInstructionsLength,
        Reason::InvalidExactSvmNoTransferInstruction,
        Reason::InvalidExactSvmUnknownFourthInstruction,
        Reason::InvalidExactSvmUnknownFifthInstruction,
        Reason::InvalidExactSvmUnknownSixthInstruction,
        Reason::InvalidExactSvmComputeLimitInstruction,
        Reason::InvalidExactSvmComputePriceInstruction,
    ]
    .contains(&plain);
    is_shape || (plain == Reason::InvalidExactSvmComputeLimitTooHigh && calls_one())
}

/// The checks that need no simulation.
pub(super) fn check(
    instructions: &[Instruction],
    wallet: &SmartWallet,
    terms: Terms<'_>,
) -> Result<(), Flaw> {
    let allowed = |i: &Instruction| {
        i.program == programs::COMPUTE_BUDGET
            || i.program == programs::MEMO
            || i.is_pure_assert()
            || wallet.programs.contains(&i.program)
    };
    if let Some(other) = instructions.iter().find(|i| !allowed(i)) {
        return Err(
            Flaw::new(Reason::InvalidExactSvmProgramNotAllowed).because(other.program.to_string())
        );
    }
    sponsor::check_isolation(instructions, terms.ours)?;
    check_budget(instructions, wallet, terms.policy.max_priority_fee)?;
    let all: Vec<_> = instructions.iter().collect();
    let memo = terms.requested.memo.as_deref();
    memo::check(&all, memo, terms.policy.max_memo_bytes)
}

fn check_budget(
    instructions: &[Instruction],
    wallet: &SmartWallet,
    max_priority_fee: u64,
) -> Result<(), Flaw> {
    let mut limit = None;
    let mut price = 0;
    let mut others: u32 = 0;
    for instruction in instructions {
        if instruction.program != programs::COMPUTE_BUDGET {
            others += 1;
            continue;
        }
        match instruction.data.first() {
            Some(2) => limit = Some(read(budget::limit(instruction), Malformed::Limit)?),
            Some(3) => price = read(budget::price(instruction), Malformed::Price)?,
            Some(kind) => {
                return Err(Flaw::new(Reason::InvalidExactSvmUnsupportedComputeBudget)
                    .because(format!("type {kind}")));
            }
            None => return Err(Flaw::new(Reason::InvalidExactSvmMalformedComputeBudget)),
        }
    }
    let granted = UNITS_PER_INSTRUCTION.saturating_mul(others).min(UNITS_MAX);
    let limit = limit.unwrap_or(granted);
    if limit > wallet.max_compute_units {
        return Err(Flaw::new(Reason::InvalidExactSvmComputeUnitsTooHigh)
            .because(format!("{limit} exceeds {}", wallet.max_compute_units)));
    }
    let is_dear = budget::priority_fee(limit, price) > max_priority_fee;
    if price > wallet.max_compute_unit_price || is_dear {
        return Err(Flaw::new(Reason::InvalidExactSvmPriorityFeeTooHigh)
            .because(format!("{price} for each of {limit} units")));
    }
    Ok(())
}

/// Which compute budget instruction cannot be read.
#[derive(Clone, Copy)]
enum Malformed {
    Limit,
    Price,
}

fn read<T>(value: Option<T>, what: Malformed) -> Result<T, Flaw> {
    value.ok_or_else(|| {
        Flaw::new(match what {
            Malformed::Limit => Reason::InvalidExactSvmMalformedComputeLimit,
            Malformed::Price => Reason::InvalidExactSvmMalformedComputePrice,
        })
    })
}

/// The judgement over what a simulation did, top level and inner: exactly one transfer pays the seller, nothing takes it back, and no key of
/// ours authorises any.
pub(super) fn judge(
    effects: &[Effect],
    requested: &Requested,
    ours: &[Pubkey],
) -> Result<Transfer, Flaw> {
    let transfers = || effects.iter().filter_map(|effect| effect.transfer.as_ref());
    if let Some(transfer) = transfers().find(|transfer| ours.contains(&transfer.authority)) {
        return Err(
            Flaw::new(Reason::InvalidExactSvmFeePayerTransferringFunds).of(transfer.authority)
        );
    }
    let due = [programs::TOKEN, programs::TOKEN_2022]
        .map(|program| associated_account(&requested.pay_to, &program, &requested.asset));
    let pays = |transfer: &&Transfer| {
        transfer.mint == requested.asset
            && due.contains(&Some(transfer.destination))
            && transfer.source != transfer.destination
            && requested.is_covered_by(transfer.amount)
    };
    let mut paying = transfers().filter(pays);
    let Some(transfer) = paying.next() else {
        return Err(match transfers().next() {
            None => Flaw::new(Reason::InvalidExactSvmNoTransferInSimulation),
            Some(first) => Flaw::new(Reason::InvalidExactSvmTransferMismatch).of(first.authority),
        });
    };
    if paying.next().is_some() {
        return Err(
            Flaw::new(Reason::InvalidExactSvmMultipleMatchingTransfers).of(transfer.authority)
        );
    }
    let mut taken = effects.iter().filter_map(|effect| effect.takes_from);
    if taken.any(|account| account == transfer.destination) {
        return Err(Flaw::new(Reason::InvalidExactSvmTransferMismatch)
            .because("the payee's account is debited as well")
            .of(transfer.authority));
    }
    Ok(transfer.clone())
}

/// No program was handed a key of ours by another.
pub(super) fn check_inner_isolation(inner: &[Effect], ours: &[Pubkey]) -> Result<(), Flaw> {
    let exposed = |effect: &&Effect| ours.iter().any(|key| effect.names(key));
    match inner.iter().find(exposed) {
        Some(effect) => Err(sponsor::not_isolated(&effect.program)),
        None => Ok(()),
    }
}
