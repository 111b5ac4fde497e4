//! The money path: supported, verify, settle, and what is on record.

pub mod answer;
pub mod caller;
mod claim;
mod control;
mod delivery;
pub mod limits;
mod notice;
mod overview;
pub mod policy;
mod readiness;
mod reference;
mod sessions;
mod settle;
mod standing;
mod survey;
pub mod sweeper;
mod timeline;
mod verify;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config;
use crate::hooks::Hooks;
use crate::observe;
use crate::protocol::payment::Purpose;
use crate::protocol::request::Malformed;
use crate::protocol::response::SupportedResponse;
use crate::protocol::{Network, Payment, request};
use crate::scheme::{Registry, Rejection};
use crate::store::{Settlement, Store};

pub use answer::{Answer, Outcome, Verdict};
pub use caller::{Caller, Grant, Scope};
pub use control::{Control, Order};
pub use limits::Limits;
pub use overview::{LaneView, NetworkView, Overview};
pub use policy::Policy;
pub use readiness::{Check, Readiness};
pub use sessions::{LastSettlement, Refused, SessionView, Tracked};
pub use standing::coins;
pub use survey::Survey;
pub use timeline::Timeline;
pub use view::SettlementView;

/// What the money path needs from the rest of the house.
pub struct Parts {
    pub schemes: Registry,
    pub store: Store,
    pub clock: Clock,
    pub hooks: Arc<dyn Hooks>,
    /// What is seen of the networks, for `/readyz`.
    pub survey: Arc<Survey>,
    /// Version 1 names of the networks.
    pub network_names: BTreeMap<String, Network>,
    pub limits: Limits,
    pub policy: Policy,
    pub settle_timeout: Duration,
    /// Who keeps sessions, and when they are settled.
    pub sessions: config::Sessions,
    /// Runs what must outlive a dropped request.
    pub tasks: TaskTracker,
    /// Cancelled when the process drains: nothing new is enqueued from then on.
    pub draining: CancellationToken,
}

/// The service itself, without its doors.
pub struct Facilitator {
    parts: Parts,
    readiness: readiness::Cache,
    /// Room for notices beside the answers.
    notices: Arc<Semaphore>,
    overview: overview::Cache,
}

/// One `/verify` or `/settle` request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub body: &'a [u8],
    pub caller: &'a Caller,
    pub idempotency_key: Option<&'a str>,
}

/// The store could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

impl Facilitator {
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            readiness: readiness::Cache::default(),
            notices: Arc::new(Semaphore::new(notice::AT_ONCE)),
            overview: overview::Cache::default(),
        }
    }

    pub fn supported(&self) -> SupportedResponse {
        self.parts.schemes.supported(self.parts.clock.now())
    }

    /// What is on record under an id, a payment key or a transaction, as far as it is the caller's business.
    pub async fn settlements(
        &self,
        reference: &str,
        caller: &Caller,
    ) -> Result<Vec<SettlementView>, Unavailable> {
        let found = self.look_up(reference).await.map_err(|cause| {
            observe::store_trouble(&cause);
            Unavailable
        })?;
        Ok(found
            .into_iter()
            .filter(|row| caller.may_see(&row.caller, &row.pay_to))
            .map(SettlementView::from)
            .collect())
    }

    async fn look_up(&self, reference: &str) -> crate::store::Result<Vec<Settlement>> {
        if reference.chars().any(char::is_control) {
            return Ok(Vec::new());
        }
        let reference = reference::as_recorded(reference);
        if let Some(one) = self.parts.store.get(&reference).await? {
            return Ok(vec![one]);
        }
        if let Some(one) = self.parts.store.find(&reference).await? {
            return Ok(vec![one]);
        }
        self.parts.store.by_transaction(&reference).await
    }

    /// Lets a request in by the limits. The refusal echoes the network, where one can be read.
    fn admit(
        &self,
        request: Request<'_>,
        kind: limits::Kind,
    ) -> Result<limits::Seat, (String, Rejection)> {
        self.parts
            .limits
            .admit(request.caller, kind)
            .map_err(|rejection| {
                let network = match self.parse(Purpose::Verify, request.body) {
                    Ok(payment) => payment.wire_network,
                    Err(malformed) => malformed.network,
                };
                crate::observe::limited(&network, rejection.reason.as_str());
                (network, rejection)
            })
    }

    fn parse(&self, purpose: Purpose, body: &[u8]) -> Result<Payment, Malformed> {
        let named = |name: &str| self.parts.network_names.get(name).cloned();
        request::parse(purpose, body, named)
    }
}

/// What a payment is about, for metrics.
fn asked(payment: &Payment) -> observe::Asked<'_> {
    observe::Asked {
        network: payment.requirements.network.as_str(),
        scheme: &payment.requirements.scheme,
        asset: &payment.requirements.asset,
    }
}

/// A request that could not be read, as the rejection it is.
fn malformed(malformed: Malformed) -> (String, Rejection) {
    (
        malformed.network,
        Rejection::new(malformed.reason).because(malformed.message),
    )
}
