//! What an EVM network is asked by somebody who only watches.

use std::sync::Arc;

use alloy::primitives::{U64, U256};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;

use super::Error;
use super::chain::{Chain, Head, parse};
use super::rpc::Call;
use crate::chain::pulse::{Account, Answer, Last, Pulse, Questions, Reading};

/// Gas of a payment before any was made.
const TYPICAL_GAS: u128 = 100_000;
/// Questions about the network itself, before those about its signers.
const COMMON: usize = 2;
const PER_SIGNER: usize = 3;

struct Evm;

/// The network's pulse, with its signers in lower-case hex.
pub fn pulse(chain: &Chain, signers: Vec<String>) -> Pulse {
    Pulse {
        network: chain.config.network.clone(),
        name: chain.config.name.clone(),
        signers,
        daily_cap: chain.config.daily_spend_cap,
        rpc: Arc::clone(&chain.rpc),
        questions: Box::new(Evm),
        last: Last::default(),
        asked: watch::Sender::new(false),
    }
}

impl Questions for Evm {
    fn calls(&self, signers: &[String]) -> Vec<Call> {
        let mut calls: Vec<Call> = vec![
            ("eth_getBlockByNumber", json!(["latest", false])),
            ("eth_gasPrice", json!([])),
        ];
        for signer in signers {
            calls.push(("eth_getBalance", json!([signer, "latest"])));
            calls.push(("eth_getTransactionCount", json!([signer, "latest"])));
            calls.push(("eth_getTransactionCount", json!([signer, "pending"])));
        }
        calls
    }

    fn read(&self, signers: usize, answers: &[Answer]) -> Result<Reading, Error> {
        let head: Head = parse(answers.first())?;
        let gas_price: Option<U256> = told(answers, 1);
        let gas_price: u128 = gas_price.map_or(0, |price| price.saturating_to());
        let account = |signer: usize| {
            let at = COMMON + signer * PER_SIGNER;
            let balance: Option<U256> = told(answers, at);
            let latest: Option<U64> = told(answers, at + 1);
            let pending: Option<U64> = told(answers, at + 2);
            Account {
                balance: balance.map(|balance| balance.saturating_to()),
                latest_nonce: latest.map(|nonce| nonce.to()),
                pending_nonce: pending.map(|nonce| nonce.to()),
            }
        };
        Ok(Reading {
            head: head.number(),
            head_time: Some(head.timestamp()),
            typical_cost: gas_price.saturating_mul(TYPICAL_GAS),
            signers: (0..signers).map(account).collect(),
        })
    }
}

fn told<T: DeserializeOwned>(answers: &[Answer], index: usize) -> Option<T> {
    parse(answers.get(index)).ok()
}
