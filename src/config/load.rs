//! From the environment to a [`Config`]: reads every section, then asks whether they fit together.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use url::Url;

use super::networks::Catalogue;
use super::problem::{Problem, Problems};
use super::reader::Reader;
use super::value::{self, Parsed};
use super::{
    Auth, Cidr, Config, Cors, Environment, Limits, Log, Pages, Reconcile, Server, Settle, Store,
    evm, limits, observe, policy, sessions, svm, throwaway, validate, variables, webhooks,
};
use crate::secret::Secret;

/// Longest wait of `/settle`: the answer must reach clients that give up at 30 s.
const SETTLE_TIMEOUT_LIMIT_MS: u64 = 28_000;

impl Config {
    /// Reads everything, and tells all that is wrong at once.
    ///
    /// Makes `DATA_DIR` where something is to be kept in it, and the throwaway key where no key is given; touches nothing when there are problems.
    pub fn load(environment: &Environment) -> Result<Self, Problems> {
        let mut reader = Reader::new(environment);
        let data_dir = reader.value("DATA_DIR", data_dir);
        let catalogue = catalogue(&mut reader);
        let signing = webhooks::signing(&mut reader);
        let mut config = Self {
            server: server(&mut reader),
            store: store(&mut reader, &data_dir),
            data_dir,
            auth: auth(&mut reader),
            limits: limit_source(&mut reader),
            settle: settle(&mut reader),
            sessions: sessions::read(&mut reader),
            policy: policy::read(&mut reader, &signing),
            webhooks: webhooks::read(&mut reader, signing),
            evm: evm::read(&mut reader, &catalogue),
            svm: svm::read(&mut reader, &catalogue),
            reconcile: reconcile(&mut reader),
            log: log(&mut reader),
            observe: observe::read(&mut reader),
            pages: pages(&mut reader),
            notes: Vec::new(),
        };
        note_strays(&mut reader);
        validate::check(&mut reader, &config);
        Problems::check(std::mem::take(&mut reader.problems))?;
        prepare(&mut reader, &mut config);
        Problems::check(reader.problems)?;
        config.notes = reader.notes;
        Ok(config)
    }
}

/// The known networks; the embedded ones alone where the operator's file cannot be used.
fn catalogue(reader: &mut Reader<'_>) -> Catalogue {
    let text = match reader
        .environment
        .get("NETWORKS_FILE")
        .map(fs::read_to_string)
    {
        None => None,
        Some(Ok(text)) => Some(text),
        Some(Err(error)) => {
            let kind = error.kind();
            reader.problem(
                "NETWORKS_FILE",
                format!("names a file that cannot be read: {kind}"),
            );
            None
        }
    };
    Catalogue::read(text.as_deref()).unwrap_or_else(|messages| {
        for message in messages {
            reader.problem("NETWORKS_FILE", message);
        }
        Catalogue::read(None).expect("a test reads the embedded networks.toml")
    })
}

fn server(reader: &mut Reader<'_>) -> Server {
    Server {
        host: reader.value("HOST", host),
        port: reader.value("PORT", |text| value::whole(text, 0, u16::MAX)),
        base_path: reader.optional("BASE_PATH", base_path).unwrap_or_default(),
        cors: reader.value("CORS_ORIGINS", cors),
        body_limit: reader.value("BODY_LIMIT_BYTES", |text| {
            value::whole(text, 1024, 16_777_216)
        }),
        read_timeout: milliseconds(reader, "READ_TIMEOUT_MS", 100, 120_000),
        max_connections: reader.value("MAX_CONNECTIONS", |text| value::whole(text, 1, 1_000_000)),
        max_connections_per_address: reader.optional("MAX_CONNECTIONS_PER_ADDRESS", |text| {
            value::whole(text, 1, 1_000_000)
        }),
        trusted_proxies: reader
            .each("TRUSTED_PROXIES", Cidr::parse)
            .unwrap_or_default(),
        drain_notice: milliseconds(reader, "DRAIN_NOTICE_MS", 0, 600_000),
        drain_timeout: milliseconds(reader, "DRAIN_TIMEOUT_MS", 0, 600_000),
    }
}

fn pages(reader: &mut Reader<'_>) -> Pages {
    Pages {
        public_feed: reader.value("PUBLIC_FEED", value::flag),
        admin_token: reader.secret("ADMIN_TOKEN", value::bearer_token),
    }
}

