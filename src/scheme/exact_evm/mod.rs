//! `exact` on EVM chains: EIP-3009 `transferWithAuthorization`, and Permit2 through the x402 proxy, for accounts with and without code.

mod eip3009;
mod permit2;
#[cfg(test)]
pub(in crate::scheme) mod tests;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;

use super::evm::{Chain, eip2612};
use super::{Check, Rejection, Scheme};
use crate::clock::UnixMillis;
use crate::protocol::payment::{Payment, Version};
use crate::protocol::response::SupportedKind;
use crate::protocol::{Network, Reason};

/// The scheme's name on the wire.
const NAME: &str = "exact";

/// The scheme on every network that has something to pay with.
#[derive(Debug)]
pub struct ExactEvm {
    chains: Vec<Arc<Chain>>,
}

impl ExactEvm {
    /// A network without an asset that may be paid with is left out.
    pub fn new(chains: Vec<Chain>) -> Self {
        let usable = chains.into_iter().filter(Chain::has_assets);
        Self {
            chains: usable.map(Arc::new).collect(),
        }
    }
}

#[async_trait]
impl Scheme for ExactEvm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn networks(&self) -> Vec<Network> {
        let networks = self.chains.iter().map(|chain| &chain.network.network);
        networks.cloned().collect()
    }

    fn kinds(&self) -> Vec<SupportedKind> {
        let kind = |version: Version, network: String| SupportedKind {
            version: version.number(),
            scheme: NAME,
            network,
            extra: None,
        };
        let networks = || self.chains.iter().map(|chain| &chain.network);
        let current = networks().map(|network| kind(Version::V2, network.network.to_string()));
        let named = networks().filter_map(|network| network.v1_name.clone());
        current
            .chain(named.map(|name| kind(Version::V1, name)))
            .collect()
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

    fn check(&self, payment: &Payment, now: UnixMillis) -> Result<Check, Rejection> {
        let network = &payment.requirements.network;
        let known = |chain: &&Arc<Chain>| chain.network.network == *network;
        let Some(chain) = self.chains.iter().find(known) else {
            return Err(Rejection::new(Reason::InvalidNetwork));
        };
        let chain = Arc::clone(chain);
        match wire::parse(payment)? {
            wire::Payload::Eip3009(payload) => {
                let checked = eip3009::check(chain, payment, payload, now)?;
                Ok(Check::Payment(Box::new(checked)))
            }
            wire::Payload::Permit2(payload) => {
                let checked = permit2::check(chain, payment, payload, now)?;
                Ok(Check::Payment(Box::new(checked)))
            }
        }
    }
}
