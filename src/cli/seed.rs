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

/// Applies the files to a server that does not listen yet, and answers what there is to watch. With `may_generate`,
/// secrets are made and printed.
pub(super) fn at_start(app: &App, paths: &[PathBuf], may_generate: bool) -> Outcome<Watched> {
    if paths.is_empty() {
        return Ok(Watched::default());
    }
    let before = state_of(paths);
    let files = Files::read(paths, None)?;
    let modules = modules_of(&files);
    // A module that changed since it was read is refused: what is seen here is what is applied.
    let watched = Watched { paths: paths.to_vec(), seen: (before, state_of(&modules)), modules };
    for warning in &files.warnings {
        note(warning);
    }
    let options = Options { owner: OWNER.to_owned(), may_generate, ..Options::default() };
    let report = apply_files(app, &files, &options, "the seed at start")?;
    apply::tell(&report.into_json(), false)?;
    Ok(watched)
}

/// Looks at the files for as long as the process lives, and applies them whenever they changed. What they no longer
/// have is deleted, if a seed made it. Mistakes are told, and change nothing.
pub(super) fn watch(mut watched: Watched, server: &str, token: Secret) -> Outcome {
    let remote = Remote::own(server, token, "the seed changed")?.patient()?;
    let watch = move || {
        loop {
            std::thread::sleep(LOOK_EVERY);
            watched.look(|paths| reapply(&remote, paths));
        }
    };
    let started = std::thread::Builder::new().name("grantd-watch".to_owned()).spawn(watch);
    started.map(drop).map_err(|error| Failure::failed(format!("the files cannot be watched: {error}")))
}

/// The files of a seed and the modules that they use, and how they were when they were last applied.
#[derive(Default)]
pub(super) struct Watched {
    paths: Vec<PathBuf>,
    modules: Vec<PathBuf>,
    seen: (State, State),
}

impl Watched {
    /// Has them applied if they changed. `apply` answers which modules they use then.
    fn look(&mut self, apply: impl FnOnce(&[PathBuf]) -> Outcome<Vec<PathBuf>>) {
        // Looked at before they are read: what changes meanwhile is seen the next time. So is a module that they did not
        // use before, since nobody looked at it before it was read.
        let now = (state_of(&self.paths), state_of(&self.modules));
        if now == self.seen {
            return;
        }
        self.seen = now;
        match apply(&self.paths) {
            Ok(used) => {
                self.seen.1.retain(|(path, _)| used.contains(path));
                self.modules = used;
            }
            Err(failure) => note(&format!("grantd: {}", failure.told().0)),
        }
    }
}

/// Applies the files as they are now, and answers which modules they use.
fn reapply(remote: &Remote, paths: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let files = Files::read(paths, None)?;
    for module in &files.modules {
        apply::upload(remote, module)?;
    }
    let report = apply::apply(remote, &files, &[("prune", "true"), ("owner", OWNER)])?;
    apply::tell(&report, false)?;
    Ok(modules_of(&files))
}

fn modules_of(files: &Files) -> Vec<PathBuf> {
    files.modules.iter().map(|module| module.path.clone()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_while_it_is_applied_is_applied_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let (seed, old, new) = (file("seed.toml"), file("old.wasm"), file("new.wasm"));
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
        for path in [&seed, &old, &new] {
            write(path, "");
        }
        let (paths, modules) = (vec![seed.clone()], vec![old.clone()]);
        let seen = (state_of(&paths), state_of(&modules));
        let mut watched = Watched { paths, modules, seen };
        let mut look = |meanwhile: &dyn Fn(), used: &[&PathBuf]| {
            let mut applied = false;
            watched.look(|_| {
                applied = true;
                meanwhile();
                Ok(used.iter().copied().cloned().collect())
            });
            applied
        };
        assert!(!look(&|| {}, &[]), "nothing changed");
        write(&old, "1");
        assert!(look(&|| write(&old, "12"), &[&old]));
        assert!(look(&|| {}, &[&old]), "a module was written again while it was applied");
        assert!(!look(&|| {}, &[&old]));
        write(&seed, "1");
        assert!(look(&|| write(&new, "1"), &[&old, &new]));
        assert!(look(&|| {}, &[&old, &new]), "a module is new, and was written meanwhile");
        assert!(!look(&|| {}, &[]));
        write(&seed, "12");
        assert!(look(&|| {}, &[&new]));
        assert!(!look(&|| {}, &[]), "one that is used no more is nobody's business");
    }
}
