//! Other requests on Solana that are good, or good but for one thing: each had, or could have, a wrong answer of its own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::payment::{Draft, LIMIT, MEMO, PRICE, TRANSFER, good, request};
use super::warm_up;
use crate::harness::mint::Mint;
use crate::harness::scene;
use crate::harness::sign_svm::{LIGHTHOUSE, TOKEN_2022, memo, transfer, unit_limit, unit_price};
use crate::harness::svm_wire::{Instruction, Key, Keypair, Meta, Transaction, Version};
use crate::harness::svm_world::SvmWorld;
use crate::harness::world;

type Change = fn(&mut Draft);
type Spoil = fn(&mut Vec<u8>);

const LENGTH: &str = "invalid_exact_svm_payload_transaction_instructions_length";
const LIMIT_CODE: &str =
    "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction";
const PRICE_CODE: &str =
    "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction";
const TOO_DEAR: &str =
    "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction_too_high";
const NO_TRANSFER: &str = "invalid_exact_svm_payload_no_transfer_instruction";
const RECIPIENT: &str = "invalid_exact_svm_payload_recipient_mismatch";
const AMOUNT: &str = "invalid_exact_svm_payload_amount_mismatch";
const FOURTH: &str = "invalid_exact_svm_payload_unknown_fourth_instruction";
const MEMO_CODE: &str = "invalid_exact_svm_payload_memo_mismatch";
const MEMO_COUNT: &str = "invalid_exact_svm_payload_memo_count";
const SIGNATURE: &str = "invalid_exact_svm_payload_signature_invalid";
const NOT_OURS: &str = "invalid_exact_svm_fee_payer_not_managed_by_facilitator";
const TERMS: &str = "invalid_payment_requirements";
const UNDECODABLE: &str = "invalid_exact_svm_payload_transaction_could_not_be_decoded";

/// One byte counts the signatures, and each has 64.
const SIGNATURES_END: usize = 129;

/// What no runtime takes, or what could be read in two ways.
#[rustfmt::skip]
const BYTES: [(&str, Spoil); 10] = [
    ("nothing", Vec::clear),
    ("a byte more", |wire| wire.push(0)),
    ("a byte less", |wire| { wire.pop(); }),
    ("more than a packet", |wire| wire.resize(1233, 0)),
    ("a signature too few", |wire| { wire.drain(1..65); wire[0] = 1; }),
    ("a signature too many", |wire| { wire.splice(1..1, [0; 64]); wire[0] = 3; }),
    ("signatures counted in two bytes", |wire| { wire.splice(0..1, [0x82, 0]); }),
    ("a message of version 1", |wire| wire[SIGNATURES_END] = 0x81),
    ("a message of version 127", |wire| wire[SIGNATURES_END] = 0xff),
    ("more signers than accounts", |wire| wire[SIGNATURES_END + 1] = 99),
];

