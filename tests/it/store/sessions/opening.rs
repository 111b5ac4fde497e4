//! How sessions begin and end.

use std::time::Duration;

use x402_facilitator::protocol::Reason;
use x402_facilitator::store::{Held, NextAttempt, Opened as Answer, SessionState, Visible};

use super::super::Opened;
use super::{CALLER, permit};
use x402_facilitator::store::NewSession;

on_both_engines! {
    a_permit_is_one_session_however_it_is_written
    a_hundred_first_looks_at_a_permit_make_one_session
    a_newer_permit_waits_until_nothing_is_to_come_of_the_older
    an_idle_session_stays_open_while_another_stands_in_the_way
    a_second_permit_of_a_nonce_at_work_is_refused
    a_permit_that_was_never_charged_gives_its_nonce_back
    a_closed_session_takes_nothing_and_stays_on_record
    a_caller_lists_its_own_sessions_page_by_page
    a_session_is_archived_and_never_forgotten
}

async fn a_permit_is_one_session_however_it_is_written(db: Opened) {
    let first = db.ready(&permit(0)).await;
    let other_casing = NewSession {
        id: "another id".to_owned(),
        ..permit(0)
    };
    assert_eq!(db.ready(&other_casing).await.id, first.id);
}

async fn a_hundred_first_looks_at_a_permit_make_one_session(db: Opened) {
    let permits: Vec<_> = (0..100)
        .map(|i| NewSession {
            id: format!("written in way {i}"),
            ..permit(0)
        })
        .collect();
    let opened = futures::future::join_all(permits.iter().map(|new| db.ready(new))).await;
    assert!(opened.iter().all(|session| session.id == opened[0].id));
    assert!(
        opened
            .iter()
            .all(|session| session.state == SessionState::Open)
    );
}

async fn a_newer_permit_waits_until_nothing_is_to_come_of_the_older(db: Opened) {
    let older = db.ready(&permit(0)).await.id;
    db.hold(&older, 100, None).await;
    let busy = |answer| {
        let Answer::Busy(session) = answer else {
            panic!("{answer:?}")
        };
        session.id
    };
    assert_eq!(busy(db.open(&permit(1)).await), older, "held");
    db.charge(&older, 70, None).await;
    assert_eq!(busy(db.open(&permit(1)).await), older, "pending");
    let batch = db.queued(&older, 0, 70).await;
    assert_eq!(busy(db.open(&permit(1)).await), older, "in flight");
    db.paid(0, &batch).await;

    let newer = db.ready(&permit(1)).await;

    assert_eq!(newer.id, "session-1");
    assert_eq!(db.session(&older).await.state, SessionState::Closed);
    assert_eq!(db.hold(&older, 1, None).await, Held::Closed);
}

async fn an_idle_session_stays_open_while_another_stands_in_the_way(db: Opened) {
    let fallen = db.ready(&permit(0)).await.id;
    db.track(&fallen, 100).await;
    let batch = db.queued(&fallen, 0, 100).await;
    let paid = db.paid(0, &batch).await;
    let idle = db.ready(&permit(1)).await.id;
    db.store.unmined(&paid).await.expect("noted");
    let reason = Reason::InvalidExactEvmTransactionFailed;
    let failed = db
        .store
        .note_batch_failure(&fallen, None, reason, NextAttempt::Never);
    assert!(failed.await.expect("noted").is_some());
    // On Postgres the row that was written last is found last.
    db.store.note_permit_seen(&fallen).await.expect("noted");

    let answer = db.open(&permit(2)).await;

    assert!(matches!(answer, Answer::Busy(by) if by.id == fallen));
    assert_eq!(db.session(&idle).await.state, SessionState::Open);
}

async fn a_second_permit_of_a_nonce_at_work_is_refused(db: Opened) {
    let first = db.ready(&permit(0)).await.id;
    db.hold(&first, 100, None).await;
    let second = NewSession {
        id: "second".to_owned(),
        fingerprint: "another cap".to_owned(),
        ..permit(0)
    };
    assert!(matches!(db.open(&second).await, Answer::NonceTaken(by) if by.id == first));

    db.charge(&first, 100, None).await;
    let batch = db.queued(&first, 0, 100).await;
    db.paid(0, &batch).await;

    // Done and closed, but the nonce was spent on the first.
    assert!(matches!(db.open(&second).await, Answer::NonceTaken(by) if by.id == first));
}

async fn a_permit_that_was_never_charged_gives_its_nonce_back(db: Opened) {
    let first = db.ready(&permit(0)).await.id;
    db.hold(&first, 100, None).await;
    let second = NewSession {
        id: "second".to_owned(),
        fingerprint: "another cap".to_owned(),
        ..permit(0)
    };
    db.clock.advance(Duration::from_mins(2));
    assert_eq!(db.ready(&second).await.id, "second");
    assert_eq!(db.ready(&permit(0)).await.state, SessionState::Closed);
}

async fn a_closed_session_takes_nothing_and_stays_on_record(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    db.hold(&id, 100, None).await;
    let state = async || {
        let closed = db.store.close_session(&id).await.expect("asked");
        closed.expect("there").state
    };
    assert_eq!(state().await, SessionState::Closing);
    assert_eq!(db.hold(&id, 1, None).await, Held::Closed);
    // What was held before is a promise that is kept.
    db.charge(&id, 100, None).await;
    let batch = db.queued(&id, 0, 100).await;
    assert_eq!(state().await, SessionState::Closing);
    db.paid(0, &batch).await;
    assert_eq!(state().await, SessionState::Closed);
    assert_eq!(db.ready(&permit(0)).await.state, SessionState::Closed);
}

async fn a_caller_lists_its_own_sessions_page_by_page(db: Opened) {
    for nonce in 0..5 {
        let caller = if nonce == 2 { "somebody else" } else { CALLER };
        let owner = format!("0xowner{nonce}");
        let new = NewSession {
            caller: caller.to_owned(),
            owner,
            ..permit(nonce)
        };
        db.ready(&new).await;
    }
    let list = async |visible, after: &str, limit| {
        let found = db
            .store
            .sessions(visible, after, limit)
            .await
            .expect("read");
        found.into_iter().map(|s| s.id).collect::<Vec<_>>()
    };
    let own = Visible::Of(CALLER);
    assert_eq!(list(own, "", 2).await, ["session-0", "session-1"]);
    assert_eq!(list(own, "session-1", 9).await, ["session-3", "session-4"]);
    assert_eq!(list(Visible::All, "", 9).await.len(), 5);
}

async fn a_session_is_archived_and_never_forgotten(db: Opened) {
    let id = db.ready(&permit(0)).await.id;
    let archive = async || {
        let before = db.clock.now();
        db.clock.advance(Duration::from_secs(1));
        db.store.archive_sessions(before).await.expect("asked")
    };
    db.clock.advance(Duration::from_hours(1));
    assert_eq!(archive().await, 0, "an open session stays");
    db.store.close_session(&id).await.expect("closed");
    db.clock.advance(Duration::from_hours(1));
    assert_eq!(archive().await, 1);
    assert_eq!(
        db.store
            .sessions(Visible::All, "", 9)
            .await
            .expect("read")
            .len(),
        0
    );
    let same = db.ready(&permit(0)).await;
    assert_eq!(
        (same.id.as_str(), same.state),
        (id.as_str(), SessionState::Closed)
    );
    assert_eq!(db.hold(&id, 1, None).await, Held::Closed);
}
