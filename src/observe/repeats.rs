//! The same trouble every two seconds is one thing to know: it is said at once, and then once a minute with how often it was left out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::metrics::catalogue::SUPPRESSED;

/// How long the same is not said again.
const QUIET: Duration = Duration::from_mins(1);
/// Most different troubles that are remembered.
const REMEMBERED: usize = 512;

/// What was said of one trouble.
#[derive(Debug, Clone, Copy)]
struct Said {
    at: Instant,
    left_out: u64,
}

/// What was said lately.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<Option<HashMap<String, Said>>>);

impl Repeats {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether to say it now, and how often it was left out since it was said last; `None` to be quiet. `event` is from a closed set, `what` tells
    /// one trouble from another.
    pub(super) fn say(&self, event: &'static str, what: &[&str]) -> Option<u64> {
        let said = self.say_at(event, what, Instant::now());
        if said.is_none() {
            SUPPRESSED.count([event]);
        }
        said
    }

    fn say_at(&self, event: &str, what: &[&str], now: Instant) -> Option<u64> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = guard.get_or_insert_default();
        let mut key = format!("{event}\n{}", what.join("\n"));
        if said.len() >= REMEMBERED && !said.contains_key(&key) {
            said.retain(|_, before| now.duration_since(before.at) < QUIET);
            if said.len() >= REMEMBERED {
                // So many different troubles within a minute are one flood. Events are from a closed set: they always fit.
                event.clone_into(&mut key);
            }
        }
        if let Some(before) = said.get_mut(&key) {
            if now.duration_since(before.at) < QUIET {
                before.left_out += 1;
                return None;
            }
            let left_out = before.left_out;
            *before = Said {
                at: now,
                left_out: 0,
            };
            return Some(left_out);
        }
        let first = Said {
            at: now,
            left_out: 0,
        };
        said.insert(key, first);
        Some(0)
    }
}

/// What two causes have in common that differ only in a number or an id, so that a node which says a new one every time floods nothing.
pub(super) fn gist(cause: &str) -> String {
    let words = cause.split_whitespace();
    let words = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.take(24).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_same_once_a_minute_and_counts_the_rest() {
        let repeats = Repeats::new();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(repeats.say_at("e", &["a", "timed out"], at(0)), Some(0));
        assert_eq!(repeats.say_at("e", &["a", "timed out"], at(2)), None);
        assert_eq!(repeats.say_at("e", &["a", "refused"], at(3)), Some(0));
        assert_eq!(repeats.say_at("e", &["b", "timed out"], at(3)), Some(0));
        assert_eq!(repeats.say_at("e", &["a", "timed out"], at(59)), None);
        assert_eq!(repeats.say_at("e", &["a", "timed out"], at(60)), Some(2));
        assert_eq!(repeats.say_at("e", &["a", "timed out"], at(61)), None);
    }

    #[test]
    fn an_id_in_a_cause_makes_no_new_trouble() {
        let (one, two) = (
            "refused: request 0x12ab is bad",
            "refused: request 77 is bad",
        );
        assert_eq!(gist(one), "refused: request is bad");
        assert_eq!(gist(one), gist(two));
    }

    #[test]
    fn remembers_no_more_than_it_may() {
        let repeats = Repeats::new();
        let now = Instant::now();
        let said = (0..2 * REMEMBERED)
            .filter_map(|trouble| repeats.say_at("e", &[&trouble.to_string()], now))
            .count();
        assert_eq!(said, REMEMBERED + 1, "the rest is one flood");
        let guard = repeats.0.lock().unwrap();
        assert_eq!(guard.as_ref().unwrap().len(), REMEMBERED + 1);
    }
}
