//! Charges many calls under few permits against a service of its own on a local chain, and tells what it cost beside `exact`. A measurement, not a test.
//!
//! `cargo run --release --example sessions -- [charges] [concurrency] [database URL]`

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use anyhow::ensure;
use futures::StreamExt;
use serde_json::{Value, json};
use x402_facilitator::chain::evm::eip712::{Domain, Permit};
use x402_facilitator::clock::Clock;
use x402_facilitator::config::{Config, Environment};
use x402_facilitator::dev::buyer::{Buyer, Method, pay_to};
use x402_facilitator::dev::contracts::USDC;
use x402_facilitator::dev::{Chain, chain, keys, node};
use x402_facilitator::hooks::Nothing;
use x402_facilitator::run;

/// Owners, each with one permit.
const OWNERS: usize = 10;
const PRICE: u64 = 1_000;
/// `exact` payments to compare with.
const EXACT: u64 = 20;

/// What the signer did on chain.
struct Spent {
    transactions: u64,
    gas: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let charges: usize = arguments.next().map_or(Ok(1000), |n| n.parse())?;
    let concurrency: usize = arguments.next().map_or(Ok(16), |n| n.parse())?;
    let folder = std::env::temp_dir().join(format!("x402-sessions-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let sqlite = format!("sqlite://{}/sessions.db", folder.display());
    let database = arguments.next().unwrap_or(sqlite);

    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_mins(1))
        .build()?;
    let sandbox = start_chain(client.clone()).await?;
    let settings = [
        ("HOST", "127.0.0.1".to_owned()),
        ("DATA_DIR", folder.display().to_string()),
        ("DATABASE_URL", database),
        ("EVM_NETWORKS", "base-sepolia".to_owned()),
        ("EVM_RPC_URL_BASE_SEPOLIA", sandbox.url().to_owned()),
        ("EVM_PRIVATE_KEY", keys::key("signer", 0).to_string()),
        ("UPTO_IDLE_SETTLE_MS", "3600000".to_owned()),
    ];
    let mut config = Config::load(&settings.into_iter().collect::<Environment>())?;
    config.server.port = 0;
    let running = run::start(config, Clock::system(), Arc::new(Nothing)).await?;
    let url = format!("http://{}", running.address);

    let (ids, took) = charge(&client, &url, charges, concurrency).await?;
    let ids: BTreeSet<&str> = ids.iter().filter_map(Value::as_str).collect();
    for id in ids {
        let settle = format!("{url}/sessions/{id}/settle");
        post(&client, &settle, &json!({})).await?;
    }
    let sessions = spent(&client, sandbox.url()).await?;
    let buyer = Buyer::new(client.clone(), url, sandbox.url().to_owned());
    for _ in 0..EXACT {
        let payer = keys::account("payer", 0);
        buyer.pay_unchecked(&payer, Method::Eip3009).await?;
    }
    let both = spent(&client, sandbox.url()).await?;
    running.stop().await;
    std::fs::remove_dir_all(&folder)?;

    let mut out = std::io::stdout();
    let per_second = u32::try_from(charges).map(f64::from)? / took.as_secs_f64();
    writeln!(
        out,
        "{charges} charges under {OWNERS} permits, {concurrency} at a time, in {took:.2?}: {per_second:.0}/s"
    )?;
    writeln!(
        out,
        "sessions: {} transactions, {} gas in all",
        sessions.transactions, sessions.gas
    )?;
    let exact = (both.gas - sessions.gas) / EXACT;
    writeln!(
        out,
        "exact, alone: {} transactions and {exact} gas for {EXACT} payments, each",
        both.transactions - sessions.transactions
    )?;
    Ok(())
}

/// Holds and charges; the session of each charge, and how long it took in all.
async fn charge(
    client: &reqwest::Client,
    url: &str,
    charges: usize,
    concurrency: usize,
) -> anyhow::Result<(Vec<Value>, Duration)> {
    let cap = PRICE * u64::try_from(charges)? * 2;
    let bodies: Vec<Value> = (0..OWNERS)
        .map(|n| body(&keys::account("payer", n), cap))
        .collect::<anyhow::Result<_>>()?;
    let started = Instant::now();
    let calls = futures::stream::iter(0..charges).map(|n| {
        let body = &bodies[n % OWNERS];
        async move {
            let held = post(client, &format!("{url}/verify"), body).await?;
            ensure!(held["isValid"] == true, "/verify answered {held}");
            let settled = post(client, &format!("{url}/settle"), body).await?;
            ensure!(settled["success"] == true, "/settle answered {settled}");
            Ok(settled["extra"]["sessionId"].clone())
        }
    });
    let calls = calls.buffer_unordered(concurrency).collect::<Vec<_>>();
    let ids = calls
        .await
        .into_iter()
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok((ids, started.elapsed()))
}

/// A call under an owner's permit.
fn body(owner: &PrivateKeySigner, cap: u64) -> anyhow::Result<Value> {
    let deadline = Clock::system().now().as_secs() + 3_600;
    let permit = Permit {
        owner: owner.address(),
        spender: keys::account("signer", 0).address(),
        value: U256::from(cap),
        nonce: U256::ZERO,
        deadline: U256::from(deadline),
    };
    let domain = Domain {
        chain_id: chain::BASE_SEPOLIA,
        contract: USDC,
        name: "USDC".to_owned(),
        version: "2".to_owned(),
    };
    let signature = owner.sign_hash_sync(&permit.digest(domain.separator()))?;
    let requirements = json!({
        "scheme": "upto", "network": "eip155:84532", "asset": USDC, "amount": PRICE.to_string(),
        "payTo": pay_to(), "maxTimeoutSeconds": 60, "extra": {"name": "USDC", "version": "2"},
    });
    let authorization = json!({
        "from": permit.owner, "to": permit.spender, "value": cap.to_string(), "nonce": "0",
        "validBefore": deadline.to_string(),
    });
    let signature = format!("0x{}", alloy::hex::encode(signature.as_bytes()));
    let payload = json!({"authorization": authorization, "signature": signature});
    Ok(json!({
        "x402Version": 2, "paymentRequirements": requirements,
        "paymentPayload": {"x402Version": 2, "accepted": requirements, "payload": payload},
    }))
}

async fn post(client: &reqwest::Client, url: &str, body: &Value) -> anyhow::Result<Value> {
    Ok(client.post(url).json(body).send().await?.json().await?)
}

/// Everything that the signer sent, from the receipts of every block.
async fn spent(client: &reqwest::Client, rpc: &str) -> anyhow::Result<Spent> {
    let call = async |method: &str, params: Value| {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = post(client, rpc, &request).await?;
        anyhow::Ok(answer["result"].clone())
    };
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<U256>().ok());
    let head = number(&call("eth_blockNumber", json!([])).await?).unwrap_or_default();
    let signer: Address = keys::account("signer", 0).address();
    let mut spent = Spent {
        transactions: 0,
        gas: 0,
    };
    for block in 0..=head.to::<u64>() {
        let receipts = call("eth_getBlockReceipts", json!([format!("{block:#x}")])).await?;
        for receipt in receipts.as_array().into_iter().flatten() {
            if receipt["from"] == json!(signer) {
                spent.transactions += 1;
                spent.gas += number(&receipt["gasUsed"]).unwrap_or_default().to::<u64>();
            }
        }
    }
    Ok(spent)
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
    let owners: Vec<_> = (0..OWNERS)
        .map(|n| keys::account("payer", n).address())
        .collect();
    sandbox
        .fund(&owners, U256::from(1_000_000_000_000_u64))
        .await?;
    let wei = U256::from(10).pow(U256::from(21));
    let signer = keys::account("signer", 0).address();
    sandbox.set_gas_balance(signer, wei).await?;
    Ok(sandbox)
}
