//! `grantd policy coverage`: which answers a policy's cases reach, and what they leave untouched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use grantd::policy::abi::Input;
use grantd::policy::cases::{self, Case, Expect, Subject};
use serde_json::{Value, json};

use super::caseload::{CompileArgs, OnBench, read_all};
use super::module::input_in_words;
use crate::cli::output::{Form, Tone, grid, whole};
use crate::cli::{Outcome, Settings, note};

#[derive(Args)]
pub(super) struct CoverageArgs {
    /// The component: a .wasm file
    module: PathBuf,
    /// Case files, or directories of them [default: cases/ beside the component]
    #[arg(value_name = "CASES")]
    cases: Vec<PathBuf>,
    #[command(flatten)]
    compile: CompileArgs,
}

/// An answer by its kind: what it says, and its reason.
type Answer = (&'static str, String, String);

impl CoverageArgs {
    pub(super) fn run(&self, settings: &Settings, form: Form) -> Outcome {
        let files = read_all(&self.module, &self.cases)?;
        let subject = OnBench::open_to_listen(settings, &self.module, &self.compile)?;
        let cases: Vec<(String, &Case)> = files
            .iter()
            .flat_map(|file| file.cases.iter().map(|case| (format!("{}:{}", file.path.display(), case.line), case)))
            .collect();
        let mut reached: BTreeMap<Answer, Vec<(&str, &str)>> = BTreeMap::new();
        for (place, case) in &cases {
            let answer = answer(case, cases::observe(case, &subject));
            reached.entry(answer).or_default().push((place, &case.name));
        }
        let manifest = subject.specimen.manifest();
        let given: BTreeSet<&str> = cases
            .iter()
            .filter_map(|(_, case)| case.settings.as_object())
            .flat_map(|settings| settings.keys().map(String::as_str))
            .collect();
        let properties = manifest.settings_schema["properties"].as_object();
        let unset: Vec<&str> = properties
            .iter()
            .flat_map(|properties| properties.keys())
            .map(String::as_str)
            .filter(|name| !given.contains(name))
            .collect();
        let is_given = |input: &&Input| cases.iter().any(|(_, case)| cases::gives(case, input));
        let ungiven: Vec<String> =
            subject.inputs().iter().filter(|input| !is_given(input)).map(input_in_words).collect();
        if form != Form::Table {
            let shown: Vec<Value> = reached
                .iter()
                .map(|((verdict, code, reason), cases)| {
                    let cases: Vec<Value> =
                        cases.iter().map(|(place, name)| json!({"place": place, "name": name})).collect();
                    json!({"verdict": verdict, "code": code, "reason": reason, "cases": cases})
                })
                .collect();
            return whole(form, &json!({"answers": shown, "settingsNeverSet": unset, "inputsNeverGiven": ungiven}));
        }
        print(&reached)?;
        if !unset.is_empty() {
            note(&format!("no case sets {}", unset.join(", ")));
        }
        if !ungiven.is_empty() {
            note(&format!("no case gives {}: all of them have the default", ungiven.join(", ")));
        }
        Ok(())
    }
}

fn answer(case: &Case, observed: Result<Expect, String>) -> Answer {
    match observed {
        Ok(Expect::Permit(permit)) => {
            let kept = permit.scopes.as_ref().map_or(0, Vec::len);
            let mut what = vec![if kept < case.request.offered.len() { "some scopes" } else { "every scope" }];
            what.extend(permit.ttl_seconds.map(|_| "for a shorter time"));
            what.extend((!permit.claims.is_empty()).then_some("with claims"));
            ("permit", what.join(", "), permit.note.unwrap_or_default())
        }
        Ok(Expect::Deny(denial)) => ("deny", denial.code, denial.reason.unwrap_or_default()),
        Ok(Expect::SettingsError(error)) => ("settings refused", String::new(), error),
        Err(failure) => ("failed", String::new(), failure),
    }
}

fn print(reached: &BTreeMap<Answer, Vec<(&str, &str)>>) -> Outcome {
    let row = |((verdict, code, reason), cases): (&Answer, &Vec<(&str, &str)>)| {
        let tone = if *verdict == "failed" { Tone::Bad } else { Tone::Plain };
        let first = cases.first().map(|(place, _)| (*place).to_owned()).unwrap_or_default();
        let more = if cases.len() > 1 { format!(" and {} more", cases.len() - 1) } else { String::new() };
        vec![
            ((*verdict).to_owned(), tone),
            (code.clone(), Tone::Plain),
            (reason.clone(), Tone::Faint),
            (format!("{first}{more}"), Tone::Plain),
        ]
    };
    grid(&["ANSWER", "WHAT", "REASON", "REACHED BY"], &reached.iter().map(row).collect::<Vec<_>>())
}
