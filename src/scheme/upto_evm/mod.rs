//! `upto` on EVM chains: the payer signs a ceiling, the resource server says after the work what it came to. Two dialects share the name, and
//! the payload's shape tells them apart: Permit2 through the x402 proxy (`permit2Authorization`), and ERC-2612 sessions (`authorization`).

mod permit2;
mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy::primitives::Address;
use async_trait::async_trait;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::evm::{Chain, eip2612, wire};
use super::session::Batches;
use super::{Check, Refusal, Rejection, Scheme, Verified};
use crate::clock::{Clock, UnixMillis};
use crate::protocol::payment::{Payment, Version};
use crate::protocol::response::SupportedKind;
use crate::protocol::{Amount, Network, Reason};
use crate::store::{self, Store};

/// The scheme's name on the wire.
const NAME: &str = "upto";

/// The scheme on every network that has something to pay with, and an account of ours that payers can name.
#[derive(Debug)]
pub struct UptoEvm {
    chains: Vec<Arc<Chain>>,
    /// Counts the times that the kinds were asked for.
    turn: AtomicUsize,
    /// Where sessions are kept; without it only Permit2 is spoken.
    sessions: Option<Sessions>,
}

/// What sessions take besides the chains.
#[derive(Debug)]
struct Sessions {
    store: Store,
    clock: Clock,
}

/// The members that tell the dialects apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    permit2_authorization: Option<IgnoredAny>,
    authorization: Option<IgnoredAny>,
}

impl UptoEvm {
    /// A network without an asset that may be paid with is left out, and so is one without a signer.
    pub fn new(chains: Vec<Chain>) -> Self {
        let usable = chains
            .into_iter()
            .filter(|chain| chain.has_assets() && !chain.signers.is_empty());
        Self {
            chains: usable.map(Arc::new).collect(),
            turn: AtomicUsize::new(0),
            sessions: None,
        }
    }

    /// Speaks ERC-2612 sessions as well.
    #[must_use]
    pub fn with_sessions(mut self, store: Store, clock: Clock) -> Self {
        self.sessions = Some(Sessions { store, clock });
        self
    }

    fn chain(&self, network: &Network) -> Option<&Arc<Chain>> {
        let mut chains = self.chains.iter();
        chains.find(|chain| chain.network.network == *network)
    }

    fn dialects(&self) -> &'static [&'static str] {
        match self.sessions {
            Some(_) => &["permit2", "erc2612"],
            None => &["permit2"],
        }
    }
}

#[async_trait]
impl Scheme for UptoEvm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn networks(&self) -> Vec<Network> {
        let networks = self.chains.iter().map(|chain| &chain.network.network);
        networks.cloned().collect()
    }

    fn kinds(&self) -> Vec<SupportedKind> {
        let turn = self.turn.load(Ordering::Relaxed);
        let kind = |chain: &Arc<Chain>| SupportedKind {
            version: Version::V2.number(),
            scheme: NAME,
            network: chain.network.network.to_string(),
            extra: Some(extra(&chain.signers, turn, self.dialects())),
        };
        self.chains.iter().map(kind).collect()
    }

    /// The next account is named: none charges everything while others stand by.
    fn turn(&self, _: UnixMillis) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    fn extensions(&self) -> Vec<&'static str> {
        if self.chains.is_empty() {
            return Vec::new();
        }
        vec![eip2612::EXTENSION]
    }

    fn signers(&self) -> Vec<String> {
        let mut signers: Vec<_> = self.chains.iter().flat_map(|c| c.signers.clone()).collect();
        signers.sort_unstable();
        signers.dedup();
        signers
            .iter()
            .map(|signer| signer.to_checksum(None))
            .collect()
    }

    fn batches(&self) -> Option<&dyn Batches> {
        self.sessions.is_some().then_some(self)
    }

    fn check(&self, payment: &Payment, now: UnixMillis) -> Result<Check, Rejection> {
        let Some(chain) = self.chain(&payment.requirements.network) else {
            return Err(Rejection::new(Reason::InvalidNetwork));
        };
        let shape: Shape = wire::read(&payment.payload)?;
        match (shape.permit2_authorization, shape.authorization) {
            (Some(_), _) => {
                let checked = permit2::check(Arc::clone(chain), payment, now)?;
                Ok(Check::Payment(Box::new(checked)))
            }
            (None, Some(_)) if self.sessions.is_some() => {
                let call = session::check(Arc::clone(chain), payment, now)?;
                Ok(Check::Session(Box::new(call)))
            }
            (None, Some(_) | None) => {
                Err(Rejection::new(Reason::UnsupportedPayloadType).of(String::new()))
            }
        }
    }
}

#[async_trait]
impl Batches for UptoEvm {
    async fn batch(
        &self,
        session: &store::Session,
        amount: Amount,
        sequence: u64,
    ) -> Result<Verified, Refusal> {
        let (Some(chain), Some(sessions)) = (self.chain(&session.network), &self.sessions) else {
            let message = format!("{NAME} is not offered on {} any more", session.network);
            return Err(Refusal::Unavailable(message));
        };
        let landed = sessions.store.permit_landed(&session.id).await;
        let landed = landed.map_err(|cause| Refusal::Unavailable(cause.to_string()))?;
        let wanted = session::Wanted {
            session,
            amount,
            sequence,
            permit_landed: session.permit_seen || landed,
        };
        session::batch(chain, &wanted, sessions.clock.now()).await
    }
}

/// What a payer has to know: the account to name in what it signs. Another one at each turn: what is charged from an account goes through its one
/// lane.
fn extra(signers: &[Address], turn: usize, dialects: &[&str]) -> BTreeMap<String, Value> {
    let facilitator = signers.get(turn % signers.len().max(1));
    let facilitator = facilitator.map(|address| address.to_checksum(None));
    BTreeMap::from([
        ("facilitatorAddress".to_owned(), json!(facilitator)),
        ("dialects".to_owned(), json!(dialects)),
    ])
}
