//! The formats of documents, read into the same values. Dates of TOML become text.

use std::path::Path;

use serde_json::{Map, Value};

use crate::json;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// YAML 1.2.
    Yaml,
    /// JSON.
    Json,
}

/// Line, column, and what is wrong there.
type Mistake = (usize, usize, String);

/// The one member of what a TOML date is read as.
const TOML_DATE: &str = "$__toml_private_datetime";
/// Nodes of a YAML document: the largest document that can be applied has some three million.
const YAML_NODES_MAX: usize = 5_000_000;

impl Format {
    /// By the end of a file's name.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// By its look, where there is no name.
    #[must_use]
    pub(super) fn guess(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let first = lines.next().unwrap_or_default();
        let assigns = first.find('=').is_some_and(|equals| first.find(':').is_none_or(|colon| equals < colon));
        match first.chars().next() {
            Some('{') => Self::Json,
            Some('[') => Self::Toml,
            _ if assigns => Self::Toml,
            _ => Self::Yaml,
        }
    }

    /// The value that a text holds.
    pub(crate) fn parse(self, text: &str) -> Result<Value, Mistake> {
        match self {
            Self::Toml => toml(text),
            Self::Yaml => yaml(text),
            Self::Json => json(text),
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
            Self::Json => "JSON",
        })
    }
}

fn toml(text: &str) -> Result<Value, Mistake> {
    let mistake = |error: toml::de::Error| {
        let (line, column) = place_of(text, error.span().map_or(0, |span| span.start));
        (line, column, error.message().to_owned())
    };
    let mut value = json::read(toml::Deserializer::parse(text).map_err(mistake)?).map_err(mistake)?;
    name_dates(&mut value);
    Ok(value)
}

/// Puts the text of a date in the place of what the parser makes of it.
fn name_dates(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(name_dates),
        Value::Object(members) if members.len() == 1 && members.contains_key(TOML_DATE) => {
            *value = members[TOML_DATE].take();
        }
        Value::Object(members) => members.values_mut().for_each(name_dates),
        _ => {}
    }
}

fn yaml(text: &str) -> Result<Value, Mistake> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: YAML_NODES_MAX,
            max_events: 2 * YAML_NODES_MAX,
            max_aliases: 1000,
            max_documents: 1,
        },
        with_snippet: false,
    };
    let read = |deserializer: serde_saphyr::Deserializer<'_, '_>| json::read(deserializer);
    serde_saphyr::with_deserializer_from_str_with_options(text, options, read).map_err(|error| {
        let place = error.location().map_or((1, 1), |at| (at.line() as usize, at.column() as usize));
        (place.0, place.1, first_line(&error.to_string()))
    })
}

/// Parsers show where it is in lines of their own; here that is told in front.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

fn json(text: &str) -> Result<Value, Mistake> {
    if text.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mistake = |error: serde_json::Error| {
        let message = error.to_string();
        let plain = message.split(" at line ").next().unwrap_or(&message).to_owned();
        (error.line().max(1), error.column().max(1), plain)
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = json::read(&mut reader).map_err(mistake)?;
    reader.end().map_err(mistake)?;
    Ok(value)
}

/// Line and column of a byte, both counted from 1, the column in characters.
pub(super) fn place_of(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
