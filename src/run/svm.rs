//! The wiring of Solana networks.

use std::sync::Arc;

use anyhow::Context;

use super::Shared;
use crate::chain::Balances;
use crate::chain::Witness;
use crate::chain::pulse::Pulse;
use crate::chain::svm::{self, Chain, FeePayers, Lane, Ledger, Reads, Watcher};
use crate::config::{Svm, SvmNetwork};
use crate::lifecycle::Lifecycle;
use crate::protocol::Network;
use crate::scheme::exact_svm::{Cluster, ExactSvm, Policy};
use crate::signer::svm::{Local, Signer};

/// Every Solana network and every fee payer on it.
pub(super) struct Family {
    chains: Vec<Arc<Chain>>,
    signers: Vec<Arc<dyn Signer>>,
    policy: Policy,
}

impl Family {
    pub(super) fn new(config: &Svm, shared: &Shared) -> anyhow::Result<Self> {
        let read = |key| {
            let key = Local::parse(key).context("reading SVM_PRIVATE_KEY")?;
            Ok(Arc::new(key) as Arc<dyn Signer>)
        };
        let signers = config.keys.iter().map(read);
        let signers = signers.collect::<anyhow::Result<Vec<_>>>()?;
        let chain = |network: &SvmNetwork| {
            let rpc = Arc::new(svm::connect(network, shared.client.clone()));
            Arc::new(Chain {
                config: network.clone(),
                reads: Arc::new(Reads::new(Arc::clone(&rpc))),
                rpc,
                fee_payers: Arc::new(FeePayers::new(signers.iter().map(|one| one.address()))),
                store: shared.store.clone(),
                clock: shared.clock.clone(),
                hooks: Arc::clone(&shared.hooks),
            })
        };
        Ok(Self {
            chains: config.networks.iter().map(chain).collect(),
            signers,
            policy: Policy::from(&config.policy),
        })
    }

    pub(super) fn exact(&self) -> ExactSvm {
        let cluster = |chain: &Arc<Chain>| {
            let ledger = Arc::clone(&chain.reads) as Arc<dyn Ledger>;
            Cluster::new(
                &chain.config,
                self.policy.clone(),
                Arc::clone(&chain.fee_payers),
                ledger,
            )
        };
        ExactSvm::new(self.chains.iter().map(cluster).collect())
    }

    /// Ways to read what accounts hold.
    pub(super) fn balances(&self) -> impl Iterator<Item = (Network, Arc<dyn Balances>)> {
        let source = |chain: &Arc<Chain>| {
            let balances = Arc::clone(chain) as Arc<dyn Balances>;
            (chain.config.network.clone(), balances)
        };
        self.chains.iter().map(source)
    }

    pub(super) fn witnesses(&self) -> Vec<Arc<dyn Witness>> {
        let witness = |chain: &Arc<Chain>| Arc::clone(chain) as Arc<dyn Witness>;
        self.chains.iter().map(witness).collect()
    }

    pub(super) fn pulses(&self) -> impl Iterator<Item = Pulse> {
        let address = |signer: &Arc<dyn Signer>| signer.address().to_string();
        let signers: Vec<String> = self.signers.iter().map(address).collect();
        self.chains
            .iter()
            .map(move |chain| svm::pulse(chain, signers.clone()))
    }

    pub(super) fn start(&self, lifecycle: &Lifecycle) {
        for chain in &self.chains {
            let watcher = Watcher::new(Arc::clone(chain));
            lifecycle.spawn("watcher", watcher.run(lifecycle.stopping()));
            for signer in &self.signers {
                let holder = uuid::Uuid::now_v7().to_string();
                let lane = Lane::new(Arc::clone(chain), Arc::clone(signer), holder);
                lifecycle.spawn("lane", lane.run(lifecycle.stopping()));
            }
        }
    }
}
