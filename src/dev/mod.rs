//! The local sandbox: a private EVM chain with x402's contracts and funded payers. The `dev` command and the tests use it; no money path does.

pub mod buyer;
pub mod chain;
pub mod contracts;
pub mod keys;
mod leash;
pub mod node;
mod screen;
mod solana;

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
use crate::run::{self, Running};

use buyer::{Buyer, Method};

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

/// Starts the chain and the service on it, pays through its own endpoints, tells what to point a resource server at, and goes on serving.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_mins(1))
        .no_proxy()
        .build()?;
    screen::line("x402-facilitator dev: a local chain with play money");
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let anvil = node::find_or_install(&search_path, &options.data_dir, screen::line).await?;
    let chain = start_chain(&options, anvil, client.clone()).await?;
    let folder = Folder::new(&options.data_dir)?;
    let (config, port) = configure(&chain, &options, folder.path())?;
    observe::start_log(&config.log, &Telemetry::default());
    let running = run::start(config, Clock::system(), Arc::new(Nothing)).await?;
    let facilitator = format!("http://127.0.0.1:{}", running.address.port());
    debug_assert!(port == 0 || port == running.address.port());

    let buyer = Buyer::new(client, facilitator.clone(), chain.url().to_owned());
    let paid = pay(&buyer, options.once).await;
    if options.once || paid.is_err() {
        running.stop().await;
        paid?;
        screen::line("all payments landed; the balances on chain agree");
        return Ok(ExitCode::SUCCESS);
    }
    guide(&chain, &facilitator, &buyer, folder.path()).await?;
    screen::line("");
    for text in solana::advice(&search_path) {
        screen::line(&text);
    }
    Ok(serve(running).await)
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

/// The sandbox's own configuration: nothing of the environment but the log filter counts.
fn configure(chain: &Chain, options: &Options, folder: &Path) -> anyhow::Result<(Config, u16)> {
    let port = if options.once { 0 } else { options.port };
    let filter = Environment::of_process()
        .get("RUST_LOG")
        .unwrap_or("warn")
        .to_owned();
    let settings = [
        ("HOST", "127.0.0.1".to_owned()),
        ("PORT", options.port.to_string()),
        ("DATA_DIR", options.data_dir.display().to_string()),
        (
            "DATABASE_URL",
            format!("sqlite://{}/facilitator.db", folder.display()),
        ),
        ("EVM_NETWORKS", "base-sepolia".to_owned()),
        ("EVM_RPC_URL_BASE_SEPOLIA", chain.url().to_owned()),
        ("EVM_PRIVATE_KEY", keys::key("signer", 0).to_string()),
        ("RUST_LOG", filter),
    ];
    // Whoever only wants to see it pay has no use for metrics.
    let metrics = options.once.then(|| ("METRICS_PORT", "off".to_owned()));
    let settings = settings.into_iter().chain(metrics);
    let mut config = Config::load(&settings.collect::<Environment>())?;
    config.server.port = port;
    for network in &mut config.evm.networks {
        // Blocks come with the transactions here.
        network.block_time = Duration::from_millis(200);
    }
    Ok((config, port))
}

async fn pay(buyer: &Buyer, all: bool) -> anyhow::Result<()> {
    let methods: &[Method] = if all {
        &[Method::Eip3009, Method::Permit2]
    } else {
        &[Method::Eip3009]
    };
    for (index, method) in methods.iter().enumerate() {
        let payer = keys::account("payer", index);
        let receipt = buyer
            .pay(&payer, *method)
            .await
            .with_context(|| format!("paying by {method:?}"))?;
        screen::line(&format!(
            "paid {} units by {method:?}: verified in {:.1?}, settled in {:.1?}, transaction {}",
            buyer::AMOUNT,
            receipt.verify,
            receipt.settle,
            receipt.transaction
        ));
    }
    Ok(())
}

async fn guide(
    chain: &Chain,
    facilitator: &str,
    buyer: &Buyer,
    folder: &Path,
) -> anyhow::Result<()> {
    let payer = keys::account("payer", PAYERS - 1);
    let payment = folder.join("payment.json");
    let body = buyer.body(&payer, Method::Eip3009).await?;
    std::fs::write(&payment, serde_json::to_vec_pretty(&body)?)
        .context("writing the example payment")?;
    let payment = payment.display();
    screen::line("");
    screen::line("Point a resource server at:");
    screen::row("facilitator", facilitator);
    screen::row("network", "eip155:84532 (version 1: base-sepolia)");
    screen::row("RPC", chain.url());
    screen::row(
        "token",
        &format!("{} \"USDC\" version \"2\", 6 decimals", contracts::USDC),
    );
    screen::row("payTo", &buyer::pay_to().to_string());
    for index in 0..3 {
        let account = keys::account("payer", index);
        screen::row(
            &format!("payer {index}"),
            &format!("{} key {}", account.address(), keys::key("payer", index)),
        );
    }
    screen::line("");
    screen::line("Try it:");
    screen::line(&format!("  curl {facilitator}/supported"));
    screen::line(&format!(
        "  curl -X POST {facilitator}/verify -d @{payment}"
    ));
    screen::line(&format!(
        "  curl -X POST {facilitator}/settle -d @{payment}"
    ));
    screen::line("");
    screen::line(
        "The keys above are public: never use them anywhere else. Ctrl-C ends everything.",
    );
    Ok(())
}

async fn serve(running: Running) -> ExitCode {
    let code = tokio::select! {
        code = cli::until_stopped(running) => code,
        // Its terminal was closed: nobody is left to end the chain by Ctrl-C.
        () = lifecycle::hung_up() => ExitCode::SUCCESS,
    };
    screen::line("stopped");
    code
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
