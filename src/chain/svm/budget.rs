//! Compute budget instructions, and what they let a stranger spend.

use super::instruction::Instruction;
use super::programs;

const SET_LIMIT: u8 = 2;
const SET_PRICE: u8 = 3;
const MICRO_LAMPORTS_PER_LAMPORT: u128 = 1_000_000;

/// `SetComputeUnitLimit`; `None` for everything else.
pub fn limit(instruction: &Instruction) -> Option<u32> {
    let value = value(instruction, SET_LIMIT)?;
    Some(u32::from_le_bytes(value.try_into().ok()?))
}

/// `SetComputeUnitPrice`, micro-lamports per unit; `None` for everything else.
pub fn price(instruction: &Instruction) -> Option<u64> {
    let value = value(instruction, SET_PRICE)?;
    Some(u64::from_le_bytes(value.try_into().ok()?))
}

/// The priority fee in lamports, rounded up as the runtime does.
pub fn priority_fee(limit: u32, price: u64) -> u64 {
    let micro_lamports = u128::from(limit) * u128::from(price);
    let lamports = micro_lamports.div_ceil(MICRO_LAMPORTS_PER_LAMPORT);
    u64::try_from(lamports).unwrap_or(u64::MAX)
}

fn value(instruction: &Instruction, kind: u8) -> Option<&[u8]> {
    let (first, value) = instruction.data.split_first()?;
    (instruction.program == programs::COMPUTE_BUDGET && *first == kind).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_is_rounded_up_and_never_wraps() {
        assert_eq!(priority_fee(20_000, 1), 1);
        assert_eq!(priority_fee(20_000, 5_000_000), 100_000);
        assert_eq!(priority_fee(20_000, 5_000_001), 100_001);
        assert_eq!(priority_fee(0, u64::MAX), 0);
        assert_eq!(priority_fee(u32::MAX, u64::MAX), u64::MAX);
    }
}
