//! The binary: reads the command, runs it, and says by its exit code how it went.

use std::process::ExitCode;

fn main() -> ExitCode {
    x402_facilitator::cli::main()
}
