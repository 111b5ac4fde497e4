//! What an operator sees beyond what everybody sees, and the few things to do about it.

use std::sync::Arc;

use super::{Facilitator, NetworkView, Overview, Unavailable};
use crate::observe;
use crate::protocol::Network;
use crate::store::{self, ApiKey, Overdue};

/// Payments that wait so long are worth a look, milliseconds.
const OVERDUE: i64 = 120_000;
/// Most that are listed of each kind.
const LISTED: u32 = 50;

/// Everything at once.
#[derive(Debug, Clone)]
pub struct Control {
    pub overview: Arc<Overview>,
    pub overdue: Vec<Overdue>,
    /// Newest first; never the keys themselves.
    pub keys: Vec<ApiKey>,
}

/// What an operator tells a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Pause,
    Resume,
}

impl Facilitator {
    /// # Errors
    /// The database does not answer.
    pub async fn control(&self) -> Result<Control, Unavailable> {
        let overview = self.overview().await?;
        self.look_closer(overview).await.map_err(|cause| {
            observe::store_trouble(&cause);
            Unavailable
        })
    }

    async fn look_closer(&self, overview: Arc<Overview>) -> store::Result<Control> {
        let before = self.parts.clock.now().0 - OVERDUE;
        let mut overdue = Vec::new();
        for network in &overview.networks {
            let of = self.parts.store.overdue(&network.network, before, LISTED);
            overdue.extend(of.await?);
        }
        let keys = self.parts.store.all_keys(LISTED).await?;
        Ok(Control {
            overview,
            overdue,
            keys,
        })
    }

    /// Tells a lane, whichever process holds it. False when there is no such lane.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn order(
        &self,
        order: Order,
        network: &str,
        signer: &str,
    ) -> Result<bool, Unavailable> {
        let done = self.tell(order, network, signer).await;
        // The next look is to show it.
        self.overview.forget();
        self.readiness.forget();
        done.map_err(|cause| {
            observe::store_trouble(&cause);
            Unavailable
        })
    }
    async fn tell(&self, order: Order, network: &str, signer: &str) -> store::Result<bool> {
        let store = &self.parts.store;
        let standings = self.parts.survey.standings().await?;
        let views: Vec<NetworkView> = standings.iter().map(NetworkView::from).collect();
        let of = views.iter().find(|view| view.network == network);
        let is_ours = of.is_some_and(|of| of.lanes.iter().any(|lane| lane.signer == signer));
        let Some(known) = Network::parse(network).filter(|_| is_ours) else {
            return Ok(false);
        };
        // A lane that has only just begun may have no row yet.
        store.lane(&known, signer).await?;
        match order {
            Order::Pause => store.pause_by_operator(network, signer).await,
            Order::Resume => store.resume_by_operator(network, signer).await,
        }
    }
}
