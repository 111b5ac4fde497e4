//! Payments that take accounts from address lookup tables, which the chain's own program made: judged by what the tables hold.

use serde_json::{Value, json};

use crate::harness::facilitator::Facilitator;
use crate::harness::http::Answer;
use crate::harness::mint::Mint;
use crate::harness::oracle::{failure, success};
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::scene::{AMOUNT, Scene};
use crate::harness::svm_tables::TableMaker;
use crate::harness::svm_wire::{Key, Keypair, Meta, Table};
use crate::harness::svm_world::{SvmRequest, SvmWorld, settings};

const FAILED: &str = "invalid_exact_svm_smart_wallet_alt_resolution_failed";
const NOT_AVAILABLE: &str = "invalid_exact_svm_smart_wallet_alt_resolution_not_available";
const NOT_ISOLATED: &str = "invalid_exact_svm_smart_wallet_fee_payer_not_isolated";

/// What a payment's transfer names besides its signers: where it goes, and the mint.
fn accounts(scene: &Scene) -> [Key; 2] {
    let mint = &scene.terms.mint;
    [mint.account_of(scene.terms.pay_to), mint.key]
}

async fn through(scene: &Scene, table: Table) -> SvmRequest {
    SvmRequest::changed(scene, |payment| payment.tables = vec![table]).await
}

fn refused(answer: &Answer, reason: &str) {
    assert_eq!(answer.body["invalidReason"], reason, "{}", answer.body);
    assert_eq!(answer.body["isValid"], false);
}

#[tokio::test]
async fn pays_with_accounts_from_a_table() {
    for mint in [Mint::token(), Mint::token_2022(&[])] {
        let world = SvmWorld::with(mint, |settings| settings).await;
        let maker = TableMaker::new(&world.ledger).await;
        let request = through(&world, maker.make(&accounts(&world)).await).await;
        assert_eq!(request.transaction.message.lookups[0].writable, [0]);
        let payer = world.payer.key().to_string();

        let verified = world.client.verify(&request.body).await;
        let settled = world.client.settle(&request.body).await;

        assert_eq!(verified.body, json!({"isValid": true, "payer": payer}));
        assert_eq!(success(&settled), request.id);
        assert_eq!(settled.body["payer"], payer);
        assert_eq!(world.received().await, AMOUNT);
        world.close().await;
    }
}

#[tokio::test]
async fn what_was_added_in_this_slot_is_used_in_the_next() {
    let world = SvmWorld::new().await;
    let maker = TableMaker::new(&world.ledger).await;
    let table = maker.fill(&accounts(&world)).await;
    let request = through(&world, table).await;

    refused(&world.client.verify(&request.body).await, FAILED);
    world.ledger.advance_slots(1).await;
    assert_eq!(
        success(&world.client.settle(&request.body).await),
        request.id
    );
    world.close().await;
}

/// The wallet shows accounts of its own where the table has a key of ours, which would pay for whatever the program is told.
#[tokio::test]
async fn a_key_of_ours_behind_a_table_is_found() {
    let second = Keypair::fresh();
    let secret = second.secret();
    let world = SvmWorld::with(Mint::token(), |it| {
        let keys = format!("{},{secret}", it.get("SVM_PRIVATE_KEY"));
        it.set("SVM_PRIVATE_KEY", &keys)
    })
    .await;
    let maker = TableMaker::new(&world.ledger).await;
    for ours in [world.fee_payer.key(), second.key()] {
        let table = maker.make(&[ours]).await;
        let shown = Table {
            addresses: vec![Key::fresh()],
            ..table
        };
        for meta in [Meta::readonly, Meta::writable] {
            let request = SvmRequest::changed(&world, |payment| {
                payment.instructions[2]
                    .accounts
                    .push(meta(shown.addresses[0]));
                payment.tables = vec![shown.clone()];
            })
            .await;

            refused(&world.client.verify(&request.body).await, NOT_ISOLATED);
            let settled = world.client.settle(&request.body).await;
            assert_eq!(failure(&settled, NOT_ISOLATED), "");
        }
    }
    assert_eq!(world.received().await, 0);
    world.close().await;
}

#[tokio::test]
async fn a_table_that_leads_the_money_elsewhere_is_found() {
    let world = SvmWorld::new().await;
    let maker = TableMaker::new(&world.ledger).await;
    let thief = Key::fresh();
    let mint = &world.terms.mint;
    world.ledger.fund(mint, thief, 0).await;
    let [_, asset] = accounts(&world);
    let table = maker.make(&[mint.account_of(thief), asset]).await;
    let shown = Table {
        addresses: accounts(&world).to_vec(),
        ..table
    };
    let request = through(&world, shown).await;

    let reason = "invalid_exact_svm_payload_recipient_mismatch";
    refused(&world.client.verify(&request.body).await, reason);
    let settled = world.client.settle(&request.body).await;
    assert_eq!(failure(&settled, reason), "");
    world.close().await;
}

