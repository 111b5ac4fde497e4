//! Our keys on one network, and whose turn it is to be advertised.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use solana_pubkey::Pubkey;

/// Every key that pays fees. Any of them may be named in a payment; sellers name the one that they were shown.
#[derive(Debug)]
pub struct FeePayers {
    keys: Vec<Key>,
    /// How often somebody was shown a key.
    turns: AtomicUsize,
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
            turns: AtomicUsize::new(0),
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

    /// Lets the next key have its turn.
    pub fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// The key whose turn it is: they take turns as long as they can pay. With none that can, all do: the trouble may pass before the payment
    /// comes. `None` without keys.
    pub fn current(&self) -> Option<Pubkey> {
        let mut able: Vec<&Key> = self.keys.iter().collect();
        able.retain(|key| !key.is_paused.load(Ordering::Relaxed));
        if able.is_empty() {
            able.extend(&self.keys);
        }
        let turn = self.turns.load(Ordering::Relaxed).saturating_sub(1);
        let place = turn.checked_rem(able.len())?;
        Some(able[place].address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(keys: &FeePayers, times: usize) -> Vec<Option<u8>> {
        let next = || {
            keys.turn();
            keys.current().map(|key| key.to_bytes()[0])
        };
        (0..times).map(|_| next()).collect()
    }

    #[test]
    fn keys_that_can_pay_take_turns() {
        let address = |n| Pubkey::new_from_array([n; 32]);
        let keys = FeePayers::new([1, 2, 3].map(address));
        assert_eq!(keys.current(), Some(address(1)));
        assert_eq!(shown(&keys, 4), [1, 2, 3, 1].map(Some));
        keys.note(&address(2), true);
        assert!(!shown(&keys, 6).contains(&Some(2)));
        keys.note(&address(2), false);
        assert!(shown(&keys, 3).contains(&Some(2)));
        for n in 1..=3 {
            keys.note(&address(n), true);
        }
        let mut all = shown(&keys, 3);
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3].map(Some));
        assert_eq!(FeePayers::new([]).current(), None);
    }
}
