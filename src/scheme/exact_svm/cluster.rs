//! One network as this scheme sees it.

use std::sync::Arc;

use solana_pubkey::Pubkey;

use super::policy::Policy;
use crate::chain::svm::ledger::Ledger;
use crate::config::SvmNetwork;
use crate::protocol::Network;

/// A network, who pays the fees there, and what they agree to pay for.
#[derive(Debug)]
pub struct Cluster {
    pub network: Network,
    /// The name in version 1: `solana-devnet`.
    pub v1_name: Option<String>,
    /// Every key of ours on it. The first is advertised; a payment may name any.
    pub fee_payers: Vec<Pubkey>,
    pub assets: Assets,
    pub policy: Policy,
    pub ledger: Arc<dyn Ledger>,
}

/// The mints that may be paid with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assets {
    Any,
    Listed(Vec<Pubkey>),
}

impl Assets {
    pub(super) fn allow(&self, mint: &Pubkey) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(mints) => mints.contains(mint),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::Listed(vec![])
    }
}

impl Cluster {
    /// The network as it is configured.
    pub fn new(
        config: &SvmNetwork,
        policy: Policy,
        fee_payers: Vec<Pubkey>,
        ledger: Arc<dyn Ledger>,
    ) -> Self {
        let assets = if config.any_asset {
            Assets::Any
        } else {
            Assets::Listed(config.assets.iter().map(|asset| asset.mint).collect())
        };
        Self {
            network: config.network.clone(),
            v1_name: config.v1_name.clone(),
            fee_payers,
            assets,
            policy,
            ledger,
        }
    }

    /// Whether there is something to pay with and somebody to pay for it.
    pub(super) fn is_usable(&self) -> bool {
        !self.assets.is_empty() && !self.fee_payers.is_empty()
    }

    /// Names the chain in payment keys.
    pub(super) fn genesis(&self) -> &str {
        let network = self.network.as_str();
        network
            .split_once(':')
            .map_or(network, |(_, genesis)| genesis)
    }
}
