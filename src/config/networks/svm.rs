//! Facts about Solana networks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use toml::{Table, Value};

use super::{all, explorer, in_range, is_name, named, suffix};
use crate::config::svm::extension;
use crate::config::value::{self, Parsed};
use crate::config::{SvmAsset, SvmExtensions};
use crate::protocol::Network;
use crate::secret::Secret;

/// How much of the genesis hash CAIP-2 has room for.
const GENESIS_LENGTH: usize = 32;

/// What is known about one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Facts {
    pub(in crate::config) name: String,
    pub(in crate::config) network: Network,
    pub(in crate::config) v1_name: Option<String>,
    pub(in crate::config) testnet: bool,
    pub(in crate::config) block_time: Duration,
    pub(in crate::config) daily_spend_cap: u128,
    pub(in crate::config) helius: Option<String>,
    pub(in crate::config) rpc: Vec<Secret>,
    pub(in crate::config) explorer: Option<String>,
    pub(in crate::config) assets: Vec<SvmAsset>,
    pub(in crate::config) extensions: SvmExtensions,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    genesis: String,
    v1_name: Option<String>,
    #[serde(default)]
    testnet: bool,
    #[serde(default = "Row::block_time_ms")]
    block_time_ms: u64,
    #[serde(default = "Row::daily_spend_cap")]
    daily_spend_cap: String,
    helius: Option<String>,
    #[serde(default)]
    rpc: Vec<String>,
    explorer: Option<String>,
    #[serde(default)]
    assets: Vec<AssetRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetRow {
    mint: String,
    symbol: String,
    decimals: Option<u8>,
    token_2022: Option<bool>,
    #[serde(default)]
    extensions: Vec<String>,
}

impl Row {
    fn block_time_ms() -> u64 {
        400
    }

    fn daily_spend_cap() -> String {
        "0.1".to_owned()
    }
}

impl Facts {
    pub(super) fn read(name: &str, fields: Table) -> Parsed<Self> {
        if !is_name(name) {
            return Err("a name has lower-case letters, digits and -".to_owned());
        }
        let row =
            Row::deserialize(Value::Table(fields)).map_err(|error| error.message().to_owned())?;
        let assets = all("assets", row.assets, AssetRow::parse)?;
        let block_time = in_range("block_time_ms", row.block_time_ms, &(1..=600_000))?;
        Ok(Self {
            name: name.to_owned(),
            network: named("genesis", network(&row.genesis))?,
            v1_name: row.v1_name,
            testnet: row.testnet,
            block_time: Duration::from_millis(block_time),
            daily_spend_cap: named("daily_spend_cap", value::units(&row.daily_spend_cap, 9))?,
            helius: row.helius,
            rpc: all("rpc", row.rpc, |url| value::endpoint(&url))?,
            explorer: named("explorer", explorer(row.explorer))?,
            assets: assets.iter().map(|(asset, _)| asset.clone()).collect(),
            extensions: assets
                .into_iter()
                .filter(|(_, extensions)| !extensions.is_empty())
                .map(|(asset, extensions)| (asset.mint, extensions))
                .collect(),
        })
    }

    /// The end of a variable's name that means this network.
    pub(in crate::config) fn suffix(&self) -> String {
        suffix(&self.name)
    }
}

impl AssetRow {
    fn parse(self) -> Parsed<(SvmAsset, BTreeSet<String>)> {
        let extensions = self.extensions.iter().map(|name| extension(name));
        let extensions = extensions.collect::<Parsed<_>>()?;
        let asset = SvmAsset {
            mint: value::pubkey(&self.mint)?,
            symbol: self.symbol,
            decimals: self.decimals,
            token_2022: self.token_2022,
        };
        Ok((asset, extensions))
    }
}

fn network(genesis: &str) -> Parsed<Network> {
    let is_cut = genesis.len() == GENESIS_LENGTH && bs58::decode(genesis).into_vec().is_ok();
    let network = is_cut.then(|| Network::parse(&format!("solana:{genesis}")));
    network
        .flatten()
        .ok_or_else(|| format!("must be the first {GENESIS_LENGTH} characters of the genesis hash"))
}

