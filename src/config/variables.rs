//! Every variable there is: what reads the environment, `.env.example` and the README all go by this table.

use std::fmt::Write;

/// What a name in a family stands for: the network's name in upper case, every other character `_`.
const PLACEHOLDER: &str = "<NAME>";
/// Beginnings of names that operators write for this service and for nothing else.
const OURS: [&str; 16] = [
    "BEARER_",
    "CDP_",
    "DENY_LIST",
    "EIP6492_",
    "EVM_",
    "HELIUS_",
    "HOOK_",
    "LIMITS_",
    "METRICS_",
    "SETTLE_",
    "SETTLEMENT_",
    "STARKNET_",
    "SVM_",
    "TOKEN_GATE",
    "UPTO_",
    "WEBHOOK_",
];

/// One variable, or one family of variables where the name ends in `<NAME>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    pub group: Group,
    /// What holds while the variable is unset; `None` where that is nothing, or depends.
    pub default: Option<&'static str>,
    pub doc: &'static str,
    /// Whether the value must never be shown; it may then also come from a file, by `<name>_FILE`.
    pub secret: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Server,
    Database,
    Authentication,
    Settlement,
    Sessions,
    Policy,
    Webhooks,
    Evm,
    Svm,
    Logging,
    Telemetry,
}

impl Group {
    pub const ALL: [Self; 11] = [
        Self::Server,
        Self::Database,
        Self::Authentication,
        Self::Settlement,
        Self::Sessions,
        Self::Policy,
        Self::Webhooks,
        Self::Evm,
        Self::Svm,
        Self::Logging,
        Self::Telemetry,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Database => "Database",
            Self::Authentication => "Authentication",
            Self::Settlement => "Settlement",
            Self::Sessions => "Sessions (upto)",
            Self::Policy => "Policy",
            Self::Webhooks => "Webhooks",
            Self::Evm => "EVM networks",
            Self::Svm => "Solana networks",
            Self::Logging => "Logging",
            Self::Telemetry => "Metrics and traces",
        }
    }

    /// The end of a family's names in examples.
    const fn example(self) -> &'static str {
        match self {
            Self::Svm => "SOLANA_DEVNET",
            Self::Server
            | Self::Database
            | Self::Authentication
            | Self::Settlement
            | Self::Sessions
            | Self::Policy
            | Self::Webhooks
            | Self::Evm
            | Self::Logging
            | Self::Telemetry => "BASE_SEPOLIA",
        }
    }

    const fn default(self, name: &'static str, value: &'static str, doc: &'static str) -> Variable {
        let default = Some(value);
        Variable {
            default,
            ..self.unset(name, doc)
        }
    }

    const fn unset(self, name: &'static str, doc: &'static str) -> Variable {
        Variable {
            name,
            group: self,
            default: None,
            doc,
            secret: false,
        }
    }

    const fn secret(self, name: &'static str, doc: &'static str) -> Variable {
        Variable {
            secret: true,
            ..self.unset(name, doc)
        }
    }
}

