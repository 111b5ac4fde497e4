//! The configuration told to a person, without anything secret: of a URL its host, of a key its address.

use url::Url;

use super::{Config, Cors, EvmNetwork, MetricsPort, Observe, Otlp, Store, SvmNetwork, throwaway};
use crate::secret::Secret;
use crate::signer::svm::{Local, Signer};

impl Config {
    /// What will be done, one line each.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = vec![
            self.listening(),
            format!("store: {}", self.store.place()),
            self.callers(),
            self.observe.metrics(),
        ];
        lines.extend(self.observe.otlp.as_ref().map(Otlp::line));
        for address in self.evm.keys.iter().filter_map(throwaway::address) {
            lines.push(format!("EVM signer: {address}"));
        }
        lines.extend(self.evm.networks.iter().map(EvmNetwork::line));
        for signer in self.svm.keys.iter().flat_map(Local::parse) {
            lines.push(format!("Solana signer: {}", signer.address()));
        }
        lines.extend(self.svm.networks.iter().map(SvmNetwork::line));
        lines
    }

    fn listening(&self) -> String {
        let server = &self.server;
        let under = if server.base_path.is_empty() {
            String::new()
        } else {
            format!(", also under {}", server.base_path)
        };
        let browsers = match &server.cors {
            Cors::Off => "none".to_owned(),
            Cors::Any => "any".to_owned(),
            Cors::Origins(origins) => origins.join(", "),
        };
        let address = std::net::SocketAddr::new(server.host, server.port);
        format!("listening: {address}{under}; browser origins: {browsers}")
    }

    fn callers(&self) -> String {
        let tokens = match self.auth.tokens.len() {
            0 => None,
            1 => Some("1 bearer token".to_owned()),
            count => Some(format!("{count} bearer tokens")),
        };
        let keys = self.auth.api_keys.then(|| "API keys".to_owned());
        let known: Vec<String> = tokens.into_iter().chain(keys).collect();
        if known.is_empty() {
            return "callers: anyone".to_owned();
        }
        format!("callers: {}", known.join(", "))
    }
}

impl Observe {
    fn metrics(&self) -> String {
        match self.metrics {
            Some(MetricsPort { host, port, .. }) => {
                format!("metrics: {}", std::net::SocketAddr::new(host, port))
            }
            None => "metrics: off".to_owned(),
        }
    }
}

impl Otlp {
    fn line(&self) -> String {
        let to = |url: &Option<Secret>| url.as_ref().map_or_else(|| "nowhere".to_owned(), host);
        let (traces, metrics) = (to(&self.traces), to(&self.metrics));
        format!("exported: traces to {traces}, metrics to {metrics}")
    }
}

impl Store {
    /// Which database, without user, password and parameters.
    pub fn place(&self) -> String {
        let url = self.url.expose();
        match url.strip_prefix("sqlite://") {
            Some(path) => format!("SQLite at {}", path.split('?').next().unwrap_or_default()),
            None => format!("PostgreSQL at {}", host(&self.url)),
        }
    }
}

impl EvmNetwork {
    fn line(&self) -> String {
        let symbols = self.assets.iter().map(|asset| asset.symbol.as_str());
        format!(
            "{} (chain {}, {}): {} nodes {}{}; tokens: {}",
            self.name,
            self.chain_id,
            kind(self.testnet),
            self.rpc_source,
            hosts(&self.rpc_urls),
            sends(&self.send_urls),
            tokens(self.any_asset, symbols),
        )
    }
}

impl SvmNetwork {
    fn line(&self) -> String {
        let symbols = self.assets.iter().map(|asset| asset.symbol.as_str());
        format!(
            "{} ({}, {}): {} nodes {}{}; tokens: {}",
            self.name,
            self.network,
            kind(self.testnet),
            self.rpc_source,
            hosts(&self.rpc_urls),
            sends(&self.send_urls),
            tokens(self.any_asset, symbols),
        )
    }
}

fn kind(testnet: bool) -> &'static str {
    if testnet { "testnet" } else { "mainnet" }
}

fn sends(urls: &[Secret]) -> String {
    if urls.is_empty() {
        return String::new();
    }
    format!(", sends to {}", hosts(urls))
}

fn tokens<'a>(any: bool, symbols: impl Iterator<Item = &'a str>) -> String {
    let symbols: Vec<&str> = symbols.collect();
    match (any, symbols.is_empty()) {
        (true, _) => "any".to_owned(),
        (false, true) => "none".to_owned(),
        (false, false) => symbols.join(", "),
    }
}

fn hosts(urls: &[Secret]) -> String {
    let hosts: Vec<String> = urls.iter().map(host).collect();
    hosts.join(", ")
}

/// A URL's host and port, and nothing that could be a key.
pub fn host(url: &Secret) -> String {
    let Ok(url) = Url::parse(url.expose()) else {
        return "an unreadable URL".to_owned();
    };
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "a local socket".to_owned(),
    }
}

#[cfg(test)]
mod tests;
