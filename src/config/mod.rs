//! What an operator may choose, read once at start. Facts about networks and assets are data: `config/networks.toml`.
//! Nothing outside this room reads the environment.

mod cidr;
mod deny;
mod environment;
mod evm;
pub mod limits;
mod load;
mod networks;
mod observe;
pub mod policy;
mod problem;
mod reader;
mod sessions;
mod summary;
mod svm;
pub mod throwaway;
mod validate;
mod value;
pub mod variables;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::Address;
use solana_pubkey::Pubkey;

use crate::protocol::Network;
use crate::secret::Secret;

pub use cidr::Cidr;
pub use deny::DenyList;
pub use environment::Environment;
pub use limits::Limits;
pub use policy::Policy;
pub use problem::{Problem, Problems};
pub use sessions::Sessions;
pub use summary::host;
pub use svm::TOKEN_2022_EXTENSIONS;
pub use value::address as evm_address;
pub use webhooks::{Endpoint as WebhookEndpoint, Webhooks};

/// The effective configuration: everything is decided here, nothing later reads the environment.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: Server,
    pub store: Store,
    /// Where the embedded store and throwaway keys live (`DATA_DIR`).
    pub data_dir: PathBuf,
    pub auth: Auth,
    /// How much anybody may use.
    pub limits: limits::Source,
    pub settle: Settle,
    pub sessions: Sessions,
    /// Which payments are taken.
    pub policy: Policy,
    /// Who is told what happened.
    pub webhooks: Webhooks,
    pub evm: Evm,
    pub svm: Svm,
    pub reconcile: Reconcile,
    pub log: Log,
    pub observe: Observe,
    pub pages: Pages,
    /// What was decided for the operator, one sentence each, said at start.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Server {
    pub host: IpAddr,
    pub port: u16,
    /// Prefix under which the routes are served besides `/`: empty, or `/facilitator`.
    pub base_path: String,
    pub cors: Cors,
    /// Largest request body in bytes.
    pub body_limit: usize,
    /// How long a client may take for the request head, and again for the body.
    pub read_timeout: Duration,
    pub max_connections: usize,
    /// Connections that one address may have open; `None`: a quarter of all, and any number from this machine.
    pub max_connections_per_address: Option<usize>,
    /// Whose word about a client's address counts.
    pub trusted_proxies: Vec<Cidr>,
    /// How long after SIGTERM requests are still taken, while `/readyz` already sends load balancers elsewhere.
    pub drain_notice: Duration,
    /// How long a drain waits for requests under way after SIGTERM.
    pub drain_timeout: Duration,
}

/// Which browser origins may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    Off,
    Any,
    Origins(Vec<String>),
}

#[derive(Debug, Clone)]
pub struct Store {
    /// `sqlite://…` or `postgres://…`; it may hold a password.
    pub url: Secret,
    pub max_connections: u32,
    /// Whether a start brings the schema up to date; else it refuses one that is not.
    pub auto_migrate: bool,
}

#[derive(Debug, Clone)]
pub struct Auth {
    /// Bearer tokens. None of them and no `api_keys`: nobody needs one.
    pub tokens: Vec<Secret>,
    /// Whether the keys in the database open the door.
    pub api_keys: bool,
}

#[derive(Debug, Clone)]
pub struct Settle {
    /// How long `/settle` waits for an outcome before it answers `settlement_pending`; under 30 s.
    pub timeout: Duration,
    /// HTTP status of `settlement_pending`: 200, or 500 for resource servers that want it.
    pub pending_status: u16,
}

/// The daily comparison of the ledger with the chain.
#[derive(Debug, Clone)]
pub struct Reconcile {
    /// Time between two comparisons; zero means that only the command makes one.
    pub interval: Duration,
    /// How far back a comparison looks.
    pub window: Duration,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub json: bool,
    /// A `tracing` filter such as `info,x402_facilitator=debug`.
    pub filter: String,
}

/// What operators see beside the log.
#[derive(Debug, Clone)]
pub struct Observe {
    /// Where `/metrics` is told; `None` for nowhere.
    pub metrics: Option<MetricsPort>,
    /// What is exported; `None` for nothing.
    pub otlp: Option<Otlp>,
}

/// Where `/metrics` is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsPort {
    pub host: IpAddr,
    pub port: u16,
    /// Whether the operator named the port: then it is an error when it is taken.
    pub is_chosen: bool,
}

/// Where traces and metrics are exported to, by OTLP over HTTP with protobuf.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// The whole URL; `None` exports no traces.
    pub traces: Option<Secret>,
    /// The whole URL; `None` exports no metrics.
    pub metrics: Option<Secret>,
    pub service_name: String,
    /// Resource attributes by name.
    pub resource: Vec<(String, String)>,
    /// HTTP headers; they may carry keys.
    pub headers: Vec<(String, Secret)>,
    /// Longest that one export may take.
    pub timeout: Duration,
    pub metric_interval: Duration,
    pub sampling: Sampling,
    /// Whether a caller's decision to record a trace comes before ours.
    pub follows_parent: bool,
}

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    Always,
    Never,
    /// This share of them, from 0 to 1.
    Ratio(f64),
}

/// What people see in a browser.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    /// Whether `/` lists the newest settlements.
    pub public_feed: bool,
    /// Opens `/admin`; `None`, and there is no such page.
    pub admin_token: Option<Secret>,
}

