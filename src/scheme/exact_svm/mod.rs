//! `exact` on Solana: the buyer signs a token transfer whose fee payer is ours; we check that it does just that, and co-sign.
//!
//! The chain is asked through [`Ledger`](crate::chain::svm::Ledger); how a transaction is read, co-signed and judged once it landed is the chain's
//! room to know.

mod checked;
mod cluster;
mod flaw;
mod identity;
mod layout;
mod memo;
pub mod mint;
pub mod policy;
mod requested;
mod simulated;
mod smart_wallet;
mod sponsor;
mod terms;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use solana_pubkey::Pubkey;

use super::{Check, Rejection, Scheme};
use crate::clock::UnixMillis;
use crate::protocol::payment::{Payment, Version};
use crate::protocol::response::SupportedKind;
use crate::protocol::{Network, Reason};

pub use cluster::{Assets, Cluster};
pub use policy::Policy;

type Extra = BTreeMap<String, serde_json::Value>;

/// The scheme's name on the wire.
const NAME: &str = "exact";

/// The scheme on every network that has something to pay with and somebody to pay the fee.
#[derive(Debug)]
pub struct ExactSvm {
    clusters: Vec<Arc<Cluster>>,
}

impl ExactSvm {
    /// A network without assets or without fee payers is left out.
    pub fn new(clusters: Vec<Cluster>) -> Self {
        let usable = clusters.into_iter().filter(Cluster::is_usable);
        Self {
            clusters: usable.map(Arc::new).collect(),
        }
    }
}

#[async_trait]
impl Scheme for ExactSvm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn networks(&self) -> Vec<Network> {
        let networks = self.clusters.iter().map(|cluster| &cluster.network);
        networks.cloned().collect()
    }

    fn kinds(&self) -> Vec<SupportedKind> {
        let kind = |version: Version, network: String, extra: &Option<Extra>| SupportedKind {
            version: version.number(),
            scheme: NAME,
            network,
            extra: extra.clone(),
        };
        let (mut current, mut named) = (Vec::new(), Vec::new());
        for cluster in &self.clusters {
            let extra = cluster.turns.current().as_ref().map(advertise);
            let full = extra.clone().map(|extra| with_features(extra, cluster));
            current.push(kind(Version::V2, cluster.network.to_string(), &full));
            named.extend(
                cluster
                    .v1_name
                    .clone()
                    .map(|name| kind(Version::V1, name, &extra)),
            );
        }
        current.append(&mut named);
        current
    }

    /// The next fee payer is advertised: none carries all the payments while others stand by.
    fn turn(&self, now: UnixMillis) {
        for cluster in &self.clusters {
            cluster.turns.turn(now);
        }
    }

    fn extensions(&self) -> Vec<&'static str> {
        vec![]
    }

    fn signers(&self) -> Vec<String> {
        let keys = self.clusters.iter().flat_map(|cluster| &cluster.fee_payers);
        let mut signers: Vec<_> = keys.map(ToString::to_string).collect();
        signers.sort_unstable();
        signers.dedup();
        signers
    }

    fn check(&self, payment: &Payment, _now: UnixMillis) -> Result<Check, Rejection> {
        let network = &payment.requirements.network;
        let known = |cluster: &&Arc<Cluster>| cluster.network == *network;
        let Some(cluster) = self.clusters.iter().find(known) else {
            return Err(Rejection::new(Reason::InvalidNetwork));
        };
        let checked = checked::check(Arc::clone(cluster), payment)?;
        Ok(Check::Payment(Box::new(checked)))
    }
}

/// The member of `extra` that clients build their transaction with.
fn advertise(fee_payer: &Pubkey) -> Extra {
    [("feePayer".to_owned(), fee_payer.to_string().into())].into()
}

/// Tells clients that payments out of smart wallets are taken here.
fn with_features(mut extra: Extra, cluster: &Cluster) -> Extra {
    if cluster.policy.smart_wallet.is_some() {
        let features =
            serde_json::Map::from_iter([("smartWalletSupported".to_owned(), true.into())]);
        extra.insert("features".to_owned(), features.into());
    }
    extra
}
