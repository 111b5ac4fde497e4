//! The EVM networks to serve: which, over which nodes, with which tokens and limits.

use alloy::primitives::Address;

use super::networks::{Catalogue, Facts};
use super::reader::Reader;
use super::value::{self, Parsed};
use super::{Asset, Evm, EvmNetwork, Factory, variables};
use crate::protocol::Network;
use crate::secret::Secret;

/// What holds for every network.
struct Shared {
    alchemy: Option<Secret>,
    infura: Option<Secret>,
    any_asset: bool,
    factories: Vec<Factory>,
}

/// Reads everything about EVM. Keys stay empty where none is given: whether one is needed is decided elsewhere.
pub(super) fn read(reader: &mut Reader<'_>, catalogue: &Catalogue) -> Evm {
    let keys = keys(reader);
    let shared = Shared {
        alchemy: reader.secret("ALCHEMY_API_KEY", value::api_key),
        infura: reader.secret("INFURA_API_KEY", value::api_key),
        any_asset: reader.value("EVM_ANY_ASSET", value::flag),
        factories: factories(reader),
    };
    let selected = selected(reader, catalogue);
    refuse_unknown_names(reader, catalogue, &selected);
    let networks = selected
        .into_iter()
        .map(|facts| network(reader, facts, &shared))
        .collect();
    Evm { keys, networks }
}

fn keys(reader: &mut Reader<'_>) -> Vec<Secret> {
    let keys = reader.secrets("EVM_PRIVATE_KEY", value::private_key);
    let keys = keys.unwrap_or_default();
    if value::has_twins(&keys) {
        reader.problem("EVM_PRIVATE_KEY", "must not name the same key twice");
    }
    keys
}

fn factories(reader: &mut Reader<'_>) -> Vec<Factory> {
    let factories = reader.each("EIP6492_FACTORIES", value::factory);
    let factories = factories.unwrap_or_default();
    let addresses: Vec<Address> = factories.iter().map(|factory| factory.address).collect();
    if value::has_twins(&addresses) {
        reader.problem("EIP6492_FACTORIES", "must not name the same factory twice");
    }
    factories
}

/// The networks that `EVM_NETWORKS` names, in its order. Unset means the default; set to nothing means none.
fn selected(reader: &mut Reader<'_>, catalogue: &Catalogue) -> Vec<Facts> {
    let variable = "EVM_NETWORKS";
    let text = if reader.environment.is_set(variable) {
        reader.environment.get(variable).unwrap_or_default()
    } else {
        variables::default(variable)
    };
    let mut chosen: Vec<(String, Facts)> = Vec::new();
    for entry in value::list(text).map(str::to_lowercase) {
        let facts = match find(catalogue, &entry) {
            Ok(facts) => facts,
            Err(message) => {
                reader.problem(variable, message);
                continue;
            }
        };
        let twin = chosen
            .iter()
            .find(|(_, other)| other.chain_id == facts.chain_id);
        if let Some((first, _)) = twin {
            reader.problem(
                variable,
                format!("names one network twice: `{first}` and `{entry}`"),
            );
            continue;
        }
        chosen.push((entry, facts));
    }
    chosen.into_iter().map(|(_, facts)| facts).collect()
}

/// A network by name, or by CAIP-2 id whether anything is known about it or not.
fn find(catalogue: &Catalogue, entry: &str) -> Parsed<Facts> {
    if let Some(facts) = catalogue.by_name(entry) {
        return Ok(facts.clone());
    }
    let Some(chain_id) = Network::parse(entry).and_then(|network| network.chain_id()) else {
        return Err(format!(
            "names an unknown network {}; give its id such as eip155:1234, or describe it in NETWORKS_FILE",
            value::quote(entry)
        ));
    };
    match catalogue.by_chain_id(chain_id) {
        Some(facts) => Ok(facts.clone()),
        None => Facts::of_unknown_chain(chain_id)
            .map_err(|message| format!("names an impossible network: {message}")),
    }
}

/// A setting for a network that does not exist is a typing error, and may be a limit that would silently not hold.
fn refuse_unknown_names(reader: &mut Reader<'_>, catalogue: &Catalogue, selected: &[Facts]) {
    let families = variables::ALL
        .iter()
        .filter_map(variables::Variable::family)
        .filter(|family| family.starts_with("EVM_"));
    let families: Vec<&str> = families.collect();
    for name in reader.environment.names() {
        let Some(suffix) = families.iter().find_map(|family| name.strip_prefix(family)) else {
            continue;
        };
        let is_id = suffix
            .strip_prefix("EIP155_")
            .is_some_and(|digits| digits.parse::<u64>().is_ok());
        let mut known = catalogue.iter().chain(selected);
        if !is_id && !known.any(|facts| facts.suffix() == suffix) {
            reader.problem(name, "names no known network");
        }
    }
}

