//! Who owns a signer's account nonce. A lease is held by a heartbeat counter, never by anybody's wall clock.

use sqlx::{Any, Row, Transaction};

use super::transactions::to_i64;
use super::{Error, Result, Store};
use crate::protocol::Network;

/// Proof that a lane was ours when the lease was taken; every write checks that it still is.
#[derive(Debug, Clone)]
pub struct Lease {
    network: Network,
    signer: String,
    generation: i64,
}

impl Lease {
    pub fn network(&self) -> &Network {
        &self.network
    }

    pub fn signer(&self) -> &str {
        &self.signer
    }
}

/// A lane's row as somebody who may want it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneState {
    pub generation: i64,
    /// Counts up while the holder lives.
    pub heartbeat: i64,
    /// `None` when the last holder gave it back.
    pub holder: Option<String>,
    pub next_nonce: u64,
    pub paused: Option<String>,
}

impl Store {
    /// The lane's row, made if there is none.
    pub async fn lane(&self, network: &Network, signer: &str) -> Result<LaneState> {
        sqlx::query(
            "insert into lanes (network, signer, generation, heartbeat, next_nonce) values ($1, $2, 0, 0, 0) on conflict do nothing",
        )
        .bind(network.as_str())
        .bind(signer)
        .execute(&self.pool)
        .await?;
        let row = sqlx::query(
            "select generation, heartbeat, holder, next_nonce, paused from lanes where network = $1 and signer = $2",
        )
        .bind(network.as_str())
        .bind(signer)
        .fetch_one(&self.pool)
        .await?;
        let next_nonce: i64 = row.try_get("next_nonce")?;
        Ok(LaneState {
            generation: row.try_get("generation")?,
            heartbeat: row.try_get("heartbeat")?,
            holder: row.try_get("holder")?,
            next_nonce: u64::try_from(next_nonce).unwrap_or(0),
            paused: row.try_get("paused")?,
        })
    }

    /// Takes the lane exactly as it was seen; `None` when anything about it has moved since.
    pub async fn take_lane(
        &self,
        network: &Network,
        signer: &str,
        seen: &LaneState,
        holder: &str,
    ) -> Result<Option<Lease>> {
        let taken = sqlx::query(
            "update lanes set generation = generation + 1, heartbeat = heartbeat + 1, holder = $1 \
             where network = $2 and signer = $3 and generation = $4 and heartbeat = $5",
        )
        .bind(holder)
        .bind(network.as_str())
        .bind(signer)
        .bind(seen.generation)
        .bind(seen.heartbeat)
        .execute(&self.pool)
        .await?;
        let lease = Lease {
            network: network.clone(),
            signer: signer.to_owned(),
            generation: seen.generation + 1,
        };
        Ok((taken.rows_affected() == 1).then_some(lease))
    }

    /// Shows that the holder lives.
    ///
    /// # Errors
    /// [`Error::Fenced`] when somebody else took the lane.
    pub async fn heartbeat(&self, lease: &Lease) -> Result<()> {
        let beat = sqlx::query(
            "update lanes set heartbeat = heartbeat + 1 where network = $1 and signer = $2 and generation = $3",
        )
        .bind(lease.network.as_str())
        .bind(&lease.signer)
        .bind(lease.generation)
        .execute(&self.pool)
        .await?;
        fenced_unless(beat.rows_affected() == 1)
    }