pub(super) fn shared_genesis(known: &BTreeMap<String, Facts>) -> Vec<String> {
    let mut names: BTreeMap<&Network, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for facts in known.values() {
        if let Some(other) = names.insert(&facts.network, &facts.name) {
            problems.push(format!(
                "[svm.{}] has the genesis of `{other}`; override that one instead",
                facts.name
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::Catalogue;
    use super::*;

    fn problems(extension: &str) -> Vec<String> {
        Catalogue::read(Some(extension)).expect_err("the extension is wrong")
    }

    fn facts(name: &str) -> Facts {
        let catalogue = Catalogue::read(None).unwrap();
        catalogue.svm().find(|f| f.name == name).unwrap().clone()
    }

    #[test]
    fn refuses_an_extension_that_says_what_cannot_be() {
        let genesis = "genesis = 'EtWTRABZaYq6iMfeYKouRu166VU2xqa2'";
        for (extension, message) in [
            (
                "[svm.solana-devnet]\nrpcs = []".to_owned(),
                "[svm.solana-devnet] unknown field `rpcs`, expected one of `genesis`, `v1_name`, `testnet`, `block_time_ms`, `daily_spend_cap`, `helius`, `rpc`, `explorer`, `assets`",
            ),
            (
                "[svm.mine]\ntestnet = true".to_owned(),
                "[svm.mine] missing field `genesis`",
            ),
            (
                "[svm.mine]\ngenesis = 'EtWTRABZaYq6iMfeYKouRu166VU2xqa'".to_owned(),
                "[svm.mine] genesis must be the first 32 characters of the genesis hash",
            ),
            (
                "[svm.mine]\ngenesis = 'OtWTRABZaYq6iMfeYKouRu166VU2xqa1'".to_owned(),
                "[svm.mine] genesis must be the first 32 characters of the genesis hash",
            ),
            (
                "[svm.mine]\ngenesis = 'EtWTRABZaYq6iMfeYKouRu166VU2xqa1'".to_owned(),
                "[svm.solana-devnet] has the genesis of `mine`; override that one instead",
            ),
            (
                format!("[svm.Mine]\n{genesis}"),
                "[svm.Mine] a name has lower-case letters, digits and -",
            ),
            (
                format!("[svm.mine]\n{genesis}\nblock_time_ms = 0"),
                "[svm.mine] block_time_ms must be from 1 to 600000, not 0",
            ),
            (
                format!("[svm.mine]\n{genesis}\ndaily_spend_cap = '0.0000000001'"),
                "[svm.mine] daily_spend_cap must be a decimal number such as 0.05 with at most 9 places, not `0.0000000001`",
            ),
            (
                format!("[svm.mine]\n{genesis}\nassets = [{{ mint = '0x12', symbol = 'X' }}]"),
                "[svm.mine] assets must be an address: 32 bytes in base58",
            ),
        ] {
            assert_eq!(problems(&extension), [message], "{extension}");
        }
    }

    #[test]
    fn knows_the_three_networks_and_their_names_in_protocol_version_1() {
        for (name, network, v1_name, testnet) in [
            (
                "solana-mainnet",
                "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
                "solana",
                false,
            ),
            (
                "solana-devnet",
                "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1",
                "solana-devnet",
                true,
            ),
            (
                "solana-testnet",
                "solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z",
                "solana-testnet",
                true,
            ),
        ] {
            let facts = facts(name);
            assert_eq!(facts.network.as_str(), network);
            assert_eq!(facts.v1_name.as_deref(), Some(v1_name));
            assert_eq!(facts.testnet, testnet);
            assert_eq!(facts.block_time, Duration::from_millis(400));
        }
    }

    #[test]
    fn an_extension_overrides_the_fields_it_names_and_leaves_the_others() {
        let extended = Catalogue::read(Some("[svm.solana-devnet]\nrpc = ['http://node.example']"));
        let extended = extended.unwrap();
        let devnet = extended.svm().find(|f| f.name == "solana-devnet");
        let expected = Facts {
            rpc: vec![Secret::new("http://node.example")],
            ..facts("solana-devnet")
        };
        assert_eq!(devnet, Some(&expected));
    }

    #[test]
    fn an_extension_adds_a_network_that_is_a_mainnet_until_it_says_otherwise() {
        let text = "[svm.mine]\ngenesis = 'EtWTRABZaYq6iMfeYKouRu166VU2xqa2'";
        let catalogue = Catalogue::read(Some(text)).unwrap();
        let mine = catalogue.svm().find(|f| f.name == "mine").unwrap();
        assert!(!mine.testnet);
        assert_eq!((mine.assets.len(), mine.rpc.len()), (0, 0));
        assert_eq!(mine.suffix(), "MINE");
    }
}
