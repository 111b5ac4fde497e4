//! The wiring of EVM networks.

use std::sync::Arc;

use anyhow::Context;

use super::Shared;
use crate::chain::Witness;
use crate::chain::evm::{self, Chain, Lane, Reads, Watcher};
use crate::chain::pulse::Pulse;
use crate::config::{Auth, Evm, EvmNetwork};
use crate::lifecycle::Lifecycle;
use crate::scheme;
use crate::scheme::exact_evm::ExactEvm;
use crate::scheme::upto_evm::UptoEvm;
use crate::signer::{Local, Signer};

/// Every EVM network and every key on it.
pub(super) struct Family {
    chains: Vec<Arc<Chain>>,
    signers: Vec<Arc<dyn Signer>>,
}

impl Family {
    pub(super) fn new(config: &Evm, shared: &Shared) -> anyhow::Result<Self> {
        let chain = |network: &EvmNetwork| {
            Arc::new(Chain {
                config: network.clone(),
                rpc: Arc::new(evm::connect(network, shared.client.clone())),
                store: shared.store.clone(),
                clock: shared.clock.clone(),
                hooks: Arc::clone(&shared.hooks),
            })
        };
        let read = |key| {
            let key = Local::parse(key).context("reading EVM_PRIVATE_KEY")?;
            Ok(Arc::new(key) as Arc<dyn Signer>)
        };
        Ok(Self {
            chains: config.networks.iter().map(chain).collect(),
            signers: config
                .keys
                .iter()
                .map(read)
                .collect::<anyhow::Result<_>>()?,
        })
    }

    pub(super) fn exact(&self) -> ExactEvm {
        ExactEvm::new(self.chains.iter().map(|chain| self.view(chain)).collect())
    }

    /// How much of a ceiling is taken the resource server alone decides: where it moves real money, it must be known who asks.
    pub(super) fn upto(&self, auth: &Auth) -> UptoEvm {
        let is_guarded = auth.api_keys || !auth.tokens.is_empty();
        let chains = self.chains.iter();
        let chains = chains.filter(|chain| chain.config.testnet || is_guarded);
        let upto = UptoEvm::new(chains.map(|chain| self.view(chain)).collect());
        match self.chains.first() {
            Some(chain) => upto.with_sessions(chain.store.clone(), chain.clock.clone()),
            None => upto,
        }
    }

    /// A chain as a scheme sees it.
    fn view(&self, chain: &Chain) -> scheme::evm::Chain {
        let addresses: Vec<_> = self.signers.iter().map(|signer| signer.address()).collect();
        // Any account will do for reads; one that pays the gas is closest to what will happen.
        let reader = addresses.first().copied().unwrap_or_default();
        let reads = Arc::new(Reads::new(Arc::clone(&chain.rpc), reader));
        scheme::evm::Chain::new(chain.config.clone(), reads, addresses)
    }

    pub(super) fn witnesses(&self) -> Vec<Arc<dyn Witness>> {
        let witness = |chain: &Arc<Chain>| Arc::clone(chain) as Arc<dyn Witness>;
        self.chains.iter().map(witness).collect()
    }

    pub(super) fn pulses(&self) -> impl Iterator<Item = Pulse> {
        let address = |signer: &Arc<dyn Signer>| signer.address().to_string().to_lowercase();
        let signers: Vec<String> = self.signers.iter().map(address).collect();
        self.chains
            .iter()
            .map(move |chain| evm::pulse(chain, signers.clone()))
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
