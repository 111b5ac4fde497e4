//! The store's suite, on SQLite and on Postgres: every guard that money relies on.

use std::time::Duration;

use x402_facilitator::clock::{Clock, UnixMillis};
use x402_facilitator::protocol::{Amount, Network, Reason};
use x402_facilitator::secret::Secret;
use x402_facilitator::store::{
    Block, Delivery, Enqueued, Error, Lease, Mined, NewAttempt, NewSettlement, NotFinal, Role,
    Stage, Store, Submission, Submitted, Verdict,
};

use crate::harness::postgres;
use crate::harness::scratch::Folder;

/// Runs one test on both engines.
macro_rules! on_both_engines {
    ($($name:ident)+) => {
        mod on_sqlite { $(#[tokio::test] async fn $name() {
            let scratch = super::Folder::new();
            super::$name(super::open(&format!("sqlite://{}/store.db", scratch.path().display())).await).await;
        })+ }
        mod on_postgres { $(#[tokio::test] async fn $name() {
            super::$name(super::open(&super::postgres::database().await).await).await;
        })+ }
    };
}

on_both_engines! {
    one_of_many_racing_inserts_with_one_key_is_first
    a_released_payment_frees_its_key_and_keeps_its_history
    release_loses_against_a_stored_transaction
    storing_a_transaction_takes_all_payments_or_none
    a_stolen_lane_cannot_write
    only_one_of_many_thieves_takes_a_lane
    an_account_nonce_is_taken_once
    without_account_nonces_a_signer_has_many_transactions_and_a_thief_none
    a_success_is_delivered_once
    a_delivery_is_given_back_by_nobody_else
    what_a_payer_has_in_flight_never_exceeds_the_balance
    two_payments_of_one_payer_racing_over_one_balance_do_not_both_fit
    a_mined_transaction_is_noted_once
    a_reorg_opens_what_it_took_away
    a_final_settlement_stays
    one_log_proves_one_payment
    a_requeued_payment_goes_alone
    claims_keep_lanes_apart_and_run_out
    a_payment_bound_to_a_signer_is_claimed_by_it_alone
    amounts_up_to_two_to_the_256_survive
    gas_is_booked_once_per_receipt
}

const SIGNER: &str = "0x00000000000000000000000000000000000000aa";

struct Opened {
    store: Store,
    clock: Clock,
}

async fn open(url: &str) -> Opened {
    let clock = Clock::manual(UnixMillis(1_700_000_000_000));
    let store = Store::connect(&Secret::new(url), 8, clock.clone())
        .await
        .expect("the database opens");
    store.migrate().await.expect("the schema is made");
    store
        .migrate()
        .await
        .expect("migrating twice changes nothing");
    Opened { store, clock }
}

fn network() -> Network {
    Network::eip155(84532)
}

impl Opened {
    fn payment(&self, key: &str) -> NewSettlement {
        NewSettlement {
            payment_key: key.to_owned(),
            fingerprint: "f".to_owned(),
            proof: "p".to_owned(),
            caller: "anonymous".to_owned(),
            scheme: "exact".to_owned(),
            network: network(),
            wire_network: "eip155:84532".to_owned(),
            asset: "0xasset".to_owned(),
            payer: format!("payer of {key}"),
            pay_to: "0xpayee".to_owned(),
            amount: Amount::parse("100").expect("an amount"),
            work: "{}".to_owned(),
            expect: "{}".to_owned(),
            required_sender: None,
            batchable: true,
            deadline: self.clock.now().plus(Duration::from_secs(20)),
            expires_at: i64::MAX,
        }
    }

    async fn enqueue(&self, key: &str) -> String {
        match self
            .store
            .enqueue(self.payment(key))
            .await
            .expect("enqueued")
        {
            Enqueued::First(id) => id,
            Enqueued::Known => panic!("{key} is known already"),
        }
    }

