//! What pages tell of networks and tokens beyond what is seen of them: facts of the configuration, none of them secret.

use crate::config::{Config, EvmNetwork, SvmNetwork};
use crate::secret::Secret;

/// What the pages know from the start.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub(super) networks: Vec<NetworkFacts>,
    /// Whether the newest settlements are listed for everybody.
    pub(super) public_feed: bool,
    /// Opens `/admin`, besides keys with that scope.
    pub(super) admin_token: Option<Secret>,
}

#[derive(Debug, Clone)]
pub(super) struct NetworkFacts {
    pub(super) network: String,
    pub(super) name: String,
    pub(super) testnet: bool,
    /// When a settlement is told as settled.
    pub(super) confirmation: String,
    /// With `{kind}` and `{id}`.
    pub(super) explorer: Option<String>,
    pub(super) tokens: Vec<Token>,
    pub(super) any_asset: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) address: String,
    pub(super) symbol: String,
    pub(super) decimals: Option<u8>,
}

impl Facts {
    pub fn of(config: &Config) -> Self {
        let evm = config.evm.networks.iter().map(NetworkFacts::evm);
        let svm = config.svm.networks.iter().map(NetworkFacts::svm);
        Self {
            networks: evm.chain(svm).collect(),
            public_feed: config.pages.public_feed,
            admin_token: config.pages.admin_token.clone(),
        }
    }

    pub(super) fn network(&self, network: &str) -> Option<&NetworkFacts> {
        self.networks.iter().find(|known| known.network == network)
    }

    /// The name that people know a network by, or its id.
    pub(super) fn name<'a>(&'a self, network: &'a str) -> &'a str {
        self.network(network).map_or(network, |known| &known.name)
    }

    pub(super) fn token(&self, network: &str, asset: &str) -> Option<&Token> {
        let tokens = &self.network(network)?.tokens;
        tokens.iter().find(|token| token.is(asset))
    }

    /// The explorer's page of a `tx` or an `address`.
    pub(super) fn explore(&self, network: &str, kind: &str, id: &str) -> Option<String> {
        let template = self.network(network)?.explorer.as_ref()?;
        // What stands in a link is a name of a chain's, whatever the database holds.
        let is_name = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
        is_name.then(|| template.replace("{kind}", kind).replace("{id}", id))
    }
}

impl NetworkFacts {
    fn evm(network: &EvmNetwork) -> Self {
        let tokens = network.assets.iter().map(|asset| Token {
            address: asset.address.to_string(),
            symbol: asset.symbol.clone(),
            decimals: asset.decimals,
        });
        let confirmation = match network.confirmations {
            1 => "1 block".to_owned(),
            many => format!("{many} blocks"),
        };
        Self {
            network: network.network.to_string(),
            name: network.name.clone(),
            testnet: network.testnet,
            confirmation,
            explorer: network.explorer.clone(),
            tokens: tokens.collect(),
            any_asset: network.any_asset,
        }
    }

    fn svm(network: &SvmNetwork) -> Self {
        let tokens = network.assets.iter().map(|asset| Token {
            address: asset.mint.to_string(),
            symbol: asset.symbol.clone(),
            decimals: asset.decimals,
        });
        Self {
            network: network.network.to_string(),
            name: network.name.clone(),
            testnet: network.testnet,
            confirmation: "confirmed".to_owned(),
            explorer: network.explorer.clone(),
            tokens: tokens.collect(),
            any_asset: network.any_asset,
        }
    }
}

impl Token {
    /// Hexadecimal has no case; base58 has.
    fn is(&self, asset: &str) -> bool {
        if self.address.starts_with("0x") {
            self.address.eq_ignore_ascii_case(asset)
        } else {
            self.address == asset
        }
    }
}
