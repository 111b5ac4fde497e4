//! Keys, daily numbers and whose gas it was.

use std::time::Duration;

use x402_facilitator::protocol::Reason;
use x402_facilitator::store::{
    Enqueued, Fees, Mined, NotFinal, Quota, Spenders, Submitted, Verdict, Whose,
};

use super::{Opened, SIGNER, mined, network, settled};

on_both_engines! {
    a_quota_is_taken_whole_or_not_at_all
    one_payment_counts_once_however_often_it_is_queued
    a_quota_is_anothers_tomorrow
    gas_is_booked_for_whoever_caused_it_and_taken_back_by_a_reorg
    gas_of_payments_that_share_a_transaction_is_shared
    what_is_under_way_is_counted
}

fn quota(subject: &str, most: i64) -> Quota {
    let subject = subject.to_owned();
    Quota { subject, most }
}

/// Queues a payment that counts against these; the one that is used up, or nothing.
async fn take(db: &Opened, key: &str, quotas: &[Quota]) -> Option<Quota> {
    match db
        .store
        .enqueue(db.payment(key), quotas)
        .await
        .expect("asked")
    {
        Enqueued::First(_) => None,
        Enqueued::Known => panic!("{key} is known already"),
        Enqueued::UsedUp(quota) => {
            let row = db.store.find(key).await.expect("read");
            assert!(row.is_none(), "refused and queued");
            Some(quota)
        }
    }
}

async fn a_quota_is_taken_whole_or_not_at_all(db: Opened) {
    let both = [quota("caller", 5), quota("payer", 2)];
    let keys: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    let taken = futures::future::join_all(keys.iter().map(|key| take(&db, key, &both))).await;
    let refused: Vec<_> = taken.into_iter().flatten().collect();
    assert_eq!(refused, vec![both[1].clone(); 8]);
    // The eight refused took nothing of the caller's.
    let caller = [quota("caller", 5)];
    for key in ["a", "b", "c"] {
        assert_eq!(take(&db, key, &caller).await, None);
    }
    let used_up = Some(caller[0].clone());
    assert_eq!(db.store.used_up(&caller).await.expect("asked"), used_up);
    assert_eq!(take(&db, "d", &caller).await, used_up);
    let nothing = [quota("nobody", 0)];
    assert_eq!(take(&db, "e", &nothing).await, Some(nothing[0].clone()));
}

async fn one_payment_counts_once_however_often_it_is_queued(db: Opened) {
    let one = [quota("payer", 1)];
    let twins = (0..10).map(|_| db.store.enqueue(db.payment("twin"), &one));
    let twins = futures::future::join_all(twins).await;
    let known = twins.iter().filter(|t| matches!(t, Ok(Enqueued::Known)));
    assert_eq!(known.count(), 9, "{twins:?}");
}

async fn a_quota_is_anothers_tomorrow(db: Opened) {
    let one = [quota("caller", 1)];
    assert_eq!(take(&db, "today", &one).await, None);
    db.clock.advance(Duration::from_hours(24));
    assert_eq!(take(&db, "tomorrow", &one).await, None);
    db.store.prune_quotas(0).await.expect("pruned");
    let used_up = db.store.used_up(&one).await.expect("asked");
    assert_eq!(used_up, Some(one[0].clone()));
}

async fn fees(db: &Opened, payer: &str) -> (Fees, Fees) {
    let network = network();
    let today = db.store.fees_today(Spenders {
        network: &network,
        caller: "anonymous",
        payer,
        pay_to: "0xpayee",
    });
    let today = today.await.expect("read");
    assert_eq!((today.all, today.caller), (today.pay_to, today.pay_to));
    (today.all, today.payer)
}

fn spent(gwei: i64, failed_gwei: i64) -> Fees {
    Fees { gwei, failed_gwei }
}

fn failed(mined: &Mined) -> Verdict {
    Verdict::Failed {
        reason: Reason::InvalidExactEvmTransactionFailed,
        message: None,
        transaction: Some(mined.hash.clone()),
        block: Some(mined.block.clone()),
    }
}

async fn gas_is_booked_for_whoever_caused_it_and_taken_back_by_a_reorg(db: Opened) {
    let lease = db.lease(SIGNER).await;
    db.settled(&lease, 0, "good").await;
    let id = db.enqueue("bad").await;
    let Submitted::Stored(transaction_id) = db.submit(&lease, 1, &[&id]).await else {
        panic!("not stored")
    };
    let receipt = mined(&transaction_id, 1);
    let verdicts = [(id, failed(&receipt))];
    assert!(db.store.mined(&receipt, &verdicts).await.expect("noted"));
    // Another watcher reports the same.
    assert!(!db.store.mined(&receipt, &verdicts).await.expect("asked"));
    assert_eq!(
        fees(&db, "payer of good").await,
        (spent(120_000, 60_000), spent(60_000, 0))
    );
    assert_eq!(fees(&db, "payer of bad").await.1, spent(60_000, 60_000));

    // A reorg tomorrow takes back what was booked today.
    db.clock.advance(Duration::from_hours(24));
    let was = NotFinal {
        transaction_id,
        hash: receipt.hash.clone(),
        block: receipt.block.clone(),
    };
    db.store.unmined(&was).await.expect("asked");
    assert!(db.store.mined(&receipt, &verdicts).await.expect("noted"));
    assert_eq!(
        fees(&db, "payer of bad").await,
        (spent(60_000, 60_000), spent(60_000, 60_000))
    );
    db.store.prune_fees(0).await.expect("pruned");
    assert_eq!(fees(&db, "payer of bad").await.1, spent(60_000, 60_000));
}

async fn gas_of_payments_that_share_a_transaction_is_shared(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let ids = [
        db.enqueue("one").await,
        db.enqueue("two").await,
        db.enqueue("three").await,
    ];
    let named: Vec<&str> = ids.iter().map(String::as_str).collect();
    let Submitted::Stored(transaction_id) = db.submit(&lease, 0, &named).await else {
        panic!("not stored")
    };
    let receipt = Mined {
        gas_used: 100_000,
        ..mined(&transaction_id, 0)
    };
    let verdicts = [
        (ids[0].clone(), settled(&receipt, 0)),
        (ids[1].clone(), settled(&receipt, 1)),
        (ids[2].clone(), failed(&receipt)),
    ];
    assert!(db.store.mined(&receipt, &verdicts).await.expect("noted"));
    assert_eq!(
        fees(&db, "payer of one").await,
        (spent(100_002, 33_334), spent(33_334, 0))
    );
    assert_eq!(fees(&db, "payer of three").await.1, spent(33_334, 33_334));
}

async fn what_is_under_way_is_counted(db: Opened) {
    let lease = db.lease(SIGNER).await;
    db.settled(&lease, 0, "done").await;
    db.enqueue("one").await;
    let id = db.enqueue("two").await;
    db.submit(&lease, 1, &[&id]).await;
    let count = async |most| {
        let whose = Whose {
            network: &network(),
            caller: "anonymous",
            asset: "0xasset",
            payer: "payer of two",
            most,
        };
        let counted = db.store.under_way(whose).await.expect("counted");
        (counted.queued, counted.caller, counted.payer)
    };
    assert_eq!(count(10).await, (1, 2, 1));
    assert_eq!(count(0).await, (1, 1, 1));
}
