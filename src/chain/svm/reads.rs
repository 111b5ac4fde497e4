//! What verification and the lane ask: a simulation, and how long blockhashes live.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use solana_hash::Hash;
use solana_message::v0::MessageAddressTableLookup;
use solana_pubkey::Pubkey;

use super::blockhashes::Blockhashes;
use super::chain::InContext;
use super::effect::read_inner;
use super::ledger::{Account, Ledger, NotLoaded, Simulation, Trial, Unavailable, Validity};
use super::rpc::{Call, parse};
use super::{Error, Rpc, tables};

/// What a node says that has not seen the block which the buyer's wallet took its blockhash from.
const UNKNOWN_BLOCKHASH: &str = "BlockhashNotFound";

/// Reads of one network.
#[derive(Debug)]
pub struct Reads {
    rpc: Arc<Rpc>,
    blockhashes: Blockhashes,
}

/// A simulation as nodes tell it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Simulated {
    err: Option<Value>,
    #[serde(default)]
    accounts: Option<Vec<Option<Shown>>>,
    #[serde(default)]
    inner_instructions: Value,
}

/// An account as nodes tell it.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    owner: String,
    data: (String, String),
}

impl Reads {
    pub fn new(rpc: Arc<Rpc>) -> Self {
        Self {
            rpc,
            blockhashes: Blockhashes::default(),
        }
    }

    /// Whether every endpoint that can be asked says that the transaction fails. One stale node is no verdict.
    pub(super) async fn all_refuse(&self, trial: &Trial) -> bool {
        let answers = self.rpc.ask_all(&[simulation(trial)]).await;
        let mut looks = answers.iter().flatten().flatten().peekable();
        looks.peek().is_some()
            && looks.all(|look| {
                let simulated: Result<InContext<Simulated>, _> = parse(Some(look));
                simulated.is_ok_and(|simulated| simulated.value.err.is_some())
            })
    }

    async fn ask(&self, trial: &Trial) -> Result<Simulated, Error> {
        let (method, params) = simulation(trial);
        let first: InContext<Simulated> = self.rpc.read(method, params).await?;
        if !is_behind(&first.value) {
            return Ok(first.value);
        }
        let answers = self.rpc.ask_all(&[simulation(trial)]).await;
        let mut others = answers.iter().flatten().filter_map(|answers| {
            let other: InContext<Simulated> = parse(answers.first()).ok()?;
            Some(other.value)
        });
        Ok(others
            .find(|other| !is_behind(other))
            .unwrap_or(first.value))
    }
}

#[async_trait]
impl Ledger for Reads {
    async fn simulate(&self, trial: &Trial) -> Result<Simulation, Unavailable> {
        let simulated = self.ask(trial).await.map_err(|cause| unavailable(&cause))?;
        read_simulation(simulated, trial)
            .ok_or_else(|| Unavailable("unreadable simulation".to_owned()))
    }

    async fn validity(&self, blockhash: &Hash) -> Result<Validity, Unavailable> {
        let validity = self.blockhashes.validity(&self.rpc, blockhash).await;
        validity.map_err(|cause| unavailable(&cause))
    }

    async fn load(&self, lookups: &[MessageAddressTableLookup]) -> Result<Vec<Pubkey>, NotLoaded> {
        tables::load(&self.rpc, lookups).await
    }
}

fn simulation(trial: &Trial) -> Call {
    let accounts: Vec<String> = trial.accounts.iter().map(ToString::to_string).collect();
    let config = json!({
        "encoding": "base64",
        "commitment": "confirmed",
        "sigVerify": false,
        "replaceRecentBlockhash": false,
        "innerInstructions": true,
        "accounts": {"encoding": "base64", "addresses": accounts},
    });
    let wire = BASE64_STANDARD.encode(&trial.wire);
    ("simulateTransaction", json!([wire, config]))
}

fn is_behind(simulated: &Simulated) -> bool {
    simulated
        .err
        .as_ref()
        .is_some_and(|err| err == UNKNOWN_BLOCKHASH)
}

/// `None` when an account cannot be read: what is not understood cannot be judged.
fn read_simulation(simulated: Simulated, trial: &Trial) -> Option<Simulation> {
    let shown = simulated.accounts.unwrap_or_default();
    let read = |shown: Option<Shown>| match shown {
        Some(shown) => read_account(&shown).map(Some),
        None => Some(None),
    };
    Some(Simulation {
        error: simulated.err,
        inner: read_inner(&simulated.inner_instructions, &trial.keys),
        accounts: shown.into_iter().map(read).collect::<Option<_>>()?,
    })
}

pub(super) fn read_account(shown: &Shown) -> Option<Account> {
    Some(Account {
        owner: shown.owner.parse::<Pubkey>().ok()?,
        data: BASE64_STANDARD.decode(&shown.data.0).ok()?,
    })
}

fn unavailable(cause: &Error) -> Unavailable {
    Unavailable(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial() -> Trial {
        Trial {
            wire: vec![1, 2],
            keys: vec![Pubkey::new_from_array([1; 32])],
            accounts: vec![Pubkey::new_from_array([1; 32])],
        }
    }

    #[test]
    fn tries_just_what_will_be_sent() {
        let (method, params) = simulation(&trial());
        assert_eq!(method, "simulateTransaction");
        assert_eq!(params[0], "AQI=");
        assert_eq!(params[1]["sigVerify"], false);
        assert_eq!(params[1]["replaceRecentBlockhash"], false);
        assert_eq!(params[1]["innerInstructions"], true);
        let addresses = &params[1]["accounts"]["addresses"];
        assert_eq!(
            *addresses,
            json!([Pubkey::new_from_array([1; 32]).to_string()])
        );
    }

    #[test]
    fn reads_a_simulation_as_nodes_tell_it() {
        let owner = Pubkey::new_from_array([2; 32]);
        let told = json!({
            "err": {"InstructionError": [2, {"Custom": 1}]},
            "accounts": [null, {"owner": owner.to_string(), "data": ["AQI=", "base64"], "lamports": 5}],
            "innerInstructions": null,
            "logs": [],
        });
        let read = read_simulation(serde_json::from_value(told).unwrap(), &trial()).unwrap();
        let account = Account {
            owner,
            data: vec![1, 2],
        };
        assert_eq!(read.accounts, vec![None, Some(account)]);
        assert_eq!((read.error.is_some(), read.inner), (true, None));

        let fine = serde_json::from_value(json!({"err": null, "innerInstructions": []})).unwrap();
        let fine = read_simulation(fine, &trial()).unwrap();
        assert_eq!((fine.error, fine.inner), (None, Some(vec![])));

        let bad = json!({"err": null, "accounts": [{"owner": "me", "data": ["", "base64"]}]});
        assert_eq!(
            read_simulation(serde_json::from_value(bad).unwrap(), &trial()),
            None
        );
    }
}
