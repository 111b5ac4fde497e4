//! Facts about networks: the embedded `config/networks.toml`, and the operator's file laid over it field by field.

pub(super) mod svm;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;
use toml::{Table, Value};

use super::value::{self, Parsed};
use super::{Asset, Domain};
use crate::secret::Secret;

const EMBEDDED: &str = include_str!("../../config/networks.toml");
/// JavaScript clients cannot name a larger chain id exactly.
const CHAIN_IDS: RangeInclusive<u64> = 1..=9_007_199_254_740_991;
/// The chain ids that development nodes have out of the box. Every other unknown chain counts as a mainnet.
const DEVELOPMENT_CHAINS: [u64; 2] = [31_337, 1337];
const SHORTEST_BUMP: Duration = Duration::from_secs(5);

/// What is known about one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) chain_id: u64,
    pub(super) v1_name: Option<String>,
    pub(super) testnet: bool,
    pub(super) block_time: Duration,
    pub(super) confirmations: u64,
    pub(super) finality_depth: u64,
    pub(super) bump_after: Duration,
    pub(super) max_fee_per_gas: u128,
    pub(super) min_priority_fee: u128,
    pub(super) daily_spend_cap: u128,
    pub(super) alchemy: Option<String>,
    pub(super) infura: Option<String>,
    pub(super) rpc: Vec<Secret>,
    pub(super) explorer: Option<String>,
    pub(super) assets: Vec<Asset>,
}

/// All networks known by name.
#[derive(Debug, Clone)]
pub(super) struct Catalogue {
    evm: BTreeMap<String, Facts>,
    svm: BTreeMap<String, svm::Facts>,
}

/// The rows of a file before they are read, by name.
type Rows = BTreeMap<String, Table>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    networks: Rows,
    #[serde(default)]
    svm: Rows,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    chain_id: u64,
    v1_name: Option<String>,
    #[serde(default)]
    testnet: bool,
    #[serde(default = "Row::block_time_ms")]
    block_time_ms: u64,
    #[serde(default = "Row::confirmations")]
    confirmations: u64,
    #[serde(default = "Row::finality_depth")]
    finality_depth: u64,
    bump_after_ms: Option<u64>,
    #[serde(default = "Row::max_fee_gwei")]
    max_fee_gwei: String,
    #[serde(default = "Row::min_priority_fee_gwei")]
    min_priority_fee_gwei: String,
    #[serde(default = "Row::daily_spend_cap")]
    daily_spend_cap: String,
    alchemy: Option<String>,
    infura: Option<String>,
    #[serde(default)]
    rpc: Vec<String>,
    explorer: Option<String>,
    #[serde(default)]
    assets: Vec<AssetRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetRow {
    address: String,
    symbol: String,
    decimals: Option<u8>,
    eip712: Option<DomainRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DomainRow {
    name: String,
    version: String,
}

impl Catalogue {
    /// The embedded facts, with an operator's file laid over them where there is one. Errors are about that file.
    pub(super) fn read(extension: Option<&str>) -> Result<Self, Vec<String>> {
        let mut known = document(EMBEDDED).expect("a test reads the embedded networks.toml");
        if let Some(text) = extension {
            let ours = document(text).map_err(|message| vec![message])?;
            lay_over(&mut known.networks, ours.networks);
            lay_over(&mut known.svm, ours.svm);
        }
        let mut problems = Vec::new();
        let evm = each_row("networks", known.networks, &mut problems, Facts::read);
        problems.extend(shared_chain_ids(&evm));
        let svm = each_row("svm", known.svm, &mut problems, svm::Facts::read);
        problems.extend(svm::shared_genesis(&svm));
        if problems.is_empty() {
            Ok(Self { evm, svm })
        } else {
            Err(problems)
        }
    }

    pub(super) fn by_name(&self, name: &str) -> Option<&Facts> {
        self.evm.get(name)
    }

    pub(super) fn by_chain_id(&self, chain_id: u64) -> Option<&Facts> {
        self.iter().find(|facts| facts.chain_id == chain_id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Facts> {
        self.evm.values()
    }

    pub(super) fn svm(&self) -> impl Iterator<Item = &svm::Facts> {
        self.svm.values()
    }
}

fn lay_over(known: &mut Rows, ours: Rows) {
    for (name, fields) in ours {
        known.entry(name).or_default().extend(fields);
    }
}

/// Reads the rows of a section, and goes on after one that is wrong.
fn each_row<T>(
    section: &str,
    rows: Rows,
    problems: &mut Vec<String>,
    read: impl Fn(&str, Table) -> Parsed<T>,
) -> BTreeMap<String, T> {
    let mut known = BTreeMap::new();
    for (name, fields) in rows {
        match read(&name, fields) {
            Ok(facts) => {
                known.insert(name, facts);
            }
            Err(message) => problems.push(format!("[{section}.{name}] {message}")),
        }
    }
    known
}

impl Facts {
    /// A chain that no file tells about: cautious defaults, no name in version 1, no asset, no public endpoint.
    pub(super) fn of_unknown_chain(chain_id: u64) -> Parsed<Self> {
        let mut fields = Table::new();
        let id = i64::try_from(in_range("chain_id", chain_id, &CHAIN_IDS)?);
        fields.insert(
            "chain_id".to_owned(),
            Value::Integer(id.unwrap_or_default()),
        );
        let testnet = DEVELOPMENT_CHAINS.contains(&chain_id);
        fields.insert("testnet".to_owned(), Value::Boolean(testnet));
        Self::from_row(format!("eip155:{chain_id}"), Row::read(fields)?)
    }

    /// The end of a variable's name that means this network.
    pub(super) fn suffix(&self) -> String {
        suffix(&self.name)
    }

    fn read(name: &str, fields: Table) -> Parsed<Self> {
        if !is_name(name) || name.starts_with("eip155") {
            return Err(
                "a name has lower-case letters, digits and -, and does not begin with eip155"
                    .to_owned(),
            );
        }
        Self::from_row(name.to_owned(), Row::read(fields)?)
    }

    fn from_row(name: String, row: Row) -> Parsed<Self> {
        let milliseconds = 1..=600_000;
        let blocks = 1..=100_000;
        let block_time = in_range("block_time_ms", row.block_time_ms, &milliseconds)?;
        let block_time = Duration::from_millis(block_time);
        let bump_after = match row.bump_after_ms {
            Some(chosen) => {
                Duration::from_millis(in_range("bump_after_ms", chosen, &milliseconds)?)
            }
            None => SHORTEST_BUMP.max(block_time * 5 / 2),
        };
        Ok(Self {
            chain_id: in_range("chain_id", row.chain_id, &CHAIN_IDS)?,
            v1_name: row.v1_name,
            testnet: row.testnet,
            block_time,
            confirmations: in_range("confirmations", row.confirmations, &blocks)?,
            finality_depth: in_range("finality_depth", row.finality_depth, &blocks)?,
            bump_after,
            max_fee_per_gas: named("max_fee_gwei", value::units(&row.max_fee_gwei, 9))?,
            min_priority_fee: named(
                "min_priority_fee_gwei",
                value::units(&row.min_priority_fee_gwei, 9),
            )?,
            daily_spend_cap: named("daily_spend_cap", value::units(&row.daily_spend_cap, 18))?,
            alchemy: row.alchemy,
            infura: row.infura,
            rpc: all("rpc", row.rpc, |url| value::endpoint(&url))?,
            explorer: named("explorer", explorer(row.explorer))?,
            assets: all("assets", row.assets, AssetRow::parse)?,
            name,
        })
    }
}

impl Row {
    fn read(fields: Table) -> Parsed<Self> {
        Self::deserialize(Value::Table(fields)).map_err(|error| error.message().to_owned())
    }

    fn block_time_ms() -> u64 {
        2000
    }

    fn confirmations() -> u64 {
        2
    }

    fn finality_depth() -> u64 {
        256
    }

    fn max_fee_gwei() -> String {
        "100".to_owned()
    }

    fn min_priority_fee_gwei() -> String {
        "0".to_owned()
    }

    fn daily_spend_cap() -> String {
        "1".to_owned()
    }
}

impl AssetRow {
    fn parse(self) -> Parsed<Asset> {
        let domain = self.eip712.map(|domain| Domain {
            name: domain.name,
            version: domain.version,
        });
        Ok(Asset {
            address: value::address(&self.address)?,
            symbol: self.symbol,
            decimals: self.decimals,
            domain,
        })
    }
}

/// Reads a file; an error says where, and does not quote the line: a URL in it may carry a key.
fn document(text: &str) -> Parsed<Document> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        format!("line {line}: {}", error.message())
    })
}

