//! What may stand in a label: the networks, assets and signers of this deployment, our own codes, and `other` for everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use crate::config::Config;

/// Stands for whatever is not ours.
pub(super) const OTHER: &str = "other";
/// Stands for the reason of what has none.
pub(super) const NONE: &str = "none";
const SCHEMES: [&str; 2] = ["exact", "upto"];

#[derive(Debug, Default)]
struct Known {
    networks: BTreeSet<String>,
    /// Network and asset, in lower case, to the symbol.
    symbols: BTreeMap<(String, String), String>,
    /// Network to its signers, in configured order.
    signers: BTreeMap<String, Vec<String>>,
}

static KNOWN: RwLock<Known> = RwLock::new(Known {
    networks: BTreeSet::new(),
    symbols: BTreeMap::new(),
    signers: BTreeMap::new(),
});

/// A signer's place among the signers of its network.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub network: &'a str,
    pub address: &'a str,
}

/// Takes in what this deployment serves. Several services of one process, as tests start them, add up.
pub(super) fn learn(config: &Config) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    for network in &config.evm.networks {
        let name = network.network.as_str();
        known.networks.insert(name.to_owned());
        for asset in &network.assets {
            known.add_symbol(name, &asset.address.to_string(), &asset.symbol);
        }
    }
    for network in &config.svm.networks {
        let name = network.network.as_str();
        known.networks.insert(name.to_owned());
        for asset in &network.assets {
            known.add_symbol(name, &asset.mint.to_string(), &asset.symbol);
        }
    }
}

/// Takes in a network's signers, in configured order.
pub(super) fn learn_signers(network: &str, signers: &[String]) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let mine = known.signers.entry(network.to_owned()).or_default();
    for signer in signers {
        if !mine.contains(signer) {
            mine.push(signer.clone());
        }
    }
}

impl Known {
    fn add_symbol(&mut self, network: &str, asset: &str, symbol: &str) {
        let key = (network.to_owned(), asset.to_lowercase());
        // A token that the operator added has no symbol of its own; its address is configured, and so from a closed set.
        let symbol = if symbol.is_empty() { asset } else { symbol };
        self.symbols.insert(key, symbol.to_owned());
    }
}

/// The network as it is named here, or `other`.
pub(super) fn network(name: &str) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let name = known.networks.get(name).map(String::as_str);
    name.unwrap_or(OTHER).to_owned()
}

/// The asset's symbol, or `other`.
pub(super) fn symbol(network: &str, asset: &str) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let key = (network.to_owned(), asset.to_lowercase());
    let symbol = known.symbols.get(&key).map(String::as_str);
    symbol.unwrap_or(OTHER).to_owned()
}

/// Which of its network's signers this is: `0`, `1` …, or `other`.
pub(super) fn signer(named: Named<'_>) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let signers = known.signers.get(named.network);
    let index = signers.and_then(|signers| {
        let is_it = |signer: &String| signer == named.address;
        signers.iter().position(is_it)
    });
    index.map_or_else(|| OTHER.to_owned(), |index| index.to_string())
}

/// A scheme of ours, or `other`.
pub(super) fn scheme(name: &str) -> &str {
    SCHEMES
        .into_iter()
        .find(|scheme| *scheme == name)
        .unwrap_or(OTHER)
}

/// Why a lane is paused, from the sentence that its row has.
pub(super) fn pause(reason: &str) -> &'static str {
    PAUSES
        .iter()
        .find(|(_, words)| words.iter().any(|word| reason.contains(word)))
        .map_or(OTHER, |(code, _)| code)
}

/// Every code of [`pause`] but `other`, and what its sentences have in common.
const PAUSES: [(&str, &[&str]); 4] = [
    ("cap", &["spend cap"]),
    ("foreign", &["not ours"]),
    ("delegated", &["has code"]),
    ("funds", &["cannot pay"]),
];

/// Every code of [`pause`].
pub(super) fn pauses() -> impl Iterator<Item = &'static str> {
    PAUSES.iter().map(|(code, _)| *code).chain([OTHER])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_words_are_other() {
        assert_eq!(network("eip155:666"), OTHER);
        assert_eq!(symbol("eip155:8453", "0xdeadbeef"), OTHER);
        assert_eq!(scheme("exact"), "exact");
        assert_eq!(scheme("drop table"), OTHER);
        let stranger = Named {
            network: "eip155:666",
            address: "0x1",
        };
        assert_eq!(signer(stranger), OTHER);
    }

    #[test]
    fn signers_are_numbered_as_configured_and_once() {
        let both = ["0xa".to_owned(), "0xb".to_owned()];
        learn_signers("test:signers", &both);
        learn_signers("test:signers", &both);
        for (address, index) in [("0xa", "0"), ("0xb", "1"), ("0xc", OTHER)] {
            let network = "test:signers";
            assert_eq!(signer(Named { network, address }), index);
        }
    }

    #[test]
    fn every_pause_of_a_lane_has_a_code() {
        for (reason, code) in [
            ("the signer cannot pay for gas", "funds"),
            ("the fee payer cannot pay for fees", "funds"),
            ("the daily spend cap is reached", "cap"),
            (
                "a transaction that is not ours sits at our account nonce",
                "foreign",
            ),
            ("the signer has code, which limits it", "delegated"),
            ("paused by an operator", OTHER),
        ] {
            assert_eq!(pause(reason), code, "{reason}");
        }
    }
}
