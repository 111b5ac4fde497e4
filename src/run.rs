//! The only wiring: Config → Store → Chains → Registry → Facilitator → lanes, watchers, server. Tests call it too.

mod access;
mod evm;
mod policy;
mod svm;
mod webhooks;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::chain::pulse::Pulse;
use crate::chain::{Balances, Witness};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::facilitator::{Facilitator, Parts, Survey, sweeper};
use crate::hooks::Hooks;
use crate::lifecycle::Lifecycle;
use crate::protocol::Network;
use crate::reconcile::Daily;
use crate::scheme::Registry;
use crate::store::Store;
use crate::{http, observe};

/// A running service.
pub struct Running {
    pub address: SocketAddr,
    /// Where `/metrics` is told, where it is.
    pub metrics: Option<SocketAddr>,
    lifecycle: Lifecycle,
    notice: Duration,
    server: JoinHandle<()>,
    store: Store,
}

/// What every chain gets.
struct Shared {
    client: reqwest::Client,
    store: Store,
    clock: Clock,
    hooks: Arc<dyn Hooks>,
}

/// Every family of chains that is served.
struct Families {
    evm: evm::Family,
    svm: svm::Family,
}

impl Families {
    fn new(config: &Config, shared: &Shared) -> anyhow::Result<Self> {
        Ok(Self {
            evm: evm::Family::new(&config.evm, shared)?,
            svm: svm::Family::new(&config.svm, shared)?,
        })
    }

    fn registry(&self, config: &Config) -> Registry {
        Registry::new(vec![
            Box::new(self.evm.exact()),
            Box::new(self.evm.upto(&config.auth)),
            Box::new(self.svm.exact()),
        ])
    }

    /// Ways to read what accounts hold.
    fn balances(&self) -> BTreeMap<Network, Arc<dyn Balances>> {
        self.evm.balances().chain(self.svm.balances()).collect()
    }

    fn pulses(&self) -> Vec<Arc<Pulse>> {
        let pulses = self.evm.pulses().chain(self.svm.pulses());
        pulses.map(Arc::new).collect()
    }

    fn witnesses(&self) -> Vec<Arc<dyn Witness>> {
        [self.evm.witnesses(), self.svm.witnesses()].concat()
    }

    /// Compares the ledger with the chain from time to time, unless that is switched off.
    fn reconcile(&self, config: &config::Reconcile, shared: &Shared, lifecycle: &Lifecycle) {
        if config.interval.is_zero() {
            return;
        }
        let daily = Daily {
            witnesses: self.witnesses(),
            store: shared.store.clone(),
            clock: shared.clock.clone(),
            config: config.clone(),
        };
        lifecycle.spawn("reconcile", daily.run(lifecycle.stopping()));
    }

    fn start(&self, lifecycle: &Lifecycle) {
        self.evm.start(lifecycle);
        self.svm.start(lifecycle);
    }
}

/// Starts everything and returns once requests are answered.
///
/// # Errors
/// The database cannot be opened or migrated, a key is not a key, or the address cannot be listened on.
pub async fn start(config: Config, clock: Clock, hooks: Arc<dyn Hooks>) -> anyhow::Result<Running> {
    // Twice is harmless: tests start several services in one process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    observe::serving(&config);
    let store = open_store(&config, &clock).await?;
    let lifecycle = Lifecycle::default();
    let shared = Shared {
        client: rpc_client()?,
        store: store.clone(),
        clock: clock.clone(),
        hooks: Arc::clone(&hooks),
    };
    let access = access::Access::open(&config, &shared).await?;
    let families = Families::new(&config, &shared)?;
    let rules = policy::Rules::open(&config);
    let balances = families.balances();
    let survey = Arc::new(Survey::new(
        store.clone(),
        clock.clone(),
        families.pulses(),
        lifecycle.draining(),
    ));
    let facilitator = Arc::new(Facilitator::new(Parts {
        schemes: families.registry(&config),
        store: store.clone(),
        survey: Arc::clone(&survey),
        clock,
        hooks,
        network_names: network_names(&config),
        limits: access.limits(&config, &shared),
        policy: rules.policy(&config, balances, &shared)?,
        settle_timeout: config.settle.timeout,
        sessions: config.sessions.clone(),
        tasks: lifecycle.tasks().clone(),
        draining: lifecycle.draining(),
    }));
    let (listener, address) = http::bind(&config.server).await.with_context(|| {
        format!(
            "listening on {}:{} (HOST, PORT)",
            config.server.host, config.server.port
        )
    })?;
    let house = http::House {
        facilitator: Arc::clone(&facilitator),
        keyring: access.keyring(),
        draining: lifecycle.draining(),
        facts: http::Facts::of(&config),
    };
    let router = http::router(house, &config.server, &config.auth, &config.settle);
    access.start(&lifecycle, &shared, rules.deny_list());
    webhooks::start(&config, &lifecycle, &shared)?;
    families.reconcile(&config.reconcile, &shared, &lifecycle);
    let metrics = start_metrics(&config, &lifecycle).await?;
    lifecycle.spawn("survey", survey.run(lifecycle.stopping()));
    families.start(&lifecycle);
    lifecycle.spawn("sweeper", sweeper::run(facilitator, lifecycle.stopping()));
    let (closing, notice) = (lifecycle.closing(), config.server.drain_notice);
    let server = lifecycle.tasks().spawn(async move {
        http::serve(listener, router, &config.server, closing).await;
    });
    observe::listening(address);
    Ok(Running {
        address,
        metrics,
        lifecycle,
        notice,
        server,
        store,
    })
}

