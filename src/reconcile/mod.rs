//! Compares the ledger with the chain: by command, and once a day by one of the replicas. It reports every difference and repairs none: what is
//! proven wrong about money is for a person to look at.

mod daily;

use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

use crate::chain::{Trouble, Witness};
use crate::clock::Clock;
use crate::store::{Difference, DifferenceKind, Store};

pub use daily::Daily;

/// Pause between pages, so that a comparison never crowds out payments at the nodes.
const PAUSE: Duration = Duration::from_millis(100);

/// What a comparison of one network found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub network: String,
    pub settled: usize,
    pub expired: usize,
    pub transactions: usize,
    pub signers: usize,
    pub differences: Vec<Difference>,
    /// Why it is not complete, where it is not. What was found until then counts.
    pub interrupted: Option<String>,
}

impl Report {
    /// Compared everything, and everything agrees.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.interrupted.is_none()
    }
}

/// Compares everything of one network that changed in the last `window`. `progress` hears of every page.
pub async fn network(
    witness: &dyn Witness,
    store: &Store,
    clock: &Clock,
    window: Duration,
    mut progress: impl FnMut(&Report) + Send,
) -> Report {
    let mut report = Report {
        network: witness.network().to_string(),
        ..Report::default()
    };
    let mut comparison = Comparison {
        witness,
        store,
        since: crate::clock::UnixMillis(
            clock
                .now()
                .0
                .saturating_sub(i64::try_from(window.as_millis()).unwrap_or(i64::MAX)),
        ),
        report: &mut report,
        progress: &mut progress,
    };
    if let Err(trouble) = comparison.run().await {
        report.interrupted = Some(trouble.to_string());
    }
    report
}

struct Comparison<'a> {
    witness: &'a dyn Witness,
    store: &'a Store,
    since: crate::clock::UnixMillis,
    report: &'a mut Report,
    progress: &'a mut (dyn FnMut(&Report) + Send),
}

impl Comparison<'_> {
    async fn run(&mut self) -> Result<(), Trouble> {
        self.settled().await?;
        self.expired().await?;
        self.transactions().await?;
        self.signers().await
    }

    async fn settled(&mut self) -> Result<(), Trouble> {
        let mut after = String::new();
        loop {
            let network = self.witness.network();
            let rows = self
                .store
                .final_settled(network, self.since, &after)
                .await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after.clone_from(&last.id);
            let found = self.witness.settled(&rows).await?;
            self.report.settled += rows.len();
            self.found(found).await;
        }
    }

    async fn expired(&mut self) -> Result<(), Trouble> {
        let mut after = String::new();
        loop {
            let network = self.witness.network();
            let rows = self.store.expired(network, self.since, &after).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after.clone_from(&last.id);
            let found = self.witness.expired(&rows).await?;
            self.report.expired += rows.len();
            self.found(found).await;
        }
    }

    async fn transactions(&mut self) -> Result<(), Trouble> {
        let mut after = String::new();
        loop {
            let network = self.witness.network();
            let rows = self
                .store
                .final_transactions(network, self.since, &after)
                .await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after.clone_from(&last.id);
            let found = self.witness.transactions(&rows).await?;
            self.report.transactions += rows.len();
            self.found(found).await;
        }
    }

    async fn signers(&mut self) -> Result<(), Trouble> {
        for spent in self.store.spent(self.witness.network()).await? {
            let mut found = self.witness.signer(&spent.signer).await?;
            if spent.booked != spent.cost {
                let detail = format!(
                    "{} billionths are booked over the days, the transactions cost {}",
                    spent.booked, spent.cost
                );
                found.push(Difference {
                    kind: DifferenceKind::SpendingDiffers,
                    subject: spent.signer,
                    detail,
                });
            }
            self.report.signers += 1;
            self.found(found).await;
        }
        Ok(())
    }

    async fn found(&mut self, found: Vec<Difference>) {
        self.report.differences.extend(found);
        (self.progress)(self.report);
        sleep(PAUSE).await;
    }
}
