//! Prometheus' own tool: judges rules, their tests, and what `/metrics` says.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `promtool` in a folder; must succeed.
pub(crate) fn promtool(folder: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need promtool: apt-get install prometheus (Debian), brew install prometheus (macOS)");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // It may have said what it thinks before it read everything.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}
