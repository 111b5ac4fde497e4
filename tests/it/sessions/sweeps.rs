//! The sweeper, with tiny thresholds.

use alloy::primitives::U256;

use super::{CAP, Scene, becomes, post, quick, session, sums};
use crate::harness::facilitator::{Process, Settings};
use crate::harness::oracle::eventually;
use crate::harness::postgres;

#[tokio::test]
async fn what_is_owed_is_settled_when_the_session_is_idle() {
    let scene = Scene::swept(|s| s).await;
    let permit = scene.permit();
    let mut id = String::new();
    for price in [100, 200, 300] {
        id = scene.call(&permit, price).await;
    }
    let settled = eventually("the sum settled", || async {
        let view = scene.session(&id).await;
        (sums(&view) == [0, 0, 0, 600]).then_some(view)
    })
    .await;
    assert_eq!(settled["status"], "open");
    assert_eq!(settled["lastSettlement"]["reason"], "idle_timeout");
    assert_eq!(settled["lastSettlement"]["success"], true);
    assert_eq!(permit.paid(&scene.chain).await, [600], "one transfer");
    assert_eq!(
        scene.chain.nonce(scene.signer.address()).await,
        2,
        "and the permit"
    );

    scene.call(&permit, 50).await;
    eventually("the next sum settled", || async {
        (sums(&scene.session(&id).await) == [0, 0, 0, 650]).then_some(())
    })
    .await;
    assert_eq!(
        scene.chain.nonce(scene.signer.address()).await,
        3,
        "no permit again"
    );
    scene.close().await;
}

#[tokio::test]
async fn a_used_up_cap_is_settled_and_closed() {
    let scene = Scene::swept(|s| s.set("UPTO_IDLE_SETTLE_MS", "3600000")).await;
    let permit = scene.permit();
    let id = scene.call(&permit, 8_999).await;
    scene.call(&permit, 1).await;
    let open = eventually("the sum settled", || async {
        let view = scene.session(&id).await;
        (sums(&view) == [0, 0, 0, 9_000]).then_some(view)
    })
    .await;
    assert_eq!(
        (&open["status"], &open["lastSettlement"]["reason"]),
        (&"open".into(), &"cap_threshold".into())
    );
    scene.call(&permit, 1_000).await;
    scene.becomes(&id, "closed").await;
    assert_eq!(permit.paid(&scene.chain).await, [9_000, 1_000]);
    scene.close().await;
}

#[tokio::test]
async fn what_is_owed_is_settled_and_the_session_closed_before_the_deadline() {
    let scene = Scene::swept(|s| {
        s.set("UPTO_IDLE_SETTLE_MS", "3600000")
            .set("UPTO_DEADLINE_BUFFER_MS", "50000")
    })
    .await;
    let permit = scene.permit().lasting(52);
    let id = scene.call(&permit, 700).await;
    let closed = scene.becomes(&id, "closed").await;
    assert_eq!(closed["lastSettlement"]["reason"], "deadline_buffer");
    assert_eq!(permit.paid(&scene.chain).await, [700]);
    scene.close().await;
}

#[tokio::test]
async fn a_long_idle_session_is_closed_and_stays_on_record() {
    let scene = Scene::swept(|s| s.set("UPTO_LONG_IDLE_MS", "1000")).await;
    let permit = scene.permit().held_for(1);
    let id = scene.hold(&permit, 100).await;
    scene.becomes(&id, "closed").await;
    super::rejected(
        &scene.client.verify(&permit.body(1)).await,
        "session_closed",
    );
    scene.close().await;
}

#[tokio::test]
async fn a_merchant_that_only_verifies_is_paid_where_holds_are_charged() {
    let scene = Scene::swept(|s| s.set("UPTO_UNCLAIMED", "charge")).await;
    let permit = scene.permit().held_for(1);
    let id = scene.hold(&permit, 300).await;
    scene.hold(&permit, 200).await;
    eventually("both holds settled", || async {
        (sums(&scene.session(&id).await) == [0, 0, 0, 500]).then_some(())
    })
    .await;
    scene.close().await;
}