/// All of them, in the order in which they are documented.
#[rustfmt::skip]
pub const ALL: &[Variable] = {
    use Group::{Authentication, Database, Evm, Logging, Policy, Server, Sessions, Settlement, Svm, Telemetry, Webhooks};
    &[
        Server.default("PORT", "8090", "Port to listen on."),
        Server.default("HOST", "0.0.0.0", "IP address to listen on; `::` for both families."),
        Server.unset("BASE_PATH", "Path under which the routes are served besides `/`, such as `/facilitator`."),
        Server.default("CORS_ORIGINS", "off", "Browser origins that may call: `off`, `*`, or a comma-separated list such as `https://shop.example`."),
        Server.default("BODY_LIMIT_BYTES", "65536", "Largest request body, bytes."),
        Server.default("READ_TIMEOUT_MS", "10000", "How long a client may take to send the head of a request, and again the body, milliseconds."),
        Server.default("MAX_CONNECTIONS", "1024", "Connections open at once; more wait to be accepted."),
        Server.unset("MAX_CONNECTIONS_PER_ADDRESS", "Of these, from one address; more are closed at once. Those of `TRUSTED_PROXIES` may have any number. Unset: a quarter of `MAX_CONNECTIONS`, and any number from this machine."),
        Server.unset("TRUSTED_PROXIES", "Addresses of proxies whose `X-Forwarded-For` is believed, comma-separated, such as `10.0.0.0/8,fd00::/8`. Everybody else's is ignored. Unset: none."),
        Server.default("PUBLIC_FEED", "true", "`false`: `/` does not list the newest settlements."),
        Server.default("DRAIN_NOTICE_MS", "5000", "How long after SIGTERM the port stays open while `/readyz` says 503, so that load balancers look elsewhere first, milliseconds."),
        Server.default("DRAIN_TIMEOUT_MS", "30000", "How long requests under way may go on after that, milliseconds."),

        Database.secret("DATABASE_URL", "`postgres://…` in production, or `sqlite://…`. Unset: SQLite at `facilitator.db` in `DATA_DIR`, which a mainnet does not start with."),
        Database.default("DATABASE_MAX_CONNECTIONS", "10", "Connections to the database open at once."),
        Database.default("AUTO_MIGRATE", "true", "`false`: a start refuses a database that is not up to date, where `migrate` is a step of its own."),
        Database.default("DATA_DIR", "./data", "Directory of the embedded database and of the throwaway key."),

        Authentication.secret("BEARER_TOKEN", "Token that callers send as `Authorization: Bearer …`, at least 16 characters. A mainnet needs one, or `API_KEYS=on`, or `SETTLE_AUTH=off`."),
        Authentication.secret("BEARER_TOKENS", "Several such tokens, comma-separated; wins over `BEARER_TOKEN`."),
        Authentication.default("API_KEYS", "off", "`on`: keys made by `x402-facilitator keys create` open the door, besides bearer tokens."),
        Authentication.unset("SETTLE_AUTH", "`required`: no start without a token or `API_KEYS=on`. `off`: anyone may spend this service's gas. Unset: `required` where a mainnet is served."),
        Authentication.unset("LIMITS_FILE", "A file in the form of `config/limits.toml`: how much callers and payers may use. It overrides fields of that one, and is read again on SIGHUP."),
        Authentication.secret("ADMIN_TOKEN", "Opens `/admin`, at least 16 characters: the password that the browser asks for, with any name. Unset: there is no such page."),

        Settlement.default("SETTLE_TIMEOUT_MS", "20000", "How long `/settle` waits for an outcome before it answers `settlement_pending`, milliseconds; at most 28000, because clients give up at 30 s."),
        Settlement.unset("SETTLEMENT_RECEIPT_TIMEOUT_MS", "Another name of `SETTLE_TIMEOUT_MS`, which wins."),
        Settlement.default("SETTLE_PENDING_STATUS", "200", "HTTP status of `settlement_pending`: `200`, or `500` for resource servers that want it."),

        Settlement.default("RECONCILE_INTERVAL_HOURS", "24", "How often one of the replicas compares the ledger with the chain, hours; differences are logged and counted. `0`: only the `reconcile` command does."),
        Settlement.default("RECONCILE_WINDOW_DAYS", "7", "How far back such a comparison looks, days."),
        Sessions.default("UPTO_SESSIONS", "facilitator", "Who adds up the calls of an ERC-2612 session: `facilitator` (`/verify` holds, `/settle` charges, sums are settled when due), or `merchant` (`/verify` only checks, `/settle` moves the asked amount on chain at once, within the permit's cap)."),
        Sessions.default("UPTO_UNCLAIMED", "release", "What happens to a held amount that `/settle` does not charge within `maxTimeoutSeconds`: `release`, or `charge` for merchants that only ever call `/verify`."),
        Sessions.default("UPTO_SWEEP_INTERVAL_MS", "30000", "Pause between two looks at what is due, milliseconds."),
        Sessions.default("UPTO_IDLE_SETTLE_MS", "120000", "What a session owes is settled after this long without a call, milliseconds."),
        Sessions.default("UPTO_LONG_IDLE_MS", "1800000", "A session is closed after this long without a call, milliseconds."),
        Sessions.default("UPTO_DEADLINE_BUFFER_MS", "60000", "How long before a permit's deadline what is owed is settled and the session closed, milliseconds."),
        Sessions.default("UPTO_CAP_THRESHOLD_PERCENT", "90", "What a session owes is settled once this much of its cap is charged, percent."),
        Sessions.default("UPTO_SETTLE_ATTEMPTS", "10", "Settlements of a session refused in a row until it is `failed`; what it owes stays on record."),
        Sessions.default("UPTO_ARCHIVE_AFTER_MS", "2592000000", "How long closed and failed sessions are listed, milliseconds; they are never deleted."),

        Policy.unset("SETTLE_MAX_AMOUNT", "Most that one payment may be, atomic units. Unset: any."),
        Policy.unset("MIN_AMOUNT", "Least that one payment must be, atomic units: a number for every token, `0xtoken=number` for one, or both, comma-separated. Unset: 1."),
        Policy.unset("SETTLE_PAYTO_ALLOWLIST", "Addresses that may be paid, comma-separated. Unset: any."),
        Policy.unset("SETTLE_NETWORK_ALLOWLIST", "Networks that may be paid on, comma-separated: ids, or names of version 1 as requests write them. Unset: all that are served."),
        Policy.unset("DENY_LIST_FILE", "A file of addresses that may neither pay nor be paid, one per line, of any kind of network, `#` before comments. Read again on SIGHUP."),
        Policy.default("CONTRACT_WALLETS", "allow", "`refuse`: only payers without code may pay, on Solana only keys."),
        Policy.secret("SETTLE_PREFLIGHT_URL", "Asked by POST of `{payTo, network, amount, asset}` before a payment is settled. 403 or `{\"allow\": false, \"reason\": …}` refuses it."),
        Policy.default("SETTLE_PREFLIGHT_TIMEOUT_MS", "500", "How long it may take, milliseconds."),
        Policy.default("SETTLE_PREFLIGHT_FAIL_OPEN", "false", "`true`: where it cannot be asked, the payment is settled."),
        Policy.secret("HOOK_BEFORE_VERIFY_URL", "Asked by a signed POST before a payment is verified on chain. 403 or `{\"abort\": true, \"reason\": …}` refuses it."),
        Policy.secret("HOOK_BEFORE_SETTLE_URL", "The same before a payment is settled."),
        Policy.default("HOOK_TIMEOUT_MS", "500", "How long a hook may take, milliseconds."),
        Policy.default("HOOK_FAIL_OPEN", "false", "`true`: where a hook cannot be asked, the payment goes on."),
        Policy.unset("TOKEN_GATE", "What payers must hold: `eip155:8453/0xtoken=1000000`, network, token and atomic units; of several, comma-separated, any one. Unset: nothing."),
        Policy.default("TOKEN_GATE_FAIL_OPEN", "false", "`true`: where the balance cannot be read, the payer is let in."),
        Policy.default("TOKEN_GATE_CACHE_MS", "300000", "How long a balance that was read is believed, milliseconds."),

        Webhooks.secret("WEBHOOK_URLS", "Who is told what happens to payments, comma-separated `https://` URLs. Unset: nobody."),
        Webhooks.secret("WEBHOOK_SECRETS", "Secrets that sign webhooks and hooks, comma-separated: `whsec_` and base64 of 24 to 64 bytes. Several while they are exchanged: each signs."),
        Webhooks.unset("WEBHOOK_EVENTS", "Events that are told, comma-separated, such as `payment.settled,payment.failed`. Unset: all but `verify.after`, `verify.failed` and `settle.failed`."),
        Webhooks.default("WEBHOOK_TIMEOUT_MS", "15000", "How long a receiver may take, milliseconds."),
        Webhooks.default("WEBHOOK_MAX_ATTEMPTS", "12", "How often a message is sent before it is given up."),
        Webhooks.default("WEBHOOK_RETRY_MS", "5000", "Pause after the first failure, milliseconds; each further one doubles it, up to six hours."),
        Webhooks.default("WEBHOOK_ALLOW_PRIVATE", "false", "`true`: receivers may be on this machine or in private networks, and without TLS."),

        Evm.default("EVM_NETWORKS", "base-sepolia", "Networks to serve, comma-separated: names from `config/networks.toml`, or ids such as `eip155:1234`. Set to nothing: no EVM network."),
        Evm.secret("EVM_PRIVATE_KEY", "Key that pays the gas, hex; several, comma-separated, settle side by side. Unset: a throwaway key in `DATA_DIR`, for testnets only."),
        Evm.secret("ALCHEMY_API_KEY", "Reaches networks through Alchemy where no URL is given."),
        Evm.secret("INFURA_API_KEY", "Reaches networks through Infura where no URL is given."),
        Evm.secret("EVM_RPC_URL_<NAME>", "Nodes to read from and send to, comma-separated, best first. `<NAME>` is the network's name in upper case with `_`: `BASE_SEPOLIA`, `EIP155_1234`."),
        Evm.secret("EVM_SEND_URL_<NAME>", "Nodes that signed transactions go to instead, comma-separated: private or sequencer endpoints."),
        Evm.unset("NETWORKS_FILE", "A file in the form of `config/networks.toml` that adds networks and overrides fields of known ones."),
        Evm.unset("EVM_ASSETS_<NAME>", "Addresses of further tokens that may be paid with, comma-separated."),
        Evm.default("EVM_ANY_ASSET", "false", "`true`: any token may be paid with. Tokens are other people's code; the gas is yours."),
        Evm.unset("EIP6492_FACTORIES", "Wallet factories that may be called, comma-separated: `0xaddress`, or `0xaddress:gas` (500000 where not given). Unset: none."),
        Evm.unset("EVM_MAX_FEE_GWEI_<NAME>", "Most that is ever bid per gas, gwei. Unset: by network."),
        Evm.unset("EVM_DAILY_SPEND_CAP_<NAME>", "Most that one key may spend on gas in a UTC day, in native units such as `0.1`. Unset: by network."),

        Svm.unset("SVM_NETWORKS", "Networks to serve, comma-separated: names from `config/networks.toml`, or their ids. Unset: `solana-devnet` where `SVM_PRIVATE_KEY` is set, else none. Set to nothing: none."),
        Svm.secret("SVM_PRIVATE_KEY", "Keypair that pays the fees: 64 bytes in base58, several comma-separated, or one as the JSON array that Solana's tools write. Of several, `/supported` shows one after the other, ten minutes each, as long as it can pay."),
        Svm.secret("HELIUS_API_KEY", "Reaches networks through Helius where no URL is given."),
        Svm.secret("SVM_RPC_URL_<NAME>", "Nodes to read from and send to, comma-separated, best first. `<NAME>` is the network's name in upper case with `_`: `SOLANA_DEVNET`."),
        Svm.secret("SVM_SEND_URL_<NAME>", "Nodes that signed transactions go to instead, comma-separated."),
        Svm.unset("SVM_ASSETS_<NAME>", "Mints of further tokens that may be paid with, comma-separated."),
        Svm.default("SVM_ANY_ASSET", "false", "`true`: any token may be paid with."),
        Svm.unset("SVM_DAILY_SPEND_CAP_<NAME>", "Most that one key may spend on fees in a UTC day, SOL such as `0.1`. Unset: by network."),
        Svm.default("SVM_MAX_COMPUTE_UNITS", "200000", "Most compute units that a payment may ask for."),
        Svm.default("SVM_MAX_COMPUTE_UNIT_PRICE", "5000000", "Highest price of a compute unit, micro-lamports."),
        Svm.default("SVM_MAX_PRIORITY_FEE_LAMPORTS", "100000", "Most that units and price may come to together, lamports: what one payment can cost beyond its signatures."),
        Svm.default("SVM_MAX_REQUIRED_SIGNATURES", "3", "Most signatures that a payment may need, ours among them; each costs 5000 lamports."),
        Svm.default("SVM_SMART_WALLETS", "off", "`on`: payments out of smart wallets (Squads, Swig, SPL Governance, Metaplex Core), which are judged by simulation. Or the addresses of the wallet programs that may run, comma-separated."),
        Svm.default("SVM_LOOKUP_TABLES", "true", "`false`: payments that take accounts from address lookup tables are refused. Reading the tables costs one more read."),
        Svm.unset("SVM_TOKEN_2022_EXTENSIONS", "Mints of Token-2022 whose extensions may change what the payee gets, and are accepted all the same: `mint:extension+extension`, comma-separated, the extensions by name, such as `permanent_delegate`, or by number. PYUSD and its like have some. Unset: none."),

        Logging.default("LOG_FORMAT", "pretty", "`pretty` for people, `json` for machines."),
        Logging.default("RUST_LOG", "info", "What is logged, such as `info,x402_facilitator=debug`."),

        Telemetry.default("METRICS_PORT", "9090", "Port of `/metrics`, or `off`. Where it is not set and 9090 is taken, there are none and the log says so."),
        Telemetry.default("METRICS_HOST", "127.0.0.1", "IP address of that port. Metrics need no token: open it to a private network only."),
        Telemetry.secret("OTEL_EXPORTER_OTLP_ENDPOINT", "Where traces and metrics are exported to, by OTLP over HTTP. Unset, and none of the next two: nothing is exported."),
        Telemetry.secret("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "Another URL for traces, used as it is."),
        Telemetry.secret("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "Another URL for metrics, used as it is."),
        Telemetry.secret("OTEL_EXPORTER_OTLP_HEADERS", "Headers of exports, `name=value,name=value`."),
        Telemetry.default("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "The only one that is spoken; with another nothing is exported."),
        Telemetry.default("OTEL_EXPORTER_OTLP_TIMEOUT", "10000", "Longest that one export may take, milliseconds."),
        Telemetry.default("OTEL_METRIC_EXPORT_INTERVAL", "60000", "How often metrics are exported, milliseconds."),
        Telemetry.default("OTEL_TRACES_EXPORTER", "otlp", "`none`: no traces."),
        Telemetry.default("OTEL_METRICS_EXPORTER", "otlp", "`none`: no export of metrics; `/metrics` stays."),
        Telemetry.default("OTEL_TRACES_SAMPLER", "parentbased_always_on", "Which traces are recorded: `always_on`, `always_off` or `traceidratio`; with `parentbased_` before it the caller's decision comes first."),
        Telemetry.default("OTEL_TRACES_SAMPLER_ARG", "1", "The share that `traceidratio` records, 0 to 1."),
        Telemetry.default("OTEL_SERVICE_NAME", "x402-facilitator", "The service's name in traces and exported metrics."),
        Telemetry.unset("OTEL_RESOURCE_ATTRIBUTES", "More about this process, `name=value,name=value`."),
        Telemetry.default("OTEL_SDK_DISABLED", "false", "`true`: nothing is exported, whatever else is set."),
    ]
};

impl Variable {
    /// The beginning that all names of this family share; `None` for a single variable.
    pub fn family(&self) -> Option<&'static str> {
        self.name.strip_suffix(PLACEHOLDER)
    }

    /// Whether `<name>_FILE` may say which file holds the value.
    pub fn may_be_a_file(&self) -> bool {
        self.secret && self.family().is_none()
    }

    fn is_named(&self, name: &str) -> bool {
        match self.family() {
            Some(beginning) => name.starts_with(beginning),
            None => {
                name == self.name
                    || self.may_be_a_file() && name.strip_suffix("_FILE") == Some(self.name)
            }
        }
    }
}

/// The default of a variable that has one.
pub(super) fn default(name: &str) -> &'static str {
    let variable = ALL.iter().find(|variable| variable.name == name);
    variable
        .and_then(|variable| variable.default)
        .expect("only variables with a default in the table are read this way")
}

/// Whether some variable of the table has this name.
pub(super) fn is_known(name: &str) -> bool {
    ALL.iter().any(|variable| variable.is_named(name))
}

/// Whether a name was meant for us and yet is none of ours.
pub(super) fn is_stray(name: &str) -> bool {
    OURS.iter().any(|beginning| name.starts_with(beginning)) && !is_known(name)
}

/// What belongs in `.env.example`.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Every setting, with its default. Nothing here needs to be set to try the service on Base Sepolia.\n\
         # Copy to .env and take the # away from what you change; the process environment wins over the file.\n\
         # A secret may come from a file instead: EVM_PRIVATE_KEY_FILE=/run/secrets/key\n",
    );
    for group in Group::ALL {
        let _ = write!(text, "\n# ── {} ──\n", group.title());
        for variable in ALL.iter().filter(|variable| variable.group == group) {
            let doc = variable.doc.replace('`', "");
            let name = variable.name.replace(PLACEHOLDER, group.example());
            let default = variable.default.unwrap_or_default();
            let _ = write!(text, "\n# {doc}\n# {name}={default}\n");
        }
    }
    text
}

