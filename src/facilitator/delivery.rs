//! A success is told once. The claim is committed before the answer is written, and given back when the request is dropped before it could be.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::Parts;
use crate::observe;
use crate::store::{Delivered, Delivery, Store};

/// Pauses between the tries to give a claim back.
const GIVE_BACK_WAITS: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::ZERO,
];

/// The right to tell a success, held while it is being claimed.
pub(super) struct DeliveryClaim {
    store: Store,
    tasks: TaskTracker,
    settlement_id: String,
    delivery: Delivery,
    /// Whether dropping this gives the claim back.
    is_open: bool,
}

impl DeliveryClaim {
    /// Nothing is claimed yet.
    pub(super) fn new(parts: &Parts, settlement_id: &str, delivery: Delivery) -> Self {
        Self {
            store: parts.store.clone(),
            tasks: parts.tasks.clone(),
            settlement_id: settlement_id.to_owned(),
            delivery,
            is_open: false,
        }
    }

    /// Claims the delivery. True when the caller is the one to be told; it must then answer without waiting for anything more.
    pub(super) async fn take(&mut self) -> bool {
        // Dropped inside this await, or failed, the commit may or may not have happened: the claim stays open until a look at the row says so.
        self.is_open = true;
        let (tell, told) = oneshot::channel();
        let (store, id, delivery) = self.named();
        // In a task of its own, which a dropped request cannot leave half done: a claim given back must not come about after that.
        let claiming = async move {
            let claimed = store.deliver(&id, &delivery).await;
            if tell.send(claimed).is_err() {
                give_back(&store, &id, &delivery).await;
            }
        };
        self.tasks.spawn(claiming.in_current_span());
        match told.await {
            Ok(Ok(is_ours)) => {
                self.is_open = false;
                is_ours
            }
            Ok(Err(cause)) => {
                observe::store_trouble(&cause);
                false
            }
            // The runtime is going down.
            Err(_) => false,
        }
    }

    fn named(&self) -> (Store, String, Delivery) {
        (
            self.store.clone(),
            self.settlement_id.clone(),
            self.delivery.clone(),
        )
    }

    /// Whether a row's delivery is this very one, claimed by a commit whose answer got lost. It must be told now.
    pub(super) fn recognise(&mut self, delivered: &Delivered) -> bool {
        let is_ours = delivered.id == self.delivery.id;
        if is_ours {
            self.is_open = false;
        }
        is_ours
    }
}

impl Drop for DeliveryClaim {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let (store, id, delivery) = self.named();
        let giving_back = async move { give_back(&store, &id, &delivery).await };
        self.tasks.spawn(giving_back.in_current_span());
    }
}

/// Tried a few times: a claim that stays is a success that nobody hears.
async fn give_back(store: &Store, id: &str, delivery: &Delivery) {
    for wait in GIVE_BACK_WAITS {
        match store.undeliver(id, delivery).await {
            Ok(()) => return,
            Err(cause) => observe::store_trouble(&cause),
        }
        sleep(wait).await;
    }
}
