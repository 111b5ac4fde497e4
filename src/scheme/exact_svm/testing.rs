//! Payments for tests: valid, but for the one thing that a test changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use solana_hash::Hash;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_message::v0::MessageAddressTableLookup;
use solana_message::{AddressLookupTableAccount, Message, VersionedMessage, v0};
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::Signer;

use super::mint::Extension;
use super::{Assets, Cluster, ExactSvm, Policy};
use crate::chain::svm::ledger::{
    Account, Ledger, NotLoaded, Simulation, Trial, Unavailable, Validity,
};
use crate::chain::svm::token::associated_account;
use crate::chain::svm::transaction::assemble;
use crate::chain::svm::{FeePayers, programs};
use crate::clock::UnixMillis;
use crate::protocol::payment::{Payment, Purpose, Requirements, Version};
use crate::protocol::{Amount, Network};
use crate::scheme::{Check, Checked, Refusal, Rejection, Scheme, Verified};

pub(super) const USDC: Pubkey =
    Pubkey::from_str_const("4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU");
pub(super) const SYSTEM: Pubkey = Pubkey::new_from_array([0; 32]);
pub(super) const DEVNET: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
pub(super) const AMOUNT: u64 = 10_000;
pub(super) const MEMO: &str = "00112233445566778899aabbccddeeff";
pub(super) const HEIGHT: u64 = 1_000;
pub(super) const NOW: UnixMillis = UnixMillis(1_700_000_000_500);

fn keypair(seed: u8) -> Keypair {
    Keypair::new_from_array([seed; 32])
}

pub(super) fn payer() -> Pubkey {
    keypair(1).pubkey()
}

pub(super) fn pay_to() -> Pubkey {
    keypair(2).pubkey()
}

pub(super) fn fee_payer() -> Pubkey {
    keypair(3).pubkey()
}

/// Another key of ours.
pub(super) fn second_fee_payer() -> Pubkey {
    keypair(5).pubkey()
}

/// Somebody else.
pub(super) fn other() -> Pubkey {
    keypair(4).pubkey()
}

/// An associated account of USDC.
pub(super) fn account_of(owner: Pubkey, token_program: Pubkey) -> Pubkey {
    associated_account(&owner, &token_program, &USDC).unwrap()
}

pub(super) fn ix(program: Pubkey, accounts: &[AccountMeta], data: &[u8]) -> Instruction {
    Instruction {
        program_id: program,
        accounts: accounts.to_vec(),
        data: data.to_vec(),
    }
}

pub(super) fn writable(key: Pubkey) -> AccountMeta {
    AccountMeta::new(key, false)
}

pub(super) fn readonly(key: Pubkey) -> AccountMeta {
    AccountMeta::new_readonly(key, false)
}

pub(super) fn signer(key: Pubkey) -> AccountMeta {
    AccountMeta::new_readonly(key, true)
}

pub(super) fn limit(units: u32) -> Instruction {
    let data = [&[2][..], &units.to_le_bytes()].concat();
    ix(programs::COMPUTE_BUDGET, &[], &data)
}

pub(super) fn price(micro_lamports: u64) -> Instruction {
    let data = [&[3][..], &micro_lamports.to_le_bytes()].concat();
    ix(programs::COMPUTE_BUDGET, &[], &data)
}

pub(super) fn transfer_data(amount: u64) -> Vec<u8> {
    [&[12][..], &amount.to_le_bytes(), &[6]].concat()
}

pub(super) fn transfer(token_program: Pubkey) -> Instruction {
    let accounts = [
        writable(account_of(payer(), token_program)),
        readonly(USDC),
        writable(account_of(pay_to(), token_program)),
        signer(payer()),
    ];
    ix(token_program, &accounts, &transfer_data(AMOUNT))
}

pub(super) fn memo(text: &str) -> Instruction {
    ix(programs::MEMO, &[], text.as_bytes())
}

/// A wallet's guard on the fee payer's balance.
pub(super) fn guard() -> Instruction {
    let accounts = [readonly(fee_payer())];
    ix(programs::LIGHTHOUSE, &accounts, &[5, 0, 1, 2, 3])
}

