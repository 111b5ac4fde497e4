//! The files that operators deploy with say what the product has: its commands, settings, paths and files. No container engine is asked.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use toml::Value;
use x402_facilitator::config::variables;

use crate::harness::facilitator::{Facilitator, Settings};

const BINARY: &str = "/usr/local/bin/x402-facilitator";

#[test]
fn image_build_copies_everything_that_the_binary_embeds() {
    let copied = copied();
    for source in rust_files(&root().join("src")) {
        for embedded in embedded_in(&source) {
            let is_copied = copied.iter().any(|from| embedded.starts_with(from));
            let (embedded, source) = (embedded.display(), source.display());
            assert!(
                is_copied,
                "{source} embeds {embedded}, which the Dockerfile does not copy"
            );
        }
    }
}

#[test]
fn image_build_copies_only_what_is_there_and_not_ignored() {
    let ignore = read(".dockerignore");
    let let_in: Vec<&str> = ignore
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    let copied = copied();
    assert!(copied.len() >= 5, "{copied:?}");
    for from in copied {
        assert!(root().join(&from).exists(), "{} is missing", from.display());
        let is_let_in = let_in.iter().any(|entry| Path::new(entry) == from);
        assert!(is_let_in, ".dockerignore keeps {} out", from.display());
    }
}

#[test]
fn image_runs_a_command_that_exists_as_nobody_in_particular() {
    let dockerfile = read("Dockerfile");
    let says = |line: &str| {
        assert!(
            dockerfile.lines().any(|l| l.trim() == line),
            "the Dockerfile lacks: {line}"
        );
    };
    says("USER 10001:10001");
    says("STOPSIGNAL SIGTERM");
    says(&format!("EXPOSE {}", default("PORT")));
    says(&format!("ENTRYPOINT [\"{BINARY}\"]"));
    says("CMD [\"serve\"]");
    says(&format!("CMD [\"{BINARY}\", \"healthcheck\"]"));
    for command in ["serve", "healthcheck", "migrate"] {
        assert_command(command);
    }
}

#[test]
fn image_is_built_by_the_compiler_that_the_manifest_asks_for() {
    let manifest: Value = toml::from_str(&read("Cargo.toml")).expect("the manifest is TOML");
    let wanted = text(&manifest, &["package", "rust-version"]);
    let dockerfile = read("Dockerfile");
    let pinned = dockerfile
        .lines()
        .find_map(|line| line.strip_prefix("ARG RUST_VERSION="));
    let pinned = pinned.expect("the Dockerfile pins a compiler");
    assert!(
        pinned.starts_with(&format!("{wanted}.")),
        "{pinned} is not {wanted}"
    );
}

#[test]
fn every_setting_in_the_deploy_files_is_one_of_ours() {
    let compose = read("docker-compose.yaml");
    let service = block(&compose, "  environment: &environment");
    let names = service
        .iter()
        .filter_map(|line| line.trim().split_once(": "));
    let mut names: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
    let dockerfile = read("Dockerfile");
    let set = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
    names.extend(set.map(|(name, _)| name.to_owned()));
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let is_known = variables::ALL.iter().any(|variable| variable.name == name);
        assert!(is_known, "{name} is no setting of this service");
    }
}

#[test]
fn compose_migrates_first_and_stops_late_enough() {
    let compose = read("docker-compose.yaml");
    for line in [
        "command: [\"migrate\"]",
        "command: [\"serve\"]",
        "condition: service_completed_successfully",
        "condition: service_healthy",
        &format!("test: [\"CMD\", \"{BINARY}\", \"healthcheck\"]"),
        "stop_grace_period: 45s",
    ] {
        assert!(
            compose.lines().any(|l| l.trim() == line),
            "docker-compose.yaml lacks: {line}"
        );
    }
    assert!(Duration::from_secs(45) > drain(), "stopped before drained");
}

