//! Wakes waiters of the same process at once. Only a speed-up: everybody also polls, so a missed or foreign event costs at most a poll.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Longest that anybody waits without looking at the database.
pub const POLL: Duration = Duration::from_millis(200);

const WEBHOOKS: &str = "webhooks";

#[derive(Debug, Default)]
pub(super) struct Bells(Mutex<HashMap<String, Arc<Notify>>>);

impl Bells {
    pub(super) fn ring(&self, name: &str) {
        if let Some(notify) = self.lock().get(name) {
            notify.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place at a bell. Take [`Bell::next`] before reading the row, so that a ring in between is not missed.
#[derive(Debug)]
pub struct Bell {
    bells: Arc<Bells>,
    name: String,
    notify: Arc<Notify>,
}

impl Bell {
    fn new(bells: Arc<Bells>, name: String) -> Self {
        let notify = Arc::clone(bells.lock().entry(name.clone()).or_default());
        Self {
            bells,
            name,
            notify,
        }
    }

    /// The next ring from now on; it counts from this call, not from the first poll.
    pub fn next(&self) -> OwnedNotified {
        Arc::clone(&self.notify).notified_owned()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut map = self.bells.lock();
        // The map's own and ours: nobody else waits here.
        if Arc::strong_count(&self.notify) <= 2 {
            map.remove(&self.name);
        }
    }
}

impl super::Store {
    /// Rings when the settlement's state changes in this process.
    pub fn settlement_bell(&self, id: &str) -> Bell {
        Bell::new(Arc::clone(&self.bells), id.to_owned())
    }

    /// Rings when a payment is queued for the network in this process.
    pub fn queue_bell(&self, network: &str) -> Bell {
        Bell::new(Arc::clone(&self.bells), queue_name(network))
    }

    /// Rings when bytes were sent on the network by this process: its watcher looks at once.
    pub fn sent_bell(&self, network: &str) -> Bell {
        Bell::new(Arc::clone(&self.bells), sent_name(network))
    }

    /// Rings when this process wrote messages for receivers of webhooks.
    pub fn webhooks_bell(&self) -> Bell {
        Bell::new(Arc::clone(&self.bells), WEBHOOKS.to_owned())
    }

    /// After a commit that may have written some.
    pub(super) fn ring_webhooks(&self) {
        self.bells.ring(WEBHOOKS);
    }

    pub(super) fn ring_settlement(&self, id: &str) {
        self.bells.ring(id);
    }

    pub(super) fn ring_queue(&self, network: &str) {
        self.bells.ring(&queue_name(network));
    }

    pub(super) fn ring_sent(&self, network: &str) {
        self.bells.ring(&sent_name(network));
    }
}

fn queue_name(network: &str) -> String {
    format!("queue {network}")
}

fn sent_name(network: &str) -> String {
    format!("sent {network}")
}
