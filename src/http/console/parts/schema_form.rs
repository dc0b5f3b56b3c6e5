//! A form made from a JSON Schema: what a policy's module says its settings look like becomes fields, and fields
//! become settings. What a schema says that no field can hold is written as JSON.
//!
//! Names of fields are the paths of what they hold: `settings/windows/0/from`.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::field::{self, Field, Kind};
use crate::http::console::asked::Pairs;
use crate::http::console::draft::{Draft, Form};

/// Objects inside one another that become fields; deeper ones are JSON.
const DEPTH_MAX: usize = 4;
/// Items of a list, and members of a map, that become fields.
const ITEMS_MAX: usize = 100;

/// What a schema describes, as far as fields go.
enum Shape<'a> {
    Text,
    Number,
    Flag,
    /// One of some words.
    Choice(Vec<&'a str>),
    /// Several of some words.
    Choices(Vec<&'a str>),
    /// Texts, a line each.
    Lines,
    Object(&'a Map<String, Value>, Vec<&'a str>),
    /// Objects, one after another.
    Items(&'a Value),
    /// Objects by name.
    Named(&'a Value),
    Json,
}

fn words(schema: &Value) -> Option<Vec<&str>> {
    let words: Vec<&str> = schema["enum"].as_array()?.iter().filter_map(Value::as_str).collect();
    (!words.is_empty() && Some(words.len()) == schema["enum"].as_array().map(Vec::len)).then_some(words)
}

fn shape(schema: &Value, depth: usize) -> Shape<'_> {
    if let Some(words) = words(schema) {
        return Shape::Choice(words);
    }
    let object_of = |schema: &Value| matches!(shape(schema, depth + 1), Shape::Object(..));
    match schema["type"].as_str() {
        Some("string") => Shape::Text,
        Some("integer" | "number") => Shape::Number,
        Some("boolean") => Shape::Flag,
        Some("array") => match words(&schema["items"]) {
            Some(words) => Shape::Choices(words),
            None if schema["items"]["type"] == "string" => Shape::Lines,
            None if depth < DEPTH_MAX && object_of(&schema["items"]) => Shape::Items(&schema["items"]),
            None => Shape::Json,
        },
        Some("object") if depth < DEPTH_MAX => {
            match (schema["properties"].as_object(), &schema["additionalProperties"]) {
                (Some(properties), _) => {
                    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
                    Shape::Object(properties, required.iter().filter_map(Value::as_str).collect())
                }
                (None, inner @ Value::Object(_)) if object_of(inner) => Shape::Named(inner),
                _ => Shape::Json,
            }
        }
        _ => Shape::Json,
    }
}

/// Whether a schema can be filled in by fields at all.
pub(crate) fn has_fields(schema: &Value) -> bool {
    matches!(shape(schema, 0), Shape::Object(properties, _) if !properties.is_empty())
}

/// The fields' names and values that hold `value`.
pub(crate) fn values(schema: &Value, value: &Value, path: &str) -> Pairs {
    let mut pairs = Pairs::default();
    gather(schema, value, path, 0, &mut pairs.0);
    pairs
}

fn gather(schema: &Value, value: &Value, path: &str, depth: usize, into: &mut Vec<(String, String)>) {
    let mut put = |value: String| into.push((path.to_owned(), value));
    match (shape(schema, depth), value) {
        (_, Value::Null) => {}
        (Shape::Flag, Value::Bool(flag)) => put(if *flag { "true" } else { "false" }.to_owned()),
        (Shape::Text | Shape::Choice(_), Value::String(text)) => put(text.clone()),
        (Shape::Number, Value::Number(number)) => put(number.to_string()),
        (Shape::Lines, Value::Array(lines)) => {
            put(lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"));
        }
        (Shape::Choices(words), Value::Array(chosen)) => {
            let chosen = words.into_iter().filter(|word| chosen.iter().any(|value| value == word));
            into.extend(chosen.map(|word| (format!("{path}/{word}"), "true".to_owned())));
        }
        (Shape::Object(properties, _), Value::Object(members)) => {
            for (name, schema) in properties {
                let value = members.get(name).unwrap_or(&Value::Null);
                gather(schema, value, &format!("{path}/{name}"), depth + 1, into);
            }
        }
        (Shape::Items(schema), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate().take(ITEMS_MAX) {
                gather(schema, item, &format!("{path}/{index}"), depth + 1, into);
            }
        }
        (Shape::Named(schema), Value::Object(members)) => {
            for (index, (name, item)) in members.iter().enumerate().take(ITEMS_MAX) {
                into.push((format!("{path}/{index}/_name"), name.clone()));
                gather(schema, item, &format!("{path}/{index}"), depth + 1, into);
            }
        }
        // What does not fit its schema is shown as it is.
        (_, other) => put(serde_json::to_string_pretty(other).unwrap_or_default()),
    }
}

/// What the fields of a form hold; `None` when they are empty.
pub(crate) fn read(schema: &Value, form: &Form, path: &str) -> Option<Value> {
    read_at(schema, form, path, 0)
}

fn read_at(schema: &Value, form: &Form, path: &str, depth: usize) -> Option<Value> {
    let text = || form.text(path);
    match shape(schema, depth) {
        Shape::Text | Shape::Choice(_) => text().map(Value::from),
        Shape::Flag => match text() {
            Some("true") => Some(true.into()),
            Some("false") => Some(false.into()),
            _ => None,
        },
        Shape::Number => text().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into())),
        Shape::Json => text().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into())),
        Shape::Lines => {
            let lines = text()?.lines().map(str::trim).filter(|line| !line.is_empty());
            Some(lines.map(Value::from).collect::<Vec<_>>().into())
        }
        Shape::Choices(words) => {
            let chosen = words.into_iter().filter(|word| form.is_ticked(&format!("{path}/{word}")));
            let chosen: Vec<Value> = chosen.map(Value::from).collect();
            (!chosen.is_empty()).then(|| chosen.into())
        }
        Shape::Object(properties, _) => {
            let mut members = Map::new();
            for (name, schema) in properties {
                if let Some(value) = read_at(schema, form, &format!("{path}/{name}"), depth + 1) {
                    members.insert(name.clone(), value);
                }
            }
            (!members.is_empty()).then_some(Value::Object(members))
        }
        Shape::Items(schema) => {
            let rows = row_numbers(&form.pairs, path);
            let items = rows.iter().filter_map(|row| read_at(schema, form, &format!("{path}/{row}"), depth + 1));
            let items: Vec<Value> = items.collect();
            (!items.is_empty()).then(|| items.into())
        }
        Shape::Named(schema) => {
            let mut members = Map::new();
            for row in row_numbers(&form.pairs, path) {
                let row = format!("{path}/{row}");
                let value = read_at(schema, form, &row, depth + 1);
                if let Some(name) = form.text(&format!("{row}/_name")) {
                    members.insert(name.to_owned(), value.unwrap_or_else(|| Value::Object(Map::new())));
                }
            }
            (!members.is_empty()).then_some(Value::Object(members))
        }
    }
}

