//! Pays many times against a service of its own on a local chain and tells how long it took. A measurement, not a test.
//!
//! `cargo run --release --example load -- [evm|svm] [payments] [concurrency] [database URL]`
//!
//! `svm` takes the local validator on the `PATH`. Where that is the ledger of the tests, which is no validator but answers like one, the
//! calls that the service made are counted too: `ln -s …/target/ledger/debug/ledger somewhere/solana-test-validator`.

mod evm;
mod svm;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::Value;
use x402_facilitator::clock::Clock;
use x402_facilitator::config::{Config, Environment};
use x402_facilitator::dev::till::Till;
use x402_facilitator::hooks::Nothing;
use x402_facilitator::run::{self, Running};

/// Payers, so that concurrent payments are of different accounts.
const PAYERS: usize = 64;
/// Payments that are verified, then settled: on Solana they age with every block.
const ROUND: usize = 50;

/// How many payments, how many at a time.
#[derive(Debug, Clone, Copy)]
struct Load {
    payments: usize,
    concurrency: usize,
}

/// Calls by method.
type Calls = BTreeMap<String, u64>;

/// What was measured of one endpoint.
#[derive(Default)]
struct Measured {
    each: Vec<Duration>,
    took: Duration,
    calls: Calls,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let named = arguments.next_if(|word| word == "evm" || word == "svm");
    let load = Load {
        payments: arguments.next().map_or(Ok(200), |n| n.parse())?,
        concurrency: arguments.next().map_or(Ok(1), |n| n.parse())?,
    };
    let folder = std::env::temp_dir().join(format!("x402-load-{}", std::process::id()));
    let database = arguments.next();
    let database = database.unwrap_or(format!("sqlite://{}/load.db", folder.display()));
    std::fs::create_dir_all(&folder)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_mins(1))
        .no_proxy()
        .build()?;
    let done = if named.is_some_and(|name| name == "svm") {
        svm::run(load, &folder, &database, client).await
    } else {
        evm::run(load, &folder, &database, client).await
    };
    std::fs::remove_dir_all(&folder)?;
    done
}

/// The service with these settings beside what every run has.
async fn serve(
    folder: &Path,
    database: &str,
    settings: Vec<(&'static str, String)>,
) -> anyhow::Result<Running> {
    let common = [
        ("HOST", "127.0.0.1".to_owned()),
        ("DATA_DIR", folder.display().to_string()),
        ("DATABASE_URL", database.to_owned()),
    ];
    let environment: Environment = common.into_iter().chain(settings).collect();
    let mut config = Config::load(&environment)?;
    config.server.port = 0;
    run::start(config, Clock::system(), Arc::new(Nothing)).await
}

/// Verifies a round of payments, and then settles it.
async fn round(
    till: &Till,
    bodies: &[Value],
    load: Load,
    measured: &mut [Measured; 2],
    calls: impl AsyncFn() -> anyhow::Result<Calls>,
) -> anyhow::Result<()> {
    calls().await?;
    let started = Instant::now();
    let verified = futures::stream::iter(bodies).map(|body| till.verify(body));
    let verified: Vec<_> = verified.buffer_unordered(load.concurrency).collect().await;
    measured[0].took += started.elapsed();
    measured[0].add(verified.into_iter().collect::<anyhow::Result<_>>()?);
    measured[0].count(calls().await?);

    let started = Instant::now();
    let settled = futures::stream::iter(bodies).map(|body| till.settle(body));
    let settled: Vec<_> = settled.buffer_unordered(load.concurrency).collect().await;
    measured[1].took += started.elapsed();
    let times = settled.into_iter().map(|paid| Ok(paid?.1));
    measured[1].add(times.collect::<anyhow::Result<_>>()?);
    measured[1].count(calls().await?);
    Ok(())
}

impl Measured {
    fn add(&mut self, each: Vec<Duration>) {
        self.each.extend(each);
    }

    fn count(&mut self, calls: Calls) {
        for (method, count) in calls {
            *self.calls.entry(method).or_default() += count;
        }
    }

    /// The time that so many percent took no longer than.
    fn quantile(&self, percent: usize) -> Duration {
        let mut each = self.each.clone();
        each.sort_unstable();
        let last = each.len().saturating_sub(1);
        let at = (each.len() * percent / 100).min(last);
        each.get(at).copied().unwrap_or_default()
    }
}

fn report(measured: &[Measured; 2], load: Load) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let count = measured[0].each.len();
    let at_a_time = load.concurrency;
    writeln!(out, "{count} payments, {at_a_time} at a time")?;
    for (name, measured) in ["verify", "settle"].iter().zip(measured) {
        writeln!(
            out,
            "{name}: p50 {:.2?}, p95 {:.2?}, p99 {:.2?}; {:.0} a second",
            measured.quantile(50),
            measured.quantile(95),
            measured.quantile(99),
            f64::from(u32::try_from(count)?) / measured.took.as_secs_f64(),
        )?;
        for (method, calls) in &measured.calls {
            let each = f64::from(u32::try_from(*calls)?) / f64::from(u32::try_from(count)?);
            writeln!(out, "  {method}: {each:.2} each")?;
        }
    }
    Ok(())
}
