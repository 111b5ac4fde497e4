//! Several services on one database, and clients that go away: one payment, one success, somebody to finish it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use async_trait::async_trait;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Notify, Semaphore};
use x402_facilitator::dev::keys;
use x402_facilitator::hooks::{Hooks, Point};

use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Facilitator, Process, Settings};
use crate::harness::http::Client;
use crate::harness::oracle::{Payment, eventually, failure, success, text, violations, waiting};
use crate::harness::postgres;

/// Holds every request that is about to claim its success.
#[derive(Debug)]
struct Gate {
    arrived: Notify,
    open: Semaphore,
}

impl Gate {
    fn closed() -> Arc<Self> {
        Arc::new(Self {
            arrived: Notify::new(),
            open: Semaphore::new(0),
        })
    }

    fn open(&self) {
        self.open.add_permits(1000);
    }
}

#[async_trait]
impl Hooks for Gate {
    async fn reached(&self, point: Point) {
        if point == Point::Settled {
            self.arrived.notify_one();
            let _passed = self.open.acquire().await.expect("never closed");
        }
    }
}

/// A chain with two funded signers, and the settings of services that share a Postgres.
async fn shared() -> (Sandbox, Settings, String) {
    let chain = Sandbox::start().await;
    for index in 0..2 {
        chain.signer(index).await;
    }
    let database = postgres::database().await;
    let settings = Settings::new(chain.url())
        .set("DATABASE_URL", &database)
        .set("SETTLE_TIMEOUT_MS", "28000");
    (chain, settings, database)
}

/// The service sees the closed connection while it answers other requests.
async fn learns_of_the_hang_up(client: &Client, payment: &Payment) {
    for _ in 0..20 {
        payment.record(client).await.expect("a record");
    }
}

fn signer(index: usize) -> Address {
    keys::account("signer", index).address()
}

#[tokio::test]
async fn a_hundred_identical_settles_at_two_replicas_make_one_payment() {
    let (chain, settings, _) = shared().await;
    let one = Process::start(&settings, None).await;
    let other = Process::start(&settings, None).await;
    let payment = Payment::new(&chain.payers(1).await[0]);

    let asked = (0..100).map(|i| {
        let replica = if i % 2 == 0 { &one } else { &other };
        replica.client.settle(&payment.body)
    });
    let answers = futures::future::join_all(asked).await;

    let paid = payment.transfers(&chain).await;
    assert_eq!(paid.len(), 1);
    let (told, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.body["success"] == true);
    assert_eq!((told.len(), refused.len()), (1, 99));
    assert_eq!(success(told[0]), paid[0]);
    for answer in refused {
        assert_eq!(failure(answer, "duplicate_settlement"), paid[0]);
    }
    assert_eq!(chain.nonce(signer(0)).await, 1);
    let found = violations(&chain, &one.client, &[(&payment, answers)]).await;
    assert_eq!(found, [""; 0]);
    one.kill().await;
    other.kill().await;
}

#[tokio::test]
async fn two_replicas_with_two_signers_settle_everything_once() {
    let (chain, settings, _) = shared().await;
    let both = format!("{},{}", keys::key("signer", 0), keys::key("signer", 1));
    let settings = settings.set("EVM_PRIVATE_KEY", &both);
    let one = Process::start(&settings, None).await;
    let other = Process::start(&settings, None).await;
    let payers = chain.payers(5).await;
    let payments: Vec<_> = (0..60).map(|i| Payment::new(&payers[i % 5])).collect();

    let asked = payments.iter().enumerate().map(|(i, payment)| {
        let replica = if i % 2 == 0 { &one } else { &other };
        payment.insist(&replica.client)
    });
    let answers = futures::future::join_all(asked).await;

    let told: Vec<_> = payments.iter().zip(answers).collect();
    for (_, answers) in &told {
        success(answers.last().expect("an answer"));
    }
    let found = violations(&chain, &one.client, &told).await;
    assert_eq!(found, [""; 0]);
    let sent = [chain.nonce(signer(0)).await, chain.nonce(signer(1)).await];
    assert_eq!(sent[0] + sent[1], 60, "one account nonce each: {sent:?}");
    for (index, next) in sent.into_iter().enumerate() {
        // A bid that was raised while its first form was mined may stay behind in the pool: its account nonce is consumed.
        let waiting = waiting(&chain, signer(index)).await;
        let nonces = waiting
            .iter()
            .map(|transaction| text(&transaction["nonce"]));
        let beyond = nonces.filter(|nonce| {
            nonce
                .parse::<U256>()
                .is_ok_and(|nonce| nonce >= U256::from(next))
        });
        assert_eq!(beyond.count(), 0, "no gaps");
    }
    one.kill().await;
    other.kill().await;
}

#[tokio::test]
async fn a_killed_replicas_payment_is_finished_by_the_other() {
    let (chain, settings, _) = shared().await;
    let payment = Payment::new(&chain.payers(1).await[0]);
    let mut one = Process::start(&settings, Some("Stored")).await;
    let client = one.client.clone();
    let (answer, other) = tokio::join!(client.try_post("/settle", &payment.body), async {
        one.reached("Stored").await;
        let other = Process::start(&settings, None).await;
        one.kill().await;
        other
    });
    assert!(answer.is_err());
    let killed = Instant::now();

    payment.becomes(&other.client, "settled").await;

    let took = killed.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    let paid = success(&other.client.settle(&payment.body).await);
    assert_eq!(payment.transfers(&chain).await, [paid]);
    other.kill().await;
}

