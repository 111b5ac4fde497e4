//! The same operations on the store.

use std::time::Duration;

use proptest::test_runner::TestCaseError;
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use tokio::time::timeout;
use x402_facilitator::protocol::Reason;
use x402_facilitator::store::{
    Batch, Batched, Block, Charged, Held, Lease, Mined, NextAttempt, NotFinal, Opened as Answer,
    Source, Submitted, Unclaimed, Verdict,
};

use super::super::super::{Opened, SIGNER, attempt, network, settled, submission};
use super::super::{charge, permit};
use super::compare::agree;
use super::decide::Act;
use super::expected::Model;
use super::{Manner, Operation};

/// Longest that an operation may take, others in its way included.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct World {
    pub(super) replicas: [Opened; 2],
    /// Reads what no replica tells.
    pub(super) reader: AnyPool,
    lease: Lease,
    pub(super) model: Model,
}

impl World {
    pub(super) async fn new(url: &str) -> Self {
        let replicas = [
            super::super::super::open(url).await,
            super::super::super::open(url).await,
        ];
        let reader = AnyPoolOptions::new().max_connections(1).connect(url).await;
        let lease = replicas[0].lease(SIGNER).await;
        let mut world = Self {
            replicas,
            reader: reader.expect("the database opens"),
            lease,
            model: Model::default(),
        };
        let open = Act::Open { nonce: 0 };
        assert_eq!(world.perform(0, open, 0).await, world.model.act(open));
        world
    }

    /// Compares everything once more.
    pub(super) async fn close(self) -> Result<(), TestCaseError> {
        self.compare_all("at the end").await?;
        self.reader.close().await;
        for replica in self.replicas {
            replica.store.close().await;
        }
        Ok(())
    }

    /// One operation, on the model and on the store; then both must agree.
    pub(super) async fn step(
        &mut self,
        number: usize,
        operation: Operation,
        manner: Manner,
    ) -> Result<(), TestCaseError> {
        if let Operation::Advance { seconds } = operation {
            for replica in &self.replicas {
                replica.clock.advance(Duration::from_secs(seconds));
            }
            self.model.now += seconds.cast_signed();
            return Ok(());
        }
        let Some(act) = self.decide(operation) else {
            return Ok(());
        };
        let context = format!("operation {number}: {act:?}, {manner:?}");
        let nonce = self.next_nonce().await;
        match manner {
            // Its two steps are no one transaction; a crash between them is a history of its own.
            Manner::Crashing { replica, .. } if matches!(act, Act::Finalise { .. }) => {
                self.plainly(replica, act, nonce, &context).await
            }
            Manner::Plainly(replica) => self.plainly(replica, act, nonce, &context).await,
            Manner::Crashing { replica, after } => {
                self.crashing(replica, act, nonce, after, &context).await
            }
            Manner::Twice => self.twice(act, nonce, &context).await,
        }
    }

    async fn plainly(
        &mut self,
        replica: usize,
        act: Act,
        nonce: u64,
        context: &str,
    ) -> Result<(), TestCaseError> {
        let expected = self.model.act(act);
        let heard = self.perform(replica, act, nonce).await;
        agree(context, &heard, &expected)?;
        self.compare(context, act).await
    }

    async fn twice(&mut self, act: Act, nonce: u64, context: &str) -> Result<(), TestCaseError> {
        let mut expected = [self.model.act(act), self.model.act(act)];
        let (one, other) = tokio::join!(self.perform(0, act, nonce), self.perform(1, act, nonce));
        let mut heard = [one, other];
        heard.sort_unstable();
        expected.sort_unstable();
        // Watchers are not told which of them was first.
        if !matches!(act, Act::Reorg { .. } | Act::Finalise { .. }) {
            agree(context, &heard, &expected)?;
        }
        self.compare(context, act).await
    }

