//! What requests do to the store.

use futures::future::join_all;
use x402_facilitator::protocol::{Amount, Reason};
use x402_facilitator::store::{Delivery, Enqueued, Stage, Submitted};

use super::{Opened, SIGNER};

on_both_engines! {
    one_of_many_racing_inserts_with_one_key_is_first
    a_released_payment_frees_its_key_and_keeps_its_history
    release_loses_against_a_stored_transaction
    a_success_is_delivered_once
    a_delivery_is_given_back_by_nobody_else
    amounts_up_to_two_to_the_256_survive
    a_payment_closed_unpaid_is_told_once_and_never_becomes_a_transaction
}

async fn one_of_many_racing_inserts_with_one_key_is_first(db: Opened) {
    let racers = (0..32).map(|_| db.store.enqueue(db.payment("key"), &[]));
    let results = join_all(racers).await;
    let first = results
        .into_iter()
        .filter(|r| matches!(r, Ok(Enqueued::First(_))))
        .count();
    assert_eq!(first, 1);
}

async fn a_released_payment_frees_its_key_and_keeps_its_history(db: Opened) {
    let id = db.enqueue("key").await;
    assert!(
        db.store
            .release(&id, Reason::SettlementCapacityExceeded, None)
            .await
            .expect("released")
    );
    assert!(db.store.find("key").await.expect("asked").is_none());
    let again = db.enqueue("key").await;
    assert_ne!(id, again);
    assert_eq!(
        db.stage(&id).await,
        Stage::Released {
            reason: Reason::SettlementCapacityExceeded,
            message: None
        }
    );
}

async fn release_loses_against_a_stored_transaction(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let id = db.enqueue("key").await;
    assert!(matches!(
        db.submit(&lease, 0, &[&id]).await,
        Submitted::Stored(_)
    ));
    assert!(
        !db.store
            .release(&id, Reason::SettlementCapacityExceeded, None)
            .await
            .expect("asked")
    );
    assert_eq!(
        db.stage(&id).await,
        Stage::Submitted {
            transaction: "0xhash0".to_owned()
        }
    );
}

async fn a_success_is_delivered_once(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (id, _) = db.settled(&lease, 0, "key").await;
    let deliveries: Vec<Delivery> = (0..32).map(|_| Delivery::new("caller", None)).collect();
    let told = join_all(deliveries.iter().map(|d| db.store.deliver(&id, d))).await;
    assert_eq!(
        told.into_iter().filter(|t| matches!(t, Ok(true))).count(),
        1
    );
}

async fn a_delivery_is_given_back_by_nobody_else(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (id, _) = db.settled(&lease, 0, "key").await;
    let (ours, theirs) = (Delivery::new("a", None), Delivery::new("b", None));
    assert!(db.store.deliver(&id, &ours).await.expect("asked"));
    assert!(
        db.store.deliver(&id, &ours).await.expect("asked"),
        "claiming again is the same claim"
    );
    db.store.undeliver(&id, &theirs).await.expect("asked");
    assert!(!db.store.deliver(&id, &theirs).await.expect("asked"));
    db.store.undeliver(&id, &ours).await.expect("asked");
    assert!(db.store.deliver(&id, &theirs).await.expect("asked"));
}

async fn amounts_up_to_two_to_the_256_survive(db: Opened) {
    let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let mut payment = db.payment("key");
    payment.amount = Amount::parse(max).expect("an amount");
    db.store.enqueue(payment, &[]).await.expect("enqueued");
    let row = db.store.find("key").await.expect("read").expect("there");
    assert_eq!(row.amount.to_string(), max);
}

async fn a_payment_closed_unpaid_is_told_once_and_never_becomes_a_transaction(db: Opened) {
    let mut nothing = db.payment("key");
    nothing.amount = Amount::ZERO;
    let Enqueued::First(id) = db.store.close_unpaid(nothing).await.expect("closed") else {
        panic!("the key is new");
    };
    let charged = db
        .store
        .enqueue(db.payment("key"), &[])
        .await
        .expect("asked");
    assert_eq!(charged, Enqueued::Known);
    let lease = db.lease(SIGNER).await;
    let until = db.clock.now().plus(std::time::Duration::from_secs(20));
    let claimed = db.store.claim(&super::network(), SIGNER, until, 16).await;
    assert_eq!(claimed.expect("asked").len(), 0, "no lane takes it");
    assert!(matches!(
        db.submit(&lease, 0, &[&id]).await,
        Submitted::Gone(_)
    ));
    let give_up = Reason::SettlementCapacityExceeded;
    assert!(!db.store.release(&id, give_up, None).await.expect("asked"));

    let (one, other) = (Delivery::new("a", None), Delivery::new("b", None));
    let told = join_all([&one, &other].map(|delivery| db.store.deliver(&id, delivery))).await;
    let told = told.into_iter().filter(|told| matches!(told, Ok(true)));
    assert_eq!(told.count(), 1);
    assert!(matches!(
        db.stage(&id).await,
        Stage::Closed { delivered: Some(_) }
    ));
    for delivery in [&one, &other] {
        db.store.undeliver(&id, delivery).await.expect("given back");
    }
    assert_eq!(db.stage(&id).await, Stage::Closed { delivered: None });
}
