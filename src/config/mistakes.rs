//! What is wrong with a configuration, in words: which setting, where it was set, what is wanted there.

use figment::error::{Actual, Kind};
use figment::value::{Dict, Value};

use crate::model::fields::nearest;

/// Adds what `known` does not have, each with the nearest name that it has.
pub(super) fn find_unknown(key: &str, value: &Value, known: &Dict, section: &str, unknown: &mut Vec<String>) {
    match (known.get(key), value) {
        (None, _) => {
            let near = nearest(key, known.keys().map(String::as_str));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean {section}{near}?"));
            unknown.push(format!("there is no setting {section}{key}{hint}"));
        }
        (Some(Value::Dict(_, inner)), Value::Dict(_, given)) => {
            for (key_inside, value) in given {
                find_unknown(key_inside, value, inner, &format!("{section}{key}."), unknown);
            }
        }
        _ => {}
    }
}

/// figment's errors with their key and their source.
pub(super) fn in_words(error: figment::Error) -> String {
    error.into_iter().map(|error| line(&error)).collect::<Vec<_>>().join("\n")
}

fn line(error: &figment::Error) -> String {
    let what = what(&error.kind);
    let key = error.path.join(".");
    let place = error.metadata.as_ref().map_or_else(String::new, place);
    if key.is_empty() { format!("{what}{place}") } else { format!("{key}: {what}{place}") }
}

/// The file, or the variable. A line of this program, as defaults and flags have it, helps nobody.
fn place(metadata: &figment::Metadata) -> String {
    match &metadata.source {
        Some(source) if source.code_location().is_some() => String::new(),
        Some(source) => format!(" (in {source})"),
        None => format!(" (in {})", metadata.name),
    }
}

fn what(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(found, wanted) => format!("invalid type: found {}, expected {}", given(found), plain(wanted)),
        Kind::InvalidValue(found, wanted) => {
            format!("invalid value: found {}, expected {}{}", given(found), plain(wanted), bounds(wanted))
        }
        other => other.to_string(),
    }
}

/// A value as it was written, where that is short.
fn given(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(number) => number.to_string(),
        Actual::Signed(number) => number.to_string(),
        Actual::Float(number) => number.to_string(),
        Actual::Str(text) => format!("{text:?}"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a section".to_owned(),
        other => other.to_string(),
    }
}

/// What is wanted, without Rust's names for it.
fn plain(wanted: &str) -> &str {
    match wanted {
        "u32" | "u64" | "usize" => "a whole number",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text",
        "a sequence" => "a list",
        _ if wanted.starts_with("struct ") => "a section",
        _ => wanted,
    }
}

/// How far whole numbers go, where one is out of it.
fn bounds(wanted: &str) -> String {
    match wanted {
        "u32" => format!(" from 0 to {}", u32::MAX),
        "u64" | "usize" => " from 0 up".to_owned(),
        _ => String::new(),
    }
}
