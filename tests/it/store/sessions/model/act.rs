//! The same operations on the store, and the comparison.

use std::time::Duration;

use proptest::test_runner::TestCaseError;
use tokio::time::timeout;
use x402_facilitator::protocol::Reason;
use x402_facilitator::store::{
    Batch, Batched, Block, Charged, Held, Lease, Mined, NextAttempt, NotFinal, Opened as Answer,
    SessionState, Source, Submitted, Unclaimed, Verdict,
};

use super::super::super::{Opened, SIGNER, attempt, network, settled, submission};
use super::super::{charge, permit, units};
use super::expected::{Act, Model, Stage, State};
use super::{Manner, Operation};

/// Longest that an operation may take, others in its way included.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct World {
    replicas: [Opened; 2],
    lease: Lease,
    model: Model,
}

impl World {
    pub(super) async fn new(replicas: [Opened; 2]) -> Self {
        let lease = replicas[0].lease(SIGNER).await;
        let mut world = Self {
            replicas,
            lease,
            model: Model::default(),
        };
        let open = Act::Open { nonce: 0 };
        assert_eq!(world.perform(0, open, 0).await, world.model.act(open));
        world
    }

    /// Compares everything once more.
    pub(super) async fn close(self) -> Result<(), TestCaseError> {
        for account in 0..self.model.accounts.len() {
            self.compare("at the end", account).await?;
        }
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
        self.compare(context, act.account()).await
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
        self.compare(context, act.account()).await
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
            return self.compare(context, act.account()).await;
        }
        self.wait_for_the_dead().await;
        // It happened whole or not at all, and nobody was told.
        if self.compare(context, act.account()).await.is_err() {
            self.model = before;
            return self.compare(context, act.account()).await;
        }
        Ok(())
    }

    /// What a crashed operation left behind holds its locks until it is rolled back or committed.
    async fn wait_for_the_dead(&self) {
        for nonce in 0..self.model.accounts.len() {
            let id = permit(nonce as u64).id;
            let noted = self.replicas[0].store.note_permit_seen(&id).await;
            noted.expect("the locks are free again");
        }
    }

    /// The touched account, and the newest two.
    async fn compare(&self, context: &str, touched: usize) -> Result<(), TestCaseError> {
        let newest = self.model.accounts.len().saturating_sub(2);
        for (nonce, expected) in self.model.accounts.iter().enumerate() {
            if nonce != touched && nonce < newest {
                continue;
            }
            let id = permit(nonce as u64).id;
            let read = self.replicas[1].store.session_account(&id).await;
            let Some((session, totals, batches)) = read.expect("the account adds up") else {
                return agree(context, &"no session", &"a session");
            };
            let sums = [
                totals.held,
                totals.pending,
                totals.in_flight,
                totals.settled,
            ];
            let sums = sums.map(units);
            let whole: u64 = sums.iter().sum();
            agree(context, &(whole <= units(session.cap)), &true)?;
            let state = match session.state {
                SessionState::Open => State::Open,
                SessionState::Closing => State::Closing,
                SessionState::Closed => State::Closed,
                SessionState::Failed => State::Failed,
            };
            let stages = batches.iter().map(|batch| batch.state.as_str());
            let found = (sums, state, stages.collect::<Vec<_>>());
            let stages = expected.batches.iter().map(|batch| batch.1.name());
            let wanted = (expected.sums(), expected.state, stages.collect());
            agree(context, &found, &wanted)?;
        }
        let one_more = permit(self.model.accounts.len() as u64);
        let ahead = self.replicas[1].store.session(&one_more.id).await;
        agree(context, &ahead.expect("read").is_some(), &false)
    }

    /// Fills in what a request would bring along. Calls go to the newest session; the chain takes the oldest batch that fits.
    fn decide(&self, operation: Operation) -> Option<Act> {
        let account = self.model.accounts.len() - 1;
        let newest = &self.model.accounts[account];
        Some(match operation {
            Operation::Advance { .. } => return None,
            Operation::Hold { amount, key } => Act::Hold {
                account,
                amount,
                key,
            },
            Operation::Charge { amount, key } => Act::Charge {
                account,
                amount,
                key,
            },
            Operation::Track { amount, key } => Act::Track {
                account,
                amount,
                key,
            },
            Operation::Expire => {
                let fallen = |account: &usize| {
                    let account = &self.model.accounts[*account];
                    account.state == State::Closed && account.sums()[1] > 0
                };
                let account = (0..account).find(fallen).unwrap_or(account);
                Act::Expire { account }
            }
            Operation::Batch { most } => Act::Batch {
                account,
                sequence: newest.batches.len(),
                amount: most.min(newest.sums()[1]),
            },
            Operation::Send => self.oldest(&[Stage::Queued], |account, batch| Act::Send {
                account,
                batch,
            })?,
            Operation::Settle => self.oldest(&[Stage::Sent], |account, batch| Act::Settle {
                account,
                batch,
            })?,
            Operation::Revert => self.oldest(&[Stage::Sent], |account, batch| Act::Revert {
                account,
                batch,
            })?,
            Operation::Reorg => {
                let mined = [Stage::Settled, Stage::Failed];
                self.oldest(&mined, |account, batch| Act::Reorg { account, batch })?
            }
            Operation::Finalise => {
                let mined = [Stage::Settled, Stage::Failed];
                self.oldest(&mined, |account, batch| Act::Finalise { account, batch })?
            }
            Operation::Release => self.oldest(&[Stage::Queued], |account, batch| Act::Release {
                account,
                batch,
            })?,
            Operation::Close => Act::Close { account },
            Operation::Open => Act::Open { nonce: account + 1 },
            Operation::GiveUp if newest.state == State::Closed => return None,
            Operation::GiveUp => Act::GiveUp { account },
        })
    }

    fn oldest(&self, stages: &[Stage], act: impl Fn(usize, usize) -> Act) -> Option<Act> {
        let accounts = self.model.accounts.iter().enumerate();
        let mut fitting = accounts.flat_map(|(account, of)| {
            let batches = of.batches.iter().enumerate();
            let fitting = batches.filter(|(_, batch)| stages.contains(&batch.1));
            fitting.map(move |(batch, _)| (account, batch))
        });
        fitting.next().map(|(account, batch)| act(account, batch))
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

fn id(account: usize) -> String {
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

fn agree<T: PartialEq + std::fmt::Debug>(
    context: &str,
    real: &T,
    expected: &T,
) -> Result<(), TestCaseError> {
    if real == expected {
        return Ok(());
    }
    Err(TestCaseError::fail(format!(
        "{context}: {real:?} instead of {expected:?}"
    )))
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
