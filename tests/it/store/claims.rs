//! Who verified a payment first: it keeps others away, for a while, within bounds.

use std::time::Duration;

use futures::future::join_all;
use x402_facilitator::store::NewClaim;

use super::Opened;

on_both_engines! {
    of_many_callers_at_once_one_has_the_payment
    a_claim_runs_out_and_is_taken_over
    a_caller_claims_so_many_payments_of_one_payer_and_no_more
}

impl Opened {
    async fn claim_as(&self, caller: &str, key: &str) -> Option<String> {
        let expires_at = self.clock.now().plus(Duration::from_mins(5));
        let new = NewClaim {
            payment_key: key,
            caller,
            payer: "0xpayer",
            expires_at,
        };
        self.store.claim_payment(&new).await.expect("claimed")
    }

    async fn claimed_by(&self, key: &str) -> Option<String> {
        self.store.claimed_by(key).await.expect("asked")
    }
}

async fn of_many_callers_at_once_one_has_the_payment(db: Opened) {
    assert_eq!(db.claimed_by("key").await, None);
    let callers: Vec<String> = (0..16).map(|i| format!("caller {i}")).collect();
    let told = join_all(callers.iter().map(|caller| db.claim_as(caller, "key"))).await;

    let first = db.claimed_by("key").await;
    assert!(first.is_some());
    assert!(told.iter().all(|told| *told == first), "{told:?}");
    assert_eq!(db.claim_as("latecomer", "key").await, first);
}

async fn a_claim_runs_out_and_is_taken_over(db: Opened) {
    db.claim_as("one", "key").await;
    db.clock.advance(Duration::from_secs(299));
    assert_eq!(db.claim_as("other", "key").await.as_deref(), Some("one"));
    db.clock.advance(Duration::from_secs(1));
    assert_eq!(db.claimed_by("key").await, None);
    assert_eq!(db.claim_as("other", "key").await.as_deref(), Some("other"));
}

async fn a_caller_claims_so_many_payments_of_one_payer_and_no_more(db: Opened) {
    for i in 0..256 {
        let key = format!("key {i}");
        assert_eq!(db.claim_as("one", &key).await.as_deref(), Some("one"));
    }
    assert_eq!(db.claim_as("one", "one too many").await, None);
    assert_eq!(db.claimed_by("one too many").await, None);
    let is_out = db.store.is_claimed_out("one", "0xpayer").await;
    assert!(is_out.expect("asked"));
    // Nobody else is kept from claiming by it.
    let other = db.claim_as("other", "one too many").await;
    assert_eq!(other.as_deref(), Some("other"));
    db.clock.advance(Duration::from_mins(5));
    assert_eq!(db.claim_as("one", "later").await.as_deref(), Some("one"));
}
