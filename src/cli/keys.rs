//! `keys`: who may call. A key is printed once, when it is made; the database has only its digest.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use solana_pubkey::Pubkey;

use crate::clock::Clock;
use crate::config::{self, Config, Environment};
use crate::facilitator::Scope;
use crate::http::NewKey;
use crate::observe::{self, Telemetry};
use crate::protocol::Network;
use crate::run;
use crate::store::{Added, ApiKey, KEYS_MAX, Store};

/// Keys that `list` shows.
const LISTED: u32 = 1000;
const NAME_LIMIT: usize = 64;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key and print it, this once.
    Create(Create),
    /// All keys with what they allow, newest first; never the keys themselves.
    List,
    /// End a key, named by its prefix or its name. Every replica knows within seconds.
    Revoke { key: String },
}

#[derive(Debug, Args)]
struct Create {
    /// Whose key it is; no two keys in use have the same.
    #[arg(long, value_parser = name)]
    name: String,
    /// Addresses it may verify and settle payments to; none given: any.
    #[arg(long, value_delimiter = ',', value_parser = pay_to)]
    pay_to: Vec<String>,
    /// Networks it may use, such as base or eip155:8453; none given: any.
    #[arg(long, value_delimiter = ',')]
    networks: Vec<String>,
    /// Calls per minute of /verify, and as many of /settle.
    #[arg(long)]
    rate: Option<u32>,
    /// Payments it may settle in a UTC day.
    #[arg(long)]
    daily: Option<u32>,
    /// What it is for: verify, settle, admin.
    #[arg(long, value_delimiter = ',', default_value = "verify,settle", value_parser = scope)]
    scopes: Vec<Scope>,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let config = Config::load(&Environment::of_process())?;
    observe::start_log(&config.log, &Telemetry::default());
    let store = Store::connect(&config.store.url, 1, Clock::system())
        .await
        .context("opening the database (DATABASE_URL)")?;
    run::prepare(&store, config.store.auto_migrate).await?;
    let done = match options.command {
        Command::Create(create) => create_key(&store, &config, create).await,
        Command::List => list(&store).await,
        Command::Revoke { key } => revoke(&store, &key).await,
    };
    store.close().await;
    done
}

async fn create_key(store: &Store, config: &Config, create: Create) -> anyhow::Result<ExitCode> {
    let networks: Vec<String> = create
        .networks
        .iter()
        .map(|named| network(config, named))
        .collect::<anyhow::Result<_>>()?;
    let new = NewKey::generate();
    let row = ApiKey {
        id: new.id.clone(),
        name: create.name,
        hash: new.hash,
        scopes: Scope::ALL
            .into_iter()
            .filter(|scope| create.scopes.contains(scope))
            .map(|scope| scope.as_str().to_owned())
            .collect(),
        pay_to: create.pay_to,
        networks,
        rate: create.rate,
        daily: create.daily.map(i64::from),
        created_at: 0,
        revoked_at: None,
    };
    match store.add_key(&row).await? {
        Added::Done => {}
        Added::NameTaken => bail!("a key named {} is in use; revoke it first", row.name),
        Added::Full => bail!("{KEYS_MAX} keys are in use; revoke some first"),
    }
    if !config.auth.api_keys {
        complain("API_KEYS is off here: a service with these settings does not look at keys")?;
    }
    complain("the key follows, and is not shown again:")?;
    say(new.key.expose())?;
    Ok(ExitCode::SUCCESS)
}

async fn list(store: &Store) -> anyhow::Result<ExitCode> {
    let any = |values: &[String]| {
        if values.is_empty() {
            "any".to_owned()
        } else {
            values.join(",")
        }
    };
    say("prefix\tname\tstate\tscopes\tpay_to\tnetworks\trate\tdaily\tcreated (unix ms)")?;
    for key in store.all_keys(LISTED).await? {
        let state = if key.revoked_at.is_some() {
            "revoked"
        } else {
            "in use"
        };
        let number =
            |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
        let fields = [
            key.id,
            key.name,
            state.to_owned(),
            key.scopes.join(","),
            any(&key.pay_to),
            any(&key.networks),
            number(key.rate.map(i64::from)),
            number(key.daily),
            key.created_at.to_string(),
        ];
        say(&fields.join("\t"))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(store: &Store, key: &str) -> anyhow::Result<ExitCode> {
    // Somebody may paste the whole key: its beginning names it.
    let named = match key.match_indices('_').nth(1) {
        Some((end, _)) if key.starts_with("x402_") => &key[..end],
        Some(_) | None => key,
    };
    if !store.revoke_key(named).await? {
        bail!("no key in use has this prefix or name");
    }
    say("revoked")?;
    Ok(ExitCode::SUCCESS)
}

/// A network's id. A name is one that these settings serve: a misspelt one would make a key for nothing.
fn network(config: &Config, named: &str) -> anyhow::Result<String> {
    let evm = config.evm.networks.iter().map(|n| (&n.name, &n.network));
    let svm = config.svm.networks.iter().map(|n| (&n.name, &n.network));
    let served = evm.chain(svm).find(|(name, _)| *name == named);
    let network = served.map(|(_, network)| network.clone());
    let network = network.or_else(|| Network::parse(named));
    let network = network.with_context(|| {
        format!("{named} is no network served here and no id such as eip155:8453")
    })?;
    Ok(network.to_string())
}

fn name(text: &str) -> Result<String, String> {
    let is_name = (1..=NAME_LIMIT).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        && text.trim() == text
        && !text.starts_with("x402_");
    if is_name {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must be 1 to {NAME_LIMIT} printable ASCII characters, and not begin with x402_"
        ))
    }
}

/// An address in the form that payments are compared in.
fn pay_to(text: &str) -> Result<String, String> {
    if text.starts_with("0x") {
        return config::evm_address(text).map(|address| format!("{address:#x}"));
    }
    let address: Result<Pubkey, _> = text.parse();
    address
        .map(|address| address.to_string())
        .map_err(|_| "must be an address: 0x and 40 hex digits, or 32 bytes in base58".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| "must be verify, settle or admin".to_owned())
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("writing the answer")
}

fn complain(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "{line}").context("writing the answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payee_is_bound_in_the_form_that_payments_are_compared_in() {
        let usdc = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
        assert_eq!(pay_to(usdc), Ok(usdc.to_lowercase()));
        let mint = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
        assert_eq!(pay_to(mint), Ok(mint.to_owned()));
        for bad in [
            "",
            "shop",
            "0x12",
            "0x036cbD53842c5426634e7929541eC2318f3dCF7e",
        ] {
            assert!(pay_to(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_printable_and_no_prefix() {
        assert_eq!(name("Shop no. 7"), Ok("Shop no. 7".to_owned()));
        for bad in ["", " shop", "x402_abc", "a\tb", "ä", &"n".repeat(65)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
