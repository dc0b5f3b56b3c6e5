//! `grantd policy test`: a component against the cases beside it, on this machine alone.

use std::fmt::Write as _;
use std::fs;
use std::path::{Component as Part, Path, PathBuf};

use clap::Args;
use grantd::clock::Clock;
use grantd::policy::abi::{Decision, Input, Request};
use grantd::policy::cases::{self, Case, Subject};
use grantd::policy::{Specimen, Workbench};

use super::module::read_file;
use crate::cli::output::printable;
use crate::cli::{Failure, Outcome, Settings, say};

/// Largest file that settings may name, in bytes.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Args)]
pub(super) struct TestArgs {
    /// The component: a .wasm file
    module: PathBuf,
    /// Case files, or directories of them [default: cases/ beside the component]
    #[arg(value_name = "CASES")]
    cases: Vec<PathBuf>,
    /// Write the outcome to a file as well, in the XML of JUnit
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A case that was run.
struct Outcomes {
    file: String,
    line: u64,
    name: String,
    difference: Option<String>,
}

/// A component, as the harness asks it.
struct Asked<'a> {
    bench: &'a Workbench,
    specimen: &'a Specimen,
}

impl Subject for Asked<'_> {
    fn inputs(&self) -> &[Input] {
        &self.specimen.manifest().inputs
    }

    fn validate_settings(&self, settings: &str) -> Result<Result<(), String>, String> {
        self.bench.validate_settings(self.specimen, settings).map_err(|failure| failure.to_string())
    }

    fn evaluate(&self, request: &Request, settings: &str) -> Result<Decision, String> {
        let evaluation = self.bench.evaluate(self.specimen, request, settings);
        evaluation.map(|evaluation| evaluation.decision).map_err(|failure| failure.to_string())
    }
}

impl TestArgs {
    pub(super) fn run(&self, settings: &Settings) -> Outcome {
        let project = self.module.parent().unwrap_or(Path::new("")).to_owned();
        // The files are read first: a mistake in one is told at once.
        let mut files = Vec::new();
        let given = if self.cases.is_empty() { vec![project.join("cases")] } else { self.cases.clone() };
        for place in &given {
            files.extend(case_files(place)?);
        }
        let files: Vec<(PathBuf, Vec<Case>)> =
            files.into_iter().map(|file| Ok((file.clone(), read_cases(&file, &project)?))).collect::<Outcome<_>>()?;
        let bytes = read_file(&self.module)?;
        let config = settings.load(figment::value::Dict::new())?;
        let bench = Workbench::new(&config.policies, &Clock::system())?;
        let refused = |failure| Failure::failed(format!("{} would be refused: {failure}", self.module.display()));
        let specimen = bench.examine(&bytes).map_err(refused)?;
        let asked = Asked { bench: &bench, specimen: &specimen };
        let run = |(file, case): (&PathBuf, &Case)| Outcomes {
            file: file.display().to_string(),
            line: case.line,
            name: case.name.clone(),
            difference: cases::run(case, &asked),
        };
        let all = files.iter().flat_map(|(file, cases)| cases.iter().map(move |case| (file, case)));
        let outcomes: Vec<Outcomes> = all.map(run).collect();
        if let Some(path) = &self.junit {
            fs::write(path, junit(&outcomes))
                .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        }
        report(&outcomes)
    }
}

/// Says how each case went.
fn report(outcomes: &[Outcomes]) -> Outcome {
    let mut text = String::new();
    for Outcomes { file, line, name, difference } in outcomes {
        let mark = if difference.is_some() { "FAILED" } else { "ok    " };
        let _ = writeln!(text, "{mark}  {file}:{line}  {}", printable(name));
        for part in difference.iter().flat_map(|difference| difference.lines()) {
            let _ = writeln!(text, "        {}", printable(part));
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.difference.is_some()).count();
    let passed = outcomes.len() - failed;
    say(&format!("{text}\n{passed} passed, {failed} failed"))?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::failed(format!("{failed} of {} cases failed", outcomes.len()))),
    }
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

fn read_cases(file: &Path, project: &Path) -> Outcome<Vec<Case>> {
    let unfit = |what: String| Failure::failed(format!("{}: {what}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| unfit(error.to_string()))?;
    cases::parse_with_files(&text, &|name| read_text(project, name)).map_err(|error| unfit(error.to_string()))
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

fn junit(outcomes: &[Outcomes]) -> String {
    let failed = outcomes.iter().filter(|outcome| outcome.difference.is_some()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"grantd policy test\" tests=\"{}\" \
         failures=\"{failed}\">\n",
        outcomes.len()
    );
    for Outcomes { file, line, name, difference } in outcomes {
        let (file, name) = (xml(file), xml(name));
        let _ = write!(text, "  <testcase classname=\"{file}\" file=\"{file}\" line=\"{line}\" name=\"{name}\"");
        let _ = match difference {
            Some(difference) => writeln!(text, "><failure>{}</failure></testcase>", xml(difference)),
            None => writeln!(text, "/>"),
        };
    }
    text + "</testsuite>\n"
}

/// Text as XML holds it: without the characters that no XML may have.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            other if other.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}
