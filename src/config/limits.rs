//! How much anybody may use: the embedded `config/limits.toml`, and the operator's file laid over it field by field, at start and on SIGHUP.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

const EMBEDDED: &str = include_str!("../../config/limits.toml");
/// Longest file, bytes.
const FILE_LIMIT: u64 = 1024 * 1024;

/// Every limit there is. `config/limits.toml` says what each is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub all: Level,
    pub key: Level,
    pub anonymous: Level,
    pub payer: Level,
    pub pay_to: FeeLevel,
    /// Payments that may wait for a lane, per network.
    pub queue: i64,
}

/// What one may use; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Level {
    pub verify_per_minute: Option<u32>,
    pub settle_per_minute: Option<u32>,
    pub settle_per_day: Option<i64>,
    pub concurrency: Option<u32>,
    pub fees: FeeLevel,
}

/// Percent of what a network's keys may spend in a day; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeeLevel {
    pub all: Option<u32>,
    /// Of transactions that paid nobody.
    pub failed: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    all: AllRow,
    key: Row,
    anonymous: Row,
    payer: Row,
    pay_to: FeeRow,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllRow {
    verify_per_minute: Entry,
    settle_per_minute: Entry,
    settle_per_day: Entry,
    concurrency: Entry,
    fees: Entry,
    queue: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    verify_per_minute: Entry,
    settle_per_minute: Entry,
    settle_per_day: Entry,
    concurrency: Entry,
    fees: Entry,
    failed_fees: Entry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeeRow {
    fees: Entry,
    failed_fees: Entry,
}

/// A number, or `"none"`.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "a whole number up to 4294967295, or \"none\"")]
enum Entry {
    Most(u32),
    None(NoLimit),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NoLimit {
    None,
}

impl Limits {
    /// What holds where the operator says nothing.
    pub fn embedded() -> Self {
        Self::parse("").expect("a test reads the embedded limits.toml")
    }

    /// The operator's file over the embedded one.
    ///
    /// # Errors
    /// What is wrong with the file, continuing the sentence that `LIMITS_FILE` begins.
    pub fn read(path: Option<&Path>) -> Result<Self, String> {
        let Some(path) = path else {
            return Ok(Self::embedded());
        };
        let unreadable = |error: std::io::Error| {
            let kind = error.kind();
            format!("names a file that cannot be read: {kind}")
        };
        if fs::metadata(path).map_err(unreadable)?.len() > FILE_LIMIT {
            return Err("names a file too long to hold limits".to_owned());
        }
        Self::parse(&fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Text in the form of `config/limits.toml`, over the embedded one.
    ///
    /// # Errors
    /// As for [`Limits::read`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |error: toml::de::Error| format!("is not as it should be: {}", error.message());
        let mut table: Table = toml::from_str(EMBEDDED).map_err(wrong)?;
        overlay(&mut table, toml::from_str(text).map_err(wrong)?);
        let document: Document = Value::Table(table).try_into().map_err(wrong)?;
        Ok(Self::of(&document))
    }

    fn of(document: &Document) -> Self {
        let all = &document.all;
        Self {
            all: Level {
                verify_per_minute: all.verify_per_minute.most(),
                settle_per_minute: all.settle_per_minute.most(),
                settle_per_day: all.settle_per_day.most().map(i64::from),
                concurrency: all.concurrency.most(),
                fees: FeeLevel {
                    all: all.fees.most(),
                    failed: None,
                },
            },
            key: document.key.level(),
            anonymous: document.anonymous.level(),
            payer: document.payer.level(),
            pay_to: FeeLevel {
                all: document.pay_to.fees.most(),
                failed: document.pay_to.failed_fees.most(),
            },
            queue: i64::from(document.all.queue),
        }
    }
}

impl Row {
    fn level(&self) -> Level {
        Level {
            verify_per_minute: self.verify_per_minute.most(),
            settle_per_minute: self.settle_per_minute.most(),
            settle_per_day: self.settle_per_day.most().map(i64::from),
            concurrency: self.concurrency.most(),
            fees: FeeLevel {
                all: self.fees.most(),
                failed: self.failed_fees.most(),
            },
        }
    }
}

impl Entry {
    fn most(self) -> Option<u32> {
        match self {
            Self::Most(most) => Some(most),
            Self::None(NoLimit::None) => None,
        }
    }
}

/// Field by field; what is no section of ours stays, and is refused with the rest.
fn overlay(table: &mut Table, over: Table) {
    for (name, value) in over {
        match (table.get_mut(&name), value) {
            (Some(Value::Table(fields)), Value::Table(over)) => fields.extend(over),
            (_, value) => {
                table.insert(name, value);
            }
        }
    }
}

/// Where limits come from.
#[derive(Debug, Clone)]
pub struct Source {
    pub file: Option<PathBuf>,
    /// As read at start.
    pub initial: Limits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_limits_are_read() {
        let limits = Limits::embedded();
        assert_eq!(limits.queue, 10_000);
        assert_eq!(limits.all.settle_per_day, None);
        assert_eq!(limits.payer.fees.failed, Some(5));
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let limits =
            Limits::parse("[payer]\nsettle_per_day = 3\nfees = 0\nconcurrency = \"none\"\n");
        let limits = limits.unwrap();
        assert_eq!(limits.payer.settle_per_day, Some(3));
        assert_eq!(limits.payer.fees.all, Some(0));
        assert_eq!(limits.payer.concurrency, None);
        assert_eq!(limits.payer.fees.failed, Some(5));
        assert_eq!(limits.key, Limits::embedded().key);
    }

    #[test]
    fn a_limit_that_would_not_hold_is_refused() {
        for (text, part) in [
            ("[payers]\nfees = 1\n", "unknown field `payers`"),
            (
                "[payer]\nsettle_per_hour = 1\n",
                "unknown field `settle_per_hour`",
            ),
            ("[payer]\nsettle_per_day = -1\n", "a whole number"),
            ("[payer]\nsettle_per_day = \"off\"\n", "a whole number"),
            ("payer = 3\n", "invalid type"),
            ("[payer\n", "is not as it should be"),
        ] {
            let message = Limits::parse(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn a_missing_file_is_told() {
        let message = Limits::read(Some(Path::new("/nonexistent/limits.toml")));
        assert_eq!(
            message.unwrap_err(),
            "names a file that cannot be read: entity not found"
        );
    }
}
