//! Our keys on one network, and whose turn it is to be advertised.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use solana_pubkey::Pubkey;

use crate::clock::UnixMillis;

/// How long one key is shown. Not one answer: stock servers of version 1 ask for `/supported` when they name a price and again when it is paid, and
/// replicas, theirs and ours, are to show one key.
const TURN: Duration = Duration::from_mins(10);

/// Every key that pays fees. Any of them may be named in a payment; sellers name the one that they were shown.
#[derive(Debug)]
pub struct FeePayers {
    keys: Vec<Key>,
    /// Counts the turns since 1970.
    turn: AtomicU64,
}

#[derive(Debug)]
struct Key {
    address: Pubkey,
    is_paused: AtomicBool,
}

impl FeePayers {
    pub fn new(addresses: impl IntoIterator<Item = Pubkey>) -> Self {
        let key = |address| Key {
            address,
            is_paused: AtomicBool::new(false),
        };
        Self {
            keys: addresses.into_iter().map(key).collect(),
            turn: AtomicU64::new(0),
        }
    }

    pub fn addresses(&self) -> Vec<Pubkey> {
        self.keys.iter().map(|key| key.address).collect()
    }

    /// Whether another key could pay where one cannot.
    pub(super) fn has_choice(&self) -> bool {
        self.keys.len() > 1
    }

    /// Notes whether the lane of a key is paused, whichever process works it.
    pub(super) fn note(&self, address: &Pubkey, is_paused: bool) {
        let known = self.keys.iter().find(|key| key.address == *address);
        if let Some(key) = known {
            key.is_paused.store(is_paused, Ordering::Relaxed);
        }
    }

    /// Lets the key have its turn whose time has come.
    pub fn turn(&self, now: UnixMillis) {
        self.turn
            .store(now.as_secs() / TURN.as_secs(), Ordering::Relaxed);
    }

    /// The key whose turn it is: they take turns as long as they can pay. With none that can, all do: the trouble may pass before the payment
    /// comes. `None` without keys.
    pub fn current(&self) -> Option<Pubkey> {
        let mut able: Vec<&Key> = self.keys.iter().collect();
        able.retain(|key| !key.is_paused.load(Ordering::Relaxed));
        if able.is_empty() {
            able.extend(&self.keys);
        }
        let count = u64::try_from(able.len()).unwrap_or(u64::MAX);
        let place = self.turn.load(Ordering::Relaxed).checked_rem(count)?;
        let place = usize::try_from(place).ok()?;
        Some(able.get(place)?.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown in so many turns, from the first one on.
    fn shown(keys: &FeePayers, turns: i64) -> Vec<Option<u8>> {
        let show = |turn: i64| {
            let in_it = [0, 599_999].map(|after| {
                keys.turn(UnixMillis(turn * 600_000 + after));
                keys.current().map(|key| key.to_bytes()[0])
            });
            assert_eq!(in_it[0], in_it[1], "one key for all of a turn");
            in_it[0]
        };
        (0..turns).map(show).collect()
    }

    #[test]
    fn keys_that_can_pay_take_turns() {
        let address = |n| Pubkey::new_from_array([n; 32]);
        let keys = FeePayers::new([1, 2, 3].map(address));
        assert_eq!(shown(&keys, 4), [1, 2, 3, 1].map(Some));
        keys.note(&address(2), true);
        assert_eq!(shown(&keys, 4), [1, 3, 1, 3].map(Some));
        keys.note(&address(2), false);
        assert_eq!(shown(&keys, 3), [1, 2, 3].map(Some));
        for n in 1..=3 {
            keys.note(&address(n), true);
        }
        assert_eq!(shown(&keys, 3), [1, 2, 3].map(Some));
        assert_eq!(FeePayers::new([]).current(), None);
    }
}
