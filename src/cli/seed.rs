//! `--seed`: what a server begins with, and under `dev --watch` what it goes on with when the files change.

use std::path::{Path, PathBuf};
use std::time::Duration;

use grantd::App;
use grantd::apply::file::{Files, Format};
use grantd::apply::{Options, apply_files};
use grantd::secret::Secret;

use super::remote::Remote;
use super::{Failure, Outcome, apply, note};

/// Under which name seeds make things.
const OWNER: &str = "seed";
/// How often the files are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Applies the files to a server that does not listen yet, and answers which modules they use. With `may_generate`,
/// secrets are made and printed.
pub(super) fn at_start(app: &App, paths: &[PathBuf], may_generate: bool) -> Outcome<Vec<PathBuf>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let files = Files::read(paths, None)?;
    for warning in &files.warnings {
        note(warning);
    }
    let options = Options { owner: OWNER.to_owned(), may_generate, ..Options::default() };
    let report = apply_files(app, &files, &options, "the seed at start")?;
    apply::tell(&report.into_json(), false)?;
    Ok(modules_of(files))
}

/// Looks at the files for as long as the process lives, and applies them whenever they changed. What they no longer
/// have is deleted, if a seed made it. Mistakes are told, and change nothing.
pub(super) fn watch(paths: Vec<PathBuf>, mut modules: Vec<PathBuf>, server: &str, token: Secret) -> Outcome {
    let remote = Remote::own(server, token, "the seed changed")?.patient()?;
    let watch = move || {
        let mut seen = (state_of(&paths), state_of(&modules));
        loop {
            std::thread::sleep(LOOK_EVERY);
            // Looked at before they are read: what changes meanwhile is seen the next time.
            let files = state_of(&paths);
            if (&files, &state_of(&modules)) == (&seen.0, &seen.1) {
                continue;
            }
            match reapply(&remote, &paths) {
                Ok(used) => modules = used,
                Err(failure) => note(&format!("grantd: {}", failure.told().0)),
            }
            seen = (files, state_of(&modules));
        }
    };
    let started = std::thread::Builder::new().name("grantd-watch".to_owned()).spawn(watch);
    started.map(drop).map_err(|error| Failure::failed(format!("the files cannot be watched: {error}")))
}

/// Applies the files as they are now, and answers which modules they use.
fn reapply(remote: &Remote, paths: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let files = Files::read(paths, None)?;
    for module in &files.modules {
        apply::upload(remote, module)?;
    }
    let report = apply::apply(remote, &files, &[("prune", "true"), ("owner", OWNER)])?;
    apply::tell(&report, false)?;
    Ok(modules_of(files))
}

fn modules_of(files: Files) -> Vec<PathBuf> {
    files.modules.into_iter().map(|module| module.path).collect()
}

/// Each file, with what tells one state of it from another.
pub(super) type State = Vec<(PathBuf, String)>;

/// When the files were last written, and how large they are.
fn state_of(paths: &[PathBuf]) -> State {
    let mut state = State::new();
    for path in paths {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
            let mut documents: Vec<PathBuf> = entries.filter(|file| Format::of(file).is_some()).collect();
            documents.sort();
            state.extend(documents.iter().map(|file| look(file)));
        } else {
            state.push(look(path));
        }
    }
    state
}

/// When a file was last written, and how large it is.
pub(super) fn look(path: &Path) -> (PathBuf, String) {
    let written = |meta: std::fs::Metadata| format!("{:?} {}", meta.modified().ok(), meta.len());
    (path.to_owned(), std::fs::metadata(path).map_or_else(|_| String::new(), written))
}