#[rustfmt::skip]
const FLAWS: [(&str, Change, &str); 22] = [
    ("two instructions", |it| drop(it.payment.instructions.drain(..TRANSFER)), LENGTH),
    ("five guards", |it| it.payment.instructions.extend((0..5).map(|_| guard())), LENGTH),
    ("a limit of five bytes", |it| it.payment.instructions[LIMIT].data.push(0), LIMIT_CODE),
    ("limit and price the other way round", |it| it.payment.instructions.swap(LIMIT, PRICE), LIMIT_CODE),
    ("two limits", |it| it.payment.instructions[PRICE] = unit_limit(1), PRICE_CODE),
    ("a price of seven bytes", |it| it.payment.instructions[PRICE].data.truncate(8), PRICE_CODE),
    ("too dear together", |it| it.budget(20_001, 5_000_000), TOO_DEAR),
    ("the memo before the transfer", |it| it.payment.instructions.swap(TRANSFER, MEMO), NO_TRANSFER),
    ("a transfer with an account too few", Draft::without_authority, NO_TRANSFER),
    ("a transfer with a fee", |it| it.payment.instructions[TRANSFER].data = vec![26, 1, 1, 0, 0, 0, 0, 0, 0, 0, 6], NO_TRANSFER),
    ("the payee's own tokens", |it| it.payment.instructions[TRANSFER].accounts[0] = it.payee(), NO_TRANSFER),
    ("to the account of the other program", Draft::pay_the_other_program, RECIPIENT),
    ("to the payee and not to its account", |it| it.payment.instructions[TRANSFER].accounts[2] = Meta::writable(it.terms.pay_to), RECIPIENT),
    ("a unit more than is due", |it| it.payment.instructions[TRANSFER].data[1] += 1, AMOUNT),
    ("a second transfer", |it| it.payment.instructions.insert(MEMO, it.payment.instructions[TRANSFER].clone()), FOURTH),
    ("a guard that calls others", |it| it.payment.instructions.insert(MEMO, lighthouse(16, 0)), FOURTH),
    ("a guard that logs by a call", |it| it.payment.instructions.insert(MEMO, lighthouse(5, 3)), FOURTH),
    ("a memo of 567 bytes", |it| it.payment.instructions[MEMO] = memo(&[b'm'; 567]), MEMO_CODE),
    ("the memo twice", |it| { it.terms.memo = Some("m".to_owned()); it.payment.instructions.truncate(MEMO); it.payment.instructions.extend([memo(b"m"), memo(b"m")]); }, MEMO_COUNT),
    ("a signer who did not sign", |it| it.payment.instructions[MEMO].accounts.push(Meta::signer(Key::fresh())), SIGNATURE),
    ("the payer as the fee payer", Draft::sponsored_by_the_payer, NOT_OURS),
    ("nothing due", |it| it.terms.amount = 0, TERMS),
];

/// What stock clients and wallets build.
#[rustfmt::skip]
const FINE: [(&str, Change); 9] = [
    ("a legacy message", |it| it.payment.version = Version::Legacy),
    ("no memo", |it| it.payment.instructions.truncate(MEMO)),
    ("four memos", |it| it.payment.instructions.extend([memo(b"2"), memo(b"3"), memo(b"4")])),
    ("the memo that is wanted", |it| { it.terms.memo = Some("order 7".to_owned()); it.payment.instructions[MEMO] = memo(b"order 7"); }),
    ("a memo of 566 bytes", |it| it.payment.instructions[MEMO] = memo(&[b'm'; 566])),
    ("the dearest units", |it| it.budget(20_000, 5_000_000)),
    ("the most units", |it| it.budget(200_000, 500_000)),
    ("another signer", |it| { let one = Keypair::fresh(); it.payment.instructions[MEMO].accounts.push(Meta::signer(one.key())); it.cosigners.push(one); }),
    ("guards around the transfer that look at the sponsor", |it| {
        let mut guard = guard();
        guard.accounts.push(Meta::readonly(it.terms.fee_payer));
        it.payment.instructions.splice(TRANSFER..TRANSFER, [guard.clone(), guard.clone()]);
        it.payment.instructions.push(guard);
    }),
];

impl Draft {
    fn budget(&mut self, units: u32, price: u64) {
        self.payment.instructions[LIMIT] = unit_limit(units);
        self.payment.instructions[PRICE] = unit_price(price);
    }

    /// The payee's account.
    fn payee(&self) -> Meta {
        Meta::writable(self.terms.mint.account_of(self.terms.pay_to))
    }

    /// Whoever would have been it signs all the same.
    fn without_authority(&mut self) {
        let authority = self.payment.instructions[TRANSFER].accounts.pop();
        self.payment.instructions[MEMO].accounts.extend(authority);
    }

    fn pay_the_other_program(&mut self) {
        let mut terms = self.terms.clone();
        terms.mint.program = Key::of(TOKEN_2022);
        let payer = self.payment.instructions[TRANSFER].accounts[3].key;
        let due = transfer(&terms, payer).accounts[2];
        self.payment.instructions[TRANSFER].accounts[2] = due;
    }

