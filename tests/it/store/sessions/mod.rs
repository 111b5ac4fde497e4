//! The account of sessions, on SQLite and on Postgres.

mod calls;
mod model;
mod opening;
mod permits;
mod settling;

use std::time::Duration;

use x402_facilitator::protocol::{Amount, Reason};
use x402_facilitator::store::{
    Batched, Charged, Held, Keeper, NewBatch, NewCharge, NewHold, NewSession, NewSettlement,
    NotFinal, Opened as Answer, Purpose, Session, Source, Submitted, Totals, Unclaimed, Verdict,
};

use super::{Opened, SIGNER, mined, network, settled};

const CAP: u64 = 1000;
const CALLER: &str = "key-1";

/// Held, pending, in flight, settled.
type Sums = [u64; 4];

/// A permit of the owner with this nonce.
fn permit(nonce: u64) -> NewSession {
    NewSession {
        id: format!("session-{nonce}"),
        permit_key: format!("erc2612:84532:0xasset:0xowner:0xspender:{nonce}"),
        fingerprint: format!("digest-{nonce}"),
        network: network(),
        wire_network: "eip155:84532".to_owned(),
        asset: "0xasset".to_owned(),
        owner: "0xowner".to_owned(),
        spender: "0xspender".to_owned(),
        pay_to: "0xpayee".to_owned(),
        caller: CALLER.to_owned(),
        payer: "0xOwner".to_owned(),
        cap: Amount::from(CAP),
        deadline: 1_800_000_000,
        permit: "{}".to_owned(),
        keeper: Keeper::Facilitator,
    }
}

/// The same, with the merchant keeping the account.
fn merchants_permit(nonce: u64) -> NewSession {
    NewSession {
        keeper: Keeper::Merchant,
        ..permit(nonce)
    }
}

impl Opened {
    async fn open(&self, new: &NewSession) -> Answer {
        let opened = self.store.open_session(new, Unclaimed::Release).await;
        opened.expect("asked")
    }

    async fn ready(&self, new: &NewSession) -> Session {
        {
            let answer = self.open(new).await;
            let Answer::Ready(session) = answer else {
                panic!("{answer:?}")
            };
            *session
        }
    }

    /// Holds for a minute.
    async fn hold(&self, id: &str, amount: u64, key: Option<&str>) -> Held {
        let new = NewHold {
            amount: Amount::from(amount),
            expires_at: self.clock.now().plus(Duration::from_mins(1)),
            caller: CALLER,
            key,
        };
        let held = self.store.hold(id, new, Unclaimed::Release).await;
        held.expect("asked").expect("there").1
    }

    async fn charge_as(&self, id: &str, new: NewCharge<'_>) -> Charged {
        let charged = self.store.charge(id, new, Unclaimed::Release).await;
        charged.expect("asked").expect("there").1
    }

    async fn charge(&self, id: &str, amount: u64, key: Option<&str>) -> Charged {
        self.charge_as(id, charge(amount, key, Source::Hold)).await
    }

    async fn track(&self, id: &str, amount: u64) -> Charged {
        self.charge_as(id, charge(amount, None, Source::HoldOrCap))
            .await
    }

    async fn totals(&self, id: &str) -> Totals {
        let account = self.store.session_account(id).await;
        account.expect("read").expect("there").1
    }

    async fn sums(&self, id: &str) -> Sums {
        let totals = self.totals(id).await;
        [
            totals.held,
            totals.pending,
            totals.in_flight,
            totals.settled,
        ]
        .map(units)
    }

    async fn session(&self, id: &str) -> Session {
        let session = self.store.session(id).await;
        session.expect("read").expect("there")
    }

    fn batch(&self, id: &str, sequence: u64, amount: u64) -> NewSettlement {
        NewSettlement {
            amount: Amount::from(amount),
            batchable: false,
            ..self.payment(&format!("session:{id}:{sequence}"))
        }
    }

    async fn enqueue_batch(&self, id: &str, sequence: u64, amount: u64) -> Batched {
        let new = NewBatch {
            session_id: id,
            sequence,
            settlement: self.batch(id, sequence, amount),
            reason: "idle_timeout",
            purpose: Purpose::Pending,
        };
        self.store.enqueue_batch(new, &[]).await.expect("asked")
    }

    async fn ask(&self, id: &str, sequence: u64, amount: u64, key: Option<&str>) -> Batched {
        let new = NewBatch {
            session_id: id,
            sequence,
            settlement: self.batch(id, sequence, amount),
            reason: "asked",
            purpose: Purpose::Asked { key },
        };
        self.store.enqueue_batch(new, &[]).await.expect("asked")
    }

    async fn queued(&self, id: &str, sequence: u64, amount: u64) -> String {
        {
            let answer = self.enqueue_batch(id, sequence, amount).await;
            let Batched::Queued(settlement_id) = answer else {
                panic!("{answer:?}")
            };
            settlement_id
        }
    }

    /// Stores a transaction for a batch; its id.
    async fn sent(&self, nonce: u64, settlement_id: &str) -> String {
        let lease = self.lease(SIGNER).await;
        {
            let answer = self.submit(&lease, nonce, &[settlement_id]).await;
            let Submitted::Stored(transaction_id) = answer else {
                panic!("{answer:?}")
            };
            transaction_id
        }
    }

    async fn paid(&self, nonce: u64, settlement_id: &str) -> NotFinal {
        let mined = mined(&self.sent(nonce, settlement_id).await, nonce);
        let verdict = settled(&mined, nonce);
        let verdicts = [(settlement_id.to_owned(), verdict)];
        assert!(self.store.mined(&mined, &verdicts).await.expect("noted"));
        NotFinal {
            transaction_id: mined.transaction_id,
            hash: mined.hash,
            block: mined.block,
        }
    }

    async fn reverted(&self, nonce: u64, settlement_id: &str) -> NotFinal {
        let mined = mined(&self.sent(nonce, settlement_id).await, nonce);
        let verdict = Verdict::Failed {
            reason: Reason::InvalidExactEvmTransactionFailed,
            message: None,
            transaction: Some(mined.hash.clone()),
            block: Some(mined.block.clone()),
        };
        let verdicts = [(settlement_id.to_owned(), verdict)];
        assert!(self.store.mined(&mined, &verdicts).await.expect("noted"));
        NotFinal {
            transaction_id: mined.transaction_id,
            hash: mined.hash,
            block: mined.block,
        }
    }
}

fn charge(amount: u64, key: Option<&str>, source: Source) -> NewCharge<'_> {
    NewCharge {
        amount: Amount::from(amount),
        caller: CALLER,
        key,
        source,
    }
}

fn units(amount: Amount) -> u64 {
    u64::try_from(amount.units()).expect("small amounts")
}
