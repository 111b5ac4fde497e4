//! Whether load balancers should send us requests. Looked up at most once a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::timeout;

use super::Facilitator;
use super::standing::Standing;

const FRESH: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    pub draining: bool,
    pub checks: Vec<Check>,
}

/// One thing that readiness is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `database`, `network <id>` or `lane <network> <signer>`.
    pub name: String,
    pub ok: bool,
    /// For people.
    pub detail: String,
}

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Option<(Instant, Option<Vec<Standing>>)>>);

impl Facilitator {
    /// Ready while the database answers and at least one network can settle: one whose nodes are down must not take the others along. A service
    /// without networks has nothing that could fail.
    pub async fn readiness(&self) -> Readiness {
        self.parts.survey.ready_to_tell().await;
        let standings = self.standings().await;
        let draining = self.parts.draining.is_cancelled();
        let database = Check {
            name: "database".to_owned(),
            ok: standings.is_some(),
            detail: if standings.is_some() {
                "answers".to_owned()
            } else {
                "does not answer".to_owned()
            },
        };
        let can_settle = standings.as_ref().is_some_and(|standings| {
            standings.is_empty() || standings.iter().any(Standing::can_settle)
        });
        let networks = standings.iter().flatten().flat_map(Standing::checks);
        Readiness {
            ready: can_settle && !draining,
            draining,
            checks: std::iter::once(database).chain(networks).collect(),
        }
    }

    /// `None` when the database does not answer.
    pub(super) async fn standings(&self) -> Option<Vec<Standing>> {
        let known = self.readiness.get().clone();
        if let Some((_, standings)) = known.filter(|(at, _)| at.elapsed() < FRESH) {
            return standings;
        }
        let asked = timeout(PATIENCE, self.parts.survey.standings()).await;
        let standings = asked.ok().and_then(Result::ok);
        *self.readiness.get() = Some((Instant::now(), standings.clone()));
        standings
    }
}

impl Cache {
    pub(super) fn forget(&self) {
        *self.get() = None;
    }

    fn get(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Option<Vec<Standing>>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
