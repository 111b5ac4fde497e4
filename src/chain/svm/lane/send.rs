//! Handing stored bytes to the nodes. The lane does not wait for it: the slowest node would keep every other payment waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;
use serde_json::json;

use super::Lane;
use crate::chain::svm::chain::Chain;
use crate::chain::svm::rpc::Call;
use crate::clock::UnixMillis;
use crate::hooks::Point;
use crate::observe;
use crate::store::InFlight;

/// Rounds of sending under way at once. Each ends when its nodes have answered or timed out; what finds no room is due again a step later.
const SENDS_MAX: usize = 32;
/// How often the same bytes are sent again.
const RESEND: Duration = Duration::from_secs(2);
/// Longer than a blockhash lives: from then on only the proof is waited for.
const STALE: Duration = Duration::from_mins(3);
const RESEND_STALE: Duration = Duration::from_secs(30);

/// A transaction that is being sent: its row, and its id on the chain.
struct Handed {
    row: String,
    hash: String,
}

impl Lane {
    /// Sends again what has been silent for a while; nodes forget, and leaders drop.
    pub(super) fn tend(&mut self) {
        let now = self.chain.clock.now();
        let is_due = |transaction: &&InFlight| {
            let sent = self.sent.get(&transaction.id);
            sent.is_none_or(|at| at.elapsed() >= patience(transaction, now))
        };
        let due: Vec<InFlight> = self.open.iter().filter(is_due).cloned().collect();
        self.send(&due);
    }

    /// Starts to send stored bytes everywhere.
    pub(super) fn send(&mut self, transactions: &[InFlight]) {
        while let Some(ended) = self.sends.try_join_next() {
            unharmed(ended);
        }
        if self.sends.len() >= SENDS_MAX {
            return;
        }
        let (mut handed, mut calls) = (Vec::new(), Vec::new());
        for transaction in transactions {
            let Some(attempt) = transaction.attempts.last() else {
                continue;
            };
            self.sent.insert(transaction.id.clone(), Instant::now());
            calls.push(send_call(&attempt.raw));
            handed.push(Handed {
                row: transaction.id.clone(),
                hash: attempt.hash.clone(),
            });
        }
        if !calls.is_empty() {
            self.sends
                .spawn(hand_over(Arc::clone(&self.chain), handed, calls));
        }
    }

    /// Waits for what is being sent; a node's time limit ends that too.
    pub(super) async fn finish_sends(&mut self) {
        while let Some(ended) = self.sends.join_next().await {
            unharmed(ended);
        }
    }
}

/// A panic in there is one of the lane.
fn unharmed(ended: Result<(), tokio::task::JoinError>) {
    if let Err(cause) = ended
        && cause.is_panic()
    {
        std::panic::resume_unwind(cause.into_panic());
    }
}

/// Sends to every node at once. What nodes say decides nothing: a refusal may hide an acceptance, and the watcher sees what lands.
async fn hand_over(chain: Arc<Chain>, handed: Vec<Handed>, calls: Vec<Call>) {
    let network = &chain.config.network;
    let mut nodes = chain.rpc.send_each::<String>(&calls);
    let mut waiting: Vec<&Handed> = handed.iter().collect();
    let mut refusals = Vec::new();
    while let Some(answers) = nodes.next().await {
        for (handed, answer) in handed.iter().zip(answers) {
            let hash = &handed.hash;
            match answer {
                Ok(theirs) => {
                    if theirs != *hash {
                        observe::foreign_hash(network, hash, &theirs);
                    }
                    if let Some(first) = waiting.iter().position(|it| it.row == handed.row) {
                        waiting.remove(first);
                        observe::handed_over(network, hash, &[Ok(theirs)]);
                        note_sent(&chain, handed).await;
                    }
                }
                Err(cause) => refusals.push((&handed.row, cause)),
            }
        }
    }
    for handed in waiting {
        let why = refusals.iter().find(|(row, _)| **row == handed.row);
        let why: Vec<Result<String, _>> = why
            .map(|(_, cause)| Err(cause.clone()))
            .into_iter()
            .collect();
        observe::handed_over(network, &handed.hash, &why);
        note_sent(&chain, handed).await;
    }
}

/// Some node has the bytes, or may have. Only the log tells that it could not be noted: the watcher asks for what is not noted as well.
async fn note_sent(chain: &Chain, handed: &Handed) {
    let noted = chain.store.note_sent(&chain.config.network, &handed.row);
    if let Err(cause) = noted.await {
        observe::store_trouble(&cause);
    }
    chain.hooks.reached(Point::Sent).await;
}

fn patience(transaction: &InFlight, now: UnixMillis) -> Duration {
    let first = transaction.attempts.first();
    let is_stale = first.is_some_and(|first| UnixMillis(first.created_at).until(now) >= STALE);
    if is_stale { RESEND_STALE } else { RESEND }
}

/// Simulated already, and sent again by us: a node's own checks and retries would only hide what became of it.
fn send_call(raw: &[u8]) -> Call {
    let config = json!({"encoding": "base64", "skipPreflight": true, "maxRetries": 0});
    (
        "sendTransaction",
        json!([BASE64_STANDARD.encode(raw), config]),
    )
}