    async fn lease(&self, signer: &str) -> Lease {
        let seen = self
            .store
            .lane(&network(), signer)
            .await
            .expect("the lane is read");
        self.store
            .take_lane(&network(), signer, &seen, "test")
            .await
            .expect("asked")
            .expect("the lane is free")
    }

    async fn submit(&self, lease: &Lease, nonce: u64, ids: &[&str]) -> Submitted {
        let payments = ids.iter().map(|id| submission(id, id, "1000000")).collect();
        self.store
            .submit(
                lease,
                Some(nonce),
                attempt(&format!("0xhash{nonce}")),
                payments,
            )
            .await
            .expect("asked")
    }

    async fn stage(&self, id: &str) -> Stage {
        self.store
            .get(id)
            .await
            .expect("read")
            .expect("there")
            .stage
    }

    /// A payment whose transaction was mined and proven; its row and the transaction.
    async fn settled(&self, lease: &Lease, nonce: u64, key: &str) -> (String, Mined) {
        let id = self.enqueue(key).await;
        let Submitted::Stored(transaction_id) = self.submit(lease, nonce, &[&id]).await else {
            panic!("not stored")
        };
        let mined = mined(&transaction_id, nonce);
        assert!(
            self.store
                .mined(&mined, &[(id.clone(), settled(&mined, nonce))])
                .await
                .expect("noted")
        );
        (id, mined)
    }
}

fn submission(id: &str, payer: &str, balance: &str) -> Submission {
    Submission {
        settlement_id: id.to_owned(),
        asset: "0xasset".to_owned(),
        payer: payer.to_owned(),
        balance: Amount::parse(balance).expect("an amount"),
    }
}

fn attempt(hash: &str) -> NewAttempt {
    NewAttempt {
        role: Role::Payment,
        hash: hash.to_owned(),
        raw: vec![1, 2, 3],
        max_fee: 7,
        priority_fee: 1,
    }
}

fn mined(transaction_id: &str, nonce: u64) -> Mined {
    Mined {
        transaction_id: transaction_id.to_owned(),
        hash: format!("0xhash{nonce}"),
        block: Block {
            number: 10 + nonce,
            hash: format!("0xblock{nonce}"),
        },
        succeeded: true,
        gas_used: 60_000,
        gas_price: 1_000_000_000,
        l1_fee: 0,
    }
}

fn settled(mined: &Mined, log_index: u64) -> Verdict {
    Verdict::Settled {
        transaction: mined.hash.clone(),
        block: mined.block.clone(),
        log_index,
    }
}

async fn one_of_many_racing_inserts_with_one_key_is_first(db: Opened) {
    let racers = (0..32).map(|_| db.store.enqueue(db.payment("key")));
    let results = futures::future::join_all(racers).await;
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

async fn a_success_is_delivered_once(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let (id, _) = db.settled(&lease, 0, "key").await;
    let deliveries: Vec<Delivery> = (0..32).map(|_| Delivery::new("caller", None)).collect();
    let told = futures::future::join_all(deliveries.iter().map(|d| db.store.deliver(&id, d))).await;
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

async fn what_a_payer_has_in_flight_never_exceeds_the_balance(db: Opened) {
    let lease = db.lease(SIGNER).await;
    let mut payments = [db.payment("one"), db.payment("two")];
    for payment in &mut payments {
        "payer".clone_into(&mut payment.payer);
    }
    let [one, two] = payments;
    let (Ok(Enqueued::First(one)), Ok(Enqueued::First(two))) =
        (db.store.enqueue(one).await, db.store.enqueue(two).await)
    else {
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
            let Ok(Enqueued::First(id)) = db.store.enqueue(payment).await else {
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
    db.store.enqueue(payment).await.expect("enqueued");
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

async fn amounts_up_to_two_to_the_256_survive(db: Opened) {
    let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let mut payment = db.payment("key");
    payment.amount = Amount::parse(max).expect("an amount");
    db.store.enqueue(payment).await.expect("enqueued");
    let row = db.store.find("key").await.expect("read").expect("there");
    assert_eq!(row.amount.to_string(), max);
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
