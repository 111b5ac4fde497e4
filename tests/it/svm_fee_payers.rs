//! Several keys that pay fees: sellers are shown one after the other, as long as it can pay, and a payment may name any.

use std::time::Duration;

use serde_json::Value;
use x402_facilitator::clock::{Clock, UnixMillis};

use crate::harness::facilitator::Facilitator;
use crate::harness::http::Client;
use crate::harness::oracle::{eventually, success, text};
use crate::harness::scene::{AMOUNT, Scene};
use crate::harness::sign_svm::SvmTerms;
use crate::harness::svm_wire::Keypair;
use crate::harness::svm_world::{SvmRequest, settings};

const SOL: u64 = 1_000_000_000;
const TURN: Duration = Duration::from_mins(10);

async fn serving(scene: &Scene, other: &Keypair, clock: &Clock) -> Facilitator {
    let keys = format!("{},{}", scene.fee_payer.secret(), other.secret());
    let settings = settings(scene, scene.ledger.url()).set("SVM_PRIVATE_KEY", &keys);
    Facilitator::with_clock(settings, clock.clone()).await
}

/// Stands at the beginning of the first key's turn.
fn clock() -> Clock {
    Clock::manual(UnixMillis(1_800_000_000_000))
}

fn key_of(kind: &Value) -> String {
    text(&kind["extra"]["feePayer"])
}

/// The key that is shown now, in both versions.
async fn shown(client: &Client) -> String {
    let supported = client.get("/supported").await.body;
    let kinds = &supported["kinds"];
    assert_eq!(key_of(&kinds[0]), key_of(&kinds[1]));
    key_of(&kinds[0])
}

/// What is shown in the next turns, one after the other.
async fn turns(client: &Client, clock: &Clock, count: usize) -> Vec<String> {
    let mut turns = Vec::new();
    for _ in 0..count {
        turns.push(shown(client).await);
        clock.advance(TURN);
    }
    turns
}

#[tokio::test]
async fn keys_take_turns_and_each_pays() {
    let scene = Scene::start().await;
    let other = scene.ledger.fee_payer().await;
    let clock = clock();
    let facilitator = serving(&scene, &other, &clock).await;
    let client = facilitator.client();
    let keys = [&scene.fee_payer, &other];
    let [first, second] = keys.map(|key| key.key().to_string());

    // One key for a whole turn: who asks twice for one payment hears of one.
    clock.advance(Duration::from_millis(599_999));
    assert_eq!(shown(&client).await, first);
    clock.advance(Duration::from_millis(1));
    assert_eq!(
        turns(&client, &clock, 3).await,
        [&second, &first, &second].map(Clone::clone)
    );
    for key in keys {
        let before = scene.ledger.lamports(key.key()).await;
        let terms = SvmTerms {
            fee_payer: key.key(),
            ..scene.terms.clone()
        };
        let mut payment = scene.payment().await;
        payment.fee_payer = key.key();
        let transaction = payment.signed_by(&scene.payer);
        let body = terms.v2(&transaction);

        assert_eq!(client.verify(&body).await.body["isValid"], true);
        let settled = client.settle(&body).await;

        assert_eq!(success(&settled), transaction.signed_by(key).id());
        assert!(scene.ledger.lamports(key.key()).await < before);
    }
    assert_eq!(scene.received().await, 2 * AMOUNT);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn a_key_that_cannot_pay_is_not_shown_until_it_can() {
    let scene = Scene::start().await;
    let poor = Keypair::fresh();
    let clock = clock();
    let facilitator = serving(&scene, &poor, &clock).await;
    let client = facilitator.client();
    let (rich, poor) = (scene.fee_payer.key().to_string(), poor.key());

    eventually("only keys that can pay", || async {
        let shown = turns(&client, &clock, 2).await;
        shown.iter().all(|key| *key == rich).then_some(())
    })
    .await;
    let request = SvmRequest::new(&scene).await;
    assert_eq!(success(&client.settle(&request.body).await), request.id);

    scene.ledger.set_lamports(poor, SOL).await;
    eventually("the key that was filled up", || async {
        let shown = turns(&client, &clock, 2).await;
        shown.contains(&poor.to_string()).then_some(())
    })
    .await;
    assert!(facilitator.stop().await);
}
