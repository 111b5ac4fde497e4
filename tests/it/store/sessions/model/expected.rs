//! What the account must be: sums in plain integers, without a database.

use super::super::{CAP, Sums};
use super::decide::Act;

/// Seconds that a hold lasts.
const HOLD: i64 = super::HOLD.as_secs().cast_signed();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Closing,
    Closed,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Queued,
    Sent,
    Settled,
    SettledFinal,
    Failed,
    FailedFinal,
    Released,
}

impl Stage {
    /// The state of the settlement.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "submitted",
            Self::Settled | Self::SettledFinal => "settled",
            Self::Failed | Self::FailedFinal => "failed",
            Self::Released => "released",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    Free,
    Charged(u64),
    Released,
}

/// A hold on record. Times are seconds since the beginning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) amount: u64,
    pub(super) expires: i64,
    pub(super) claim: Claim,
    pub(super) verify_key: Option<u8>,
    pub(super) settle_key: Option<u8>,
}

#[derive(Debug, Clone)]
pub(super) struct Account {
    holds: Vec<Entry>,
    charged: u64,
    opened: i64,
    pub(super) batches: Vec<(u64, Stage)>,
    pub(super) state: State,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    /// Seconds since the beginning.
    pub(super) now: i64,
    /// By permit nonce.
    pub(super) accounts: Vec<Account>,
}

impl Account {
    fn new(now: i64) -> Self {
        Self {
            holds: Vec::new(),
            charged: 0,
            opened: now,
            batches: Vec::new(),
            state: State::Open,
        }
    }

    pub(super) fn sums(&self) -> Sums {
        let free = self.holds.iter().filter(|hold| hold.claim == Claim::Free);
        let held = free.map(|hold| hold.amount).sum();
        let sum = |fits: fn(Stage) -> bool| -> u64 {
            let batches = self.batches.iter().filter(|batch| fits(batch.1));
            batches.map(|batch| batch.0).sum()
        };
        let settled = sum(|s| matches!(s, Stage::Settled | Stage::SettledFinal));
        let in_flight = sum(|s| matches!(s, Stage::Queued | Stage::Sent | Stage::Failed));
        [held, self.charged - settled - in_flight, in_flight, settled]
    }

    /// Its holds, sorted.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut entries = self.holds.clone();
        entries.sort_unstable();
        entries
    }

    fn is_in_flight(&self) -> bool {
        let mut stages = self.batches.iter().map(|batch| batch.1);
        stages.any(|s| matches!(s, Stage::Queued | Stage::Sent | Stage::Failed))
    }

    fn is_done(&self) -> bool {
        let [held, pending, in_flight, _] = self.sums();
        held + pending + in_flight == 0 && !self.is_in_flight()
    }

    fn remaining(&self) -> u64 {
        CAP - self.sums().iter().sum::<u64>()
    }

    fn end_expired(&mut self, now: i64) {
        for hold in &mut self.holds {
            if hold.claim == Claim::Free && hold.expires <= now {
                hold.claim = Claim::Released;
            }
        }
    }

    fn hold(&mut self, now: i64, amount: u64, key: Option<u8>) -> &'static str {
        self.end_expired(now);
        let before = (self.holds.iter()).position(|hold| key.is_some() && hold.verify_key == key);
        if let Some(before) = before.map(|at| &self.holds[at]) {
            if before.amount != amount {
                return "key reused";
            }
            if before.claim != Claim::Released {
                return "repeated";
            }
        }
        if self.state != State::Open {
            return "closed";
        }
        if amount > self.remaining() {
            return "exhausted";
        }
        let expires = now + HOLD;
        match before {
            Some(at) => {
                self.holds[at].claim = Claim::Free;
                self.holds[at].expires = expires;
            }
            None => self.holds.push(Entry {
                amount,
                expires,
                claim: Claim::Free,
                verify_key: key,
                settle_key: None,
            }),
        }
        "done"
    }

    fn charge(&mut self, now: i64, amount: u64, key: Option<u8>, tracks: bool) -> &'static str {
        self.end_expired(now);
        let mut before = self
            .holds
            .iter()
            .filter(|hold| key.is_some() && hold.settle_key == key);
        if let Some(before) = before.next() {
            return match before.claim {
                Claim::Charged(charged) if charged == amount => "repeated",
                Claim::Free | Claim::Charged(_) | Claim::Released => "key reused",
            };
        }
        if self.state == State::Closed {
            return "closed";
        }
        let free = |hold: &&mut Entry| hold.claim == Claim::Free && hold.amount >= amount;
        let best = (self.holds.iter_mut().filter(free)).min_by_key(|h| (h.amount, h.expires));
        if let Some(hold) = best {
            hold.claim = Claim::Charged(amount);
            hold.settle_key = key;
        } else if !tracks {
            let has_free = self.holds.iter().any(|hold| hold.claim == Claim::Free);
            return if has_free { "too much" } else { "no hold" };
        } else if self.state != State::Open {
            return "closed";
        } else if amount > self.remaining() {
            return "exhausted";
        } else {
            self.holds.push(Entry {
                amount,
                expires: now,
                claim: Claim::Charged(amount),
                verify_key: None,
                settle_key: key,
            });
        }
        self.charged += amount;
        "done"
    }

    fn batch(&mut self, sequence: usize, amount: u64) -> &'static str {
        if self.is_in_flight() {
            return "in flight";
        }
        if sequence != self.batches.len() || amount == 0 || amount > self.sums()[1] {
            return "moved";
        }
        self.batches.push((amount, Stage::Queued));
        "done"
    }

    fn close(&mut self) -> &'static str {
        self.state = match self.state {
            _ if self.is_done() => State::Closed,
            State::Open | State::Closing => State::Closing,
            State::Closed => State::Closed,
            State::Failed => State::Failed,
        };
        "done"
    }

    /// Moves a batch, if it is where the move begins.
    fn move_batch(&mut self, batch: usize, from: &[Stage], to: Stage) -> &'static str {
        let stage = &mut self.batches[batch].1;
        if !from.contains(stage) {
            return "not there";
        }
        *stage = to;
        "done"
    }
}

