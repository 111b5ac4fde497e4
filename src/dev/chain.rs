//! An anvil of our own: started on a free port, gone when we are gone.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use super::contracts::{USDC, allowance_slot, balance_slot, placements};
use super::leash::leashed;
use crate::chain::evm::contracts::PERMIT2;

/// Base Sepolia, which stock clients know by name.
pub const BASE_SEPOLIA: u64 = 84_532;
/// Longest anvil may take until it listens; it takes 15 ms on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest one request may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Calls in one HTTP request: anvil refuses bodies over 2 MiB.
const BATCH: usize = 500;

/// Which chain to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program, as [`super::node`] finds it.
    pub anvil: PathBuf,
    pub chain_id: u64,
    /// `None` takes any free port.
    pub port: Option<u16>,
}

/// A running local chain. Dropping it ends the process.
#[derive(Debug)]
pub struct Chain {
    url: String,
    client: reqwest::Client,
    /// Held for its `stdin`: see [`leashed`].
    _process: Child,
    /// Held so that anvil can always write: nobody reads on after the start, and logging is off by then.
    _output: Lines<BufReader<ChildStdout>>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("anvil could not be started")]
    Spawn(#[source] std::io::Error),
    #[error("anvil ended at once: {0}")]
    Ended(String),
    #[error("anvil did not listen within {} s", START_TIMEOUT.as_secs())]
    Slow,
    #[error("anvil could not be asked")]
    Unreachable(#[source] reqwest::Error),
    #[error("anvil refused {method}: {message}")]
    Refused {
        method: &'static str,
        message: String,
    },
}

type Call = (&'static str, Value);

#[derive(Deserialize)]
struct Answer {
    id: usize,
    error: Option<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    message: String,
}

impl Chain {
    /// Starts anvil and waits until it answers: one block, automatic mining, no contracts of ours yet.
    ///
    /// # Errors
    /// When anvil cannot run, among others because the wanted port is taken.
    pub async fn start(options: &Options, client: reqwest::Client) -> Result<Self, Error> {
        let port = options.port.unwrap_or(0).to_string();
        let chain_id = options.chain_id.to_string();
        let mut process = leashed(&options.anvil)
            .args(["--host", "127.0.0.1", "--port", &port])
            .args(["--chain-id", &chain_id, "--accounts", "1"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::Spawn)?;
        let stdout = process.stdout.take().expect("stdout is piped");
        let mut output = BufReader::new(stdout).lines();
        let address = timeout(START_TIMEOUT, listening(&mut output))
            .await
            .map_err(|_| Error::Slow)??;
        let chain = Self {
            url: format!("http://{address}"),
            client,
            _process: process,
            _output: output,
        };
        // Anvil tells its port only while it logs, and would write a line per call from here on.
        chain
            .call("anvil_setLoggingEnabled", json!([false]))
            .await?;
        Ok(chain)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Puts every contract that x402 needs where stock clients expect it.
    pub async fn place_contracts(&self) -> Result<(), Error> {
        let placements = placements().into_iter();
        let calls = placements.map(|(address, code)| ("anvil_setCode", json!([address, code])));
        self.batch(&calls.collect::<Vec<_>>()).await
    }

    /// Gives each account `units` of the token and lets Permit2 take all of it.
    pub async fn fund(&self, accounts: &[Address], units: U256) -> Result<(), Error> {
        let store = |slot: B256, value: U256| {
            let value = B256::from(value);
            ("anvil_setStorageAt", json!([USDC, slot, value]))
        };
        let writes = accounts.iter().flat_map(|account| {
            let allowance = allowance_slot(*account, PERMIT2);
            [
                store(balance_slot(*account), units),
                store(allowance, U256::MAX),
            ]
        });
        self.batch(&writes.collect::<Vec<_>>()).await
    }

    /// Sets what an account has to pay gas with, in wei.
    pub async fn set_gas_balance(&self, account: Address, wei: U256) -> Result<(), Error> {
        self.call("anvil_setBalance", json!([account, wei])).await
    }

    async fn call(&self, method: &'static str, params: Value) -> Result<(), Error> {
        self.batch(&[(method, params)]).await
    }

    /// Makes all calls, in order, in as few requests as anvil takes.
    async fn batch(&self, calls: &[Call]) -> Result<(), Error> {
        for calls in calls.chunks(BATCH) {
            self.post(calls)
                .await
                .map_err(Error::Unreachable)?
                .check(calls)?;
        }
        Ok(())
    }

    async fn post(&self, calls: &[Call]) -> Result<Answers, reqwest::Error> {
        let one = |(id, (method, params)): (usize, &Call)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let body: Value = calls.iter().enumerate().map(one).collect();
        let request = self
            .client
            .post(&self.url)
            .timeout(CALL_TIMEOUT)
            .json(&body);
        request.send().await?.json().await
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Answers(Vec<Answer>);

impl Answers {
    fn check(self, calls: &[Call]) -> Result<(), Error> {
        let refused = self
            .0
            .into_iter()
            .find_map(|answer| Some((answer.id, answer.error?)));
        let Some((id, complaint)) = refused else {
            return Ok(());
        };
        Err(Error::Refused {
            method: calls.get(id).map_or("a call", |call| call.0),
            message: complaint.message,
        })
    }
}

/// Reads anvil's greeting up to the address where it listens.
async fn listening<R: AsyncRead + Unpin>(
    output: &mut Lines<BufReader<R>>,
) -> Result<String, Error> {
    let mut said = String::new();
    loop {
        let line = output.next_line().await.map_err(Error::Spawn)?;
        let Some(line) = line else {
            return Err(Error::Ended(said.trim().to_owned()));
        };
        if let Some(address) = line.strip_prefix("Listening on ") {
            return Ok(address.trim().to_owned());
        }
        said.push_str(&line);
        said.push('\n');
    }
}
