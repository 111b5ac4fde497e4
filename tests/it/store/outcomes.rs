//! What watchers do to the store.

use std::time::Duration;

use x402_facilitator::store::{Delivery, Error, NotFinal, Stage, Submitted, Verdict};

use super::{Opened, SIGNER, mined, network, settled};

on_both_engines! {
    a_mined_transaction_is_noted_once
    a_reorg_opens_what_it_took_away
    a_final_settlement_stays
    one_log_proves_one_payment
    a_requeued_payment_goes_alone
    gas_is_booked_once_per_receipt
}

async fn a_mined_transaction_is_noted_once(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (id, mined) = db.settled(&lease, 0, "key").await;
    assert!(
        !db.store
            .mined(&mined, &[(id.clone(), settled(&mined, 9))])
            .await
            .expect("asked")
    );
    let Stage::Settled { proof, delivered } = db.stage(&id).await else {
        panic!("not settled")
    };
    assert_eq!((proof.log_index, delivered), (0, None));
}

async fn a_reorg_opens_what_it_took_away(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (id, mined) = db.settled(&lease, 0, "key").await;
    assert!(
        db.store
            .deliver(&id, &Delivery::new("a", None))
            .await
            .expect("asked")
    );
    let was = NotFinal {
        transaction_id: mined.transaction_id.clone(),
        hash: mined.hash.clone(),
        block: mined.block.clone(),
    };
    db.store.unmined(&was).await.expect("asked");
    assert_eq!(
        db.stage(&id).await,
        Stage::Submitted {
            transaction: mined.hash.clone()
        }
    );
    assert_eq!(
        db.store
            .in_flight(&network(), None)
            .await
            .expect("read")
            .len(),
        1
    );
    assert!(
        db.store
            .mined(&mined, &[(id.clone(), settled(&mined, 0))])
            .await
            .expect("noted")
    );
    assert!(
        !db.store
            .deliver(&id, &Delivery::new("b", None))
            .await
            .expect("asked"),
        "it was delivered before the reorg"
    );
}

async fn a_final_settlement_stays(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (id, mined) = db.settled(&lease, 0, "key").await;
    let was = db
        .store
        .oldest_not_final(&network())
        .await
        .expect("read")
        .remove(0);
    assert_eq!(was.block, mined.block);
    db.store.finalise(&was).await.expect("asked");
    db.store.unmined(&was).await.expect("asked");
    let Stage::Settled { proof, .. } = db.stage(&id).await else {
        panic!("a final settlement was reopened")
    };
    assert!(proof.is_final);
    assert!(
        db.store
            .oldest_not_final(&network())
            .await
            .expect("read")
            .is_empty()
    );
}

async fn one_log_proves_one_payment(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (_, first) = db.settled(&lease, 0, "one").await;
    let id = db.enqueue("two").await;
    let Submitted::Stored(transaction_id) = db.submit(&lease, 1, &[&id]).await else {
        panic!("not stored")
    };
    let refused = db
        .store
        .mined(
            &mined(&transaction_id, 1),
            &[(id.clone(), settled(&first, 0))],
        )
        .await;
    assert!(matches!(refused, Err(Error::Database(_))));
    assert!(matches!(db.stage(&id).await, Stage::Submitted { .. }));
}

async fn a_requeued_payment_goes_alone(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let id = db.enqueue("key").await;
    let Submitted::Stored(transaction_id) = db.submit(&lease, 0, &[&id]).await else {
        panic!("not stored")
    };
    let deadline = db.clock.now().plus(Duration::from_secs(99));
    let verdicts = [(id.clone(), Verdict::Requeue { deadline })];
    assert!(
        db.store
            .replaced(&transaction_id, &verdicts)
            .await
            .expect("noted")
    );
    let row = db.store.get(&id).await.expect("read").expect("there");
    assert_eq!(
        (row.stage, row.batchable, row.deadline),
        (
            Stage::Queued {
                earlier: Some("0xhash0".to_owned())
            },
            false,
            deadline.0
        )
    );
    assert!(matches!(
        db.submit(&lease, 1, &[&id]).await,
        Submitted::Stored(_)
    ));
}

async fn gas_is_booked_once_per_receipt(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (id, mined) = db.settled(&lease, 0, "one").await;
    db.store
        .mined(&mined, &[(id, settled(&mined, 0))])
        .await
        .expect("asked");
    db.settled(&lease, 1, "two").await;
    assert_eq!(
        db.store
            .spent_today(&network(), SIGNER)
            .await
            .expect("read"),
        120_000
    );
    db.clock.advance(Duration::from_hours(24));
    assert_eq!(
        db.store
            .spent_today(&network(), SIGNER)
            .await
            .expect("read"),
        0
    );
}
