//! What the author's commands begin with: a component on the workbench, and the case files beside it.

use std::cell::RefCell;
use std::fs;
use std::path::{Component as Part, Path, PathBuf};

use clap::Args;
use grantd::clock::Clock;
use grantd::policy::abi::{Decision, Input, Request};
use grantd::policy::cases::{self, Case, Subject};
use grantd::policy::{Evaluation, Shelf, Specimen, Workbench};

use super::module::read_file;
use crate::cli::output::printable;
use crate::cli::{Failure, Outcome, Settings, note};

/// What stands before a line that a component printed.
pub(super) const PRINTED: &str = "|";
/// Largest file that settings may name, in bytes.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// What every command takes that runs a component here.
#[derive(Args, Default)]
pub(super) struct CompileArgs {
    /// Compile the component anew, and keep nothing of it
    #[arg(long)]
    no_cache: bool,
}

impl CompileArgs {
    /// For what compiling costs.
    pub(super) fn anew() -> Self {
        Self { no_cache: true }
    }

    /// An engine under the limits of this machine's configuration. Compiled components are found again where they can be
    /// kept: without such a place everything works as well, and later.
    fn bench(&self, settings: &Settings) -> Outcome<Workbench> {
        let config = settings.load(figment::value::Dict::new())?;
        let bench = Workbench::new(&config.policies, &Clock::system())?;
        if self.no_cache {
            return Ok(bench);
        }
        let place = shelf().ok_or_else(|| "HOME and XDG_CACHE_HOME are not set".to_owned());
        Ok(match place.and_then(|place| Shelf::open(&place, &Clock::system())) {
            Ok(shelf) => bench.with_shelf(shelf),
            Err(why) => {
                tracing::debug!("compiled modules are not kept: {why}");
                bench
            }
        })
    }
}

/// In the directory for what can be made again, of the XDG base directory specification.
fn shelf() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".cache"));
    let directory = absolute("XDG_CACHE_HOME").or_else(home).or_else(|| absolute("LOCALAPPDATA"))?;
    Some(directory.join("grantd").join("modules"))
}

/// A component and the engine that it runs in.
pub(super) struct OnBench {
    pub(super) bench: Workbench,
    pub(super) specimen: Specimen,
    /// What it printed since that was taken.
    printed: RefCell<String>,
}

impl OnBench {
    /// Puts a file on the workbench, under the limits of this machine's configuration.
    pub(super) fn open(settings: &Settings, module: &Path, compile: &CompileArgs) -> Outcome<Self> {
        Self::put_on(compile.bench(settings)?, module)
    }

    /// The same for a component that may also print, which no server lets it: for its author to look at.
    pub(super) fn open_to_listen(settings: &Settings, module: &Path, compile: &CompileArgs) -> Outcome<Self> {
        let opened = Self::put_on(compile.bench(settings)?.with_wasi(), module)?;
        let imports = opened.specimen.refused_imports();
        if !imports.is_empty() {
            note(&format!(
                "warning: every server refuses {}: it imports {}; what it prints is shown here, and nothing else of that \
                 works. Build it without WASI, or with its stubs, before it is handed in",
                module.display(),
                imports.join(", ")
            ));
        }
        Ok(opened)
    }

    fn put_on(bench: Workbench, module: &Path) -> Outcome<Self> {
        let bytes = read_file(module)?;
        let refused = |failure: grantd::policy::Failure| {
            tell_printed(&failure.printed);
            Failure::failed(format!("{} would be refused: {failure}", module.display()))
        };
        let specimen = bench.examine(&bytes).map_err(refused)?;
        Ok(Self { bench, specimen, printed: RefCell::default() })
    }

    /// Asks whether settings fit, as an author's failure where it fails.
    pub(super) fn fits(&self, settings: &str) -> Result<Result<(), String>, String> {
        let asked = self.bench.validate_and_listen(&self.specimen, settings);
        let (fits, printed) = asked.map_err(|failure| self.heard(&failure))?;
        self.printed.borrow_mut().push_str(&printed);
        Ok(fits)
    }

