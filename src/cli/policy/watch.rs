//! `grantd policy watch`: on every save the project is built, its cases are run, and the policy gets the new module.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde_json::json;

use super::attach::read_settings;
use super::caseload::{CompileArgs, OnBench};
use super::module::hand_in;
use super::test::TestArgs;
use crate::cli::names::{POLICY, find};
use crate::cli::output::{Form, text};
use crate::cli::remote::{Remote, RemoteArgs};
use crate::cli::seed::{LOOK_EVERY, State, look};
use crate::cli::{Failure, Outcome, Settings, note};

/// What building makes, and what is not the project's own.
const NOT_SOURCE: &[&str] =
    &["target", "node_modules", "venv", "__pycache__", "policy.wasm", "core.wasm", "Cargo.lock"];
/// Files that are looked at.
const FILES_MAX: usize = 5000;
/// The settings that a project in Rego or Cedar has.
const SETTINGS: &str = "settings.json";

#[derive(Args)]
pub(super) struct WatchArgs {
    /// The project, as `grantd policy new` makes it
    directory: PathBuf,
    /// The policy that gets each new module: its name, or an id [default: named like the directory]
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// Build and test, and leave the server alone
    #[arg(long, conflicts_with = "policy")]
    no_attach: bool,
    /// Do it once, and end as that ended
    #[arg(long)]
    once: bool,
}

impl WatchArgs {
    pub(super) fn run(&self, settings: &Settings, remote: &RemoteArgs) -> Outcome {
        let directory = self.directory.canonicalize();
        let directory = directory.map_err(|error| Failure::failed(format!("{}: {error}", self.directory.display())))?;
        let remote = if self.no_attach { None } else { Some(Remote::connect(settings, remote)?) };
        if self.once {
            return self.round(settings, remote.as_ref(), &directory);
        }
        note(&format!("watching {}; Ctrl-C ends it", directory.display()));
        let mut seen: Option<State> = None;
        loop {
            // Looked at before it is built: what changes meanwhile is seen the next time.
            let state = state_of(&directory);
            if seen.as_ref() != Some(&state) {
                if let Err(failure) = self.round(settings, remote.as_ref(), &directory) {
                    note(&format!("grantd: {}", failure.told().0));
                }
                seen = Some(state);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Build, test, hand over. What fails ends the round, and the policy keeps what it has.
    fn round(&self, settings: &Settings, remote: Option<&Remote>, directory: &Path) -> Outcome {
        build(directory)?;
        let module = directory.join("policy.wasm");
        TestArgs::of(module.clone()).run(settings, Form::Table)?;
        let Some(remote) = remote else { return Ok(()) };
        let own = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = self.policy.as_deref().unwrap_or(own);
        let policy = match find(remote, &POLICY, name) {
            Ok(policy) => policy,
            Err(Failure::NotFound(_)) if self.policy.is_none() => {
                let (file, told) = (module.display(), told_when_attached(settings, directory, &module));
                let attach = format!("grantd policy attach {file} --to server --name {name} --mode shadow{told}");
                note(&format!("there is no policy {name} yet: {attach}"));
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        let handed_in = hand_in(remote, &module)?;
        let mut changes = vec![json!({"op": "replace", "path": "moduleDigest", "value": handed_in["digest"]})];
        let own_settings = directory.join(SETTINGS);
        if own_settings.is_file() {
            let told = read_settings(&own_settings.to_string_lossy())?;
            changes.push(json!({"op": "replace", "path": "settings", "value": told}));
        }
        let set = remote.patch(&POLICY.path_of(&policy), &changes)?;
        note(&format!("{name} runs it from the next request on, in mode {}", text(&set, "mode")));
        Ok(())
    }
}

/// What the module is to be told when it is attached: the project's own settings, or some where it refuses to have none.
fn told_when_attached(settings: &Settings, directory: &Path, module: &Path) -> String {
    let own = directory.join(SETTINGS);
    if own.is_file() {
        return format!(" --settings {}", own.display());
    }
    let bench = OnBench::open(settings, module, &CompileArgs::default());
    let needs_some = bench.is_ok_and(|bench| matches!(bench.fits("{}"), Ok(Err(_))));
    if needs_some { " --settings SETTINGS".to_owned() } else { String::new() }
}

/// Runs the project's own build; one of text has none.
fn build(directory: &Path) -> Outcome {
    let (program, arguments): (&str, &[&str]) = if directory.join("build.sh").is_file() {
        ("sh", &["build.sh"])
    } else if directory.join("package.json").is_file() {
        ("npm", &["run", "--silent", "build"])
    } else {
        return Ok(());
    };
    let command = format!("{program} {}", arguments.join(" "));
    let ended = Command::new(program).args(arguments).current_dir(directory).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure::failed(format!("`{command}` failed: the policy keeps the module that it has"))),
        Err(error) => Err(Failure::failed(format!("`{command}` cannot be run: {error}"))),
    }
}

/// Every file of the project, with what tells one state of it from another.
fn state_of(directory: &Path) -> State {
    let mut state = State::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with('.') || NOT_SOURCE.contains(&name) || state.len() >= FILES_MAX {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { state.push(look(&path)) }
        }
    }
    state
}
