//! The same payment again: who hears of the success, who hears that it is a duplicate, and what is on record.

mod record;

use std::time::Duration;

use alloy::primitives::{Address, Bytes, U256, address};
use alloy::signers::local::PrivateKeySigner;
use futures::future::join_all;
use reqwest::Method;
use secp256k1::{Message, Secp256k1, SecretKey};
use serde_json::{Value, json};
use x402_facilitator::clock::Clock;

use crate::harness::chain::{Sandbox, USDC};
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::http::{Answer, Client};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::sign::{self, Eip3009, Permit2, Terms};

const PAYEE: Address = address!("0x000000000000000000000000000000000000d0b1");
const ALICE: (&str, &str) = ("authorization", "Bearer alice-alice-alice");
const BOB: (&str, &str) = ("authorization", "Bearer bob-bob-bob-bob-bob");

/// A chain, its first payer, and settings of a service there.
struct Stage {
    sandbox: Sandbox,
    payer: PrivateKeySigner,
    settings: Settings,
}

impl Stage {
    async fn new() -> Self {
        let sandbox = Sandbox::start().await;
        sandbox.signer(0).await;
        let payer = sandbox.payers(1).await.remove(0);
        let settings = Settings::new(sandbox.url());
        Self {
            sandbox,
            payer,
            settings,
        }
    }

    /// A service that only Alice and Bob may use.
    fn guarded(mut self) -> Self {
        let tokens = [ALICE, BOB].map(|(_, bearer)| bearer.replace("Bearer ", ""));
        self.settings = self.settings.set("BEARER_TOKENS", &tokens.join(","));
        self
    }

    async fn serve(&self) -> Facilitator {
        Facilitator::start(self.settings.clone()).await
    }

    fn payment(&self) -> Eip3009 {
        Eip3009::new(&terms(), self.payer.address())
    }

    fn body(&self) -> Value {
        terms().v2(&self.payment().signed_by(&self.payer), &Value::Null)
    }

    /// A payment whose window is over.
    fn body_of_the_past(&self) -> Value {
        let mut payment = self.payment();
        payment.message.validBefore -= U256::from(300);
        terms().v2(&payment.signed_by(&self.payer), &Value::Null)
    }

    async fn arrived(&self) -> U256 {
        self.sandbox.balance_of(USDC, PAYEE).await
    }
}

fn terms() -> Terms {
    Terms::usdc(PAYEE, 2_500)
}

async fn settle_as(client: &Client, headers: &[(&str, &str)], body: &Value) -> Answer {
    let settle = client.send(Method::POST, "/settle", headers, body.to_string());
    settle.await
}

/// Asserts a success and returns its transaction.
fn success(answer: &Answer) -> String {
    assert_eq!(answer.body["success"], true, "{}", answer.text);
    let transaction = answer.body["transaction"].as_str().expect("a string");
    assert_eq!(transaction.len(), 66, "{transaction}");
    transaction.to_owned()
}

/// Asserts that the answer is a duplicate which names this transaction, empty for none.
fn duplicate(answer: &Answer, transaction: &str) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["success"], false, "{}", answer.text);
    assert_eq!(answer.reason(), "duplicate_settlement", "{}", answer.text);
    assert_eq!(answer.body["transaction"], transaction, "{}", answer.text);
    assert_eq!(answer.header("idempotency-replayed"), "");
}

/// As the service names it.
fn key_of(payment: &Eip3009) -> String {
    let message = &payment.message;
    format!(
        "eip3009:84532:{USDC:#x}:{:#x}:{:#x}",
        message.from, message.nonce
    )
}

async fn hundred_at_once(stage: &Stage, body: &Value, count: usize) {
    let facilitator = stage.serve().await;
    let client = facilitator.client();
    let before = stage.arrived().await;

    let answers = join_all((0..count).map(|_| client.settle(body))).await;

    let (paid, rest): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.body["success"] == true);
    assert_eq!(paid.len(), 1, "one success");
    let transaction = success(paid[0]);
    for answer in rest {
        duplicate(answer, &transaction);
    }
    assert_eq!(stage.arrived().await - before, U256::from(2_500));
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn of_two_at_once_one_hears_the_success() {
    let stage = Stage::new().await;
    hundred_at_once(&stage, &stage.body(), 2).await;
}

