//! Delivers what is in the outbox to one receiver, so that a slow one delays nobody else. At least once: a message that was taken while we
//! died before noting it comes again, under the same id.

use std::time::Duration;

use futures::future::join_all;
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Message, SigningSecret};
use crate::clock::Clock;
use crate::config::{WebhookEndpoint, Webhooks};
use crate::egress::Egress;
use crate::observe;
use crate::store::{self, Attempted, Due, Store};

/// Messages under way to one receiver.
const AT_ONCE: i64 = 16;
/// Longest pause between looks at the outbox: what another replica wrote, and what is due again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longest pause between two attempts.
const RETRY_MOST: Duration = Duration::from_hours(6);
/// How much longer than an attempt may take its lease lasts.
const LEASE_SLACK: Duration = Duration::from_secs(15);
/// How long a drain goes on delivering what is due.
const FLUSH: Duration = Duration::from_secs(5);

/// Delivers to one receiver.
pub struct Courier {
    endpoint: WebhookEndpoint,
    signing: Vec<SigningSecret>,
    timeout: Duration,
    max_attempts: i64,
    retry: Duration,
    egress: Egress,
    store: Store,
    clock: Clock,
}

impl Courier {
    pub fn new(
        endpoint: WebhookEndpoint,
        config: &Webhooks,
        egress: Egress,
        store: Store,
        clock: Clock,
    ) -> Self {
        Self {
            endpoint,
            signing: config.signing.clone(),
            timeout: config.timeout,
            max_attempts: config.max_attempts,
            retry: config.retry,
            egress,
            store,
            clock,
        }
    }

    /// Until `stop`; then what is due is still delivered, for a moment.
    pub async fn run(self, stop: CancellationToken) {
        let bell = self.store.webhooks_bell();
        while !stop.is_cancelled() {
            let rung = bell.next();
            if self.deliver_logged().await > 0 {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = rung => {}
                () = sleep(self.retry.min(LOOK_EVERY)) => {}
            }
        }
        let flushed = timeout(FLUSH, async { while self.deliver_logged().await > 0 {} });
        // What is left waits for the next start, or for another replica.
        flushed.await.ok();
    }

    async fn deliver_logged(&self) -> usize {
        self.deliver().await.unwrap_or_else(|cause| {
            observe::store_trouble(&cause);
            0
        })
    }

    /// One round: everything that is due now, as much as fits. Returns how many messages were tried.
    pub async fn deliver(&self) -> store::Result<usize> {
        let lease = self.timeout.saturating_add(LEASE_SLACK);
        let endpoint = &self.endpoint.id;
        let due = self.store.lease_webhooks(endpoint, AT_ONCE, lease).await?;
        let done = join_all(due.iter().map(|due| self.attempt(due))).await;
        done.into_iter().collect::<store::Result<Vec<()>>>()?;
        Ok(due.len())
    }

    async fn attempt(&self, due: &Due) -> store::Result<()> {
        let attempted = self.post(due).await;
        // What is told is on record already.
        self.store.note_webhook(due, &attempted).await?;
        let (endpoint, id, attempts) = (&self.endpoint.id, &due.message_id, due.attempts);
        match &attempted {
            Attempted::Delivered => observe::webhook_delivered(endpoint, id, attempts),
            Attempted::Again { problem, .. } => {
                observe::webhook_failed(endpoint, id, attempts, problem);
            }
            Attempted::Dead { problem } => observe::webhook_dead(endpoint, id, attempts, problem),
        }
        Ok(())
    }

    async fn post(&self, due: &Due) -> Attempted {
        let message = Message {
            id: &due.message_id,
            body: &due.body,
        };
        let headers = message.headers(&self.signing, self.clock.now());
        let url = &self.endpoint.url;
        let answer = self
            .egress
            .post(url, &headers, due.body.clone(), self.timeout)
            .await;
        let problem = match answer {
            Ok(answer) if (200..300).contains(&answer.status) => return Attempted::Delivered,
            // The receiver is gone for good, by the specification.
            Ok(answer) if answer.status == 410 => {
                let problem = "HTTP 410".to_owned();
                return Attempted::Dead { problem };
            }
            Ok(answer) => format!("HTTP {}", answer.status),
            Err(failure) => failure.to_string(),
        };
        if due.attempts >= self.max_attempts {
            return Attempted::Dead { problem };
        }
        let after = pause(self.retry, due);
        Attempted::Again { after, problem }
    }
}

/// Doubles with every failure, up to a bound, and lies somewhere in the upper half of that: receivers that come back are not met by all that
/// they missed at once. Where in it is told by the message's own id, so that no randomness is needed.
fn pause(first: Duration, due: &Due) -> Duration {
    let doublings = u32::try_from(due.attempts.clamp(1, 32) - 1).unwrap_or(0);
    let whole = first
        .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
        .min(RETRY_MOST);
    let digest = Sha256::digest(format!("{} {}", due.id, due.attempts));
    let share = u32::from(digest[0]);
    whole / 2 + whole / 512 * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(id: &str, attempts: i64) -> Due {
        Due {
            id: id.to_owned(),
            message_id: "msg_1".to_owned(),
            body: "{}".to_owned(),
            attempts,
        }
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        let first = Duration::from_secs(8);
        for (attempts, whole) in [(1, 8), (2, 16), (5, 128), (20, 21_600), (100, 21_600)] {
            let pause = pause(first, &due("a", attempts));
            let whole = Duration::from_secs(whole);
            assert!(
                whole / 2 <= pause && pause <= whole,
                "{attempts}: {pause:?}"
            );
        }
        assert_ne!(pause(first, &due("a", 1)), pause(first, &due("b", 1)));
    }
}
