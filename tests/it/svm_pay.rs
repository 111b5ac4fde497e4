//! Payments on Solana, end to end: a real SVM, balances read by the test itself, and every member of the answers.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::harness::facilitator::Facilitator;
use crate::harness::mint::Mint;
use crate::harness::npm;
use crate::harness::oracle::{eventually, failure, success};
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::scene::{AMOUNT, Scene, WEALTH};
use crate::harness::sign_svm::DEVNET;
use crate::harness::svm_world::{SvmRequest, SvmWorld, settings};

#[tokio::test]
async fn pays_with_both_token_programs_and_both_kinds_of_messages() {
    for mint in [Mint::token(), Mint::token_2022(&[])] {
        let world = SvmWorld::with(mint, |settings| settings).await;
        let mut received = 0;
        for request in [
            SvmRequest::new(&world).await,
            SvmRequest::legacy(&world).await,
        ] {
            let payer = world.payer.key().to_string();

            let verified = world.client.verify(&request.body).await;
            assert_eq!(verified.body, json!({"isValid": true, "payer": payer}));
            let settled = world.client.settle(&request.body).await;

            let expected = json!({"success": true, "payer": payer, "transaction": request.id, "network": DEVNET});
            assert_eq!(settled.body, expected);
            received += AMOUNT;
            assert_eq!(world.received().await, received);
            let again = world.client.settle(&request.body).await;
            assert_eq!(failure(&again, "duplicate_settlement"), request.id);
        }
        assert_eq!(world.received().await, received);
        world.close().await;
    }
}

#[tokio::test]
async fn stock_clients_of_both_versions_pay_with_both_token_programs() {
    for mint in [Mint::token(), Mint::token_2022(&[])] {
        let world = SvmWorld::with(mint, |settings| settings).await;
        let (url, key) = (world.url(), world.payer.secret());
        let (pay_to, asset) = (
            world.terms.pay_to.to_string(),
            world.terms.mint.key.to_string(),
        );
        #[rustfmt::skip]
        let arguments = [
            "--facilitator", &url, "--rpc", world.ledger.url(), "--count", "2",
            "--key", &key, "--pay-to", &pay_to, "--asset", &asset,
        ];

        for script in ["pay-svm.mjs", "pay-svm-v1.mjs"] {
            let (paid, told) = npm::run(script, &arguments).await;
            assert!(paid, "{script}: {told}");
        }

        assert_eq!(world.received().await, 4 * AMOUNT);
        world.close().await;
    }
}

#[tokio::test]
async fn pays_in_version_1() {
    let world = SvmWorld::new().await;
    let request = SvmRequest::new(&world).await;
    let body = world.terms.v1("solana-devnet", &request.transaction);

    let settled = world.client.settle(&body).await;

    let payer = world.payer.key().to_string();
    let expected = json!({"success": true, "payer": payer, "transaction": request.id, "network": "solana-devnet"});
    assert_eq!(settled.body, expected);
    assert_eq!(world.received().await, AMOUNT);
    world.close().await;
}

#[tokio::test]
async fn of_many_calls_at_once_one_hears_the_success() {
    let world = SvmWorld::new().await;
    let request = SvmRequest::new(&world).await;

    let calls = (0..8).map(|_| world.client.settle(&request.body));
    let answers = futures::future::join_all(calls).await;

    let told = answers
        .iter()
        .filter(|answer| answer.body["success"] == true);
    assert_eq!(told.count(), 1);
    for answer in answers
        .iter()
        .filter(|answer| answer.body["success"] != true)
    {
        assert_eq!(failure(answer, "duplicate_settlement"), request.id);
    }
    assert_eq!(world.received().await, AMOUNT);
    world.close().await;
}

#[tokio::test]
async fn what_nodes_forget_is_sent_again() {
    let world = SvmWorld::new().await;
    let request = SvmRequest::new(&world).await;
    world.ledger.swallow(2).await;

    let settled = world.client.settle(&request.body).await;

    assert_eq!(success(&settled), request.id);
    assert_eq!(world.received().await, AMOUNT);
    world.close().await;
}

#[tokio::test]
async fn what_can_never_land_expires_and_is_pending_until_then() {
    let world = SvmWorld::with(Mint::token(), |it| it.set("SETTLE_TIMEOUT_MS", "1500")).await;
    let request = SvmRequest::new(&world).await;
    let other = SvmRequest::new(&world).await;
    let in_version_1 = world.terms.v1("solana-devnet", &other.transaction);
    world.ledger.swallow(1_000_000).await;

    for (request, body) in [(&request, &request.body), (&other, &in_version_1)] {
        let pending = world.client.settle(body).await;
        assert_eq!(failure(&pending, "settlement_pending"), request.id);
    }
    world.ledger.expire_blockhash().await;
    // Past by the confirmed height; the finalized one, and what our row leaves for doubt, come later.
    sleep(Duration::from_secs(3)).await;
    let pending = world.client.settle(&request.body).await;
    assert_eq!(failure(&pending, "settlement_pending"), request.id);
    world.ledger.advance_slots(200).await;

    for (request, body, reason) in [
        (
            &request,
            &request.body,
            "invalid_exact_svm_transaction_failed",
        ),
        (&other, &in_version_1, "transaction_failed"),
    ] {
        let expired = eventually("an end", || async {
            let answer = world.client.settle(body).await;
            (answer.reason() != "settlement_pending").then_some(answer)
        })
        .await;
        assert_eq!(failure(&expired, reason), request.id);
    }
    assert_eq!(world.received().await, 0);
    world.close().await;
}

