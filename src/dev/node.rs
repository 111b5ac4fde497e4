//! Where the local chain's program comes from: the machine, or npm.

use std::env::consts::{ARCH, OS};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs;
use tokio::process::Command;
use tokio::time::timeout;
use uuid::Uuid;

/// The version we install and test with; one that is already on the machine is taken as it is.
const PACKAGE: &str = "@foundry-rs/anvil@1.7.1";
/// Longest an installation may take: 45 MB over a slow line.
const INSTALL_TIMEOUT: Duration = Duration::from_mins(10);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the local chain needs anvil: install Foundry (https://getfoundry.sh), or npm so that it can be fetched"
    )]
    NoNpm(#[source] std::io::Error),
    #[error("npm could not install {PACKAGE}: {0}")]
    Npm(String),
    #[error("npm did not install {PACKAGE} within {} s", INSTALL_TIMEOUT.as_secs())]
    Slow,
    #[error("anvil's folder {path} could not be made")]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// The anvil on `search_path` (the value of `PATH`), else the one in `data_dir`, else a freshly installed one.
///
/// `say` gets one sentence when something is downloaded. Several processes may do this at once.
pub async fn find_or_install(
    search_path: &std::ffi::OsStr,
    data_dir: &Path,
    say: impl Fn(&str) + Send,
) -> Result<PathBuf, Error> {
    let home = data_dir.join("anvil");
    if let Some(anvil) = on_path(search_path).or_else(|| in_modules(&home.join("node_modules"))) {
        return Ok(anvil);
    }
    say(&format!("installing {PACKAGE} into {}", home.display()));
    install(data_dir, &home).await
}

/// The program inside a `node_modules` folder. It is taken from the package of this machine: `bin.mjs` beside it would put a node process between us and anvil.
pub fn in_modules(modules: &Path) -> Option<PathBuf> {
    let os = match OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let arch = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = format!("@foundry-rs/anvil-{os}-{arch}");
    let program = format!("anvil{}", std::env::consts::EXE_SUFFIX);
    let path = modules.join(package).join("bin").join(program);
    path.is_file().then_some(path)
}

/// A real anvil on the search path; npm's launcher script of the same name is passed over, for the reason above.
fn on_path(search_path: &std::ffi::OsStr) -> Option<PathBuf> {
    std::env::split_paths(search_path)
        .map(|folder| folder.join(format!("anvil{}", std::env::consts::EXE_SUFFIX)))
        .filter_map(|path| path.canonicalize().ok())
        .find(|path| path.is_file() && path.extension().is_none_or(|end| end == "exe"))
}

/// Installs beside the final place and renames, so that nobody ever sees half an installation.
async fn install(data_dir: &Path, home: &Path) -> Result<PathBuf, Error> {
    let draft = data_dir.join(format!("anvil-{}", Uuid::now_v7()));
    let folder = |path: &Path| {
        let path = path.to_owned();
        |source| Error::Folder { path, source }
    };
    fs::create_dir_all(&draft).await.map_err(folder(&draft))?;
    let installed = run_npm(&draft).await;
    let renamed = fs::rename(&draft, home).await;
    if renamed.is_err() {
        // Another process was faster, or nothing was installed: either way the draft is rubbish.
        fs::remove_dir_all(&draft).await.map_err(folder(&draft))?;
    }
    installed?;
    let anvil = in_modules(&home.join("node_modules"));
    anvil.ok_or_else(|| Error::Npm(format!("it has no program for {OS} on {ARCH}")))
}

async fn run_npm(folder: &Path) -> Result<(), Error> {
    let npm = Command::new("npm")
        .args(["install", "--prefix"])
        .arg(folder)
        .args(["--ignore-scripts", "--no-audit", "--no-fund", PACKAGE])
        .kill_on_drop(true)
        .output();
    let output = timeout(INSTALL_TIMEOUT, npm)
        .await
        .map_err(|_| Error::Slow)?
        .map_err(Error::NoNpm)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Error::Npm(text.trim().chars().take(500).collect()))
}