#[tokio::test]
async fn a_replica_that_stops_hands_its_lane_over_at_once() {
    let (chain, settings, _) = shared().await;
    let payers = chain.payers(1).await;
    let one = Facilitator::start(settings.clone()).await;
    success(&one.client().settle(&Payment::new(&payers[0]).body).await);
    let other = Facilitator::start(settings).await;
    assert!(one.stop().await);

    let started = Instant::now();
    let payment = Payment::new(&payers[0]);
    success(&other.client().settle(&payment.body).await);

    let took = started.elapsed();
    assert!(took < Duration::from_secs(7), "{took:?}");
    other.stop().await;
}

#[tokio::test]
async fn a_payment_pending_at_one_replica_is_told_once_by_the_other() {
    let (chain, settings, _) = shared().await;
    let settings = settings.set("SETTLE_TIMEOUT_MS", "1500");
    let one = Facilitator::start(settings.clone()).await;
    let other = Facilitator::start(settings).await;
    let payment = Payment::new(&chain.payers(1).await[0]);
    chain.hold_blocks().await;

    let named = failure(
        &one.client().settle(&payment.body).await,
        "settlement_pending",
    );
    chain.release_blocks().await;
    chain.mine(1).await;
    payment.becomes(&other.client(), "settled").await;

    let verified = other.client().verify(&payment.body).await;
    assert_eq!(verified.body["isValid"], true, "{}", verified.body);
    let paid = success(&other.client().settle(&payment.body).await);
    let again = one.client().settle(&payment.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), paid);
    assert!(!named.is_empty());
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_settlement_goes_on_when_the_client_hangs_up() {
    let chain = Sandbox::start().await;
    let facilitator = Facilitator::on(&chain).await;
    let client = facilitator.client();
    let payment = Payment::new(&chain.payers(1).await[0]);
    chain.hold_blocks().await;

    tokio::select! {
        answer = client.settle(&payment.body) => panic!("no block, no answer: {answer:?}"),
        _ = payment.becomes(&client, "submitted") => {}
    }
    chain.release_blocks().await;
    chain.mine(1).await;

    let record = payment.becomes(&client, "settled").await;
    assert_eq!(record["delivered"], false, "nobody was told");
    let paid = success(&client.settle(&payment.body).await);
    let again = client.settle(&payment.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), paid);
    facilitator.stop().await;
}

#[tokio::test]
async fn a_success_that_nobody_claimed_is_left_to_the_next() {
    let chain = Sandbox::start().await;
    chain.signer(0).await;
    let gate = Gate::closed();
    let settings = Settings::new(chain.url());
    let facilitator = Facilitator::with_hooks(settings, Arc::<Gate>::clone(&gate) as _).await;
    let client = facilitator.client();
    let payment = Payment::new(&chain.payers(1).await[0]);

    tokio::select! {
        answer = client.settle(&payment.body) => panic!("nobody may tell yet: {answer:?}"),
        () = gate.arrived.notified() => {}
    }
    learns_of_the_hang_up(&client, &payment).await;
    gate.open();

    let paid = success(&client.settle(&payment.body).await);
    let again = client.settle(&payment.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), paid);
    facilitator.stop().await;
}

/// The client hangs up while the claim waits in the database: the claim still comes about, and must be given back after that.
#[tokio::test]
async fn a_success_that_was_claimed_for_nobody_is_given_back() {
    let (chain, settings, database) = shared().await;
    let gate = Gate::closed();
    let facilitator = Facilitator::with_hooks(settings, Arc::<Gate>::clone(&gate) as _).await;
    let client = facilitator.client();
    let payment = Payment::new(&chain.payers(1).await[0]);
    let mut blocker = PgConnection::connect(&database)
        .await
        .expect("a connection");
    let mut observer = PgConnection::connect(&database)
        .await
        .expect("a connection");
    let mut waits_for_lock = async || {
        let query = "select count(*) from pg_stat_activity \
             where datname = current_database() and wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(query)
            .fetch_one(&mut observer)
            .await
            .expect("a count");
        waiting > 0
    };

    let lock = async {
        gate.arrived.notified().await;
        let mut lock = blocker.begin().await.expect("a transaction");
        sqlx::query("select id from settlements for update")
            .execute(&mut *lock)
            .await
            .expect("the row is locked");
        gate.open();
        while !waits_for_lock().await {
            tokio::task::yield_now().await;
        }
        lock
    };
    let lock = tokio::select! {
        answer = client.settle(&payment.body) => panic!("the row is locked: {answer:?}"),
        lock = lock => lock,
    };
    learns_of_the_hang_up(&client, &payment).await;
    lock.commit().await.expect("the lock ends");

    eventually("the claim given back", || async {
        let record = payment.record(&client).await?;
        (record["delivered"] == false).then_some(())
    })
    .await;
    let paid = success(&client.settle(&payment.body).await);
    let again = client.settle(&payment.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), paid);
    facilitator.stop().await;
}
