//! EVM's part of the wiring.

use std::sync::Arc;

use anyhow::Context;

use super::Shared;
use crate::chain::evm::{self, Chain, Lane, Reads, Watcher};
use crate::config::{Evm, EvmNetwork};
use crate::lifecycle::Lifecycle;
use crate::scheme::Scheme;
use crate::scheme::exact_evm::{self, ExactEvm};
use crate::signer::{Local, Signer};

/// The networks and the keys that pay on them.
pub(super) struct Wired {
    chains: Vec<Arc<Chain>>,
    signers: Vec<Arc<dyn Signer>>,
}

impl Wired {
    pub(super) fn new(config: &Evm, shared: &Shared<'_>) -> anyhow::Result<Self> {
        let read = |key| {
            let signer = Local::parse(key).context("reading EVM_PRIVATE_KEY")?;
            Ok(Arc::new(signer) as Arc<dyn Signer>)
        };
        let signers: anyhow::Result<_> = config.keys.iter().map(read).collect();
        let connect = |network| Arc::new(connect(network, shared));
        Ok(Self {
            chains: config.networks.iter().map(connect).collect(),
            signers: signers?,
        })
    }

    pub(super) fn exact(&self) -> Box<dyn Scheme> {
        let addresses: Vec<_> = self.signers.iter().map(|signer| signer.address()).collect();
        // Any account will do for reads; one that pays the gas is closest to what will happen.
        let reader = addresses.first().copied().unwrap_or_default();
        let chain = |chain: &Arc<Chain>| {
            let reads = Arc::new(Reads::new(Arc::clone(&chain.rpc), reader));
            exact_evm::Chain::new(chain.config.clone(), reads, addresses.clone())
        };
        Box::new(ExactEvm::new(self.chains.iter().map(chain).collect()))
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

fn connect(network: &EvmNetwork, shared: &Shared<'_>) -> Chain {
    Chain {
        config: network.clone(),
        rpc: Arc::new(evm::connect(network, shared.client.clone())),
        store: shared.store.clone(),
        clock: shared.clock.clone(),
        hooks: Arc::clone(shared.hooks),
    }
}
