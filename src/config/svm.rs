//! The Solana networks to serve: which, over which nodes, with which tokens, and what the sponsor agrees to.

use std::collections::BTreeSet;

use solana_pubkey::Pubkey;

use super::networks::Catalogue;
use super::networks::svm::Facts;
use super::reader::Reader;
use super::value::{self, Parsed};
use super::{SmartWallets, Svm, SvmAsset, SvmExtensions, SvmNetwork, SvmPolicy, variables};
use crate::secret::Secret;

/// What the replaced systems served where nobody said.
const USUAL: &str = "solana-devnet";
/// The Token-2022 extensions that change what a payee gets; those without a name here have a number.
pub const TOKEN_2022_EXTENSIONS: [&str; 9] = [
    "transfer_fee",
    "confidential_transfer",
    "default_account_state",
    "non_transferable",
    "permanent_delegate",
    "transfer_hook",
    "confidential_transfer_fee",
    "confidential_mint_burn",
    "pausable",
];

const EXTENSIONS: &str = "SVM_TOKEN_2022_EXTENSIONS";

/// What holds for every network.
struct Shared {
    helius: Option<Secret>,
    any_asset: bool,
    extensions: SvmExtensions,
}

/// Reads everything about Solana. Keys stay empty where none is given: whether one is needed is decided elsewhere.
pub(super) fn read(reader: &mut Reader<'_>, catalogue: &Catalogue) -> Svm {
    let keys = keys(reader);
    let shared = Shared {
        helius: reader.secret("HELIUS_API_KEY", value::api_key),
        any_asset: reader.value("SVM_ANY_ASSET", value::flag),
        extensions: extensions(reader),
    };
    let selected = selected(reader, catalogue);
    refuse_unknown_names(reader, catalogue);
    let networks: Vec<_> = selected
        .into_iter()
        .map(|facts| network(reader, facts, &shared))
        .collect();
    refuse_unknown_mints(reader, &networks, &shared);
    let policy = policy(reader);
    Svm {
        keys,
        networks,
        policy,
    }
}

fn keys(reader: &mut Reader<'_>) -> Vec<Secret> {
    let keys = reader.secret("SVM_PRIVATE_KEY", value::keypairs);
    let keys = keys.unwrap_or_default();
    if value::has_twins(&keys) {
        reader.problem("SVM_PRIVATE_KEY", "must not name the same key twice");
    }
    keys
}

