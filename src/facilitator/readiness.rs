//! Whether load balancers should send us requests. Looked up at most once a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::timeout;

use super::Facilitator;

const FRESH: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    pub draining: bool,
    pub checks: Vec<Check>,
}

/// One thing that readiness depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    pub detail: String,
}

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Option<(Instant, bool)>>);

impl Facilitator {
    pub async fn readiness(&self) -> Readiness {
        let ok = self.database_answers().await;
        let draining = self.parts.draining.is_cancelled();
        let detail = if ok { "answers" } else { "does not answer" };
        let database = Check {
            name: "database".to_owned(),
            ok,
            detail: detail.to_owned(),
        };
        Readiness {
            ready: ok && !draining,
            draining,
            checks: vec![database],
        }
    }

    async fn database_answers(&self) -> bool {
        let known = *self
            .readiness
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((at, ok)) = known.filter(|(at, _)| at.elapsed() < FRESH) {
            let _ = at;
            return ok;
        }
        let ok = matches!(timeout(PATIENCE, self.parts.store.ping()).await, Ok(Ok(())));
        *self
            .readiness
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), ok));
        ok
    }
}
