//! The local sandbox: a private EVM chain with x402's contracts and funded payers, and Solana beside it where a validator is on this machine.
//! The `dev` command and the tests use it; no money path does.

pub mod buyer;
pub mod chain;
pub mod contracts;
mod guide;
pub mod keys;
mod leash;
pub mod node;
mod screen;
pub mod solana;
pub mod till;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::U256;
use anyhow::Context;

use crate::cli;
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::hooks::Nothing;
use crate::lifecycle;
use crate::observe::{self, Telemetry};
use crate::run;

use buyer::{Buyer, Method};
use solana::{Solana, validator};
use till::{Receipt, Till};

pub use chain::Chain;

/// What the sandbox's payers own, atomic units: a million dollars of play money.
const FUNDS: u64 = 1_000_000_000_000;
const PAYERS: usize = 10;
/// 100 native units.
const GAS_MONEY: u128 = 100_000_000_000_000_000_000;
const CHAIN_PORT: u16 = 8545;

/// How the sandbox is run.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Make the payments, check the balances on chain, and exit 0 or 1.
    #[arg(long)]
    once: bool,
    /// Port of the facilitator.
    #[arg(long, default_value_t = 8090)]
    port: u16,
    /// Where anvil is installed and the sandbox keeps its files.
    #[arg(long, default_value = "data")]
    data_dir: PathBuf,
}

/// Starts the chains and the service on them, pays through its own endpoints, tells what to point a resource server at, and goes on serving.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_mins(1))
        .no_proxy()
        .build()?;
    screen::line("x402-facilitator dev: local chains with play money");
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let anvil = node::find_or_install(&search_path, &options.data_dir, screen::line).await?;
    let evm = start_chain(&options, anvil, client.clone()).await?;
    let folder = Folder::new(&options.data_dir)?;
    let solana = start_solana(&options, &search_path, folder.path(), client.clone()).await?;
    let sandbox = Sandbox {
        evm,
        solana,
        folder,
    };
    let done = sandbox.serve(&options, client).await;
    // Before its files are removed.
    if let Ok(solana) = sandbox.solana {
        solana.stop().await;
    }
    done
}

/// The chains of one run.
struct Sandbox {
    evm: Chain,
    /// Or why there is none.
    solana: Result<Solana, Vec<String>>,
    folder: Folder,
}

impl Sandbox {
    async fn serve(&self, options: &Options, client: reqwest::Client) -> anyhow::Result<ExitCode> {
        let config = self.configure(options)?;
        observe::start_log(&config.log, &Telemetry::default());
        let running = run::start(config, Clock::system(), Arc::new(Nothing)).await?;
        let facilitator = format!("http://127.0.0.1:{}", running.address.port());
        let buyer = Buyer::new(
            client.clone(),
            facilitator.clone(),
            self.evm.url().to_owned(),
        );
        let till = Till::new(client, facilitator.clone());
        let paid = self.pay(&buyer, till, options.once).await;
        if options.once || paid.is_err() {
            running.stop().await;
            paid?;
            screen::line("all payments landed; the balances on chain agree");
            return Ok(ExitCode::SUCCESS);
        }
        guide::evm(&self.evm, &facilitator, &buyer, self.folder.path()).await?;
        guide::solana(&self.solana);
        guide::farewell();
        let code = tokio::select! {
            code = cli::until_stopped(running) => code,
            // Its terminal was closed: nobody is left to end the chains by Ctrl-C.
            () = lifecycle::hung_up() => ExitCode::SUCCESS,
        };
        screen::line("stopped");
        Ok(code)
    }

