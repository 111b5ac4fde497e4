//! Payments for tests: valid, but for the one thing that a test changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, address};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Chain;
use crate::chain::evm::contracts::{EXACT_PERMIT2_PROXY, PERMIT2};
use crate::chain::evm::eip712::{Authorization, Domain, Permit, PermitTransfer, permit2_separator};
use crate::chain::evm::reads::{CallResult, Code, Reads};
use crate::clock::UnixMillis;
use crate::config::{Asset, EvmNetwork, Factory};
use crate::protocol::payment::{Payment, Purpose, Requirements, Version};
use crate::protocol::{Amount, Network};

pub(in crate::scheme) const CHAIN_ID: u64 = 84_532;
pub(in crate::scheme) const USDC: Address = address!("0x036CbD53842c5426634e7929541eC2318f3dCF7e");
pub(in crate::scheme) const PAY_TO: Address =
    address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
pub(in crate::scheme) const FACTORY: Address = Address::repeat_byte(0xfa);
/// The account of ours.
pub(in crate::scheme) const SIGNER: Address = Address::repeat_byte(0x51);
pub(in crate::scheme) const NOW: UnixMillis = UnixMillis(1_700_000_000_500);
pub(in crate::scheme) const NOW_SECS: u64 = 1_700_000_000;
pub(in crate::scheme) const AMOUNT: u64 = 10_000;

pub(in crate::scheme) fn network() -> EvmNetwork {
    EvmNetwork {
        network: Network::eip155(CHAIN_ID),
        chain_id: CHAIN_ID,
        name: "base-sepolia".to_owned(),
        v1_name: Some("base-sepolia".to_owned()),
        testnet: true,
        explorer: None,
        rpc_urls: vec![],
        send_urls: vec![],
        rpc_source: "explicit",
        assets: vec![Asset {
            address: USDC,
            symbol: "USDC".to_owned(),
            decimals: Some(6),
            domain: None,
        }],
        any_asset: false,
        block_time: Duration::from_secs(2),
        confirmations: 1,
        finality_depth: 1,
        bump_after: Duration::from_secs(6),
        max_fee_per_gas: 0,
        min_priority_fee: 0,
        daily_spend_cap: 0,
        factories: vec![Factory {
            address: FACTORY,
            gas: 500_000,
        }],
    }
}

/// A chain whose node cannot be asked.
pub(in crate::scheme) fn chain(network: EvmNetwork) -> Chain {
    // A second test finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let rpc = Arc::new(crate::chain::evm::connect(&network, reqwest::Client::new()));
    let reads = Arc::new(Reads::new(rpc, SIGNER));
    Chain::new(network, reads, vec![SIGNER])
}

pub(in crate::scheme) fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(0x42)).unwrap()
}

fn sign(digest: B256) -> Bytes {
    key().sign_hash_sync(&digest).unwrap().as_bytes().into()
}

pub(in crate::scheme) fn usdc() -> Domain {
    Domain {
        chain_id: CHAIN_ID,
        contract: USDC,
        name: "USDC".to_owned(),
        version: "2".to_owned(),
    }
}

/// Requirements and envelope of a payment, before it is signed.
#[derive(Debug, Clone)]
pub(in crate::scheme) struct Envelope {
    pub(in crate::scheme) purpose: Purpose,
    pub(in crate::scheme) version: Version,
    pub(in crate::scheme) scheme: String,
    pub(in crate::scheme) accepted_scheme: String,
    pub(in crate::scheme) wire_network: String,
    pub(in crate::scheme) accepted_network: String,
    pub(in crate::scheme) asset: String,
    pub(in crate::scheme) pay_to: String,
    pub(in crate::scheme) amount: u64,
    pub(in crate::scheme) extra: BTreeMap<String, Value>,
    pub(in crate::scheme) extensions: BTreeMap<String, Value>,
}

impl Envelope {
    pub(in crate::scheme) fn new() -> Self {
        let extra = [("name", json!("USDC")), ("version", json!("2"))];
        Self {
            purpose: Purpose::Verify,
            version: Version::V2,
            scheme: "exact".to_owned(),
            accepted_scheme: "exact".to_owned(),
            wire_network: "eip155:84532".to_owned(),
            accepted_network: "eip155:84532".to_owned(),
            asset: USDC.to_string(),
            pay_to: PAY_TO.to_string(),
            amount: AMOUNT,
            extra: extra.map(|(name, value)| (name.to_owned(), value)).into(),
            extensions: BTreeMap::new(),
        }
    }