#[tokio::test]
async fn what_lands_with_an_error_has_failed_in_the_words_of_its_version() {
    let world = SvmWorld::new().await;
    let payer = world.payer.key();
    for v1 in [false, true] {
        world.ledger.fund(&world.terms.mint, payer, WEALTH).await;
        let request = SvmRequest::new(&world).await;
        let (body, reason) = if v1 {
            let body = world.terms.v1("solana-devnet", &request.transaction);
            (body, "transaction_failed")
        } else {
            (request.body, "invalid_exact_svm_transaction_failed")
        };
        world.ledger.hold().await;

        let (settled, ()) = tokio::join!(world.client.settle(&body), async {
            eventually("a stored transaction", || async {
                let path = format!("/settlements/{}", request.id);
                let record = world.client.get(&path).await.body;
                (record[0]["state"] == "submitted").then_some(())
            })
            .await;
            world
                .ledger
                .fund(&world.terms.mint, payer, AMOUNT - 1)
                .await;
            world.ledger.release().await;
        });

        assert_eq!(failure(&settled, reason), request.id);
        let message = settled.body["errorMessage"].as_str().unwrap_or_default();
        assert!(
            message.starts_with("Transaction failed onchain: "),
            "{message}"
        );
        assert_eq!(world.received().await, 0);
        let again = world.client.settle(&body).await;
        assert_eq!(failure(&again, reason), request.id);
    }
    world.close().await;
}

#[tokio::test]
async fn a_payment_that_a_fork_took_away_is_sent_again() {
    let world = SvmWorld::new().await;
    let request = SvmRequest::new(&world).await;
    world.ledger.snapshot().await;
    let settled = world.client.settle(&request.body).await;
    assert_eq!(success(&settled), request.id);

    world.ledger.revert().await;
    assert_eq!(world.received().await, 0);

    eventually("the payment again", || async {
        (world.received().await == AMOUNT).then_some(())
    })
    .await;
    let again = world.client.settle(&request.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), request.id);
    world.close().await;
}

