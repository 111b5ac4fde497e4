//! The schemes of this deployment. Routing is by exact network, never by pattern: what `/supported` lists is what works.

use std::collections::{BTreeMap, BTreeSet};

use super::{Batches, Check, Rejection, Scheme};
use crate::clock::UnixMillis;
use crate::protocol::response::SupportedResponse;
use crate::protocol::{Network, Payment, Reason};

/// Every scheme that payments can be routed to.
#[derive(Default)]
pub struct Registry(Vec<Box<dyn Scheme>>);

impl Registry {
    pub fn new(schemes: Vec<Box<dyn Scheme>>) -> Self {
        Self(schemes)
    }

    /// What `/supported` answers.
    pub fn supported(&self, now: UnixMillis) -> SupportedResponse {
        let mut signers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for scheme in &self.0 {
            scheme.turn(now);
            let families: BTreeSet<String> =
                scheme.networks().iter().map(Network::family).collect();
            for family in families {
                let known = signers.entry(family).or_default();
                for signer in scheme.signers() {
                    if !known.contains(&signer) {
                        known.push(signer);
                    }
                }
            }
        }
        let extensions: BTreeSet<&str> = self
            .0
            .iter()
            .flat_map(|scheme| scheme.extensions())
            .collect();
        SupportedResponse {
            kinds: self.0.iter().flat_map(|scheme| scheme.kinds()).collect(),
            extensions: extensions.into_iter().map(ToOwned::to_owned).collect(),
            signers,
        }
    }

    /// Hands the payment to the scheme of its requirements.
    ///
    /// # Errors
    /// `unsupported_scheme` or `invalid_network` where nothing is listed for it; otherwise the scheme's own.
    pub fn check(&self, payment: &Payment, now: UnixMillis) -> Result<Check, Rejection> {
        let name = payment.requirements.scheme.as_str();
        let network = &payment.requirements.network;
        let mut named = self
            .0
            .iter()
            .filter(|scheme| scheme.name() == name)
            .peekable();
        if named.peek().is_none() {
            return Err(Rejection::new(Reason::UnsupportedScheme)
                .because(format!("no scheme {name:?} here")));
        }
        let listed = |scheme: &dyn Scheme| {
            let version = payment.version.number();
            scheme.networks().contains(network)
                && scheme
                    .kinds()
                    .iter()
                    .any(|kind| kind.version == version && kind.network == payment.wire_network)
        };
        match named.find(|scheme| listed(scheme.as_ref())) {
            Some(scheme) => scheme.check(payment, now),
            None => Err(Rejection::new(Reason::InvalidNetwork)
                .because(format!("{name} is not offered on {network} here"))),
        }
    }

    /// What settles the sessions on a network; `None` where this deployment has no scheme with sessions any more.
    pub fn batches(&self, network: &Network) -> Option<&dyn Batches> {
        let mut on_network = self
            .0
            .iter()
            .filter(|scheme| scheme.networks().contains(network));
        on_network.find_map(|scheme| scheme.batches())
    }
}