    /// Asks for a decision, with what it cost.
    pub(super) fn ask(&self, request: &Request, settings: &str) -> Result<Evaluation, String> {
        let evaluation = self.bench.evaluate(&self.specimen, request, settings);
        let evaluation = evaluation.map_err(|failure| self.heard(&failure))?;
        self.printed.borrow_mut().push_str(&evaluation.printed);
        Ok(evaluation)
    }

    /// What it printed since this was asked last.
    pub(super) fn take_printed(&self) -> String {
        self.printed.take()
    }

    fn heard(&self, failure: &grantd::policy::Failure) -> String {
        self.printed.borrow_mut().push_str(&failure.printed);
        failure.at_length()
    }
}

/// Tells a person what a component printed.
pub(super) fn tell_printed(printed: &str) {
    for line in printed.lines() {
        note(&format!("{PRINTED} {}", printable(line)));
    }
}

impl Subject for OnBench {
    fn inputs(&self) -> &[Input] {
        &self.specimen.manifest().inputs
    }

    fn validate_settings(&self, settings: &str) -> Result<Result<(), String>, String> {
        self.fits(settings)
    }

    fn evaluate(&self, request: &Request, settings: &str) -> Result<Decision, String> {
        self.ask(request, settings).map(|evaluation| evaluation.decision)
    }
}

/// A case file, as it was read.
pub(super) struct CaseFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) cases: Vec<Case>,
}

/// The folder of the project that a component belongs to.
pub(super) fn project(module: &Path) -> PathBuf {
    module.parent().unwrap_or(Path::new("")).to_owned()
}

/// The cases of these files and directories; those in `cases/` beside the component where none are named. A mistake in
/// one is told before anything runs.
pub(super) fn read_all(module: &Path, places: &[PathBuf]) -> Outcome<Vec<CaseFile>> {
    let project = project(module);
    let own = [project.join("cases")];
    let mut files = Vec::new();
    for place in if places.is_empty() { &own } else { places } {
        files.extend(case_files(place)?);
    }
    files.into_iter().map(|path| read_cases(path, &project)).collect()
}

/// A case file, or those of a directory in the order of their names.
fn case_files(place: &Path) -> Outcome<Vec<PathBuf>> {
    let unfit = |error: std::io::Error| {
        Failure::failed(format!("{}: {error}; cases are .json and .yaml files in cases/", place.display()))
    };
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(place).map_err(unfit)? {
        let path = entry.map_err(unfit)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("json" | "yaml" | "yml")) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::failed(format!("{} holds no .json or .yaml file with cases", place.display())));
    }
    Ok(files)
}

fn read_cases(path: PathBuf, project: &Path) -> Outcome<CaseFile> {
    let unfit = |what: String| Failure::failed(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| unfit(error.to_string()))?;
    let cases =
        cases::parse_with_files(&text, &|name| read_text(project, name)).map_err(|error| unfit(error.to_string()))?;
    Ok(CaseFile { path, text, cases })
}

/// A text that settings name: a file below the folder of the project.
pub(super) fn read_text(project: &Path, name: &str) -> Result<String, String> {
    let inside = Path::new(name).components().all(|part| matches!(part, Part::Normal(_) | Part::CurDir));
    if !inside {
        return Err(format!("{name:?} does not lie in the folder of the policy"));
    }
    let path = project.join(name);
    let unfit = |error: std::io::Error| format!("{}: {error}", path.display());
    if fs::metadata(&path).map_err(unfit)?.len() > TEXT_BYTES_MAX {
        return Err(format!("{} is larger than {} KiB", path.display(), TEXT_BYTES_MAX / 1024));
    }
    fs::read_to_string(&path).map_err(unfit)
}
