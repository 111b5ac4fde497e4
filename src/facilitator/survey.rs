//! Looks around from time to time, so that operators see what is wrong before payers do: how much waits, who works, what signers have.
//! Nothing here decides about a payment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::standing::{Holds, Standing};
use crate::chain::pulse::{Account, Pulse};
use crate::clock::Clock;
use crate::observe::{self, Backlog, Purse};
use crate::store::{self, Cost, Store};

/// How often the database is looked at.
const STORE: Duration = Duration::from_secs(5);
/// How often a network's nodes are asked: one request each time.
const CHAIN: Duration = Duration::from_mins(1);
/// The same while they do not answer, or a signer has nothing: somebody is at work on it and wants to see the end of it.
const CHAIN_SOON: Duration = Duration::from_secs(10);
/// How long anybody waits for the first look.
const PATIENCE: Duration = Duration::from_secs(2);
const WEI_PER_GWEI: u128 = 1_000_000_000;

/// What was seen lately.
pub struct Survey {
    store: Store,
    clock: Clock,
    pulses: Vec<Arc<Pulse>>,
    holds: Holds,
    purses: Mutex<HashMap<(String, String), Purse>>,
    looked: watch::Sender<bool>,
    /// A network was looked at: what is told of its signers is old.
    news: Notify,
    draining: CancellationToken,
}

impl Survey {
    pub fn new(
        store: Store,
        clock: Clock,
        pulses: Vec<Arc<Pulse>>,
        draining: CancellationToken,
    ) -> Self {
        for pulse in &pulses {
            observe::signers(&pulse.network, &pulse.signers);
        }
        Self {
            store,
            clock,
            pulses,
            holds: Holds::default(),
            purses: Mutex::default(),
            looked: watch::Sender::new(false),
            news: Notify::new(),
            draining,
        }
    }