    /// Gives the lane back, so that the next holder need not wait.
    pub async fn give_back(&self, lease: &Lease) -> Result<()> {
        sqlx::query(
            "update lanes set holder = null where network = $1 and signer = $2 and generation = $3",
        )
        .bind(lease.network.as_str())
        .bind(&lease.signer)
        .bind(lease.generation)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes why the lane sends nothing new, or that it does again.
    ///
    /// # Errors
    /// [`Error::Fenced`] when somebody else took the lane.
    pub async fn pause(&self, lease: &Lease, reason: Option<&str>) -> Result<()> {
        let mut tx = self.begin().await?;
        note_pause(&mut tx, lease, reason).await?;
        Ok(tx.commit().await?)
    }

    /// Notes that the lane sends nothing new because its signer cannot pay, and writes the message about it.
    ///
    /// # Errors
    /// As for [`Store::pause`].
    pub async fn pause_low(&self, lease: &Lease, reason: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        note_pause(&mut tx, lease, Some(reason)).await?;
        let (network, signer) = (lease.network.as_str(), &lease.signer);
        self.tell_signer_low(&mut tx, network, signer, reason)
            .await?;
        tx.commit().await?;
        self.ring_webhooks();
        Ok(())
    }

    /// Keeps a lane from taking on payments until [`Store::resume_by_operator`], whoever holds it. False when there is no such lane.
    pub async fn pause_by_operator(&self, network: &str, signer: &str) -> Result<bool> {
        self.operate(
            "update lanes set paused = case when paused like 'paused by an operator%' then paused \
             else 'paused by an operator' || coalesce(': ' || paused, '') end where network = $1 and signer = $2",
            network,
            signer,
        )
        .await
    }

    /// Lifts an operator's pause and leaves what the lane itself waits for. False when there is no such lane.
    pub async fn resume_by_operator(&self, network: &str, signer: &str) -> Result<bool> {
        let done = self
            .operate(
                "update lanes set paused = case when paused like 'paused by an operator: %' then substr(paused, 24) \
                 when paused = 'paused by an operator' then null else paused end where network = $1 and signer = $2",
                network,
                signer,
            )
            .await?;
        self.ring_queue(network);
        Ok(done)
    }

    async fn operate(&self, update: &'static str, network: &str, signer: &str) -> Result<bool> {
        let done = sqlx::query(update)
            .bind(network)
            .bind(signer)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Moves the next account nonce forward to what the chain says; never back.
    ///
    /// # Errors
    /// [`Error::Fenced`] when somebody else took the lane.
    pub async fn skip_to_nonce(&self, lease: &Lease, next_nonce: u64) -> Result<()> {
        let next_nonce = to_i64(next_nonce)?;
        let moved = sqlx::query(
            "update lanes set next_nonce = case when next_nonce < $1 then $1 else next_nonce end \
             where network = $2 and signer = $3 and generation = $4",
        )
        .bind(next_nonce)
        .bind(lease.network.as_str())
        .bind(&lease.signer)
        .bind(lease.generation)
        .execute(&self.pool)
        .await?;
        fenced_unless(moved.rows_affected() == 1)
    }

    /// Wei spent on gas by the signer in the UTC day of now, in gwei rounded up per transaction.
    pub async fn spent_today(&self, network: &Network, signer: &str) -> Result<i64> {
        let row = sqlx::query(
            "select gwei from spending where network = $1 and signer = $2 and day = $3",
        )
        .bind(network.as_str())
        .bind(signer)
        .bind(self.today())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| row.try_get("gwei")).transpose()?.unwrap_or(0))
    }

    pub(super) fn today(&self) -> i64 {
        self.now() / 86_400_000
    }

    /// First statement of every lane transaction: holds the lane's row until commit, or aborts.
    pub(super) async fn fence(
        &self,
        tx: &mut Transaction<'static, Any>,
        lease: &Lease,
    ) -> Result<()> {
        let ours = sqlx::query(
            "update lanes set heartbeat = heartbeat + 1 where network = $1 and signer = $2 and generation = $3",
        )
        .bind(lease.network.as_str())
        .bind(&lease.signer)
        .bind(lease.generation)
        .execute(&mut **tx)
        .await?;
        fenced_unless(ours.rows_affected() == 1)
    }

    /// Like [`Store::fence`], and takes the account nonce, which must be the next one.
    pub(super) async fn take_nonce(
        &self,
        tx: &mut Transaction<'static, Any>,
        lease: &Lease,
        account_nonce: u64,
    ) -> Result<()> {
        let ours = sqlx::query(
            "update lanes set heartbeat = heartbeat + 1, next_nonce = next_nonce + 1 \
             where network = $1 and signer = $2 and generation = $3 and next_nonce = $4",
        )
        .bind(lease.network.as_str())
        .bind(&lease.signer)
        .bind(lease.generation)
        .bind(to_i64(account_nonce)?)
        .execute(&mut **tx)
        .await?;
        fenced_unless(ours.rows_affected() == 1)
    }
}

async fn note_pause(
    tx: &mut Transaction<'static, Any>,
    lease: &Lease,
    reason: Option<&str>,
) -> Result<()> {
    let noted = sqlx::query(
        // An operator's pause is not the lane's to lift; what the lane has to say is said after it.
        "update lanes set paused = case when paused like 'paused by an operator%' \
         then 'paused by an operator' || coalesce(': ' || cast($1 as text), '') else cast($1 as text) end \
         where network = $2 and signer = $3 and generation = $4",
    )
    .bind(reason)
    .bind(lease.network.as_str())
    .bind(&lease.signer)
    .bind(lease.generation)
    .execute(&mut **tx)
    .await?;
    fenced_unless(noted.rows_affected() == 1)
}

fn fenced_unless(ours: bool) -> Result<()> {
    if ours { Ok(()) } else { Err(Error::Fenced) }
}
