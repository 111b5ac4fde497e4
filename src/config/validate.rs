//! Whether the sections fit together: what real money asks for, and what an operator should know.

use super::Config;
use super::reader::Reader;
use super::value::{self, Parsed};

/// Whether callers of `/settle` must prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SettleAuth {
    Required,
    Off,
}

/// What matters here about a network of any family.
struct Served<'a> {
    /// How the family's variables begin: `EVM`.
    family: &'static str,
    name: &'a str,
    testnet: bool,
    rpc_source: &'static str,
    /// How many tokens are listed.
    assets: usize,
    any_asset: bool,
}

/// Adds every problem and note that no single variable could tell.
pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    let served = served(config);
    let mainnets = names(&served, |network| !network.testnet);
    check_auth(reader, config, &served, &mainnets);
    check_keys(reader, &served);
    if !mainnets.is_empty() {
        check_store(reader, config, &mainnets);
    }
    if served.is_empty() {
        reader.note("EVM_NETWORKS is empty: this service serves no network.");
    }
    for family in ["EVM", "SVM"] {
        tell_about_networks(reader, family, &served);
    }
    tell_about_sponsoring(reader, config);
}

fn served(config: &Config) -> Vec<Served<'_>> {
    let evm = config.evm.networks.iter().map(|network| Served {
        family: "EVM",
        name: &network.name,
        testnet: network.testnet,
        rpc_source: network.rpc_source,
        assets: network.assets.len(),
        any_asset: network.any_asset,
    });
    let svm = config.svm.networks.iter().map(|network| Served {
        family: "SVM",
        name: &network.name,
        testnet: network.testnet,
        rpc_source: network.rpc_source,
        assets: network.assets.len(),
        any_asset: network.any_asset,
    });
    evm.chain(svm).collect()
}

fn check_auth(reader: &mut Reader<'_>, config: &Config, served: &[Served<'_>], mainnets: &str) {
    let chosen = reader.optional("SETTLE_AUTH", settle_auth);
    let is_wrong = chosen.is_none() && reader.environment.get("SETTLE_AUTH").is_some();
    let has_tokens = reader.has_secret("BEARER_TOKEN") || reader.has_secret("BEARER_TOKENS");
    let has_keys = config.auth.api_keys;
    match chosen {
        _ if is_wrong => {}
        Some(SettleAuth::Off) if has_keys => {
            reader.problem("SETTLE_AUTH", "is off while API_KEYS is on; change one of them");
        }
        Some(SettleAuth::Off) if has_tokens => {
            let message = "is off while a bearer token is set; unset one of them";
            reader.problem("SETTLE_AUTH", message);
        }
        Some(SettleAuth::Off) => {
            reader
                .note("WARNING: SETTLE_AUTH=off: anyone who reaches this service spends its gas.");
        }
        _ if has_tokens || has_keys => {}
        Some(SettleAuth::Required) => {
            let message = "must be set, or API_KEYS=on, because SETTLE_AUTH is required";
            reader.problem("BEARER_TOKEN", message);
        }
        None if !mainnets.is_empty() => reader.problem(
            "BEARER_TOKEN",
            format!(
                "must be set to serve {mainnets}, or API_KEYS=on, or SETTLE_AUTH=off to let anyone spend its gas"
            ),
        ),
        None if served.is_empty() => {}
        None => reader.note("No BEARER_TOKEN: anyone may settle, on testnets only."),
    }
}

fn check_keys(reader: &mut Reader<'_>, served: &[Served<'_>]) {
    for (family, variable) in [("EVM", "EVM_PRIVATE_KEY"), ("SVM", "SVM_PRIVATE_KEY")] {
        let mainnets = names(served, |n| n.family == family && !n.testnet);
        if !mainnets.is_empty() && !reader.has_secret(variable) {
            let message =
                format!("must be set to serve {mainnets}: real money needs a key of your own");
            reader.problem(variable, message);
        }
    }
    // There is no throwaway key on Solana, whose sponsor needs a balance before anything works.
    let testnets = names(served, |n| n.family == "SVM" && n.testnet);
    if !testnets.is_empty() && !reader.has_secret("SVM_PRIVATE_KEY") {
        let message = format!("must be set to serve {testnets}: its owner pays the fees there");
        reader.problem("SVM_PRIVATE_KEY", message);
    }
}

fn check_store(reader: &mut Reader<'_>, config: &Config, mainnets: &str) {
    if !reader.has_secret("DATABASE_URL") {
        let message =
            format!("must be set to serve {mainnets}: real money needs a database you chose");
        reader.problem("DATABASE_URL", message);
    }
    if config.store.url.expose().contains("mode=memory") {
        let message = format!("must outlive the process to serve {mainnets}, and memory does not");
        reader.problem("DATABASE_URL", message);
    }
}

fn tell_about_networks(reader: &mut Reader<'_>, family: &str, served: &[Served<'_>]) {
    let names = |is_so: fn(&Served<'_>) -> bool| names(served, |n| n.family == family && is_so(n));
    let barren = names(|network| network.assets == 0 && !network.any_asset);
    if !barren.is_empty() {
        reader.note(format!(
            "No token is known on {barren}: nothing can be paid there until {family}_ASSETS_<NAME> or NETWORKS_FILE names one."
        ));
    }
    if !names(|network| network.any_asset).is_empty() {
        reader.note(format!(
            "WARNING: {family}_ANY_ASSET=true: tokens nobody vouched for may burn this service's gas."
        ));
    }
    let on_public_nodes = names(|network| !network.testnet && network.rpc_source == "public");
    if !on_public_nodes.is_empty() {
        reader.note(format!(
            "Public nodes serve {on_public_nodes}: they are slow and refuse calls under load; set {family}_RPC_URL_<NAME>."
        ));
    }
}

/// What a sponsor of Solana payments takes on beyond plain transfers.
fn tell_about_sponsoring(reader: &mut Reader<'_>, config: &Config) {
    if config.svm.networks.is_empty() {
        return;
    }
    for network in &config.svm.networks {
        for (mint, extensions) in &network.extensions {
            let extensions: Vec<&str> = extensions.iter().map(String::as_str).collect();
            reader.note(format!(
                "WARNING: on {} the mint {mint} is accepted with {}: it may give the payee less than was paid, or take it back.",
                network.name,
                extensions.join(", ")
            ));
        }
    }
}

/// The names of the networks that are so, comma-separated.
fn names(served: &[Served<'_>], is_so: impl Fn(&Served<'_>) -> bool) -> String {
    let networks = served.iter().filter(|network| is_so(network));
    let names: Vec<&str> = networks.map(|network| network.name).collect();
    names.join(", ")
}

fn settle_auth(text: &str) -> Parsed<SettleAuth> {
    match text {
        "required" => Ok(SettleAuth::Required),
        "off" => Ok(SettleAuth::Off),
        _ => Err(format!(
            "must be required or off, not {}",
            value::quote(text)
        )),
    }
}

#[cfg(test)]
mod tests;
