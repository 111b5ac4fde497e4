//! A permit and its payment: stored together, and what is known of the permit afterwards.

use x402_facilitator::protocol::Reason;
use x402_facilitator::store::{
    Batched, Carrier, Error, Lease, Mined, NewAttempt, NotFinal, Role, Stage, Submitted, Verdict,
};

use super::{Opened, SIGNER, merchants_permit, mined, network, settled};
use crate::store::{attempt, submission};

on_both_engines! {
    permit_and_payment_are_stored_both_or_neither
    a_permit_has_landed_when_ours_was_executed
    a_permit_has_landed_when_a_batch_was_paid
    a_reorg_of_a_permit_leaves_the_payment_named
    a_permit_carries_no_payment_and_its_payment_is_told
    a_batch_that_failed_for_good_is_never_paid_afterwards
}

/// The ids of permit and payment.
type Pair = [String; 2];

fn signed(nonce: u64) -> [NewAttempt; 2] {
    let permit = NewAttempt {
        role: Role::Permit,
        ..attempt(&format!("0xhash{nonce}"))
    };
    [permit, attempt(&format!("0xhash{}", nonce + 1))]
}

impl Opened {
    /// A session's first batch in the queue.
    async fn first_batch(&self) -> (String, String) {
        let session = self.ready(&merchants_permit(0)).await;
        let asked = self.ask(&session.id, 0, 100, None).await;
        let Batched::Queued(id) = asked else {
            panic!("{asked:?}")
        };
        (session.id, id)
    }

    async fn submit_pair(&self, lease: &Lease, nonce: u64, id: &str) -> Submitted<Pair> {
        let payment = submission(id, &format!("payer of {id}"), "1000");
        let stored = self
            .store
            .submit_with_permit(lease, nonce, signed(nonce), payment);
        stored.await.expect("asked")
    }

    async fn sent_pair(&self, id: &str) -> Pair {
        let lease = self.lease(SIGNER).await;
        let stored = self.submit_pair(&lease, 0, id).await;
        let Submitted::Stored(ids) = stored else {
            panic!("{stored:?}")
        };
        ids
    }

    async fn note(&self, mined: &Mined, verdicts: &[(String, Verdict)]) {
        let noted = self.store.mined(mined, verdicts).await;
        assert!(noted.expect("asked"));
    }

    async fn landed(&self, session: &str) -> bool {
        self.store.permit_landed(session).await.expect("asked")
    }

    async fn take_back(&self, mined: &Mined) {
        let was = NotFinal {
            transaction_id: mined.transaction_id.clone(),
            hash: mined.hash.clone(),
            block: mined.block.clone(),
        };
        self.store.unmined(&was).await.expect("asked");
    }
}

async fn permit_and_payment_are_stored_both_or_neither(db: Opened) {
    let (_, id) = db.first_batch().await;
    let lease = db.lease(SIGNER).await;
    // Neither the second account nonce alone nor a payer without the money takes anything.
    let row = db.store.get(&id).await.expect("read").expect("there");
    let crowded = submission(&id, &row.payer, "99");
    let refused = db.store.submit_with_permit(&lease, 0, signed(0), crowded);
    assert_eq!(
        refused.await.expect("asked"),
        Submitted::Crowded(vec![id.clone()])
    );
    let skipped = submission(&id, &row.payer, "1000");
    let refused = db.store.submit_with_permit(&lease, 1, signed(1), skipped);
    assert!(matches!(refused.await, Err(Error::Fenced)));
    assert_eq!(db.stage(&id).await, Stage::Queued { earlier: None });

    let stored = db.submit_pair(&lease, 0, &id).await;
    assert!(matches!(stored, Submitted::Stored(_)), "{stored:?}");
    let transaction = "0xhash1".to_owned();
    assert_eq!(db.stage(&id).await, Stage::Submitted { transaction });
    let open = db.store.in_flight(&network(), None).await.expect("read");
    let roles: Vec<_> = open
        .iter()
        .map(|open| (open.account_nonce, open.attempts[0].role, open.live_until))
        .collect();
    let until = Some(i64::MAX);
    assert_eq!(
        roles,
        [
            (Some(0), Role::Permit, until),
            (Some(1), Role::Payment, until)
        ]
    );
    let lane = db.store.lane(&network(), SIGNER).await.expect("read");
    assert_eq!(lane.next_nonce, 2);
    let again = db.submit_pair(&lease, 2, &id).await;
    assert_eq!(again, Submitted::Gone(vec![id]));
}

