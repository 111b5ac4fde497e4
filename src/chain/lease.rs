//! How a lane comes to its lease and keeps it. Time is measured on our own monotonic clock, never compared with anybody's wall clock.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::observe;
use crate::protocol::Network;
use crate::store::{self, LaneState, Lease, POLL, Store};

/// A lease whose heartbeat stood still this long on our own clock may be taken.
const LEASE_TTL: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(3);
/// After a database failure.
pub(crate) const DATABASE_RETRY: Duration = Duration::from_secs(1);

/// A lane's place in the database, and who wants it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat<'a> {
    pub(crate) store: &'a Store,
    pub(crate) network: &'a Network,
    pub(crate) signer: &'a str,
    /// Names this process in the lease.
    pub(crate) holder: &'a str,
}

impl Seat<'_> {
    /// Waits until the lane is ours: given back, or its holder's heartbeat stood still for the whole TTL.
    pub(crate) async fn acquire(self) -> Lease {
        let mut seen: Option<(LaneState, Instant)> = None;
        loop {
            match self.try_acquire(&mut seen).await {
                Ok(Some(lease)) => return lease,
                Ok(None) => sleep(POLL).await,
                Err(cause) => {
                    observe::lane_trouble(self.network, self.signer, &cause);
                    sleep(DATABASE_RETRY).await;
                }
            }
        }
    }

    async fn try_acquire(
        &self,
        seen: &mut Option<(LaneState, Instant)>,
    ) -> store::Result<Option<Lease>> {
        let now = self.store.lane(self.network, self.signer).await?;
        let stands_still = match seen {
            Some((before, since))
                if (before.generation, before.heartbeat) == (now.generation, now.heartbeat) =>
            {
                since.elapsed() >= LEASE_TTL
            }
            _ => {
                *seen = Some((now.clone(), Instant::now()));
                false
            }
        };
        // Our own, when the lane starts over: nobody else has this name, and nobody of this name is at work.
        let is_ours = now.holder.as_deref() == Some(self.holder);
        if now.holder.is_some() && !is_ours && !stands_still {
            return Ok(None);
        }
        self.store
            .take_lane(self.network, self.signer, &now, self.holder)
            .await
    }
}

/// Shows life until it cannot; ends only with an error.
pub(crate) async fn heartbeats(store: &Store, lease: &Lease) -> store::Error {
    let mut last = Instant::now();
    loop {
        sleep(HEARTBEAT).await;
        match store.heartbeat(lease).await {
            Ok(()) => last = Instant::now(),
            Err(cause @ store::Error::Fenced) => return cause,
            // Past the TTL somebody else may own the lane: stop working even though the database cannot say so.
            Err(cause) if last.elapsed() >= LEASE_TTL => return cause,
            Err(_) => {}
        }
    }
}
