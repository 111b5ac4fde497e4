//! What the sandbox tells a person, on standard output.

use std::io::Write;

#[derive(Debug, Clone, Copy)]
pub(super) struct Screen;

impl Screen {
    pub(super) fn line(self, text: &str) {
        // Nobody reads any more: not our trouble.
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    pub(super) fn row(self, name: &str, value: &str) {
        self.line(&format!("  {name:<12} {value}"));
    }
}
