//! Which payers had code a moment ago. Lets a bad signature be refused without asking the chain; nothing is ever accepted for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alloy::primitives::Address;

use crate::clock::UnixMillis;

/// How long it is believed: an account may get code at any block (a wallet is deployed, EIP-7702).
const BELIEVED_FOR: Duration = Duration::from_mins(1);
/// Most payers remembered.
const PAYERS_MAX: usize = 16_384;

/// Whether an account has code: routes its signature to ECDSA or to EIP-1271.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scheme) enum Payer {
    WithCode,
    WithoutCode,
}

/// Payers seen lately.
#[derive(Debug, Default)]
pub(in crate::scheme) struct Payers(Mutex<HashMap<Address, (Payer, UnixMillis)>>);

impl Payers {
    pub(in crate::scheme) fn seen(&self, address: Address, now: UnixMillis) -> Option<Payer> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (payer, at) = *seen.get(&address)?;
        is_fresh(at, now).then_some(payer)
    }

    pub(in crate::scheme) fn remember(&self, address: Address, payer: Payer, now: UnixMillis) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= PAYERS_MAX {
            seen.retain(|_, (_, at)| is_fresh(*at, now));
        }
        if seen.len() >= PAYERS_MAX {
            seen.clear();
        }
        seen.insert(address, (payer, now));
    }
}

fn is_fresh(at: UnixMillis, now: UnixMillis) -> bool {
    now < at.plus(BELIEVED_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_after_a_minute() {
        let payers = Payers::default();
        let (address, seen_at) = (Address::repeat_byte(1), UnixMillis(1_000_000));
        assert_eq!(payers.seen(address, seen_at), None);
        payers.remember(address, Payer::WithoutCode, seen_at);
        let almost = UnixMillis(seen_at.0 + 59_999);
        assert_eq!(payers.seen(address, almost), Some(Payer::WithoutCode));
        assert_eq!(payers.seen(address, UnixMillis(seen_at.0 + 60_000)), None);
    }

    #[test]
    fn the_latest_sight_counts() {
        let payers = Payers::default();
        let (address, now) = (Address::repeat_byte(1), UnixMillis(1_000_000));
        payers.remember(address, Payer::WithoutCode, now);
        payers.remember(address, Payer::WithCode, now);
        assert_eq!(payers.seen(address, now), Some(Payer::WithCode));
    }

    #[test]
    fn is_bounded() {
        let payers = Payers::default();
        for n in 0..=PAYERS_MAX as u64 {
            let address = Address::from_word(alloy::primitives::U256::from(n).into());
            payers.remember(address, Payer::WithoutCode, UnixMillis(1));
        }
        assert!(payers.0.lock().unwrap().len() <= PAYERS_MAX);
    }
}
