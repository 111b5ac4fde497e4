//! The life of a payment, for whoever asks "did it settle?".

use super::{Facilitator, SettlementView, Unavailable};
use crate::observe;
use crate::store::{Life, Stage};

/// Most payments of one transaction that are told.
const TOLD: usize = 20;

/// A settlement and everything that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    pub settlement: SettlementView,
    /// What was said when it failed; for people, and possibly somebody else's words.
    pub message: Option<String>,
    pub life: Life,
}

impl Facilitator {
    /// The lives of what is on record under an id, a payment key or a transaction.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn timelines(&self, reference: &str) -> Result<Vec<Timeline>, Unavailable> {
        let trouble = |cause: crate::store::Error| {
            observe::store_trouble(&cause);
            Unavailable
        };
        let found = self.look_up(reference).await.map_err(trouble)?;
        let mut timelines = Vec::with_capacity(found.len().min(TOLD));
        for settlement in found.into_iter().take(TOLD) {
            let life = self
                .parts
                .store
                .life(&settlement.id)
                .await
                .map_err(trouble)?;
            let message = match &settlement.stage {
                Stage::Failed { message, .. } | Stage::Released { message, .. } => message.clone(),
                Stage::Queued { .. }
                | Stage::Submitted { .. }
                | Stage::Settled { .. }
                | Stage::SettledElsewhere { .. }
                | Stage::Expired { .. }
                | Stage::Closed { .. } => None,
            };
            timelines.push(Timeline {
                settlement: settlement.into(),
                message,
                life,
            });
        }
        Ok(timelines)
    }
}
