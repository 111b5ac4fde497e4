//! Is the database there, may it be written, and does it have this program's tables?

use super::{Finding, Findings, Grade};
use crate::clock::Clock;
use crate::config;
use crate::store::{Schema, Store};

pub(super) async fn look(config: &config::Store, clock: &Clock) -> Vec<Finding> {
    let mut found = Findings::about("database");
    let place = config.place();
    let store = match Store::connect(&config.url, 1, clock.clone()).await {
        Ok(store) => store,
        Err(cause) => {
            found.add(Grade::Bad, format!("{place}: {}", chain_of(&cause)));
            return found.list;
        }
    };
    found.add(Grade::Good, format!("{place} answers"));
    match store.schema().await {
        Ok(Schema { applied, known }) if applied == known => {
            found.add(Grade::Good, format!("schema {applied}, up to date"));
        }
        Ok(Schema { applied, known }) if applied < known => {
            let (grade, by) = if config.auto_migrate {
                (Grade::Good, "a start")
            } else {
                (Grade::Bad, "`migrate`")
            };
            let text = format!("schema {applied} of {known}: {by} brings it up to date");
            found.add(grade, text);
        }
        Ok(Schema { applied, known }) => {
            let text = format!(
                "schema {applied} is newer than this program's {known}: run a newer program"
            );
            found.add(Grade::Bad, text);
        }
        Err(cause) => found.add(Grade::Bad, format!("schema unknown: {}", chain_of(&cause))),
    }
    match store.try_write().await {
        Ok(()) => found.add(Grade::Good, "may be written"),
        Err(cause) => found.add(
            Grade::Bad,
            format!("cannot be written: {}", chain_of(&cause)),
        ),
    }
    store.close().await;
    found.list
}

/// The whole story in one line. Database errors name the place at most, never the password.
fn chain_of(cause: &dyn std::error::Error) -> String {
    let mut text = cause.to_string();
    let mut source = cause.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
