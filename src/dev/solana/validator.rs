//! A local validator of somebody else's making: found on this machine, started on ports of its own, gone when we are gone.

use std::collections::VecDeque;
use std::env::consts::EXE_SUFFIX;
use std::env::split_paths;
use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::leash::leashed;
use super::PATIENCE;

/// Where Solana's tools expect a local node: its RPC here, its websockets one higher.
const USUAL_PORT: u16 = 8899;
/// How often a validator that is starting is asked whether it is up.
const POLL: Duration = Duration::from_millis(100);
/// Longest one such question may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest a killed validator may take to be gone.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines of its output that are kept, for telling why it ended.
const LINES_KEPT: usize = 10;
/// Pairs of ports that are tried.
const PORT_TRIES: usize = 100;

/// A kind of validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Surfpool,
    TestValidator,
}

/// A validator on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    pub program: PathBuf,
}

/// How one is run.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    pub found: &'a Found,
    /// Where it keeps its files.
    pub folder: &'a Path,
    /// Whether it listens where tools look for one, if it can.
    pub on_usual_port: bool,
}

/// A running one. Dropping it ends the process, [`Self::stop`] also waits until it has ended.
#[derive(Debug)]
pub struct Validator {
    url: String,
    /// Held for its `stdin`: see [`leashed`].
    process: Child,
    /// Reads on so that it can always write.
    _reader: JoinSet<()>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no free ports for {0}")]
    Ports(&'static str),
    #[error("{program} could not be started")]
    Spawn {
        program: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("{program} ended at once: {said}")]
    Ended { program: &'static str, said: String },
    #[error("{program} was not up within {} s", PATIENCE.as_secs())]
    Slow { program: &'static str },
}

/// Ports of our own: with none given, two validators on one machine would get into each other's way.
#[derive(Debug, Clone, Copy)]
struct Ports {
    rpc: u16,
    /// One above `rpc`: one of the two cannot be told otherwise.
    websocket: u16,
    faucet: u16,
}

impl Kind {
    /// The better one first: it starts faster.
    const ALL: [Self; 2] = [Self::Surfpool, Self::TestValidator];

    pub fn program(self) -> &'static str {
        match self {
            Self::Surfpool => "surfpool",
            Self::TestValidator => "solana-test-validator",
        }
    }

    fn guide(self) -> &'static str {
        match self {
            Self::Surfpool => "https://docs.surfpool.run",
            Self::TestValidator => "https://docs.anza.xyz/cli/install",
        }
    }

    /// Its command line. It is run in a folder of ours, which both also write to unasked.
    fn arguments(self, ports: Ports) -> Vec<String> {
        let Ports {
            rpc,
            websocket,
            faucet,
        } = ports;
        let (fixed, numbers) = match self {
            // Offline: it would ask mainnet for every account it does not know.
            Self::Surfpool => (
                "start --offline --no-tui --no-studio --no-deploy --host 127.0.0.1",
                format!("--port {rpc} --ws-port {websocket}"),
            ),
            Self::TestValidator => (
                "--quiet --reset --ledger ledger --bind-address 127.0.0.1",
                format!("--rpc-port {rpc} --faucet-port {faucet}"),
            ),
        };
        let words = fixed.split(' ').chain(numbers.split(' '));
        words.map(ToOwned::to_owned).collect()
    }
}

/// The best validator on the search path, which is the value of `PATH`.
pub fn find(search_path: &OsStr) -> Option<Found> {
    Kind::ALL.into_iter().find_map(|kind| {
        let name = format!("{}{EXE_SUFFIX}", kind.program());
        let program = split_paths(search_path)
            .map(|folder| folder.join(&name))
            .find(|path| path.is_file())?;
        // It is run in another folder than ours.
        let program = std::path::absolute(program).ok()?;
        Some(Found { kind, program })
    })
}

/// How to come by one.
pub fn advice() -> Vec<String> {
    let mut lines =
        vec!["Solana: no local validator on PATH. With one of these it is served too:".to_owned()];
    let places = Kind::ALL.map(|kind| format!("  {:<22} {}", kind.program(), kind.guide()));
    lines.extend(places);
    lines
}

impl Validator {
    /// Starts it and waits until it says that it is healthy.
    ///
    /// # Errors
    /// When it cannot run.
    pub async fn start(options: &Options<'_>, client: &reqwest::Client) -> Result<Self, Error> {
        let kind = options.found.kind;
        let program = kind.program();
        let ports = Ports::free(options.on_usual_port).ok_or(Error::Ports(program))?;
        let spawn = |source| Error::Spawn { program, source };
        std::fs::create_dir_all(options.folder).map_err(spawn)?;
        let mut process = leashed(&options.found.program)
            .args(kind.arguments(ports))
            .current_dir(options.folder)
            .spawn()
            .map_err(spawn)?;
        let stdout = process.stdout.take().expect("stdout is piped");
        let mut output = BufReader::new(stdout).lines();
        let url = format!("http://127.0.0.1:{}", ports.rpc);
        tokio::select! {
            up = timeout(PATIENCE, healthy(client, &url)) => up.map_err(|_| Error::Slow { program })?,
            said = last_words(&mut output) => return Err(Error::Ended { program, said }),
        }
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            last_words(&mut output).await;
        });
        Ok(Self {
            url,
            process,
            _reader: reader,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it and waits until it is gone.
    pub async fn stop(mut self) {
        drop(self.process.stdin.take());
        // One that cannot be killed is the machine's trouble.
        let _ = timeout(END_TIMEOUT, self.process.wait()).await;
    }
}

impl Ports {
    /// `None` when this machine has none.
    fn free(usual: bool) -> Option<Self> {
        let any = || TcpListener::bind(("127.0.0.1", 0)).ok();
        let on = |port: u16| TcpListener::bind(("127.0.0.1", port)).ok();
        let faucet = any()?;
        let usual = usual.then(|| on(USUAL_PORT)).flatten();
        let firsts = usual
            .into_iter()
            .chain(std::iter::repeat_with(any).flatten());
        // Held until the pair is found: the system would offer the same again.
        let mut held = Vec::new();
        for first in firsts.take(PORT_TRIES) {
            let rpc = first.local_addr().ok()?.port();
            if let Some(second) = rpc.checked_add(1).and_then(on) {
                return Some(Self {
                    rpc,
                    websocket: second.local_addr().ok()?.port(),
                    faucet: faucet.local_addr().ok()?.port(),
                });
            }
            held.push(first);
        }
        None
    }
}

/// Waits until the node at `url` calls itself healthy.
async fn healthy(client: &reqwest::Client, url: &str) {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "getHealth"});
    loop {
        let asked = client.post(url).timeout(ASK_TIMEOUT).json(&request).send();
        if let Ok(answer) = asked.await
            && let Ok(answer) = answer.json::<Value>().await
            && answer["result"] == "ok"
        {
            return;
        }
        sleep(POLL).await;
    }
}

