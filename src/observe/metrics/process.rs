//! What the process uses, as Linux tells it; nothing elsewhere.

use std::fs;
use std::sync::{Mutex, PoisonError};

use super::catalogue::{PROCESS_CPU, PROCESS_FDS, PROCESS_MEMORY, PROCESS_START};

/// The kernel's clock ticks per second, as every Linux shows them to programs.
const TICKS: f64 = 100.0;
/// The kernel's page, bytes; `statm` counts in it. Wrong on the few machines with larger ones.
const PAGE: f64 = 4096.0;

/// Processor seconds that were counted already.
static COUNTED: Mutex<f64> = Mutex::new(0.0);

/// What `/proc/self/stat` says, as much as we use.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    /// After the machine's start.
    started_seconds: f64,
}

pub(in crate::observe) fn note() {
    let read = |name: &str| fs::read_to_string(format!("/proc/{name}")).ok();
    if let Some(stat) = read("self/stat").as_deref().and_then(parse_stat) {
        let mut counted = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
        PROCESS_CPU.note((stat.cpu_seconds - *counted).max(0.0), []);
        *counted = stat.cpu_seconds;
        let boot = read("stat").as_deref().and_then(parse_boot);
        if let Some(boot) = boot {
            PROCESS_START.note(boot + stat.started_seconds, []);
        }
    }
    if let Some(pages) = read("self/statm").as_deref().and_then(parse_resident) {
        PROCESS_MEMORY.note(pages * PAGE, []);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let open = u32::try_from(open.count()).unwrap_or(u32::MAX);
        PROCESS_FDS.note(open.into(), []);
    }
}

/// The name of the program, in parentheses, may hold anything: what counts comes after it.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.trim().parse::<f64>().ok();
    Some(Stat {
        cpu_seconds: (field(14)? + field(15)?) / TICKS,
        started_seconds: field(22)? / TICKS,
    })
}

fn parse_boot(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn parse_resident(text: &str) -> Option<f64> {
    text.split(' ').nth(1)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 500 0 0 0 250 50 0 0 20 0 4 0 12345 9 8\n";
        assert_eq!(
            parse_stat(stat),
            Some(Stat {
                cpu_seconds: 3.0,
                started_seconds: 123.45
            })
        );
        assert_eq!(parse_stat("nonsense"), None);
        assert_eq!(
            parse_boot("cpu 1 2\nbtime 1700000000\n"),
            Some(1_700_000_000.0)
        );
        assert_eq!(parse_resident("900 300 20 1 0 2 0\n"), Some(300.0));
    }
}
