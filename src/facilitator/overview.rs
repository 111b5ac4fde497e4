//! The service at a glance: how its networks stand, what was settled lately. Looked up at most once a second, however many look.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Facilitator, Unavailable};
use crate::clock::UnixMillis;
use crate::observe::{self, Purse};
use crate::store::{self, Recent};

const FRESH: Duration = Duration::from_secs(1);
/// Settlements that the median latency is taken of.
const RECENT: u32 = 200;
const HOUR: i64 = 3_600_000;
/// Hours that are told, the one under way included.
pub(super) const HOURS: usize = 24;

/// What there is to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    pub networks: Vec<NetworkView>,
    /// Settlements by hour, oldest first; the last hour is under way.
    pub by_hour: [u64; HOURS],
    /// From the request to the proof on chain, over the newest settlements.
    pub median_latency: Option<Duration>,
    /// Newest first.
    pub recent: Vec<Recent>,
    /// How long this process has been up.
    pub uptime: Duration,
    /// When this was looked up.
    pub at: UnixMillis,
}

/// A network, from the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkView {
    pub network: String,
    /// Whether a payment would be settled now.
    pub is_ready: bool,
    pub nodes_up: usize,
    pub nodes: usize,
    /// Block number or slot, as last looked at.
    pub head: Option<u64>,
    pub head_age: Option<Duration>,
    pub lanes: Vec<LaneView>,
}

/// A signer's lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneView {
    pub signer: String,
    pub is_leased: bool,
    pub next_nonce: Option<u64>,
    pub paused: Option<String>,
    pub purse: Purse,
}

impl Overview {
    pub fn settled(&self) -> u64 {
        self.by_hour.iter().sum()
    }
}

/// What was seen last, and the hours that are over: those are not counted again.
#[derive(Debug)]
pub(super) struct Cache {
    started: Instant,
    last: Mutex<Option<(Instant, Arc<Overview>)>>,
    hours: Mutex<BTreeMap<i64, u64>>,
    is_looking: AtomicBool,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            last: Mutex::default(),
            hours: Mutex::default(),
            is_looking: AtomicBool::new(false),
        }
    }
}

impl Facilitator {
    /// The overview, at most a second old, or a little older while somebody else looks.
    ///
    /// # Errors
    /// The database does not answer, and never did.
    pub async fn overview(&self) -> Result<Arc<Overview>, Unavailable> {
        let known = self.overview.last();
        if let Some((at, overview)) = &known {
            let is_looking = self.overview.is_looking.load(Ordering::Relaxed);
            if at.elapsed() < FRESH || is_looking {
                return Ok(Arc::clone(overview));
            }
        }
        let _looking = Looking::begin(&self.overview.is_looking);
        match self.look().await {
            Ok(overview) => {
                let overview = Arc::new(overview);
                self.overview.keep(Arc::clone(&overview));
                Ok(overview)
            }
            Err(cause) => {
                observe::store_trouble(&cause);
                Err(Unavailable)
            }
        }
    }

    async fn look(&self) -> store::Result<Overview> {
        let now = self.parts.clock.now();
        let this_hour = now.0.div_euclid(HOUR);
        let oldest = this_hour - i64::try_from(HOURS).unwrap_or(0) + 1;
        // The hour before may still have been counted before its last settlement was written.
        let from = self.overview.counted_until(oldest).max(oldest);
        let store = &self.parts.store;
        let (recent, counts, standings) = tokio::join!(
            store.recently_settled(RECENT),
            store.settled_since(from),
            self.standings()
        );
        let (recent, counts) = (recent?, counts?);
        let counts = counts.iter().map(|count| (count.hour, count.settled));
        let networks = standings.iter().flatten().map(NetworkView::from);
        Ok(Overview {
            networks: networks.collect(),
            by_hour: self.overview.count(from, this_hour, counts),
            median_latency: median(&recent),
            recent,
            uptime: self.overview.started.elapsed(),
            at: now,
        })
    }
}

impl Cache {
    fn last(&self) -> Option<(Instant, Arc<Overview>)> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    fn keep(&self, overview: Arc<Overview>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), overview));
    }

    pub(super) fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The first hour that has to be counted again: the one before the newest known.
    fn counted_until(&self, oldest: i64) -> i64 {
        let hours = self.hours.lock().unwrap_or_else(PoisonError::into_inner);
        hours.keys().next_back().map_or(oldest, |newest| newest - 1)
    }

    /// Takes in the counts of the hours from `from` on, and tells all up to `this_hour`.
    fn count(
        &self,
        from: i64,
        this_hour: i64,
        counts: impl Iterator<Item = (i64, u64)>,
    ) -> [u64; HOURS] {
        let mut hours = self.hours.lock().unwrap_or_else(PoisonError::into_inner);
        hours.retain(|hour, _| *hour < from);
        hours.extend(counts);
        hours.entry(this_hour).or_insert(0);
        let oldest = this_hour - i64::try_from(HOURS).unwrap_or(0) + 1;
        hours.retain(|hour, _| *hour >= oldest);
        let mut told = [0; HOURS];
        for (slot, hour) in told.iter_mut().zip(oldest..) {
            *slot = hours.get(&hour).copied().unwrap_or(0);
        }
        told
    }
}

/// Says that somebody looks, until it is dropped: a request that is given up looks no more.
struct Looking<'a>(&'a AtomicBool);

impl<'a> Looking<'a> {
    fn begin(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::Relaxed);
        Self(flag)
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn median(recent: &[Recent]) -> Option<Duration> {
    let took = |recent: &Recent| UnixMillis(recent.created_at).until(UnixMillis(recent.settled_at));
    let mut latencies: Vec<Duration> = recent.iter().map(took).collect();
    latencies.sort_unstable();
    latencies.get(latencies.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_that_are_over_are_counted_once() {
        let cache = Cache::default();
        assert_eq!(cache.counted_until(77), 77);
        let first = cache.count(77, 100, [(98, 5), (99, 7), (100, 1)].into_iter());
        assert_eq!(first[21..], [5, 7, 1]);
        assert_eq!(cache.counted_until(77), 99);
        let second = cache.count(99, 100, [(99, 8), (100, 2)].into_iter());
        assert_eq!(second[21..], [5, 8, 2]);
        let later = cache.count(99, 122, [(122, 3)].into_iter());
        assert_eq!((later[0], later[23]), (0, 3), "what is a day old is gone");
        assert_eq!(later.iter().sum::<u64>(), 3);
    }
}
