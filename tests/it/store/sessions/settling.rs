//! From pending to in flight to settled, and back.

use std::time::Duration;

use x402_facilitator::clock::UnixMillis;
use x402_facilitator::protocol::Reason;
use x402_facilitator::store::{Batched, NextAttempt, SessionState};

use super::super::Opened;
use super::{merchants_permit, permit};

on_both_engines! {
    a_batch_moves_pending_to_in_flight_to_settled
    one_batch_is_in_flight_at_a_time
    two_sweepers_make_one_batch
    a_batch_never_exceeds_what_is_pending
    a_released_batch_is_pending_again
    a_failed_batch_is_pending_again_only_when_it_is_final
    a_reorg_puts_a_settled_batch_in_flight_again
    a_failed_batch_is_counted_once_and_a_settled_one_forgives
    a_failed_session_keeps_its_amount_until_it_is_settled_after_all
    a_failed_session_takes_nothing_of_a_newer_permits_allowance
    tries_at_once_are_one_failure
    a_merchant_asks_up_to_the_cap_and_what_failed_is_asked_again
    a_merchants_request_is_found_again_by_its_key
}

async fn a_batch_moves_pending_to_in_flight_to_settled(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.track(&id, 400).await;
    let batch = db.queued(&id, 0, 400).await;
    assert_eq!(db.sums(&id).await, [0, 0, 400, 0]);
    db.track(&id, 100).await;
    assert_eq!(db.sums(&id).await, [0, 100, 400, 0]);
    let paid = db.paid(0, &batch).await;
    assert_eq!(db.sums(&id).await, [0, 100, 0, 400]);
    db.store.finalise(&paid).await.expect("noted");
    assert_eq!(db.sums(&id).await, [0, 100, 0, 400]);
    let next = db.queued(&id, 1, 100).await;
    assert_ne!(next, batch);
}

async fn one_batch_is_in_flight_at_a_time(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.track(&id, 400).await;
    let batch = db.queued(&id, 0, 100).await;
    let second = db.enqueue_batch(&id, 1, 100).await;
    assert!(matches!(second, Batched::InFlight(first) if first.settlement_id == batch));
    assert_eq!(db.sums(&id).await, [0, 300, 100, 0]);
}

async fn two_sweepers_make_one_batch(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.track(&id, 400).await;
    let sweepers = (0..20).map(|_| db.enqueue_batch(&id, 0, 200));
    let answers = futures::future::join_all(sweepers).await;
    let queued = answers.iter().filter(|a| matches!(a, Batched::Queued(_)));
    assert_eq!(queued.count(), 1);
    assert_eq!(db.sums(&id).await, [0, 200, 200, 0]);
}

async fn a_batch_never_exceeds_what_is_pending(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.hold(&id, 500, None).await;
    db.track(&id, 400).await;
    assert_eq!(db.sums(&id).await, [0, 400, 0, 0], "the hold was taken");
    for (sequence, amount) in [(0, 401), (0, 0), (1, 400)] {
        let refused = db.enqueue_batch(&id, sequence, amount).await;
        assert_eq!(refused, Batched::Moved, "{sequence}, {amount}");
    }
    let none = db.enqueue_batch("no such session", 0, 1).await;
    assert_eq!(none, Batched::Closed);
}

async fn a_released_batch_is_pending_again(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.track(&id, 400).await;
    let batch = db.queued(&id, 0, 400).await;
    let reason = Reason::SettlementCapacityExceeded;
    assert!(db.store.release(&batch, reason, None).await.expect("asked"));
    assert_eq!(db.sums(&id).await, [0, 400, 0, 0]);
    db.queued(&id, 1, 400).await;
}

async fn a_failed_batch_is_pending_again_only_when_it_is_final(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.track(&id, 400).await;
    let batch = db.queued(&id, 0, 400).await;
    let reverted = db.reverted(0, &batch).await;
    assert_eq!(db.sums(&id).await, [0, 0, 400, 0]);
    assert!(matches!(
        db.enqueue_batch(&id, 1, 400).await,
        Batched::InFlight(_)
    ));
    db.store.finalise(&reverted).await.expect("noted");
    db.store.finish_failed(&batch).await.expect("noted");
    assert_eq!(db.sums(&id).await, [0, 400, 0, 0]);
    db.queued(&id, 1, 400).await;
}

async fn a_reorg_puts_a_settled_batch_in_flight_again(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.track(&id, 400).await;
    let batch = db.queued(&id, 0, 400).await;
    let paid = db.paid(0, &batch).await;
    db.track(&id, 100).await;
    db.store.unmined(&paid).await.expect("noted");
    assert_eq!(db.sums(&id).await, [0, 100, 400, 0]);
    assert!(matches!(
        db.enqueue_batch(&id, 1, 100).await,
        Batched::InFlight(_)
    ));
}

