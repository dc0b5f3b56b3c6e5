//! `grantd policy test`: a component against the cases beside it, on this machine alone.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use grantd::policy::cases::{self, Case, Expect};
use serde_json::{Value, json};

use super::caseload::{CaseFile, CompileArgs, OnBench, PRINTED, project, read_all, read_text};
use crate::cli::output::{Form, printable, whole};
use crate::cli::{Failure, Outcome, Settings, say};

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
    /// Write what is answered into the case files as what is expected, where it is different: look at the changes after
    #[arg(long)]
    update: bool,
    #[command(flatten)]
    compile: CompileArgs,
}

/// How a case went.
#[derive(PartialEq, Eq)]
enum Mark {
    Passed,
    Failed,
    /// Its expectation was written anew.
    Updated,
}

/// A case that was run.
struct Outcomes {
    file: String,
    line: u64,
    name: String,
    mark: Mark,
    difference: Option<String>,
    /// What the component printed meanwhile.
    printed: String,
}

impl Outcomes {
    fn to_json(&self) -> Value {
        let outcome = match self.mark {
            Mark::Passed => "passed",
            Mark::Failed => "failed",
            Mark::Updated => "updated",
        };
        let Self { file, line, name, difference, printed, .. } = self;
        json!({"file": file, "line": line, "name": name, "outcome": outcome, "difference": difference, "printed": printed})
    }
}

impl TestArgs {
    /// A module with the cases beside it.
    pub(super) fn of(module: PathBuf) -> Self {
        Self { module, cases: Vec::new(), junit: None, update: false, compile: CompileArgs::default() }
    }

    pub(super) fn run(&self, settings: &Settings, form: Form) -> Outcome {
        let files = read_all(&self.module, &self.cases)?;
        let subject = OnBench::open_to_listen(settings, &self.module, &self.compile)?;
        let mut outcomes = Vec::new();
        for file in &files {
            outcomes.extend(self.run_file(file, &subject)?);
        }
        if let Some(path) = &self.junit {
            fs::write(path, junit(&outcomes))
                .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        }
        report(&outcomes, form)
    }

    fn run_file(&self, file: &CaseFile, subject: &OnBench) -> Outcome<Vec<Outcomes>> {
        let mut replaced: Vec<(&Case, Expect)> = Vec::new();
        let mut outcomes = Vec::with_capacity(file.cases.len());
        for case in &file.cases {
            let observed = cases::observe(case, subject);
            let difference = match &observed {
                Ok(observed) => cases::difference(case, observed),
                Err(failure) => Some(failure.clone()),
            };
            let mark = match (&difference, observed) {
                (None, _) => Mark::Passed,
                (Some(_), Ok(observed)) if self.update => {
                    replaced.push((case, cases::expecting(case, &observed)));
                    Mark::Updated
                }
                // A policy that fails is no expectation.
                (Some(_), _) => Mark::Failed,
            };
            let (path, name) = (file.path.display().to_string(), case.name.clone());
            let printed = subject.take_printed();
            outcomes.push(Outcomes { file: path, line: case.line, name, mark, difference, printed });
        }
        if !replaced.is_empty() {
            let unfit = |what: String| Failure::failed(format!("{}: {what}", file.path.display()));
            let project = project(&self.module);
            let updated = cases::update(&file.text, &|name| read_text(&project, name), &replaced)
                .map_err(|error| unfit(error.to_string()))?;
            fs::write(&file.path, updated).map_err(|error| unfit(error.to_string()))?;
        }
        Ok(outcomes)
    }
}

/// Says how each case went.
fn report(outcomes: &[Outcomes], form: Form) -> Outcome {
    let count = |mark: Mark| outcomes.iter().filter(|outcome| outcome.mark == mark).count();
    let (passed, failed, updated) = (count(Mark::Passed), count(Mark::Failed), count(Mark::Updated));
    if form == Form::Table {
        let written = if updated > 0 { format!(", {updated} updated") } else { String::new() };
        say(&format!("{}\n{passed} passed, {failed} failed{written}", lines(outcomes)))?;
    } else {
        let cases: Vec<Value> = outcomes.iter().map(Outcomes::to_json).collect();
        whole(form, &json!({"passed": passed, "failed": failed, "updated": updated, "cases": cases}))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::failed(format!("{failed} of {} cases failed", outcomes.len()))),
    }
}

fn lines(outcomes: &[Outcomes]) -> String {
    let mut text = String::new();
    for Outcomes { file, line, name, mark, difference, printed } in outcomes {
        let mark = match mark {
            Mark::Passed => "ok     ",
            Mark::Failed => "FAILED ",
            Mark::Updated => "updated",
        };
        let _ = writeln!(text, "{mark} {file}:{line}  {}", printable(name));
        for part in difference.iter().flat_map(|difference| difference.lines()) {
            let _ = writeln!(text, "        {}", printable(part));
        }
        for line in printed.lines() {
            let _ = writeln!(text, "      {PRINTED} {}", printable(line));
        }
    }
    text
}

fn junit(outcomes: &[Outcomes]) -> String {
    let failed = outcomes.iter().filter(|outcome| outcome.mark == Mark::Failed).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"grantd policy test\" tests=\"{}\" \
         failures=\"{failed}\">\n",
        outcomes.len()
    );
    for Outcomes { file, line, name, mark, difference, printed } in outcomes {
        let (file, name) = (xml(file), xml(name));
        let _ = write!(text, "  <testcase classname=\"{file}\" file=\"{file}\" line=\"{line}\" name=\"{name}\"");
        let failure = difference.as_ref().filter(|_| *mark == Mark::Failed);
        let failure = failure.map(|difference| format!("<failure>{}</failure>", xml(difference)));
        let printed = Some(printed).filter(|printed| !printed.is_empty());
        let printed = printed.map(|printed| format!("<system-err>{}</system-err>", xml(printed)));
        let inside = [failure, printed].into_iter().flatten().collect::<String>();
        let _ = if inside.is_empty() { writeln!(text, "/>") } else { writeln!(text, ">{inside}</testcase>") };
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
