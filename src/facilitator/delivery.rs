//! A success is told once. The claim is committed before the answer is written, and given back when the request is dropped before it could be.

use tokio_util::task::TaskTracker;

use super::Parts;
use crate::observe;
use crate::store::{Delivery, Store};

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
    pub(super) fn new(parts: &Parts, settlement_id: &str, delivery: &Delivery) -> Self {
        Self {
            store: parts.store.clone(),
            tasks: parts.tasks.clone(),
            settlement_id: settlement_id.to_owned(),
            delivery: delivery.clone(),
            is_open: true,
        }
    }

    /// Claims the delivery. True when the caller is the one to be told; it must then answer without waiting for anything more.
    pub(super) async fn take(mut self) -> bool {
        // Dropped inside this await, the commit may or may not have happened: then `drop` takes it back.
        match self.store.deliver(&self.settlement_id, &self.delivery).await {
            Ok(is_ours) => {
                self.is_open = false;
                is_ours
            }
            Err(cause) => {
                observe::store_trouble(&cause);
                // The same delivery is claimed again by the next look at the row.
                self.is_open = false;
                false
            }
        }
    }
}

impl Drop for DeliveryClaim {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let (store, id, delivery) = (self.store.clone(), self.settlement_id.clone(), self.delivery.clone());
        self.tasks.spawn(async move {
            if let Err(cause) = store.undeliver(&id, &delivery).await {
                observe::store_trouble(&cause);
            }
        });
    }
}
