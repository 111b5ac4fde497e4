//! Messages to receivers of webhooks. What happened and the message about it are one transaction: neither is there without the other.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::row::{Settlement, settlement_columns};
use super::{Result, Store, Verdict, new_id};
use crate::clock::UnixMillis;
use crate::protocol::{Event, Reason};

/// Who is told what. Nothing is written where nobody is told.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Receivers, by the ids that rows have.
    pub endpoints: Vec<String>,
    pub events: Vec<Event>,
}

/// A message that is ours to send until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Of the row.
    pub id: String,
    pub message_id: String,
    pub body: String,
    /// This one counted.
    pub attempts: i64,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    Delivered,
    /// Not taken; again after this pause.
    Again {
        after: Duration,
        problem: String,
    },
    /// Not taken, and given up.
    Dead {
        problem: String,
    },
}

/// How the outbox does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxState {
    pub waiting: i64,
    pub dead: i64,
    /// When the oldest that waits was written, unix milliseconds; `None` when none waits.
    pub oldest: Option<i64>,
}

#[derive(Serialize)]
struct Body<T> {
    r#type: &'static str,
    timestamp: String,
    data: T,
}

/// A payment as receivers see it. Times are unix milliseconds, the amount atomic units.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentNotice<'a> {
    id: &'a str,
    payment_key: &'a str,
    state: &'static str,
    scheme: &'a str,
    network: &'a str,
    asset: &'a str,
    payer: &'a str,
    pay_to: &'a str,
    amount: String,
    transaction: Option<&'a str>,
    reason: Option<&'static str>,
    created_at: i64,
    updated_at: i64,
}

/// An answer that changed nothing on record.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    pub scheme: String,
    pub network: String,
    pub asset: String,
    pub pay_to: String,
    /// Atomic units.
    pub amount: String,
    /// As the payload claims; verified only where the payment was found good.
    pub payer: Option<String>,
    pub reason: Option<&'static str>,
    pub message: Option<String>,
    pub caller: String,
}

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    pub message_id: String,
    pub event: String,
    pub endpoint: String,
    pub attempts: i64,
    pub problem: String,
    /// Unix milliseconds.
    pub created_at: i64,
}

#[derive(Serialize)]
struct SignerNotice<'a> {
    network: &'a str,
    signer: &'a str,
    reason: &'a str,
}

