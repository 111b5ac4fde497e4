//! Payments out of smart wallets, end to end. The wallets are the ledger's stand-ins at the ids of Squads and others: they make the calls that
//! they are told with the signature of their vault. The token programs, the lookup tables and everything around them are the real ones.

use serde_json::{Value, json};

use crate::harness::facilitator::{Facilitator, Process};
use crate::harness::http::{Answer, Client};
use crate::harness::mint::Mint;
use crate::harness::oracle::{eventually, failure, success, text};
use crate::harness::postgres;
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::scene::{AMOUNT, Scene, WEALTH};
use crate::harness::sign_svm::{
    SQUADS, SvmPayment, SvmTerms, When, through_fickle_wallet, transfer, unit_limit, vault,
};
use crate::harness::svm_tables::TableMaker;
use crate::harness::svm_wire::{Instruction, Key, Meta, Table};
use crate::harness::svm_world::{SvmRequest, SvmWorld, settings};

const NOT_CONFIRMED: &str = "post_settlement_transfer_not_confirmed";
const PREFIX: &str = "invalid_exact_svm_smart_wallet_";

fn wallet() -> Key {
    Key::of(SQUADS)
}

async fn world(mint: Mint) -> SvmWorld {
    let world = SvmWorld::with(mint, |it| it.set("SVM_SMART_WALLETS", "on")).await;
    fill(&world).await;
    world
}

/// Money in the vault.
async fn fill(scene: &Scene) {
    let vault = vault(wallet());
    scene.ledger.fund(&scene.terms.mint, vault, WEALTH).await;
}

/// What the terms ask for, out of the vault.
fn due(terms: &SvmTerms) -> Instruction {
    transfer(terms, vault(wallet()))
}

/// Makes the wallet do this; the key holder signs for it.
fn through(payment: &mut SvmPayment, holder: Key, calls: &[(When, &Instruction)]) {
    let mut call = through_fickle_wallet(wallet(), calls);
    call.accounts.push(Meta::signer(holder));
    payment.instructions[0] = unit_limit(200_000);
    payment.instructions[2] = call;
}

async fn paying(scene: &Scene, calls: &[(When, &Instruction)]) -> SvmRequest {
    let holder = scene.payer.key();
    SvmRequest::changed(scene, |payment| through(payment, holder, calls)).await
}

async fn good(scene: &Scene) -> SvmRequest {
    paying(scene, &[(When::Always, &due(&scene.terms))]).await
}

fn invalid(answer: &Answer, reason: &str) {
    assert_eq!(answer.body["invalidReason"], reason, "{}", answer.body);
    assert_eq!(answer.body["isValid"], false);
}

