//! What the lanes and the watcher of one network share.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U64, U128, U256};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fees::{Limits, Market};
pub(super) use super::rpc::parse;
use super::rpc::{Call, Endpoints, Identity};
use super::{Error, Rpc};
use crate::clock::Clock;
use crate::config::EvmNetwork;
use crate::hooks::Hooks;
use crate::store::{Block, Store};

/// Most gas that a noop may take.
const NOOP_GAS_MAX: u64 = 2_000_000;

/// One EVM network: its endpoints, its facts, and what they write to.
#[derive(Debug)]
pub struct Chain {
    pub config: EvmNetwork,
    pub rpc: Arc<Rpc>,
    pub store: Store,
    pub clock: Clock,
    pub hooks: Arc<dyn Hooks>,
}

/// A block's header, as much as we use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    number: U64,
    hash: String,
    pub parent_hash: String,
    timestamp: U64,
    base_fee_per_gas: Option<U128>,
}

impl Head {
    pub(super) fn number(&self) -> u64 {
        self.number.to()
    }

    pub(super) fn timestamp(&self) -> u64 {
        self.timestamp.to()
    }

    pub(super) fn base_fee(&self) -> Option<u128> {
        self.base_fee_per_gas.map(|fee| fee.to())
    }

    pub(super) fn block(&self) -> Block {
        Block {
            number: self.number(),
            hash: self.hash.clone(),
        }
    }
}

/// The endpoints of an EVM network, which name their chain id.
pub fn connect(network: &EvmNetwork, client: reqwest::Client) -> Rpc {
    let chain_id = |answer: &Value| U64::deserialize(answer).ok().map(|id| id.to_string());
    let endpoints = Endpoints {
        network: &network.network,
        read: &network.rpc_urls,
        send: &network.send_urls,
        identity: Identity {
            method: "eth_chainId",
            read: chain_id,
            expected: network.chain_id.to_string(),
        },
    };
    Rpc::new(endpoints, client)
}

impl Chain {
    pub fn limits(&self) -> Limits {
        Limits {
            max_fee: self.config.max_fee_per_gas,
            min_priority_fee: self.config.min_priority_fee,
        }
    }

    pub async fn market(&self) -> Result<Market, Error> {
        let answers = self.rpc.batch(market_calls(None)).await?;
        read_market(None, &answers)
    }

    /// A transfer of nothing to ourselves with the gas that it takes on this chain: rollups charge their data as gas.
    pub(super) async fn noop(&self, signer: Address) -> super::transaction::Call {
        let mut call = super::transaction::Call::noop(signer);
        let asked = self
            .rpc
            .read::<U64>("eth_estimateGas", json!([{"from": signer, "to": signer}]))
            .await;
        if let Ok(gas) = asked {
            let roomy = gas.to::<u64>().saturating_mul(12) / 10;
            if gas.to::<u64>() > call.gas_limit {
                call.gas_limit = roomy.min(NOOP_GAS_MAX);
            }
        }
        call
    }

    /// Hands signed transactions to every send endpoint, in order. For every transaction one verdict per endpoint.
    pub(super) async fn send_raw(&self, raws: &[&Bytes]) -> Vec<Vec<Result<B256, Error>>> {
        let call = |raw: &&Bytes| ("eth_sendRawTransaction", json!([raw]));
        let calls: Vec<Call> = raws.iter().map(call).collect();
        self.rpc.send(&calls).await
    }

    /// The signer's account nonce at a block tag.
    pub async fn account_nonce(&self, signer: Address, tag: &str) -> Result<u64, Error> {
        let nonce: U64 = self
            .rpc
            .read("eth_getTransactionCount", json!([signer, tag]))
            .await?;
        Ok(nonce.to())
    }
}

/// The calls whose answers [`read_market`] takes. Whether a chain has EIP-1559 does not change: only the price that counts is asked once that is known.
pub(super) fn market_calls(known: Option<Market>) -> Vec<Call> {
    let head = ("eth_getBlockByNumber", json!(["latest", false]));
    let tip = ("eth_maxPriorityFeePerGas", json!([]));
    let price = ("eth_gasPrice", json!([]));
    match known.map(|market| market.base_fee) {
        Some(Some(_)) => vec![head, tip],
        Some(None) => vec![head, price],
        None => vec![head, tip, price],
    }
}

/// Fees from the answers to [`market_calls`] with the same `known`. A node without `eth_maxPriorityFeePerGas` suggests nothing.
pub(super) fn read_market(
    known: Option<Market>,
    answers: &[Result<Box<RawValue>, Error>],
) -> Result<Market, Error> {
    let head: Head = parse(answers.first())?;
    let price_at = if known.is_some() { 1 } else { 2 };
    let base_fee = head.base_fee();
    let tip = match base_fee {
        Some(_) => parse::<U128>(answers.get(1)).map_or(0, |tip| tip.to()),
        None => parse::<U128>(answers.get(price_at))?.to(),
    };
    Ok(Market { base_fee, tip })
}

/// A number as a block tag.
pub(super) fn tag(block_number: u64) -> String {
    format!("{block_number:#x}")
}

/// An ABI-encoded `uint256` answer.
pub(super) fn parse_word(answer: Option<&Result<Box<RawValue>, Error>>) -> Result<U256, Error> {
    let bytes: alloy::primitives::Bytes = parse(answer)?;
    U256::try_from_be_slice(&bytes)
        .filter(|_| bytes.len() == 32)
        .ok_or_else(|| Error::Unavailable("the answer is not one word".to_owned()))
}
