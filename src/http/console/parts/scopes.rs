//! The scopes of an API in forms: one at a time, or a few rows when the API is made.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::field::{self, Field, Kind};
use crate::error::{Error, Violation};
use crate::http::console::draft::{Draft, Form};

/// Rows of a new API's form; script adds more.
const ROWS_MIN: usize = 3;
/// More rows than any form has.
const ROWS_MAX: usize = 500;
const SENSITIVITIES: &[(&str, &str)] = &[("low", "Low"), ("medium", "Medium"), ("high", "High")];

/// The rows of a form that makes an API.
pub(crate) fn rows(draft: &Draft<'_>) -> Markup {
    let typed = draft.form().map_or(0, |form| row_numbers(form).last().map_or(0, |last| last + 1));
    let count = typed.clamp(ROWS_MIN, ROWS_MAX);
    html! {
        fieldset.scopes data-rows {
            legend { "Scopes" }
            p.hint { "What one can be allowed to do there. Rows without a scope are left out; more can be added later." }
            @for row in 0..count { (one_row(draft, &row.to_string(), row)) }
            template data-row { (one_row(draft, "ROW", count)) }
            button.plain type="button" data-add-row hidden { "Add another scope" }
        }
    }
}

fn one_row(draft: &Draft<'_>, row: &str, number: usize) -> Markup {
    let name = |member: &str| format!("scopes/{row}/{member}");
    let (identifier, display_name, sensitivity) = (name("identifier"), name("displayName"), name("sensitivity"));
    html! {
        div.scope-row data-item role="group" aria-label=(format!("Scope {}", number + 1)) {
            (field::text(draft, &Field {
                name: &identifier, label: "Scope", value: draft.text(&identifier, ""), mono: true, ..Field::default()
            }))
            (field::text(draft, &Field {
                name: &display_name, label: "Display Name", value: draft.text(&display_name, ""), ..Field::default()
            }))
            (select(draft, &sensitivity, "Sensitivity", draft.text(&sensitivity, "low")))
        }
    }
}

fn select(draft: &Draft<'_>, name: &str, label: &str, chosen: &str) -> Markup {
    let id = field::id_of(name);
    let found = draft.problems(name);
    html! {
        div.field {
            label for=(id) { (label) }
            select id=(id) name=(name) aria-invalid=[(!found.is_empty()).then_some("true")] {
                @for (value, label) in SENSITIVITIES { option value=(value) selected[*value == chosen] { (label) } }
            }
        }
    }
}

/// The numbers of the rows that a form has, in order.
fn row_numbers(form: &Form) -> Vec<usize> {
    let number = |name: &str| name.strip_prefix("scopes/")?.split('/').next()?.parse::<usize>().ok();
    let mut rows: Vec<usize> = form.pairs.0.iter().filter_map(|(name, _)| number(name)).collect();
    rows.sort_unstable();
    rows.dedup();
    rows.retain(|row| *row < ROWS_MAX);
    rows
}

/// The scopes of the rows that name one, and the row of each.
pub(crate) fn of_rows(form: &Form) -> (Vec<Value>, Vec<usize>) {
    let mut scopes = Vec::new();
    let mut rows = Vec::new();
    for row in row_numbers(form) {
        let text = |member: &str| form.text(&format!("scopes/{row}/{member}"));
        let (identifier, display_name) = (text("identifier"), text("displayName"));
        if identifier.is_none() && display_name.is_none() {
            continue;
        }
        let mut scope = Map::new();
        scope.insert("identifier".to_owned(), identifier.unwrap_or_default().into());
        scope.extend(display_name.map(|name| ("displayName".to_owned(), Value::from(name))));
        scope.extend(text("sensitivity").map(|word| ("sensitivity".to_owned(), Value::from(word))));
        scopes.push(Value::Object(scope));
        rows.push(row);
    }
    (scopes, rows)
}

/// Turns the places of scopes into those of the rows that they were typed in.
pub(crate) fn placed_in_rows(error: Error, rows: &[usize]) -> Error {
    placed(error, |path| {
        let (index, member) = path.strip_prefix("/scopes/")?.split_once('/')?;
        let row = rows.get(index.parse::<usize>().ok()?)?;
        Some(format!("/scopes/{row}/{member}"))
    })
}

/// Turns the place of a scope, wherever it stands, into that of a form which is about it alone.
pub(crate) fn placed_alone(error: Error) -> Error {
    placed(error, |path| {
        let (_, member) = path.strip_prefix("/scopes/")?.split_once('/')?;
        Some(format!("/{member}"))
    })
}

fn placed(error: Error, place: impl Fn(&str) -> Option<String>) -> Error {
    let Error::Invalid(violations) = error else { return error };
    let moved = |violation: Violation| match place(&violation.property_path) {
        Some(property_path) => Violation { property_path, ..violation },
        None => violation,
    };
    Error::Invalid(violations.into_iter().map(moved).collect())
}

/// The fields of one scope.
pub(crate) fn fields(draft: &Draft<'_>, value: impl Fn(&str) -> String, is_default: bool) -> Markup {
    let (identifier, display_name, description) = (value("identifier"), value("displayName"), value("description"));
    html! {
        (field::text(draft, &Field {
            name: "identifier", label: "Identifier", value: &identifier, required: true, first: true, mono: true,
            hint: "The scope as tokens carry it, like write or orders:read.", ..Field::default()
        }))
        (field::text(draft, &Field { name: "displayName", label: "Display Name", value: &display_name, ..Field::default() }))
        (field::text(draft, &Field {
            name: "description", label: "Description", value: &description, kind: Kind::Area,
            hint: "What it allows, for those who grant it.", ..Field::default()
        }))
        (select(draft, "sensitivity", "Sensitivity", &value("sensitivity")))
        (field::tick(draft, "default", "Default", is_default, "A request that names no scope gets it, where it is granted."))
    }
}

/// The scope that such a form says.
pub(crate) fn of_form(form: &Form) -> Value {
    let text = |name: &str| form.text(name).map(str::to_owned);
    let identifier = text("identifier").unwrap_or_default();
    json!({
        "displayName": text("displayName").unwrap_or_else(|| identifier.clone()),
        "description": text("description").unwrap_or_default(),
        "sensitivity": text("sensitivity").unwrap_or_else(|| "low".to_owned()),
        "default": form.is_ticked("default"),
        "identifier": identifier,
    })
}
