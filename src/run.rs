//! The only wiring: Config → Store → Chains → Registry → Facilitator → lanes, watchers, server. Tests call it too.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::chain::evm::{self, Chain, Lane, Reads, Watcher};
use crate::clock::Clock;
use crate::config::Config;
use crate::facilitator::{Facilitator, Parts};
use crate::hooks::Hooks;
use crate::lifecycle::Lifecycle;
use crate::protocol::Network;
use crate::scheme::exact_evm::{self, ExactEvm};
use crate::scheme::{Registry, Scheme};
use crate::signer::{Local, Signer};
use crate::store::Store;
use crate::{http, observe};

/// A running service.
pub struct Running {
    pub address: SocketAddr,
    lifecycle: Lifecycle,
    notice: Duration,
    server: JoinHandle<()>,
    store: Store,
}

/// Starts everything and returns once requests are answered.
///
/// # Errors
/// The database cannot be opened or migrated, a key is not a key, or the address cannot be listened on.
pub async fn start(config: Config, clock: Clock, hooks: Arc<dyn Hooks>) -> anyhow::Result<Running> {
    // Twice is harmless: tests start several services in one process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = Store::connect(
        &config.store.url,
        config.store.max_connections,
        clock.clone(),
    )
    .await
    .context("opening the database (DATABASE_URL)")?;
    store.migrate().await.context("migrating the database")?;
    let lifecycle = Lifecycle::default();
    // Better no start than a network that is configured and not there.
    anyhow::ensure!(
        config.svm.networks.is_empty(),
        "SVM_NETWORKS: this version has no lane that settles on Solana"
    );
    let chains = connect(&config, &store, &clock, &hooks)?;
    let signers = read_keys(&config)?;
    let facilitator = Arc::new(Facilitator::new(Parts {
        schemes: Registry::new(schemes(&chains, &signers)),
        store: store.clone(),
        clock,
        hooks,
        network_names: network_names(&config),
        settle_timeout: config.settle.timeout,
        tasks: lifecycle.tasks().clone(),
        draining: lifecycle.draining(),
    }));
    let (listener, address) = http::bind(&config.server)
        .await
        .context("listening (HOST, PORT)")?;
    let router = http::router(
        facilitator,
        &config.server,
        &config.auth,
        &config.settle,
        lifecycle.draining(),
    );
    start_chains(&lifecycle, &chains, &signers);
    let (closing, notice) = (lifecycle.closing(), config.server.drain_notice);
    let server = lifecycle.tasks().spawn(async move {
        http::serve(listener, router, &config.server, closing).await;
    });
    observe::listening(address);
    Ok(Running {
        address,
        lifecycle,
        notice,
        server,
        store,
    })
}

impl Running {
    /// Ends when the service drains by itself, which only a failed task makes it do.
    pub async fn failed(&self) {
        self.lifecycle.draining().cancelled().await;
    }

    /// Enqueues nothing new and says so on `/readyz`, with the door still open: load balancers need a moment to look elsewhere.
    pub async fn give_notice(&self) {
        observe::draining();
        self.lifecycle.draining().cancel();
        sleep(self.notice).await;
    }

    /// Finishes requests under way, then stops everything. True when nothing had gone wrong.
    pub async fn stop(self) -> bool {
        let draining = self.lifecycle.draining();
        if !draining.is_cancelled() {
            observe::draining();
            draining.cancel();
        }
        self.lifecycle.closing().cancel();
        let served = self.server.await;
        self.lifecycle.stop().await;
        self.store.close().await;
        served.is_ok() && !self.lifecycle.has_failed()
    }
}

/// The names that version 1 has for networks.
fn network_names(config: &Config) -> BTreeMap<String, Network> {
    let evm = config.evm.networks.iter().map(|n| (&n.v1_name, &n.network));
    let svm = config.svm.networks.iter().map(|n| (&n.v1_name, &n.network));
    evm.chain(svm)
        .filter_map(|(name, network)| Some((name.clone()?, network.clone())))
        .collect()
}

fn connect(
    config: &Config,
    store: &Store,
    clock: &Clock,
    hooks: &Arc<dyn Hooks>,
) -> anyhow::Result<Vec<Arc<Chain>>> {
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(3))
        .pool_idle_timeout(Duration::from_mins(1))
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("building the RPC client")?;
    let chain = |network: &crate::config::EvmNetwork| {
        Arc::new(Chain {
            config: network.clone(),
            rpc: Arc::new(evm::connect(network, client.clone())),
            store: store.clone(),
            clock: clock.clone(),
            hooks: Arc::clone(hooks),
        })
    };
    Ok(config.evm.networks.iter().map(chain).collect())
}

fn read_keys(config: &Config) -> anyhow::Result<Vec<Arc<dyn Signer>>> {
    let read = |key| {
        Ok(Arc::new(Local::parse(key).context("reading EVM_PRIVATE_KEY")?) as Arc<dyn Signer>)
    };
    config.evm.keys.iter().map(read).collect()
}

fn schemes(chains: &[Arc<Chain>], signers: &[Arc<dyn Signer>]) -> Vec<Box<dyn Scheme>> {
    let addresses: Vec<_> = signers.iter().map(|signer| signer.address()).collect();
    // Any account will do for reads; one that pays the gas is closest to what will happen.
    let reader = addresses.first().copied().unwrap_or_default();
    let chain = |chain: &Arc<Chain>| {
        let reads = Arc::new(Reads::new(Arc::clone(&chain.rpc), reader));
        exact_evm::Chain::new(chain.config.clone(), reads, addresses.clone())
    };
    vec![Box::new(ExactEvm::new(chains.iter().map(chain).collect()))]
}

fn start_chains(lifecycle: &Lifecycle, chains: &[Arc<Chain>], signers: &[Arc<dyn Signer>]) {
    for chain in chains {
        lifecycle.spawn(
            "watcher",
            Watcher::new(Arc::clone(chain)).run(lifecycle.stopping()),
        );
        for signer in signers {
            let holder = uuid::Uuid::now_v7().to_string();
            let lane = Lane::new(Arc::clone(chain), Arc::clone(signer), holder);
            lifecycle.spawn("lane", lane.run(lifecycle.stopping()));
        }
    }
}
