//! What keeps a stranger from spending the sponsor's lamports, tokens, or signature.

use solana_pubkey::Pubkey;

use super::flaw::Flaw;
use super::policy::Policy;
use super::requested::Requested;
use crate::chain::svm::instruction::Instruction;
use crate::chain::svm::token::Transfer;
use crate::chain::svm::transaction::Transaction;
use crate::protocol::Reason;

/// The transaction is paid for by the key that the seller named, costs no more signatures than agreed, and everybody else has signed it.
pub(super) fn check_signers(
    transaction: &Transaction,
    requested: &Requested,
    policy: &Policy,
) -> Result<(), Flaw> {
    if transaction.signers().len() > usize::from(policy.max_required_signatures) {
        return Err(Flaw::new(Reason::InvalidExactSvmExcessiveSigners));
    }
    if *transaction.fee_payer() != requested.fee_payer {
        return Err(Flaw::new(Reason::InvalidExactSvmFeePayerMismatch));
    }
    if !transaction.is_signed() {
        return Err(Flaw::new(Reason::InvalidExactSvmSignature));
    }
    Ok(())
}

/// No key of ours has a part in the transfer. As a multisig account's co-signer it would come after the authority.
pub(super) fn check_transfer(
    instruction: &Instruction,
    transfer: &Transfer,
    ours: &[Pubkey],
) -> Result<(), Flaw> {
    if ours.iter().any(|key| instruction.names(key)) {
        return Err(
            Flaw::new(Reason::InvalidExactSvmFeePayerTransferringFunds).of(transfer.authority)
        );
    }
    Ok(())
}

/// No key of ours is named by any instruction but Lighthouse's pure asserts: no program gets the sponsor as an account, so none can
/// charge it, or use its signature in a call of its own.
pub(super) fn check_isolation<'a>(
    instructions: impl IntoIterator<Item = &'a Instruction>,
    ours: &[Pubkey],
) -> Result<(), Flaw> {
    let mut exposed = instructions
        .into_iter()
        .filter(|instruction| !instruction.is_pure_assert());
    match exposed.find(|instruction| ours.iter().any(|key| instruction.names(key))) {
        Some(instruction) => Err(not_isolated(&instruction.program)),
        None => Ok(()),
    }
}

/// No key of ours is reached through a lookup table, whether or not an instruction names it: account 0 is the one place for it.
pub(super) fn check_loaded(loaded: &[Pubkey], ours: &[Pubkey]) -> Result<(), Flaw> {
    if loaded.iter().any(|key| ours.contains(key)) {
        return Err(Flaw::new(Reason::InvalidExactSvmFeePayerNotIsolated)
            .because("a lookup table names the fee payer"));
    }
    Ok(())
}

pub(super) fn not_isolated(program: &Pubkey) -> Flaw {
    Flaw::new(Reason::InvalidExactSvmFeePayerNotIsolated)
        .because(format!("the fee payer is in the accounts of {program}"))
}
