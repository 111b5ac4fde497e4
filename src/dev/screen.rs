//! What the sandbox tells a person, on standard output.

use std::io::Write;

pub(super) fn line(text: &str) {
    // Nobody reads any more: not our trouble.
    let _ = writeln!(std::io::stdout(), "{text}");
}

pub(super) fn row(name: &str, value: &str) {
    line(&format!("  {name:<12} {value}"));
}
