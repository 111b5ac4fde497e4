//! Payments as buyers sign them. Change a field between building and signing for one that is wrong in just that.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy::primitives::{Address, B256, Bytes, U256, address, b256, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::{Eip712Domain, SolStruct, SolValue, eip712_domain};
use serde_json::{Value, json};
use x402_facilitator::clock::Clock;

use super::chain::USDC;

pub(crate) const PERMIT2: Address = address!("0x000000000022D473030F116dDEE9F6B43aC78BA3");
pub(crate) const EXACT_PROXY: Address = address!("0x402085c248EeA27D92E8b30b2C58ed07f9E20001");
const EIP6492_MAGIC: B256 =
    b256!("0x6492649264926492649264926492649264926492649264926492649264926492");
/// How long a buyer's signature is good for, and `maxTimeoutSeconds`.
const VALIDITY_SECONDS: u64 = 300;

sol! {
    #![sol(extra_derives(Debug))]
    struct TransferWithAuthorization { address from; address to; uint256 value; uint256 validAfter; uint256 validBefore; bytes32 nonce; }
    struct TokenPermissions { address token; uint256 amount; }
    struct Witness { address to; uint256 validAfter; }
    struct PermitWitnessTransferFrom { TokenPermissions permitted; address spender; uint256 nonce; uint256 deadline; Witness witness; }
    struct Permit { address owner; address spender; uint256 value; uint256 nonce; uint256 deadline; }
}

/// What the resource server asks for.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) chain_id: u64,
    pub(crate) asset: Address,
    /// The asset's EIP-712 name and version.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) pay_to: Address,
    pub(crate) amount: U256,
}

impl Terms {
    /// So many units of the sandbox's USDC.
    pub(crate) fn usdc(pay_to: Address, amount: u64) -> Self {
        Self {
            chain_id: 84_532,
            asset: USDC,
            name: "USDC",
            version: "2",
            pay_to,
            amount: U256::from(amount),
        }
    }

    /// The version 2 request body of a `payload`. `extensions` may be null.
    pub(crate) fn v2(&self, payload: &Value, extensions: &Value) -> Value {
        let requirements = json!({
            "scheme": "exact",
            "network": format!("eip155:{}", self.chain_id),
            "amount": self.amount.to_string(),
            "asset": self.asset.to_checksum(None),
            "payTo": self.pay_to.to_checksum(None),
            "maxTimeoutSeconds": VALIDITY_SECONDS,
            "extra": {"name": self.name, "version": self.version},
        });
        let mut paid = json!({
            "x402Version": 2,
            "resource": {"url": "https://api.example/paid", "description": "test", "mimeType": "application/json"},
            "accepted": requirements,
            "payload": payload,
        });
        if !extensions.is_null() {
            paid["extensions"] = extensions.clone();
        }
        json!({"x402Version": 2, "paymentPayload": paid, "paymentRequirements": requirements})
    }

    /// The version 1 request body of a `payload`, on a network that version 1 calls `network`.
    pub(crate) fn v1(&self, network: &str, payload: &Value) -> Value {
        let requirements = json!({
            "scheme": "exact",
            "network": network,
            "maxAmountRequired": self.amount.to_string(),
            "resource": "https://api.example/paid",
            "description": "test",
            "mimeType": "application/json",
            "payTo": self.pay_to.to_checksum(None),
            "maxTimeoutSeconds": VALIDITY_SECONDS,
            "asset": self.asset.to_checksum(None),
            "extra": {"name": self.name, "version": self.version},
        });
        let paid =
            json!({"x402Version": 1, "scheme": "exact", "network": network, "payload": payload});
        json!({"x402Version": 1, "paymentPayload": paid, "paymentRequirements": requirements})
    }

    fn token_domain(&self) -> Eip712Domain {
        eip712_domain! {
            name: self.name,
            version: self.version,
            chain_id: self.chain_id,
            verifying_contract: self.asset,
        }
    }
}

/// An EIP-3009 payment.
#[derive(Debug, Clone)]
pub(crate) struct Eip3009 {
    pub(crate) message: TransferWithAuthorization,
    pub(crate) domain: Eip712Domain,
}

impl Eip3009 {
    /// `from` pays what `terms` ask, with a nonce never used before and five minutes of time.
    pub(crate) fn new(terms: &Terms, from: Address) -> Self {
        let message = TransferWithAuthorization {
            from,
            to: terms.pay_to,
            value: terms.amount,
            validAfter: U256::ZERO,
            validBefore: U256::from(now() + VALIDITY_SECONDS),
            nonce: fresh(),
        };
        Self {
            message,
            domain: terms.token_domain(),
        }
    }

