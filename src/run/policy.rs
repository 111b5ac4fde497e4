//! The wiring of the operator's rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;

use super::Shared;
use crate::chain::Balances;
use crate::config::{Config, DenyList};
use crate::egress::{Egress, Reach};
use crate::facilitator::Policy;
use crate::facilitator::policy::{Gates, Questions};
use crate::protocol::Network;
use crate::reload::{Reload, Reloadable};

pub(super) struct Rules {
    denied: Arc<Reloadable<DenyList>>,
}

impl Rules {
    pub(super) fn open(config: &Config) -> Self {
        let source = &config.policy.deny_list;
        let file = source.file.clone();
        let read = move || DenyList::read(file.as_deref());
        let denied = Reloadable::new("DENY_LIST_FILE", source.initial.clone(), read);
        Self {
            denied: Arc::new(denied),
        }
    }

    pub(super) fn policy(
        &self,
        config: &Config,
        balances: BTreeMap<Network, Arc<dyn Balances>>,
        shared: &Shared,
    ) -> anyhow::Result<Policy> {
        let rules = config.policy.clone();
        // Operators name these as they name nodes: beside the service, more often than not.
        let egress = Egress::new(Reach::Anywhere).context("building the client for hooks")?;
        let questions = Questions::new(egress, rules.signing.clone(), shared.clock.clone());
        let gates = Gates::new(&rules, balances, shared.clock.clone());
        Ok(Policy::new(
            rules,
            Arc::clone(&self.denied),
            questions,
            gates,
        ))
    }

    /// What SIGHUP reads again.
    pub(super) fn deny_list(&self) -> Arc<dyn Reload> {
        Arc::clone(&self.denied) as Arc<dyn Reload>
    }
}
