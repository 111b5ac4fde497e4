//! `upto` on EVM chains: the payer signs a ceiling, the resource server says after the work what it came to. Two dialects share the name, and
//! the payload's shape tells them apart: Permit2 through the x402 proxy (`permit2Authorization`), and ERC-2612 sessions (`authorization`).

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::evm::{Chain, wire};
use super::{Check, Rejection, Scheme};
use crate::clock::UnixMillis;
use crate::protocol::payment::Payment;
use crate::protocol::response::SupportedKind;
use crate::protocol::{Network, Reason};

/// The scheme's name on the wire.
const NAME: &str = "upto";

/// The scheme on every network that has something to pay with, and an account of ours that payers can name.
#[derive(Debug)]
pub struct UptoEvm {
    chains: Vec<Arc<Chain>>,
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
        // No dialect is spoken yet.
        Vec::new()
    }

    fn extensions(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn signers(&self) -> Vec<String> {
        Vec::new()
    }

    fn check(&self, payment: &Payment, _: UnixMillis) -> Result<Check, Rejection> {
        let network = &payment.requirements.network;
        let known = |chain: &&Arc<Chain>| chain.network.network == *network;
        let Some(_) = self.chains.iter().find(known) else {
            return Err(Rejection::new(Reason::InvalidNetwork));
        };
        let shape: Shape = wire::read(&payment.payload)?;
        match (shape.permit2_authorization, shape.authorization) {
            (Some(_), _) | (None, Some(_) | None) => {
                Err(Rejection::new(Reason::UnsupportedPayloadType))
            }
        }
    }
}