fn network(reader: &mut Reader<'_>, facts: Facts, shared: &Shared) -> EvmNetwork {
    let (rpc_source, rpc_urls) = endpoints(reader, &facts, shared);
    let send_urls = variable_for(reader, "EVM_SEND_URL_", &facts)
        .and_then(|name| reader.each(&name, value::endpoint))
        .unwrap_or_default();
    let max_fee = variable_for(reader, "EVM_MAX_FEE_GWEI_", &facts)
        .and_then(|name| reader.optional(&name, |text| value::positive(text, 9)));
    let spend_cap = variable_for(reader, "EVM_DAILY_SPEND_CAP_", &facts)
        .and_then(|name| reader.optional(&name, |text| value::positive(text, 18)));
    let max_fee_per_gas = max_fee.unwrap_or(facts.max_fee_per_gas);
    EvmNetwork {
        network: Network::eip155(facts.chain_id),
        chain_id: facts.chain_id,
        rpc_urls,
        send_urls,
        rpc_source,
        assets: assets(reader, &facts),
        any_asset: shared.any_asset,
        max_fee_per_gas,
        min_priority_fee: facts.min_priority_fee.min(max_fee_per_gas),
        daily_spend_cap: spend_cap.unwrap_or(facts.daily_spend_cap),
        factories: shared.factories.clone(),
        name: facts.name,
        v1_name: facts.v1_name,
        testnet: facts.testnet,
        explorer: facts.explorer,
        block_time: facts.block_time,
        confirmations: facts.confirmations,
        finality_depth: facts.finality_depth,
        bump_after: facts.bump_after,
    }
}

/// The nodes to ask, and where they came from: the operator's own, else Alchemy and Infura in that order, else the public ones.
fn endpoints(
    reader: &mut Reader<'_>,
    facts: &Facts,
    shared: &Shared,
) -> (&'static str, Vec<Secret>) {
    if let Some(name) = variable_for(reader, "EVM_RPC_URL_", facts) {
        let urls = reader.each(&name, value::endpoint);
        return ("explicit", urls.unwrap_or_default());
    }
    let through = |host: &Option<String>, key: &Option<Secret>| {
        let (host, key) = (host.as_ref()?, key.as_ref()?);
        Some(Secret::new(format!("https://{host}/{}", key.expose())))
    };
    let alchemy = through(&facts.alchemy, &shared.alchemy);
    let infura = through(&facts.infura, &shared.infura);
    match (alchemy, infura) {
        (Some(first), Some(second)) => ("alchemy, infura", vec![first, second]),
        (Some(alchemy), None) => ("alchemy", vec![alchemy]),
        (None, Some(infura)) => ("infura", vec![infura]),
        (None, None) => {
            if facts.rpc.is_empty() {
                let variable = format!("EVM_RPC_URL_{}", facts.suffix());
                let message = format!("must be set: no public node of {} is known", facts.name);
                reader.problem(variable, message);
            }
            ("public", facts.rpc.clone())
        }
    }
}

/// The listed tokens and those that the operator adds, of which nothing but the address is known.
fn assets(reader: &mut Reader<'_>, facts: &Facts) -> Vec<Asset> {
    let mut assets = facts.assets.clone();
    let added = variable_for(reader, "EVM_ASSETS_", facts)
        .and_then(|name| reader.each(&name, value::address))
        .unwrap_or_default();
    for address in added {
        if assets.iter().any(|asset| asset.address == address) {
            continue;
        }
        assets.push(Asset {
            address,
            symbol: address.to_string(),
            decimals: None,
            domain: None,
        });
    }
    assets
}

/// The variable of a family that is set for a network, under its name or its id.
fn variable_for(reader: &mut Reader<'_>, family: &str, facts: &Facts) -> Option<String> {
    let by_name = format!("{family}{}", facts.suffix());
    let by_id = format!("{family}EIP155_{}", facts.chain_id);
    let is_set = |name: &str| reader.environment.get(name).is_some();
    match (is_set(&by_name), is_set(&by_id)) {
        (true, true) if by_name != by_id => {
            reader.problem(
                by_id,
                format!("and {by_name} are both set and mean one network; keep one"),
            );
            Some(by_name)
        }
        (true, _) => Some(by_name),
        (false, true) => Some(by_id),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
