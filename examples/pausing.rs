//! The service with a pause in it, for crash tests only: it stands still at a named point of the money path until it is killed.
//!
//! One argument, JSON: `{"settings": [[name, value]…], "data_dir": …, "pause_at": "Stored" | … | "SendThenDie" | null}`.

use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use x402_facilitator::clock::Clock;
use x402_facilitator::config::{Config, Environment};
use x402_facilitator::hooks::{Hooks, Point};
use x402_facilitator::run;

#[derive(Deserialize)]
struct Plan {
    settings: Vec<(String, String)>,
    data_dir: String,
    pause_at: Option<String>,
}

#[derive(Debug)]
struct Pause {
    at: String,
    rpc_url: String,
    family: Family,
}

/// Whose node the mutant sends to.
#[derive(Debug, Clone, Copy)]
enum Family {
    Evm,
    Svm,
}

#[async_trait]
impl Hooks for Pause {
    async fn reached(&self, point: Point) {
        let name = name(&point);
        // The mutation: what a service that sends before it stores would have done when it died in between.
        if let (Point::Signed { raw }, "SendThenDie") = (&point, self.at.as_str()) {
            let (method, params) = match self.family {
                Family::Evm => ("eth_sendRawTransaction", serde_json::json!([raw])),
                Family::Svm => {
                    let raw = BASE64_STANDARD.encode(raw);
                    let config = serde_json::json!({"encoding": "base64", "skipPreflight": true});
                    ("sendTransaction", serde_json::json!([raw, config]))
                }
            };
            let request =
                serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            let sent = reqwest::Client::new()
                .post(&self.rpc_url)
                .json(&request)
                .send()
                .await;
            sent.expect("the mutant sends");
        } else if name != self.at {
            // Other tasks of the process must not run ahead of the one that stands still.
            if rank(name) > rank(&self.at) {
                std::future::pending::<()>().await;
            }
            return;
        }
        say(&format!("reached {}", self.at));
        std::future::pending::<()>().await;
    }
}

/// The points in the order of a payment.
const POINTS: [&str; 8] = [
    "BatchPrepared",
    "Enqueued",
    "NonceChosen",
    "Signed",
    "Stored",
    "Sent",
    "Received",
    "Settled",
];

fn name(point: &Point) -> &'static str {
    match point {
        Point::BatchPrepared => "BatchPrepared",
        Point::Enqueued => "Enqueued",
        Point::NonceChosen => "NonceChosen",
        Point::Signed { .. } => "Signed",
        Point::Stored => "Stored",
        Point::Sent => "Sent",
        Point::Received => "Received",
        Point::Settled => "Settled",
    }
}

/// Where a point stands in [`POINTS`]; after all of them for a name that is none.
fn rank(name: &str) -> usize {
    POINTS
        .iter()
        .position(|known| *known == name)
        .unwrap_or(POINTS.len())
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .expect("the test listens");
}

#[tokio::main]
async fn main() {
    let plan = std::env::args().nth(1).expect("a plan is given");
    let plan: Plan = serde_json::from_str(&plan).expect("the plan is readable");
    let find = |name: &str| {
        plan.settings
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    };
    let (rpc_url, family) = match find("SVM_RPC_URL_SOLANA_DEVNET") {
        Some(url) => (url, Family::Svm),
        None => (
            find("EVM_RPC_URL_BASE_SEPOLIA").unwrap_or_default(),
            Family::Evm,
        ),
    };
    let values = plan
        .settings
        .iter()
        .cloned()
        .chain([("DATA_DIR".to_owned(), plan.data_dir.clone())]);
    let config = Config::load(&values.collect::<Environment>()).expect("the settings are good");
    let hooks = Arc::new(Pause {
        at: plan.pause_at.unwrap_or_default(),
        rpc_url,
        family,
    });
    let running = run::start(config, Clock::system(), hooks)
        .await
        .expect("the service starts");
    say(&format!("listening {}", running.address));
    running.failed().await;
    panic!("a task of the service ended");
}
