//! Answers that change nothing on record, told to those who asked for them: what hooks after verification, and after a refusal, are for.

use super::{Caller, Facilitator};
use crate::observe;
use crate::protocol::{Event, Payment};
use crate::scheme::Rejection;
use crate::store::{Answered, Store};

/// Notices that are written at once beside the answers. Beyond that answers wait for theirs, so that they cannot pile up.
pub(super) const AT_ONCE: usize = 32;

impl Facilitator {
    /// Tells what became of a payment; `rejection` says why it was refused. Off the response path as long as there is room.
    pub(super) async fn notify(
        &self,
        event: Event,
        payment: &Payment,
        caller: &Caller,
        payer: Option<&str>,
        rejection: Option<&Rejection>,
    ) {
        if !self.parts.store.tells(event) {
            return;
        }
        let terms = &payment.requirements;
        let claimed = rejection.and_then(|rejection| rejection.payer.clone());
        let answered = Answered {
            scheme: terms.scheme.clone(),
            network: payment.wire_network.clone(),
            asset: terms.asset.clone(),
            pay_to: terms.pay_to.clone(),
            amount: terms.amount.to_string(),
            payer: payer.map(ToOwned::to_owned).or(claimed),
            reason: rejection.map(|rejection| rejection.reason.as_str()),
            message: rejection.and_then(|rejection| rejection.message.clone()),
            caller: caller.as_str().to_owned(),
        };
        let writing = write(self.parts.store.clone(), event, answered);
        match std::sync::Arc::clone(&self.notices).try_acquire_owned() {
            Ok(room) => {
                self.parts.tasks.spawn(async move {
                    writing.await;
                    drop(room);
                });
            }
            Err(_) => writing.await,
        }
    }
}

async fn write(store: Store, event: Event, answered: Answered) {
    let written = store.tell_answered(event, answered).await;
    written.inspect_err(observe::store_trouble).ok();
}