#[tokio::test]
async fn of_a_hundred_at_once_one_hears_the_success() {
    let stage = Stage::new().await;
    hundred_at_once(&stage, &stage.body(), 100).await;
    let permit2 = Permit2::new(&terms(), stage.payer.address()).signed_by(&stage.payer);
    hundred_at_once(&stage, &terms().v2(&permit2, &Value::Null), 100).await;
}

#[tokio::test]
async fn a_delivered_success_is_told_again_only_to_the_same_caller_with_the_same_key() {
    let stage = Stage::new().await.guarded();
    let facilitator = stage.serve().await;
    let (client, body) = (facilitator.client(), stage.body());
    let key = ("idempotency-key", "order-7");
    let other = ("idempotency-key", "order-8");

    let first = settle_as(&client, &[ALICE, key], &body).await;
    let transaction = success(&first);
    assert_eq!(first.header("idempotency-replayed"), "");

    for strangers in [
        &[ALICE, other][..],
        &[ALICE],
        &[BOB, key],
        &[BOB, other],
        &[BOB],
    ] {
        duplicate(&settle_as(&client, strangers, &body).await, &transaction);
    }
    let replayed = settle_as(&client, &[ALICE, key], &body).await;
    assert_eq!(replayed.body, first.body);
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    assert_eq!(stage.arrived().await, U256::from(2_500));
}

#[tokio::test]
async fn an_anonymous_caller_hears_a_success_once_whatever_key_it_gives() {
    let stage = Stage::new().await;
    let facilitator = stage.serve().await;
    let (client, body) = (facilitator.client(), stage.body());
    let key = ("idempotency-key", "order-7");

    let transaction = success(&settle_as(&client, &[key], &body).await);

    duplicate(&settle_as(&client, &[key], &body).await, &transaction);
    duplicate(
        &settle_as(&client, &[ALICE, key], &body).await,
        &transaction,
    );
    duplicate(&client.settle(&body).await, &transaction);
}

#[tokio::test]
async fn a_verdict_on_record_is_valid_while_owed_and_a_duplicate_once_delivered() {
    let stage = Stage::new().await;
    let facilitator = stage.serve().await;
    let (client, payment) = (facilitator.client(), stage.payment());
    let body = terms().v2(&payment.signed_by(&stage.payer), &Value::Null);
    stage.sandbox.hold_blocks().await;
    let path = format!("/settlements/{}", key_of(&payment));

    let settling = client.settle(&body);
    let meanwhile = async {
        until(&client, &path, |view| view["state"] == "submitted").await;
        let verdict = client.verify(&body).await;
        stage.sandbox.release_blocks().await;
        stage.sandbox.mine(1).await;
        verdict
    };
    let (settled, owed) = tokio::join!(settling, meanwhile);

    let payer = stage.payer.address().to_checksum(None);
    assert_eq!(owed.body, json!({"isValid": true, "payer": payer}));
    success(&settled);
    let used = client.verify(&body).await;
    assert_eq!(used.status, 200);
    assert_eq!(used.body["isValid"], false, "{}", used.text);
    assert_eq!(used.reason(), "duplicate_settlement");
    assert_eq!(used.body["payer"], payer);
}