fn shared_chain_ids(known: &BTreeMap<String, Facts>) -> Vec<String> {
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for facts in known.values() {
        if let Some(other) = names.insert(facts.chain_id, &facts.name) {
            problems.push(format!(
                "[networks.{}] has the chain id {} of `{other}`; override that one instead",
                facts.name, facts.chain_id
            ));
        }
    }
    problems
}

/// A page's address with places for what it is about.
fn explorer(template: Option<String>) -> Parsed<Option<String>> {
    let fits = |text: &String| {
        let bare = text.replace("{kind}", "tx").replace("{id}", "0");
        text.contains("{kind}") && text.contains("{id}") && bare.starts_with("https://")
    };
    match template {
        Some(text) if !fits(&text) => {
            Err("must begin with https:// and have {kind} and {id}".to_owned())
        }
        other => Ok(other),
    }
}

fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(fits)
}

fn suffix(name: &str) -> String {
    name.to_uppercase().replace(['-', ':'], "_")
}

fn in_range<T: PartialOrd + Display>(
    field: &str,
    number: T,
    range: &RangeInclusive<T>,
) -> Parsed<T> {
    if range.contains(&number) {
        return Ok(number);
    }
    let (least, most) = (range.start(), range.end());
    Err(format!(
        "{field} must be from {least} to {most}, not {number}"
    ))
}

fn named<T>(field: &str, parsed: Parsed<T>) -> Parsed<T> {
    parsed.map_err(|message| format!("{field} {message}"))
}

fn all<T, R>(field: &str, rows: Vec<R>, parse: impl Fn(R) -> Parsed<T>) -> Parsed<Vec<T>> {
    let parsed = rows.into_iter().map(parse).collect();
    named(field, parsed)
}

#[cfg(test)]
mod tests;