/// What belongs in the README: one table per group.
pub fn markdown_table() -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = write!(
            text,
            "{gap}**{}**\n\n| variable | default | meaning |\n|---|---|---|\n",
            group.title()
        );
        for variable in ALL.iter().filter(|variable| variable.group == group) {
            let default = variable
                .default
                .map_or_else(String::new, |value| format!("`{value}`"));
            let file = if variable.may_be_a_file() {
                " Or in a file: `…_FILE`."
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "| `{}` | {default} | {}{file} |",
                variable.name, variable.doc
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_example_says_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, env_example()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == env_example(),
            ".env.example differs from src/config/variables.rs; write it anew with: BLESS=1 cargo test --lib env_example"
        );
    }

    #[test]
    fn readme_says_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let start = "<!-- settings: generated from src/config/variables.rs by BLESS=1 cargo test --lib readme -->\n";
        let end = "<!-- end of settings -->\n";
        let readme = std::fs::read_to_string(path).unwrap();
        let (before, rest) = readme.split_once(start).unwrap();
        let (_, after) = rest.split_once(end).unwrap();
        let wanted = format!("{before}{start}\n{}\n{end}{after}", markdown_table());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &wanted).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert!(
            written == wanted,
            "README.md differs from src/config/variables.rs; write it anew with: BLESS=1 cargo test --lib readme"
        );
    }

    #[test]
    fn env_example_changes_nothing_until_a_line_is_uncommented() {
        let uncommented = env_example()
            .lines()
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned);
        assert_eq!(uncommented, None);
    }

    #[test]
    fn no_name_is_listed_twice_and_every_group_is_in_one_piece() {
        let mut groups: Vec<Group> = ALL.iter().map(|variable| variable.group).collect();
        groups.dedup();
        assert_eq!(groups, Group::ALL);
        let mut names: Vec<&str> = ALL.iter().map(|variable| variable.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn no_text_breaks_the_table() {
        for variable in ALL {
            assert!(!variable.doc.contains(['|', '\n']), "{}", variable.name);
        }
        let rows = markdown_table()
            .lines()
            .filter(|line| line.starts_with("| `"))
            .count();
        assert_eq!(rows, ALL.len());
    }

    #[test]
    fn a_secret_has_no_default() {
        for variable in ALL.iter().filter(|variable| variable.secret) {
            assert_eq!(variable.default, None, "{}", variable.name);
        }
    }

    #[test]
    fn knows_its_names_and_what_was_meant_for_it() {
        for known in [
            "PORT",
            "EVM_PRIVATE_KEY_FILE",
            "EVM_RPC_URL_BASE",
            "EVM_ASSETS_EIP155_5",
            "SVM_PRIVATE_KEY_FILE",
            "SVM_RPC_URL_SOLANA_DEVNET",
        ] {
            assert!(is_known(known), "{known}");
        }
        for stray in [
            "EVM_NETWORK",
            "SETTLE_MAX_AMOUNTS",
            "SVM_NETWORK",
            "HELIUS_KEY",
            "EVM_NETWORKS_FILE",
        ] {
            assert!(is_stray(stray), "{stray}");
        }
        for foreign in ["PATH", "PORT_FILE", "DATABASE_PUBLIC_URL"] {
            assert!(!is_known(foreign) && !is_stray(foreign), "{foreign}");
        }
    }
}
