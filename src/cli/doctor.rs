//! `grantd doctor`: looks a database over while no server uses it, and says what to do for each finding.

use std::path::Path;

use grantd::clock::Clock;
use grantd::store::AuditVerdict;
use grantd::{App, Error, Missing, files};

use super::{Outcome, Settings, say};

/// A clock this far behind the last write has stepped back.
const CLOCK_SLACK_MS: i64 = 60_000;
/// A write-ahead log larger than this was not folded back.
const WAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

struct Report {
    problems: usize,
}

impl Report {
    fn fine(&self, what: &str) -> Result<(), Error> {
        say(&format!("  ok       {what}"))
    }

    fn problem(&mut self, what: &str, way_out: &str) -> Result<(), Error> {
        self.problems += 1;
        say(&format!("  PROBLEM  {what}\n           {way_out}"))
    }
}

pub(super) fn run(settings: &Settings) -> Outcome {
    let config = settings.load(figment::value::Dict::new())?;
    let mut report = Report { problems: 0 };
    say(&format!("{}", config.database.display()))?;
    let clock = Clock::system();
    let wal = files::beside(&config.database, "-wal");
    check_wal(&mut report, &wal)?;
    let app = App::open_with(config, clock.clone(), Missing::Refuse)?;
    report.fine(&format!("the master key in {} is the right one", app.master_key_source()))?;
    check_rights(&mut report, &app.config().database)?;
    check_rights(&mut report, Path::new(&app.master_key_source().to_string()))?;
    let problems = app.store().integrity_problems()?;
    if problems.is_empty() {
        report.fine("every page and index of the database is whole")?;
    } else {
        report.problem(&format!("the database is damaged: {}", problems.join("; ")), "restore a backup")?;
    }
    match app.audit_verify()? {
        AuditVerdict::Holds { sealed, waiting } => {
            report.fine(&format!("the audit chain holds over {sealed} commits, {waiting} more wait to be sealed"))?;
        }
        AuditVerdict::BrokenAt(seq) => {
            report.problem(
                &format!("the audit trail was changed: commit {seq} is not what was sealed"),
                "compare with a backup; the commits before it are untouched",
            )?;
        }
    }
    match app.store().last_commit_at()? {
        Some(last) if last.since_ms(clock.now()) > CLOCK_SLACK_MS => {
            report
                .problem(&format!("this machine's clock is behind the last write, made at {last}"), "set the clock")?;
        }
        _ => report.fine("the clock is not behind the last write")?,
    }
    if report.problems > 0 {
        return Err(Error::Setup(format!("{} problem(s) found", report.problems)).into());
    }
    Ok(())
}

fn check_wal(report: &mut Report, wal: &Path) -> Result<(), Error> {
    let bytes = std::fs::metadata(wal).map_or(0, |meta| meta.len());
    if bytes > WAL_BYTES_MAX {
        return report.problem(
            &format!("the write-ahead log has {} MiB", bytes / (1024 * 1024)),
            "starting and stopping the server folds it back",
        );
    }
    report.fine("the write-ahead log is small")
}

#[cfg(unix)]
fn check_rights(report: &mut Report, path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let Ok(meta) = std::fs::metadata(path) else { return Ok(()) };
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return report.problem(
            &format!("{} can be read by others (mode {mode:o})", path.display()),
            &format!("chmod 600 {}", path.display()),
        );
    }
    report.fine(&format!("{} is its owner's alone", path.display()))
}

#[cfg(not(unix))]
fn check_rights(_: &mut Report, _: &Path) -> Result<(), Error> {
    Ok(())
}
