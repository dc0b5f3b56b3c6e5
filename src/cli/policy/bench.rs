//! `grantd policy bench`: what a component costs, held against every limit that a call runs under.

use std::path::PathBuf;

use clap::Args;
use grantd::policy::Evaluation;
use grantd::policy::abi::Request;
use grantd::policy::cases;
use serde_json::{Value, json};

use super::caseload::{CompileArgs, OnBench, read_all};
use super::eval::share;
use super::module::milliseconds;
use crate::cli::output::{Form, Tone, grid, whole};
use crate::cli::{Failure, Outcome, Settings, note};

/// From this part of a limit on, a row stands out: in percent.
const NEAR_PERCENT: u64 = 75;

#[derive(Args)]
pub(super) struct BenchArgs {
    /// The component: a .wasm file
    module: PathBuf,
    /// Case files, or directories of them: their requests are what is asked [default: cases/ beside the component]
    #[arg(value_name = "CASES")]
    cases: Vec<PathBuf>,
    /// Calls in all
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls: u32,
}

/// A measure: its figures in one unit, and the limit that it has.
struct Measure {
    what: &'static str,
    unit: &'static str,
    median: u64,
    most: u64,
    limit: Option<(u64, &'static str)>,
}

impl BenchArgs {
    pub(super) fn run(&self, settings: &Settings, form: Form) -> Outcome {
        let files = read_all(&self.module, &self.cases)?;
        let subject = OnBench::open(settings, &self.module, &CompileArgs::anew())?;
        let inputs = &subject.specimen.manifest().inputs;
        let mut asked: Vec<(String, Request, String)> = Vec::new();
        for case in files.iter().flat_map(|file| &file.cases) {
            let settings = case.settings.to_string();
            // What is refused is never evaluated.
            if subject.bench.validate_settings(&subject.specimen, &settings).is_ok_and(|fits| fits.is_ok()) {
                asked.push((case.name.clone(), cases::asked(case, inputs), settings));
            }
        }
        if asked.is_empty() {
            return Err(Failure::failed("no case has settings that the module takes: there is nothing to ask"));
        }
        let mut runs: Vec<Evaluation> = Vec::with_capacity(self.calls as usize);
        let mut hungriest = (0, String::new());
        for (name, request, settings) in asked.iter().cycle().take(self.calls as usize) {
            let run = subject.bench.evaluate(&subject.specimen, request, settings);
            let run = run.map_err(|failure| Failure::failed(format!("{name:?}: {}", failure.at_length())))?;
            if run.fuel > hungriest.0 {
                hungriest = (run.fuel, name.clone());
            }
            runs.push(run);
        }
        let measures = measures(&subject, &runs);
        if form == Form::Table {
            print(&measures)?;
            note(&format!("{} calls of {} cases; most fuel: {:?}", runs.len(), asked.len(), hungriest.1));
            return Ok(());
        }
        let shown: Vec<Value> = measures.iter().map(Measure::to_json).collect();
        whole(form, &json!({"calls": runs.len(), "cases": asked.len(), "mostFuel": hungriest.1, "measures": shown}))
    }
}

fn measures(subject: &OnBench, runs: &[Evaluation]) -> [Measure; 5] {
    let limits = subject.bench.limits();
    let of = |figure: fn(&Evaluation) -> u64| {
        let mut all: Vec<u64> = runs.iter().map(figure).collect();
        all.sort_unstable();
        (all.get(all.len() / 2).copied().unwrap_or_default(), all.last().copied().unwrap_or_default())
    };
    let (fuel, fuel_most) = of(|run| run.fuel);
    let (memory, memory_most) = of(|run| (run.memory_bytes as u64).div_ceil(1024));
    let (time, time_most) = of(|run| u64::try_from(run.elapsed.as_micros()).unwrap_or(u64::MAX));
    let size = (subject.specimen.size_bytes as u64).div_ceil(1024);
    let compiled = subject.specimen.compiled_in.map(milliseconds).unwrap_or_default();
    let limit = |limit: u64, key: &'static str| Some((limit, key));
    [
        Measure { what: "fuel", unit: "", median: fuel, most: fuel_most, limit: limit(limits.fuel, "policies.fuel") },
        Measure {
            what: "memory",
            unit: " KiB",
            median: memory,
            most: memory_most,
            limit: limit(u64::from(limits.memory_mib) * 1024, "policies.memory_mib"),
        },
        Measure {
            what: "time of a call",
            unit: " µs",
            median: time,
            most: time_most,
            limit: limit(limits.deadline_ms * 1000, "policies.deadline_ms"),
        },
        Measure {
            what: "size",
            unit: " KiB",
            median: size,
            most: size,
            limit: limit(limits.module_kib.into(), "policies.module_kib"),
        },
        Measure { what: "time to compile", unit: " ms", median: compiled, most: compiled, limit: None },
    ]
}

impl Measure {
    fn to_json(&self) -> Value {
        json!({
            "what": self.what,
            "unit": self.unit.trim(),
            "median": self.median,
            "most": self.most,
            "limit": self.limit.map(|(limit, _)| limit),
            "setBy": self.limit.map(|(_, key)| key),
        })
    }
}

fn print(measures: &[Measure]) -> Outcome {
    let row = |measure: &Measure| {
        let Measure { what, unit, median, most, limit } = measure;
        let is_near = limit.is_some_and(|(limit, _)| most.saturating_mul(100) >= limit.saturating_mul(NEAR_PERCENT));
        let tone = if is_near { Tone::Bad } else { Tone::Good };
        let (of_limit, bound, key) = match limit {
            Some((limit, key)) => (share(*most, *limit), format!("{limit}{unit}"), (*key).to_owned()),
            None => (String::new(), String::new(), String::new()),
        };
        vec![
            ((*what).to_owned(), Tone::Plain),
            (format!("{median}{unit}"), Tone::Plain),
            (format!("{most}{unit}"), Tone::Plain),
            (bound, Tone::Plain),
            (of_limit, tone),
            (key, Tone::Faint),
        ]
    };
    let rows: Vec<_> = measures.iter().map(row).collect();
    grid(&["MEASURE", "MEDIAN", "MOST", "LIMIT", "OF THE LIMIT", "SET BY"], &rows)
}