/// The numbers of the rows below a path, in order.
fn row_numbers(pairs: &Pairs, path: &str) -> Vec<usize> {
    let number = |name: &str| name.strip_prefix(path)?.strip_prefix('/')?.split('/').next()?.parse::<usize>().ok();
    let mut rows: Vec<usize> = pairs.0.iter().filter_map(|(name, _)| number(name)).collect();
    rows.sort_unstable();
    rows.dedup();
    rows.truncate(ITEMS_MAX);
    rows
}

/// The fields of a schema, filled in with `values`.
pub(crate) fn draw(draft: &Draft<'_>, schema: &Value, path: &str, values: &Pairs) -> Markup {
    let Shape::Object(properties, required) = shape(schema, 0) else { return html! {} };
    members(draft, properties, &required, path, values, 0)
}

fn members(
    draft: &Draft<'_>,
    properties: &Map<String, Value>,
    required: &[&str],
    path: &str,
    values: &Pairs,
    depth: usize,
) -> Markup {
    html! {
        @for (name, schema) in properties {
            (one(draft, schema, &format!("{path}/{name}"), &label(name), required.contains(&name.as_str()), values, depth + 1))
        }
    }
}

/// `endWithWindow` as people read it: `End with window`.
fn label(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push(' ');
            text.extend(c.to_lowercase());
        } else if text.is_empty() {
            text.extend(c.to_uppercase());
        } else {
            text.push(c);
        }
    }
    text
}

fn one(
    draft: &Draft<'_>,
    schema: &Value,
    path: &str,
    label: &str,
    required: bool,
    values: &Pairs,
    depth: usize,
) -> Markup {
    let hint = schema["description"].as_str().unwrap_or_default().replace('`', "");
    let value = values.value(path).unwrap_or_default();
    let field = Field { name: path, label, value, hint: &hint, required, ..Field::default() };
    match shape(schema, depth) {
        Shape::Text => field::text(draft, &field),
        Shape::Number => field::text(draft, &Field { kind: Kind::Number, ..field }),
        Shape::Lines => {
            let hint = format!("{hint} One a line.");
            field::text(draft, &Field { kind: Kind::Area, mono: true, hint: &hint, ..field })
        }
        Shape::Json => {
            let hint = format!("{hint} In JSON.");
            field::text(draft, &Field { kind: Kind::Area, mono: true, hint: hint.trim(), ..field })
        }
        Shape::Flag => select(draft, &field, &[("true", "Yes"), ("false", "No")]),
        Shape::Choice(words) => {
            let options: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
            select(draft, &field, &options)
        }
        Shape::Choices(words) => html! {
            fieldset.choice.inline {
                legend { (label) @if !required { span.quiet { " optional" } } }
                @if !hint.is_empty() { p.hint { (hint) } }
                div.ticks {
                    @for word in words {
                        @let name = format!("{path}/{word}");
                        (field::tick(draft, &name, word, values.value(&name).is_some_and(|value| !value.is_empty()), ""))
                    }
                }
            }
        },
        Shape::Object(properties, inner) => html! {
            fieldset.group {
                legend { (label) }
                @if !hint.is_empty() { p.hint { (hint) } }
                (members(draft, properties, &inner, path, values, depth))
            }
        },
        Shape::Items(schema) => rows(draft, schema, &field, values, depth, false),
        Shape::Named(schema) => rows(draft, schema, &field, values, depth, true),
    }
}

