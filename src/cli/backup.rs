//! `grantd backup` and `grantd restore`: progress on a terminal, and a Ctrl-C that leaves nothing half done.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use grantd::backup::Trail;
use grantd::clock::{Clock, Timestamp};
use grantd::signer::DamagedKey;
use grantd::store::{Step, Watch};
use grantd::{Error, Result, backup, files};
use indicatif::{ProgressBar, ProgressStyle};

use super::signals::Signals;
use super::{Outcome, Settings, note, say};

/// What a restore undoes beside what it is for.
const COME_BACK: &str = "what was ended since the backup was made is in force again: secrets, API tokens, grants, access \
    tokens that were revoked, and signing keys that were deleted; end again what leaked";

/// How often a bar moves while nothing is to be counted.
const TICK: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct BackupArgs {
    /// File to make; the master key is not in it, and must be kept apart
    file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub(super) struct RestoreArgs {
    /// Backup to take from
    file: PathBuf,
}

pub(super) fn back_up(settings: &Settings, args: &BackupArgs) -> Outcome {
    let config = settings.load(figment::value::Dict::new())?;
    let made = watched(|watch| backup::backup(&config, &args.file, args.force, &Clock::system(), watch))?;
    say(&format!(
        "{} holds {}, {} KiB, checked; it opens with the master key of {} alone",
        args.file.display(),
        up_to(made.last_commit_at),
        made.bytes.div_ceil(1024),
        config.database.display()
    ))?;
    warn_of(made.trail, &made.damaged_keys, &args.file);
    Ok(())
}

pub(super) fn restore(settings: &Settings, args: &RestoreArgs) -> Outcome {
    let config = settings.load(figment::value::Dict::new())?;
    let restored = watched(|watch| backup::restore(&config, &args.file, &Clock::system(), watch))?;
    let database = config.database.display();
    say(&format!("{database} holds {}, as {} did", up_to(restored.last_commit_at), args.file.display()))?;
    if let Some(kept) = &restored.kept {
        say(&format!("what stood there is kept as {}", kept.display()))?;
    }
    if restored.is_older {
        say("the backup is of an older grantd: the next start brings its schema up to date")?;
    }
    say(COME_BACK)?;
    if let Some(key) = &settings.master_key_file
        && restored.kept.is_none()
        && !files::is_same(key, &files::beside(&config.database, ".key"))
    {
        let key = key.display();
        say(&format!("serve needs the key named, too: grantd serve --database {database} --master-key-file {key}"))?;
    }
    warn_of(restored.trail, &restored.damaged_keys, &config.database);
    Ok(())
}

/// What a copy is not, although it is one.
fn warn_of(trail: Trail, damaged_keys: &[DamagedKey], copy: &Path) {
    for key in damaged_keys {
        note(&format!("{}: WARNING: {key}; {}", copy.display(), key.way_out()));
    }
    let what = match trail {
        Trail::Holds => return,
        Trail::Broken => {
            "WARNING: the audit trail in it was changed after it was sealed, and proves nothing: `grantd doctor` on its \
             database says where; compare it with other backups"
        }
        Trail::Older => "an older grantd made it: `grantd doctor` checks its audit chain, after the next start",
        Trail::Sealed => "its signing keys and its audit chain are not checked: the master key is not at hand",
    };
    note(&format!("{}: {what}", copy.display()));
}

fn up_to(last_commit_at: Option<Timestamp>) -> String {
    last_commit_at.map_or_else(|| "no change yet".to_owned(), |at| format!("every change up to {at}"))
}

/// Runs a long piece of work under a progress bar, and stops it at a signal.
fn watched<T>(work: impl FnOnce(&mut Watch<'_>) -> Result<T>) -> Result<T> {
    let stop = stop_at_signal()?;
    // Draws on standard error, and only where that is a terminal.
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent}%")
        .map_err(|error| Error::Internal(error.to_string()))?;
    bar.set_style(style);
    bar.enable_steady_tick(TICK);
    let mut report = |step: Step| match step {
        Step::Copied(pages, of) => {
            bar.set_message("copying");
            bar.set_length(of);
            bar.set_position(pages);
        }
        Step::Checking => bar.set_message("checking"),
    };
    let outcome = work(&mut Watch { report: &mut report, stop });
    bar.finish_and_clear();
    outcome
}

/// A flag that a signal sets. A second Ctrl-C or SIGTERM ends the process.
fn stop_at_signal() -> Result<Arc<AtomicBool>> {
    let failed = |error: std::io::Error| Error::Setup(format!("signals cannot be caught: {error}"));
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    // Caught from here on, not only once the thread has begun.
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let wait = move || {
        runtime.block_on(signals.next());
        flag.store(true, Ordering::SeqCst);
        // Ending at once leaves an unfinished copy behind: for a person who will not wait, not for a terminal that goes.
        runtime.block_on(signals.insisted());
        std::process::exit(130);
    };
    std::thread::Builder::new().name("grantd-signals".to_owned()).spawn(wait).map_err(failed)?;
    Ok(stop)
}
