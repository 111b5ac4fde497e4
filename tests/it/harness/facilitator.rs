//! The product, started as its own `main` would, in this process or in a child that can be killed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use serde_json::json;
use sqlx::Connection;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use x402_facilitator::clock::Clock;
use x402_facilitator::config::{Config, Environment};
use x402_facilitator::dev::keys;
use x402_facilitator::hooks::{Hooks, Nothing};
use x402_facilitator::run::{self, Running};

use super::chain::Sandbox;
use super::http::Client;
use super::scratch::Folder;

/// The settings of a service, as an operator writes them.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    values: Vec<(String, String)>,
    folder: Arc<Folder>,
}

impl Settings {
    /// Base Sepolia at this RPC URL, one funded signer, SQLite in a folder of its own, quick blocks.
    pub(crate) fn new(rpc_url: &str) -> Self {
        let folder = Arc::new(Folder::new());
        let facts = "[networks.base-sepolia]\nblock_time_ms = 200\nbump_after_ms = 2000\nfinality_depth = 64\n";
        let file = folder.path().join("networks.toml");
        std::fs::write(&file, facts).expect("the networks file is written");
        let this = Self {
            values: Vec::new(),
            folder,
        };
        let database = format!("sqlite://{}/facilitator.db", this.folder.path().display());
        this.set("HOST", "127.0.0.1")
            .set("PORT", "0")
            .set("METRICS_PORT", "off")
            .set("EVM_NETWORKS", "base-sepolia")
            .set("EVM_RPC_URL_BASE_SEPOLIA", rpc_url)
            .set("NETWORKS_FILE", &file.display().to_string())
            .set("DATABASE_URL", &database)
            .set("EVM_PRIVATE_KEY", &keys::key("signer", 0).to_string())
    }

    /// Sets a variable, in place of what it was before.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.values.retain(|(known, _)| known != name);
        self.values.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of a variable; empty when it is unset.
    pub(crate) fn get(&self, name: &str) -> String {
        let found = self.values.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// These settings, at the node that others name.
    pub(crate) fn at_node_of(self, others: &Self) -> Self {
        let name = "EVM_RPC_URL_BASE_SEPOLIA";
        let node = others.values.iter().find(|(known, _)| known == name);
        let (_, url) = node.expect("settings name a node").clone();
        self.set(name, &url)
    }

    /// Leaves a variable unset.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.values.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Every variable and its value, the data folder's included.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let data_dir = self.folder.path().display().to_string();
        let data_dir = ("DATA_DIR".to_owned(), data_dir);
        self.values.iter().cloned().chain([data_dir]).collect()
    }

    /// Settlements on record in the embedded database, read behind the service's back.
    pub(crate) async fn rows(&self) -> i64 {
        let url = format!("sqlite://{}/facilitator.db", self.path().display());
        let mut database = sqlx::SqliteConnection::connect(&url).await.expect("SQLite");
        let count = sqlx::query_scalar("select count(*) from settlements");
        count.fetch_one(&mut database).await.expect("the table")
    }

    pub(crate) fn load(&self) -> Config {
        Config::load(&self.pairs().into_iter().collect::<Environment>())
            .unwrap_or_else(|problems| panic!("{problems}"))
    }
}

/// A service in this process.
pub(crate) struct Facilitator {
    running: Running,
    settings: Settings,
}

impl Facilitator {
    /// With the settings of [`Settings::new`], on this chain.
    pub(crate) async fn on(sandbox: &Sandbox) -> Self {
        sandbox.signer(0).await;
        Self::start(Settings::new(sandbox.url())).await
    }

    pub(crate) async fn start(settings: Settings) -> Self {
        Self::with_clock(settings, Clock::system()).await
    }

    pub(crate) async fn with_clock(settings: Settings, clock: Clock) -> Self {
        Self::with(settings, clock, Arc::new(Nothing)).await
    }

    pub(crate) async fn with_hooks(settings: Settings, hooks: Arc<dyn Hooks>) -> Self {
        Self::with(settings, Clock::system(), hooks).await
    }

    async fn with(settings: Settings, clock: Clock, hooks: Arc<dyn Hooks>) -> Self {
        let running = run::start(settings.load(), clock, hooks)
            .await
            .expect("the service starts");
        Self { running, settings }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url())
    }

    /// Drains and stops; true when nothing had gone wrong.
    pub(crate) async fn stop(self) -> bool {
        self.running.stop().await
    }
}

/// A service in a process of its own, which may stop at a point of the money path to be killed there.
pub(crate) struct Process {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    pub(crate) client: Client,
    _settings: Settings,
}

impl Process {
    /// `pause_at` is a point's name (`Stored`), or `SendThenDie` for the mutation that sends before it stores.
    pub(crate) async fn start(settings: &Settings, pause_at: Option<&str>) -> Self {
        let plan =
            json!({"settings": settings.values, "data_dir": settings.path(), "pause_at": pause_at});
        let mut child = Command::new(program())
            .arg(plan.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the child program starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let address = said(&mut output, "listening ").await;
        let client = Client::new(&format!("http://{address}"));
        Self {
            child,
            output,
            client,
            _settings: settings.clone(),
        }
    }

    /// Waits until the point is reached; the process stands still there from then on.
    pub(crate) async fn reached(&mut self, point: &str) {
        said(&mut self.output, &format!("reached {point}")).await;
    }

    /// Sends it a signal by name: `STOP` makes it stand still, `CONT` go on.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().expect("it is running").to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &id])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// SIGKILL, as by the kernel or a power cut.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the child is killed");
    }
}

/// The rest of the first line that starts with `prefix`.
async fn said(output: &mut Lines<BufReader<ChildStdout>>, prefix: &str) -> String {
    let wait = async {
        while let Some(line) = output
            .next_line()
            .await
            .expect("the child's output is read")
        {
            if let Some(rest) = line.strip_prefix(prefix) {
                return rest.to_owned();
            }
        }
        panic!("the child ended without saying {prefix:?}")
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), wait)
        .await
        .expect("the child says so within a minute")
}

/// `cargo test` builds the examples beside the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its program");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("target/debug/deps");
    folder.join("examples").join("pausing")
}