/// H9 and H10: a permanent failure backs off, ends in `failed` with its amount, and is settled after all when somebody asks.
#[tokio::test]
async fn a_sum_that_cannot_be_moved_is_kept_shown_and_settled_when_it_can() {
    let scene = Scene::swept(|s| s.set("UPTO_SETTLE_ATTEMPTS", "3")).await;
    let permit = scene.permit();
    let id = scene.call(&permit, 900).await;
    let all = scene
        .chain
        .balance_of(super::USDC, scene.owner.address())
        .await;
    scene.spend(all).await;
    let failed = scene.becomes(&id, "failed").await;
    assert_eq!(sums(&failed), [0, 900, 0, 0]);
    assert_eq!(failed["failures"], 3);
    assert_eq!(
        failed["lastSettlement"]["errorReason"],
        "insufficient_balance"
    );
    assert_eq!(
        scene.chain.nonce(scene.signer.address()).await,
        0,
        "nothing was sent in vain"
    );
    super::rejected(
        &scene.client.verify(&permit.body(1)).await,
        "session_closed",
    );

    scene
        .chain
        .mint(super::USDC, scene.owner.address(), 1_000)
        .await;
    let settled = post(&scene.client, &format!("/sessions/{id}/settle"), "", &[]).await;
    assert_eq!(settled.body["status"], "closed", "{}", settled.body);
    assert_eq!(permit.paid(&scene.chain).await, [900]);
    scene.close().await;
}

/// H8: an outcome that nobody knows is never charged again.
#[tokio::test]
async fn a_batch_without_an_outcome_is_not_made_again() {
    let scene = Scene::swept(|s| s).await;
    let permit = scene.permit();
    scene.chain.hold_blocks().await;
    let id = scene.call(&permit, 900).await;
    scene.becomes(&id, "settling").await;
    scene.call(&permit, 100).await;
    let view = scene.session(&id).await;
    assert_eq!(sums(&view), [0, 100, 900, 0]);
    let early = post(&scene.client, &format!("/sessions/{id}/settle"), "", &[]).await;
    assert_eq!(
        (early.status.as_u16(), &early.body["error"]),
        (409, &"settling_in_progress".into())
    );
    scene.chain.release_blocks().await;
    scene.chain.mine(1).await;
    eventually("both sums settled", || async {
        (sums(&scene.session(&id).await) == [0, 0, 0, 1_000]).then_some(())
    })
    .await;
    assert_eq!(permit.paid(&scene.chain).await, [900, 100]);
    scene.close().await;
}

/// H11 and the lock of the replaced system: two replicas, one database.
#[tokio::test]
async fn two_replicas_sweeping_one_database_settle_everything_once() {
    let chain = crate::harness::chain::Sandbox::start().await;
    let signer = chain.signer(0).await;
    let owners = chain.payers(4).await;
    let settings = Settings::new(chain.url()).set("DATABASE_URL", &postgres::database().await);
    let settings = quick(settings);
    let one = Process::start(&settings, None).await;
    let other = Process::start(&settings, None).await;
    let permits: Vec<_> = owners
        .iter()
        .map(|owner| super::Permit::new(owner, signer.address(), 0))
        .collect();
    let (first, second) = (&one, &other);
    let calls = permits.iter().flat_map(|permit| {
        (0..10).map(move |number| {
            let (verifies, settles) = if number % 2 == 0 {
                (first, second)
            } else {
                (second, first)
            };
            async move {
                let held = verifies.client.verify(&permit.body(100)).await;
                assert_eq!(held.body["isValid"], true, "{}", held.body);
                let charged = settles.client.settle(&permit.body(100)).await;
                assert_eq!(charged.body["success"], true, "{}", charged.body);
                held.header("x-upto-session-id").to_owned()
            }
        })
    });
    let mut ids = futures::future::join_all(calls).await;
    // Whichever of them sweeps, the other takes over.
    one.kill().await;
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    for id in &ids {
        eventually("everything settled", || async {
            (sums(&session(&other.client, id).await) == [0, 0, 0, 1_000]).then_some(())
        })
        .await;
    }
    for permit in &permits {
        assert_eq!(permit.paid(&chain).await.iter().sum::<u64>(), 1_000);
    }
    other.kill().await;
}

#[tokio::test]
async fn a_failed_batch_of_a_closing_session_is_tried_again() {
    let scene = Scene::swept(|s| s.set("UPTO_SETTLE_ATTEMPTS", "1000")).await;
    let permit = scene.permit();
    let id = scene.hold(&permit, CAP).await;
    scene.client.settle(&permit.body(2_000)).await;
    let all = scene
        .chain
        .balance_of(super::USDC, scene.owner.address())
        .await;
    scene.spend(all).await;
    let closing = post(&scene.client, &format!("/sessions/{id}/close"), "", &[]).await;
    assert_eq!(closing.body["status"], "closing", "{}", closing.body);
    assert_eq!(sums(&closing.body), [0, 2_000, 0, 0]);
    scene
        .chain
        .mint(super::USDC, scene.owner.address(), 5_000)
        .await;
    becomes(&scene.client, &id, "closed").await;
    assert_eq!(permit.paid(&scene.chain).await, [2_000]);
    let left = scene
        .chain
        .balance_of(super::USDC, scene.owner.address())
        .await;
    assert_eq!(left, U256::from(3_000));
    scene.close().await;
}
