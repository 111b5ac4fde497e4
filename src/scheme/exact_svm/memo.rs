//! The memo that a seller asks for.

use super::flaw::Flaw;
use crate::chain::svm::instruction::Instruction;
use crate::chain::svm::programs;
use crate::protocol::Reason;

/// Exactly one memo with that text where one is asked for, and none that is too long.
pub(super) fn check(
    instructions: &[&Instruction],
    wanted: Option<&str>,
    max_bytes: usize,
) -> Result<(), Flaw> {
    let memos = || instructions.iter().filter(|i| i.program == programs::MEMO);
    if memos().any(|memo| memo.data.len() > max_bytes) {
        return Err(Flaw::new(Reason::InvalidExactSvmMemoMismatch)
            .because(format!("a memo is longer than {max_bytes} bytes")));
    }
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let mut memos = memos();
    match (memos.next(), memos.next()) {
        (Some(memo), None) if memo.data == wanted.as_bytes() => Ok(()),
        (Some(_), None) => Err(Flaw::new(Reason::InvalidExactSvmMemoMismatch)),
        _ => Err(Flaw::new(Reason::InvalidExactSvmMemoCount)),
    }
}
