//! EIP-3009 payments on anvil.

use std::path::{Path, PathBuf};

use alloy::primitives::U256;
use x402_facilitator::dev::buyer::{Buyer, Method};
use x402_facilitator::dev::till::Till;
use x402_facilitator::dev::{Chain, chain, keys, node};

use super::{Calls, Load, Measured, PAYERS, ROUND, report, round, serve};

pub(super) async fn run(
    load: Load,
    folder: &Path,
    database: &str,
    client: reqwest::Client,
) -> anyhow::Result<()> {
    let chain = start(client.clone()).await?;
    let running = serve(folder, database, settings(&chain, folder)?).await?;
    let facilitator = format!("http://{}", running.address);
    let till = Till::new(client.clone(), facilitator.clone());
    let buyer = Buyer::new(client, facilitator, chain.url().to_owned());
    let first = keys::account("payer", 0);
    buyer.pay(&first, Method::Eip3009).await?;

    let mut measured = <[Measured; 2]>::default();
    for begin in (0..load.payments).step_by(ROUND) {
        let mut bodies = Vec::new();
        for index in begin..load.payments.min(begin + ROUND) {
            let payer = keys::account("payer", index % PAYERS);
            bodies.push(buyer.body(&payer, Method::Eip3009).await?);
        }
        round(&till, &bodies, load, &mut measured, uncounted).await?;
    }
    running.stop().await;
    report(&measured, load)
}

/// Anvil does not count.
async fn uncounted() -> anyhow::Result<Calls> {
    Ok(Calls::new())
}

async fn start(client: reqwest::Client) -> anyhow::Result<Chain> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let anvil = node::find_or_install(&path, &PathBuf::from("data"), |_| {}).await?;
    let options = chain::Options {
        anvil,
        chain_id: chain::BASE_SEPOLIA,
        port: None,
    };
    let chain = Chain::start(&options, client).await?;
    chain.place_contracts().await?;
    let payers = (0..PAYERS).map(|n| keys::account("payer", n).address());
    let payers: Vec<_> = payers.collect();
    let wealth = U256::from(1_000_000_000_000_u64);
    chain.fund(&payers, wealth).await?;
    let signer = keys::account("signer", 0).address();
    let gas_money = U256::from(10).pow(U256::from(21));
    chain.set_gas_balance(signer, gas_money).await?;
    Ok(chain)
}

fn settings(chain: &Chain, folder: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let facts = folder.join("networks.toml");
    std::fs::write(
        &facts,
        "[networks.base-sepolia]\nblock_time_ms = 200\ndaily_spend_cap = \"1000\"\n",
    )?;
    Ok(vec![
        ("EVM_NETWORKS", "base-sepolia".to_owned()),
        ("EVM_RPC_URL_BASE_SEPOLIA", chain.url().to_owned()),
        ("EVM_PRIVATE_KEY", keys::key("signer", 0).to_string()),
        ("NETWORKS_FILE", facts.display().to_string()),
    ])
}