async fn a_failed_batch_is_counted_once_and_a_settled_one_forgives(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.track(&id, 400).await;
    let batch = db.queued(&id, 0, 400).await;
    let reason = Reason::InvalidExactEvmInsufficientBalance;
    db.store.release(&batch, reason, None).await.expect("asked");
    let later = db.clock.now().plus(Duration::from_mins(1));
    for _ in 0..2 {
        let next = NextAttempt::At(later);
        let noted = db
            .store
            .note_batch_failure(&id, Some(0), reason, next)
            .await;
        assert_eq!(noted.expect("noted").expect("there").failures, 1);
    }
    let to_sweep = async || {
        let found = db.store.sessions_to_sweep("", 9).await.expect("read");
        found.len()
    };
    assert_eq!(to_sweep().await, 0, "it waits");
    db.clock.advance(Duration::from_mins(1));
    assert_eq!(to_sweep().await, 1);
    let batch = db.queued(&id, 1, 300).await;
    assert_eq!(db.session(&id).await.failures, 1);
    db.paid(0, &batch).await;
    db.queued(&id, 2, 100).await;
    let session = db.session(&id).await;
    assert_eq!((session.failures, session.last_failure), (0, None));
}

async fn a_failed_session_keeps_its_amount_until_it_is_settled_after_all(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.track(&id, 400).await;
    let reason = Reason::InvalidExactEvmInsufficientBalance;
    let noted = db
        .store
        .note_batch_failure(&id, None, reason, NextAttempt::Never);
    let failed = noted.await.expect("noted").expect("there");
    assert_eq!(failed.state, SessionState::Failed);
    assert_eq!(db.sums(&id).await, [0, 400, 0, 0]);
    db.store.close_session(&id).await.expect("asked");
    assert_eq!(db.session(&id).await.state, SessionState::Failed);

    let batch = db.queued(&id, 0, 400).await;
    assert_eq!(db.session(&id).await.state, SessionState::Failed);
    db.paid(0, &batch).await;
    db.store.close_session(&id).await.expect("asked");
    assert_eq!(db.session(&id).await.state, SessionState::Closed);
}

async fn a_merchant_asks_up_to_the_cap_and_what_failed_is_asked_again(db: Opened) {
    let id = db.ready(&merchants_permit(0)).await.id;
    let queued = |answer| {
        let Batched::Queued(settlement_id) = answer else {
            panic!("{answer:?}")
        };
        settlement_id
    };
    let first = queued(db.ask(&id, 0, 600, None).await);
    assert_eq!(db.sums(&id).await, [0, 0, 600, 0]);
    assert!(matches!(
        db.ask(&id, 1, 100, None).await,
        Batched::InFlight(_)
    ));
    let reason = Reason::SettlementCapacityExceeded;
    db.store.release(&first, reason, None).await.expect("asked");
    let again = queued(db.ask(&id, 1, 600, None).await);
    assert_eq!(db.sums(&id).await, [0, 0, 600, 0], "asked twice, owed once");
    db.paid(0, &again).await;
    assert_eq!(db.ask(&id, 2, 401, None).await, Batched::Exhausted);
    let last = queued(db.ask(&id, 2, 400, None).await);
    db.paid(1, &last).await;
    assert_eq!(db.sums(&id).await, [0, 0, 0, 1000]);
    assert_eq!(db.ask(&id, 3, 1, None).await, Batched::Exhausted);
}

async fn a_merchants_request_is_found_again_by_its_key(db: Opened) {
    let id = db.ready(&merchants_permit(0)).await.id;
    let Batched::Queued(settlement_id) = db.ask(&id, 0, 600, Some("k")).await else {
        panic!("not queued")
    };
    let found = db.store.charge_with_key(&id, "k").await.expect("read");
    assert_eq!(found.expect("there").settlement_id, Some(settlement_id));
    let none = db.store.charge_with_key(&id, "other").await.expect("read");
    assert_eq!(none, None);
}

/// H2: the chain knows one allowance of an owner and a spender, and the newer permit set it.
async fn a_failed_session_takes_nothing_of_a_newer_permits_allowance(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.track(&id, 400).await;
    let reason = Reason::InvalidExactEvmInsufficientBalance;
    let noted = db
        .store
        .note_batch_failure(&id, None, reason, NextAttempt::Never);
    noted.await.expect("noted");
    let archived = db.store.archive_sessions(UnixMillis(i64::MAX)).await;
    assert_eq!(archived.expect("archived"), 1);
    db.clock.advance(Duration::from_secs(1));
    let newer = db.ready(&permit(1)).await.id;

    assert_eq!(db.enqueue_batch(&id, 0, 400).await, Batched::Closed);
    assert_eq!(db.sums(&id).await, [0, 400, 0, 0]);
    db.store.close_session(&newer).await.expect("closed");
    db.queued(&id, 0, 400).await;
}

async fn tries_at_once_are_one_failure(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.track(&id, 400).await;
    let reason = Reason::InvalidExactEvmInsufficientBalance;
    let next = NextAttempt::At(db.clock.now().plus(Duration::from_secs(30)));
    for _ in 0..5 {
        let noted = db.store.note_batch_failure(&id, None, reason, next);
        noted.await.expect("noted");
    }
    assert_eq!(db.session(&id).await.failures, 1);
    db.clock.advance(Duration::from_secs(30));
    let noted = db.store.note_batch_failure(&id, None, reason, next);
    noted.await.expect("noted");
    assert_eq!(db.session(&id).await.failures, 2);
}
