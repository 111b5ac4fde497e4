//! What lanes do to the store.

use std::time::Duration;

use x402_facilitator::protocol::Reason;
use x402_facilitator::store::{Enqueued, Error, Stage, Submitted};

use super::{Opened, SIGNER, attempt, network, submission};

on_both_engines! {
    storing_a_transaction_takes_all_payments_or_none
    a_stolen_lane_cannot_write
    only_one_of_many_thieves_takes_a_lane
    an_account_nonce_is_taken_once
    without_account_nonces_a_signer_has_many_transactions_and_a_thief_none
    what_a_payer_has_in_flight_never_exceeds_the_balance
    two_payments_of_one_payer_racing_over_one_balance_do_not_both_fit
    claims_keep_lanes_apart_and_run_out
    a_payment_bound_to_a_signer_is_claimed_by_it_alone
}

async fn storing_a_transaction_takes_all_payments_or_none(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (one, two) = (db.enqueue("one").await, db.enqueue("two").await);
    db.store
        .release(&two, Reason::SettlementCapacityExceeded, None)
        .await
        .expect("released");
    assert_eq!(
        db.submit(&lease, 0, &[&one, &two]).await,
        Submitted::Gone(vec![two])
    );
    assert_eq!(db.stage(&one).await, Stage::Queued { earlier: None });
    assert!(
        db.store
            .in_flight(&network(), None)
            .await
            .expect("read")
            .is_empty()
    );
    assert!(
        matches!(db.submit(&lease, 0, &[&one]).await, Submitted::Stored(_)),
        "the account nonce was not taken"
    );
}

async fn a_stolen_lane_cannot_write(db: Opened) {
    let ours = db.lease(SIGNER).await;
    let theirs = db.lease(SIGNER).await;
    let id = db.enqueue("key").await;
    let refused = db
        .store
        .submit(
            &ours,
            Some(0),
            attempt("0xa"),
            vec![submission(&id, "p", "1000")],
        )
        .await;
    assert!(matches!(refused, Err(Error::Fenced)));
    assert!(matches!(
        db.store.heartbeat(&ours).await,
        Err(Error::Fenced)
    ));
    assert!(matches!(
        db.store.pause(&ours, Some("no")).await,
        Err(Error::Fenced)
    ));
    assert_eq!(db.stage(&id).await, Stage::Queued { earlier: None });
    assert!(matches!(
        db.submit(&theirs, 0, &[&id]).await,
        Submitted::Stored(_)
    ));
}

async fn only_one_of_many_thieves_takes_a_lane(db: Opened) {
    let seen = db.store.lane(&network(), SIGNER).await.expect("read");
    let net = network();
    let thieves = (0..16).map(|_| db.store.take_lane(&net, SIGNER, &seen, "thief"));
    let taken = futures::future::join_all(thieves).await;
    assert_eq!(
        taken
            .into_iter()
            .filter(|t| matches!(t, Ok(Some(_))))
            .count(),
        1
    );
}

async fn an_account_nonce_is_taken_once(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (one, two) = (db.enqueue("one").await, db.enqueue("two").await);
    assert!(matches!(
        db.submit(&lease, 0, &[&one]).await,
        Submitted::Stored(_)
    ));
    let again = db
        .store
        .submit(
            &lease,
            Some(0),
            attempt("0xother"),
            vec![submission(&two, "p", "1000")],
        )
        .await;
    assert!(matches!(again, Err(Error::Fenced)));
    assert_eq!(db.stage(&two).await, Stage::Queued { earlier: None });
}

async fn what_a_payer_has_in_flight_never_exceeds_the_balance(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let mut payments = [db.payment("one"), db.payment("two")];
    for payment in &mut payments {
        "payer".clone_into(&mut payment.payer);
    }
    let [one, two] = payments;
    let (Ok(Enqueued::First(one)), Ok(Enqueued::First(two))) = (
        db.store.enqueue(one, &[]).await,
        db.store.enqueue(two, &[]).await,
    ) else {
        panic!("not enqueued")
    };
    let fits = db
        .store
        .submit(
            &lease,
            Some(0),
            attempt("0xa"),
            vec![submission(&one, "payer", "150")],
        )
        .await
        .expect("asked");
    assert!(matches!(fits, Submitted::Stored(_)));
    let crowded = db
        .store
        .submit(
            &lease,
            Some(1),
            attempt("0xb"),
            vec![submission(&two, "payer", "150")],
        )
        .await
        .expect("asked");
    assert_eq!(crowded, Submitted::Crowded(vec![two.clone()]));
    let fits = db
        .store
        .submit(
            &lease,
            Some(1),
            attempt("0xb"),
            vec![submission(&two, "payer", "200")],
        )
        .await
        .expect("asked");
    assert!(matches!(fits, Submitted::Stored(_)));
}

