//! Limits under concurrency: exactly so many get through.

use std::time::{Duration, Instant};

use futures::future::join_all;

use super::{count, limited, over_limit};
use crate::harness::facilitator::Settings;
use crate::harness::keyring;
use crate::harness::oracle::{Payment, eventually, success};
use crate::harness::world::World;

#[tokio::test]
async fn a_daily_number_lets_exactly_so_many_through_however_many_come_at_once() {
    let world = World::with(|s| limited(s, "[payer]\nsettle_per_day = 3\n")).await;
    let bodies: Vec<_> = (0..12).map(|_| world.eip3009(|_| {})).collect();

    let answers = join_all(bodies.iter().map(|body| world.client.settle(body))).await;

    assert_eq!((count(&answers, 200), count(&answers, 429)), (3, 9));
    for answer in &answers {
        if answer.status == 200 {
            success(answer);
        } else {
            let wait = over_limit(answer, "payer_settle_cap_exceeded");
            assert!((1..=86_400).contains(&wait), "until midnight: {wait}");
        }
    }
    assert_eq!(world.sends(), 3);
    world.close().await;
}

#[tokio::test]
async fn many_requests_for_one_payment_use_up_one() {
    let limits = "[payer]\nsettle_per_day = 1\nsettle_per_minute = 1\nconcurrency = 1\n";
    let world = World::with(|s| limited(s, limits)).await;
    let body = world.eip3009(|_| {});

    let answers = join_all((0..50).map(|_| world.client.settle(&body))).await;

    let told = answers
        .iter()
        .filter(|answer| answer.body["success"] == true);
    assert_eq!((told.count(), count(&answers, 200)), (1, 50));
    assert_eq!(world.sends(), 1);
    let another = world.client.settle(&world.eip3009(|_| {})).await;
    over_limit(&another, "payer_settle_cap_exceeded");
    world.close().await;
}

#[tokio::test]
async fn a_rate_lets_a_minutes_worth_through_at_once_and_no_more() {
    let limits = "[anonymous]\nverify_per_minute = 5\nsettle_per_minute = 2\n";
    let world = World::with(|s| limited(s, limits)).await;
    let body = world.eip3009(|_| {});

    let answers = join_all((0..20).map(|_| world.client.verify(&body))).await;

    assert_eq!((count(&answers, 200), count(&answers, 429)), (5, 15));
    let refused = answers.iter().find(|answer| answer.status == 429);
    let wait = over_limit(refused.expect("some"), "seller_verify_cap_exceeded");
    assert!((1..=12).contains(&wait), "a fifth of a minute: {wait}");
    // Rubbish counts like anything else: it is work too.
    let rubbish = join_all((0..5).map(|_| world.client.post_text("/settle", "{"))).await;
    assert_eq!((count(&rubbish, 400), count(&rubbish, 429)), (2, 3));
    world.close().await;
}

#[tokio::test]
async fn whoever_has_enough_under_way_waits_until_some_of_it_ends() {
    for (limits, reason) in [
        (
            "[anonymous]\nconcurrency = 1\n",
            "seller_concurrency_cap_exceeded",
        ),
        (
            "[all]\nconcurrency = 1\n",
            "global_concurrency_cap_exceeded",
        ),
        (
            "[payer]\nconcurrency = 1\n",
            "payer_concurrency_cap_exceeded",
        ),
    ] {
        let world = World::with(|s| limited(s, limits)).await;
        let (first, second) = (world.eip3009(|_| {}), world.eip3009(|_| {}));
        world.sandbox.hold_blocks().await;
        let meanwhile = async {
            world.sandbox.pooled(world.signer).await;
            let answer = world.client.settle(&second).await;
            assert_eq!(over_limit(&answer, reason), 1);
            world.sandbox.release_blocks().await;
            world.sandbox.mine(1).await;
        };
        let (paid, ()) = tokio::join!(world.client.settle(&first), meanwhile);
        success(&paid);
        success(&world.client.settle(&second).await);
        world.close().await;
    }
}

#[tokio::test]
async fn a_payer_who_hangs_up_frees_no_place() {
    let world = World::with(|s| limited(s, "[payer]\nconcurrency = 1\n")).await;
    let first = Payment::new(&world.payer);
    world.sandbox.hold_blocks().await;
    let hang_up = async {
        let asked = world.client.settle(&first.body);
        tokio::select! {
            _ = asked => panic!("answered without a block"),
            () = world.sandbox.pooled(world.signer) => {}
        }
    };
    hang_up.await;

    let second = world.client.settle(&world.eip3009(|_| {})).await;

    over_limit(&second, "payer_concurrency_cap_exceeded");
    world.sandbox.release_blocks().await;
    world.sandbox.mine(1).await;
    first.becomes(&world.client, "settled").await;
    world.close().await;
}

#[tokio::test]
async fn a_key_that_hangs_up_frees_no_place_either() {
    let settings = Settings::new("http://127.0.0.1:1").set("API_KEYS", "on");
    let settings = limited(settings, "[key]\nconcurrency = 1\n").set("SETTLE_TIMEOUT_MS", "4000");
    let key = keyring::create(&settings, "hasty", &[]).await;
    let other = keyring::create(&settings, "other", &[]).await;
    let world = World::with(|node| settings.at_node_of(&node)).await;
    let (first, second) = (world.eip3009(|_| {}), world.eip3009(|_| {}));
    world.sandbox.hold_blocks().await;
    let hang_up = async {
        tokio::select! {
            _ = keyring::call(&world.client, &key, "/settle", &first) => panic!("answered without a block"),
            () = world.sandbox.pooled(world.signer) => {}
        }
    };
    hang_up.await;
    // The service sees the closed connection while it answers others.
    for _ in 0..20 {
        assert_eq!(world.client.get("/readyz").await.status, 200);
    }

    let answer = keyring::call(&world.client, &key, "/settle", &second).await;
    over_limit(&answer, "seller_concurrency_cap_exceeded");
    let settle = keyring::call(&world.client, &other, "/settle", &second);
    let release = async {
        world.sandbox.release_blocks().await;
        world.sandbox.mine(1).await;
    };
    let (paid, ()) = tokio::join!(settle, release);
    success(&paid);
    world.close().await;
}

#[tokio::test]
async fn a_full_queue_is_503_at_once_and_reserves_nothing() {
    // Nobody pays this signer's gas, so what is queued stays queued. Callers without a key fill half of a queue.
    let world = World::poor(|s| limited(s, "[all]\nqueue = 2\n").set("SETTLE_TIMEOUT_MS", "6000"));
    let world = world.await;
    let first = Payment::new(&world.payer);
    let second = Payment::new(&world.payer);
    let meanwhile = async {
        first.becomes(&world.client, "queued").await;
        let began = Instant::now();
        let answer = world.client.settle(&second.body).await;
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(answer.status.as_u16(), 503, "{}", answer.body);
        assert_eq!(answer.reason(), "settlement_capacity_exceeded");
        assert_eq!(answer.header("retry-after"), "2");
        assert_eq!(second.state(&world.client).await, "");
    };
    let (gave_up, ()) = tokio::join!(world.client.settle(&first.body), meanwhile);
    assert_eq!(gave_up.status.as_u16(), 503);

    // The next one has the place.
    world.sandbox.signer(0).await;
    eventually("a free place", || async {
        let answer = world.client.settle(&second.body).await;
        (answer.body["success"] == true).then_some(())
    })
    .await;
    world.close().await;
}
