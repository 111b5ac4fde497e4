//! How `upto` sessions are kept and when they are settled.

use std::time::Duration;

use super::reader::Reader;
use super::value::{self, Parsed};
use crate::store::{Keeper, Unclaimed};

/// Who keeps sessions, and when the sweeper settles them.
#[derive(Debug, Clone)]
pub struct Sessions {
    /// Who adds up the calls of a session.
    pub keeper: Keeper,
    /// What happens to a hold that nobody charges in time.
    pub unclaimed: Unclaimed,
    /// Pause between two looks at all sessions.
    pub sweep_interval: Duration,
    /// What is owed is settled after this long without a call.
    pub idle_settle: Duration,
    /// A session is closed after this long without a call.
    pub long_idle: Duration,
    /// How long before the permit's deadline what is owed is settled and the session closed.
    pub deadline_buffer: Duration,
    /// What is owed is settled once this much of the cap is charged, percent.
    pub cap_threshold: u64,
    /// Settlements refused in a row until a session is given up.
    pub attempts: u32,
    /// How long closed and failed sessions are listed.
    pub archive_after: Duration,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Sessions {
    let milliseconds = |reader: &mut Reader<'_>, name: &str, most: u64| {
        Duration::from_millis(reader.value(name, |text| value::whole(text, 1, most)))
    };
    let day = 86_400_000;
    Sessions {
        keeper: reader.value("UPTO_SESSIONS", keeper),
        unclaimed: reader.value("UPTO_UNCLAIMED", unclaimed),
        sweep_interval: milliseconds(reader, "UPTO_SWEEP_INTERVAL_MS", day),
        idle_settle: milliseconds(reader, "UPTO_IDLE_SETTLE_MS", 30 * day),
        long_idle: milliseconds(reader, "UPTO_LONG_IDLE_MS", 365 * day),
        deadline_buffer: milliseconds(reader, "UPTO_DEADLINE_BUFFER_MS", day),
        cap_threshold: reader.value("UPTO_CAP_THRESHOLD_PERCENT", |text| {
            value::whole(text, 1, 100)
        }),
        attempts: reader.value("UPTO_SETTLE_ATTEMPTS", |text| value::whole(text, 1, 1000)),
        archive_after: milliseconds(reader, "UPTO_ARCHIVE_AFTER_MS", 3650 * day),
    }
}

fn keeper(text: &str) -> Parsed<Keeper> {
    match text {
        "facilitator" => Ok(Keeper::Facilitator),
        "merchant" => Ok(Keeper::Merchant),
        _ => {
            let quoted = value::quote(text);
            Err(format!("must be facilitator or merchant, not {quoted}"))
        }
    }
}

fn unclaimed(text: &str) -> Parsed<Unclaimed> {
    match text {
        "release" => Ok(Unclaimed::Release),
        "charge" => Ok(Unclaimed::Charge),
        _ => {
            let quoted = value::quote(text);
            Err(format!("must be release or charge, not {quoted}"))
        }
    }
}