    pub(in crate::scheme) fn payment(&self, payload: &Value) -> Payment {
        let raw = |value: &Value| RawValue::from_string(value.to_string()).unwrap();
        let extensions = self.extensions.iter();
        Payment {
            purpose: self.purpose,
            version: self.version,
            requirements: Requirements {
                scheme: self.scheme.clone(),
                network: Network::eip155(CHAIN_ID),
                amount: Amount::from(U256::from(self.amount)),
                asset: self.asset.clone(),
                pay_to: self.pay_to.clone(),
                max_timeout_seconds: 60,
                extra: self.extra.clone(),
            },
            wire_network: self.wire_network.clone(),
            accepted_scheme: self.accepted_scheme.clone(),
            accepted_network: self.accepted_network.clone(),
            accepted_asset: Some(self.asset.clone()),
            payload: raw(payload),
            extensions: extensions.map(|(id, ext)| (id.clone(), raw(ext))).collect(),
        }
    }
}

pub(in crate::scheme) fn authorization() -> Authorization {
    Authorization {
        from: key().address(),
        to: PAY_TO,
        value: U256::from(AMOUNT),
        valid_after: U256::ZERO,
        valid_before: U256::from(NOW_SECS + 60),
        nonce: B256::repeat_byte(0x11),
    }
}

/// An authorization as the buyer posts it, signed by [`key`].
pub(in crate::scheme) fn eip3009_payload(authorization: &Authorization) -> Value {
    let digest = authorization.digest(usdc().separator());
    json!({
        "signature": sign(digest),
        "authorization": {
            "from": authorization.from,
            "to": authorization.to,
            "value": authorization.value.to_string(),
            "validAfter": authorization.valid_after.to_string(),
            "validBefore": authorization.valid_before.to_string(),
            "nonce": authorization.nonce,
        },
    })
}

pub(in crate::scheme) fn transfer() -> PermitTransfer {
    PermitTransfer {
        token: USDC,
        amount: U256::from(AMOUNT),
        spender: EXACT_PERMIT2_PROXY,
        nonce: U256::from(7),
        deadline: U256::from(NOW_SECS + 60),
        to: PAY_TO,
        facilitator: None,
        valid_after: U256::ZERO,
    }
}

/// A Permit2 transfer as the buyer posts it, signed by [`key`].
pub(in crate::scheme) fn permit2_payload(transfer: &PermitTransfer) -> Value {
    let digest = transfer.digest(permit2_separator(CHAIN_ID));
    let mut witness = json!({"to": transfer.to, "validAfter": transfer.valid_after.to_string()});
    if let Some(facilitator) = transfer.facilitator {
        witness["facilitator"] = json!(facilitator);
    }
    json!({
        "signature": sign(digest),
        "permit2Authorization": {
            "from": key().address(),
            "permitted": {"token": transfer.token, "amount": transfer.amount.to_string()},
            "spender": transfer.spender,
            "nonce": transfer.nonce.to_string(),
            "deadline": transfer.deadline.to_string(),
            "witness": witness,
        },
    })
}

pub(in crate::scheme) fn permit() -> Permit {
    Permit {
        owner: key().address(),
        spender: PERMIT2,
        value: U256::from(AMOUNT),
        nonce: U256::ZERO,
        deadline: U256::from(NOW_SECS + 60),
    }
}

/// The EIP-2612 extension as the buyer posts it, signed by [`key`].
pub(in crate::scheme) fn sponsoring(permit: &Permit) -> Value {
    json!({"info": {
        "from": permit.owner,
        "asset": USDC,
        "spender": permit.spender,
        "amount": permit.value.to_string(),
        "nonce": permit.nonce.to_string(),
        "deadline": permit.deadline.to_string(),
        "signature": sign(permit.digest(usdc().separator())),
        "version": "1",
    }})
}

pub(in crate::scheme) fn contract() -> Code {
    Code {
        size: 100,
        head: B256::repeat_byte(0x60),
    }
}

pub(in crate::scheme) fn returned(data: impl Into<Bytes>) -> CallResult {
    CallResult {
        success: true,
        gas_used: Some(30_000),
        data: data.into(),
    }
}

pub(in crate::scheme) fn returned_word(number: u64) -> CallResult {
    returned(U256::from(number).to_be_bytes::<32>())
}

pub(in crate::scheme) fn reverted(data: impl Into<Bytes>) -> CallResult {
    CallResult {
        success: false,
        ..returned(data)
    }
}