    /// Runs until `stop`. Networks are asked side by side: one that hangs delays no other, and not the look at the database.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let watching = async {
            let networks = join_all(self.pulses.iter().map(|pulse| self.watch(pulse)));
            tokio::join!(networks, self.watch_store(), self.tell_first());
        };
        tokio::select! {
            () = watching => {}
            () = stop.cancelled() => {}
        }
    }

    /// Every network was asked once, whether or not it answered.
    async fn tell_first(&self) {
        join_all(self.pulses.iter().map(|pulse| pulse.looked())).await;
        self.looked.send_replace(true);
    }

    /// Waits until there is something to tell, and not for long.
    pub(super) async fn ready_to_tell(&self) {
        let mut looked = self.looked.subscribe();
        let first = looked.wait_for(|looked| *looked);
        if !self.pulses.is_empty() {
            let _ = timeout(PATIENCE, first).await;
        }
    }

    async fn watch(&self, pulse: &Pulse) {
        loop {
            let looked = pulse.look(self.clock.now().as_secs()).await;
            if let Err(cause) = &looked {
                observe::chain_trouble(&pulse.network, cause);
            }
            self.news.notify_one();
            let pause = if looked.is_ok() && has_funds(pulse) {
                CHAIN
            } else {
                CHAIN_SOON
            };
            sleep(pause).await;
        }
    }

    async fn watch_store(&self) {
        loop {
            observe::tick();
            if let Err(cause) = self.look_at_store().await {
                observe::store_trouble(&cause);
                observe::ready(false);
            }
            tokio::select! {
                () = sleep(STORE) => {}
                () = self.news.notified() => {}
            }
        }
    }

    async fn look_at_store(&self) -> store::Result<()> {
        let connections = self.store.connections();
        observe::connections(connections.used, connections.idle, connections.most);
        let costs = self.store.recent_costs().await?;
        for pulse in &self.pulses {
            self.look_at_backlog(pulse).await?;
            self.look_at_purses(pulse, &costs).await?;
        }
        let standings = self.standings().await?;
        for standing in &standings {
            standing.observe();
        }
        let can_settle = standings.is_empty() || standings.iter().any(Standing::can_settle);
        observe::ready(can_settle && !self.draining.is_cancelled());
        Ok(())
    }

    async fn look_at_backlog(&self, pulse: &Pulse) -> store::Result<()> {
        let network = &pulse.network;
        let waiting = [
            ("queued", self.store.waiting(network, "queued").await?),
            ("submitted", self.store.waiting(network, "submitted").await?),
            ("not_final", self.store.waiting_for_finality(network).await?),
        ];
        let now = self.clock.now();
        for (state, waiting) in waiting {
            let oldest = waiting.oldest.map(crate::clock::UnixMillis);
            observe::backlog(Backlog {
                network,
                state,
                count: waiting.count,
                oldest: oldest.map_or(Duration::ZERO, |oldest| oldest.until(now)),
            });
        }
        Ok(())
    }

    async fn look_at_purses(&self, pulse: &Pulse, costs: &[Cost]) -> store::Result<()> {
        let shown = pulse.shown();
        let in_flight = self.store.in_flight_counts(&pulse.network).await?;
        for (index, signer) in pulse.signers.iter().enumerate() {
            let account = shown.as_ref().and_then(|shown| shown.signers.get(index));
            let balance = account.and_then(|account| account.balance);
            let typical = shown.as_ref().map(|shown| shown.typical_cost);
            let cost = mean_cost(costs, pulse.network.as_str(), signer).or(typical);
            let spent = self.store.spent_today(&pulse.network, signer).await?;
            let open = in_flight.iter().find(|(name, _)| name == signer);
            let funds = Purse {
                balance,
                runway: balance
                    .zip(cost)
                    .and_then(|(balance, cost)| balance.checked_div(cost)),
                spent_today: Some(u128::try_from(spent).unwrap_or(0) * WEI_PER_GWEI),
                daily_cap: Some(pulse.daily_cap),
                in_flight: Some(open.map_or(0, |(_, open)| *open)),
            };
            observe::purse(&pulse.network, signer, funds);
            let nonces = account.map(|account| (account.latest_nonce, account.pending_nonce));
            let (latest, pending) = nonces.unwrap_or_default();
            for (kind, nonce) in [("latest", latest), ("pending", pending)] {
                if let Some(nonce) = nonce {
                    observe::nonces(&pulse.network, signer, kind, nonce);
                }
            }
            let key = (pulse.network.to_string(), signer.clone());
            let mut purses = self.purses.lock().unwrap_or_else(PoisonError::into_inner);
            purses.insert(key, funds);
        }
        Ok(())
    }

    /// How every network stands, from its lanes' rows as they are now and from what was seen lately of its nodes.
    pub(super) async fn standings(&self) -> store::Result<Vec<Standing>> {
        let rows = self.store.lanes().await?;
        let now = Instant::now();
        for row in &rows {
            self.holds.note(row, now);
        }
        let purses = self.purses.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self
            .pulses
            .iter()
            .map(|pulse| Standing::new(pulse, &rows, &self.holds, &purses))
            .collect())
    }
}

fn has_funds(pulse: &Pulse) -> bool {
    let shown = pulse.shown();
    let is_funded = |account: &Account| account.balance.is_some_and(|balance| balance > 0);
    shown.is_some_and(|shown| shown.signers.iter().all(is_funded))
}

/// What one payment of a signer cost lately: billionths of billionths of the native coin.
fn mean_cost(costs: &[Cost], network: &str, signer: &str) -> Option<u128> {
    let ours = costs
        .iter()
        .filter(|cost| cost.network == network && cost.signer == signer);
    let (wei, payments) = ours.fold((0_u128, 0_u128), |(wei, payments), cost| {
        let gwei = u128::try_from(cost.gwei).unwrap_or(0);
        (
            wei.saturating_add(gwei.saturating_mul(WEI_PER_GWEI)),
            payments.saturating_add(cost.payments.into()),
        )
    });
    wei.checked_div(payments).filter(|cost| *cost > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payments_cost_is_the_mean_of_its_signers_own() {
        let cost = |network: &str, signer: &str, gwei, payments| Cost {
            network: network.to_owned(),
            signer: signer.to_owned(),
            gwei,
            payments,
        };
        let costs = [
            cost("a", "x", 100, 1),
            cost("a", "x", 300, 3),
            cost("a", "y", 9_000, 1),
            cost("b", "x", 9_000, 1),
            cost("a", "x", 100, 1),
        ];
        assert_eq!(mean_cost(&costs, "a", "x"), Some(100 * WEI_PER_GWEI));
        assert_eq!(mean_cost(&costs, "c", "x"), None);
        let noop = [cost("a", "x", 100, 0)];
        assert_eq!(mean_cost(&noop, "a", "x"), None, "a noop pays nobody");
    }
}
