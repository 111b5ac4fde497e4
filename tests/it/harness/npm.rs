//! What comes from npm: the chain's program, and the stock clients as `tests/package-lock.json` pins them.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use x402_facilitator::dev::node;

use super::scratch::tests_dir;

const INSTALL_TIMEOUT: Duration = Duration::from_mins(10);
const SCRIPT_TIMEOUT: Duration = Duration::from_mins(2);

/// The anvil that the product would install, whatever the machine has: a lock file cannot pin programs of other platforms.
pub(crate) async fn anvil() -> PathBuf {
    static ANVIL: OnceCell<PathBuf> = OnceCell::const_new();
    let nowhere = OsStr::new("");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let find = || async {
        let anvil = node::find_or_install(nowhere, cache, |_| {}).await;
        anvil.unwrap_or_else(|cause| panic!("no anvil: {cause}"))
    };
    ANVIL.get_or_init(find).await.clone()
}

/// Makes sure that the stock clients are there; the first caller after a change of the lock file installs them.
async fn clients() {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let install = || async {
        let installing = tokio::task::spawn_blocking(|| install_locked(&tests_dir()));
        installing.await.expect("the installation ends");
    };
    INSTALLED.get_or_init(install).await;
}

/// Runs a script of `tests/clients` to its end: its exit code 0, and the JSON of its last line.
pub(crate) async fn run(script: &str, arguments: &[&str]) -> (bool, Value) {
    let run = node_command(script, arguments).await.output();
    let output = timeout(SCRIPT_TIMEOUT, run).await;
    let output = output.unwrap_or_else(|_| panic!("{script} takes too long"));
    let output = output.expect("node is on the PATH");
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let json = serde_json::from_str(last)
        .unwrap_or_else(|_| panic!("{script} tells no JSON: {}", complaint(&output)));
    (output.status.success(), json)
}

/// A script of `tests/clients` that goes on serving: the child, which ends when it is dropped or we end, and the JSON of its first line.
pub(crate) async fn serve(script: &str, arguments: &[&str]) -> (Child, Value) {
    let mut command = node_command(script, arguments).await;
    let child = command.stdin(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = child.spawn().expect("node is on the PATH");
    let stdout = child.stdout.as_mut().expect("stdout is piped");
    let mut line = String::new();
    let mut reader = BufReader::new(stdout);
    let read = timeout(SCRIPT_TIMEOUT, reader.read_line(&mut line)).await;
    read.expect("the script starts in time").expect("output");
    let json = serde_json::from_str(&line).expect("the script tells that it listens");
    (child, json)
}

async fn node_command(script: &str, arguments: &[&str]) -> Command {
    clients().await;
    let mut command = Command::new("node");
    command
        .arg(tests_dir().join("clients").join(script))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// One process installs, the others wait: `npm ci` deletes what is there before it begins.
fn install_locked(folder: &Path) {
    let modules = folder.join("node_modules");
    let guard = File::create(folder.join(".npm.lock")).expect("the tests' folder is writable");
    guard.lock().expect("a file lock");
    let wanted = std::fs::read(folder.join("package-lock.json")).expect("the lock file is there");
    // Written last and deleted by `npm ci` first: it stands for a complete installation of this very lock file.
    let stamp = modules.join(".installed-lock.json");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return;
    }
    run_ci(folder);
    std::fs::write(&stamp, wanted).expect("node_modules is writable");
}

fn run_ci(folder: &Path) {
    // `timeout` of coreutils is not everywhere, and this thread may block: nothing else can go on anyway.
    let mut npm = std::process::Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("npm is on the PATH: the tests need Node.js 20 or newer");
    let step = Duration::from_millis(100);
    let mut left = INSTALL_TIMEOUT;
    loop {
        if let Some(status) = npm.try_wait().expect("npm is our child") {
            assert!(status.success(), "npm ci failed: {status}");
            return;
        }
        left = left.checked_sub(step).expect("npm ci takes too long");
        std::thread::sleep(step);
    }
}

fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.chars().take(2000).collect()
}
