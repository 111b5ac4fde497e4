//! A buyer and a resource server in one: signs payments, hands them to the facilitator over HTTP, and checks on chain that they arrived.

use alloy::primitives::{Address, B256, Bytes, U256, address, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::chain::BASE_SEPOLIA;
use super::contracts::USDC;
use super::till::{Receipt, Till};
use crate::chain::evm::contracts::{EXACT_PERMIT2_PROXY, Token};
use crate::chain::evm::eip712::{Authorization, Domain, PermitTransfer, permit2_separator};

/// What one payment is worth, atomic units: a cent.
pub const AMOUNT: u64 = 10_000;

/// How a payment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Eip3009,
    Permit2,
}

#[derive(Debug)]
pub struct Buyer {
    client: reqwest::Client,
    till: Till,
    rpc: String,
}

pub fn pay_to() -> Address {
    address!("0x00000000000000000000000000000000bE1CFee0")
}

impl Buyer {
    pub fn new(client: reqwest::Client, facilitator: String, rpc: String) -> Self {
        Self {
            till: Till::new(client.clone(), facilitator),
            client,
            rpc,
        }
    }

    /// Verifies and settles one payment, and reads on chain that the money moved.
    ///
    /// # Errors
    /// Whatever is not as it should be, in words.
    pub async fn pay(&self, payer: &PrivateKeySigner, method: Method) -> anyhow::Result<Receipt> {
        let before = (
            self.balance(payer.address()).await?,
            self.balance(pay_to()).await?,
        );
        let receipt = self.pay_unchecked(payer, method).await?;
        let after = (
            self.balance(payer.address()).await?,
            self.balance(pay_to()).await?,
        );
        let amount = U256::from(AMOUNT);
        ensure!(
            before.0 - after.0 == amount,
            "the payer's balance went from {} to {}",
            before.0,
            after.0
        );
        ensure!(
            after.1 - before.1 == amount,
            "the payee's balance went from {} to {}",
            before.1,
            after.1
        );
        Ok(receipt)
    }

    /// Verifies and settles one payment and believes the answers.
    ///
    /// # Errors
    /// An answer that is no success.
    pub async fn pay_unchecked(
        &self,
        payer: &PrivateKeySigner,
        method: Method,
    ) -> anyhow::Result<Receipt> {
        let body = self.body(payer, method).await?;
        self.till.pay(&body).await
    }

    /// A complete request for `/verify` and `/settle`, valid for a day.
    pub async fn body(&self, payer: &PrivateKeySigner, method: Method) -> anyhow::Result<Value> {
        let until = self.block_time().await?.saturating_add(24 * 60 * 60);
        let payload = match method {
            Method::Eip3009 => eip3009(payer, until)?,
            Method::Permit2 => permit2(payer, until)?,
        };
        let requirements = json!({
            "scheme": "exact", "network": format!("eip155:{BASE_SEPOLIA}"), "amount": AMOUNT.to_string(),
            "asset": USDC, "payTo": pay_to(), "maxTimeoutSeconds": 60, "extra": {"name": "USDC", "version": "2"},
        });
        Ok(json!({
            "x402Version": 2,
            "paymentPayload": {"x402Version": 2, "accepted": requirements, "payload": payload},
            "paymentRequirements": requirements,
        }))
    }

    async fn balance(&self, account: Address) -> anyhow::Result<U256> {
        let data = Bytes::from(Token::balanceOfCall { account }.abi_encode());
        let answer = self
            .ask("eth_call", json!([{"to": USDC, "data": data}, "latest"]))
            .await?;
        Ok(answer.as_str().context("no balance")?.parse()?)
    }

    async fn block_time(&self) -> anyhow::Result<u64> {
        let block = self
            .ask("eth_getBlockByNumber", json!(["latest", false]))
            .await?;
        let time: U256 = block["timestamp"]
            .as_str()
            .context("no block time")?
            .parse()?;
        Ok(time.saturating_to())
    }

    async fn ask(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer: Value = self
            .client
            .post(&self.rpc)
            .json(&request)
            .send()
            .await?
            .json()
            .await?;
        Ok(answer["result"].take())
    }
}

/// Never twice the same; in a sandbox it need not be secret.
fn fresh_nonce() -> B256 {
    keccak256(uuid::Uuid::now_v7().as_bytes())
}

fn eip3009(payer: &PrivateKeySigner, valid_before: u64) -> anyhow::Result<Value> {
    let authorization = Authorization {
        from: payer.address(),
        to: pay_to(),
        value: U256::from(AMOUNT),
        valid_after: U256::ZERO,
        valid_before: U256::from(valid_before),
        nonce: fresh_nonce(),
    };
    let domain = Domain {
        chain_id: BASE_SEPOLIA,
        contract: USDC,
        name: "USDC".to_owned(),
        version: "2".to_owned(),
    };
    let signature = payer.sign_hash_sync(&authorization.digest(domain.separator()))?;
    Ok(json!({
        "signature": Bytes::from(signature.as_bytes().to_vec()),
        "authorization": {
            "from": authorization.from, "to": authorization.to, "value": AMOUNT.to_string(),
            "validAfter": "0", "validBefore": valid_before.to_string(), "nonce": authorization.nonce,
        },
    }))
}

fn permit2(payer: &PrivateKeySigner, deadline: u64) -> anyhow::Result<Value> {
    let permit = PermitTransfer {
        token: USDC,
        amount: U256::from(AMOUNT),
        spender: EXACT_PERMIT2_PROXY,
        nonce: U256::from_be_bytes(fresh_nonce().0),
        deadline: U256::from(deadline),
        to: pay_to(),
        facilitator: None,
        valid_after: U256::ZERO,
    };
    let signature = payer.sign_hash_sync(&permit.digest(permit2_separator(BASE_SEPOLIA)))?;
    Ok(json!({
        "signature": Bytes::from(signature.as_bytes().to_vec()),
        "permit2Authorization": {
            "from": payer.address(), "permitted": {"token": permit.token, "amount": AMOUNT.to_string()},
            "spender": permit.spender, "nonce": permit.nonce.to_string(), "deadline": deadline.to_string(),
            "witness": {"to": permit.to, "validAfter": "0"},
        },
    }))
}