/// A payment that one thing is changed about.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) version: Version,
    pub(super) scheme: String,
    pub(super) accepted_scheme: String,
    pub(super) wire_network: String,
    pub(super) accepted_network: String,
    pub(super) asset: String,
    pub(super) pay_to: String,
    pub(super) amount: String,
    pub(super) extra: BTreeMap<String, Value>,
    /// Account 0.
    pub(super) payer_of_fees: Pubkey,
    pub(super) instructions: Vec<Instruction>,
    pub(super) is_legacy: bool,
    pub(super) edit: fn(&mut v0::Message),
    /// The wire bytes, after signing.
    pub(super) tamper: fn(&mut Vec<u8>),
    pub(super) policy: Policy,
    pub(super) assets: Assets,
    pub(super) extensions: BTreeMap<Pubkey, BTreeSet<Extension>>,
    pub(super) answer: Result<Simulation, Unavailable>,
    /// What the wallet takes from a lookup table.
    pub(super) table: Vec<Pubkey>,
    /// What that table holds.
    pub(super) held: Result<Vec<Pubkey>, NotLoaded>,
    pub(super) blocks_left: u64,
}

impl Case {
    pub(super) fn new() -> Self {
        Self::of(programs::TOKEN)
    }

    pub(super) fn of(token_program: Pubkey) -> Self {
        let instructions = vec![limit(20_000), price(1), transfer(token_program), memo(MEMO)];
        Self {
            version: Version::V2,
            scheme: "exact".to_owned(),
            accepted_scheme: "exact".to_owned(),
            wire_network: DEVNET.to_owned(),
            accepted_network: DEVNET.to_owned(),
            asset: USDC.to_string(),
            pay_to: pay_to().to_string(),
            amount: AMOUNT.to_string(),
            extra: [("feePayer".to_owned(), json!(fee_payer().to_string()))].into(),
            payer_of_fees: fee_payer(),
            instructions,
            is_legacy: false,
            edit: |_| {},
            tamper: |_| {},
            policy: Policy::default(),
            assets: Assets::Listed(vec![USDC]),
            extensions: BTreeMap::new(),
            answer: Ok(paid(token_program)),
            table: vec![],
            held: Ok(vec![]),
            blocks_left: 150,
        }
    }

    pub(super) fn v1() -> Self {
        Self {
            version: Version::V1,
            wire_network: "solana-devnet".to_owned(),
            accepted_network: "solana-devnet".to_owned(),
            ..Self::new()
        }
    }

    pub(super) fn set_budget(&mut self, units: u32, micro_lamports: u64) {
        self.instructions[0] = limit(units);
        self.instructions[1] = price(micro_lamports);
    }

    /// The message, with nobody's signature but the clients'.
    pub(super) fn wire(&self) -> Vec<u8> {
        let blockhash = Hash::new_from_array([7; 32]);
        let message = if self.is_legacy {
            let payer = Some(&self.payer_of_fees);
            let message = Message::new_with_blockhash(&self.instructions, payer, &blockhash);
            VersionedMessage::Legacy(message)
        } else {
            let table = AddressLookupTableAccount {
                key: Pubkey::new_from_array([77; 32]),
                addresses: self.table.clone(),
            };
            let payer = &self.payer_of_fees;
            let compiled = v0::Message::try_compile(payer, &self.instructions, &[table], blockhash);
            let mut message = compiled.unwrap();
            (self.edit)(&mut message);
            VersionedMessage::V0(message)
        };
        let bytes = message.serialize();
        let required = usize::from(message.header().num_required_signatures);
        let signers = message.static_account_keys()[..required].iter().skip(1);
        let sign = |key: &Pubkey| {
            let keypair = (1..=9).map(keypair).find(|pair| pair.pubkey() == *key);
            keypair.map_or_else(Signature::default, |pair| pair.sign_message(&bytes))
        };
        let clients: Vec<_> = signers.map(sign).collect();
        let mut wire = assemble(&Signature::default(), &clients, &bytes);
        (self.tamper)(&mut wire);
        wire
    }

    pub(super) fn payment(&self) -> Payment {
        self.payment_with(&json!({"transaction": BASE64_STANDARD.encode(self.wire())}))
    }

    pub(super) fn payment_with(&self, payload: &Value) -> Payment {
        Payment {
            purpose: Purpose::Settle,
            version: self.version,
            requirements: Requirements {
                scheme: self.scheme.clone(),
                network: Network::parse(DEVNET).unwrap(),
                amount: Amount::parse(&self.amount).unwrap(),
                asset: self.asset.clone(),
                pay_to: self.pay_to.clone(),
                max_timeout_seconds: 60,
                extra: self.extra.clone(),
            },
            wire_network: self.wire_network.clone(),
            accepted_scheme: self.accepted_scheme.clone(),
            accepted_network: self.accepted_network.clone(),
            accepted_asset: None,
            payload: RawValue::from_string(payload.to_string()).unwrap(),
            extensions: BTreeMap::new(),
        }
    }