    fn sponsored_by_the_payer(&mut self) {
        let payer = self.payment.instructions[TRANSFER].accounts[3].key;
        self.terms.fee_payer = payer;
        self.payment.fee_payer = payer;
    }
}

fn guard() -> Instruction {
    lighthouse(5, 0)
}

fn lighthouse(kind: u8, log_level: u8) -> Instruction {
    Instruction {
        program: Key::of(LIGHTHOUSE),
        accounts: Vec::new(),
        data: vec![kind, log_level, 1, 2, 3],
    }
}

#[tokio::test]
async fn bytes_that_no_runtime_reads_are_undecodable_and_cost_no_read() {
    let world = SvmWorld::new().await;
    warm_up(&world, good).await;
    let wire = world.draft().signed_by(&world.payer).bytes();
    let spoilt = BYTES.map(|(name, spoil)| {
        let mut wire = wire.clone();
        spoil(&mut wire);
        (name, json!(BASE64.encode(wire)))
    });
    let unpadded = BASE64.encode(&wire).trim_end_matches('=').to_owned();
    let others = [
        ("a number", json!(7)),
        ("no text", Value::Null),
        ("not base64", json!("%")),
        ("base64 with a space", json!(format!("{unpadded} "))),
    ];
    for (name, transaction) in spoilt.into_iter().chain(others) {
        let mut body = request(&world, world::Version::V2, |_| {});
        body["paymentPayload"]["payload"]["transaction"] = transaction;
        assert_refusal(&world, name, &body, UNDECODABLE).await;
    }
    world.close().await;
}

#[tokio::test]
async fn an_account_that_is_listed_twice_is_undecodable() {
    let world = SvmWorld::new().await;
    warm_up(&world, good).await;
    let mut message = world.draft().message();
    message.keys[3] = message.keys[0];
    let transaction = Transaction::new(message).signed_by(&world.payer);
    let body = world.terms.v2(&transaction);
    assert_refusal(&world, "twice", &body, UNDECODABLE).await;
    world.close().await;
}

#[tokio::test]
async fn transactions_that_differ_a_little_from_a_payment_cost_no_read() {
    let world = SvmWorld::new().await;
    warm_up(&world, good).await;
    for (name, change, reason) in FLAWS {
        let body = request(&world, world::Version::V2, change);
        assert_refusal(&world, name, &body, reason).await;
    }
    world.close().await;
}

#[tokio::test]
async fn what_clients_and_wallets_build_is_taken_and_lands() {
    let world = SvmWorld::new().await;
    for (name, change) in FINE {
        let body = request(&world, world::Version::V2, change);
        let verified = world.client.verify(&body).await;
        assert_eq!(verified.body["isValid"], true, "{name}: {}", verified.body);
        let before = world.received().await;
        let settled = world.client.settle(&body).await;
        assert_eq!(settled.body["success"], true, "{name}: {}", settled.body);
        assert_eq!(world.received().await, before + scene::AMOUNT, "{name}");
    }
    world.close().await;
}

#[tokio::test]
async fn a_mint_that_is_not_listed_is_not_paid_with() {
    let world = SvmWorld::with(Mint::token(), |it| it.without("SVM_ANY_ASSET")).await;
    let body = good(&world, world::Version::V2).body;
    assert_refusal(&world, "a mint", &body, "asset_not_allowed").await;
    assert_eq!(world.reads(), 0);
    world.close().await;
}

async fn assert_refusal(world: &SvmWorld, name: &str, body: &Value, reason: &str) {
    let reads = world.reads();
    let verified = world.client.verify(body).await;
    assert_eq!(verified.status.as_u16(), 200, "{name}");
    let told = &verified.body["invalidReason"];
    assert_eq!(told, reason, "{name}: {}", verified.body);
    let settled = world.client.settle(body).await;
    assert_eq!(settled.status.as_u16(), 200, "{name}");
    let told = &settled.body["errorReason"];
    assert_eq!(told, reason, "{name}: {}", settled.body);
    assert_eq!(settled.body["transaction"], "", "{name}");
    assert_eq!((world.reads(), world.sends()), (reads, 0), "{name}");
}