#[tokio::test]
async fn a_node_of_another_chain_is_not_asked() {
    let scene = Scene::start().await;
    let mainnet = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";
    let other = crate::harness::ledger::Ledger::of_genesis(mainnet).await;
    let urls = format!("{},{}", other.url(), scene.ledger.url());
    let facilitator = Facilitator::start(settings(&scene, &urls)).await;
    let request = SvmRequest::new(&scene).await;

    let settled = facilitator.client().settle(&request.body).await;

    assert_eq!(success(&settled), request.id);
    assert_eq!(scene.received().await, AMOUNT);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn what_a_key_may_spend_in_a_day_is_not_exceeded() {
    // Enough for one payment with its two signatures and the least for priority, and not for two.
    let world = SvmWorld::with(Mint::token(), |settings| {
        settings
            .set("SETTLE_TIMEOUT_MS", "2000")
            .set("SVM_DAILY_SPEND_CAP_SOLANA_DEVNET", "0.000015")
    })
    .await;
    let before = world.ledger.lamports(world.fee_payer.key()).await;
    let first = SvmRequest::new(&world).await;
    assert_eq!(success(&world.client.settle(&first.body).await), first.id);

    let second = SvmRequest::new(&world).await;
    let refused = world.client.settle(&second.body).await;

    assert_eq!(failure(&refused, "settlement_capacity_exceeded"), "");
    assert_eq!(world.received().await, AMOUNT);
    let after = world.ledger.lamports(world.fee_payer.key()).await;
    assert_eq!(before - after, 10_001);
    world.close().await;
}

#[tokio::test]
async fn a_fee_payer_that_is_filled_up_goes_on() {
    let world = SvmWorld::with(Mint::token(), |it| it.set("SETTLE_TIMEOUT_MS", "2000")).await;
    // Enough for one payment and for what an account must keep.
    world
        .ledger
        .set_lamports(world.fee_payer.key(), 890_880 + 10_001)
        .await;
    world.ledger.hold().await;
    let (first, second) = (SvmRequest::new(&world).await, SvmRequest::new(&world).await);
    let pending = world.client.settle(&first.body).await;
    assert_eq!(failure(&pending, "settlement_pending"), first.id);

    // It would pass a simulation, beside the one that has not landed.
    let refused = world.client.settle(&second.body).await;
    assert_eq!(failure(&refused, "settlement_capacity_exceeded"), "");
    world
        .ledger
        .set_lamports(world.fee_payer.key(), 100_000_000)
        .await;
    world.ledger.release().await;

    for request in [first, second] {
        let told = eventually("a success", || async {
            let answer = world.client.settle(&request.body).await;
            (answer.body["success"] == true).then_some(answer)
        })
        .await;
        assert_eq!(success(&told), request.id);
    }
    assert_eq!(world.received().await, 2 * AMOUNT);
    world.close().await;
}

#[tokio::test]
async fn replicas_on_one_database_settle_once_and_tell_it_once() {
    let scene = Scene::start().await;
    let settings = settings(&scene, scene.ledger.url());
    let one = Facilitator::start(settings.clone()).await;
    let other = Facilitator::start(settings).await;
    let request = SvmRequest::new(&scene).await;

    let clients = [one.client(), other.client()];
    let calls = clients.iter().cycle().take(6);
    let answers = futures::future::join_all(calls.map(|client| client.settle(&request.body))).await;

    let told = answers
        .iter()
        .filter(|answer| answer.body["success"] == true);
    assert_eq!(told.count(), 1);
    assert_eq!(scene.received().await, AMOUNT);
    assert!(one.stop().await && other.stop().await);
}

#[tokio::test]
async fn a_payment_costs_these_calls() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(scene.ledger.url()).await;
    let facilitator = Facilitator::start(settings(&scene, proxy.url())).await;
    let request = SvmRequest::new(&scene).await;

    let client = facilitator.client();
    // Waits for the look around that every start begins with.
    client.get("/readyz").await;
    let requests = || proxy.requests() - proxy.calls("getGenesisHash").len();
    let (before, balances) = (requests(), proxy.calls("getBalance").len());
    assert_eq!(client.verify(&request.body).await.body["isValid"], true);
    let for_verify = (
        proxy.calls("simulateTransaction").len(),
        requests() - before,
    );
    assert_eq!(success(&client.settle(&request.body).await), request.id);

    // The height is known for a while; a simulation each for the request and the lane.
    assert_eq!(for_verify, (1, 2));
    assert_eq!(proxy.calls("getLatestBlockhash").len(), 1);
    assert_eq!(proxy.calls("simulateTransaction").len(), 3);
    assert_eq!(proxy.calls("getBalance").len(), balances + 1);
    for once in ["sendTransaction", "getTransaction"] {
        assert_eq!(proxy.calls(once).len(), 1, "{once}");
    }
    let sent = &proxy.calls("sendTransaction")[0];
    assert_eq!(sent[1]["skipPreflight"], true);
    assert_eq!(sent[1]["maxRetries"], 0);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn no_node_sees_a_signed_payment_before_it_is_sent() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(scene.ledger.url()).await;
    let facilitator = Facilitator::start(settings(&scene, proxy.url())).await;
    let request = SvmRequest::new(&scene).await;

    let settled = facilitator.client().settle(&request.body).await;
    assert_eq!(success(&settled), request.id);

    let unsigned = request.transaction.base64();
    for simulated in proxy.calls("simulateTransaction") {
        assert_eq!(simulated[0], unsigned);
    }
    let sent = &proxy.calls("sendTransaction")[0][0];
    assert_ne!(*sent, unsigned);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn a_node_that_sees_nothing_does_not_hide_a_payment() {
    let scene = Scene::start().await;
    let blind = Proxy::start(scene.ledger.url()).await;
    let nothing = json!({"context": {"slot": 1}, "value": [null]});
    blind.plan("getSignatureStatuses", ALWAYS, Fault::Answer(nothing));
    blind.plan("getTransaction", ALWAYS, Fault::Answer(json!(null)));
    let urls = format!("{},{}", blind.url(), scene.ledger.url());
    let facilitator = Facilitator::start(settings(&scene, &urls)).await;
    let request = SvmRequest::new(&scene).await;

    let settled = facilitator.client().settle(&request.body).await;

    assert_eq!(success(&settled), request.id);
    assert_eq!(scene.received().await, AMOUNT);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn one_of_two_nodes_cannot_end_a_payment() {
    let scene = Scene::start().await;
    let dead = Proxy::start(scene.ledger.url()).await;
    let urls = format!("{},{}", scene.ledger.url(), dead.url());
    let settings = settings(&scene, &urls).set("SETTLE_TIMEOUT_MS", "1500");
    let facilitator = Facilitator::start(settings).await;
    let client = facilitator.client();
    let request = SvmRequest::new(&scene).await;
    scene.ledger.hold().await;
    let pending = client.settle(&request.body).await;
    assert_eq!(failure(&pending, "settlement_pending"), request.id);
    dead.cut();
    scene.ledger.drop_waiting().await;
    scene.ledger.swallow(1_000_000).await;
    scene.ledger.advance_slots(400).await;

    // Longer than it takes with both.
    sleep(Duration::from_secs(9)).await;
    let pending = client.settle(&request.body).await;
    assert_eq!(failure(&pending, "settlement_pending"), request.id);
    dead.heal();

    eventually("an end", || async {
        let answer = client.settle(&request.body).await;
        (answer.reason() == "invalid_exact_svm_transaction_failed").then_some(())
    })
    .await;
    assert_eq!(scene.received().await, 0);
    assert!(facilitator.stop().await);
}
