//! What operators see of the store and do to it.

use x402_facilitator::clock::UnixMillis;
use x402_facilitator::store::Lease;

use super::{Opened, SIGNER, network};

on_both_engines! {
    a_lane_does_not_lift_an_operators_pause
    an_operators_pause_leaves_what_the_lane_waits_for
    what_was_settled_is_shown
}

async fn paused(db: &Opened) -> Option<String> {
    let lane = db.store.lane(&network(), SIGNER).await.expect("read");
    lane.paused
}

async fn claimed(db: &Opened) -> usize {
    let until = UnixMillis(i64::MAX);
    let claimed = db.store.claim(&network(), SIGNER, until, 10).await;
    claimed.expect("asked").len()
}

async fn say(db: &Opened, lease: &Lease, reason: Option<&str>) {
    db.store.pause(lease, reason).await.expect("noted");
}

async fn a_lane_does_not_lift_an_operators_pause(db: Opened) {
    let lease = db.lease(SIGNER).await;
    db.enqueue("one").await;
    let network_id = network().to_string();
    assert!(
        db.store
            .pause_by_operator(&network_id, SIGNER)
            .await
            .expect("asked")
    );
    assert!(
        !db.store
            .pause_by_operator(&network_id, "nobody")
            .await
            .expect("asked")
    );
    assert!(
        db.store
            .pause_by_operator(&network_id, SIGNER)
            .await
            .expect("twice is once")
    );
    say(&db, &lease, None).await;
    assert_eq!(paused(&db).await.as_deref(), Some("paused by an operator"));
    assert_eq!(claimed(&db).await, 0);

    assert!(
        db.store
            .resume_by_operator(&network_id, SIGNER)
            .await
            .expect("asked")
    );
    assert_eq!((paused(&db).await, claimed(&db).await), (None, 1));
}

async fn an_operators_pause_leaves_what_the_lane_waits_for(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let network_id = network().to_string();
    say(&db, &lease, Some("no funds")).await;
    db.store
        .pause_by_operator(&network_id, SIGNER)
        .await
        .expect("asked");
    assert_eq!(
        paused(&db).await.as_deref(),
        Some("paused by an operator: no funds")
    );
    say(&db, &lease, Some("the cap")).await;
    assert_eq!(
        paused(&db).await.as_deref(),
        Some("paused by an operator: the cap")
    );
    db.store
        .resume_by_operator(&network_id, SIGNER)
        .await
        .expect("asked");
    assert_eq!(paused(&db).await.as_deref(), Some("the cap"));
    db.store
        .resume_by_operator(&network_id, SIGNER)
        .await
        .expect("asked");
    assert_eq!(
        paused(&db).await.as_deref(),
        Some("the cap"),
        "not an operator's"
    );
}

async fn what_was_settled_is_shown(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (id, mined) = db.settled(&lease, 0, "key").await;
    let waiting = db.enqueue("other").await;

    let recent = db.store.recently_settled(20).await.expect("read");
    let told: Vec<_> = recent.iter().map(|r| (&r.id, &r.transaction)).collect();
    assert_eq!(told, [(&id, &mined.hash)]);
    let hour = recent[0].settled_at.div_euclid(3_600_000);
    let counts = db.store.settled_since(hour).await.expect("read");
    assert_eq!(
        counts
            .iter()
            .map(|c| (c.hour, c.settled))
            .collect::<Vec<_>>(),
        [(hour, 1)]
    );
    assert!(
        db.store
            .settled_since(hour + 1)
            .await
            .expect("read")
            .is_empty()
    );

    let life = db.store.life(&id).await.expect("read");
    let [carriage] = &life.transactions[..] else {
        panic!("{life:?}")
    };
    assert_eq!(
        (
            carriage.state.as_str(),
            carriage.payments,
            carriage.attempts.len()
        ),
        ("mined", 1, 1)
    );
    assert_eq!(
        (life.settled_at, life.delivered_at),
        (Some(recent[0].settled_at), None)
    );

    let network_id = network().to_string();
    let overdue = db
        .store
        .overdue(&network_id, i64::MAX, 10)
        .await
        .expect("read");
    assert_eq!(
        overdue.iter().map(|o| &o.id).collect::<Vec<_>>(),
        [&waiting]
    );
    assert!(
        db.store
            .overdue(&network_id, 0, 10)
            .await
            .expect("read")
            .is_empty()
    );
}
