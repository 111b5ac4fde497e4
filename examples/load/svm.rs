//! Token transfers on a local Solana.

use std::path::Path;

use anyhow::Context;
use serde_json::json;
use x402_facilitator::dev::solana::buyer::Buyer;
use x402_facilitator::dev::solana::node::Node;
use x402_facilitator::dev::solana::validator::{self, Options};
use x402_facilitator::dev::solana::{Solana, keys};
use x402_facilitator::dev::till::Till;

use super::{Calls, Load, Measured, PAYERS, ROUND, report, round, serve};

pub(super) async fn run(
    load: Load,
    folder: &Path,
    database: &str,
    client: reqwest::Client,
) -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = validator::find(&path).with_context(|| validator::advice().join("\n"))?;
    let options = Options {
        found: &found,
        folder: &folder.join("solana"),
        on_usual_port: false,
    };
    let solana = Solana::start(&options, PAYERS, client.clone()).await?;
    let done = pay(&solana, load, folder, database, client).await;
    solana.stop().await;
    done
}

async fn pay(
    solana: &Solana,
    load: Load,
    folder: &Path,
    database: &str,
    client: reqwest::Client,
) -> anyhow::Result<()> {
    let mut settings = solana.settings(folder)?;
    settings.push(("EVM_NETWORKS", String::new()));
    let running = serve(folder, database, settings).await?;
    let till = Till::new(client, format!("http://{}", running.address));
    let buyer = Buyer::new(solana, till.clone()).await?;
    buyer.pay(&keys::account("payer", 0)).await?;

    let mut measured = <[Measured; 2]>::default();
    for begin in (0..load.payments).step_by(ROUND) {
        let mut bodies = Vec::new();
        for index in begin..load.payments.min(begin + ROUND) {
            let payer = keys::account("payer", index % PAYERS);
            bodies.push(buyer.body(&payer).await?);
        }
        let calls = async || Ok(calls(solana.node()).await);
        round(&till, &bodies, load, &mut measured, calls).await?;
    }
    running.stop().await;
    report(&measured, load)
}

/// What the ledger was asked since the last time; real validators do not count.
async fn calls(node: &Node) -> Calls {
    let counted = node.ask("test_asked", json!([])).await;
    let counted = counted.ok().and_then(|it| serde_json::from_value(it).ok());
    let mut counted: Calls = counted.unwrap_or_default();
    // Our own question.
    counted.remove("test_asked");
    if let Some(requests) = counted.get_mut("HTTP requests") {
        *requests -= 1;
    }
    counted
}
