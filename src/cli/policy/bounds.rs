//! `grantd policy limits` and `precompile`: what needs this machine and no server.

use grantd::clock::Clock;
use grantd::{App, Missing};
use serde_json::{Value, json};

use crate::cli::output::{Column, Form, table, text, whole};
use crate::cli::{Failure, Outcome, Settings, note};

const COLUMNS: &[Column] = &[
    Column::new("BOUND", |item| text(item, "bound")),
    Column::new("IN FORCE", |item| text(item, "value")),
    Column::new("SET BY", |item| text(item, "key")),
];

/// Prints the bounds.
pub(super) fn limits(settings: &Settings, form: Form) -> Outcome {
    let limits = settings.load(figment::value::Dict::new())?.policies;
    if form != Form::Table {
        let value = serde_json::to_value(&limits).map_err(|error| Failure::failed(error.to_string()))?;
        return whole(form, &value);
    }
    let count = |number: u64| number.to_string();
    let bounds = [
        ("fuel of a call, about one unit for each instruction", count(limits.fuel), "fuel"),
        ("time of a call, whatever it burns", format!("{} ms", limits.deadline_ms), "deadline_ms"),
        ("memory of an instance, all its memories together", format!("{} MiB", limits.memory_mib), "memory_mib"),
        ("stack of a call", format!("{} KiB", limits.stack_kib), "stack_kib"),
        ("size of a module", format!("{} KiB", limits.module_kib), "module_kib"),
        ("what one answer carries out of the sandbox", format!("{} KiB", limits.boundary_kib), "boundary_kib"),
        ("core instances of a component", count(limits.core_instances.into()), "core_instances"),
        ("memories of a component", count(limits.memories.into()), "memories"),
        ("tables of a component", count(limits.tables.into()), "tables"),
        ("evaluations at a time", limits.turns().to_string(), "concurrent"),
        ("wait for a turn to evaluate", format!("{} ms", limits.wait_ms), "wait_ms"),
        ("memory for answers that are reused", format!("{} KiB", limits.answers_kib), "answers_kib"),
        ("modules kept loaded", limits.modules_loaded.to_string(), "modules_loaded"),
    ];
    let bounds: Vec<Value> = bounds
        .into_iter()
        .map(|(bound, value, key)| json!({"bound": bound, "value": value, "key": format!("policies.{key}")}))
        .collect();
    table(COLUMNS, &bounds)
}

/// Compiles every module of this machine's database.
pub(super) fn precompile(settings: &Settings) -> Outcome {
    let config = settings.load(figment::value::Dict::new())?;
    let app = App::open_with(config, Clock::system(), Missing::Refuse)?;
    let (mut compiled, mut failed) = (0_usize, Vec::new());
    app.policies().prepare(false, |digest, outcome| match outcome {
        Ok(true) => {
            compiled += 1;
            note(&format!("{digest}: compiled"));
        }
        Ok(false) => {}
        Err(failure) => failed.push(format!("{digest}: {failure}")),
    })?;
    if failed.is_empty() {
        note(&format!("{compiled} compiled now, and all others before"));
        return Ok(());
    }
    Err(Failure::failed(format!("{compiled} compiled, and not these:\n  {}", failed.join("\n  "))))
}
