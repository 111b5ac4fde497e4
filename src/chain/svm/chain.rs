//! What the lanes and the watcher of one network share.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::fee_payers::FeePayers;
use super::reads::Reads;
use super::rpc::{Endpoints, Identity};
use super::work::{Expect, Work};
use super::{Error, Rpc};
use crate::clock::Clock;
use crate::config::SvmNetwork;
use crate::hooks::Hooks;
use crate::protocol::Reason;

use crate::store::{self, Settlement, Store};

/// CAIP-2 names a Solana network by so much of its genesis hash.
const GENESIS_CHARACTERS: usize = 32;

/// One Solana network: its endpoints, its facts, and what they write to.
#[derive(Debug)]
pub struct Chain {
    pub config: SvmNetwork,
    pub rpc: Arc<Rpc>,
    /// Shared with verification, so that both know one height.
    pub reads: Arc<Reads>,
    /// Shared with the scheme, which shows them to sellers.
    pub fee_payers: Arc<FeePayers>,
    pub store: Store,
    pub clock: Clock,
    pub hooks: Arc<dyn Hooks>,
}

/// What a node says about a state that it answers from.
#[derive(Debug, Deserialize)]
pub(super) struct InContext<T> {
    pub(super) value: T,
}

/// The endpoints of a Solana network, which name their genesis hash.
pub fn connect(network: &SvmNetwork, client: reqwest::Client) -> Rpc {
    let genesis = |answer: &Value| {
        let hash = answer.as_str()?;
        hash.get(..GENESIS_CHARACTERS).map(ToOwned::to_owned)
    };
    let name = network.network.as_str();
    let reference = name
        .split_once(':')
        .map_or(name, |(_, reference)| reference);
    let endpoints = Endpoints {
        network: &network.network,
        read: &network.rpc_urls,
        send: &network.send_urls,
        identity: Identity {
            method: "getGenesisHash",
            read: genesis,
            expected: reference.to_owned(),
        },
    };
    Rpc::new(endpoints, client)
}

impl Chain {
    /// The lamports of an account.
    pub(super) async fn lamports(&self, account: &str) -> Result<u64, Error> {
        let config = json!({"commitment": "confirmed"});
        let balance: InContext<u64> = self
            .rpc
            .read("getBalance", json!([account, config]))
            .await?;
        Ok(balance.value)
    }
}

/// The chain's part of a row.
pub(super) fn read_work(settlement: &Settlement) -> store::Result<(Work, Expect)> {
    let unreadable = |cause: serde_json::Error| {
        store::Error::Inconsistent(format!("work of {}: {cause}", settlement.id))
    };
    let work = serde_json::from_str(&settlement.work).map_err(unreadable)?;
    let expect = serde_json::from_str(&settlement.expect).map_err(unreadable)?;
    Ok((work, expect))
}

/// The code that a payment's protocol version has for a failure; version 1 names networks without their genesis.
pub(super) fn in_version(settlement: &Settlement, v2: Reason, v1: Reason) -> Reason {
    if settlement.wire_network == settlement.network.as_str() {
        v2
    } else {
        v1
    }
}
