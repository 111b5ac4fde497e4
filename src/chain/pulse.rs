//! One network as somebody sees it who only watches: whether its nodes answer, how old its newest block is, what its signers have.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio::sync::watch;

use super::Error;
use super::rpc::{Call, Rpc};
use crate::observe;
use crate::protocol::Network;

/// The questions of one family of chains, and what their answers mean.
pub trait Questions: Send + Sync {
    /// One request: the newest block, and what is asked of every signer.
    fn calls(&self, signers: &[String]) -> Vec<Call>;

    /// # Errors
    /// The newest block is missing. A signer's part that is missing is left out.
    fn read(&self, signers: usize, answers: &[Answer]) -> Result<Reading, Error>;
}

pub(crate) type Answer = Result<Box<RawValue>, Error>;

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Block number, or slot.
    pub head: u64,
    /// The block's own time, unix seconds, where the chain tells it.
    pub head_time: Option<u64>,
    /// What a settlement may cost before any was made: wei, or lamports times a billion.
    pub typical_cost: u128,
    /// In the order of the signers.
    pub signers: Vec<Account>,
}

/// A signer as the chain knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Wei, or lamports times a billion.
    pub balance: Option<u128>,
    pub latest_nonce: Option<u64>,
    pub pending_nonce: Option<u64>,
}

/// What is known of a network.
pub struct Pulse {
    pub network: Network,
    /// Operator-facing name.
    pub name: String,
    /// Addresses as rows name them, in configured order.
    pub signers: Vec<String>,
    /// Most that one signer may spend in a UTC day: wei, or lamports times a billion.
    pub daily_cap: u128,
    pub rpc: Arc<Rpc>,
    pub questions: Box<dyn Questions>,
    pub last: Last,
    /// Whether it was asked at all.
    pub asked: watch::Sender<bool>,
}

/// The last look that found something.
#[derive(Debug, Default)]
pub struct Last(Mutex<Option<Seen>>);

#[derive(Debug, Clone)]
struct Seen {
    reading: Reading,
    /// How old the newest block was then.
    head_age: Duration,
    /// When the head was last seen to move.
    moved_at: Instant,
}

/// What the last look found, for those who show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub head: u64,
    pub head_age: Duration,
    pub typical_cost: u128,
    pub signers: Vec<Account>,
}

impl Pulse {
    /// Asks every read endpoint once, one request each: the one that is only there for bad times must be known to be dead before they come. What
    /// is kept is the word of the first that has one. `now` is unix seconds.
    ///
    /// # Errors
    /// No node could be asked.
    pub async fn look(&self, now: u64) -> Result<(), Error> {
        let calls = self.questions.calls(&self.signers);
        let answers = self.rpc.ask_all(&calls).await;
        self.asked.send_replace(true);
        let mut trouble = Error::Unavailable("no endpoint is configured".to_owned());
        let mut reading = None;
        for answers in answers {
            match answers.and_then(|answers| self.questions.read(self.signers.len(), &answers)) {
                Ok(found) => {
                    reading = Some(found);
                    break;
                }
                Err(cause) => trouble = cause,
            }
        }
        let reading = reading.ok_or(trouble)?;
        let seen = self.keep(reading, now, Instant::now());
        observe::head(&self.network, seen.reading.head, seen.head_age);
        Ok(())
    }

    fn keep(&self, reading: Reading, now: u64, at: Instant) -> Seen {
        let mut last = self.last.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stood_still_since = last
            .as_ref()
            .filter(|before| before.reading.head >= reading.head)
            .map(|before| before.moved_at);
        let moved_at = stood_still_since.unwrap_or(at);
        // A chain that does not tell its time is as old as we saw it stand still.
        let head_age = match reading.head_time {
            Some(time) => Duration::from_secs(now.saturating_sub(time)),
            None => at.duration_since(moved_at),
        };
        let seen = Seen {
            reading,
            head_age,
            moved_at,
        };
        *last = Some(seen.clone());
        seen
    }

    pub fn shown(&self) -> Option<Shown> {
        let last = self.last.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|seen| Shown {
            head: seen.reading.head,
            head_age: seen.head_age,
            typical_cost: seen.reading.typical_cost,
            signers: seen.reading.signers.clone(),
        })
    }

    /// Waits for the end of the first look.
    pub async fn looked(&self) {
        let mut asked = self.asked.subscribe();
        // We hold the sender.
        let _ = asked.wait_for(|asked| *asked).await;
    }

    /// Which read endpoints answer and are on the right chain.
    pub fn up(&self) -> Vec<bool> {
        self.rpc.up()
    }
}

#[cfg(test)]
mod tests;
