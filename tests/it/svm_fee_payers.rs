//! Several keys that pay fees: sellers are shown one after the other, as long as it can pay, and a payment may name any.

use serde_json::Value;

use crate::harness::facilitator::Facilitator;
use crate::harness::http::Client;
use crate::harness::oracle::{eventually, success, text};
use crate::harness::scene::{AMOUNT, Scene};
use crate::harness::sign_svm::SvmTerms;
use crate::harness::svm_wire::Keypair;
use crate::harness::svm_world::{SvmRequest, settings};

const SOL: u64 = 1_000_000_000;

async fn serving(scene: &Scene, other: &Keypair) -> Facilitator {
    let keys = format!("{},{}", scene.fee_payer.secret(), other.secret());
    let settings = settings(scene, scene.ledger.url()).set("SVM_PRIVATE_KEY", &keys);
    Facilitator::start(settings).await
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

/// So many keys in a row.
async fn row(client: &Client, length: usize) -> Vec<String> {
    let mut row = Vec::new();
    for _ in 0..length {
        row.push(shown(client).await);
    }
    row
}

#[tokio::test]
async fn keys_take_turns_and_each_pays() {
    let scene = Scene::start().await;
    let other = scene.ledger.fee_payer().await;
    let facilitator = serving(&scene, &other).await;
    let client = facilitator.client();
    let keys = [&scene.fee_payer, &other];
    let [first, second] = keys.map(|key| key.key().to_string());

    let expected = [&first, &second, &first, &second];
    assert_eq!(row(&client, 4).await.iter().collect::<Vec<_>>(), expected);
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
    // Payments do not move the turns.
    assert_eq!(shown(&client).await, first);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn a_key_that_cannot_pay_is_not_shown_until_it_can() {
    let scene = Scene::start().await;
    let poor = Keypair::fresh();
    let facilitator = serving(&scene, &poor).await;
    let client = facilitator.client();
    let (rich, poor) = (scene.fee_payer.key().to_string(), poor.key());

    eventually("only keys that can pay", || async {
        let row = row(&client, 4).await;
        row.iter().all(|key| *key == rich).then_some(())
    })
    .await;
    let request = SvmRequest::new(&scene).await;
    assert_eq!(success(&client.settle(&request.body).await), request.id);

    scene.ledger.set_lamports(poor, SOL).await;
    eventually("the key that was filled up", || async {
        let row = row(&client, 2).await;
        row.contains(&poor.to_string()).then_some(())
    })
    .await;
    assert!(facilitator.stop().await);
}
