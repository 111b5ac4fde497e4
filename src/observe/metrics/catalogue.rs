//! Every metric there is. What is documented, what the dashboard and the alerts may name, and what is counted, is this table.

use std::fmt::Write;

use super::Kind::{Counter, Gauge, Histogram};
use super::{Description, Metric};

/// What the semantic conventions of OpenTelemetry want for HTTP, seconds.
const REQUESTS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Settlements take from a fast block to the end of a client's patience, seconds.
const SETTLEMENTS: &[f64] = &[
    0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0,
];
const CALLS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const GAS: &[f64] = &[
    25_000.0,
    50_000.0,
    75_000.0,
    100_000.0,
    150_000.0,
    200_000.0,
    300_000.0,
    500_000.0,
    1_000_000.0,
];

/// Declares the metrics and lists them: one that is declared and not listed would be counted and never told.
macro_rules! metrics {
    ($($name:ident: $description:expr;)*) => {
        $(pub static $name: Metric<{ $description.labels.len() }> = Metric::of($description);)*

        /// All of them, in the order in which they are documented.
        pub fn all() -> impl Iterator<Item = Description> {
            [$($name.description()),*].into_iter()
        }
    };
}

metrics! {
    HTTP_REQUESTS: Description::new(Histogram(REQUESTS), "http.server.request.duration", &["http.request.method", "http.route", "http.response.status_code"], "Requests by route and status, and how long they took.").in_seconds();
    HTTP_ACTIVE: Description::new(Gauge, "http.server.active_requests", &[], "Requests under way.");

    VERIFIES: Description::new(Counter, "x402_verify_total", &["network", "scheme", "asset_symbol", "result", "reason"], "Answers of /verify: valid, rejected (with its reason) or unavailable.");
    VERIFY_DURATION: Description::new(Histogram(REQUESTS), "x402_verify_duration_seconds", &["network", "result"], "How long /verify took.");
    SETTLES: Description::new(Counter, "x402_settle_total", &["network", "scheme", "asset_symbol", "result", "reason"], "Answers of /settle: settled, replayed, rejected (with its reason), unconfirmed or unavailable.");
    SETTLE_DURATION: Description::new(Histogram(SETTLEMENTS), "x402_settle_duration_seconds", &["network", "result"], "How long /settle took.");
    CONCLUDED: Description::new(Counter, "x402_settlements_concluded_total", &["network", "outcome", "reason"], "What the chain proved about payments: settled, settled_elsewhere, failed, expired or requeued.");
    STAGES: Description::new(Histogram(SETTLEMENTS), "x402_settlement_stage_duration_seconds", &["network", "stage"], "Of settled payments: from queued to signed (queue), from signed to proven (chain), and both (total).");
    VOLUME: Description::new(Counter, "x402_volume_base_units_total", &["network", "asset_symbol"], "Settled amounts in the token's smallest unit.");

    IN_STATE: Description::new(Gauge, "x402_settlements_in_state", &["network", "state"], "Rows that wait: queued, submitted, and mined transactions that are not final (not_final).");
    OLDEST: Description::new(Gauge, "x402_oldest_in_state_seconds", &["network", "state"], "Age of the oldest such row.");

    ATTEMPTS: Description::new(Counter, "x402_tx_attempts_total", &["network", "outcome"], "Transactions handed to nodes, and what came back.");
    BIDS: Description::new(Counter, "x402_tx_replacements_total", &["network", "kind"], "Transactions signed again at the same account nonce: with a higher fee (bump), or to pay nobody (noop).");
    REVERTED: Description::new(Counter, "x402_tx_reverted_total", &["network"], "Transactions of ours that landed and reverted.");
    MINED: Description::new(Counter, "x402_tx_mined_total", &["network"], "Transactions of ours that landed, the reverted included.");
    REORGS: Description::new(Counter, "x402_reorgs_total", &["network"], "Transactions of ours whose block was taken away.");
    GAS_USED: Description::new(Histogram(GAS), "x402_gas_used", &["network"], "Gas (compute units on Solana) per transaction.");
    GAS_SPENT: Description::new(Counter, "x402_gas_spent_native_total", &["network", "signer_index"], "What landed transactions cost, in the native coin.");
    GAS_WASTED: Description::new(Counter, "x402_gas_wasted_native_total", &["network", "signer_index"], "The part of it that settled nothing.");
    NONCE_GAPS: Description::new(Counter, "x402_nonce_gaps_closed_total", &["network"], "Account nonces that were given to nobody.");
    TOO_DEAR: Description::new(Counter, "x402_gas_too_dear_total", &["network"], "Times that payments waited because gas costs more than allowed.");
    NOT_SIGNED: Description::new(Counter, "x402_sign_failures_total", &["network"], "Times that a signer did not sign.");
    VIOLATIONS: Description::new(Counter, "x402_invariant_violations_total", &["kind"], "What must never happen: foreign_nonce, foreign_hash, foreign_transaction, wrong_chain, difference, panic, task_ended.");

    LANE_PAUSED: Description::new(Gauge, "x402_lane_paused", &["network", "signer_index", "reason"], "1 for the reason why a lane sends nothing new: funds, cap, foreign, delegated or other.");
    LANE_LEASED: Description::new(Gauge, "x402_lane_leased", &["network", "signer_index"], "1 while some process holds the lane and shows life.");
    LANE_PAUSES: Description::new(Counter, "x402_lane_pauses_total", &["network", "signer_index", "reason"], "Times that a lane was paused.");
    LANE_TROUBLE: Description::new(Counter, "x402_lane_restarts_total", &["network", "signer_index"], "Times that a lane started over because of the database.");
    IN_FLIGHT: Description::new(Gauge, "x402_signer_inflight", &["network", "signer_index"], "Transactions without a proven end.");
    NONCE: Description::new(Gauge, "x402_signer_nonce", &["network", "signer_index", "kind"], "The next account nonce: ours (db), and the chain's (latest, pending).");
    BALANCE: Description::new(Gauge, "x402_signer_balance_native", &["network", "signer_index"], "What a signer has to pay gas with, in the native coin.");
    RUNWAY: Description::new(Gauge, "x402_signer_runway_settlements", &["network", "signer_index"], "How many settlements that pays for, at what the last ones cost.");
    SPENT_TODAY: Description::new(Gauge, "x402_signer_spent_today_native", &["network", "signer_index"], "Spent in this UTC day, in the native coin.");
    DAILY_CAP: Description::new(Gauge, "x402_signer_daily_cap_native", &["network", "signer_index"], "Most that may be spent in a UTC day, in the native coin.");
    SIGNER_INFO: Description::new(Gauge, "x402_signer_info", &["network", "signer_index", "address"], "1; which address a signer_index is.");

    RPC_REQUESTS: Description::new(Counter, "x402_rpc_requests_total", &["network", "role", "endpoint_index", "method", "outcome"], "Requests to nodes: ok, refused (the node's own verdict) or unavailable. Endpoints count from 0 as configured; role is read or send.");
    RPC_DURATION: Description::new(Histogram(CALLS), "x402_rpc_duration_seconds", &["network", "role", "endpoint_index"], "How long nodes took to answer.");
    RPC_UP: Description::new(Gauge, "x402_rpc_endpoint_up", &["network", "endpoint_index"], "1 while a read endpoint answers and is on the right chain.");
    HEAD: Description::new(Gauge, "x402_chain_head", &["network"], "Number of the newest block (slot on Solana) when last looked at.");
    HEAD_AGE: Description::new(Gauge, "x402_chain_head_age_seconds", &["network"], "How old the newest block was when last looked at.");
    NETWORK_READY: Description::new(Gauge, "x402_network_ready", &["network"], "1 while payments of the network can be settled, as /readyz says.");
    READY: Description::new(Gauge, "x402_ready", &[], "1 while /readyz says 200.");

    STORE_ERRORS: Description::new(Counter, "x402_store_errors_total", &["kind"], "Failures of the database: database, migrate, fenced or inconsistent.");
    STORE_CONNECTIONS: Description::new(Gauge, "x402_store_connections", &["state"], "Connections to the database: used, idle, and the most there may be (max).");
    SUPPRESSED: Description::new(Counter, "x402_log_lines_suppressed_total", &["event"], "Log lines left out because the same was said a moment ago.");
    BUILD: Description::new(Gauge, "x402_build_info", &["version"], "1; the version that runs.");

    PROCESS_START: Description::new(Gauge, "process_start_time_seconds", &[], "When the process started, unix time.");
    PROCESS_CPU: Description::new(Counter, "process_cpu_seconds_total", &[], "Processor time used.");
    PROCESS_MEMORY: Description::new(Gauge, "process_resident_memory_bytes", &[], "Memory in use.");
    PROCESS_FDS: Description::new(Gauge, "process_open_fds", &[], "Open file descriptors.");
}

