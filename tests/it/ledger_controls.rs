//! The controls of the ledger do what they say.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::mint::{Extension, Mint};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::rpc::Rpc;
use crate::harness::scene::{AMOUNT, Scene, WEALTH};
use crate::harness::svm_wire::{Key, Keypair, Meta, Transaction};

#[tokio::test]
async fn an_expired_blockhash_lands_nothing() {
    let scene = Scene::start().await;
    let valid = |transaction: &Transaction| {
        let hash = Key(transaction.message.blockhash).to_string();
        scene
            .ledger
            .call::<Value>("isBlockhashValid", json!([hash]))
    };
    let transaction = scene.signed().await;
    scene.ledger.advance_slots(150).await;
    assert_eq!(valid(&transaction).await["value"], true);
    scene.ledger.advance_slots(1).await;
    assert_eq!(valid(&transaction).await["value"], false);
    scene.send(&transaction).await;
    assert_eq!(scene.status(&transaction).await, Value::Null);

    let waiting = scene.signed().await;
    scene.ledger.hold().await;
    scene.send(&waiting).await;
    scene.ledger.expire_blockhash().await;
    scene.ledger.release().await;
    assert_eq!(scene.status(&waiting).await, Value::Null);
    assert_eq!(scene.received().await, 0);
}

#[tokio::test]
async fn transactions_are_held_dropped_swallowed_and_late() {
    let scene = Scene::start().await;
    let (ledger, transaction) = (&scene.ledger, scene.signed().await);

    ledger.hold().await;
    scene.send(&transaction).await;
    scene.send(&transaction).await;
    assert_eq!(scene.status(&transaction).await, Value::Null);
    assert_eq!(ledger.drop_waiting().await, 1);
    ledger.release().await;
    assert_eq!(scene.status(&transaction).await, Value::Null);

    ledger.swallow(1).await;
    scene.send(&transaction).await;
    assert_eq!(scene.status(&transaction).await, Value::Null);
    scene.send(&transaction).await;
    assert_eq!(scene.confirmation(&transaction).await, "confirmed");

    let late = scene.signed().await;
    ledger.delay(Duration::from_millis(300)).await;
    scene.send(&late).await;
    assert_eq!(scene.status(&late).await, Value::Null);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(scene.confirmation(&late).await, "confirmed");
    assert_eq!(scene.received().await, 2 * AMOUNT);
}

#[tokio::test]
async fn confirmation_takes_the_slots_that_it_is_told() {
    let scene = Scene::start().await;
    scene.ledger.confirm_after(1, 2, 4).await;
    let transaction = scene.signed().await;
    scene.send(&transaction).await;

    assert_eq!(scene.confirmation(&transaction).await, Value::Null);
    scene.ledger.advance_slots(1).await;
    assert_eq!(scene.confirmation(&transaction).await, "processed");
    let id = transaction.id();
    assert_eq!(scene.ledger.transaction(&id).await, Value::Null);
    scene.ledger.advance_slots(1).await;
    assert_eq!(scene.confirmation(&transaction).await, "confirmed");
    assert_ne!(scene.ledger.transaction(&id).await, Value::Null);
    scene.ledger.advance_slots(2).await;
    assert_eq!(scene.confirmation(&transaction).await, "finalized");

    // A node remembers only recent ones unless it searches.
    scene.ledger.advance_slots(300).await;
    let recent: Value = scene
        .ledger
        .call("getSignatureStatuses", json!([[id]]))
        .await;
    assert_eq!(recent["value"], json!([null]));
    assert_eq!(scene.confirmation(&transaction).await, "finalized");
}

#[tokio::test]
async fn a_losing_fork_undoes_what_landed() {
    let scene = Scene::start().await;
    let transaction = scene.signed().await;
    scene.ledger.snapshot().await;
    scene.send(&transaction).await;
    let slot = scene.ledger.slot().await;

    scene.ledger.revert().await;

    assert_eq!(scene.status(&transaction).await, Value::Null);
    assert_eq!(scene.received().await, 0);
    assert_eq!(scene.ledger.slot().await, slot);
    scene.send(&transaction).await;
    assert_eq!(scene.received().await, AMOUNT);
}

#[tokio::test]
async fn a_lying_node_can_stand_before_it() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(scene.ledger.url()).await;
    let rpc = Rpc::new(proxy.url());
    let fine = json!({"context": {"slot": 1}, "value": {"err": null, "logs": []}});
    proxy.plan("simulateTransaction", 1, Fault::Answer(fine.clone()));

    let asked = json!(["no transaction", {"encoding": "base64"}]);
    let told: Value = rpc.call("simulateTransaction", asked.clone()).await;
    assert_eq!(told, fine);
    let refused = rpc.try_call("simulateTransaction", asked).await;
    assert_eq!(refused.unwrap_err()["code"], -32602);
}

#[tokio::test]
async fn extensions_of_a_mint_take_effect() {
    let fee = Extension::TransferFee {
        basis_points: 1_000,
        maximum: WEALTH,
    };
    let scene = Scene::with(Mint::token_2022(&[fee])).await;
    scene.send(&scene.signed().await).await;
    assert_eq!(scene.received().await, AMOUNT - AMOUNT / 10);

    let delegate = Keypair::fresh();
    let thief = Extension::PermanentDelegate(delegate.key());
    let scene = Scene::with(Mint::token_2022(&[thief])).await;
    let mut payment = scene.payment().await;
    payment.instructions[2].accounts[3] = Meta::signer(delegate.key());
    let taken = payment.signed_by(&delegate).signed_by(&scene.fee_payer);
    scene.send(&taken).await;
    assert_eq!(scene.received().await, AMOUNT);

    let hook = Extension::TransferHook(Key::fresh());
    let scene = Scene::with(Mint::token_2022(&[hook])).await;
    let transaction = scene.signed().await;
    let simulated = scene.ledger.simulate(&transaction, json!({})).await;
    let error = simulated.unwrap()["err"].take();
    assert_eq!(error["InstructionError"][0], 2, "{error}");

    // Interest, by its number: authority, times and rates.
    let interest = Extension::Other(10, vec![0; 52]);
    let scene = Scene::with(Mint::token_2022(&[interest])).await;
    scene.send(&scene.signed().await).await;
    assert_eq!(scene.received().await, AMOUNT);
}
