//! `reconcile`: compares the ledger with the chain now, and tells every difference.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::hooks::Nothing;
use crate::reconcile::{self, Report};
use crate::run;
use crate::store::Store;

const SECONDS_PER_DAY: u64 = 86_400;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// How far back to compare, days. Unset: `RECONCILE_WINDOW_DAYS`.
    #[arg(long)]
    days: Option<u64>,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
}

/// Exit code 0 when everything was compared and agrees.
pub(super) async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let config = Config::load(&Environment::of_process())?;
    let clock = Clock::system();
    let store = Store::connect(&config.store.url, 2, clock.clone())
        .await
        .context("opening the database (DATABASE_URL)")?;
    let window = options.days.map_or(config.reconcile.window, |days| {
        Duration::from_secs(days.saturating_mul(SECONDS_PER_DAY))
    });
    let witnesses = run::witnesses(&config, &store, &clock, Arc::new(Nothing))?;
    let mut reports = Vec::new();
    for witness in &witnesses {
        let progress = |report: &Report| {
            // Nothing is lost when nobody watches.
            let _ = writeln!(io::stderr(), "{}", line(report));
        };
        reports.push(reconcile::network(witness.as_ref(), &store, &clock, window, progress).await);
    }
    store.close().await;
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &reports)?;
        writeln!(out)?;
    } else {
        print(&mut out, &reports)?;
    }
    Ok(if reports.iter().all(Report::is_clean) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn line(report: &Report) -> String {
    format!(
        "{}: {} settled payments, {} expired, {} transactions, {} signers compared; {} differences",
        report.network,
        report.settled,
        report.expired,
        report.transactions,
        report.signers,
        report.differences.len()
    )
}

fn print(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    for report in reports {
        writeln!(out, "{}", line(report))?;
        for difference in &report.differences {
            let kind = difference.kind.as_str();
            writeln!(
                out,
                "  {kind}  {}  {}",
                difference.subject, difference.detail
            )?;
        }
        if let Some(cause) = &report.interrupted {
            writeln!(out, "  not complete: {cause}")?;
        }
    }
    Ok(())
}
