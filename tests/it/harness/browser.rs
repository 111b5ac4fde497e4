//! A real browser: Debian's Chromium, or another that is on the PATH.

use std::path::PathBuf;

use serde_json::Value;

use super::npm;

const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// What one view of one page was like.
#[derive(Debug)]
pub(crate) struct View {
    /// Which page, which shape, which colours.
    pub(crate) name: String,
    /// What is wrong with it: an empty list is what we want.
    pub(crate) wrong: Vec<String>,
    /// The page's bytes, without what it might load.
    pub(crate) bytes: u64,
    /// What is to be read on it.
    pub(crate) text: String,
}

/// Opens every page, `name=path`, light and dark, wide and narrow, and without a script. With `BLESS` set, pictures of some are kept in
/// `docs/screenshots`.
pub(crate) async fn browse(origin: &str, credentials: &str, pages: &[&str]) -> Vec<View> {
    let program = program().display().to_string();
    let mut arguments = vec!["--browser", &program, "--origin", origin];
    if !credentials.is_empty() {
        arguments.extend(["--credentials", credentials]);
    }
    let shots = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/screenshots");
    if std::env::var_os("BLESS").is_some() {
        arguments.extend(["--shots", shots]);
    }
    arguments.extend(pages);
    let (ended_well, told) = npm::run("browse.mjs", &arguments).await;
    assert!(ended_well, "{told}");
    told["seen"]
        .as_array()
        .expect("views")
        .iter()
        .map(view)
        .collect()
}

fn view(told: &Value) -> View {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let part = |name: &str| text(&told[name]);
    View {
        name: [part("name"), part("shape"), part("theme")].join(" "),
        wrong: told["wrong"]
            .as_array()
            .expect("a list")
            .iter()
            .map(text)
            .collect(),
        bytes: told["bytes"].as_u64().expect("a number"),
        text: part("text"),
    }
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates =
        std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    candidates.find(|program| program.is_file()).expect(
        "these tests need Chromium: apt-get install chromium (Debian), or Chrome on the PATH",
    )
}