    async fn crashing(
        &mut self,
        replica: usize,
        act: Act,
        nonce: u64,
        after: u32,
        context: &str,
    ) -> Result<(), TestCaseError> {
        let survived = {
            let performed = Box::pin(self.perform(replica, act, nonce));
            dropped_after(performed, after).await
        };
        let before = self.model.clone();
        let expected = self.model.act(act);
        if let Some(heard) = survived {
            agree(context, &heard, &expected)?;
            return self.compare(context, act).await;
        }
        self.wait_for_the_dead(replica).await;
        // It happened whole or not at all, and nobody was told: everything that the model knows is compared, or it would take one for the other.
        if self.compare(context, act).await.is_err() {
            self.model = before;
            return self.compare(context, act).await;
        }
        Ok(())
    }

    /// Waits until nothing of a crashed operation can happen any more: its connections are back once what was under way on them was rolled back
    /// or committed. Locks would not do: not every operation locks a session.
    async fn wait_for_the_dead(&self, replica: usize) {
        let store = &self.replicas[replica].store;
        let back = async {
            while store.connections().used > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, back).await.expect("a crash ends");
    }

    async fn next_nonce(&self) -> u64 {
        let lane = self.replicas[0].store.lane(&network(), SIGNER).await;
        lane.expect("read").next_nonce
    }

