//! The commands: `serve` (the default), `dev`, `migrate`, `check`, `keygen`, `keys`, `reconcile`, `healthcheck`.

mod check;
mod healthcheck;
mod keygen;
mod keys;
mod reconcile;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::hooks::Nothing;
use crate::lifecycle::Signal;
use crate::observe::Telemetry;
use crate::store::Store;
use crate::{dev, lifecycle, observe, run};

#[derive(Debug, Parser)]
#[command(name = "x402-facilitator", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve requests (the default).
    Serve,
    /// A local chain with everything in place, one real payment, and the facilitator on it.
    Dev(dev::Options),
    /// Bring the database up to date and exit.
    Migrate,
    /// Print the effective configuration without its secrets, and look whether database, nodes, contracts and signers will do; exit code 0 or 1.
    Check(check::Options),
    /// Make a key that pays gas and print its address.
    Keygen(keygen::Options),
    /// Make, list and revoke API keys.
    Keys(keys::Options),
    /// Compare the ledger with the chain; exit code 0 when they agree, 1 when they differ or could not be compared.
    Reconcile(reconcile::Options),
    /// Ask the service on this machine whether it is up; exit code 0 or 1.
    Healthcheck,
}

/// Runs the command of the process's arguments.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(cause) => return complain(&anyhow::Error::new(cause).context("starting the runtime")),
    };
    let done = runtime.block_on(async {
        match arguments.command.unwrap_or(Command::Serve) {
            Command::Serve => serve().await,
            Command::Dev(options) => dev::run(options).await,
            Command::Migrate => migrate().await,
            Command::Check(options) => check::run(&options).await,
            Command::Keygen(options) => keygen::run(&options),
            Command::Keys(options) => keys::run(options).await,
            Command::Reconcile(options) => reconcile::run(&options).await,
            Command::Healthcheck => healthcheck::run().await,
        }
    });
    match done {
        Ok(code) => code,
        Err(cause) => complain(&cause),
    }
}

async fn serve() -> anyhow::Result<ExitCode> {
    let config = Config::load(&Environment::of_process())?;
    let telemetry = Telemetry::start(config.observe.otlp.as_ref())?;
    observe::start_log(&config.log, &telemetry);
    for line in config.summary() {
        tracing::info!("{line}");
    }
    for text in &config.notes {
        observe::note(text);
    }
    let ended = match run::start(config, Clock::system(), Arc::new(Nothing)).await {
        Ok(running) => Ok(until_stopped(running).await),
        Err(cause) => Err(cause),
    };
    telemetry.stop().await;
    ended
}

/// Serves until a signal or a failed task, then drains. A second signal ends the process at once, which is safe.
pub(crate) async fn until_stopped(running: run::Running) -> ExitCode {
    let signal = tokio::select! {
        signal = lifecycle::signalled() => Some(signal),
        () = running.failed() => None,
    };
    let stop = async {
        if signal == Some(Signal::Terminate) {
            running.give_notice().await;
        }
        running.stop().await
    };
    tokio::select! {
        went_well = stop => if went_well { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        _ = lifecycle::signalled() => ExitCode::FAILURE,
    }
}

async fn migrate() -> anyhow::Result<ExitCode> {
    let config = Config::load(&Environment::of_process())?;
    observe::start_log(&config.log, &Telemetry::default());
    let store = Store::connect(&config.store.url, 1, Clock::system())
        .await
        .context("opening the database (DATABASE_URL)")?;
    store.migrate().await.context("migrating the database")?;
    store.close().await;
    tracing::info!("the database is up to date");
    Ok(ExitCode::SUCCESS)
}

fn complain(cause: &anyhow::Error) -> ExitCode {
    // Nothing is left to do when even the error stream is gone.
    let _ = writeln!(std::io::stderr(), "error: {cause:#}");
    ExitCode::FAILURE
}
