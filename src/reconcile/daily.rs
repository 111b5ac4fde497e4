//! The comparison as a task: once per interval, by one of the replicas.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Report, network};
use crate::chain::Witness;
use crate::clock::Clock;
use crate::config::Reconcile;
use crate::observe;
use crate::store::{self, Store};

/// How often a replica looks whether a comparison is due.
const LOOK: Duration = Duration::from_mins(1);

/// Compares every network once per interval.
pub struct Daily {
    pub witnesses: Vec<Arc<dyn Witness>>,
    pub store: Store,
    pub clock: Clock,
    pub config: Reconcile,
}

impl Daily {
    /// Runs until `stop`. A comparison is ended by it: the next one starts anew.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                _ = self.step() => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// One activation: compares the networks that are due and that no other replica has taken.
    pub async fn step(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        for witness in &self.witnesses {
            match self.compare(witness.as_ref()).await {
                Ok(report) => reports.extend(report),
                Err(cause) => observe::store_trouble(&cause),
            }
        }
        reports
    }

    async fn compare(&self, witness: &dyn Witness) -> store::Result<Option<Report>> {
        let name = format!("reconcile:{}", witness.network());
        let every = i64::try_from(self.config.interval.as_millis()).unwrap_or(i64::MAX);
        if !self.store.claim_job(&name, every).await? {
            return Ok(None);
        }
        let report = network(
            witness,
            &self.store,
            &self.clock,
            self.config.window,
            |_| {},
        )
        .await;
        observe::reconciled(&report);
        // What an interrupted comparison did not come to is not cleared.
        if report.interrupted.is_none() {
            self.store
                .note_differences(witness.network(), &report.differences)
                .await?;
        }
        Ok(Some(report))
    }
}
