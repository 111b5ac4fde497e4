//! What a transaction costs before it runs.

/// Gas that a call transaction with this calldata uses before the callee gets control: the base cost and the calldata (EIP-2028).
pub fn intrinsic(data: &[u8]) -> u64 {
    const BASE: u64 = 21_000;
    data.iter()
        .map(|byte| if *byte == 0 { 4 } else { 16 })
        .sum::<u64>()
        .saturating_add(BASE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_base_and_calldata() {
        assert_eq!(intrinsic(&[]), 21_000);
        assert_eq!(intrinsic(&[0, 1, 0, 0xff]), 21_000 + 4 + 16 + 4 + 16);
    }
}