    /// Carries an operation out; what the caller hears.
    async fn perform(&self, replica: usize, act: Act, nonce: u64) -> &'static str {
        let performed = timeout(
            PATIENCE,
            self.perform_now(&self.replicas[replica], act, nonce),
        );
        performed.await.expect("nobody waits for ever")
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one arm per operation, and what its caller hears"
    )]
    async fn perform_now(&self, db: &Opened, act: Act, nonce: u64) -> &'static str {
        match act {
            Act::Hold {
                account,
                amount,
                key,
            } => {
                let key = key.map(|key| key.to_string());
                match db.hold(&id(account), amount, key.as_deref()).await {
                    Held::Done(_) => "done",
                    Held::Repeated(_) => "repeated",
                    Held::Exhausted => "exhausted",
                    Held::Closed => "closed",
                    Held::KeyReused => "key reused",
                    Held::Crowded => "crowded",
                }
            }
            Act::Charge {
                account,
                amount,
                key,
            } => {
                let key = key.map(|key| key.to_string());
                charged(&db.charge(&id(account), amount, key.as_deref()).await)
            }
            Act::Track {
                account,
                amount,
                key,
            } => {
                let key = key.map(|key| key.to_string());
                let new = charge(amount, key.as_deref(), Source::HoldOrCap);
                charged(&db.charge_as(&id(account), new).await)
            }
            Act::Expire { account } => {
                let id = id(account);
                let ended = db.store.expire_holds(&id, Unclaimed::Release).await;
                ended.expect("asked");
                "done"
            }
            Act::Fall { account } => {
                let id = id(account);
                db.store.note_fallen(&id).await.expect("asked");
                "done"
            }
            Act::Batch {
                account,
                sequence,
                amount,
            } => {
                match db
                    .enqueue_batch(&id(account), sequence as u64, amount)
                    .await
                {
                    Batched::Queued(_) => "done",
                    Batched::InFlight(_) => "in flight",
                    Batched::Moved => "moved",
                    Batched::Exhausted => "exhausted",
                    Batched::Closed => "closed",
                    Batched::UsedUp(_) => "used up",
                }
            }
            Act::Close { account } => {
                db.store.close_session(&id(account)).await.expect("asked");
                "done"
            }
            Act::Open { nonce } => match db.open(&permit(nonce as u64)).await {
                Answer::Ready(_) => "done",
                Answer::Busy(_) => "busy",
                Answer::NonceTaken(_) => "taken",
            },
            Act::GiveUp { account } => {
                let reason = Reason::SettlementCapacityExceeded;
                let id = id(account);
                let noted = db
                    .store
                    .note_batch_failure(&id, None, reason, NextAttempt::Never);
                noted.await.expect("noted");
                "done"
            }
            Act::Send { account, batch }
            | Act::Settle { account, batch }
            | Act::Revert { account, batch }
            | Act::Reorg { account, batch }
            | Act::Finalise { account, batch }
            | Act::Release { account, batch } => {
                let found = db.store.session_account(&id(account)).await.expect("read");
                let batch = found.expect("there").2[batch].clone();
                self.on_chain(db, act, &batch, nonce).await
            }
        }
    }

    async fn on_chain(&self, db: &Opened, act: Act, batch: &Batch, nonce: u64) -> &'static str {
        let settlement_id = &batch.settlement_id;
        if let Act::Release { .. } = act {
            let reason = Reason::SettlementCapacityExceeded;
            let released = db.store.release(settlement_id, reason, None).await;
            return done(released.expect("asked"));
        }
        if let Act::Send { .. } = act {
            let payment = submission(settlement_id, settlement_id, "1000000");
            let attempt = attempt(&format!("0xhash{nonce}"));
            let sent = db
                .store
                .submit(&self.lease, Some(nonce), attempt, vec![payment]);
            return done(matches!(sent.await, Ok(Submitted::Stored(_))));
        }
        let hash = batch.transaction.clone().expect("it was sent");
        let nonce: u64 = hash.trim_start_matches("0xhash").parse().expect("ours");
        let block = Block {
            number: 10 + nonce,
            hash: format!("0xblock{nonce}"),
        };
        if let Act::Settle { .. } | Act::Revert { .. } = act {
            let in_flight = db.store.in_flight(&network(), Some(SIGNER)).await;
            let in_flight = in_flight.expect("read");
            let fits = |attempts: &[x402_facilitator::store::Attempt]| {
                attempts.iter().any(|a| a.hash == hash)
            };
            let Some(open) = in_flight.iter().find(|open| fits(&open.attempts)) else {
                return "not there";
            };
            let mined = Mined {
                block,
                ..super::super::mined(&open.id, nonce)
            };
            let verdict = if matches!(act, Act::Settle { .. }) {
                settled(&mined, nonce)
            } else {
                Verdict::Failed {
                    reason: Reason::InvalidExactEvmTransactionFailed,
                    message: None,
                    transaction: Some(hash),
                    block: Some(mined.block.clone()),
                }
            };
            let noted = db
                .store
                .mined(&mined, &[(settlement_id.clone(), verdict)])
                .await;
            return done(noted.expect("asked"));
        }
        let open = db.store.newest_not_final(&network()).await.expect("read");
        let Some(mined) = open.into_iter().find(|mined| mined.hash == hash) else {
            return "not there";
        };
        self.later(db, act, settlement_id, &mined).await;
        "done"
    }

    /// What a later block does to a mined transaction.
    async fn later(&self, db: &Opened, act: Act, settlement_id: &str, mined: &NotFinal) {
        if let Act::Reorg { .. } = act {
            return db.store.unmined(mined).await.expect("noted");
        }
        db.store.finalise(mined).await.expect("noted");
        db.store.finish_failed(settlement_id).await.expect("noted");
    }
}

pub(super) fn id(account: usize) -> String {
    permit(account as u64).id
}

fn done(happened: bool) -> &'static str {
    if happened { "done" } else { "not there" }
}

fn charged(charged: &Charged) -> &'static str {
    match charged {
        Charged::Done(_) => "done",
        Charged::Repeated(_) => "repeated",
        Charged::NoHold => "no hold",
        Charged::TooMuch(_) => "too much",
        Charged::Exhausted => "exhausted",
        Charged::Closed => "closed",
        Charged::KeyReused => "key reused",
    }
}

/// Polls a future so many times and drops it then, wherever it is.
async fn dropped_after<T>(future: impl Future<Output = T> + Unpin, times: u32) -> Option<T> {
    let mut future = Some(future);
    let mut left = times;
    std::future::poll_fn(move |context| {
        let Some(running) = future.as_mut() else {
            return std::task::Poll::Ready(None);
        };
        match std::pin::Pin::new(running).poll(context) {
            std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
            std::task::Poll::Pending if left == 0 => {
                future = None;
                std::task::Poll::Ready(None)
            }
            std::task::Poll::Pending => {
                left -= 1;
                std::task::Poll::Pending
            }
        }
    })
    .await
}
