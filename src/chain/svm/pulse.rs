//! What a Solana network is asked by somebody who only watches.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::Error;
use super::chain::{Chain, InContext};
use super::rpc::{Call, parse};
use crate::chain::pulse::{Account, Answer, Last, Pulse, Questions, Reading};

/// Two signatures, lamports: what most payments cost.
const TYPICAL_COST: u128 = 10_000;
/// Lamports are billionths of the coin; what is shown is counted in billionths of billionths, as wei are.
const WEI_PER_LAMPORT: u128 = 1_000_000_000;

struct Svm;

/// An account, as much as we use.
#[derive(Deserialize)]
struct Lamports {
    lamports: u64,
}

/// The network's pulse, with its fee payers in base58.
pub fn pulse(chain: &Chain, signers: Vec<String>) -> Pulse {
    Pulse {
        network: chain.config.network.clone(),
        name: chain.config.name.clone(),
        signers,
        daily_cap: chain.config.daily_spend_cap.saturating_mul(WEI_PER_LAMPORT),
        rpc: Arc::clone(&chain.rpc),
        questions: Box::new(Svm),
        last: Last::default(),
        asked: watch::Sender::new(false),
    }
}

impl Questions for Svm {
    fn calls(&self, signers: &[String]) -> Vec<Call> {
        let confirmed = json!({"commitment": "confirmed"});
        // Their lamports are wanted, none of their data.
        let bare = json!({"commitment": "confirmed", "encoding": "base64", "dataSlice": {"offset": 0, "length": 0}});
        vec![
            ("getSlot", json!([confirmed])),
            ("getMultipleAccounts", json!([signers, bare])),
        ]
    }

    fn read(&self, signers: usize, answers: &[Answer]) -> Result<Reading, Error> {
        let found: Option<InContext<Vec<Option<Lamports>>>> = parse(answers.get(1)).ok();
        let found = found.map(|found| found.value);
        let account = |signer: usize| {
            // An account that does not exist has nothing.
            let found = found.as_ref().and_then(|found| found.get(signer));
            let lamports = found.map(|account| account.as_ref().map_or(0, |found| found.lamports));
            let wei = |lamports: u64| u128::from(lamports).saturating_mul(WEI_PER_LAMPORT);
            Account {
                balance: lamports.map(wei),
                ..Account::default()
            }
        };
        Ok(Reading {
            head: parse(answers.first())?,
            head_time: None,
            typical_cost: TYPICAL_COST.saturating_mul(WEI_PER_LAMPORT),
            signers: (0..signers).map(account).collect(),
        })
    }
}