/// Reads to the end of its output, which is its own end; the last lines.
async fn last_words(output: &mut Lines<BufReader<ChildStdout>>) -> String {
    let mut kept = VecDeque::new();
    while let Ok(Some(line)) = output.next_line().await {
        kept.push_back(line);
        if kept.len() > LINES_KEPT {
            kept.pop_front();
        }
    }
    Vec::from(kept).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that holds `programs`.
    fn folder(programs: &[&str]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("x402-path-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        for program in programs {
            std::fs::write(folder.join(format!("{program}{EXE_SUFFIX}")), "").unwrap();
        }
        folder
    }

    #[test]
    fn says_how_to_get_a_validator() {
        assert_eq!(find(OsStr::new("")), None);
        assert_eq!(find(folder(&[]).as_os_str()), None);
        assert_eq!(
            advice(),
            [
                "Solana: no local validator on PATH. With one of these it is served too:",
                "  surfpool               https://docs.surfpool.run",
                "  solana-test-validator  https://docs.anza.xyz/cli/install",
            ]
        );
    }

    #[test]
    fn takes_the_better_one_of_two() {
        let both = folder(&["surfpool", "solana-test-validator"]);
        assert_eq!(find(both.as_os_str()).unwrap().kind, Kind::Surfpool);
        let one = folder(&["solana-test-validator"]);
        assert_eq!(find(one.as_os_str()).unwrap().kind, Kind::TestValidator);
    }

    #[test]
    fn keeps_every_validator_to_this_machine_and_to_its_own_ports() {
        let ports = Ports {
            rpc: 1,
            websocket: 2,
            faucet: 3,
        };
        for (kind, expected) in [
            (
                Kind::Surfpool,
                "start --offline --no-tui --no-studio --no-deploy --host 127.0.0.1 --port 1 --ws-port 2",
            ),
            (
                Kind::TestValidator,
                "--quiet --reset --ledger ledger --bind-address 127.0.0.1 --rpc-port 1 --faucet-port 3",
            ),
        ] {
            assert_eq!(kind.arguments(ports).join(" "), expected);
        }
    }

    #[test]
    fn finds_two_ports_in_a_row_beside_those_that_are_taken() {
        let held = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let taken = held.local_addr().unwrap().port();
        let ports = Ports::free(false).unwrap();
        assert_eq!(ports.websocket, ports.rpc + 1);
        let mut all = [ports.rpc, ports.websocket, ports.faucet, taken];
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{ports:?}");
    }
}
