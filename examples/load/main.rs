//! Pays many times against a service of its own on a local chain and tells how long it took. A measurement, not a test.
//!
//! `cargo run --release --example load -- [payments] [concurrency] [database URL]`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::U256;
use futures::StreamExt;
use x402_facilitator::clock::Clock;
use x402_facilitator::config::{Config, Environment};
use x402_facilitator::dev::buyer::{Buyer, Method, Receipt};
use x402_facilitator::dev::{Chain, chain, keys, node};
use x402_facilitator::hooks::Nothing;
use x402_facilitator::run;

/// Payers, so that concurrent payments are of different accounts.
const PAYERS: usize = 64;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let payments: usize = arguments.next().map_or(Ok(200), |n| n.parse())?;
    let concurrency: usize = arguments.next().map_or(Ok(1), |n| n.parse())?;
    let folder = std::env::temp_dir().join(format!("x402-load-{}", std::process::id()));
    let database = arguments
        .next()
        .unwrap_or(format!("sqlite://{}/load.db", folder.display()));
    std::fs::create_dir_all(&folder)?;

    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_mins(1))
        .build()?;
    let sandbox = start_chain(client.clone()).await?;
    let config = configure(&sandbox, &database, &folder)?;
    let running = run::start(config, Clock::system(), Arc::new(Nothing)).await?;
    let buyer = Buyer::new(
        client,
        format!("http://{}", running.address),
        sandbox.url().to_owned(),
    );
    buyer
        .pay(&keys::account("payer", 0), Method::Eip3009)
        .await?;

    let started = Instant::now();
    let paid = futures::stream::iter(0..payments).map(|n| {
        let buyer = &buyer;
        async move {
            buyer
                .pay_unchecked(&keys::account("payer", n % PAYERS), Method::Eip3009)
                .await
        }
    });
    let receipts: Vec<Receipt> = paid
        .buffer_unordered(concurrency)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect::<anyhow::Result<_>>()?;
    let took = started.elapsed();
    running.stop().await;
    std::fs::remove_dir_all(&folder)?;
    report(&receipts, took, concurrency)
}

async fn start_chain(client: reqwest::Client) -> anyhow::Result<Chain> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let anvil = node::find_or_install(&path, &PathBuf::from("data"), |_| {}).await?;
    let options = chain::Options {
        anvil,
        chain_id: chain::BASE_SEPOLIA,
        port: None,
    };
    let sandbox = Chain::start(&options, client).await?;
    sandbox.place_contracts().await?;
    let payers: Vec<_> = (0..PAYERS)
        .map(|n| keys::account("payer", n).address())
        .collect();
    sandbox
        .fund(&payers, U256::from(1_000_000_000_000_u64))
        .await?;
    sandbox
        .set_gas_balance(
            keys::account("signer", 0).address(),
            U256::from(10).pow(U256::from(21)),
        )
        .await?;
    Ok(sandbox)
}

fn configure(sandbox: &Chain, database: &str, folder: &Path) -> anyhow::Result<Config> {
    let facts = folder.join("networks.toml");
    std::fs::write(
        &facts,
        "[networks.base-sepolia]\nblock_time_ms = 200\ndaily_spend_cap = \"1000\"\n",
    )?;
    let settings = [
        ("HOST", "127.0.0.1".to_owned()),
        ("DATA_DIR", folder.display().to_string()),
        ("DATABASE_URL", database.to_owned()),
        ("EVM_NETWORKS", "base-sepolia".to_owned()),
        ("EVM_RPC_URL_BASE_SEPOLIA", sandbox.url().to_owned()),
        ("EVM_PRIVATE_KEY", keys::key("signer", 0).to_string()),
        ("NETWORKS_FILE", facts.display().to_string()),
    ];
    let environment: Environment = settings.into_iter().collect();
    let mut config = Config::load(&environment)?;
    config.server.port = 0;
    Ok(config)
}

fn report(receipts: &[Receipt], took: Duration, concurrency: usize) -> anyhow::Result<()> {
    let quantile = |of: fn(&Receipt) -> Duration, q: usize| {
        let mut all: Vec<Duration> = receipts.iter().map(of).collect();
        all.sort_unstable();
        all.get((all.len() * q / 100).min(all.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{} payments, {concurrency} at a time, in {took:.2?}",
        receipts.len()
    )?;
    for (name, of) in [
        ("verify", (|r| r.verify) as fn(&Receipt) -> Duration),
        ("settle", |r| r.settle),
    ] {
        writeln!(
            out,
            "{name}: p50 {:.2?}, p95 {:.2?}, p99 {:.2?}",
            quantile(of, 50),
            quantile(of, 95),
            quantile(of, 99)
        )?;
    }
    Ok(())
}