async fn record(client: &Client, request: &SvmRequest) -> Value {
    let answer = client.get(&format!("/settlements/{}", request.id)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body[0].clone()
}

#[tokio::test]
async fn pays_out_of_the_vault_which_is_the_payer_in_every_answer() {
    let vault = vault(wallet()).to_string();
    for mint in [Mint::token(), Mint::token_2022(&[])] {
        let world = world(mint).await;
        let request = good(&world).await;

        let verified = world.client.verify(&request.body).await;
        assert_eq!(verified.body, json!({"isValid": true, "payer": vault}));
        let settled = world.client.settle(&request.body).await;
        assert_eq!(success(&settled), request.id);
        assert_eq!(settled.body["payer"], vault);
        assert_eq!(world.received().await, AMOUNT);

        let again = world.client.settle(&request.body).await;
        assert_eq!(failure(&again, "duplicate_settlement"), request.id);
        let looked = world.client.verify(&request.body).await;
        invalid(&looked, "duplicate_settlement");
        for answer in [again.body, looked.body] {
            assert_eq!(answer["payer"], vault);
        }
        let record = record(&world.client, &request).await;
        assert_eq!(
            (&record["payer"], &record["state"]),
            (&json!(vault), &json!("settled"))
        );
        world.close().await;
    }
}

#[tokio::test]
async fn a_payment_under_way_names_the_vault_too() {
    let world = SvmWorld::with(Mint::token(), |it| {
        it.set("SVM_SMART_WALLETS", "on")
            .set("SETTLE_TIMEOUT_MS", "1500")
    })
    .await;
    fill(&world).await;
    let request = good(&world).await;
    world.ledger.hold().await;

    let vault = vault(wallet()).to_string();
    for _ in 0..2 {
        let pending = world.client.settle(&request.body).await;
        assert_eq!(failure(&pending, "settlement_pending"), request.id);
        assert_eq!(pending.body["payer"], vault);
    }
    let verified = world.client.verify(&request.body).await;
    assert_eq!(verified.body, json!({"isValid": true, "payer": vault}));

    world.ledger.release().await;
    let told = world.client.settle(&request.body).await;
    assert_eq!(success(&told), request.id);
    assert_eq!(told.body["payer"], vault);
    world.close().await;
}

#[tokio::test]
async fn wallets_are_refused_unless_an_operator_allows_them() {
    let world = SvmWorld::new().await;
    fill(&world).await;
    let request = good(&world).await;

    let settled = world.client.settle(&request.body).await;

    let reason = "invalid_exact_svm_payload_no_transfer_instruction";
    assert_eq!(failure(&settled, reason), "");
    world.close().await;
}

#[tokio::test]
async fn a_wallet_s_accounts_may_come_from_a_table() {
    let world = world(Mint::token()).await;
    let (mint, vault) = (&world.terms.mint, vault(wallet()));
    let accounts = [
        mint.account_of(vault),
        mint.account_of(world.terms.pay_to),
        mint.key,
        vault,
    ];
    let table = TableMaker::new(&world.ledger).await.make(&accounts).await;
    let (holder, call) = (world.payer.key(), due(&world.terms));
    let request = SvmRequest::changed(&world, |payment| {
        through(payment, holder, &[(When::Always, &call)]);
        payment.tables = vec![table];
    })
    .await;
    let lookup = &request.transaction.message.lookups[0];
    assert_eq!((lookup.writable.len(), lookup.readonly.len()), (2, 2));

    let settled = world.client.settle(&request.body).await;

    assert_eq!(success(&settled), request.id);
    assert_eq!(settled.body["payer"], vault.to_string());
    assert_eq!(world.received().await, AMOUNT);
    world.close().await;
}

#[tokio::test]
async fn a_table_does_not_hand_a_wallet_the_fee_payer() {
    let world = world(Mint::token()).await;
    let fee_payer = world.fee_payer.key();
    let table = TableMaker::new(&world.ledger)
        .await
        .make(&[fee_payer])
        .await;
    let shown = Table {
        addresses: vec![Key::fresh()],
        ..table
    };
    let (holder, call) = (world.payer.key(), due(&world.terms));
    let request = SvmRequest::changed(&world, |payment| {
        through(payment, holder, &[(When::Always, &call)]);
        let behind = Meta::writable(shown.addresses[0]);
        payment.instructions[2].accounts.push(behind);
        payment.tables = vec![shown];
    })
    .await;

    let settled = world.client.settle(&request.body).await;

    let reason = format!("{PREFIX}fee_payer_not_isolated");
    assert_eq!(failure(&settled, &reason), "");
    world.close().await;
}

#[tokio::test]
async fn what_a_simulation_shows_besides_one_payment_is_refused() {
    let world = world(Mint::token()).await;
    let terms = &world.terms;
    let due = due(terms);
    let more = |amount| {
        transfer(
            &SvmTerms {
                amount,
                ..terms.clone()
            },
            vault(wallet()),
        )
    };
    let (less, memo) = (more(AMOUNT - 1), crate::harness::sign_svm::memo(b"nothing"));
    let twice = vec![(When::Always, &due), (When::Always, &due)];
    for (calls, reason) in [
        (twice, "multiple_matching_transfers"),
        (vec![(When::Always, &less)], "transfer_mismatch"),
        (vec![(When::Always, &memo)], "no_transfer_in_simulation"),
        (vec![(When::Always, &more(WEALTH + 1))], "simulation_failed"),
    ] {
        let request = paying(&world, &calls).await;
        let reason = format!("{PREFIX}{reason}");
        invalid(&world.client.verify(&request.body).await, &reason);
        let settled = world.client.settle(&request.body).await;
        assert_eq!(failure(&settled, &reason), "");
    }
    assert_eq!(world.received().await, 0);
    world.close().await;
}

/// The wallet pays while a switch is there, and does something else afterwards.
async fn turned_round(scene: &Scene, instead: &Instruction) -> (SvmRequest, Key) {
    let switch = Key::fresh();
    scene.ledger.set_lamports(switch, 1_000_000).await;
    let due = due(&scene.terms);
    let calls = [(When::There(switch), &due), (When::Gone(switch), instead)];
    (paying(scene, &calls).await, switch)
}

#[tokio::test]
async fn what_lands_as_something_else_has_not_paid() {
    let world = world(Mint::token()).await;
    let thief = Key::fresh();
    world.ledger.fund(&world.terms.mint, thief, 0).await;
    let away = SvmTerms {
        pay_to: thief,
        ..world.terms.clone()
    };
    let less = SvmTerms {
        amount: AMOUNT - 1,
        ..world.terms.clone()
    };
    let memo = crate::harness::sign_svm::memo(b"nothing");
    for instead in [memo, due(&away), due(&less)] {
        let before = world.received().await;
        let (request, switch) = turned_round(&world, &instead).await;
        world.ledger.hold().await;
        let (settled, ()) = tokio::join!(world.client.settle(&request.body), async {
            eventually("a stored transaction", || async {
                let path = format!("/settlements/{}", request.id);
                let record = world.client.get(&path).await.body;
                (record[0]["state"] == "submitted").then_some(())
            })
            .await;
            world.ledger.remove_account(switch).await;
            world.ledger.release().await;
        });

        assert_eq!(failure(&settled, NOT_CONFIRMED), request.id);
        assert_eq!(settled.body["payer"], vault(wallet()).to_string());
        assert!(world.received().await - before < AMOUNT);
        let again = world.client.settle(&request.body).await;
        assert_eq!(failure(&again, NOT_CONFIRMED), request.id);
        invalid(&world.client.verify(&request.body).await, NOT_CONFIRMED);
        let record = record(&world.client, &request).await;
        assert_eq!(
            (text(&record["state"]), text(&record["reason"])),
            ("failed".to_owned(), NOT_CONFIRMED.to_owned())
        );
    }
    world.close().await;
}

#[tokio::test]
async fn without_proof_there_is_neither_a_success_nor_a_failure() {
    let scene = Scene::start().await;
    fill(&scene).await;
    let proxy = Proxy::start(scene.ledger.url()).await;
    let settings = settings(&scene, proxy.url())
        .set("SVM_SMART_WALLETS", "on")
        .set("SETTLE_TIMEOUT_MS", "1500");
    let facilitator = Facilitator::start(settings).await;
    let client = facilitator.client();
    let request = good(&scene).await;
    // It landed without an error; what it did, this node does not keep.
    let bare = json!({"slot": 21_000_002, "meta": {"err": null, "fee": 10_000}});
    proxy.plan("getTransaction", ALWAYS, Fault::Answer(bare));

    let pending = client.settle(&request.body).await;
    assert_eq!(failure(&pending, "settlement_pending"), request.id);
    assert!(proxy.calls("getTransaction").len() > 1);
    assert_eq!(record(&client, &request).await["state"], "submitted");
    proxy.heal();

    let told = eventually("a success", || async {
        let answer = client.settle(&request.body).await;
        (answer.reason() != "settlement_pending").then_some(answer)
    })
    .await;
    assert_eq!(success(&told), request.id);
    assert_eq!(scene.received().await, AMOUNT);
    assert!(facilitator.stop().await);
}

async fn survives_a_kill(point: &str, database: Option<String>) {
    let scene = Scene::start().await;
    fill(&scene).await;
    let settings = settings(&scene, scene.ledger.url())
        .set("SVM_SMART_WALLETS", "on")
        .set("SETTLE_TIMEOUT_MS", "28000");
    let settings = match database {
        Some(url) => settings.set("DATABASE_URL", &url),
        None => settings,
    };
    let request = good(&scene).await;
    let mut process = Process::start(&settings, Some(point)).await;
    let client = process.client.clone();
    let (answer, ()) = tokio::join!(client.try_post("/settle", &request.body), async {
        process.reached(point).await;
        process.kill().await;
    });
    assert!(answer.is_err(), "the connection died with the process");

    let process = Process::start(&settings, None).await;
    let told = eventually("an answer", || async {
        let told = process.client.settle(&request.body).await;
        let is_final = told.status == 200 && told.reason() != "settlement_pending";
        is_final.then_some(told)
    })
    .await;
    assert_eq!(success(&told), request.id);
    assert_eq!(told.body["payer"], vault(wallet()).to_string());
    let again = process.client.settle(&request.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), request.id);
    assert_eq!(scene.received().await, AMOUNT);
    process.kill().await;
}

#[tokio::test]
async fn a_kill_before_sending_loses_and_doubles_nothing() {
    survives_a_kill("Stored", None).await;
}

#[tokio::test]
async fn a_kill_before_sending_loses_and_doubles_nothing_on_postgres() {
    survives_a_kill("Stored", Some(postgres::database().await)).await;
}

#[tokio::test]
async fn a_kill_after_sending_is_proven_after_the_restart() {
    survives_a_kill("Sent", None).await;
}