    /// What is signed.
    pub(crate) fn digest(&self) -> B256 {
        self.message.eip712_signing_hash(&self.domain)
    }

    pub(crate) fn signed_by(&self, owner: &PrivateKeySigner) -> Value {
        self.payload(&signature(owner, self.digest()))
    }

    pub(crate) fn payload(&self, signature: &Bytes) -> Value {
        let message = &self.message;
        json!({"signature": signature, "authorization": {
            "from": message.from.to_checksum(None),
            "to": message.to.to_checksum(None),
            "value": message.value.to_string(),
            "validAfter": message.validAfter.to_string(),
            "validBefore": message.validBefore.to_string(),
            "nonce": message.nonce,
        }})
    }
}

/// A payment through Permit2.
#[derive(Debug, Clone)]
pub(crate) struct Permit2 {
    pub(crate) from: Address,
    pub(crate) message: PermitWitnessTransferFrom,
    pub(crate) domain: Eip712Domain,
}

impl Permit2 {
    /// `from` pays what `terms` ask, with a nonce never used before and five minutes of time.
    pub(crate) fn new(terms: &Terms, from: Address) -> Self {
        let message = PermitWitnessTransferFrom {
            permitted: TokenPermissions {
                token: terms.asset,
                amount: terms.amount,
            },
            spender: EXACT_PROXY,
            nonce: fresh().into(),
            deadline: U256::from(now() + VALIDITY_SECONDS),
            witness: Witness {
                to: terms.pay_to,
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

    /// What is signed.
    pub(crate) fn digest(&self) -> B256 {
        self.message.eip712_signing_hash(&self.domain)
    }

    pub(crate) fn signed_by(&self, owner: &PrivateKeySigner) -> Value {
        self.payload(&signature(owner, self.digest()))
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
                "validAfter": message.witness.validAfter.to_string(),
            },
        }})
    }
}

/// A token approval by signature (EIP-2612): what the `eip2612GasSponsoring` extension carries.
#[derive(Debug, Clone)]
pub(crate) struct Eip2612 {
    pub(crate) message: Permit,
    pub(crate) domain: Eip712Domain,
    asset: Address,
}

impl Eip2612 {
    /// Lets Permit2 take what `terms` ask. `nonce` is the token's for this owner: 0 on a fresh chain.
    pub(crate) fn new(terms: &Terms, owner: Address, nonce: u64) -> Self {
        let message = Permit {
            owner,
            spender: PERMIT2,
            value: terms.amount,
            nonce: U256::from(nonce),
            deadline: U256::from(now() + VALIDITY_SECONDS),
        };
        Self {
            message,
            domain: terms.token_domain(),
            asset: terms.asset,
        }
    }

    /// What is signed.
    pub(crate) fn digest(&self) -> B256 {
        self.message.eip712_signing_hash(&self.domain)
    }

    /// The permit as an `upto` payload: what opens an ERC-2612 session.
    pub(crate) fn session_payload(&self, signature: &Bytes) -> Value {
        let message = &self.message;
        json!({"signature": signature, "authorization": {
            "from": message.owner.to_checksum(None),
            "to": message.spender.to_checksum(None),
            "value": message.value.to_string(),
            "nonce": message.nonce.to_string(),
            "validBefore": message.deadline.to_string(),
        }})
    }

    /// The payload's `extensions`.
    pub(crate) fn signed_by(&self, owner: &PrivateKeySigner) -> Value {
        let message = &self.message;
        json!({"eip2612GasSponsoring": {"info": {
            "from": message.owner.to_checksum(None),
            "asset": self.asset.to_checksum(None),
            "spender": message.spender.to_checksum(None),
            "amount": message.value.to_string(),
            "nonce": message.nonce.to_string(),
            "deadline": message.deadline.to_string(),
            "signature": signature(owner, self.digest()),
            "version": "1",
        }}})
    }
}

/// The 65 bytes of an owner over a digest. A smart wallet of ours takes its owner's as its own (EIP-1271).
pub(crate) fn signature(owner: &PrivateKeySigner, digest: B256) -> Bytes {
    let signed = owner.sign_hash_sync(&digest);
    signed.expect("a local key signs").as_bytes().into()
}

/// The signature of a wallet that is not there yet, with the call that makes it (EIP-6492).
pub(crate) fn undeployed(factory: Address, deployment: &Bytes, signature: &Bytes) -> Bytes {
    let mut wrapped = (factory, deployment.clone(), signature.clone()).abi_encode_params();
    wrapped.extend_from_slice(EIP6492_MAGIC.as_slice());
    wrapped.into()
}

/// 32 bytes that no other payment of this process has.
fn fresh() -> B256 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    keccak256(NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes())
}

fn now() -> u64 {
    Clock::system().now().as_secs()
}