fn select(draft: &Draft<'_>, field: &Field<'_>, options: &[(&str, &str)]) -> Markup {
    let id = field::id_of(field.name);
    let found = draft.problems(field.name);
    html! {
        div.field {
            label for=(id) { (field.label) @if !field.required { span.quiet { " optional" } } }
            select id=(id) name=(field.name) aria-invalid=[(!found.is_empty()).then_some("true")] {
                @if !field.required { option value="" { "—" } }
                @for (value, label) in options { option value=(value) selected[*value == field.value] { (label) } }
            }
            @if !field.hint.is_empty() { p.hint { (field.hint) } }
        }
    }
}

/// Objects one after another, with an empty one at the end, and more of them by script.
fn rows(draft: &Draft<'_>, schema: &Value, field: &Field<'_>, values: &Pairs, depth: usize, named: bool) -> Markup {
    let next = row_numbers(values, field.name).last().map_or(0, |last| last + 1);
    html! {
        fieldset.group data-rows {
            legend { (field.label) @if !field.required { span.quiet { " optional" } } }
            @if !field.hint.is_empty() { p.hint { (field.hint) " An empty one is left out." } }
            @for row in 0..=next { (row_of(draft, schema, field.name, &row.to_string(), values, depth, named)) }
            template data-row { (row_of(draft, schema, field.name, "ROW", values, depth, named)) }
            button.plain type="button" data-add-row hidden { "Add another" }
        }
    }
}

fn row_of(
    draft: &Draft<'_>,
    schema: &Value,
    path: &str,
    row: &str,
    values: &Pairs,
    depth: usize,
    named: bool,
) -> Markup {
    let Shape::Object(properties, _) = shape(schema, depth + 1) else { return html! {} };
    let path = format!("{path}/{row}");
    let name = format!("{path}/_name");
    html! {
        div.item data-item role="group" aria-label=(format!("Item {}", row.parse::<usize>().map_or(0, |row| row + 1))) {
            @if named {
                (field::text(draft, &Field {
                    name: &name, label: "Name", value: values.value(&name).unwrap_or_default(), mono: true, ..Field::default()
                }))
            }
            // Nothing in a row is required of a form: the row may stay empty.
            (members(draft, properties, &[], &path, values, depth + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "timeZone": {"type": "string"},
            "seconds": {"type": "integer"},
            "strict": {"type": "boolean"},
            "otherwise": {"enum": ["drop", "deny"]},
            "scopes": {"type": "array", "items": {"type": "string"}},
            "windows": {"type": "array", "items": {"type": "object", "properties": {
                "days": {"type": "array", "items": {"enum": ["monday", "tuesday"]}},
                "from": {"type": "string"}
            }}},
            "claims": {"type": "object", "additionalProperties": {"type": "object", "properties": {"from": {"type": "string"}}}},
            "duties": {"type": "array", "items": {"type": "array"}}
        }})
    }

    fn form(pairs: &Pairs) -> Form {
        let body = pairs.to_query(&[], &[]);
        Form::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn settings_go_through_a_form_unchanged() {
        let settings = json!({
            "timeZone": "Europe/Berlin",
            "seconds": 300,
            "strict": false,
            "otherwise": "deny",
            "scopes": ["a:*", "b"],
            "windows": [{"days": ["monday"], "from": "09:00"}, {"days": ["tuesday"], "from": "10:00"}],
            "claims": {"team": {"from": "account.attributes.team"}},
            "duties": [["pay"], ["approve", "book"]]
        });
        let pairs = values(&schema(), &settings, "settings");
        assert_eq!(read(&schema(), &form(&pairs), "settings"), Some(settings));
    }

    #[test]
    fn what_is_empty_is_left_out_and_what_does_not_fit_is_kept() {
        let some = |text: &str| read(&schema(), &form(&Pairs::parse(text)), "settings");
        assert_eq!(some("settings/timeZone=&settings/windows/0/from=&settings/scopes=%0A+%0A"), None);
        assert_eq!(some("settings/seconds=soon"), Some(json!({"seconds": "soon"})));
        assert_eq!(some("settings/duties=%7Bbroken"), Some(json!({"duties": "{broken"})));
        assert_eq!(
            some("settings/windows/7/from=9&settings/windows/9/from="),
            Some(json!({"windows": [{"from": "9"}]}))
        );
    }

    #[test]
    fn only_what_is_described_has_fields() {
        assert!(has_fields(&schema()));
        assert!(!has_fields(&json!({})) && !has_fields(&json!(true)) && !has_fields(&json!({"type": "object"})));
    }
}
