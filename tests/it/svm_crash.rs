//! SIGKILL at every point of a payment on Solana: nothing is lost, nothing is paid twice, and the right answer comes after the restart.

use std::time::Duration;

use tokio::time::sleep;

use crate::harness::facilitator::{Process, Settings};
use crate::harness::oracle::{failure, success};
use crate::harness::postgres;
use crate::harness::scene::{AMOUNT, Scene};
use crate::harness::svm_world::{SvmRequest, settings};

/// What the ledger does while the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ledger {
    Executes,
    /// Takes transactions and loses them.
    Forgets,
}

async fn survives(point: &str, ledger: Ledger, database: Option<String>) {
    let scene = Scene::start().await;
    let settings = settings(&scene, scene.ledger.url()).set("SETTLE_TIMEOUT_MS", "28000");
    let settings = match database {
        Some(url) => settings.set("DATABASE_URL", &url),
        None => settings,
    };
    let request = SvmRequest::new(&scene).await;
    if ledger == Ledger::Forgets {
        scene.ledger.swallow(1).await;
    }

    kill_at(point, &settings, &request).await;
    if point == "Stored" {
        assert_eq!(scene.received().await, 0, "stored before it is sent");
    }

    let process = Process::start(&settings, None).await;
    let mut told = process.client.settle(&request.body).await;
    while told.status == 503 || told.reason() == "settlement_pending" {
        sleep(Duration::from_millis(500)).await;
        told = process.client.settle(&request.body).await;
    }
    assert_eq!(success(&told), request.id);
    let again = process.client.settle(&request.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), request.id);
    assert_eq!(scene.received().await, AMOUNT);
    process.kill().await;
}

/// Starts a process, settles with it and kills it at the point.
async fn kill_at(point: &str, settings: &Settings, request: &SvmRequest) {
    let mut process = Process::start(settings, Some(point)).await;
    let client = process.client.clone();
    let (answer, ()) = tokio::join!(client.try_post("/settle", &request.body), async {
        process.reached(point).await;
        process.kill().await;
    });
    assert!(answer.is_err(), "the connection died with the process");
}

macro_rules! kills {
    ($($name:ident: $point:literal, $ledger:ident;)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::survives($point, super::Ledger::$ledger, None).await; })*
        }
        mod postgresql {
            $(#[tokio::test] async fn $name() {
                super::survives($point, super::Ledger::$ledger, Some(super::postgres::database().await)).await;
            })*
        }
    };
}

kills! {
    a_kill_after_enqueueing_loses_and_doubles_nothing: "Enqueued", Executes;
    a_kill_after_signing_loses_and_doubles_nothing: "Signed", Executes;
    a_kill_after_storing_loses_and_doubles_nothing: "Stored", Executes;
    a_kill_after_sending_loses_and_doubles_nothing: "Sent", Executes;
    a_kill_with_a_forgotten_transaction_sends_the_same_bytes_again: "Sent", Forgets;
    a_kill_after_reading_the_outcome_loses_and_doubles_nothing: "Received", Executes;
    a_kill_before_telling_the_success_leaves_it_to_be_told_once: "Settled", Executes;
}

/// The control: what a service does that sends before it stores. It pays and can never tell so.
#[tokio::test]
async fn a_service_that_sends_before_it_stores_is_found_out() {
    let scene = Scene::start().await;
    let settings = settings(&scene, scene.ledger.url()).set("SETTLE_TIMEOUT_MS", "28000");
    let request = SvmRequest::new(&scene).await;
    kill_at("SendThenDie", &settings, &request).await;

    let process = Process::start(&settings, None).await;
    let told = process.client.settle(&request.body).await;

    assert_eq!(failure(&told, "duplicate_settlement"), "");
    assert_eq!(scene.received().await, AMOUNT);
    process.kill().await;
}