/// The networks that `SVM_NETWORKS` names, in its order. Unset means none, or the usual one for whoever has a key; set to nothing means none.
fn selected(reader: &mut Reader<'_>, catalogue: &Catalogue) -> Vec<Facts> {
    let variable = "SVM_NETWORKS";
    let environment = reader.environment;
    let text = if environment.is_set(variable) {
        environment.get(variable).unwrap_or_default()
    } else if reader.has_secret("SVM_PRIVATE_KEY") {
        reader.note(format!(
            "{variable} is unset: SVM_PRIVATE_KEY serves {USUAL}."
        ));
        USUAL
    } else {
        ""
    };
    let mut chosen: Vec<(&str, Facts)> = Vec::new();
    for entry in value::list(text) {
        let facts = match find(catalogue, entry) {
            Ok(facts) => facts,
            Err(message) => {
                reader.problem(variable, message);
                continue;
            }
        };
        let twin = chosen.iter().find(|(_, other)| other.name == facts.name);
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

/// A network by name, or by CAIP-2 id, in which case counts.
fn find(catalogue: &Catalogue, entry: &str) -> Parsed<Facts> {
    let name = entry.to_lowercase();
    let known = catalogue
        .svm()
        .find(|facts| facts.name == name || facts.network.as_str() == entry);
    known.cloned().ok_or_else(|| {
        let names: Vec<&str> = catalogue.svm().map(|facts| facts.name.as_str()).collect();
        format!(
            "names an unknown network {}; known are {}, and NETWORKS_FILE may describe others",
            value::quote(entry),
            names.join(", ")
        )
    })
}

/// A setting for a network that does not exist is a typing error, and may be a limit that would silently not hold.
fn refuse_unknown_names(reader: &mut Reader<'_>, catalogue: &Catalogue) {
    let families = variables::ALL
        .iter()
        .filter_map(variables::Variable::family)
        .filter(|family| family.starts_with("SVM_"));
    let families: Vec<&str> = families.collect();
    for name in reader.environment.names() {
        let suffix = families.iter().find_map(|family| name.strip_prefix(family));
        if suffix.is_some_and(|suffix| !catalogue.svm().any(|facts| facts.suffix() == suffix)) {
            reader.problem(name, "names no known network");
        }
    }
}

fn network(reader: &mut Reader<'_>, facts: Facts, shared: &Shared) -> SvmNetwork {
    let suffix = facts.suffix();
    let (rpc_source, rpc_urls) = endpoints(reader, &facts, shared);
    let send_urls = reader.each(&format!("SVM_SEND_URL_{suffix}"), value::endpoint);
    let spend_cap = reader.optional(&format!("SVM_DAILY_SPEND_CAP_{suffix}"), |text| {
        value::positive(text, 9)
    });
    SvmNetwork {
        rpc_urls,
        send_urls: send_urls.unwrap_or_default(),
        rpc_source,
        assets: assets(reader, &facts),
        extensions: joined(facts.extensions, &shared.extensions),
        any_asset: shared.any_asset,
        daily_spend_cap: spend_cap.unwrap_or(facts.daily_spend_cap),
        network: facts.network,
        name: facts.name,
        v1_name: facts.v1_name,
        testnet: facts.testnet,
        explorer: facts.explorer,
        block_time: facts.block_time,
    }
}

/// The nodes to ask, and where they came from: the operator's own, else Helius, else the public ones.
fn endpoints(
    reader: &mut Reader<'_>,
    facts: &Facts,
    shared: &Shared,
) -> (&'static str, Vec<Secret>) {
    let variable = format!("SVM_RPC_URL_{}", facts.suffix());
    if reader.environment.get(&variable).is_some() {
        let urls = reader.each(&variable, value::endpoint);
        return ("explicit", urls.unwrap_or_default());
    }
    if let (Some(host), Some(key)) = (&facts.helius, &shared.helius) {
        let url = format!("https://{host}/?api-key={}", key.expose());
        return ("helius", vec![Secret::new(url)]);
    }
    if facts.rpc.is_empty() {
        let message = format!("must be set: no public node of {} is known", facts.name);
        reader.problem(variable, message);
    }
    ("public", facts.rpc.clone())
}

/// The listed tokens and those that the operator adds, of which nothing but the mint is known.
fn assets(reader: &mut Reader<'_>, facts: &Facts) -> Vec<SvmAsset> {
    let mut assets = facts.assets.clone();
    let added = reader.each(&format!("SVM_ASSETS_{}", facts.suffix()), value::pubkey);
    for mint in added.unwrap_or_default() {
        if assets.iter().any(|asset| asset.mint == mint) {
            continue;
        }
        assets.push(SvmAsset {
            mint,
            symbol: mint.to_string(),
            decimals: None,
            token_2022: None,
        });
    }
    assets
}

/// What the operator accepts of single mints. One that is named twice is accepted with all that is said about it.
fn extensions(reader: &mut Reader<'_>) -> SvmExtensions {
    let entries = reader.each(EXTENSIONS, permission).unwrap_or_default();
    let mut extensions = SvmExtensions::new();
    for (mint, names) in entries {
        extensions.entry(mint).or_default().extend(names);
    }
    extensions
}

fn joined(mut listed: SvmExtensions, added: &SvmExtensions) -> SvmExtensions {
    for (mint, names) in added {
        listed
            .entry(*mint)
            .or_default()
            .extend(names.iter().cloned());
    }
    listed
}

/// A permission for a token that nobody can pay with is a typing error.
fn refuse_unknown_mints(reader: &mut Reader<'_>, networks: &[SvmNetwork], shared: &Shared) {
    let assets = || networks.iter().flat_map(|network| &network.assets);
    for mint in shared.extensions.keys() {
        let is_known = shared.any_asset || assets().any(|asset| asset.mint == *mint);
        if !is_known && !networks.is_empty() {
            let message = format!("names {mint}, which is no asset of the networks served");
            reader.problem(EXTENSIONS, message);
        }
    }
}

/// A mint and the extensions that are accepted of it.
fn permission(text: &str) -> Parsed<(Pubkey, BTreeSet<String>)> {
    let Some((mint, names)) = text.split_once(':') else {
        return Err(format!(
            "must be a mint, a colon, and extensions joined by +, not {}",
            value::quote(text)
        ));
    };
    let names = names.split('+').map(|name| extension(name.trim()));
    Ok((value::pubkey(mint.trim())?, names.collect::<Parsed<_>>()?))
}

fn policy(reader: &mut Reader<'_>) -> SvmPolicy {
    SvmPolicy {
        max_compute_units: reader.value("SVM_MAX_COMPUTE_UNITS", |text| {
            value::whole(text, 1, 1_400_000)
        }),
        max_compute_unit_price: reader.value("SVM_MAX_COMPUTE_UNIT_PRICE", |text| {
            value::whole(text, 0, 1_000_000_000)
        }),
        max_priority_fee: reader.value("SVM_MAX_PRIORITY_FEE_LAMPORTS", |text| {
            value::whole(text, 0, 100_000_000)
        }),
        max_required_signatures: reader.value("SVM_MAX_REQUIRED_SIGNATURES", |text| {
            value::whole(text, 2, 12)
        }),
        smart_wallets: reader.value("SVM_SMART_WALLETS", smart_wallets),
        lookup_tables: reader.value("SVM_LOOKUP_TABLES", value::flag),
    }
}

fn smart_wallets(text: &str) -> Parsed<SmartWallets> {
    match text {
        "off" => Ok(SmartWallets::Off),
        "on" => Ok(SmartWallets::Known),
        _ => match value::each(text, value::pubkey) {
            Ok(programs) => Ok(SmartWallets::Programs(programs)),
            Err(_) => Err(format!(
                "must be off, on or addresses of programs, not {}",
                value::quote(text)
            )),
        },
    }
}

/// A name or number of an extension.
pub(super) fn extension(text: &str) -> Parsed<String> {
    if TOKEN_2022_EXTENSIONS.contains(&text) || text.parse::<u16>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!(
        "must be a number or one of {}, not {}",
        TOKEN_2022_EXTENSIONS.join(", "),
        value::quote(text)
    ))
}

#[cfg(test)]
mod tests;
