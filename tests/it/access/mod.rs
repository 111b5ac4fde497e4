//! Who may call, how much of the service they may use, and how they are kept from standing in the way of others.

mod budgets;
mod callers;
mod keys;
mod limits;
mod reload;
mod replicas;
mod slow;
mod svm;

use alloy::primitives::Address;
use serde_json::Value;

use crate::harness::facilitator::Settings;
use crate::harness::http::Answer;

/// Who is paid in these tests.
const PAYEE: Address = alloy::primitives::address!("0x0000000000000000000000000000000000acce55");

/// With a limits file that says this.
fn limited(settings: Settings, limits: &str) -> Settings {
    let file = settings.path().join("limits.toml");
    std::fs::write(&file, limits).expect("the limits are written");
    settings.set("LIMITS_FILE", &file.display().to_string())
}

/// How many answers have this status.
fn count(answers: &[Answer], status: u16) -> usize {
    answers
        .iter()
        .filter(|a| a.status.as_u16() == status)
        .count()
}

/// Asserts that a limit was met, in the shape of the endpoint, and returns the seconds to wait.
#[track_caller]
fn over_limit(answer: &Answer, reason: &str) -> u64 {
    assert_eq!(
        (answer.status.as_u16(), answer.reason()),
        (429, reason),
        "{}",
        answer.body
    );
    if answer.body.get("isValid").is_none() {
        assert_eq!(answer.body["success"], false);
        assert_eq!(answer.body["transaction"], "");
        assert!(
            answer.body["network"]
                .as_str()
                .is_some_and(|n| n.contains(':'))
        );
    } else {
        assert_eq!(answer.body["isValid"], Value::Bool(false));
    }
    answer.header("retry-after").parse().expect("seconds")
}
