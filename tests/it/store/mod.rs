//! The store's suite, on SQLite and on Postgres: every guard that money relies on.

use std::time::Duration;

use x402_facilitator::clock::{Clock, UnixMillis};
use x402_facilitator::protocol::{Amount, Network};
use x402_facilitator::secret::Secret;
use x402_facilitator::store::{
    Block, Enqueued, Lease, Mined, NewAttempt, NewSettlement, Role, Stage, Store, Submission,
    Submitted, Verdict,
};

/// Runs one test on both engines.
macro_rules! on_both_engines {
    ($($name:ident)+) => {
        mod on_sqlite { $(#[tokio::test] async fn $name() {
            let scratch = crate::harness::scratch::Folder::new();
            let url = format!("sqlite://{}/store.db", scratch.path().display());
            super::$name(crate::store::open(&url).await).await;
        })+ }
        mod on_postgres { $(#[tokio::test] async fn $name() {
            let url = crate::harness::postgres::database().await;
            super::$name(crate::store::open(&url).await).await;
        })+ }
    };
}

mod access;
mod claims;
mod lanes;
mod operator;
mod outcomes;
mod requests;
mod sessions;

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
            .enqueue(self.payment(key), &[])
            .await
            .expect("enqueued")
        {
            Enqueued::First(id) => id,
            Enqueued::Known => panic!("{key} is known already"),
            Enqueued::UsedUp(quota) => panic!("{quota:?} is used up"),
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
