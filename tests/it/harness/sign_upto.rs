//! Ceilings as buyers sign them for the `upto` proxy, and the bodies that charge them.

use alloy::primitives::{Address, B256, Bytes, U256, address};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{Eip712Domain, SolStruct, eip712_domain};
use serde_json::{Value, json};

use super::sign::{self, PERMIT2, Terms};

pub(crate) const UPTO_PROXY: Address = address!("0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002");

/// In a room of their own: the types of the `exact` proxy have the same names.
mod typed {
    alloy::sol! {
        #![sol(extra_derives(Debug))]
        struct TokenPermissions { address token; uint256 amount; }
        struct Witness { address to; address facilitator; uint256 validAfter; }
        struct PermitWitnessTransferFrom { TokenPermissions permitted; address spender; uint256 nonce; uint256 deadline; Witness witness; }
    }
}

/// A ceiling, signed once and charged at most once.
#[derive(Debug, Clone)]
pub(crate) struct Upto {
    pub(crate) from: Address,
    pub(crate) message: typed::PermitWitnessTransferFrom,
    pub(crate) domain: Eip712Domain,
}

impl Upto {
    /// `from` lets `facilitator` charge up to what `terms` ask, with a nonce never used before and five minutes of time.
    pub(crate) fn new(terms: &Terms, from: Address, facilitator: Address) -> Self {
        let exact = sign::Permit2::new(terms, from).message;
        let message = typed::PermitWitnessTransferFrom {
            permitted: typed::TokenPermissions {
                token: terms.asset,
                amount: terms.amount,
            },
            spender: UPTO_PROXY,
            nonce: exact.nonce,
            deadline: exact.deadline,
            witness: typed::Witness {
                to: terms.pay_to,
                facilitator,
                validAfter: U256::ZERO,
            },
        };
        let domain = eip712_domain! {
            name: "Permit2",
            chain_id: terms.chain_id,
            verifying_contract: PERMIT2,
        };
        Self {
            from,
            message,
            domain,
        }
    }

    /// Its name on record.
    pub(crate) fn key(&self) -> String {
        let nonce = B256::from(self.message.nonce);
        format!("permit2:84532:{:#x}:{nonce:#x}", self.from)
    }

    pub(crate) fn signed_by(&self, owner: &PrivateKeySigner) -> Value {
        let digest = self.message.eip712_signing_hash(&self.domain);
        self.payload(&sign::signature(owner, digest))
    }

    pub(crate) fn payload(&self, signature: &Bytes) -> Value {
        let message = &self.message;
        json!({"signature": signature, "permit2Authorization": {
            "from": self.from.to_checksum(None),
            "permitted": {
                "token": message.permitted.token.to_checksum(None),
                "amount": message.permitted.amount.to_string(),
            },
            "spender": message.spender.to_checksum(None),
            "nonce": message.nonce.to_string(),
            "deadline": message.deadline.to_string(),
            "witness": {
                "to": message.witness.to.to_checksum(None),
                "facilitator": message.witness.facilitator.to_checksum(None),
                "validAfter": message.witness.validAfter.to_string(),
            },
        }})
    }
}

/// The request body of such a payload: what is asked for is the ceiling. `extensions` may be null.
pub(crate) fn body(terms: &Terms, payload: &Value, extensions: &Value) -> Value {
    let mut body = terms.v2(payload, extensions);
    for terms in ["/paymentRequirements", "/paymentPayload/accepted"] {
        body.pointer_mut(terms).expect("terms")["scheme"] = json!("upto");
    }
    body
}

/// The same body as it is settled: what is asked for is the charge.
pub(crate) fn charge(body: &Value, units: u64) -> Value {
    let mut body = body.clone();
    body["paymentRequirements"]["amount"] = json!(units.to_string());
    body
}
