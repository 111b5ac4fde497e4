//! Writes what the fuzzer starts from: payments as stock clients and wallets build them. The same each time.
//!
//! `cargo run --example fuzz_seeds -- fuzz/corpus`

use std::path::Path;

use alloy::primitives::keccak256;
use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use solana_hash::Hash;
use solana_instruction::{AccountMeta, Instruction};
use solana_message::v0::MessageAddressTableLookup;
use solana_message::{Message, VersionedMessage, v0};
use solana_pubkey::Pubkey;
use x402_facilitator::dev::buyer::AMOUNT;
use x402_facilitator::dev::solana::{buyer, keys};

const LIGHTHOUSE: Pubkey = Pubkey::from_str_const("L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95");
const SQUADS: Pubkey = Pubkey::from_str_const("SQDS4ep65T869zMMBKyuUq6aD6EgTu8psMjkvj52pCf");
const TOKEN_2022: Pubkey = Pubkey::from_str_const("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
const SOLANA: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
const EVM: &str = "eip155:84532";

/// Payments in the short form of `fuzz/src/recipe.rs`: plain, with Token-2022, with a guard.
const RECIPES: [(&str, &[u8]); 3] = [
    ("recipe", &[0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 4]),
    ("recipe-2022", &[1, 0, 0, 0, 1, 0, 0, 3, 0, 0, 4]),
    (
        "recipe-guarded",
        &[0, 0, 0, 0, 5, 0, 0, 1, 0, 0, 2, 0, 0, 4],
    ),
];

fn main() -> anyhow::Result<()> {
    let corpus = std::env::args().nth(1).context("where to write to")?;
    let corpus = Path::new(&corpus);
    for (name, message) in messages() {
        let bytes = message.serialize();
        let wire = signed(&message, &bytes);
        write(corpus, "svm_payment", name, &[b"M", &bytes[..]].concat())?;
        write(corpus, "svm_transaction", name, &wire)?;
        let payload = json!({"transaction": BASE64_STANDARD.encode(wire)});
        write_requests(corpus, name, &requirements(SOLANA), &payload)?;
    }
    for (name, recipe) in RECIPES {
        write(corpus, "svm_payment", name, recipe)?;
    }
    for (name, payload) in [("eip3009", eip3009()), ("permit2", permit2())] {
        write_requests(corpus, name, &requirements(EVM), &payload)?;
    }
    Ok(())
}

fn write(corpus: &Path, target: &str, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = corpus.join(target);
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// The payer's messages, of every kind that is read in a different way.
fn messages() -> Vec<(&'static str, VersionedMessage)> {
    let plain = instructions();
    let with = |place: usize, extra: Instruction| {
        let mut all = instructions();
        all.insert(place, extra);
        all
    };
    let stranger = keys::address(&keys::account("stranger", 0));
    let guard = Instruction {
        program_id: LIGHTHOUSE,
        accounts: vec![AccountMeta::new_readonly(fee_payer(), false)],
        data: vec![5, 0, 1],
    };
    let cosigned = Instruction {
        accounts: vec![AccountMeta::new_readonly(stranger, true)],
        ..plain[3].clone()
    };
    // By an account that signs anyway, so that the signature is there.
    let mut by_payer = instructions();
    let signer = AccountMeta::new_readonly(keys::address(&payer()), true);
    by_payer[3].accounts.push(signer);
    let mut multisig = instructions();
    multisig[2].accounts.push(by_payer[3].accounts[0].clone());
    let mut of_2022 = instructions();
    of_2022[2].program_id = TOKEN_2022;
    let wallet = Instruction {
        program_id: SQUADS,
        ..plain[2].clone()
    };
    let legacy = Message::new_with_blockhash(&plain, Some(&fee_payer()), &blockhash());
    vec![
        ("legacy", VersionedMessage::Legacy(legacy)),
        ("v0", compiled(&plain)),
        ("guarded", compiled(&with(2, guard))),
        ("cosigned", compiled(&with(4, cosigned))),
        ("memo-by-payer", compiled(&by_payer)),
        ("multisig", compiled(&multisig)),
        ("token-2022", compiled(&of_2022)),
        (
            "wallet",
            compiled(&[plain[0].clone(), plain[1].clone(), wallet]),
        ),
        ("table", looked_up(compiled(&plain))),
    ]
}

fn instructions() -> Vec<Instruction> {
    let mint = keys::address(&keys::account("mint", 0));
    let mut all = buyer::payment(&mint, &keys::address(&payer()));
    all[3].data = b"0123456789abcdef0123456789abcdef".to_vec();
    all
}

fn compiled(instructions: &[Instruction]) -> VersionedMessage {
    let message = v0::Message::try_compile(&fee_payer(), instructions, &[], blockhash());
    VersionedMessage::V0(message.expect("it is small"))
}

fn looked_up(message: VersionedMessage) -> VersionedMessage {
    let VersionedMessage::V0(mut message) = message else {
        return message;
    };
    message
        .address_table_lookups
        .push(MessageAddressTableLookup {
            account_key: keys::address(&keys::account("table", 0)),
            writable_indexes: vec![1, 2],
            readonly_indexes: vec![0],
        });
    VersionedMessage::V0(message)
}

fn signed(message: &VersionedMessage, bytes: &[u8]) -> Vec<u8> {
    let count = message.header().num_required_signatures;
    let mut wire = vec![count];
    for key in &message.static_account_keys()[..usize::from(count)] {
        let is_payer = *key == keys::address(&payer());
        wire.extend(if is_payer {
            payer().sign(bytes).to_bytes()
        } else {
            [0; 64]
        });
    }
    wire.extend(bytes);
    wire
}

fn payer() -> SigningKey {
    keys::account("payer", 0)
}

fn fee_payer() -> Pubkey {
    keys::address(&keys::account("fee payer", 0))
}

fn blockhash() -> Hash {
    Hash::new_from_array(keccak256("a blockhash").0)
}

fn requirements(network: &str) -> Value {
    let mint = keys::address(&keys::account("mint", 0));
    let (asset, pay_to, extra) = if network == SOLANA {
        let extra = json!({"feePayer": fee_payer().to_string()});
        (mint.to_string(), buyer::pay_to().to_string(), extra)
    } else {
        let asset = "0x036CbD53842c5426634e7929541eC2318f3dCF7e".to_owned();
        let extra = json!({"name": "USDC", "version": "2"});
        (
            asset,
            x402_facilitator::dev::buyer::pay_to().to_string(),
            extra,
        )
    };
    json!({
        "scheme": "exact", "network": network, "amount": AMOUNT.to_string(), "asset": asset,
        "payTo": pay_to, "maxTimeoutSeconds": 60, "extra": extra,
    })
}

/// The request in both versions of the protocol.
fn write_requests(
    corpus: &Path,
    name: &str,
    requirements: &Value,
    payload: &Value,
) -> anyhow::Result<()> {
    let v2 = json!({
        "x402Version": 2,
        "paymentPayload": {"x402Version": 2, "accepted": requirements, "payload": payload, "extensions": {"a": null}},
        "paymentRequirements": requirements,
    });
    let network = if requirements["network"] == SOLANA {
        "solana-devnet"
    } else {
        "base-sepolia"
    };
    let mut old = requirements.clone();
    old["maxAmountRequired"] = old["amount"].take();
    old["network"] = json!(network);
    let v1 = json!({
        "x402Version": 1,
        "paymentPayload": {"x402Version": 1, "scheme": "exact", "network": network, "payload": payload},
        "paymentRequirements": old,
    });
    for (version, body) in [("v2", v2), ("v1", v1)] {
        let name = format!("{name}-{version}");
        write(corpus, "request", &name, body.to_string().as_bytes())?;
    }
    Ok(())
}

/// Shapes only: a signature that fits would not survive the first change.
fn eip3009() -> Value {
    let nonce = keccak256("a nonce");
    json!({"signature": format!("0x{}1b", "5a".repeat(64)), "authorization": {
        "from": "0x1bfa95fB438F1Ef797cdF1ac2b5CC93b52daA94b", "to": x402_facilitator::dev::buyer::pay_to(),
        "value": AMOUNT.to_string(), "validAfter": "0", "validBefore": "1760000600", "nonce": nonce,
    }})
}

fn permit2() -> Value {
    json!({"signature": format!("0x{}1c", "5a".repeat(64)), "permit2Authorization": {
        "from": "0x1bfa95fB438F1Ef797cdF1ac2b5CC93b52daA94b",
        "permitted": {"token": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "amount": AMOUNT.to_string()},
        "spender": "0x402085c248EeA27D92E8b30b2C58ed07f9E20001", "nonce": "7", "deadline": "1760000600",
        "witness": {"to": x402_facilitator::dev::buyer::pay_to(), "validAfter": "0"},
    }})
}