/// Waits until a settlement is so.
async fn until(client: &Client, path: &str, holds: impl Fn(&Value) -> bool) {
    let wait = async {
        while !holds(&client.get(path).await.body) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    waited.unwrap_or_else(|_| panic!("{path} does not become so"));
}

#[tokio::test]
async fn pending_names_the_transaction_and_the_success_is_owed_to_the_next_who_asks() {
    let mut stage = Stage::new().await;
    stage.settings = stage.settings.set("SETTLE_TIMEOUT_MS", "1500");
    let facilitator = stage.serve().await;
    let (client, body) = (facilitator.client(), stage.body());
    stage.sandbox.hold_blocks().await;

    let pending = client.settle(&body).await;
    assert_eq!(pending.status, 200);
    assert_eq!(pending.body["success"], false);
    assert_eq!(pending.reason(), "settlement_pending", "{}", pending.text);
    let transaction = pending.body["transaction"].as_str().unwrap().to_owned();
    assert_eq!(transaction.len(), 66, "{transaction}");
    assert_eq!(pending.body["network"], "eip155:84532");
    assert_ne!(pending.header("retry-after"), "");

    stage.sandbox.release_blocks().await;
    stage.sandbox.mine(1).await;
    let settled = success(&client.settle(&body).await);
    duplicate(&client.settle(&body).await, &settled);
    assert_eq!(stage.arrived().await, U256::from(2_500));
}

#[tokio::test]
async fn another_payment_with_a_used_nonce_is_a_duplicate_that_learns_nothing() {
    let stage = Stage::new().await;
    let facilitator = stage.serve().await;
    let (client, payment) = (facilitator.client(), stage.payment());
    let payload = payment.signed_by(&stage.payer);
    let body = terms().v2(&payload, &Value::Null);
    let transaction = success(&client.settle(&body).await);

    let mut elsewhere = payment.clone();
    elsewhere.message.to = address!("0x0000000000000000000000000000000000e15e01");
    let mut more = payment.clone();
    more.message.value = U256::from(9_999);
    let mut longer = payment.clone();
    longer.message.validBefore += U256::ONE;
    for other in [elsewhere, more, longer] {
        let mut asked = terms();
        asked.pay_to = other.message.to;
        asked.amount = other.message.value;
        let body = asked.v2(&other.signed_by(&stage.payer), &Value::Null);
        duplicate(&client.settle(&body).await, "");
        let verdict = client.verify(&body).await;
        assert_eq!(verdict.reason(), "duplicate_settlement", "{}", verdict.text);
    }

    // The resource is not part of what was signed: the same payment for another page is the same payment.
    let mut other_page = body.clone();
    other_page["paymentPayload"]["resource"]["url"] = json!("https://api.example/other");
    duplicate(&client.settle(&other_page).await, &transaction);
    assert_eq!(stage.arrived().await, U256::from(2_500));
}

#[tokio::test]
async fn a_signature_is_the_same_however_its_parity_is_written_and_another_is_not() {
    let stage = Stage::new().await;
    let facilitator = stage.serve().await;
    let (client, payment) = (facilitator.client(), stage.payment());
    let signed = sign::signature(&stage.payer, payment.digest());
    let written = |bytes: &Bytes| terms().v2(&payment.payload(bytes), &Value::Null);
    let mut low = signed.to_vec();
    low[64] -= 27;

    let transaction = success(&client.settle(&written(&low.into())).await);

    duplicate(&client.settle(&written(&signed)).await, &transaction);
    let another = other_signature(&stage.payer, &payment);
    assert_ne!(another, signed);
    duplicate(&client.settle(&written(&another)).await, "");
    assert_eq!(stage.arrived().await, U256::from(2_500));
}

/// A second valid signature of the same message, as a wallet with random nonces makes one.
fn other_signature(owner: &PrivateKeySigner, payment: &Eip3009) -> Bytes {
    let key = SecretKey::from_byte_array(owner.to_bytes().0).expect("a key");
    let message = Message::from_digest(payment.digest().0);
    let signed = Secp256k1::new().sign_ecdsa_recoverable_with_noncedata(message, &key, &[7; 32]);
    let (parity, bytes) = signed.serialize_compact();
    let v = 27 + u8::try_from(i32::from(parity)).expect("0 or 1");
    [&bytes[..], &[v]].concat().into()
}
