//! Solana payments as buyers build them. Change a field or an instruction before signing for one that is wrong in just that.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::mint::Mint;
use super::svm_wire::{Instruction, Key, Keypair, Message, Meta, Table, Transaction, Version};

pub(crate) const DEVNET: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
pub(crate) const SYSTEM: &str = "11111111111111111111111111111111";
pub(crate) const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
pub(crate) const TOKEN_2022: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";
pub(crate) const ASSOCIATED_TOKEN: &str = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
pub(crate) const COMPUTE_BUDGET: &str = "ComputeBudget111111111111111111111111111111";
pub(crate) const MEMO: &str = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
pub(crate) const LIGHTHOUSE: &str = "L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95";
pub(crate) const SQUADS: &str = "SQDS4ep65T869zMMBKyuUq6aD6EgTu8psMjkvj52pCf";

/// What stock clients set.
const UNIT_LIMIT: u32 = 20_000;
const UNIT_PRICE: u64 = 1;
const TIMEOUT_SECONDS: u64 = 300;

/// What the resource server asks for.
#[derive(Debug, Clone)]
pub(crate) struct SvmTerms {
    pub(crate) network: &'static str,
    pub(crate) fee_payer: Key,
    pub(crate) mint: Mint,
    pub(crate) pay_to: Key,
    pub(crate) amount: u64,
    pub(crate) memo: Option<String>,
}

impl SvmTerms {
    /// So many units of a mint, on the network that the ledger plays.
    pub(crate) fn new(mint: &Mint, pay_to: Key, amount: u64, fee_payer: Key) -> Self {
        Self {
            network: DEVNET,
            fee_payer,
            mint: mint.clone(),
            pay_to,
            amount,
            memo: None,
        }
    }

    fn extra(&self) -> Value {
        let mut extra = json!({"feePayer": self.fee_payer.to_string()});
        if let Some(memo) = &self.memo {
            extra["memo"] = json!(memo);
        }
        extra
    }

    /// The version 2 request body of a transaction.
    pub(crate) fn v2(&self, transaction: &Transaction) -> Value {
        let requirements = json!({
            "scheme": "exact",
            "network": self.network,
            "amount": self.amount.to_string(),
            "asset": self.mint.key.to_string(),
            "payTo": self.pay_to.to_string(),
            "maxTimeoutSeconds": TIMEOUT_SECONDS,
            "extra": self.extra(),
        });
        let paid = json!({
            "x402Version": 2,
            "resource": {"url": "https://api.example/paid", "description": "test", "mimeType": "application/json"},
            "accepted": requirements,
            "payload": {"transaction": transaction.base64()},
        });
        json!({"x402Version": 2, "paymentPayload": paid, "paymentRequirements": requirements})
    }

    /// The version 1 request body of a transaction, on a network that version 1 calls `network`.
    pub(crate) fn v1(&self, network: &str, transaction: &Transaction) -> Value {
        let requirements = json!({
            "scheme": "exact",
            "network": network,
            "maxAmountRequired": self.amount.to_string(),
            "resource": "https://api.example/paid",
            "description": "test",
            "mimeType": "application/json",
            "payTo": self.pay_to.to_string(),
            "maxTimeoutSeconds": TIMEOUT_SECONDS,
            "asset": self.mint.key.to_string(),
            "extra": self.extra(),
        });
        let payload = json!({"transaction": transaction.base64()});
        let paid =
            json!({"x402Version": 1, "scheme": "exact", "network": network, "payload": payload});
        json!({"x402Version": 1, "paymentPayload": paid, "paymentRequirements": requirements})
    }
}

/// A payment before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct SvmPayment {
    pub(crate) version: Version,
    pub(crate) fee_payer: Key,
    /// Unit limit, unit price, transfer, memo.
    pub(crate) instructions: Vec<Instruction>,
    /// Lookup tables to use.
    pub(crate) tables: Vec<Table>,
    pub(crate) blockhash: [u8; 32],
}

