//! The wiring of keys, limits, and what SIGHUP reads again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::config::{Config, Limits as Rules};
use crate::facilitator::Limits;
use crate::http::Keyring;
use crate::lifecycle::Lifecycle;
use crate::observe;
use crate::protocol::Network;
use crate::reload::{Hangups, Reload, Reloadable};
use crate::store::Store;

/// How often days gone by are forgotten.
const PRUNE_EVERY: Duration = Duration::from_hours(1);
/// UTC days of daily numbers and of gas that are kept.
const QUOTA_DAYS: i64 = 2;
const FEE_DAYS: i64 = 90;

pub(super) struct Access {
    keyring: Option<Arc<Keyring>>,
    rules: Arc<Reloadable<Rules>>,
}

impl Access {
    pub(super) async fn open(config: &Config, shared: &Shared) -> anyhow::Result<Self> {
        let keyring = if config.auth.api_keys {
            let keyring = Keyring::open(shared.store.clone()).await;
            Some(Arc::new(keyring.context("reading the API keys")?))
        } else {
            None
        };
        let is_locked = keyring.as_ref().is_some_and(|keyring| keyring.is_empty());
        if is_locked && config.auth.tokens.is_empty() {
            observe::note(
                "no API key is in use: nobody may verify or settle. Make one: x402-facilitator keys create --name …",
            );
        }
        let file = config.limits.file.clone();
        let read = move || Rules::read(file.as_deref());
        let rules = Reloadable::new("LIMITS_FILE", config.limits.initial, read);
        Ok(Self {
            keyring,
            rules: Arc::new(rules),
        })
    }

    pub(super) fn keyring(&self) -> Option<Arc<Keyring>> {
        self.keyring.clone()
    }

    pub(super) fn limits(&self, config: &Config, shared: &Shared) -> Limits {
        let (store, clock) = (shared.store.clone(), shared.clock.clone());
        Limits::new(Arc::clone(&self.rules), budgets(config), store, clock)
    }

    pub(super) fn start(self, lifecycle: &Lifecycle, shared: &Shared) {
        if let Some(keyring) = self.keyring {
            lifecycle.spawn("keys", keyring.keep_fresh(lifecycle.stopping()));
        }
        let sections: Vec<Arc<dyn Reload>> = vec![self.rules];
        let reloading = Hangups::listen().reload(sections, lifecycle.stopping());
        lifecycle.spawn("reload", reloading);
        lifecycle.spawn("pruning", prune(shared.store.clone(), lifecycle.stopping()));
    }
}

/// What the keys of a network may spend in a day together, in billionths of the native coin: gwei, lamports.
fn budgets(config: &Config) -> BTreeMap<Network, i64> {
    let evm = config.evm.networks.iter().map(|network| {
        let gwei = network.daily_spend_cap / 1_000_000_000;
        (&network.network, gwei, config.evm.keys.len())
    });
    let svm = config.svm.networks.iter().map(|network| {
        let lamports = network.daily_spend_cap;
        (&network.network, lamports, config.svm.keys.len())
    });
    let sum = |cap: u128, keys: usize| {
        let keys = u128::try_from(keys).unwrap_or(u128::MAX);
        i64::try_from(cap.saturating_mul(keys)).unwrap_or(i64::MAX)
    };
    evm.chain(svm)
        .map(|(network, cap, keys)| (network.clone(), sum(cap, keys)))
        .collect()
}

/// Forgets days gone by, now and then.
async fn prune(store: Store, stop: CancellationToken) {
    loop {
        for pruned in [
            store.prune_quotas(QUOTA_DAYS).await,
            store.prune_fees(FEE_DAYS).await,
        ] {
            pruned.inspect_err(observe::store_trouble).ok();
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(PRUNE_EVERY) => {}
        }
    }
}
