//! What the sandbox asks of its validator.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use solana_hash::Hash;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tokio::time::sleep;

use super::{PATIENCE, keys, transaction};

/// How often it is asked whether something has happened: half a slot.
const POLL: Duration = Duration::from_millis(200);

/// A validator's JSON-RPC.
#[derive(Debug, Clone)]
pub struct Node {
    client: reqwest::Client,
    url: String,
}

impl Node {
    pub fn new(client: reqwest::Client, url: &str) -> Self {
        Self {
            client,
            url: url.to_owned(),
        }
    }

    /// # Errors
    /// The node cannot be asked, or refuses.
    pub async fn ask(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let asked = self.client.post(&self.url).json(&request).send().await;
        let mut answer: Value = asked?.json().await?;
        match answer.get("error") {
            Some(error) => Err(anyhow!("{method}: {}", error["message"])),
            None => Ok(answer["result"].take()),
        }
    }

    pub async fn genesis(&self) -> anyhow::Result<String> {
        let answer = self.ask("getGenesisHash", json!([])).await?;
        Ok(answer.as_str().context("no genesis hash")?.to_owned())
    }

    /// What an account of so many bytes must own, lamports.
    pub async fn rent(&self, length: u64) -> anyhow::Result<u64> {
        let answer = self
            .ask("getMinimumBalanceForRentExemption", json!([length]))
            .await?;
        answer.as_u64().context("no rent")
    }

    pub async fn blockhash(&self) -> anyhow::Result<Hash> {
        let params = json!([{"commitment": "confirmed"}]);
        let answer = self.ask("getLatestBlockhash", params).await?;
        let hash = answer["value"]["blockhash"]
            .as_str()
            .context("no blockhash")?;
        hash.parse().context("reading a blockhash")
    }

    /// The units of an owner's associated account.
    pub async fn units(&self, account: &Pubkey) -> anyhow::Result<u64> {
        let params = json!([account.to_string(), {"commitment": "confirmed"}]);
        let answer = self.ask("getTokenAccountBalance", params).await?;
        let amount = answer["value"]["amount"].as_str().context("no balance")?;
        Ok(amount.parse()?)
    }

    async fn lamports(&self, account: &Pubkey) -> anyhow::Result<u64> {
        let params = json!([account.to_string(), {"commitment": "confirmed"}]);
        let answer = self.ask("getBalance", params).await?;
        answer["value"].as_u64().context("no balance")
    }

    /// Asks the faucet and waits for the money. A faucet may be up later than its node.
    pub async fn airdrop(&self, account: &Pubkey, lamports: u64) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut asked = false;
        loop {
            if !asked {
                let given = self
                    .ask("requestAirdrop", json!([account.to_string(), lamports]))
                    .await;
                asked = given.is_ok();
                if started.elapsed() > PATIENCE {
                    given?;
                }
            }
            if self.lamports(account).await? >= lamports {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("the faucet gave nothing to {account}");
            }
            sleep(POLL).await;
        }
    }

    /// Sends a transaction whose fee the first signer pays, and waits until it is confirmed.
    pub async fn execute(
        &self,
        instructions: &[Instruction],
        signers: &[&SigningKey],
    ) -> anyhow::Result<()> {
        let fee_payer = signers.first().context("nobody signs")?;
        let fee_payer = keys::address(fee_payer);
        let blockhash = self.blockhash().await?;
        let wire = transaction::signed(&fee_payer, instructions, signers, blockhash)?;
        // What is confirmed for us need not be final for its preflight.
        let config = json!({"encoding": "base64", "preflightCommitment": "confirmed"});
        let params = json!([BASE64_STANDARD.encode(wire), config]);
        let id = self.ask("sendTransaction", params).await?;
        self.confirmed(&id).await
    }

    async fn confirmed(&self, id: &Value) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let answer = self.ask("getSignatureStatuses", json!([[id]])).await?;
            let status = &answer["value"][0];
            if !status["err"].is_null() {
                bail!("transaction {id} failed: {}", status["err"]);
            }
            let depth = status["confirmationStatus"].as_str();
            if matches!(depth, Some("confirmed" | "finalized")) {
                return Ok(());
            }
            sleep(POLL).await;
        }
        bail!("transaction {id} was not confirmed in time")
    }
}