impl Store {
    /// The same store, which writes messages for these.
    #[must_use]
    pub fn with_outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = Arc::new(outbox);
        self
    }

    /// Whether anybody is told of such events.
    pub fn tells(&self, event: Event) -> bool {
        !self.outbox.endpoints.is_empty() && self.outbox.events.contains(&event)
    }

    /// Writes the message about a settlement as it is now, within the transaction that made it so.
    pub(super) async fn tell(
        &self,
        tx: &mut Transaction<'static, Any>,
        event: Event,
        settlement_id: &str,
    ) -> Result<()> {
        if !self.tells(event) && !self.tells(Event::SessionSettled) {
            return Ok(());
        }
        let row = sqlx::query(concat!(
            "select ",
            settlement_columns!(),
            " from settlements where id = $1"
        ))
        .bind(settlement_id)
        .fetch_one(&mut **tx)
        .await?;
        let settlement = Settlement::read(&row)?;
        let is_batch = settlement.payment_key.starts_with("session:");
        let event = if is_batch && event == Event::PaymentSettled {
            Event::SessionSettled
        } else {
            event
        };
        if !self.tells(event) {
            return Ok(());
        }
        self.write(tx, event, Some(settlement_id), payment(&settlement))
            .await
    }

    /// Writes the message about a verdict that moved its settlement.
    pub(super) async fn tell_verdict(
        &self,
        tx: &mut Transaction<'static, Any>,
        verdict: &Verdict,
        settlement_id: &str,
    ) -> Result<()> {
        let event = match verdict {
            Verdict::Settled { .. } => Event::PaymentSettled,
            Verdict::Elsewhere { .. } => Event::PaymentSettledElsewhere,
            Verdict::Failed { .. } => Event::PaymentFailed,
            Verdict::Expired { .. } => Event::PaymentExpired,
            // Back where it was before anybody heard of it: no outcome.
            Verdict::Requeue { .. } => return Ok(()),
        };
        self.tell(tx, event, settlement_id).await
    }

    /// Writes the message about a signer that cannot go on.
    pub(super) async fn tell_signer_low(
        &self,
        tx: &mut Transaction<'static, Any>,
        network: &str,
        signer: &str,
        reason: &str,
    ) -> Result<()> {
        if !self.tells(Event::SignerLow) {
            return Ok(());
        }
        let data = SignerNotice {
            network,
            signer,
            reason,
        };
        self.write(tx, Event::SignerLow, None, data).await
    }

    /// Writes the message about an answer that changed nothing else.
    pub async fn tell_answered(&self, event: Event, answered: Answered) -> Result<()> {
        if !self.tells(event) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        self.write(&mut tx, event, None, answered).await?;
        tx.commit().await?;
        self.ring_webhooks();
        Ok(())
    }

    /// Writes a message for every receiver, within the transaction of what it tells. Sessions tell theirs by this.
    pub(super) async fn write<T: Serialize>(
        &self,
        tx: &mut Transaction<'static, Any>,
        event: Event,
        settlement_id: Option<&str>,
        data: T,
    ) -> Result<()> {
        let now = self.now();
        let body = Body {
            r#type: event.as_str(),
            timestamp: UnixMillis(now).to_rfc3339(),
            data,
        };
        let body = serde_json::to_string(&body).expect("plain data is JSON");
        let message_id = format!("msg_{}", new_id());
        for endpoint in &self.outbox.endpoints {
            sqlx::query(
                "insert into webhooks (id, message_id, endpoint, event, settlement_id, body, state, attempts, due_at, leased_until, \
                 created_at, updated_at) values ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, 0, $7, $7)",
            )
            .bind(new_id())
            .bind(&message_id)
            .bind(endpoint)
            .bind(event.as_str())
            .bind(settlement_id)
            .bind(&body)
            .bind(now)
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }

    /// Takes messages of a receiver that are due, oldest first, to be sent before the lease ends. Nobody else gets them until then.
    pub async fn lease_webhooks(
        &self,
        endpoint: &str,
        most: i64,
        lease: Duration,
    ) -> Result<Vec<Due>> {
        let now = self.clock.now();
        let rows = sqlx::query(
            // The conditions stand twice: Postgres looks at the outer ones again when another replica was first.
            "update webhooks set leased_until = $1, attempts = attempts + 1, updated_at = $2 where state = 'waiting' \
             and due_at <= $2 and leased_until <= $2 and id in (select id from webhooks where endpoint = $3 and state = 'waiting' \
             and due_at <= $2 and leased_until <= $2 order by due_at, id limit $4) returning id, message_id, body, attempts",
        )
        .bind(now.plus(lease).0)
        .bind(now.0)
        .bind(endpoint)
        .bind(most)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read_due).collect()
    }

    /// Notes how an attempt went. One whose lease ran out and whom somebody else overtook changes nothing.
    pub async fn note_webhook(&self, due: &Due, attempted: &Attempted) -> Result<()> {
        let now = self.clock.now();
        let (state, after, problem) = match attempted {
            Attempted::Delivered => ("delivered", Duration::ZERO, None),
            Attempted::Again { after, problem } => ("waiting", *after, Some(problem)),
            Attempted::Dead { problem } => ("dead", Duration::ZERO, Some(problem)),
        };
        // A delivery counts whoever made it; a failure only as long as nobody tried since.
        sqlx::query(
            "update webhooks set state = $1, due_at = $2, leased_until = 0, problem = $3, updated_at = $4 \
             where id = $5 and state = 'waiting' and (attempts = $6 or $1 = 'delivered')",
        )
        .bind(state)
        .bind(now.plus(after).0)
        .bind(problem)
        .bind(now.0)
        .bind(&due.id)
        .bind(due.attempts)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How much waits, and what was given up.
    pub async fn outbox_state(&self) -> Result<OutboxState> {
        let row = sqlx::query(
            "select (select count(*) from webhooks where state = 'waiting') as waiting, \
             (select count(*) from webhooks where state = 'dead') as dead, \
             (select min(created_at) from webhooks where state = 'waiting') as oldest",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(OutboxState {
            waiting: row.try_get("waiting")?,
            dead: row.try_get("dead")?,
            oldest: row.try_get("oldest")?,
        })
    }

    /// Messages that were given up, newest first.
    pub async fn dead_webhooks(&self, most: i64) -> Result<Vec<Dead>> {
        let rows = sqlx::query(
            "select message_id, event, endpoint, attempts, coalesce(problem, '') as problem, created_at from webhooks \
             where state = 'dead' order by created_at desc, id desc limit $1",
        )
        .bind(most)
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &AnyRow| {
            Ok(Dead {
                message_id: row.try_get("message_id")?,
                event: row.try_get("event")?,
                endpoint: row.try_get("endpoint")?,
                attempts: row.try_get("attempts")?,
                problem: row.try_get("problem")?,
                created_at: row.try_get("created_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Gives everything that was given up as many attempts as it had. Returns how many messages that is.
    pub async fn revive_webhooks(&self) -> Result<u64> {
        let revived = sqlx::query(
            "update webhooks set state = 'waiting', attempts = 0, due_at = $1, leased_until = 0, updated_at = $1 where state = 'dead'",
        )
        .bind(self.now())
        .execute(&self.pool)
        .await?;
        Ok(revived.rows_affected())
    }

    /// Forgets messages that ended, and those that wait for a receiver nobody knows any more, after so long.
    pub async fn prune_webhooks(&self, after: Duration) -> Result<()> {
        let millis = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        sqlx::query("delete from webhooks where updated_at < $1")
            .bind(self.now().saturating_sub(millis))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

fn payment(settlement: &Settlement) -> impl Serialize + '_ {
    PaymentNotice {
        id: &settlement.id,
        payment_key: &settlement.payment_key,
        state: settlement.stage.name(),
        scheme: &settlement.scheme,
        network: settlement.network.as_str(),
        asset: &settlement.asset,
        payer: &settlement.payer,
        pay_to: &settlement.pay_to,
        amount: settlement.amount.to_string(),
        transaction: settlement.stage.transaction(),
        reason: settlement.stage.reason().map(Reason::as_str),
        created_at: settlement.created_at,
        updated_at: settlement.updated_at,
    }
}

fn read_due(row: &AnyRow) -> Result<Due> {
    Ok(Due {
        id: row.try_get("id")?,
        message_id: row.try_get("message_id")?,
        body: row.try_get("body")?,
        attempts: row.try_get("attempts")?,
    })
}