    pub(super) fn scheme(&self) -> (ExactSvm, Arc<Script>) {
        let script = Arc::new(Script {
            answer: self.answer.clone(),
            held: self.held.clone(),
            blocks_left: self.blocks_left,
            trials: Mutex::default(),
        });
        let cluster = Cluster {
            assets: self.assets.clone(),
            extensions: self.extensions.clone(),
            policy: self.policy.clone(),
            ledger: Arc::<Script>::clone(&script),
            ..cluster()
        };
        (ExactSvm::new(vec![cluster]), script)
    }

    pub(super) fn check(&self) -> Result<Box<dyn Checked>, Rejection> {
        let checked = self.scheme().0.check(&self.payment(), NOW);
        checked.map(Check::payment)
    }

    /// The failure of the in-process checks.
    pub(super) fn rejection(&self) -> Option<Rejection> {
        match self.check() {
            Ok(checked) => checked.rejection().cloned(),
            Err(rejection) => Some(rejection),
        }
    }

    pub(super) async fn verify(&self) -> Result<Verified, Refusal> {
        let checked = self.check().map_err(Refusal::Rejected)?;
        checked.verify().await
    }
}

/// A network that cannot be asked.
pub(super) fn cluster() -> Cluster {
    Cluster {
        network: Network::parse(DEVNET).unwrap(),
        v1_name: Some("solana-devnet".to_owned()),
        fee_payers: vec![fee_payer(), second_fee_payer()],
        turns: Arc::new(FeePayers::new([fee_payer(), second_fee_payer()])),
        assets: Assets::Listed(vec![USDC]),
        extensions: BTreeMap::new(),
        policy: Policy::default(),
        ledger: Arc::new(Script {
            answer: Err(Unavailable("nobody is there".to_owned())),
            held: Ok(vec![]),
            blocks_left: 0,
            trials: Mutex::default(),
        }),
    }
}

/// A ledger that answers what it was told to.
#[derive(Debug)]
pub(super) struct Script {
    answer: Result<Simulation, Unavailable>,
    held: Result<Vec<Pubkey>, NotLoaded>,
    blocks_left: u64,
    pub(super) trials: Mutex<Vec<Trial>>,
}

#[async_trait]
impl Ledger for Script {
    async fn simulate(&self, trial: &Trial) -> Result<Simulation, Unavailable> {
        self.trials.lock().unwrap().push(trial.clone());
        self.answer.clone()
    }

    async fn validity(&self, blockhash: &Hash) -> Result<Validity, Unavailable> {
        assert_eq!(*blockhash, Hash::new_from_array([7; 32]));
        Ok(Validity {
            last_valid_block_height: HEIGHT,
            block_height: HEIGHT - self.blocks_left,
            age: 0,
        })
    }

    async fn load(&self, lookups: &[MessageAddressTableLookup]) -> Result<Vec<Pubkey>, NotLoaded> {
        let held = self.held.clone()?;
        let writable = lookups.iter().flat_map(|one| &one.writable_indexes);
        let readonly = lookups.iter().flat_map(|one| &one.readonly_indexes);
        Ok(writable
            .chain(readonly)
            .map(|index| held[usize::from(*index)])
            .collect())
    }
}

/// The answer about a payment that goes well.
pub(super) fn paid(token_program: Pubkey) -> Simulation {
    Simulation {
        error: None,
        inner: Some(vec![]),
        accounts: vec![
            Some(mint_account(token_program, &[])),
            Some(token_account(token_program, pay_to())),
        ],
    }
}

pub(super) fn mint_account(token_program: Pubkey, extensions: &[u16]) -> Account {
    let mut data = vec![0; 82];
    data[44..46].copy_from_slice(&[6, 1]);
    if !extensions.is_empty() {
        data.resize(165, 0);
        data.push(1);
    }
    for kind in extensions {
        data.extend_from_slice(&kind.to_le_bytes());
        data.extend_from_slice(&[0, 0]);
    }
    Account {
        owner: token_program,
        data,
    }
}

pub(super) fn token_account(token_program: Pubkey, owner: Pubkey) -> Account {
    let mut data = USDC.to_bytes().to_vec();
    data.extend_from_slice(owner.as_ref());
    data.resize(165, 0);
    Account {
        owner: token_program,
        data,
    }
}
