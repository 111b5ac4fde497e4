//! One instruction of a message, its accounts by name.

use solana_pubkey::Pubkey;

use super::programs;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    pub program: Pubkey,
    pub accounts: Vec<Pubkey>,
    pub data: Vec<u8>,
}

/// Lighthouse's `MemoryWrite` and `MemoryClose` move lamports; what follows them only asserts.
const LIGHTHOUSE_ASSERTS: std::ops::RangeInclusive<u8> = 2..=17;
/// `AssertMerkleTreeAccount` calls another program with the accounts it got.
const LIGHTHOUSE_MERKLE_TREE: u8 = 16;
/// Lighthouse's log levels without `EncodedNoop` (3) and `FailedEncodedNoop` (6), which call another program.
const LIGHTHOUSE_QUIET: [u8; 5] = [0, 1, 2, 4, 5];

impl Instruction {
    pub fn names(&self, key: &Pubkey) -> bool {
        self.program == *key || self.accounts.contains(key)
    }

    pub fn is_token(&self) -> bool {
        programs::is_token(&self.program)
    }

    /// A Lighthouse guard that can only make the transaction fail: no lamports move, no other program is called. Wallets add them.
    pub fn is_pure_assert(&self) -> bool {
        let [kind, log_level, ..] = self.data[..] else {
            return false;
        };
        self.program == programs::LIGHTHOUSE
            && LIGHTHOUSE_ASSERTS.contains(&kind)
            && kind != LIGHTHOUSE_MERKLE_TREE
            && LIGHTHOUSE_QUIET.contains(&log_level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lighthouse_asserts_that_call_nobody_are_pure() {
        let lighthouse = |data: &[u8]| Instruction {
            program: programs::LIGHTHOUSE,
            accounts: vec![],
            data: data.to_vec(),
        };
        for kind in (2..=15).chain([17]) {
            for level in [0, 1, 2, 4, 5] {
                assert!(lighthouse(&[kind, level, 9]).is_pure_assert(), "{kind}");
            }
        }
        for data in [
            &[0, 0][..],
            &[1, 0],
            &[16, 0],
            &[18, 0],
            &[255, 0],
            &[5, 3],
            &[5, 6],
            &[5, 7],
            &[5],
            &[],
        ] {
            assert!(!lighthouse(data).is_pure_assert(), "{data:?}");
        }
        let elsewhere = Instruction {
            program: programs::MEMO,
            ..lighthouse(&[5, 0])
        };
        assert!(!elsewhere.is_pure_assert());
    }
}
