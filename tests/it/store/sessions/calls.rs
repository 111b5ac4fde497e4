//! Hold, then charge.

use std::time::Duration;

use x402_facilitator::protocol::Amount;
use x402_facilitator::store::{Charged, Held, NewCharge, Source, Unclaimed};

use super::super::Opened;
use super::{charge, permit};

on_both_engines! {
    what_is_held_is_charged_once_and_its_rest_is_free
    the_cap_bears_what_is_held_and_charged_and_no_more
    a_hundred_calls_at_once_hold_no_more_than_the_cap
    a_charge_takes_the_smallest_hold_that_bears_it
    a_charge_takes_no_more_than_was_held_and_nothing_of_another_caller
    a_key_holds_once_and_charges_once
    a_hundred_charges_with_one_key_charge_once
    an_unclaimed_hold_is_released_or_charged_at_its_end
    a_tracked_call_takes_its_hold_or_else_of_the_cap
    a_call_may_cost_nothing
}

async fn what_is_held_is_charged_once_and_its_rest_is_free(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    assert!(matches!(db.hold(&id, 300, None).await, Held::Done(_)));
    assert_eq!(db.sums(&id).await, [300, 0, 0, 0]);
    assert!(matches!(db.charge(&id, 120, None).await, Charged::Done(_)));
    assert_eq!(db.sums(&id).await, [0, 120, 0, 0]);
    assert_eq!(db.charge(&id, 120, None).await, Charged::NoHold);
    assert_eq!(db.sums(&id).await, [0, 120, 0, 0]);
}

async fn the_cap_bears_what_is_held_and_charged_and_no_more(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.hold(&id, 600, None).await;
    assert_eq!(db.hold(&id, 401, None).await, Held::Exhausted);
    db.hold(&id, 400, None).await;
    assert_eq!(db.hold(&id, 1, None).await, Held::Exhausted);
    db.charge(&id, 600, None).await;
    assert_eq!(db.hold(&id, 1, None).await, Held::Exhausted);
    let batch = db.queued(&id, 0, 600).await;
    assert_eq!(db.hold(&id, 1, None).await, Held::Exhausted, "in flight");
    db.paid(0, &batch).await;
    assert_eq!(db.hold(&id, 1, None).await, Held::Exhausted, "settled");
    assert_eq!(db.sums(&id).await, [400, 0, 0, 600]);
}

async fn a_hundred_calls_at_once_hold_no_more_than_the_cap(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    let calls = (0..100).map(|_| db.hold(&id, 30, None));
    let answers = futures::future::join_all(calls).await;
    let held = answers.iter().filter(|a| matches!(a, Held::Done(_)));
    assert_eq!(held.count(), 33);
    assert_eq!(db.sums(&id).await, [990, 0, 0, 0]);
}

async fn a_charge_takes_the_smallest_hold_that_bears_it(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    for amount in [300, 100, 200] {
        db.hold(&id, amount, None).await;
    }
    db.charge(&id, 150, None).await;
    assert_eq!(db.sums(&id).await, [400, 150, 0, 0]);
    db.charge(&id, 100, None).await;
    assert_eq!(db.sums(&id).await, [300, 250, 0, 0]);
}

async fn a_charge_takes_no_more_than_was_held_and_nothing_of_another_caller(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.hold(&id, 100, None).await;
    let most = Charged::TooMuch(Amount::from(100));
    assert_eq!(db.charge(&id, 101, None).await, most);
    let stranger = NewCharge {
        caller: "key-2",
        ..charge(100, None, Source::Hold)
    };
    assert_eq!(db.charge_as(&id, stranger).await, Charged::NoHold);
    assert_eq!(db.sums(&id).await, [100, 0, 0, 0]);
}

async fn a_key_holds_once_and_charges_once(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.hold(&id, 100, Some("a")).await;
    assert!(matches!(
        db.hold(&id, 100, Some("a")).await,
        Held::Repeated(_)
    ));
    assert_eq!(db.hold(&id, 99, Some("a")).await, Held::KeyReused);
    db.hold(&id, 100, Some("b")).await;
    assert_eq!(db.sums(&id).await, [200, 0, 0, 0]);

    db.charge(&id, 60, Some("a")).await;
    let again = db.charge(&id, 60, Some("a")).await;
    assert!(matches!(again, Charged::Repeated(hold) if hold.charged == Some(Amount::from(60))));
    assert_eq!(db.charge(&id, 61, Some("a")).await, Charged::KeyReused);
    assert_eq!(db.sums(&id).await, [100, 60, 0, 0]);
    // Claimed: holding it again with the same key is no second promise.
    assert!(matches!(
        db.hold(&id, 100, Some("a")).await,
        Held::Repeated(_)
    ));
    assert_eq!(db.sums(&id).await, [100, 60, 0, 0]);

    db.clock.advance(Duration::from_mins(2));
    assert!(matches!(db.hold(&id, 100, Some("b")).await, Held::Done(_)));
    assert_eq!(db.sums(&id).await, [100, 60, 0, 0], "held anew, once");
}

async fn a_hundred_charges_with_one_key_charge_once(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    for _ in 0..5 {
        db.hold(&id, 100, None).await;
    }
    let calls = (0..100).map(|_| db.charge(&id, 100, Some("k")));
    let answers = futures::future::join_all(calls).await;
    let done = answers.iter().filter(|a| matches!(a, Charged::Done(_)));
    assert_eq!(done.count(), 1);
    assert_eq!(db.sums(&id).await, [400, 100, 0, 0]);
}

async fn an_unclaimed_hold_is_released_or_charged_at_its_end(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    for amount in [100, 50] {
        db.hold(&id, amount, None).await;
        db.clock.advance(Duration::from_secs(59));
        let due = db.store.sessions_with_expired_holds(9).await.expect("read");
        assert_eq!(due, [""; 0]);
        db.clock.advance(Duration::from_secs(1));
        let due = db.store.sessions_with_expired_holds(9).await.expect("read");
        assert_eq!(due, std::slice::from_ref(&id));
        let unclaimed = if amount == 100 {
            Unclaimed::Charge
        } else {
            Unclaimed::Release
        };
        let ended = db.store.expire_holds(&id, unclaimed).await.expect("asked");
        assert!(ended);
        assert_eq!(db.sums(&id).await, [0, 100, 0, 0]);
    }
    assert_eq!(db.charge(&id, 50, None).await, Charged::NoHold);
}

async fn a_tracked_call_takes_its_hold_or_else_of_the_cap(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.hold(&id, 100, None).await;
    assert!(matches!(db.track(&id, 100).await, Charged::Done(_)));
    assert_eq!(db.sums(&id).await, [0, 100, 0, 0], "not held and charged");
    assert!(matches!(db.track(&id, 800).await, Charged::Done(_)));
    assert_eq!(db.track(&id, 101).await, Charged::Exhausted);
    assert_eq!(db.sums(&id).await, [0, 900, 0, 0]);
    db.store.close_session(&id).await.expect("closing");
    assert_eq!(db.track(&id, 1).await, Charged::Closed);
}

async fn a_call_may_cost_nothing(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.hold(&id, 100, None).await;
    assert!(matches!(db.charge(&id, 0, None).await, Charged::Done(_)));
    assert_eq!(db.sums(&id).await, [0; 4]);
    assert_eq!(db.charge(&id, 0, None).await, Charged::NoHold);
}