/// Tells `/metrics` until everything has stopped: a drain is worth watching. Beside a port that is taken and that nobody chose, payments go on.
async fn start_metrics(
    config: &Config,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(port) = config.observe.metrics else {
        return Ok(None);
    };
    let server = http::metrics_server(&config.server, port);
    let (listener, address) = match http::bind(&server).await {
        Ok(bound) => bound,
        Err(_) if !port.is_chosen => {
            observe::note(&format!(
                "port {} is taken, and METRICS_PORT names no other: there are no metrics",
                port.port
            ));
            return Ok(None);
        }
        Err(cause) => {
            return Err(cause).with_context(|| {
                format!(
                    "listening on {}:{} (METRICS_HOST, METRICS_PORT)",
                    port.host, port.port
                )
            });
        }
    };
    let stopping = lifecycle.stopping();
    lifecycle.spawn("metrics", async move {
        http::serve(listener, http::metrics_router(), &server, stopping).await;
    });
    observe::metrics_listening(address);
    Ok(Some(address))
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

/// Everything that can be asked what really happened, for a comparison outside a running service.
///
/// # Errors
/// A key is not a key.
pub fn witnesses(
    config: &Config,
    store: &Store,
    clock: &Clock,
    hooks: Arc<dyn Hooks>,
) -> anyhow::Result<Vec<Arc<dyn Witness>>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let shared = Shared {
        client: rpc_client()?,
        store: store.clone(),
        clock: clock.clone(),
        hooks,
    };
    Ok(Families::new(config, &shared)?.witnesses())
}

async fn open_store(config: &Config, clock: &Clock) -> anyhow::Result<Store> {
    let (url, connections) = (&config.store.url, config.store.max_connections);
    let store = Store::connect(url, connections, clock.clone())
        .await
        .context("opening the database (DATABASE_URL)")?
        .with_outbox(webhooks::outbox(config));
    prepare(&store, config.store.auto_migrate).await?;
    Ok(store)
}

/// Brings the schema up to date, or refuses to work on one that is not.
pub(crate) async fn prepare(store: &Store, auto_migrate: bool) -> anyhow::Result<()> {
    if auto_migrate {
        return store.migrate().await.context("migrating the database");
    }
    let schema = store.schema().await.context("reading the schema")?;
    anyhow::ensure!(
        schema.applied == schema.known,
        "the database has schema {}, this program needs {}: run `migrate` (AUTO_MIGRATE is false)",
        schema.applied,
        schema.known
    );
    Ok(())
}

/// The names that version 1 has for networks.
fn network_names(config: &Config) -> BTreeMap<String, Network> {
    let evm = config.evm.networks.iter().map(|n| (&n.v1_name, &n.network));
    let svm = config.svm.networks.iter().map(|n| (&n.v1_name, &n.network));
    evm.chain(svm)
        .filter_map(|(name, network)| Some((name.clone()?, network.clone())))
        .collect()
}

fn rpc_client() -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(3))
        .pool_idle_timeout(Duration::from_mins(1))
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("building the RPC client")
}