    /// The sandbox's own configuration: nothing of the environment but the log filter counts.
    fn configure(&self, options: &Options) -> anyhow::Result<Config> {
        let folder = self.folder.path();
        let filter = Environment::of_process()
            .get("RUST_LOG")
            .unwrap_or("warn")
            .to_owned();
        let mut settings = vec![
            ("HOST", "127.0.0.1".to_owned()),
            ("PORT", options.port.to_string()),
            ("DATA_DIR", options.data_dir.display().to_string()),
            (
                "DATABASE_URL",
                format!("sqlite://{}/facilitator.db", folder.display()),
            ),
            ("EVM_NETWORKS", "base-sepolia".to_owned()),
            ("EVM_RPC_URL_BASE_SEPOLIA", self.evm.url().to_owned()),
            ("EVM_PRIVATE_KEY", keys::key("signer", 0).to_string()),
            ("RUST_LOG", filter),
        ];
        if options.once {
            // Whoever only wants to see it pay has no use for metrics.
            settings.push(("METRICS_PORT", "off".to_owned()));
        }
        if let Ok(solana) = &self.solana {
            settings.extend(solana.settings(folder)?);
        }
        if options.once {
            // Whoever only wants to see it pay has no use for them.
            settings.push(("METRICS_PORT", "off".to_owned()));
        }
        let mut config = Config::load(&Environment::from_iter(settings))?;
        if options.once {
            config.server.port = 0;
        }
        for network in &mut config.evm.networks {
            // Blocks come with the transactions here.
            network.block_time = Duration::from_millis(200);
        }
        Ok(config)
    }

    async fn pay(&self, buyer: &Buyer, till: Till, all: bool) -> anyhow::Result<()> {
        let methods: &[Method] = if all {
            &[Method::Eip3009, Method::Permit2]
        } else {
            &[Method::Eip3009]
        };
        for (index, method) in methods.iter().enumerate() {
            let paid = buyer.pay(&keys::account("payer", index), *method).await;
            let receipt = paid.with_context(|| format!("paying by {method:?}"))?;
            tell(&format!("{method:?}"), &receipt);
        }
        if let Ok(solana) = &self.solana {
            let buyer = solana::buyer::Buyer::new(solana, till).await?;
            let paid = buyer.pay(&solana::keys::account("payer", 0)).await;
            tell("Solana", &paid.context("paying on Solana")?);
        }
        Ok(())
    }
}

fn tell(method: &str, receipt: &Receipt) {
    screen::line(&format!(
        "paid {} units by {method}: verified in {:.1?}, settled in {:.1?}, transaction {}",
        buyer::AMOUNT,
        receipt.verify,
        receipt.settle,
        receipt.transaction
    ));
}

/// Without one where there is no validator, or where it does not start and is only nice to have.
async fn start_solana(
    options: &Options,
    search_path: &OsStr,
    folder: &Path,
    client: reqwest::Client,
) -> anyhow::Result<Result<Solana, Vec<String>>> {
    let Some(found) = validator::find(search_path) else {
        return Ok(Err(validator::advice()));
    };
    let program = found.kind.program();
    screen::line(&format!("starting {program}"));
    let started = validator::Options {
        found: &found,
        folder: &folder.join("solana"),
        on_usual_port: !options.once,
    };
    match Solana::start(&started, PAYERS, client).await {
        Ok(solana) => Ok(Ok(solana)),
        Err(cause) if options.once => Err(cause.context(format!("starting Solana by {program}"))),
        Err(cause) => Ok(Err(vec![format!("Solana is not served: {cause:#}")])),
    }
}

async fn start_chain(
    options: &Options,
    anvil: PathBuf,
    client: reqwest::Client,
) -> anyhow::Result<Chain> {
    let on_port = |port| chain::Options {
        anvil: anvil.clone(),
        chain_id: chain::BASE_SEPOLIA,
        port,
    };
    // The usual port is nice to have; another anvil on it is no reason to fail.
    let usual = if options.once { None } else { Some(CHAIN_PORT) };
    let chain = match Chain::start(&on_port(usual), client.clone()).await {
        Ok(chain) => chain,
        Err(_) if usual.is_some() => Chain::start(&on_port(None), client).await?,
        Err(cause) => return Err(cause.into()),
    };
    chain.place_contracts().await?;
    let payers: Vec<_> = (0..PAYERS)
        .map(|i| keys::account("payer", i).address())
        .collect();
    chain.fund(&payers, U256::from(FUNDS)).await?;
    chain
        .set_gas_balance(keys::account("signer", 0).address(), U256::from(GAS_MONEY))
        .await?;
    Ok(chain)
}

/// The sandbox's files, gone with it: its chain starts anew each time, so nothing may be remembered about the last one.
struct Folder(PathBuf);

impl Folder {
    fn new(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(format!("dev-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
