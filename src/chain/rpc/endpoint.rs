//! One endpoint: what is remembered about it between requests.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::secret::Secret;

/// How long a node that failed is asked after the others.
const DOWN: Duration = Duration::from_secs(10);
/// How long a node's word about which chain it is on counts.
const CHAIN_CHECK: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) url: Secret,
    /// Its place among those of its role, from 0: what it is called where its URL must not be shown.
    pub(super) index: usize,
    /// Whether it is one of those that transactions go to.
    pub(super) is_send: bool,
    /// When it last named our chain.
    checked: Mutex<Option<Instant>>,
    /// When it last could not be asked.
    failed: Mutex<Option<Instant>>,
    /// Whether it takes transactions and nothing else, as sequencers do: signed bytes name their chain themselves.
    is_send_only: bool,
}

/// What an endpoint is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Read,
    /// Transactions, by a node that answers reads as well.
    Send,
    /// Transactions and nothing else.
    SendOnly,
}

impl Endpoint {
    pub(super) fn all(urls: &[Secret], role: Role) -> Vec<Self> {
        let endpoint = |(index, url): (usize, &Secret)| Self {
            url: url.clone(),
            index,
            is_send: role != Role::Read,
            checked: Mutex::new(None),
            failed: Mutex::new(None),
            is_send_only: role == Role::SendOnly,
        };
        urls.iter().enumerate().map(endpoint).collect()
    }

    pub(super) fn is_checked(&self) -> bool {
        let checked = *self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_send_only || checked.is_some_and(|at| at.elapsed() < CHAIN_CHECK)
    }

    /// Whether the last request was answered, by a node that named the right chain.
    pub(super) fn is_up(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_none() && self.is_checked()
    }

    /// Whether it failed a moment ago: then the others are asked first.
    pub(super) fn is_down(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < DOWN)
    }

    pub(super) fn note_answered(&self, answered: bool) {
        let failed = if answered { None } else { Some(Instant::now()) };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    pub(super) fn note_checked(&self) {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// In configured order, those that failed a moment ago last.
pub(super) fn by_health(endpoints: &[Endpoint]) -> impl Iterator<Item = &Endpoint> {
    let up = endpoints.iter().filter(|endpoint| !endpoint.is_down());
    up.chain(endpoints.iter().filter(|endpoint| endpoint.is_down()))
}
