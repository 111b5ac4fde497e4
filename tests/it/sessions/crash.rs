//! SIGKILL at every step of a sweep, on both engines: what is owed is paid once.

use super::{Permit, quick, session, sums};
use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Process, Settings};
use crate::harness::oracle::eventually;
use crate::harness::postgres;

async fn survives(point: &str, database: Option<String>) {
    let chain = Sandbox::start().await;
    let signer = chain.signer(0).await;
    let owner = chain.payers(1).await.remove(0);
    let permit = Permit::new(&owner, signer.address(), 0);
    let mut settings = quick(Settings::new(chain.url()));
    if let Some(url) = database {
        settings = settings.set("DATABASE_URL", &url);
    }
    let mut process = Process::start(&settings, Some(point)).await;
    let held = process.client.verify(&permit.body(900)).await;
    assert_eq!(held.body["isValid"], true, "{}", held.body);
    let id = held.header("x-upto-session-id").to_owned();
    let charged = process.client.settle(&permit.body(700)).await;
    assert_eq!(charged.body["success"], true, "{}", charged.body);
    process.reached(point).await;
    process.kill().await;

    let process = Process::start(&settings, None).await;
    eventually("the sum settled", || async {
        (sums(&session(&process.client, &id).await) == [0, 0, 0, 700]).then_some(())
    })
    .await;
    assert_eq!(permit.paid(&chain).await, [700]);
    process.kill().await;
}

macro_rules! kills {
    ($($name:ident: $point:literal;)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::survives($point, None).await; })*
        }
        mod postgresql {
            $(#[tokio::test] async fn $name() {
                super::survives($point, Some(super::postgres::database().await)).await;
            })*
        }
    };
}

kills! {
    a_kill_before_a_batch_is_queued_loses_and_doubles_nothing: "BatchPrepared";
    a_kill_after_a_batch_is_queued_loses_and_doubles_nothing: "Enqueued";
    a_kill_after_a_batch_is_signed_loses_and_doubles_nothing: "Signed";
    a_kill_after_a_batch_is_stored_loses_and_doubles_nothing: "Stored";
    a_kill_after_a_batch_is_sent_loses_and_doubles_nothing: "Sent";
    a_kill_after_a_batch_is_mined_loses_and_doubles_nothing: "Received";
}
