//! Messages and how they get there.

use std::time::Duration;

use alloy::sol_types::SolCall;
use serde_json::json;
use sqlx::Connection;

use super::{NEXT_SECRET, SECRET, assert_signed, of_type, told, types};
use crate::harness::binary::{self, Binary};
use crate::harness::chain::{Sandbox, USDC, WEALTH};
use crate::harness::facilitator::{Facilitator, Process, Settings};
use crate::harness::oracle::{Payment, eventually, success};
use crate::harness::postgres;
use crate::harness::receiver::Receiver;
use crate::harness::world::{PAYEE, World, transferCall};

#[tokio::test]
async fn a_settlement_is_told_to_a_receiver_that_fails_first_under_one_id() {
    let receiver = Receiver::start().await;
    receiver.plan(500, "");
    receiver.plan(302, "http://127.0.0.1:1/");
    let url = receiver.url();
    let world = World::with(|s| {
        told(s, &url)
            .set("WEBHOOK_EVENTS", "payment.settled")
            .set("WEBHOOK_SECRETS", &format!("{NEXT_SECRET},{SECRET}"))
    });
    let world = world.await;
    let payment = Payment::new(&world.payer);
    let hash = success(&world.client.settle(&payment.body).await);

    let posted = receiver.heard(3).await;

    for one in &posted {
        assert_signed(one, SECRET);
        assert_signed(one, NEXT_SECRET);
        assert_eq!(one.header("content-type"), "application/json");
        assert_eq!(one.header("webhook-id"), posted[0].header("webhook-id"));
        assert_eq!(one.text, posted[0].text);
    }
    let record = payment.record(&world.client).await.expect("a record");
    let message = posted[0].json();
    assert_eq!(message["type"], "payment.settled");
    let data = &message["data"];
    for name in [
        "id",
        "paymentKey",
        "scheme",
        "network",
        "asset",
        "payer",
        "payTo",
        "amount",
    ] {
        assert_eq!(data[name], record[name], "{name}");
    }
    assert_eq!(
        (&data["state"], &data["transaction"]),
        (&json!("settled"), &json!(hash))
    );
    let time = message["timestamp"].as_str().expect("a time");
    assert!(
        time.starts_with("20") && time.ends_with('Z') && time.len() == 24,
        "{time}"
    );
    world.close().await;
    assert_eq!(receiver.posted().len(), 3, "taken is taken");
}

#[tokio::test]
async fn every_step_of_a_payment_is_told_to_every_receiver() {
    let (one, other) = (Receiver::start().await, Receiver::start().await);
    let urls = format!("{},{}", one.url(), other.url());
    let world = World::with(|s| told(s, &urls)).await;
    success(&world.client.settle(&world.eip3009(|_| {})).await);
    for receiver in [&one, &other] {
        let posted = receiver.heard(2).await;
        let mut told = types(&posted)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        told.sort();
        assert_eq!(told, ["\"payment.pending\"", "\"payment.settled\""]);
    }
    world.close().await;
}

#[tokio::test]
async fn a_failure_is_told_with_its_reason_and_a_poor_signer_too() {
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let world = World::with(|s| told(s, &url)).await;
    let body = world.eip3009(|_| {});
    let units = alloy::primitives::U256::from(WEALTH - 1);
    let to = alloy::primitives::Address::repeat_byte(0xee);
    let leave = transferCall { to, units }.abi_encode().into();
    let payer = world.payer.address();
    let answer = world.settle_after_call_of(payer, &body, USDC, leave).await;
    let posted = receiver
        .heard_where(|all| !of_type(all, "payment.failed").is_empty())
        .await;
    let data = of_type(&posted, "payment.failed")[0].json()["data"].clone();
    assert_eq!(data["reason"], answer.body["errorReason"]);
    assert_eq!(data["transaction"], answer.body["transaction"]);
    world.close().await;

    let receiver = Receiver::start().await;
    let url = receiver.url();
    let world = World::poor(|s| told(s, &url).set("SETTLE_TIMEOUT_MS", "1500")).await;
    world.client.settle(&world.eip3009(|_| {})).await;
    let posted = receiver.heard(1).await;
    assert_eq!(types(&posted[..1]), ["signer.low"]);
    let data = &posted[0].json()["data"];
    assert_eq!(data["network"], "eip155:84532");
    assert_eq!(data["reason"], "the signer cannot pay for gas");
    world.close().await;
}

#[tokio::test]
async fn what_a_reorg_took_back_is_told_and_so_is_the_second_outcome() {
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let world = World::with(|s| told(s, &url)).await;
    let payment = Payment::new(&world.payer);
    success(&world.client.settle(&payment.body).await);
    world.sandbox.hold_blocks().await;
    world.sandbox.reorg(1).await;
    let posted = receiver
        .heard_where(|all| !of_type(all, "payment.reorged").is_empty())
        .await;
    let data = of_type(&posted, "payment.reorged")[0].json()["data"].clone();
    assert_eq!(data["state"], "submitted");
    world.sandbox.pooled(world.signer).await;
    world.sandbox.release_blocks().await;
    world.sandbox.mine(1).await;
    let posted = receiver
        .heard_where(|all| of_type(all, "payment.settled").len() == 2)
        .await;
    let settled = of_type(&posted, "payment.settled");
    let ids = [0, 1].map(|index| settled[index].header("webhook-id"));
    assert_ne!(ids[0], ids[1], "another event");
    world.close().await;
}

