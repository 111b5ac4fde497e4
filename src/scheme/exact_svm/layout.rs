//! The positions of a plain payment's instructions: compute limit, compute price, transfer, and at most four more.

use solana_pubkey::Pubkey;

use super::flaw::Flaw;
use super::memo;
use super::policy::{Layout, Policy};
use super::requested::Requested;
use super::sponsor;
use crate::chain::svm::budget;
use crate::chain::svm::instruction::Instruction;
use crate::chain::svm::programs;
use crate::chain::svm::token::{Transfer, associated_account};
use crate::protocol::Reason;
use crate::protocol::payment::Version;

/// Fewest accounts of a token instruction that names its authority.
const AUTHORITY_AT: usize = 3;
const INSTRUCTIONS_MIN: usize = 3;

/// What a layout is judged against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) version: Version,
    pub(super) requested: &'a Requested,
    pub(super) policy: &'a Policy,
    /// Every key of ours on this network.
    pub(super) ours: &'a [Pubkey],
}

/// The account that a payment claims to come from, for answers: the authority of the first token instruction that has one.
pub(super) fn claimed_payer(instructions: &[Instruction]) -> Option<Pubkey> {
    let mut tokens = instructions.iter().filter(|i| i.is_token());
    tokens.find_map(|instruction| instruction.accounts.get(AUTHORITY_AT).copied())
}

/// Checks a plain payment in the reference order and returns its transfer.
pub(super) fn check(instructions: &[Instruction], terms: Terms<'_>) -> Result<Transfer, Flaw> {
    let placed = place(instructions, terms)?;
    check_budget(&placed, terms.policy)?;
    let Some(payer) = claimed_payer(instructions) else {
        return Err(Flaw::new(Reason::InvalidExactSvmNoTransferInstruction));
    };
    let transfer = check_transfer(placed[2], terms).map_err(|flaw| flaw.of(payer))?;
    check_rest(&placed[INSTRUCTIONS_MIN..], terms).map_err(|flaw| flaw.of(payer))?;
    sponsor::check_isolation(instructions, terms.ours).map_err(|flaw| flaw.of(payer))?;
    Ok(transfer)
}

/// The checks that hold whatever accounts lookup tables turn out to hold. Each is part of [`check`] as well, in its order.
pub(super) fn check_known(instructions: &[Instruction], terms: Terms<'_>) -> Result<(), Flaw> {
    let placed = place(instructions, terms)?;
    check_budget(&placed, terms.policy)?;
    check_rest(&placed[INSTRUCTIONS_MIN..], terms)?;
    sponsor::check_isolation(instructions, terms.ours)
}

/// The instructions whose position counts. Wallets put guards anywhere; they are counted on their own.
fn place<'a>(
    instructions: &'a [Instruction],
    terms: Terms<'_>,
) -> Result<Vec<&'a Instruction>, Flaw> {
    let wrong_length = || Flaw::new(Reason::InvalidExactSvmInstructionsLength);
    let (guards, placed): (Vec<_>, Vec<_>) = match terms.policy.layout {
        Layout::LighthouseAnywhere => instructions.iter().partition(|i| i.is_pure_assert()),
        Layout::Npm => (vec![], instructions.iter().collect()),
    };
    if guards.len() > terms.policy.max_lighthouse {
        return Err(wrong_length().because("too many Lighthouse instructions"));
    }
    let most = match terms.version {
        Version::V1 => 6,
        Version::V2 => 7,
    };
    if !(INSTRUCTIONS_MIN..=most).contains(&placed.len()) {
        return Err(wrong_length());
    }
    Ok(placed)
}

fn check_budget(placed: &[&Instruction], policy: &Policy) -> Result<(), Flaw> {
    let Some(limit) = budget::limit(placed[0]) else {
        return Err(Flaw::new(Reason::InvalidExactSvmComputeLimitInstruction));
    };
    if limit > policy.max_compute_units {
        return Err(Flaw::new(Reason::InvalidExactSvmComputeLimitTooHigh)
            .because(format!("at most {}", policy.max_compute_units)));
    }
    let Some(price) = budget::price(placed[1]) else {
        return Err(Flaw::new(Reason::InvalidExactSvmComputePriceInstruction));
    };
    let too_high = Flaw::new(Reason::InvalidExactSvmComputePriceTooHigh);
    if price > policy.max_compute_unit_price {
        return Err(too_high.because(format!("at most {}", policy.max_compute_unit_price)));
    }
    if budget::priority_fee(limit, price) > policy.max_priority_fee {
        let most = policy.max_priority_fee;
        return Err(too_high.because(format!("units and price come to over {most} lamports")));
    }
    Ok(())
}

fn check_transfer(instruction: &Instruction, terms: Terms<'_>) -> Result<Transfer, Flaw> {
    let no_transfer = || Flaw::new(Reason::InvalidExactSvmNoTransferInstruction);
    let transfer = Transfer::parse(instruction).ok_or_else(no_transfer)?;
    sponsor::check_transfer(instruction, &transfer, terms.ours)?;
    let requested = terms.requested;
    if transfer.mint != requested.asset {
        return Err(Flaw::new(Reason::InvalidExactSvmMintMismatch));
    }
    let due = associated_account(&requested.pay_to, &transfer.token_program, &requested.asset);
    if due != Some(transfer.destination) {
        return Err(Flaw::new(Reason::InvalidExactSvmRecipientMismatch));
    }
    if !requested.is_exactly(transfer.amount) {
        return Err(Flaw::new(Reason::InvalidExactSvmAmountMismatch));
    }
    if transfer.source == transfer.destination {
        // A delegate of the payee could pay with the payee's own tokens.
        return Err(no_transfer().because("source and destination are the same account"));
    }
    Ok(transfer)
}

/// Memos, and Lighthouse asserts where they are not taken out before.
fn check_rest(rest: &[&Instruction], terms: Terms<'_>) -> Result<(), Flaw> {
    let known = |i: &Instruction| i.program == programs::MEMO || i.is_pure_assert();
    if let Some(position) = rest.iter().position(|instruction| !known(instruction)) {
        return Err(Flaw::new(unknown(position)).because(rest[position].program.to_string()));
    }
    memo::check(
        rest,
        terms.requested.memo.as_deref(),
        terms.policy.max_memo_bytes,
    )
}

/// The code of an instruction that nobody asked for, counted from the one after the transfer.
fn unknown(position: usize) -> Reason {
    match position {
        0 => Reason::InvalidExactSvmUnknownFourthInstruction,
        1 => Reason::InvalidExactSvmUnknownFifthInstruction,
        2 => Reason::InvalidExactSvmUnknownSixthInstruction,
        _ => Reason::InvalidExactSvmUnknownSeventhInstruction,
    }
}
