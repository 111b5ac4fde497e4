//! A look at everything that a deployment needs before it is given traffic: the database, every node, every contract and every signer's funds.
//! Asks, and changes nothing but what opening an embedded database makes.

mod database;
mod evm;
mod svm;

use std::time::Duration;

use anyhow::Context;
use futures::future::join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::chain;
use crate::clock::Clock;
use crate::config::Config;

/// Longest a look at one network may take: a node has 8 s for a call, and is asked for its identity first.
const PATIENCE: Duration = Duration::from_secs(20);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `database`, or the operator-facing name of a network.
    pub subject: String,
    pub grade: Grade,
    /// For people; holds nothing secret.
    pub text: String,
}

/// Whether it will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    Good,
    /// Payments can be settled, some of them or less safely.
    Doubtful,
    /// Payments that need it cannot be settled.
    Bad,
}

/// Findings about one subject as they are made.
struct Findings {
    subject: String,
    list: Vec<Finding>,
}

impl Findings {
    fn about(subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            list: Vec::new(),
        }
    }

    fn add(&mut self, grade: Grade, text: impl Into<String>) {
        self.list.push(Finding {
            subject: self.subject.clone(),
            grade,
            text: text.into(),
        });
    }
}

/// Looks at everything that the configuration names, at the same time; the findings come in the configuration's order.
///
/// # Errors
/// Only when this process cannot ask anybody: the HTTP client cannot be built.
pub async fn everything(config: &Config, clock: &Clock) -> anyhow::Result<Vec<Finding>> {
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(3))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("building the RPC client")?;
    let database = async { join_all([database::look(&config.store, clock)]).await };
    let evm = config.evm.networks.iter().map(|network| {
        let look = evm::look(network, &config.evm.keys, client.clone(), clock);
        bounded(&network.name, look)
    });
    let svm = config.svm.networks.iter().map(|network| {
        let look = svm::look(network, &config.svm.keys, client.clone());
        bounded(&network.name, look)
    });
    let (database, evm, svm) = tokio::join!(database, join_all(evm), join_all(svm));
    let all = database.into_iter().chain(evm).chain(svm);
    Ok(all.flatten().collect())
}

async fn bounded(name: &str, look: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    timeout(PATIENCE, look).await.unwrap_or_else(|_| {
        let mut found = Findings::about(name);
        found.add(Grade::Bad, "its nodes did not answer in time");
        found.list
    })
}

/// One answer of a node, read; the text says why it cannot be.
fn read<T: DeserializeOwned>(
    answer: Option<&Result<Box<RawValue>, chain::Error>>,
) -> Result<T, String> {
    match answer {
        Some(Ok(raw)) => {
            serde_json::from_str(raw.get()).map_err(|cause| format!("unreadable answer: {cause}"))
        }
        Some(Err(cause)) => Err(cause.to_string()),
        None => Err("an answer is missing".to_owned()),
    }
}
