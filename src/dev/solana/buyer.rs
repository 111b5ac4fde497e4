//! A buyer on Solana: builds the payment that stock clients build, hands it to the facilitator over HTTP, and checks on chain that it arrived.

use alloy::primitives::keccak256;
use anyhow::{Context, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::node::Node;
use super::{DECIMALS, Solana, keys, tokens, transaction};
use crate::chain::svm::programs::{COMPUTE_BUDGET, MEMO};
use crate::dev::buyer::AMOUNT;
use crate::dev::till::{Receipt, Till};

/// What stock clients ask for.
const UNIT_LIMIT: u32 = 20_000;
const UNIT_PRICE: u64 = 1;
const SET_UNIT_LIMIT: u8 = 2;
const SET_UNIT_PRICE: u8 = 3;

/// Whoever pays in the sandbox, and to whom the money goes.
#[derive(Debug)]
pub struct Buyer {
    till: Till,
    node: Node,
    network: String,
    mint: Pubkey,
    /// As `/supported` advertises it.
    fee_payer: Pubkey,
}

pub fn pay_to() -> Pubkey {
    keys::address(&keys::account("payee", 0))
}

impl Buyer {
    /// Asks the facilitator who pays the fees.
    ///
    /// # Errors
    /// It does not answer, or does not serve this Solana.
    pub async fn new(solana: &Solana, till: Till) -> anyhow::Result<Self> {
        let supported = till.supported().await?;
        let kinds = supported["kinds"].as_array().map(Vec::as_slice);
        let mut kinds = kinds.unwrap_or_default().iter();
        let kind = kinds.find(|kind| kind["network"] == solana.network);
        let kind = kind.with_context(|| format!("{} is not in /supported", solana.network))?;
        let fee_payer = kind["extra"]["feePayer"].as_str();
        Ok(Self {
            fee_payer: fee_payer.context("nobody pays the fees")?.parse()?,
            node: solana.node().clone(),
            network: solana.network.clone(),
            mint: solana.mint,
            till,
        })
    }

    /// Verifies and settles one payment, and reads on chain that the money moved.
    ///
    /// # Errors
    /// Whatever is not as it should be, in words.
    pub async fn pay(&self, payer: &SigningKey) -> anyhow::Result<Receipt> {
        let (from, to) = (keys::address(payer), pay_to());
        let before = (self.units(&from).await?, self.units(&to).await?);
        let receipt = self.till.pay(&self.body(payer).await?).await?;
        let after = (self.units(&from).await?, self.units(&to).await?);
        ensure!(
            before.0.checked_sub(after.0) == Some(AMOUNT),
            "the payer's balance went from {} to {}",
            before.0,
            after.0
        );
        ensure!(
            after.1.checked_sub(before.1) == Some(AMOUNT),
            "the payee's balance went from {} to {}",
            before.1,
            after.1
        );
        Ok(receipt)
    }

    /// A complete request for `/verify` and `/settle`, good for as long as a blockhash lives.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn body(&self, payer: &SigningKey) -> anyhow::Result<Value> {
        let blockhash = self.node.blockhash().await?;
        let instructions = payment(&self.mint, &keys::address(payer));
        let wire = transaction::signed(&self.fee_payer, &instructions, &[payer], blockhash)?;
        Ok(self.request(&wire))
    }

    fn request(&self, wire: &[u8]) -> Value {
        let requirements = json!({
            "scheme": "exact", "network": self.network, "amount": AMOUNT.to_string(),
            "asset": self.mint.to_string(), "payTo": pay_to().to_string(), "maxTimeoutSeconds": 60,
            "extra": {"feePayer": self.fee_payer.to_string()},
        });
        let payload = json!({"transaction": BASE64_STANDARD.encode(wire)});
        json!({
            "x402Version": 2,
            "paymentPayload": {"x402Version": 2, "accepted": requirements, "payload": payload},
            "paymentRequirements": requirements,
        })
    }

    async fn units(&self, owner: &Pubkey) -> anyhow::Result<u64> {
        let account = tokens::account_of(owner, &self.mint);
        self.node.units(&account).await
    }
}

/// What a payer's wallet signs: limit, price, transfer, and a memo never used before.
pub fn payment(mint: &Pubkey, payer: &Pubkey) -> Vec<Instruction> {
    let budget = |kind: u8, value: &[u8]| Instruction {
        program_id: COMPUTE_BUDGET,
        accounts: Vec::new(),
        data: [&[kind], value].concat(),
    };
    let unique = keccak256(uuid::Uuid::now_v7().as_bytes());
    let memo: String = format!("{unique:x}").chars().take(32).collect();
    vec![
        budget(SET_UNIT_LIMIT, &UNIT_LIMIT.to_le_bytes()),
        budget(SET_UNIT_PRICE, &UNIT_PRICE.to_le_bytes()),
        tokens::transfer(mint, payer, &pay_to(), AMOUNT, DECIMALS),
        Instruction {
            program_id: MEMO,
            accounts: Vec::new(),
            data: memo.into_bytes(),
        },
    ]
}
