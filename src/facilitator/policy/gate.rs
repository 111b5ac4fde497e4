//! What payers must hold. Balances are of the verified payer, never of a claimed one, and are believed for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use crate::chain::{Balances, Error};
use crate::clock::{Clock, UnixMillis};
use crate::config::policy::{self, Gate};
use crate::protocol::{Network, Party, Reason};
use crate::scheme::Rejection;

/// Most balances remembered.
const BALANCES_MAX: usize = 16_384;
/// Longest that reading one may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The gates and the ways to read what they ask for.
pub struct Gates {
    any_of: Vec<Gate>,
    fail_open: bool,
    keep: Duration,
    networks: BTreeMap<Network, Arc<dyn Balances>>,
    clock: Clock,
    seen: Mutex<HashMap<(usize, Party), (bool, UnixMillis)>>,
}

/// What a gate says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Enough,
    TooLittle,
    Unknown,
}

impl Gates {
    pub fn new(
        rules: &policy::Policy,
        networks: BTreeMap<Network, Arc<dyn Balances>>,
        clock: Clock,
    ) -> Self {
        Self {
            any_of: rules.gates.clone(),
            fail_open: rules.gate_fail_open,
            keep: rules.gate_cache,
            networks,
            clock,
            seen: Mutex::default(),
        }
    }

    /// Lets whoever passes any gate in. A payer on one family of networks holds nothing on another.
    pub(super) async fn admit(&self, network: &Network, payer: &str) -> Result<(), Rejection> {
        if self.any_of.is_empty() {
            return Ok(());
        }
        let mut is_unknown = false;
        for (index, gate) in self.any_of.iter().enumerate() {
            if gate.network.family() != network.family() {
                continue;
            }
            match self.held(index, gate, payer).await {
                Held::Enough => return Ok(()),
                Held::TooLittle => {}
                Held::Unknown => is_unknown = true,
            }
        }
        if !is_unknown {
            let message = "the payer does not hold enough of a token that is asked for here";
            return Err(Rejection::new(Reason::PolicyTokenGate).because(message));
        }
        if self.fail_open {
            return Ok(());
        }
        let message = "what the payer holds could not be read";
        Err(Rejection::new(Reason::PolicyUnavailable).because(message))
    }

    async fn held(&self, index: usize, gate: &Gate, payer: &str) -> Held {
        let key = (index, Party::of(payer));
        let now = self.clock.now();
        if let Some(enough) = self.remembered(&key, now) {
            return if enough {
                Held::Enough
            } else {
                Held::TooLittle
            };
        }
        let Some(balances) = self.networks.get(&gate.network) else {
            return Held::Unknown;
        };
        let read = timeout(PATIENCE, balances.balance(&gate.token, payer)).await;
        let late = |_| Err(Error::Unavailable("no answer in time".to_owned()));
        match read.unwrap_or_else(late) {
            Ok(balance) => {
                let enough = balance >= gate.least;
                self.remember(key, enough, now);
                if enough {
                    Held::Enough
                } else {
                    Held::TooLittle
                }
            }
            Err(cause) => {
                crate::observe::policy_unasked(&cause.to_string());
                Held::Unknown
            }
        }
    }

    fn remembered(&self, key: &(usize, Party), now: UnixMillis) -> Option<bool> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (enough, at) = seen.get(key)?;
        (now < at.plus(self.keep)).then_some(*enough)
    }

    fn remember(&self, key: (usize, Party), enough: bool, now: UnixMillis) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= BALANCES_MAX {
            seen.retain(|_, (_, at)| now < at.plus(self.keep));
        }
        if seen.len() >= BALANCES_MAX {
            seen.clear();
        }
        seen.insert(key, (enough, now));
    }
}
