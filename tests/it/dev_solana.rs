//! The sandbox on a machine that has a Solana validator. No real one can be had here: the ledger of the tests stands in for both, under their
//! names and with their command lines, and refuses options that they do not have.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::harness::binary;
use crate::harness::http::Client;
use crate::harness::rpc::Rpc;
use crate::harness::scratch::{self, Folder};
use crate::harness::{ledger, npm};

const PATIENCE: Duration = Duration::from_mins(1);

/// A search path with anvil, what a shell needs, and `programs` before both.
async fn path_with(programs: &Path) -> Vec<(String, String)> {
    let anvil = npm::anvil().await;
    let anvil = anvil.parent().expect("a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{anvil}:{path}", programs.display());
    vec![("PATH".to_owned(), path)]
}

/// A folder where the ledger stands in for the validator of this name.
async fn stand_in(name: &str) -> Folder {
    let folder = Folder::new();
    let linked = symlink(ledger::program().await, folder.path().join(name));
    linked.expect("the folder is ours");
    folder
}

/// A folder where the validator is a script.
fn script(text: &str) -> Folder {
    let folder = Folder::new();
    let program = folder.path().join("solana-test-validator");
    let written = std::fs::write(&program, text);
    let executable = PermissionsExt::from_mode(0o755);
    let permitted = written.and_then(|()| std::fs::set_permissions(&program, executable));
    permitted.expect("the folder is ours");
    folder
}

async fn dev_once(folder: &Folder, programs: &Folder) -> Output {
    let variables = path_with(programs.path()).await;
    let arguments = ["dev", "--once", "--data-dir", "scratch"];
    binary::run(folder.path(), &variables, &arguments).await
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// What the sandbox left behind.
fn leftovers(folder: &Folder) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.path().join("scratch")) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.expect("the folder is ours").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn dev_once_pays_on_solana_by_the_validator_that_is_there() {
    for name in ["solana-test-validator", "surfpool"] {
        let (folder, programs) = (Folder::new(), stand_in(name).await);

        let output = dev_once(&folder, &programs).await;

        let said = said(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains(&format!("starting {name}\n")), "{said}");
        for method in ["Eip3009", "Permit2", "Solana"] {
            assert!(said.contains(&format!("units by {method}: ")), "{said}");
        }
        assert!(said.contains("the balances on chain agree"), "{said}");
        assert_eq!(leftovers(&folder), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn dev_once_fails_with_the_words_of_a_validator_that_does_not_start() {
    let folder = Folder::new();
    let programs = script("#!/bin/sh\necho 'Error: no room on the disk'\nexit 1\n");

    let output = dev_once(&folder, &programs).await;

    assert_eq!(output.status.code(), Some(1));
    let expected = "starting Solana by solana-test-validator: solana-test-validator ended at once: Error: no room on the disk";
    assert!(said(&output).contains(expected), "{}", said(&output));
    assert_eq!(leftovers(&folder), [""; 0]);
}

/// A `dev` that goes on serving. It is killed with the value.
struct Dev {
    child: Child,
    said: Vec<String>,
}

impl Dev {
    async fn start(folder: &Folder, programs: &Folder) -> Self {
        let variables = path_with(programs.path()).await;
        let arguments = ["dev", "--port", "0", "--data-dir", "scratch"];
        let mut child = binary::command(folder.path(), &variables, &arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let mut said = Vec::new();
        let last = "Ctrl-C ends everything.";
        while !said
            .last()
            .is_some_and(|line: &String| line.ends_with(last))
        {
            let line = timeout(PATIENCE, lines.next_line()).await;
            let line = line.expect("it goes on talking").expect("output");
            said.push(line.unwrap_or_else(|| panic!("it ended: {said:?}")));
        }
        // Nobody reads on, and nothing is said any more but the last word.
        Self { child, said }
    }

    /// What it calls by a name; the `nth` of that name.
    fn told(&self, name: &str, nth: usize) -> String {
        let start = format!("  {name} ");
        let rows = self
            .said
            .iter()
            .filter_map(|line| line.strip_prefix(&start));
        let row = rows.map(str::trim).nth(nth);
        row.unwrap_or_else(|| panic!("no {name}: {:?}", self.said))
            .to_owned()
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let kill = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(kill.expect("kill is on the PATH").success());
    }
}

/// Waits until nobody answers there any more.
async fn gone(url: &str) {
    let started = Instant::now();
    while scratch::client().get(url).send().await.is_ok() {
        assert!(started.elapsed() < PATIENCE, "the validator lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn dev_serves_solana_beside_evm_and_takes_the_validator_with_it() {
    let programs = stand_in("solana-test-validator").await;
    for signal in ["TERM", "KILL"] {
        let folder = Folder::new();
        let mut dev = Dev::start(&folder, &programs).await;

        let (facilitator, url) = (dev.told("facilitator", 0), dev.told("RPC", 1));
        let (network, mint) = (dev.told("network", 1), dev.told("mint", 0));
        let supported = Client::new(&facilitator).get("/supported").await.body;
        let kinds = supported["kinds"].as_array().unwrap();
        assert!(
            kinds.iter().any(|kind| kind["network"] == network),
            "{supported}"
        );
        let genesis: String = Rpc::new(&url).call("getGenesisHash", json!([])).await;
        assert_eq!(network, format!("solana:{}", &genesis[..32]));
        let mint = mint.split(' ').next().unwrap();
        let supply: serde_json::Value = Rpc::new(&url)
            .call("getAccountInfo", json!([mint, {"encoding": "jsonParsed"}]))
            .await;
        let funds = 10 * 1_000_000_000_000_u64;
        assert_eq!(
            supply["value"]["data"]["parsed"]["info"]["supply"],
            funds.to_string()
        );

        dev.signal(signal).await;
        let ended = timeout(PATIENCE, dev.child.wait()).await;
        let ended = ended.expect("it ends").unwrap();
        gone(&url).await;
        if signal == "TERM" {
            assert_eq!(ended.code(), Some(0));
            assert_eq!(leftovers(&folder), [""; 0]);
        }
    }
}

#[tokio::test]
async fn dev_serves_the_evm_chain_alone_where_no_validator_starts() {
    let (folder, programs) = (Folder::new(), script("#!/bin/sh\nexit 1\n"));

    let dev = Dev::start(&folder, &programs).await;

    let supported = Client::new(&dev.told("facilitator", 0))
        .get("/supported")
        .await;
    // `exact` in both versions, `upto` in the second.
    assert_eq!(supported.body["kinds"].as_array().unwrap().len(), 3);
    let told = dev
        .said
        .iter()
        .any(|line| line.starts_with("Solana is not served: "));
    assert!(told, "{:?}", dev.said);
}