async fn two_payments_of_one_payer_racing_over_one_balance_do_not_both_fit(db: Opened) {
    for round in 0..8 {
        let payer = format!("payer {round}");
        let mut ids = Vec::new();
        for side in ["left", "right"] {
            let mut payment = db.payment(&format!("{side} {round}"));
            payment.payer.clone_from(&payer);
            let Ok(Enqueued::First(id)) = db.store.enqueue(payment, &[]).await else {
                panic!("not enqueued")
            };
            ids.push(id);
        }
        let left = db.lease(&format!("0xleft{round}")).await;
        let right = db.lease(&format!("0xright{round}")).await;
        let (a, b) = tokio::join!(
            db.store.submit(
                &left,
                Some(0),
                attempt(&format!("0xl{round}")),
                vec![submission(&ids[0], &payer, "150")]
            ),
            db.store.submit(
                &right,
                Some(0),
                attempt(&format!("0xr{round}")),
                vec![submission(&ids[1], &payer, "150")]
            ),
        );
        let stored = [a, b]
            .into_iter()
            .filter(|s| matches!(s, Ok(Submitted::Stored(_))))
            .count();
        assert_eq!(stored, 1, "round {round}");
    }
}

async fn claims_keep_lanes_apart_and_run_out(db: Opened) {
    let id = db.enqueue("key").await;
    let until = db.clock.now().plus(Duration::from_secs(5));
    let network = network();
    let (a, b) = tokio::join!(
        db.store.claim(&network, "0xa", until, 10),
        db.store.claim(&network, "0xb", until, 10),
    );
    assert_eq!(a.expect("asked").len() + b.expect("asked").len(), 1);
    db.clock.advance(Duration::from_secs(6));
    let again = db
        .store
        .claim(
            &network,
            "0xc",
            db.clock.now().plus(Duration::from_secs(5)),
            10,
        )
        .await
        .expect("asked");
    assert_eq!(
        again.into_iter().map(|s| s.id).collect::<Vec<_>>(),
        std::slice::from_ref(&id)
    );
    db.clock.advance(Duration::from_secs(15));
    let late = db
        .store
        .claim(&network, "0xd", db.clock.now(), 10)
        .await
        .expect("asked");
    assert!(late.is_empty(), "its deadline passed");
    assert_eq!(
        db.store
            .release_overdue(&network, db.clock.now())
            .await
            .expect("asked"),
        1
    );
}

async fn a_payment_bound_to_a_signer_is_claimed_by_it_alone(db: Opened) {
    let mut payment = db.payment("key");
    payment.required_sender = Some("0xonly".to_owned());
    db.store.enqueue(payment, &[]).await.expect("enqueued");
    let until = db.clock.now().plus(Duration::from_secs(5));
    assert!(
        db.store
            .claim(&network(), "0xother", until, 10)
            .await
            .expect("asked")
            .is_empty()
    );
    assert_eq!(
        db.store
            .claim(&network(), "0xonly", until, 10)
            .await
            .expect("asked")
            .len(),
        1
    );
}

/// As on Solana.
async fn without_account_nonces_a_signer_has_many_transactions_and_a_thief_none(db: Opened) {
    let lease = db.lease(SIGNER).await;
    for key in ["one", "two", "three"] {
        let id = db.enqueue(key).await;
        let payments = vec![submission(&id, key, "1000000")];
        let stored = db.store.submit(&lease, None, attempt(key), payments).await;
        assert!(matches!(stored, Ok(Submitted::Stored(_))), "{stored:?}");
    }

    let open = db.store.in_flight(&network(), Some(SIGNER)).await;
    let open = open.expect("read");
    let found: Vec<_> = open
        .iter()
        .map(|open| {
            (
                open.account_nonce,
                open.attempts.len(),
                open.attempts[0].hash.as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [(None, 1, "one"), (None, 1, "two"), (None, 1, "three")]
    );
    assert_eq!(
        db.store
            .lane(&network(), SIGNER)
            .await
            .expect("read")
            .next_nonce,
        0
    );

    let id = db.enqueue("four").await;
    db.lease(SIGNER).await;
    let payments = vec![submission(&id, "four", "1000000")];
    let late = db
        .store
        .submit(&lease, None, attempt("four"), payments)
        .await;
    assert!(matches!(late, Err(Error::Fenced)), "{late:?}");
    assert_eq!(db.stage(&id).await, Stage::Queued { earlier: None });
}