/// A message whose table is nowhere: the chain would never take it.
pub(crate) async fn without_table() {
    let world = SvmWorld::new().await;
    let table = Table {
        address: Key::fresh(),
        addresses: accounts(&world).to_vec(),
    };
    let request = through(&world, table).await;

    let refusal = world.client.verify(&request.body).await;

    refused(&refusal, FAILED);
    let message = refusal.body["invalidMessage"].as_str().unwrap_or_default();
    assert!(message.ends_with(" does not exist"), "{message}");
    let settled = world.client.settle(&request.body).await;
    assert_eq!(failure(&settled, FAILED), "");
    world.close().await;
}

#[tokio::test]
async fn a_table_that_is_nowhere_ended_or_none_is_refused() {
    without_table().await;
    let world = SvmWorld::new().await;
    let maker = TableMaker::new(&world.ledger).await;
    let table = maker.make(&accounts(&world)).await;
    maker.deactivate(&table).await;
    let deactivated = through(&world, table.clone()).await;
    refused(&world.client.verify(&deactivated.body).await, FAILED);

    let address = accounts(&world)[1];
    let none = through(&world, Table { address, ..table }).await;
    refused(&world.client.verify(&none.body).await, FAILED);
    world.close().await;
}

#[tokio::test]
async fn an_operator_may_refuse_all_tables_and_then_none_is_read() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(scene.ledger.url()).await;
    let settings = settings(&scene, proxy.url()).set("SVM_LOOKUP_TABLES", "false");
    let facilitator = Facilitator::start(settings).await;
    let maker = TableMaker::new(&scene.ledger).await;
    let request = through(&scene, maker.make(&accounts(&scene)).await).await;

    let client = facilitator.client();
    // It waits for the first look at every node.
    client.get("/readyz").await;
    let before = proxy.calls("getMultipleAccounts").len();
    refused(&client.verify(&request.body).await, NOT_AVAILABLE);

    assert_eq!(proxy.calls("getMultipleAccounts").len(), before);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn tables_that_cannot_be_read_are_no_verdict() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(scene.ledger.url()).await;
    let facilitator = Facilitator::start(settings(&scene, proxy.url())).await;
    let client = facilitator.client();
    let maker = TableMaker::new(&scene.ledger).await;
    let request = through(&scene, maker.make(&accounts(&scene)).await).await;
    proxy.plan("getMultipleAccounts", ALWAYS, Fault::Refuse("no"));

    let verified = client.verify(&request.body).await;
    let settled = client.settle(&request.body).await;
    assert_eq!(verified.status, 503);
    assert_eq!(settled.status, 503);
    assert_eq!(verified.body["invalidReason"], "unexpected_verify_error");
    assert_eq!(failure(&settled, "unexpected_settle_error"), "");

    proxy.heal();
    assert_eq!(success(&client.settle(&request.body).await), request.id);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn a_node_that_has_not_seen_the_table_does_not_decide() {
    let scene = Scene::start().await;
    let behind = Proxy::start(scene.ledger.url()).await;
    let nothing = json!({"context": {"slot": 1}, "value": [null]});
    behind.plan("getMultipleAccounts", ALWAYS, Fault::Answer(nothing));
    let urls = format!("{},{}", behind.url(), scene.ledger.url());
    let facilitator = Facilitator::start(settings(&scene, &urls)).await;
    let maker = TableMaker::new(&scene.ledger).await;
    let request = through(&scene, maker.make(&accounts(&scene)).await).await;

    let settled = facilitator.client().settle(&request.body).await;

    assert_eq!(success(&settled), request.id);
    assert!(facilitator.stop().await);
}

/// On a fork that lost, the table was filled in another way than on the one that won.
#[tokio::test]
async fn a_table_that_changes_before_we_sign_is_not_signed_for() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(scene.ledger.url()).await;
    let facilitator = Facilitator::start(settings(&scene, proxy.url())).await;
    let maker = TableMaker::new(&scene.ledger).await;
    let table = maker.make(&accounts(&scene)).await;
    let other = maker.make(&[Key::fresh(), Key::fresh()]).await;
    for (times, shown) in [(1, table.address), (ALWAYS, other.address)] {
        let config = json!({"encoding": "base64"});
        let params = json!([[shown.to_string()], config]);
        let told: Value = scene.ledger.call("getMultipleAccounts", params).await;
        proxy.plan("getMultipleAccounts", times, Fault::Answer(told));
    }
    let request = through(&scene, table).await;

    let settled = facilitator.client().settle(&request.body).await;

    assert_eq!(failure(&settled, FAILED), "");
    assert_eq!(proxy.calls("sendTransaction").len(), 0);
    assert_eq!(scene.received().await, 0);
    assert!(facilitator.stop().await);
}