fn store(reader: &mut Reader<'_>, data_dir: &Path) -> Store {
    let chosen = reader.secret("DATABASE_URL", database_url);
    Store {
        url: chosen.unwrap_or_else(|| embedded_database(data_dir)),
        max_connections: reader.value("DATABASE_MAX_CONNECTIONS", |text| {
            value::whole(text, 1, 1000)
        }),
        auto_migrate: reader.value("AUTO_MIGRATE", value::flag),
    }
}

fn auth(reader: &mut Reader<'_>) -> Auth {
    Auth {
        tokens: tokens(reader),
        api_keys: reader.value("API_KEYS", is_on),
    }
}

fn tokens(reader: &mut Reader<'_>) -> Vec<Secret> {
    if !reader.has_secret("BEARER_TOKENS") {
        let token = reader.secret("BEARER_TOKEN", value::bearer_token);
        return token.into_iter().collect();
    }
    if reader.has_secret("BEARER_TOKEN") {
        reader.note("BEARER_TOKEN is not used, because BEARER_TOKENS is set.");
    }
    let tokens = reader.secrets("BEARER_TOKENS", value::bearer_token);
    tokens.unwrap_or_default()
}

fn limit_source(reader: &mut Reader<'_>) -> limits::Source {
    let file = reader.environment.get("LIMITS_FILE").map(PathBuf::from);
    let initial = Limits::read(file.as_deref()).unwrap_or_else(|message| {
        reader.problem("LIMITS_FILE", message);
        Limits::embedded()
    });
    limits::Source { file, initial }
}

fn settle(reader: &mut Reader<'_>) -> Settle {
    Settle {
        timeout: settle_timeout(reader),
        pending_status: reader.value("SETTLE_PENDING_STATUS", pending_status),
    }
}

fn settle_timeout(reader: &mut Reader<'_>) -> Duration {
    let (name, alias) = ("SETTLE_TIMEOUT_MS", "SETTLEMENT_RECEIPT_TIMEOUT_MS");
    let parse = |text: &str| value::whole(text, 100, 3_600_000_u64);
    let aliased = reader.optional(alias, parse);
    let (used, chosen) = match aliased {
        Some(chosen) if reader.environment.get(name).is_none() => (alias, chosen),
        _ => (name, reader.value(name, parse)),
    };
    if chosen > SETTLE_TIMEOUT_LIMIT_MS {
        reader.note(format!(
            "{used} is lowered from {chosen} to {SETTLE_TIMEOUT_LIMIT_MS}, because clients give up at 30 s."
        ));
    }
    Duration::from_millis(chosen.min(SETTLE_TIMEOUT_LIMIT_MS))
}

fn reconcile(reader: &mut Reader<'_>) -> Reconcile {
    let hours = reader.value("RECONCILE_INTERVAL_HOURS", |text| {
        value::whole(text, 0, 8784)
    });
    let days = reader.value("RECONCILE_WINDOW_DAYS", |text| {
        value::whole(text, 1, 3660_u64)
    });
    Reconcile {
        interval: Duration::from_hours(hours),
        window: Duration::from_hours(days * 24),
    }
}

fn log(reader: &mut Reader<'_>) -> Log {
    Log {
        json: reader.value("LOG_FORMAT", is_json),
        filter: reader.value("RUST_LOG", log_filter),
    }
}

/// A name that was meant for us and that nothing reads may be a limit which does not hold.
fn note_strays(reader: &mut Reader<'_>) {
    for name in reader.environment.names() {
        if variables::is_stray(name) {
            reader.note(format!(
                "{name} is set, but this service has no such setting."
            ));
        }
    }
}

/// What needs the disk, once nothing is wrong.
fn prepare(reader: &mut Reader<'_>, config: &mut Config) {
    let keeps_store = !reader.has_secret("DATABASE_URL");
    let needs_key = config.evm.keys.is_empty() && !config.evm.networks.is_empty();
    if (keeps_store || needs_key)
        && let Err(error) = fs::create_dir_all(&config.data_dir)
    {
        let kind = error.kind();
        reader.problem(
            "DATA_DIR",
            format!("names a directory that cannot be made: {kind}"),
        );
        return;
    }
    if needs_key {
        match throwaway::throwaway_key(&config.data_dir) {
            Ok(key) => {
                reader.note(throwaway_note(reader, config, &key));
                config.evm.keys.push(key);
            }
            Err(error) => reader
                .problems
                .push(Problem::new("DATA_DIR", with_cause(&error))),
        }
    }
}

