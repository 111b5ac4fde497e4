//! The same ceiling again, with another charge, at the same time, and at another replica.

use alloy::primitives::U256;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use x402_facilitator::dev::keys;

use crate::harness::chain::{Sandbox, USDC};
use crate::harness::facilitator::{Facilitator, Process, Settings};
use crate::harness::http::Answer;
use crate::harness::oracle::{Payment, failure, success, violations};
use crate::harness::postgres;
use crate::harness::sign::Permit2;
use crate::harness::sign_upto::{Upto, body, charge};
use crate::harness::world::{PAYEE, PRICE, World, price};

const ALICE: (&str, &str) = ("authorization", "Bearer alice-alice-alice");

fn hurried(settings: Settings) -> Settings {
    settings.set("SETTLE_TIMEOUT_MS", "1500")
}

#[tokio::test]
async fn a_retry_that_asks_for_more_hears_what_was_really_broadcast() {
    let world = World::with(hurried).await;
    let ceiling = world.upto(|_| {});
    world.sandbox.hold_blocks().await;
    let first = world.client.settle(&charge(&ceiling, 500)).await;
    assert!(!failure(&first, "settlement_pending").is_empty());

    // In flight, its success is still owed: whoever asks for it, it is this charge.
    let verified = world.client.verify(&ceiling).await;
    assert_eq!(verified.body["isValid"], true, "{}", verified.text);
    let meanwhile = world.client.settle(&charge(&ceiling, 900)).await;
    assert!(!failure(&meanwhile, "settlement_pending").is_empty());
    world.sandbox.release_blocks().await;
    world.sandbox.mine(1).await;

    let told = world.client.settle(&charge(&ceiling, PRICE)).await;
    let hash = success(&told);
    assert_eq!(told.body["amount"], "500");
    for units in [0, 500, PRICE] {
        let again = world.client.settle(&charge(&ceiling, units)).await;
        assert_eq!(failure(&again, "duplicate_settlement"), hash);
    }
    let verified = world.client.verify(&ceiling).await;
    assert_eq!(verified.reason(), "duplicate_settlement");
    let earned = world.sandbox.balance_of(USDC, PAYEE).await;
    assert_eq!(earned, U256::from(500));
    world.close().await;
}

#[tokio::test]
async fn of_many_charges_at_once_one_is_made_and_told() {
    let world = World::new().await;
    let ceiling = world.upto(|_| {});

    let asked = (0..40).map(|units| {
        let body = charge(&ceiling, units * 10);
        let client = &world.client;
        async move { client.settle(&body).await }
    });
    let answers: Vec<Answer> = join_all(asked).await;

    let (told, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.body["success"] == true);
    assert_eq!((told.len(), refused.len()), (1, 39));
    let earned = world.sandbox.balance_of(USDC, PAYEE).await;
    assert_eq!(told[0].body["amount"], json!(earned.to_string()));
    let hash = &told[0].body["transaction"];
    for answer in refused {
        assert_eq!(answer.reason(), "duplicate_settlement", "{}", answer.text);
        assert_eq!(answer.body["transaction"], *hash);
    }
    assert!(world.sends() <= 1);
    world.close().await;
}

#[tokio::test]
async fn of_many_charges_of_nothing_one_is_told() {
    let world = World::new().await;
    let nothing = charge(&world.upto(|_| {}), 0);

    let answers = join_all((0..40).map(|_| world.client.settle(&nothing))).await;

    let told = answers.iter().filter(|a| a.body["success"] == true);
    assert_eq!(told.count(), 1);
    assert_eq!(world.sends(), 0);
    world.close().await;
}

