//! The money path: supported, verify, settle, and what is on record.

pub mod answer;

pub use answer::{Answer, Outcome, Verdict};