fn throwaway_note(reader: &Reader<'_>, config: &Config, key: &Secret) -> String {
    let configured = [
        "EVM_NETWORKS",
        "SVM_NETWORKS",
        "SVM_PRIVATE_KEY",
        "SVM_PRIVATE_KEY_FILE",
        "DATABASE_URL",
        "DATABASE_URL_FILE",
    ];
    let is_untouched = configured
        .iter()
        .all(|name| !reader.environment.is_set(name));
    let beginning = if is_untouched {
        "No configuration"
    } else {
        "No EVM_PRIVATE_KEY"
    };
    let names: Vec<&str> = config
        .evm
        .networks
        .iter()
        .map(|network| network.name.as_str())
        .collect();
    let address = throwaway::address(key).map(|address| address.to_string());
    format!(
        "{beginning}: {}, {} only, throwaway key at {}, its address {}.",
        config.store.place(),
        names.join(", "),
        throwaway::path(&config.data_dir).display(),
        address.unwrap_or_default(),
    )
}

fn with_cause(error: &throwaway::Error) -> String {
    match error {
        throwaway::Error::Io { source, .. } => format!("is no use: {error}: {}", source.kind()),
        throwaway::Error::Unreadable { .. } => format!("is no use: {error}"),
    }
}

fn milliseconds(reader: &mut Reader<'_>, name: &str, least: u64, most: u64) -> Duration {
    Duration::from_millis(reader.value(name, |text| value::whole(text, least, most)))
}

pub(super) fn host(text: &str) -> Parsed<IpAddr> {
    text.parse().map_err(|_| {
        let quoted = value::quote(text);
        format!("must be an IP address such as 0.0.0.0 or ::, not {quoted}")
    })
}

/// A path of plain segments; the slash at its end is dropped.
fn base_path(text: &str) -> Parsed<String> {
    let path = text.trim_end_matches('/');
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    let is_segment =
        |part: &str| !part.is_empty() && part.bytes().all(fits) && part.bytes().any(|b| b != b'.');
    let is_path =
        text.starts_with('/') && (path.is_empty() || path.split('/').skip(1).all(is_segment));
    if is_path {
        Ok(path.to_owned())
    } else {
        let quoted = value::quote(text);
        Err(format!("must be a path such as /facilitator, not {quoted}"))
    }
}

fn cors(text: &str) -> Parsed<Cors> {
    match text {
        "off" => Ok(Cors::Off),
        "*" => Ok(Cors::Any),
        _ => match value::each(text, origin) {
            Ok(origins) => Ok(Cors::Origins(origins)),
            Err(messages) => Err(messages.join("; ")),
        },
    }
}

/// An origin as browsers send it: scheme, host, and port where it is not the usual one.
fn origin(text: &str) -> Parsed<String> {
    let written = text.to_lowercase();
    let read = Url::parse(text)
        .ok()
        .map(|url| url.origin().ascii_serialization());
    match read {
        Some(origin) if origin == written => Ok(origin),
        _ => {
            let quoted = value::quote(text);
            Err(format!(
                "must be off, * or origins such as https://shop.example, not {quoted}"
            ))
        }
    }
}

fn database_url(text: &str) -> Parsed<Secret> {
    let schemes = ["sqlite://", "postgres://", "postgresql://"];
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let names_something = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('?'));
    if names_something && Url::parse(text).is_ok() {
        return Ok(Secret::new(text));
    }
    Err("must be a sqlite://, postgres:// or postgresql:// URL that names a database".to_owned())
}

/// A directory; URLs, and so the embedded database's, cannot carry `..` as it is.
fn data_dir(text: &str) -> Parsed<PathBuf> {
    if text.split('/').any(|part| part == "..") {
        return Err("must be a path without `..`".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// SQLite's URL for the file in `data_dir`; what has a meaning in URLs is escaped.
fn embedded_database(data_dir: &Path) -> Secret {
    let path = data_dir.join("facilitator.db");
    let escaped: String = path.to_string_lossy().bytes().map(escape).collect();
    Secret::new(format!("sqlite://{escaped}"))
}

fn escape(byte: u8) -> String {
    match byte {
        b'/' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

fn pending_status(text: &str) -> Parsed<u16> {
    match text {
        "200" => Ok(200),
        "500" => Ok(500),
        _ => Err(format!("must be 200 or 500, not {}", value::quote(text))),
    }
}

fn is_on(text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("must be on or off, not {}", value::quote(text))),
    }
}

fn is_json(text: &str) -> Parsed<bool> {
    match text {
        "json" => Ok(true),
        "pretty" => Ok(false),
        _ => Err(format!(
            "must be pretty or json, not {}",
            value::quote(text)
        )),
    }
}

fn log_filter(text: &str) -> Parsed<String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!(
            "must be a filter such as info,x402_facilitator=debug, not {}",
            value::quote(text)
        )),
    }
}

#[cfg(test)]
mod tests;
