//! The wiring of webhooks: one task per receiver, so that a slow one delays nobody else.

use std::time::Duration;

use anyhow::Context;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::config::Config;
use crate::egress::{Egress, Reach};
use crate::lifecycle::Lifecycle;
use crate::observe;
use crate::store::{Outbox, Store};
use crate::webhook::Courier;

/// How often old messages are forgotten, and how old they get.
const PRUNE_EVERY: Duration = Duration::from_hours(1);
const KEEP: Duration = Duration::from_hours(24 * 30);

/// Whom the store writes messages for.
pub(super) fn outbox(config: &Config) -> Outbox {
    let endpoints = config.webhooks.endpoints.iter();
    Outbox {
        endpoints: endpoints.map(|endpoint| endpoint.id.clone()).collect(),
        events: config.webhooks.events.clone(),
    }
}

pub(super) fn start(config: &Config, lifecycle: &Lifecycle, shared: &Shared) -> anyhow::Result<()> {
    let webhooks = &config.webhooks;
    if webhooks.endpoints.is_empty() {
        return Ok(());
    }
    let reach = if webhooks.allow_private {
        Reach::Anywhere
    } else {
        Reach::Public
    };
    let egress = Egress::new(reach).context("building the client for webhooks")?;
    for endpoint in &webhooks.endpoints {
        let (store, clock) = (shared.store.clone(), shared.clock.clone());
        let courier = Courier::new(endpoint.clone(), webhooks, egress.clone(), store, clock);
        lifecycle.spawn("webhooks", courier.run(lifecycle.stopping()));
    }
    let pruning = prune(shared.store.clone(), lifecycle.stopping());
    lifecycle.spawn("webhooks pruning", pruning);
    Ok(())
}

async fn prune(store: Store, stop: CancellationToken) {
    loop {
        let pruned = store.prune_webhooks(KEEP).await;
        pruned.inspect_err(observe::store_trouble).ok();
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(PRUNE_EVERY) => {}
        }
    }
}