/// What belongs in the README.
pub fn markdown_table() -> String {
    let mut text = String::from("| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for metric in all() {
        let kind = match metric.kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram(_) => "histogram",
        };
        let labels = metric.labels.iter();
        let labels: Vec<String> = labels
            .map(|label| format!("`{}`", label.replace('.', "_")))
            .collect();
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {} | {} |",
            metric.prometheus_name(),
            labels.join(", "),
            metric.help
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn readme_lists_every_metric() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let start = "<!-- metrics: generated from src/observe/metrics/catalogue.rs by BLESS=1 cargo test --lib readme -->\n";
        let end = "<!-- end of metrics -->\n";
        let readme = std::fs::read_to_string(path).unwrap();
        let (before, rest) = readme.split_once(start).unwrap();
        let (_, after) = rest.split_once(end).unwrap();
        let wanted = format!("{before}{start}\n{}\n{end}{after}", markdown_table());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &wanted).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert!(
            written == wanted,
            "README.md differs from the catalogue; write it anew with: BLESS=1 cargo test --lib readme"
        );
    }

    #[test]
    fn names_are_as_prometheus_wants_them() {
        let mut names = BTreeSet::new();
        for metric in all() {
            let name = metric.prometheus_name();
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            assert!(name.bytes().all(fits), "{name}");
            assert_eq!(
                name.ends_with("_total"),
                metric.kind == Counter,
                "{name} and its kind"
            );
            assert!(names.insert(name.clone()), "{name} is there twice");
            assert!(metric.help.ends_with('.'), "{name}: {}", metric.help);
        }
    }

    #[test]
    fn no_label_could_name_a_payment_or_a_caller() {
        for metric in all() {
            for label in metric.labels {
                let is_open = [
                    "payer",
                    "pay_to",
                    "transaction",
                    "caller",
                    "url",
                    "resource",
                ];
                assert!(!is_open.contains(label), "{}: {label}", metric.name);
            }
        }
    }
}
