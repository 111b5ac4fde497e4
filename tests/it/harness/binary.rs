//! The program that is shipped, run as an operator runs it: environment in, log on stderr, exit code out.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::http::Client;

const PATIENCE: Duration = Duration::from_mins(1);

/// A `serve` in a process of its own. Dropping it kills it.
pub(crate) struct Binary {
    child: Child,
    log: watch::Receiver<Vec<String>>,
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    _reader: JoinSet<()>,
}

impl Binary {
    /// Starts it in `folder` with this environment and no other, and waits until it listens.
    pub(crate) async fn start(folder: &Path, variables: &[(String, String)]) -> Self {
        let mut child = command(folder, variables, &[])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let (writer, log) = watch::channel(Vec::new());
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                writer.send_modify(|log| log.push(line));
            }
        });
        let line = said(&log, "Facilitator listening").await;
        let address = address_in(&line, "address");
        Self {
            child,
            log,
            client: Client::new(&format!("http://127.0.0.1:{}", address.port())),
            address,
            _reader: reader,
        }
    }

    /// The first line of the log with this text, waited for.
    pub(crate) async fn said(&self, text: &str) -> String {
        said(&self.log, text).await
    }

    /// A client of the port that tells the metrics.
    pub(crate) async fn metrics(&self) -> Client {
        Client::new(&format!("http://{}", self.metrics_address().await))
    }

    /// Where the port that tells the metrics is.
    pub(crate) async fn metrics_address(&self) -> SocketAddr {
        let line = self.said("metrics are told").await;
        address_in(&line, "metrics")
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.borrow().join("\n")
    }

    /// Sends a signal such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let kill = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(kill.expect("kill is on the PATH").success());
    }

    /// The most memory that it ever had, bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        let status = format!("/proc/{}/status", self.child.id().expect("it runs"));
        let status = std::fs::read_to_string(status).expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
        let kilobytes: usize = kilobytes.expect("a number of kB").parse().expect("digits");
        kilobytes * 1024
    }

    /// How it ended, waited for.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it ends").expect("it is our child")
    }
}

/// Runs a command to its end.
pub(crate) async fn run(
    folder: &Path,
    variables: &[(String, String)],
    arguments: &[&str],
) -> Output {
    let output = command(folder, variables, arguments).output();
    let output = timeout(PATIENCE, output).await.expect("it ends");
    output.expect("the program starts")
}

pub(crate) fn command(
    folder: &Path,
    variables: &[(String, String)],
    arguments: &[&str],
) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_x402-facilitator"));
    let inherited = ["PATH", "HOME"].map(|name| (name, std::env::var_os(name)));
    let inherited = inherited.into_iter().filter_map(|(n, v)| Some((n, v?)));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(inherited)
        .envs(variables.iter().cloned())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// An address that a line of the log tells, be it for people or for machines.
fn address_in(line: &str, field: &str) -> SocketAddr {
    let told = [format!("{field}="), format!("\"{field}\":\"")];
    let rest = told
        .iter()
        .find_map(|told| line.split(told.as_str()).nth(1));
    let rest = rest.unwrap_or_else(|| panic!("no {field} in {line}"));
    let address = rest.split(['"', ' ']).next().unwrap_or_default();
    address.parse().expect("an address")
}

async fn said(log: &watch::Receiver<Vec<String>>, text: &str) -> String {
    let mut log = log.clone();
    let find = |lines: &Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
    let found = timeout(PATIENCE, log.wait_for(|lines| find(lines).is_some())).await;
    match found {
        Ok(Ok(lines)) => find(&lines).expect("it was just there"),
        Ok(Err(_)) => panic!("it ended without saying {text:?}"),
        Err(elapsed) => panic!("it does not say {text:?}: {elapsed}"),
    }
}