#[tokio::test]
async fn a_message_nobody_takes_is_given_up_in_sight_and_keeps_nothing_else_waiting() {
    let (deaf, well) = (Receiver::start().await, Receiver::start().await);
    for _ in 0..3 {
        deaf.plan(503, "");
    }
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let payment = Payment::new(&sandbox.payers(1).await[0]);
    let settings = told(
        Settings::new(sandbox.url()),
        &format!("{},{}", deaf.url(), well.url()),
    );
    let settings = settings
        .set("WEBHOOK_EVENTS", "payment.settled")
        .set("WEBHOOK_MAX_ATTEMPTS", "3");
    let program = Binary::start(settings.path(), &settings.pairs()).await;
    success(&program.client.settle(&payment.body).await);

    well.heard(1).await;
    let said = program.said("a webhook is given up").await;

    assert!(
        said.contains("HTTP 503") && said.contains("attempts=3"),
        "{said}"
    );
    assert!(!program.log().contains(&deaf.url()), "URLs may carry keys");
    let url = format!("sqlite://{}/facilitator.db", settings.path().display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.expect("SQLite");
    let rows: Vec<(String, i64, Option<String>)> =
        sqlx::query_as("select state, attempts, problem from webhooks order by state")
            .fetch_all(&mut database)
            .await
            .expect("rows");
    let given_up = ("dead".to_owned(), 3, Some("HTTP 503".to_owned()));
    assert_eq!(rows, [given_up, ("delivered".to_owned(), 1, None)]);
    assert_eq!(deaf.posted().len(), 3);

    let listed = command(&settings, "list").await;
    assert!(listed.starts_with("0 wait; 1 were given up\n"), "{listed}");
    assert!(listed.contains("payment.settled") && listed.contains("3 attempts  HTTP 503"));
    assert_eq!(
        command(&settings, "retry").await,
        "1 messages are sent again\n"
    );
    let posted = deaf.heard(4).await;
    assert_eq!(posted[3].text, posted[0].text);
}

async fn command(settings: &Settings, name: &str) -> String {
    let output = binary::run(settings.path(), &settings.pairs(), &["webhooks", name]).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn answers_that_change_nothing_are_told_to_those_who_ask_for_them() {
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let world = World::with(|s| {
        told(s, &url)
            .set("WEBHOOK_EVENTS", "verify.after,verify.failed,settle.failed")
            .set("SETTLE_PAYTO_ALLOWLIST", &PAYEE.to_string())
    });
    let world = world.await;
    let good = world.eip3009(|_| {});
    let mut bad = good.clone();
    bad["paymentRequirements"]["payTo"] = USDC.to_string().into();

    world.client.verify(&good).await;
    let posted = receiver.heard(1).await;
    assert_eq!(types(&posted), ["verify.after"]);
    let payer = &good["paymentPayload"]["payload"]["authorization"]["from"];
    assert_eq!(posted[0].json()["data"]["payer"], *payer);

    world.client.verify(&bad).await;
    receiver.heard(2).await;
    world.client.settle(&bad).await;
    let posted = receiver.heard(3).await;
    assert_eq!(types(&posted[1..]), ["verify.failed", "settle.failed"]);
    for one in &posted[1..] {
        assert_signed(one, SECRET);
        assert_eq!(one.json()["data"]["reason"], "policy_pay_to_not_allowed");
    }
    world.close().await;
}

#[tokio::test]
async fn a_message_outlives_the_process_that_wrote_it() {
    let receiver = Receiver::start().await;
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let payment = Payment::new(&sandbox.payers(1).await[0]);
    // The first process fails once and gets no second try. It may die before it noted that: then its lease has to end.
    let settings = told(Settings::new(sandbox.url()), &receiver.url())
        .set("WEBHOOK_EVENTS", "payment.settled")
        .set("WEBHOOK_TIMEOUT_MS", "500")
        .set("WEBHOOK_RETRY_MS", "3000");
    receiver.plan(500, "");
    let process = Process::start(&settings, None).await;
    success(&process.client.settle(&payment.body).await);
    let first = receiver.heard(1).await.remove(0);
    process.kill().await;

    let next = Facilitator::start(settings.clone()).await;
    let posted = receiver.heard(2).await;

    assert_eq!(posted[1].header("webhook-id"), first.header("webhook-id"));
    assert_eq!(posted[1].text, first.text);
    assert!(next.stop().await);
}

#[tokio::test]
async fn two_replicas_tell_everything_once() {
    let receiver = Receiver::start().await;
    let sandbox = Sandbox::start().await;
    for index in 0..2 {
        sandbox.signer(index).await;
    }
    let database = postgres::database().await;
    let settings = told(Settings::new(sandbox.url()), &receiver.url())
        .set("DATABASE_URL", &database)
        .set("WEBHOOK_EVENTS", "payment.settled");
    let one = Facilitator::start(settings.clone()).await;
    let other = Facilitator::start(settings.clone()).await;
    let payers = sandbox.payers(8).await;
    let payments: Vec<_> = payers.iter().map(Payment::new).collect();
    let clients = [one.client(), other.client()];
    let settled = payments.iter().enumerate();
    let settled = settled.map(|(n, payment)| clients[n % 2].settle(&payment.body));
    for answer in futures::future::join_all(settled).await {
        success(&answer);
    }

    let posted = receiver.heard(8).await;
    // Both have looked again by then.
    tokio::time::sleep(Duration::from_millis(500)).await;

    let mut ids: Vec<_> = posted
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), receiver.posted().len()), (8, 8));
    assert!(one.stop().await && other.stop().await);
}

#[tokio::test]
async fn a_drain_delivers_what_is_due() {
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let world = World::with(|s| told(s, &url).set("WEBHOOK_EVENTS", "payment.settled")).await;
    success(&world.client.settle(&world.eip3009(|_| {})).await);
    world.close().await;
    eventually("the message", || async {
        (receiver.posted().len() == 1).then_some(())
    })
    .await;
}