async fn a_permit_has_landed_when_ours_was_executed(db: Opened) {
    let (session, id) = db.first_batch().await;
    assert!(!db.landed(&session).await);
    let [permit, _] = db.sent_pair(&id).await;
    assert!(!db.landed(&session).await, "sent is not executed");

    let reverted = Mined {
        succeeded: false,
        ..mined(&permit, 0)
    };
    db.note(&reverted, &[]).await;
    assert!(!db.landed(&session).await, "somebody else's may have been");
    db.take_back(&reverted).await;

    // The other attempt at its account nonce does nothing.
    let lease = db.lease(SIGNER).await;
    let open = db.store.in_flight(&network(), None).await.expect("read");
    let noop = NewAttempt {
        role: Role::Noop,
        ..attempt("0xnoop")
    };
    let added = db.store.add_attempt(&lease, &open[0], &noop).await;
    assert!(added.expect("asked"));
    let given_up = Mined {
        hash: "0xnoop".to_owned(),
        ..mined(&permit, 0)
    };
    db.note(&given_up, &[]).await;
    assert!(!db.landed(&session).await);
    db.take_back(&given_up).await;

    let executed = mined(&permit, 0);
    db.note(&executed, &[]).await;
    assert!(db.landed(&session).await);
    assert!(!db.landed("another session").await);
    db.take_back(&executed).await;
    assert!(!db.landed(&session).await, "a reorg took it back");
}

async fn a_permit_has_landed_when_a_batch_was_paid(db: Opened) {
    let (session, id) = db.first_batch().await;
    let [permit, payment] = db.sent_pair(&id).await;
    // Somebody sent the permit in between: ours reverts, and the payment pays.
    let reverted = Mined {
        succeeded: false,
        ..mined(&permit, 0)
    };
    db.note(&reverted, &[]).await;
    let paid = mined(&payment, 1);
    db.note(&paid, &[(id, settled(&paid, 0))]).await;
    assert!(db.landed(&session).await);
    db.take_back(&paid).await;
    assert!(!db.landed(&session).await);
}

async fn a_reorg_of_a_permit_leaves_the_payment_named(db: Opened) {
    let (_, id) = db.first_batch().await;
    let [permit, payment] = db.sent_pair(&id).await;
    let together = |nonce| {
        let id = if nonce == 0 { &permit } else { &payment };
        Mined {
            block: mined(id, 0).block,
            ..mined(id, nonce)
        }
    };
    db.note(&together(0), &[]).await;
    let paid = together(1);
    db.note(&paid, &[(id.clone(), settled(&paid, 0))]).await;

    db.take_back(&together(0)).await;
    assert!(matches!(db.stage(&id).await, Stage::Settled { .. }));
    db.take_back(&paid).await;
    let transaction = "0xhash1".to_owned();
    assert_eq!(db.stage(&id).await, Stage::Submitted { transaction });
}

async fn a_permit_carries_no_payment_and_its_payment_is_told(db: Opened) {
    let (_, id) = db.first_batch().await;
    let [permit, payment] = db.sent_pair(&id).await;
    let carried = async |by: &str| {
        let carried = db.store.carried_by(by).await.expect("read");
        carried.len()
    };
    assert_eq!((carried(&permit).await, carried(&payment).await), (0, 1));
    let carriers = async || db.store.carriers(&id).await.expect("read");
    assert_eq!(carriers().await, [Carrier::Open]);
    let unpaid = Mined {
        succeeded: false,
        ..mined(&payment, 1)
    };
    db.note(&unpaid, &[]).await;
    let mined = |is_final| Carrier::Mined {
        hash: unpaid.hash.clone(),
        block: unpaid.block.clone(),
        role: Role::Payment,
        is_final,
    };
    assert_eq!(carriers().await, [mined(false)]);
    let done = NotFinal {
        transaction_id: payment.clone(),
        hash: unpaid.hash.clone(),
        block: unpaid.block.clone(),
    };
    db.store.finalise(&done).await.expect("asked");
    assert_eq!(carriers().await, [mined(true)]);
    // Both hashes find the settlement.
    for hash in ["0xhash0", "0xhash1"] {
        let found = db.store.by_transaction(hash).await.expect("read");
        assert_eq!(found.len(), 1, "{hash}");
    }
}

/// Its amount is free to be charged anew: a late success would be a second one.
async fn a_batch_that_failed_for_good_is_never_paid_afterwards(db: Opened) {
    let (session, id) = db.first_batch().await;
    let [_, payment] = db.sent_pair(&id).await;
    let unpaid = mined(&payment, 1);
    let failed = Verdict::Failed {
        reason: Reason::InvalidTransactionState,
        message: None,
        transaction: Some(unpaid.hash.clone()),
        block: Some(unpaid.block.clone()),
    };
    db.note(&unpaid, &[(id.clone(), failed)]).await;
    assert_eq!(
        db.sums(&session).await[2],
        100,
        "in flight until it is final"
    );
    db.store.finish_failed(&id).await.expect("asked");
    assert_eq!(db.sums(&session).await[2], 0);

    let row = db.store.get(&id).await.expect("read").expect("there");
    let late = settled(&unpaid, 0);
    db.store.conclude(&row, &late).await.expect("asked");

    let stage = db.stage(&id).await;
    assert!(matches!(stage, Stage::Failed { .. }), "{stage:?}");
}
