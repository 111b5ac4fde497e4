//! Rates in memory: a bounded number of token buckets, none of which a flood of newcomers can empty, refill or push out.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Buckets kept, about 32 bytes each.
const BUCKETS_MAX: usize = 65_536;
/// Least time between two looks for buckets that are full again.
const TIDY_PAUSE: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// A bucket per subject. A full bucket is as good as none and is forgotten; others stay. Where there is no room for another, newcomers
/// share one.
#[derive(Debug)]
pub(super) struct Buckets {
    most: usize,
    began: Instant,
    /// Subjects by their hash under a secret of this process: two that share one are unlikely, and nobody can choose them.
    hasher: RandomState,
    kept: Mutex<Kept>,
}

/// When a bucket will be full again, as time since `began`: taking a token moves it by one interval.
type FullAt = Duration;

#[derive(Debug, Default)]
struct Kept {
    buckets: HashMap<u64, FullAt>,
    shared: FullAt,
    tidied: Duration,
}

impl Buckets {
    pub(super) fn new() -> Self {
        Self::with_room_for(BUCKETS_MAX)
    }

    fn with_room_for(most: usize) -> Self {
        Self {
            most,
            began: Instant::now(),
            hasher: RandomState::new(),
            kept: Mutex::default(),
        }
    }

    /// Takes a token of the subject's `per_minute`, all of which may be taken at once.
    ///
    /// # Errors
    /// How long until the next one.
    pub(super) fn take(&self, subject: &str, per_minute: Option<u32>) -> Result<(), Duration> {
        self.take_at(subject, per_minute, self.began.elapsed(), Take::One)
    }

    /// Whether a token is there to be taken.
    ///
    /// # Errors
    /// How long until the next one.
    pub(super) fn look(&self, subject: &str, per_minute: Option<u32>) -> Result<(), Duration> {
        self.take_at(subject, per_minute, self.began.elapsed(), Take::None)
    }

    /// Takes a token whether or not one is there: the next ones come later then.
    pub(super) fn charge(&self, subject: &str, per_minute: Option<u32>) {
        // Only a token that is not there is an error, and that is what this is for.
        let _ = self.take_at(subject, per_minute, self.began.elapsed(), Take::Debt);
    }

    fn take_at(
        &self,
        subject: &str,
        per_minute: Option<u32>,
        now: Duration,
        take: Take,
    ) -> Result<(), Duration> {
        let Some(per_minute) = per_minute else {
            return Ok(());
        };
        if per_minute == 0 {
            return Err(MINUTE);
        }
        let interval = MINUTE / per_minute;
        let hash = self.hasher.hash_one(subject);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = kept.of(hash, now, self.most);
        let filled = full_at.max(now) + interval;
        let wait = filled.saturating_sub(now + MINUTE);
        if take == Take::Debt || (take == Take::One && wait.is_zero()) {
            kept.set(hash, filled, self.most);
        }
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    One,
    None,
    Debt,
}

impl Kept {
    fn of(&mut self, hash: u64, now: Duration, most: usize) -> FullAt {
        if let Some(full_at) = self.buckets.get(&hash) {
            return *full_at;
        }
        if self.buckets.len() >= most && now >= self.tidied + TIDY_PAUSE {
            self.tidied = now;
            self.buckets.retain(|_, full_at| *full_at > now);
        }
        if self.buckets.len() >= most {
            return self.shared;
        }
        FullAt::ZERO
    }

    fn set(&mut self, hash: u64, full_at: FullAt, most: usize) {
        if self.buckets.len() >= most && !self.buckets.contains_key(&hash) {
            self.shared = full_at;
            return;
        }
        self.buckets.insert(hash, full_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_no_more() {
        for rate in [1, 2, 3, 7, 60, 59_999] {
            let buckets = Buckets::new();
            let take = |now| buckets.take_at("a", Some(rate), now, Take::One);
            for n in 0..rate {
                assert_eq!(take(at(0)), Ok(()), "{n} of {rate}");
            }
            let wait = take(at(0)).unwrap_err();
            assert!(wait <= MINUTE / rate, "{rate}: {wait:?}");
            assert_eq!(take(wait), Ok(()), "{rate}");
            assert!(take(wait).is_err(), "{rate}");
        }
    }

    #[test]
    fn looking_takes_nothing() {
        let buckets = Buckets::new();
        for _ in 0..3 {
            assert_eq!(buckets.look("a", Some(1)), Ok(()));
        }
        assert_eq!(buckets.take("a", Some(1)), Ok(()));
        assert!(buckets.look("a", Some(1)).is_err());
        assert_eq!(buckets.look("b", Some(1)), Ok(()));
    }

    #[test]
    fn what_was_charged_without_a_token_is_missing_later() {
        let buckets = Buckets::new();
        let take = |now, take| buckets.take_at("a", Some(2), now, take);
        for _ in 0..4 {
            take(at(0), Take::Debt).ok();
        }
        assert!(take(at(89), Take::None).is_err());
        assert_eq!(take(at(90), Take::None), Ok(()));
    }

    #[test]
    fn none_is_no_limit_and_zero_lets_nothing_through() {
        let buckets = Buckets::new();
        for _ in 0..1000 {
            assert_eq!(buckets.take("a", None), Ok(()));
        }
        assert!(buckets.take("a", Some(0)).is_err());
    }

    #[test]
    fn a_flood_of_newcomers_neither_grows_the_map_nor_resets_whoever_is_in_it() {
        let buckets = Buckets::with_room_for(8);
        let take = |subject: &str, now| buckets.take_at(subject, Some(2), now, Take::One);
        for _ in 0..2 {
            assert_eq!(take("hot", at(0)), Ok(()));
        }
        let passed = (0..10_000).filter(|n| take(&format!("newcomer {n}"), at(0)).is_ok());
        // Seven with a bucket of their own, and two tokens that the rest share.
        assert_eq!(passed.count(), 7 + 2);
        assert!(take("hot", at(1)).is_err());
        let kept = buckets.kept.lock().unwrap();
        assert_eq!(kept.buckets.len(), 8);
        drop(kept);
        // Once theirs are full again, there is room for others.
        assert_eq!(take("late", at(120)), Ok(()));
        assert_eq!(buckets.kept.lock().unwrap().buckets.len(), 1);
    }
}
