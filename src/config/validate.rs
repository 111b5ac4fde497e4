//! Whether the sections fit together: what real money asks for, and what an operator should know.

use super::reader::Reader;
use super::value::{self, Parsed};
use super::{Config, EvmNetwork};

/// Whether callers of `/settle` must prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SettleAuth {
    Required,
    Off,
}

/// Adds every problem and note that no single variable could tell.
pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    let mainnets = names(config, |network| !network.testnet);
    check_auth(reader, config, &mainnets);
    if !mainnets.is_empty() {
        check_key(reader, &mainnets);
        check_store(reader, config, &mainnets);
    }
    tell_about_networks(reader, config);
}

fn check_auth(reader: &mut Reader<'_>, config: &Config, mainnets: &str) {
    let chosen = reader.optional("SETTLE_AUTH", settle_auth);
    let is_wrong = chosen.is_none() && reader.environment.get("SETTLE_AUTH").is_some();
    let has_tokens = reader.has_secret("BEARER_TOKEN") || reader.has_secret("BEARER_TOKENS");
    match chosen {
        _ if is_wrong => {}
        Some(SettleAuth::Off) if has_tokens => {
            let message = "is off while a bearer token is set; unset one of them";
            reader.problem("SETTLE_AUTH", message);
        }
        Some(SettleAuth::Off) => {
            reader
                .note("WARNING: SETTLE_AUTH=off: anyone who reaches this service spends its gas.");
        }
        _ if has_tokens => {}
        Some(SettleAuth::Required) => {
            let message = "must be set, because SETTLE_AUTH is required";
            reader.problem("BEARER_TOKEN", message);
        }
        None if !mainnets.is_empty() => reader.problem(
            "BEARER_TOKEN",
            format!(
                "must be set to serve {mainnets}, or SETTLE_AUTH=off to let anyone spend its gas"
            ),
        ),
        None if config.evm.networks.is_empty() => {}
        None => reader.note("No BEARER_TOKEN: anyone may settle, on testnets only."),
    }
}

fn check_key(reader: &mut Reader<'_>, mainnets: &str) {
    if !reader.has_secret("EVM_PRIVATE_KEY") {
        let message =
            format!("must be set to serve {mainnets}: real money needs a key of your own");
        reader.problem("EVM_PRIVATE_KEY", message);
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

fn tell_about_networks(reader: &mut Reader<'_>, config: &Config) {
    if config.evm.networks.is_empty() {
        reader.note("EVM_NETWORKS is empty: this service serves no network.");
    }
    let barren = names(config, |network| {
        network.assets.is_empty() && !network.any_asset
    });
    if !barren.is_empty() {
        reader.note(format!(
            "No token is known on {barren}: nothing can be paid there until EVM_ASSETS_<NAME> or NETWORKS_FILE names one."
        ));
    }
    if config.evm.networks.iter().any(|network| network.any_asset) {
        reader.note(
            "WARNING: EVM_ANY_ASSET=true: tokens nobody vouched for may burn this service's gas.",
        );
    }
    let on_public_nodes = names(config, |network| {
        !network.testnet && network.rpc_source == "public"
    });
    if !on_public_nodes.is_empty() {
        reader.note(format!(
            "Public nodes serve {on_public_nodes}: they are slow and refuse calls under load; set EVM_RPC_URL_<NAME>."
        ));
    }
}

/// The names of the networks that are so, comma-separated.
fn names(config: &Config, is_so: impl Fn(&EvmNetwork) -> bool) -> String {
    let networks = config.evm.networks.iter().filter(|network| is_so(network));
    let names: Vec<&str> = networks.map(|network| network.name.as_str()).collect();
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
