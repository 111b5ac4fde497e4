//! A Solana payment whose message is made up and whose payer really signed it: whatever our own checks let pass before anybody is asked must
//! be harmless by an independent reading. The input is the message's own bytes after an `M`, else a recipe; the signatures are made here.

#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use fuzz::deployment::{Deployment, FEE_PAYERS};
use fuzz::{drain, memory, node, recipe};
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use solana_message::VersionedMessage;
use solana_pubkey::Pubkey;
use x402_facilitator::dev::buyer::AMOUNT;
use x402_facilitator::dev::solana::{buyer, keys};
use x402_facilitator::scheme::Checked;

/// What a table loads is not known here, and judged when it is.
static STRICT: LazyLock<Deployment> =
    LazyLock::new(|| Deployment::new(&[("SVM_LOOKUP_TABLES", "false")]));
static WALLETS: LazyLock<Deployment> =
    LazyLock::new(|| Deployment::new(&[("SVM_SMART_WALLETS", "on")]));
/// The only key that signs, and its address.
static PAYER: LazyLock<(SigningKey, Pubkey)> = LazyLock::new(|| {
    let key = keys::account("payer", 0);
    let address = keys::address(&key);
    (key, address)
});
static PAY_TO: LazyLock<Pubkey> = LazyLock::new(buyer::pay_to);
/// What the sandbox's buyer sends, as a recipe.
const HONEST: [u8; 11] = [0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 4];
/// Most bytes held for one body of some 3 KiB.
const MEMORY_MAX: usize = 256 * 1024;

fuzz_target!(
    // Else nothing would be wrong with a deployment that refuses everything.
    init: assert!(accepted(&STRICT, &body(&signed(&message(&HONEST)))).is_some(), "refused"),
    |input: &[u8]| judge(&message(input))
);

fn judge(message: &[u8]) {
    let wire = signed(message);
    let body = body(&wire);
    if let Some(checked) = accepted(&STRICT, &body) {
        let transaction = node::read(&wire).expect("a validator reads what was accepted");
        drain::is_harmless(&transaction, &FEE_PAYERS);
        assert!(checked.identity().payment_key.starts_with("svm:"));
    }
    // What a wallet's program does the simulation says; here it is enough that reading it breaks nothing and that our key is out of reach.
    if accepted(&WALLETS, &body).is_some() {
        let transaction = node::read(&wire).expect("a validator reads what was accepted");
        let keys = transaction.message.static_account_keys();
        for instruction in transaction.message.instructions() {
            let program = keys[usize::from(instruction.program_id_index)];
            assert!(!FEE_PAYERS.contains(&program));
        }
    }
}

/// The message's bytes.
fn message(input: &[u8]) -> Vec<u8> {
    match input {
        [b'M', message @ ..] => message.to_vec(),
        recipe => recipe::message(recipe).map_or(Vec::new(), |message| message.serialize()),
    }
}

fn accepted(deployment: &Deployment, body: &[u8]) -> Option<Box<dyn Checked>> {
    LazyLock::force(&STRICT);
    LazyLock::force(&WALLETS);
    let (_, checked) = memory::within(MEMORY_MAX, || deployment.check(body))?;
    let checked = checked.ok()?;
    match checked.rejection() {
        Some(rejection) => {
            assert!(!rejection.reason.as_str().is_empty());
            None
        }
        None => Some(checked),
    }
}

/// With the payer's signature wherever the message wants it, and our slot empty.
fn signed(message: &[u8]) -> Vec<u8> {
    let read: Option<VersionedMessage> = bincode::deserialize(message).ok();
    let signers = read.as_ref().map_or(&[][..], |read| {
        let count = usize::from(read.header().num_required_signatures);
        let keys = read.static_account_keys();
        &keys[..count.min(keys.len())]
    });
    let mut wire = vec![u8::try_from(signers.len()).unwrap_or(u8::MAX)];
    for signer in signers {
        let signature = if *signer == PAYER.1 {
            PAYER.0.sign(message).to_bytes()
        } else {
            [0; 64]
        };
        wire.extend(signature);
    }
    wire.extend(message);
    wire
}

fn body(wire: &[u8]) -> Vec<u8> {
    let fee_payer = FEE_PAYERS[0].to_string();
    let requirements = json!({
        "scheme": "exact", "network": "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1",
        "amount": AMOUNT.to_string(), "asset": drain::MINT.to_string(),
        "payTo": PAY_TO.to_string(), "maxTimeoutSeconds": 60, "extra": {"feePayer": fee_payer},
    });
    let payload = json!({"transaction": BASE64_STANDARD.encode(wire)});
    let body = json!({
        "x402Version": 2,
        "paymentPayload": {"x402Version": 2, "accepted": requirements, "payload": payload},
        "paymentRequirements": requirements,
    });
    body.to_string().into_bytes()
}
