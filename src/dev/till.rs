//! A resource server's part of a payment: asks a facilitator to verify it, then to settle it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

/// A payment that both endpoints called good.
#[derive(Debug)]
pub struct Receipt {
    pub transaction: String,
    pub verify: Duration,
    pub settle: Duration,
}

/// A facilitator as a resource server calls it.
#[derive(Debug, Clone)]
pub struct Till {
    client: reqwest::Client,
    facilitator: String,
}

impl Till {
    pub fn new(client: reqwest::Client, facilitator: String) -> Self {
        Self {
            client,
            facilitator,
        }
    }

    /// Verifies and settles one payment and believes the answers.
    ///
    /// # Errors
    /// An answer that is no success.
    pub async fn pay(&self, body: &Value) -> anyhow::Result<Receipt> {
        let verify = self.verify(body).await?;
        let (transaction, settle) = self.settle(body).await?;
        Ok(Receipt {
            transaction,
            verify,
            settle,
        })
    }

    /// How long it took to be told that the payment is good.
    ///
    /// # Errors
    /// It is not, or nobody answers.
    pub async fn verify(&self, body: &Value) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let verified = self.post("verify", body).await?;
        ensure!(verified["isValid"] == true, "/verify answered {verified}");
        Ok(started.elapsed())
    }

    /// The transaction, and how long it took to be told of it.
    ///
    /// # Errors
    /// It was not settled, or nobody answers.
    pub async fn settle(&self, body: &Value) -> anyhow::Result<(String, Duration)> {
        let started = Instant::now();
        let settled = self.post("settle", body).await?;
        ensure!(settled["success"] == true, "/settle answered {settled}");
        let transaction = settled["transaction"].as_str();
        let transaction = transaction.context("no transaction in the answer")?;
        Ok((transaction.to_owned(), started.elapsed()))
    }

    /// What `/supported` lists.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn supported(&self) -> anyhow::Result<Value> {
        let url = format!("{}/supported", self.facilitator);
        let answer = self.client.get(url).send().await;
        Ok(answer.context("asking /supported")?.json().await?)
    }

    async fn post(&self, endpoint: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/{endpoint}", self.facilitator);
        let answer = self.client.post(url).json(body).send().await;
        let answer = answer.with_context(|| format!("asking /{endpoint}"))?;
        Ok(answer.json().await?)
    }
}