#[tokio::test]
async fn a_success_is_told_again_with_its_amount_to_the_same_caller_with_the_same_key() {
    let world = World::with(|s| s.set("BEARER_TOKENS", "alice-alice-alice")).await;
    for units in [0, 900] {
        let ceiling = world.upto(|_| {});
        let settle = async |key: &str, units: u64| {
            let headers = [ALICE, ("idempotency-key", key)];
            let text = charge(&ceiling, units).to_string();
            world
                .client
                .send(Method::POST, "/settle", &headers, text)
                .await
        };
        let first = settle("order-7", units).await;
        assert_eq!(first.body["amount"], json!(units.to_string()));

        let replayed = settle("order-7", PRICE).await;
        assert_eq!(replayed.body, first.body);
        assert_eq!(replayed.header("idempotency-replayed"), "true");
        let other = settle("order-8", units).await;
        assert_eq!(other.reason(), "duplicate_settlement");
    }
    world.close().await;
}

#[tokio::test]
async fn one_permit2_nonce_pays_once_whatever_the_scheme() {
    let world = World::new().await;
    let payer = world.payer.address();
    let exact = Permit2::new(&price(), payer);
    let exact_body = price().v2(&exact.signed_by(&world.payer), &Value::Null);
    let mut upto = Upto::new(&price(), payer, world.signer);
    upto.message.nonce = exact.message.nonce;
    let ceiling = body(&price(), &upto.signed_by(&world.payer), &Value::Null);

    let closed = world.client.settle(&charge(&ceiling, 0)).await;
    assert_eq!(closed.body["success"], true, "{}", closed.text);
    let answer = world.client.settle(&exact_body).await;

    assert_eq!(failure(&answer, "duplicate_settlement"), "");
    assert_eq!(world.sends(), 0);
    world.close().await;
}

#[tokio::test]
async fn two_replicas_with_two_accounts_charge_every_ceiling_once() {
    let chain = Sandbox::start().await;
    for index in 0..2 {
        chain.signer(index).await;
    }
    let both = format!("{},{}", keys::key("signer", 0), keys::key("signer", 1));
    let settings = Settings::new(chain.url())
        .set("DATABASE_URL", &postgres::database().await)
        .set("SETTLE_TIMEOUT_MS", "28000")
        .set("EVM_PRIVATE_KEY", &both);
    let one = Process::start(&settings, None).await;
    let other = Process::start(&settings, None).await;
    let payers = chain.payers(4).await;
    let named = |i: usize| keys::account("signer", i % 2).address();
    let payments: Vec<_> = (0..24)
        .map(|i| Payment::upto(&payers[i % 4], named(i), 100 + i as u64))
        .collect();

    // Each at both replicas at the same time.
    let asked = payments.iter().map(|payment| async {
        let both = tokio::join!(payment.insist(&one.client), payment.insist(&other.client));
        [both.0, both.1].concat()
    });
    let answers = join_all(asked).await;

    let told: Vec<_> = payments.iter().zip(answers).collect();
    for (_, answers) in &told {
        let successes = answers.iter().filter(|a| a.body["success"] == true);
        assert_eq!(successes.count(), 1, "{answers:?}");
    }
    assert_eq!(violations(&chain, &one.client, &told).await, [""; 0]);
    for index in 0..2 {
        assert_eq!(chain.nonce(named(index)).await, 12, "its own ceilings");
    }
    one.kill().await;
    other.kill().await;
}

#[tokio::test]
async fn a_replica_without_the_named_account_leaves_the_charge_to_the_one_that_has_it() {
    let chain = Sandbox::start().await;
    chain.signer(0).await;
    chain.signer(1).await;
    let both = format!("{},{}", keys::key("signer", 0), keys::key("signer", 1));
    let settings = Settings::new(chain.url()).set("EVM_PRIVATE_KEY", &both);
    let facilitator = Facilitator::start(settings).await;
    let payer = chain.payers(1).await.remove(0);
    // The first account cannot pay for gas: its ceilings wait for it, the other's do not.
    let poor = keys::account("signer", 0).address();
    chain.set_balance(poor, U256::ZERO).await;
    let rich = keys::account("signer", 1).address();

    let answer = facilitator
        .client()
        .settle(&Payment::upto(&payer, rich, 900).body)
        .await;

    success(&answer);
    assert_eq!((chain.nonce(poor).await, chain.nonce(rich).await), (0, 1));
    assert!(facilitator.stop().await);
}
