//! The outbox itself, on both engines.

use std::time::Duration;

use x402_facilitator::clock::{Clock, UnixMillis};
use x402_facilitator::protocol::{Amount, Event, Network};
use x402_facilitator::secret::Secret;
use x402_facilitator::store::{
    Attempted, Enqueued, NewAttempt, NewSettlement, Outbox, OutboxState, Role, Store, Submission,
    Submitted,
};

const LEASE: Duration = Duration::from_secs(30);
const SIGNER: &str = "0x00000000000000000000000000000000000000aa";

struct Opened {
    store: Store,
    clock: Clock,
}

async fn open(url: &str) -> Opened {
    let clock = Clock::manual(UnixMillis(1_700_000_000_000));
    let store = Store::connect(&Secret::new(url), 8, clock.clone()).await;
    let store = store.expect("the database opens").with_outbox(Outbox {
        endpoints: vec!["one".to_owned(), "other".to_owned()],
        events: Event::ALL.to_vec(),
    });
    store.migrate().await.expect("the schema is made");
    Opened { store, clock }
}

impl Opened {
    /// Makes a payment pending, which is told.
    async fn pending(&self) {
        let network = Network::eip155(84532);
        let new = NewSettlement {
            payment_key: "k".to_owned(),
            fingerprint: "f".to_owned(),
            proof: "p".to_owned(),
            caller: "anonymous".to_owned(),
            scheme: "exact".to_owned(),
            network: network.clone(),
            wire_network: "eip155:84532".to_owned(),
            asset: "0xasset".to_owned(),
            payer: "0xpayer".to_owned(),
            pay_to: "0xpayee".to_owned(),
            amount: Amount::from(100_u64),
            work: "{}".to_owned(),
            expect: "{}".to_owned(),
            required_sender: None,
            batchable: true,
            deadline: self.clock.now().plus(LEASE),
            expires_at: i64::MAX,
        };
        let queued = self.store.enqueue(new, &[]).await.expect("asked");
        let Enqueued::First(settlement_id) = queued else {
            panic!("known already")
        };
        let seen = self.store.lane(&network, SIGNER).await.expect("read");
        let lease = self.store.take_lane(&network, SIGNER, &seen, "test").await;
        let lease = lease.expect("asked").expect("free");
        let attempt = NewAttempt {
            role: Role::Payment,
            hash: "0xhash".to_owned(),
            raw: vec![1],
            max_fee: 7,
            priority_fee: 1,
        };
        let submission = Submission {
            settlement_id,
            asset: "0xasset".to_owned(),
            payer: "0xpayer".to_owned(),
            balance: Amount::from(1000_u64),
        };
        let stored = self
            .store
            .submit(&lease, Some(0), attempt, vec![submission])
            .await;
        assert!(matches!(stored, Ok(Submitted::Stored(_))), "{stored:?}");
    }

    async fn leased(&self, endpoint: &str) -> Vec<x402_facilitator::store::Due> {
        let leased = self.store.lease_webhooks(endpoint, 10, LEASE).await;
        leased.expect("asked")
    }
}

macro_rules! on_both_engines {
    ($($name:ident)+) => {
        mod on_sqlite { $(#[tokio::test] async fn $name() {
            let scratch = crate::harness::scratch::Folder::new();
            let url = format!("sqlite://{}/store.db", scratch.path().display());
            super::$name(super::open(&url).await).await;
        })+ }
        mod on_postgres { $(#[tokio::test] async fn $name() {
            let url = crate::harness::postgres::database().await;
            super::$name(super::open(&url).await).await;
        })+ }
    };
}

on_both_engines! {
    a_message_is_leased_to_one_until_the_lease_ends
    a_failure_waits_its_pause_and_a_late_report_changes_nothing
    what_ended_is_forgotten_after_a_while
}

async fn a_message_is_leased_to_one_until_the_lease_ends(db: Opened) {
    db.pending().await;
    let many = (0..8).map(|_| db.leased("one"));
    let leased: Vec<_> = futures::future::join_all(many).await.concat();
    assert_eq!((leased.len(), leased[0].attempts), (1, 1));
    let other = db.leased("other").await;
    assert_eq!(
        other[0].message_id, leased[0].message_id,
        "one event has one id"
    );
    assert!(db.leased("nobody").await.is_empty());

    db.clock.advance(LEASE);
    let again = db.leased("one").await;
    assert_eq!((again[0].attempts, &again[0].body), (2, &leased[0].body));
    let done = db
        .store
        .note_webhook(&again[0], &Attempted::Delivered)
        .await;
    done.expect("noted");
    db.clock.advance(LEASE);
    assert!(db.leased("one").await.is_empty());
}

async fn a_failure_waits_its_pause_and_a_late_report_changes_nothing(db: Opened) {
    db.pending().await;
    let first = db.leased("one").await.remove(0);
    let failed = Attempted::Again {
        after: Duration::from_mins(1),
        problem: "HTTP 500".to_owned(),
    };
    db.store.note_webhook(&first, &failed).await.expect("noted");
    db.clock.advance(Duration::from_secs(59));
    assert!(db.leased("one").await.is_empty());
    db.clock.advance(Duration::from_secs(1));
    let second = db.leased("one").await.remove(0);
    assert_eq!(second.attempts, 2);
    // Whoever held the first lease comes back: the second attempt is under way.
    let dead = Attempted::Dead {
        problem: "late".to_owned(),
    };
    db.store.note_webhook(&first, &dead).await.expect("noted");
    let state = db.store.outbox_state().await.expect("asked");
    let created = UnixMillis(1_700_000_000_000).0;
    let expected = OutboxState {
        waiting: 2,
        dead: 0,
        oldest: Some(created),
    };
    assert_eq!(state, expected);
    db.store.note_webhook(&second, &dead).await.expect("noted");
    let state = db.store.outbox_state().await.expect("asked");
    assert_eq!((state.waiting, state.dead), (1, 1));
}

async fn what_ended_is_forgotten_after_a_while(db: Opened) {
    db.pending().await;
    let month = Duration::from_hours(24 * 30);
    db.clock.advance(month);
    db.store.prune_webhooks(month).await.expect("pruned");
    let state = db.store.outbox_state().await.expect("asked");
    assert_eq!(state.waiting, 2, "not older than that");
    db.clock.advance(Duration::from_millis(1));
    db.store.prune_webhooks(month).await.expect("pruned");
    let state = db.store.outbox_state().await.expect("asked");
    assert_eq!(state, OutboxState::default());
}