impl Model {
    /// The next state, and what the caller hears.
    pub(super) fn act(&mut self, act: Act) -> &'static str {
        let now = self.now;
        match act {
            Act::Hold {
                account: at,
                amount,
                key,
            } => self.accounts[at].hold(now, amount, key),
            Act::Charge {
                account: at,
                amount,
                key,
            } => self.accounts[at].charge(now, amount, key, false),
            Act::Track {
                account: at,
                amount,
                key,
            } => self.accounts[at].charge(now, amount, key, true),
            Act::Expire { account: at } => {
                self.accounts[at].end_expired(now);
                "done"
            }
            Act::Fall { account: at } => {
                let account = &mut self.accounts[at];
                if account.state == State::Closed && !account.is_done() && !account.is_in_flight() {
                    account.state = State::Failed;
                }
                "done"
            }
            Act::Batch {
                account: at,
                sequence,
                amount,
            } => self.batch(at, sequence, amount),
            Act::Send { account: at, batch } => {
                self.accounts[at].move_batch(batch, &[Stage::Queued], Stage::Sent)
            }
            Act::Settle { account: at, batch } => {
                self.accounts[at].move_batch(batch, &[Stage::Sent], Stage::Settled)
            }
            Act::Revert { account: at, batch } => {
                self.accounts[at].move_batch(batch, &[Stage::Sent], Stage::Failed)
            }
            Act::Reorg { account: at, batch } => {
                let from = [Stage::Settled, Stage::Failed];
                self.accounts[at].move_batch(batch, &from, Stage::Sent)
            }
            Act::Finalise { account: at, batch } => {
                let account = &mut self.accounts[at];
                let to = if account.batches[batch].1 == Stage::Failed {
                    Stage::FailedFinal
                } else {
                    Stage::SettledFinal
                };
                account.move_batch(batch, &[Stage::Settled, Stage::Failed], to)
            }
            Act::Release { account: at, batch } => {
                self.accounts[at].move_batch(batch, &[Stage::Queued], Stage::Released)
            }
            Act::Close { account: at } => self.accounts[at].close(),
            Act::Open { nonce } => self.open(nonce),
            Act::GiveUp { account: at } => {
                self.accounts[at].state = State::Failed;
                "done"
            }
        }
    }

    /// What is over is paid of no newer permit's allowance.
    fn batch(&mut self, at: usize, sequence: usize, amount: u64) -> &'static str {
        let account = &self.accounts[at];
        let is_over = matches!(account.state, State::Closed | State::Failed);
        let is_newer = |other: &Account| {
            let is_at_work = matches!(other.state, State::Open | State::Closing);
            other.opened > account.opened && (other.charged > 0 || is_at_work)
        };
        let was_replaced = is_over && self.accounts.iter().any(is_newer);
        let is_next = !account.is_in_flight() && sequence == account.batches.len();
        if was_replaced && is_next {
            return "closed";
        }
        self.accounts[at].batch(sequence, amount)
    }

    /// The owner's next permit, which waits for the earlier ones.
    fn open(&mut self, nonce: usize) -> &'static str {
        if nonce < self.accounts.len() {
            return "done";
        }
        let now = self.now;
        let accounts = self.accounts.iter_mut();
        let mut live: Vec<_> = accounts.filter(|a| a.state != State::Closed).collect();
        for account in &mut live {
            account.end_expired(now);
        }
        if live.iter().any(|account| !account.is_done()) {
            return "busy";
        }
        for account in live {
            account.state = State::Closed;
        }
        self.accounts.push(Account::new(self.now));
        "done"
    }
}
