//! Two live services on one Postgres, one of which loses its lane for Solana: the other takes it over and finishes what it finds, once each.

use sqlx::{Connection, PgConnection};

use crate::harness::facilitator::{Process, Settings};
use crate::harness::http::{Answer, Client};
use crate::harness::oracle::{eventually, failure, success};
use crate::harness::postgres;
use crate::harness::proxy::Proxy;
use crate::harness::scene::{AMOUNT, Scene};
use crate::harness::svm_world::{SvmRequest, settings};

/// A payment by the stock client: two signatures, and the least for priority.
const FEE: u64 = 10_001;

/// A service whose node counts what it is sent.
struct Replica {
    process: Process,
    node: Proxy,
}

impl Replica {
    async fn start(settings: &Settings, scene: &Scene, pause_at: Option<&str>) -> Self {
        let node = Proxy::start(scene.ledger.url()).await;
        let settings = settings
            .clone()
            .set("SVM_RPC_URL_SOLANA_DEVNET", node.url());
        let process = Process::start(&settings, pause_at).await;
        Self { process, node }
    }

    fn client(&self) -> Client {
        self.process.client.clone()
    }

    fn sent(&self) -> usize {
        self.node.calls("sendTransaction").len()
    }
}

/// A scene, and the settings of services that share a Postgres.
async fn shared() -> (Scene, Settings, String) {
    let scene = Scene::start().await;
    let database = postgres::database().await;
    let settings = settings(&scene, scene.ledger.url())
        .set("DATABASE_URL", &database)
        .set("SETTLE_TIMEOUT_MS", "28000");
    (scene, settings, database)
}

/// Who works the lane.
async fn holder(database: &str) -> Option<String> {
    let mut database = PgConnection::connect(database).await.expect("Postgres");
    let holder = sqlx::query_scalar("select holder from lanes");
    let holder: Option<Option<String>> = holder.fetch_optional(&mut database).await.expect("lanes");
    holder.flatten()
}

/// The first of two replicas, which works the lane, and the second.
async fn pair(
    scene: &Scene,
    settings: &Settings,
    database: &str,
    pause_at: Option<&str>,
) -> (Replica, Replica) {
    let one = Replica::start(settings, scene, pause_at).await;
    eventually("a lane that is worked", || holder(database)).await;
    (one, Replica::start(settings, scene, None).await)
}

/// Asks until there is an end.
async fn ended(client: &Client, request: &SvmRequest) -> Answer {
    eventually("an end", || async {
        let told = client.settle(&request.body).await;
        let is_final = told.status == 200 && told.reason() != "settlement_pending";
        is_final.then_some(told)
    })
    .await
}

async fn is_paid_once(scene: &Scene, client: &Client, requests: &[SvmRequest], before: u64) {
    let count = u64::try_from(requests.len()).expect("few payments");
    assert_eq!(scene.received().await, count * AMOUNT);
    let after = scene.ledger.lamports(scene.fee_payer.key()).await;
    assert_eq!(before - after, count * FEE);
    for request in requests {
        let again = client.settle(&request.body).await;
        assert_eq!(failure(&again, "duplicate_settlement"), request.id);
    }
}

/// One is killed with the first of three payments at this point, and the others behind it.
async fn killed_at(point: &str) {
    let (scene, settings, database) = shared().await;
    let (mut one, other) = pair(&scene, &settings, &database, Some(point)).await;
    let before = scene.ledger.lamports(scene.fee_payer.key()).await;
    let lost = holder(&database).await;
    let mut requests = Vec::new();
    for _ in 0..3 {
        requests.push(SvmRequest::new(&scene).await);
    }
    // What was sent before the kill, the ledger loses.
    scene.ledger.swallow(3).await;

    let client = other.client();
    let asked = requests.iter().map(|request| ended(&client, request));
    let (answers, ()) = tokio::join!(futures::future::join_all(asked), async {
        one.process.reached(point).await;
        assert_eq!(scene.received().await, 0);
        one.process.kill().await;
        // What the survivor sends is not to be lost as well.
        scene.ledger.swallow(0).await;
    });

    for (request, answer) in requests.iter().zip(answers) {
        assert_eq!(success(&answer), request.id);
    }
    assert_ne!(holder(&database).await, lost);
    is_paid_once(&scene, &client, &requests, before).await;
    other.process.kill().await;
}

#[tokio::test]
async fn payments_of_a_replica_killed_before_it_stores_are_finished_by_the_other() {
    killed_at("Signed").await;
}

#[tokio::test]
async fn payments_of_a_replica_killed_before_it_sends_are_finished_by_the_other() {
    killed_at("Stored").await;
}

#[tokio::test]
async fn payments_of_a_replica_killed_after_it_sent_are_finished_by_the_other() {
    killed_at("Sent").await;
}

/// It holds the lane, stands still for longer than the lease, and wakes up: the lane is no longer its own.
#[tokio::test]
async fn a_replica_that_slept_through_its_lease_does_nothing_twice() {
    let (scene, settings, database) = shared().await;
    let (one, other) = pair(&scene, &settings, &database, None).await;
    let before = scene.ledger.lamports(scene.fee_payer.key()).await;
    let lost = holder(&database).await;
    let first = SvmRequest::new(&scene).await;
    scene.ledger.hold().await;
    let client = other.client();

    let (told, ()) = tokio::join!(ended(&client, &first), async {
        eventually("a transaction sent", || async {
            (one.sent() > 0).then_some(())
        })
        .await;
        one.process.signal("STOP");
        assert_eq!(other.sent(), 0);
        scene.ledger.drop_waiting().await;
        scene.ledger.release().await;
    });
    assert_eq!(success(&told), first.id);
    assert!(other.sent() > 0, "by the other's own hand");
    let kept = holder(&database).await;
    assert_ne!(kept, lost);

    one.process.signal("CONT");
    let second = SvmRequest::new(&scene).await;
    let told = ended(&one.client(), &second).await;

    assert_eq!(success(&told), second.id);
    assert_eq!(holder(&database).await, kept);
    is_paid_once(&scene, &client, &[first, second], before).await;
    one.process.kill().await;
    other.process.kill().await;
}
