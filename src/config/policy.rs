//! Which payments an operator takes, beyond what the schemes ask for. Unset is no rule.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::deny::{self, DenyList};
use super::reader::Reader;
use super::value::{self, Parsed};
use crate::protocol::{Amount, Network, Party};
use crate::secret::Secret;
use crate::webhook::SigningSecret;

#[derive(Debug, Clone)]
pub struct Policy {
    /// Most atomic units of one payment.
    pub max_amount: Option<Amount>,
    pub minimum: Minimum,
    /// Who may be paid.
    pub pay_to: Option<Vec<Party>>,
    /// Networks, by id or as version 1 names them.
    pub networks: Option<Vec<String>>,
    pub deny_list: deny::Source,
    /// Whether payers with code may pay.
    pub contract_wallets: bool,
    /// Asked before a payment is queued, in the form of the facilitator that this one replaces.
    pub preflight: Option<Asked>,
    pub before_verify: Option<Asked>,
    pub before_settle: Option<Asked>,
    /// What payers must hold; any one of these will do, none is no rule.
    pub gates: Vec<Gate>,
    pub gate_fail_open: bool,
    /// How long a balance that was read is believed.
    pub gate_cache: Duration,
    /// What signs hooks and webhooks; several while they are exchanged.
    pub signing: Vec<SigningSecret>,
}

/// No rule at all.
impl Default for Policy {
    fn default() -> Self {
        Self {
            max_amount: None,
            minimum: Minimum::default(),
            pay_to: None,
            networks: None,
            deny_list: deny::Source::default(),
            contract_wallets: true,
            preflight: None,
            before_verify: None,
            before_settle: None,
            gates: Vec::new(),
            gate_fail_open: false,
            gate_cache: Duration::ZERO,
            signing: Vec::new(),
        }
    }
}

/// Somebody who is asked over HTTP before something happens.
#[derive(Debug, Clone)]
pub struct Asked {
    pub url: Secret,
    pub timeout: Duration,
    /// Whether no answer is a yes.
    pub fail_open: bool,
}

/// Least atomic units of one payment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minimum {
    /// Of assets that are not named.
    pub any: Option<Amount>,
    pub of: BTreeMap<Party, Amount>,
}

impl Minimum {
    pub fn for_asset(&self, asset: &Party) -> Option<Amount> {
        self.of.get(asset).copied().or(self.any)
    }
}

/// A balance that lets a payer in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    pub network: Network,
    /// Contract or mint, as written.
    pub token: String,
    /// Least balance, atomic units.
    pub least: Amount,
}

pub(super) fn read(reader: &mut Reader<'_>, signing: &[SigningSecret]) -> Policy {
    Policy {
        max_amount: reader.optional("SETTLE_MAX_AMOUNT", amount),
        minimum: minimum(reader),
        pay_to: reader.each("SETTLE_PAYTO_ALLOWLIST", party),
        networks: reader.each("SETTLE_NETWORK_ALLOWLIST", |text| Ok(text.to_owned())),
        deny_list: deny_list(reader),
        contract_wallets: reader.value("CONTRACT_WALLETS", allows),
        preflight: asked(reader, "SETTLE_PREFLIGHT_URL", "SETTLE_PREFLIGHT"),
        before_verify: hook(reader, "HOOK_BEFORE_VERIFY_URL", signing),
        before_settle: hook(reader, "HOOK_BEFORE_SETTLE_URL", signing),
        gates: reader.each("TOKEN_GATE", gate).unwrap_or_default(),
        gate_fail_open: reader.value("TOKEN_GATE_FAIL_OPEN", value::flag),
        gate_cache: milliseconds(reader, "TOKEN_GATE_CACHE_MS", 0, 3_600_000),
        signing: signing.to_vec(),
    }
}

fn minimum(reader: &mut Reader<'_>) -> Minimum {
    let mut minimum = Minimum::default();
    for (asset, least) in reader.each("MIN_AMOUNT", least).unwrap_or_default() {
        match asset {
            Some(asset) => {
                minimum.of.insert(asset, least);
            }
            None => minimum.any = Some(least),
        }
    }
    minimum
}

fn deny_list(reader: &mut Reader<'_>) -> deny::Source {
    let file = reader.environment.get("DENY_LIST_FILE").map(PathBuf::from);
    let initial = DenyList::read(file.as_deref()).unwrap_or_else(|message| {
        reader.problem("DENY_LIST_FILE", message);
        DenyList::default()
    });
    deny::Source { file, initial }
}

/// A hook that cannot prove who asks would be answered by anybody's question.
fn hook(reader: &mut Reader<'_>, name: &str, signing: &[SigningSecret]) -> Option<Asked> {
    let asked = asked(reader, name, "HOOK");
    if asked.is_some() && signing.is_empty() && !reader.has_secret("WEBHOOK_SECRETS") {
        reader.problem("WEBHOOK_SECRETS", format!("must be set, because {name} is"));
    }
    asked
}

fn asked(reader: &mut Reader<'_>, name: &str, family: &str) -> Option<Asked> {
    let timeout = milliseconds(reader, &format!("{family}_TIMEOUT_MS"), 10, 10_000);
    let fail_open = reader.value(&format!("{family}_FAIL_OPEN"), value::flag);
    let url = reader.secret(name, value::endpoint)?;
    Some(Asked {
        url,
        timeout,
        fail_open,
    })
}

fn milliseconds(reader: &mut Reader<'_>, name: &str, least: u64, most: u64) -> Duration {
    Duration::from_millis(reader.value(name, |text| value::whole(text, least, most)))
}

fn amount(text: &str) -> Parsed<Amount> {
    Amount::parse(text).ok_or_else(|| {
        let quoted = value::quote(text);
        format!("must be a whole number of atomic units, not {quoted}")
    })
}

fn party(text: &str) -> Parsed<Party> {
    Party::parse(text).ok_or_else(|| format!("must be an address, not {}", value::quote(text)))
}

/// `1000`, or `0xtoken=1000`.
fn least(text: &str) -> Parsed<(Option<Party>, Amount)> {
    match text.split_once('=') {
        None => Ok((None, amount(text)?)),
        Some((asset, least)) => Ok((Some(party(asset)?), amount(least.trim())?)),
    }
}

/// `eip155:8453/0xtoken=1000`.
fn gate(text: &str) -> Parsed<Gate> {
    let read = || {
        let (place, least) = text.split_once('=')?;
        let (network, token) = place.trim().split_once('/')?;
        Party::parse(token)?;
        Some(Gate {
            network: Network::parse(network)?,
            token: token.to_owned(),
            least: Amount::parse(least.trim())?,
        })
    };
    read().ok_or_else(|| {
        "must be a network's id, a token and a balance in atomic units, such as eip155:8453/0x…=1000000"
            .to_owned()
    })
}

fn allows(text: &str) -> Parsed<bool> {
    match text {
        "allow" => Ok(true),
        "refuse" => Ok(false),
        _ => Err(format!(
            "must be allow or refuse, not {}",
            value::quote(text)
        )),
    }
}
