//! What a transaction can cost its fee payer.

use super::budget;
use super::transaction::Transaction;

const LAMPORTS_PER_SIGNATURE: u64 = 5_000;
/// Units of a transaction that asks for none, per instruction and in all.
const DEFAULT_UNITS: u32 = 200_000;
const UNITS_MAX: u32 = 1_400_000;

/// Every signature and the whole priority fee: the runtime takes it whatever is used.
pub(super) fn of(transaction: &Transaction) -> u64 {
    let instructions = transaction.known_instructions();
    let count = u32::try_from(instructions.len()).unwrap_or(u32::MAX);
    let by_default = count.saturating_mul(DEFAULT_UNITS).min(UNITS_MAX);
    let units = instructions.iter().find_map(budget::limit);
    let price = instructions.iter().find_map(budget::price).unwrap_or(0);
    let signatures = u64::try_from(transaction.signers().len()).unwrap_or(u64::MAX);
    signatures
        .saturating_mul(LAMPORTS_PER_SIGNATURE)
        .saturating_add(budget::priority_fee(units.unwrap_or(by_default), price))
}
