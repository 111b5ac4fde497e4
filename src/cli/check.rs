//! `check`: the effective configuration without its secrets, every problem in it at once, and a look at everything that it names.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::clock::Clock;
use crate::config::{Config, Environment, Problems};
use crate::inspect::{self, Finding, Grade};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Read the configuration only: ask no database and no node.
    #[arg(long)]
    offline: bool,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
}

/// What the command prints.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    configuration: Vec<String>,
    notes: Vec<String>,
    problems: Vec<String>,
    findings: Vec<Finding>,
}

pub(super) async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let report = match Config::load(&Environment::of_process()) {
        Ok(config) => of_config(&config, options.offline).await?,
        Err(problems) => of_problems(&problems),
    };
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        print(&mut out, &report)?;
    }
    Ok(if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn of_config(config: &Config, offline: bool) -> anyhow::Result<Report> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let findings = if offline {
        Vec::new()
    } else {
        inspect::everything(config, &Clock::system()).await?
    };
    Ok(Report {
        ok: findings.iter().all(|finding| finding.grade != Grade::Bad),
        configuration: config.summary(),
        notes: config.notes.clone(),
        problems: Vec::new(),
        findings,
    })
}

fn of_problems(problems: &Problems) -> Report {
    Report {
        ok: false,
        configuration: Vec::new(),
        notes: Vec::new(),
        problems: problems.iter().map(ToString::to_string).collect(),
        findings: Vec::new(),
    }
}

fn print(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for (title, lines) in [
        ("configuration", &report.configuration),
        ("notes", &report.notes),
        ("problems", &report.problems),
    ] {
        if lines.is_empty() {
            continue;
        }
        writeln!(out, "{title}")?;
        for line in lines {
            writeln!(out, "  {line}")?;
        }
    }
    if !report.findings.is_empty() {
        writeln!(out, "checks")?;
    }
    let subjects = report.findings.iter().map(|finding| finding.subject.len());
    let width = subjects.max().unwrap_or(0);
    for Finding {
        subject,
        grade,
        text,
    } in &report.findings
    {
        let mark = match grade {
            Grade::Good => "ok  ",
            Grade::Doubtful => "warn",
            Grade::Bad => "FAIL",
        };
        writeln!(out, "  {mark}  {subject:width$}  {text}")?;
    }
    writeln!(out, "{}", verdict(report))
}

fn verdict(report: &Report) -> String {
    let count = |grade| {
        let of_grade = report
            .findings
            .iter()
            .filter(|finding| finding.grade == grade);
        of_grade.count()
    };
    match (
        report.problems.len(),
        count(Grade::Bad),
        count(Grade::Doubtful),
    ) {
        (0, 0, 0) => "all is well".to_owned(),
        (0, 0, doubtful) => format!("will do, with {doubtful} warnings"),
        (0, bad, _) => format!("{bad} checks failed"),
        (problems, _, _) => format!("{problems} problems in the configuration"),
    }
}
