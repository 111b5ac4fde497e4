//! `webhooks`: what waits in the outbox, and what nobody took.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::clock::{Clock, UnixMillis};
use crate::config::{Config, Environment};
use crate::observe::{self, Telemetry};
use crate::run;
use crate::store::Store;

/// Messages that `list` shows.
const LISTED: i64 = 1000;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How much waits, and every message that was given up, newest first. Receivers are shown by the beginning of their URL's digest.
    List,
    /// Send again what was given up.
    Retry,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let config = Config::load(&Environment::of_process())?;
    observe::start_log(&config.log, &Telemetry::default());
    let store = Store::connect(&config.store.url, 1, Clock::system())
        .await
        .context("opening the database (DATABASE_URL)")?;
    run::prepare(&store, config.store.auto_migrate).await?;
    let lines = match options.command {
        Command::List => list(&store).await?,
        Command::Retry => {
            let revived = store.revive_webhooks().await?;
            vec![format!("{revived} messages are sent again")]
        }
    };
    store.close().await;
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(store: &Store) -> anyhow::Result<Vec<String>> {
    let state = store.outbox_state().await?;
    let oldest = state.oldest.map(|oldest| UnixMillis(oldest).to_rfc3339());
    let since = oldest.map_or_else(String::new, |oldest| format!(", the oldest since {oldest}"));
    let mut lines = vec![format!(
        "{} wait{since}; {} were given up",
        state.waiting, state.dead
    )];
    for dead in store.dead_webhooks(LISTED).await? {
        let time = UnixMillis(dead.created_at).to_rfc3339();
        let (id, event, endpoint) = (dead.message_id, dead.event, dead.endpoint);
        let (attempts, problem) = (dead.attempts, dead.problem);
        lines.push(format!(
            "{time}  {id}  {event}  {endpoint}  {attempts} attempts  {problem}"
        ));
    }
    Ok(lines)
}
