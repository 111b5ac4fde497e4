//! Requests under way, counted while they last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many requests of whom are under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    /// Whoever has none is not in it, so it is never larger than `all`.
    by_subject: HashMap<String, u32>,
}

/// Whose number is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    All,
    Subject,
}

/// One request under way, until dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    subject: String,
}

impl Seats {
    pub(super) fn take(
        &self,
        subject: String,
        most_of_subject: Option<u32>,
        most_of_all: Option<u32>,
    ) -> Result<Seat, Full> {
        let mut taken = self.lock();
        if most_of_all.is_some_and(|most| taken.all >= most) {
            return Err(Full::All);
        }
        let of_subject = taken.by_subject.get(&subject).copied().unwrap_or(0);
        if most_of_subject.is_some_and(|most| of_subject >= most) {
            return Err(Full::Subject);
        }
        taken.all = taken.all.saturating_add(1);
        taken
            .by_subject
            .insert(subject.clone(), of_subject.saturating_add(1));
        drop(taken);
        Ok(Seat {
            seats: self.clone(),
            subject,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.all = taken.all.saturating_sub(1);
        match taken.by_subject.get_mut(&self.subject) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                taken.by_subject.remove(&self.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_when_its_request_ends() {
        let seats = Seats::default();
        let take = |subject: &str| seats.take(subject.to_owned(), Some(1), Some(2));
        let first = take("a").unwrap();
        assert_eq!(take("a").unwrap_err(), Full::Subject);
        let second = take("b").unwrap();
        assert_eq!(take("c").unwrap_err(), Full::All);
        drop(first);
        let third = take("a").unwrap();
        drop((second, third));
        assert!(seats.lock().by_subject.is_empty());
        assert_eq!(seats.lock().all, 0);
    }
}