impl SvmPayment {
    /// `payer` pays what `terms` ask, as the stock client would: with a memo never used before unless the terms have one.
    pub(crate) fn new(terms: &SvmTerms, payer: Key, blockhash: [u8; 32]) -> Self {
        let memo_text = terms.memo.clone().unwrap_or_else(fresh_memo);
        let instructions = vec![
            unit_limit(UNIT_LIMIT),
            unit_price(UNIT_PRICE),
            transfer(terms, payer),
            memo(memo_text.as_bytes()),
        ];
        Self {
            version: Version::Numbered(0),
            fee_payer: terms.fee_payer,
            instructions,
            tables: Vec::new(),
            blockhash,
        }
    }

    pub(crate) fn message(&self) -> Message {
        let (instructions, tables) = (&self.instructions, &self.tables);
        Message::compile(
            self.version,
            self.fee_payer,
            instructions,
            tables,
            self.blockhash,
        )
    }

    /// The transaction as it reaches the facilitator: the fee payer's slot is empty.
    pub(crate) fn signed_by(&self, owner: &Keypair) -> Transaction {
        Transaction::new(self.message()).signed_by(owner)
    }
}

pub(crate) fn unit_limit(units: u32) -> Instruction {
    compute_budget(2, &units.to_le_bytes())
}

pub(crate) fn unit_price(micro_lamports: u64) -> Instruction {
    compute_budget(3, &micro_lamports.to_le_bytes())
}

fn compute_budget(kind: u8, value: &[u8]) -> Instruction {
    Instruction {
        program: Key::of(COMPUTE_BUDGET),
        accounts: Vec::new(),
        data: [&[kind], value].concat(),
    }
}

/// The transfer that `terms` ask for: `TransferChecked` between associated accounts.
pub(crate) fn transfer(terms: &SvmTerms, authority: Key) -> Instruction {
    let mint = &terms.mint;
    let accounts = vec![
        Meta::writable(mint.account_of(authority)),
        Meta::readonly(mint.key),
        Meta::writable(mint.account_of(terms.pay_to)),
        Meta::signer(authority),
    ];
    let data = [
        &[12],
        terms.amount.to_le_bytes().as_slice(),
        &[mint.decimals],
    ]
    .concat();
    Instruction {
        program: mint.program,
        accounts,
        data,
    }
}

pub(crate) fn memo(text: &[u8]) -> Instruction {
    Instruction {
        program: Key::of(MEMO),
        accounts: Vec::new(),
        data: text.to_vec(),
    }
}

/// The account whose signature the ledger's stand-in of a smart wallet has.
pub(crate) fn vault(wallet: Key) -> Key {
    Key::derived(&[b"vault"], wallet)
}

/// When the ledger's stand-in of a smart wallet makes a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    Always,
    /// While this account exists.
    There(Key),
    /// While it does not.
    Gone(Key),
}

/// Makes the ledger's stand-in of a smart wallet execute these calls with its vault's signature.
pub(crate) fn through_wallet(wallet: Key, calls: &[Instruction]) -> Instruction {
    let calls: Vec<_> = calls.iter().map(|call| (When::Always, call)).collect();
    through_fickle_wallet(wallet, &calls)
}

/// The same with calls that depend on what the chain holds when they are made.
pub(crate) fn through_fickle_wallet(wallet: Key, calls: &[(When, &Instruction)]) -> Instruction {
    let vault = vault(wallet);
    let mut accounts = Vec::new();
    let mut data = Vec::new();
    let mut place = |meta: Meta| {
        accounts.push(meta);
        u8::try_from(accounts.len() - 1).expect("few accounts")
    };
    for (when, call) in calls {
        match when {
            When::Always => {}
            When::There(key) => data.extend([255, place(Meta::readonly(*key))]),
            When::Gone(key) => data.extend([254, place(Meta::readonly(*key))]),
        }
        data.push(place(Meta::readonly(call.program)));
        data.push(u8::try_from(call.accounts.len()).expect("few accounts"));
        for meta in &call.accounts {
            let signer = meta.signer && meta.key != vault;
            data.push(place(Meta { signer, ..*meta }));
            data.push(u8::from(meta.writable) | u8::from(meta.signer) << 1);
        }
        let length = u16::try_from(call.data.len()).expect("little data");
        data.extend(length.to_le_bytes());
        data.extend(&call.data);
    }
    Instruction {
        program: wallet,
        accounts,
        data,
    }
}

/// A memo like the stock client's: 16 bytes as hex.
fn fresh_memo() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed))
}
