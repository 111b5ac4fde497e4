//! What a Solana network is asked by somebody who only watches.

use std::sync::Arc;

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
        let mut calls: Vec<Call> = vec![("getSlot", json!([confirmed]))];
        let balances = signers.iter();
        calls.extend(balances.map(|signer| ("getBalance", json!([signer, confirmed]))));
        calls
    }

    fn read(&self, signers: usize, answers: &[Answer]) -> Result<Reading, Error> {
        let account = |signer: usize| {
            let balance: Option<InContext<u64>> = parse(answers.get(1 + signer)).ok();
            let wei = |lamports: u64| u128::from(lamports).saturating_mul(WEI_PER_LAMPORT);
            Account {
                balance: balance.map(|balance| wei(balance.value)),
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