#[test]
fn railway_migrates_with_a_command_that_exists_and_drains_late_enough() {
    let railway = railway();
    let commands = &railway["deploy"]["preDeployCommand"];
    let commands = commands.as_array().expect("a list of commands");
    for command in commands {
        let words: Vec<&str> = command
            .as_str()
            .expect("a command")
            .split_whitespace()
            .collect();
        let [program, command] = words.as_slice() else {
            panic!("not a program and a command: {words:?}")
        };
        assert_eq!(*program, BINARY);
        assert_command(command);
    }
    let draining = &railway["deploy"]["drainingSeconds"];
    let draining = draining.as_integer().expect("seconds").unsigned_abs();
    assert!(
        Duration::from_secs(draining) > drain(),
        "stopped before drained"
    );
    assert_eq!(text(&railway, &["build", "builder"]), "DOCKERFILE");
    assert!(
        root()
            .join(text(&railway, &["build", "dockerfilePath"]))
            .is_file()
    );
}

#[tokio::test]
async fn the_path_that_is_probed_answers() {
    let settings = Settings::new("http://127.0.0.1:1").set("EVM_NETWORKS", "");
    let service = Facilitator::start(settings).await;
    let railway = railway();
    let path = text(&railway, &["deploy", "healthcheckPath"]);

    let answer = reqwest::get(format!("{}{path}", service.url())).await;

    assert_eq!(answer.expect("an answer").status(), 200);
    assert!(service.stop().await);
}

/// The folders and files that the Dockerfile takes from the clone, relative to it.
fn copied() -> BTreeSet<PathBuf> {
    let dockerfile = read("Dockerfile");
    let lines = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "));
    let from_clone = lines.filter(|line| !line.starts_with("--from="));
    let sources = from_clone.flat_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (_to, from) = words.split_last().expect("COPY has a destination");
        from.iter().map(PathBuf::from).collect::<Vec<_>>()
    });
    sources.collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is readable");
    let entries = entries.map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => rust_files(&path),
            Some(end) if end == "rs" => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// What `include_str!` and `include_bytes!` name in a file, relative to the clone.
fn embedded_in(source: &Path) -> Vec<PathBuf> {
    let code = std::fs::read_to_string(source).expect("the source is readable");
    let folder = source.parent().expect("a file is in a folder");
    ["include_str!(\"", "include_bytes!(\""]
        .iter()
        .flat_map(|start| code.split(start).skip(1))
        .filter_map(|rest| rest.split_once('"'))
        .map(|(named, _)| tidy(&folder.join(named)))
        .collect()
}

/// Without `..`, relative to the clone.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            tidy.pop();
        } else {
            tidy.push(part);
        }
    }
    let relative = tidy.strip_prefix(root());
    relative.expect("it is in the clone").to_owned()
}

/// The lines below one line, as far as they are indented more.
fn block<'a>(yaml: &'a str, head: &str) -> Vec<&'a str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = yaml.lines().skip_while(|line| *line != head);
    let top = indent(lines.next().unwrap_or_else(|| panic!("no line: {head}")));
    lines.take_while(|line| indent(line) > top).collect()
}

fn assert_command(name: &str) {
    let status = Command::new(env!("CARGO_BIN_EXE_x402-facilitator"))
        .args([name, "--help"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(
        status.expect("the binary runs").success(),
        "there is no command {name}"
    );
}

fn drain() -> Duration {
    let millis = default("DRAIN_TIMEOUT_MS").parse().expect("a number");
    Duration::from_millis(millis)
}

fn default(name: &str) -> &'static str {
    let variable = variables::ALL.iter().find(|variable| variable.name == name);
    let default = variable.and_then(|variable| variable.default);
    default.unwrap_or_else(|| panic!("{name} has no default"))
}

fn railway() -> Value {
    toml::from_str(&read("railway.toml")).expect("railway.toml is TOML")
}

fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    let found = path.iter().try_fold(value, |value, key| value.get(key));
    found
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {path:?}"))
}

fn read(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