#[derive(Debug, Clone)]
pub struct Evm {
    /// Private keys, hex; one lane per network and key.
    pub keys: Vec<Secret>,
    pub networks: Vec<EvmNetwork>,
}

/// One EVM network with everything the chain room needs to know about it.
#[derive(Debug, Clone)]
pub struct EvmNetwork {
    pub network: Network,
    pub chain_id: u64,
    /// Operator-facing name: `base-sepolia`.
    pub name: String,
    /// Name in protocol version 1, where it has one.
    pub v1_name: Option<String>,
    pub testnet: bool,
    /// Page of an explorer, with `{kind}` (`tx`, `address`) and `{id}`.
    pub explorer: Option<String>,
    /// Read endpoints in order of preference; the URLs may carry keys.
    pub rpc_urls: Vec<Secret>,
    /// Endpoints that signed transactions go to; the read endpoints where none are set.
    pub send_urls: Vec<Secret>,
    /// Where the URLs came from, for the log: `explicit`, `alchemy`, `infura`, `public`.
    pub rpc_source: &'static str,
    pub assets: Vec<Asset>,
    /// Whether assets that are not listed may be paid with.
    pub any_asset: bool,
    pub block_time: Duration,
    /// Blocks, the including one counted, until a settlement is told as settled.
    pub confirmations: u64,
    /// Blocks until a settlement is final where the node knows no `finalized` block.
    pub finality_depth: u64,
    /// How long a transaction may wait without a receipt before its fee is raised.
    pub bump_after: Duration,
    /// Most we ever bid, wei per gas.
    pub max_fee_per_gas: u128,
    /// Least priority fee we bid, wei per gas.
    pub min_priority_fee: u128,
    /// Most that one signer may spend on this network in a UTC day, wei.
    pub daily_spend_cap: u128,
    /// EIP-6492 factories that may be called, each with its gas allowance for the deployment.
    pub factories: Vec<Factory>,
}

impl EvmNetwork {
    /// How much of a payment's window must be left at verification, seconds: the specification's 6, and two blocks where they take longer.
    pub fn headroom(&self) -> u64 {
        (2 * self.block_time.as_secs()).saturating_add(2).max(6)
    }

    /// How much must be left when the transaction is signed, seconds: the next block has to be inside.
    pub fn last_call(&self) -> u64 {
        self.block_time.as_secs().saturating_add(1)
    }
}

/// A token that may be paid with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    pub address: Address,
    pub symbol: String,
    pub decimals: Option<u8>,
    /// EIP-712 domain, where the token has EIP-3009.
    pub domain: Option<Domain>,
}

/// A token's EIP-712 domain name and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    pub name: String,
    pub version: String,
}

/// A wallet factory that EIP-6492 signatures may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factory {
    pub address: Address,
    pub gas: u64,
}

#[derive(Debug, Clone)]
pub struct Svm {
    /// Keypairs of 64 bytes, base58; one lane per network and key.
    pub keys: Vec<Secret>,
    pub networks: Vec<SvmNetwork>,
    pub policy: SvmPolicy,
}

/// One Solana network with everything the chain room needs to know about it.
#[derive(Debug, Clone)]
pub struct SvmNetwork {
    /// `solana:` and the first 32 characters of the genesis hash.
    pub network: Network,
    /// Operator-facing name: `solana-devnet`.
    pub name: String,
    /// Name in protocol version 1, where it has one.
    pub v1_name: Option<String>,
    pub testnet: bool,
    /// Page of an explorer, with `{kind}` (`tx`, `address`) and `{id}`.
    pub explorer: Option<String>,
    /// Read endpoints in order of preference; the URLs may carry keys.
    pub rpc_urls: Vec<Secret>,
    /// Endpoints that signed transactions go to; the read endpoints where none are set.
    pub send_urls: Vec<Secret>,
    /// Where the URLs came from, for the log: `explicit`, `helius`, `public`.
    pub rpc_source: &'static str,
    pub assets: Vec<SvmAsset>,
    /// Token-2022 extensions that change what the payee gets, and are accepted of these mints all the same.
    pub extensions: SvmExtensions,
    /// Whether assets that are not listed may be paid with.
    pub any_asset: bool,
    pub block_time: Duration,
    /// Most that one signer may spend on this network in a UTC day, lamports.
    pub daily_spend_cap: u128,
}

/// Extensions by mint, by name or number.
pub type SvmExtensions = BTreeMap<Pubkey, BTreeSet<String>>;

/// A token that may be paid with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SvmAsset {
    pub mint: Pubkey,
    pub symbol: String,
    pub decimals: Option<u8>,
    /// Whether the mint belongs to Token-2022; `None` where nobody said.
    pub token_2022: Option<bool>,
}

/// What a sponsor of Solana transactions agrees to pay for, on every network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SvmPolicy {
    /// Most compute units of a plain transfer.
    pub max_compute_units: u32,
    /// Highest price of a compute unit, micro-lamports.
    pub max_compute_unit_price: u64,
    /// Most lamports that units and price may come to together.
    pub max_priority_fee: u64,
    /// Most signatures that a transaction may require, ours among them: each costs 5 000 lamports.
    pub max_required_signatures: u8,
    pub smart_wallets: SmartWallets,
    /// Whether address lookup tables are read; messages that use one are refused otherwise.
    pub lookup_tables: bool,
}

/// Whose wallet programs may be run in a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmartWallets {
    Off,
    /// The programs that the scheme knows.
    Known,
    /// These programs and no others.
    Programs(Vec<Pubkey>),
}
