//! A network, named as CAIP-2 names it.

use std::fmt;
use std::sync::Arc;

/// A CAIP-2 id such as `eip155:8453`. Version 1 names (`base`) are translated at the border and never come in here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(Arc<str>);

impl Network {
    /// Reads `namespace:reference` as CAIP-2 restricts it: `[-a-z0-9]{3,8}` and `[-_a-zA-Z0-9]{1,32}`.
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, reference) = text.split_once(':')?;
        let namespace_ok = (3..=8).contains(&namespace.len())
            && namespace
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let reference_ok = (1..=32).contains(&reference.len())
            && reference
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (namespace_ok && reference_ok).then(|| Self(Arc::from(text)))
    }

    /// The network of an EVM chain.
    pub fn eip155(chain_id: u64) -> Self {
        Self(Arc::from(format!("eip155:{chain_id}")))
    }

    /// The chain id of an `eip155` network written without leading zeros; `None` for every other network.
    pub fn chain_id(&self) -> Option<u64> {
        let digits = self.0.strip_prefix("eip155:")?;
        let id: u64 = digits.parse().ok()?;
        (id.to_string() == digits).then_some(id)
    }

    /// The wildcard of this network's family, the key of `/supported` `signers`: `eip155:*`.
    pub fn family(&self) -> String {
        let namespace = self.0.split(':').next().unwrap_or_default();
        format!("{namespace}:*")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_caip_2_and_nothing_else() {
        assert_eq!(
            Network::parse("eip155:8453").and_then(|n| n.chain_id()),
            Some(8453)
        );
        assert_eq!(
            Network::parse("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1")
                .map(|n| n.family())
                .as_deref(),
            Some("solana:*")
        );
        for bad in [
            "",
            "base",
            "eip155:",
            ":1",
            "eip155:*",
            "eip155:1:2",
            "EIP155:1",
            "eip155: 1",
            "eip155:1\n",
        ] {
            assert_eq!(Network::parse(bad), None, "{bad:?}");
        }
        assert_eq!(
            Network::parse("eip155:08453").and_then(|n| n.chain_id()),
            None
        );
    }
}
