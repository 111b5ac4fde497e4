//! One network as this scheme sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use solana_pubkey::Pubkey;

use super::mint::Extension;
use super::policy::Policy;
use crate::chain::svm::FeePayers;
use crate::chain::svm::ledger::Ledger;
use crate::config::{SvmExtensions, SvmNetwork};
use crate::protocol::Network;

/// A network, who pays the fees there, and what they agree to pay for.
#[derive(Debug)]
pub struct Cluster {
    pub network: Network,
    /// The name in version 1: `solana-devnet`.
    pub v1_name: Option<String>,
    /// Every key of ours on it: a payment may name any.
    pub fee_payers: Vec<Pubkey>,
    /// Which of them is advertised.
    pub turns: Arc<FeePayers>,
    pub assets: Assets,
    /// Token-2022 extensions that change what the payee gets, and are accepted of these mints all the same.
    pub extensions: BTreeMap<Pubkey, BTreeSet<Extension>>,
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
        fee_payers: Arc<FeePayers>,
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
            fee_payers: fee_payers.addresses(),
            turns: fee_payers,
            assets,
            extensions: extensions(&config.extensions),
            policy,
            ledger,
        }
    }

    /// Whether there is something to pay with and somebody to pay for it.
    pub(super) fn is_usable(&self) -> bool {
        !self.assets.is_empty() && !self.fee_payers.is_empty()
    }

    pub(super) fn allowed_extensions(&self, mint: &Pubkey) -> BTreeSet<Extension> {
        self.extensions.get(mint).cloned().unwrap_or_default()
    }

    /// Names the chain in payment keys.
    pub(super) fn genesis(&self) -> &str {
        let network = self.network.as_str();
        network
            .split_once(':')
            .map_or(network, |(_, genesis)| genesis)
    }
}

/// A name that is none has not come through the configuration; it would allow nothing.
fn extensions(chosen: &SvmExtensions) -> BTreeMap<Pubkey, BTreeSet<Extension>> {
    let read = |names: &BTreeSet<String>| {
        let names = names.iter();
        names.filter_map(|name| Extension::parse(name)).collect()
    };
    let chosen = chosen.iter();
    chosen.map(|(mint, names)| (*mint, read(names))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_extension_that_can_be_set_is_known_here() {
        let mint = Pubkey::new_from_array([1; 32]);
        let names = crate::config::TOKEN_2022_EXTENSIONS
            .into_iter()
            .chain(["27"]);
        let chosen = SvmExtensions::from([(mint, names.map(str::to_owned).collect())]);
        let read = extensions(&chosen);
        let read: Vec<String> = read[&mint].iter().map(ToString::to_string).collect();
        assert_eq!(
            read,
            [
                "transfer_fee",
                "confidential_transfer",
                "default_account_state",
                "non_transferable",
                "permanent_delegate",
                "transfer_hook",
                "confidential_transfer_fee",
                "confidential_mint_burn",
                "pausable",
                "extension 27",
            ]
        );
    }
}
