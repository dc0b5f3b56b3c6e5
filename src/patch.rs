//! SCIM PATCH (RFC 7644 section 3.5.2) in the vendor's dialect:
//! `{"Operations":[{"op":"replace","path":"/active","value":false}],"Revision":1}`.
//!
//! Owns reading that body into a [`Patch`] and applying it to a JSON document, all or nothing.
//!
//! Deliberately absent: any schema. Which attributes exist, which are read-only and what type they have
//! is for the caller to validate on the patched document; so is comparing the revision. An attribute that
//! is set to null stays in the document as null, which means "no value" (RFC 7643 section 2.5).
//!
//! Where the dialects meet, the slash form means what JSON Patch says (RFC 6902: `add` at an array index
//! inserts), and everything else what SCIM says (`replace` of an absent attribute sets it, section
//! 3.5.2.3; `add` of an item that an array already holds changes nothing, section 3.5.2.1).

mod apply;
mod path;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value};

use crate::filter::quoted;
pub use path::Path;

/// Most operations in one patch.
pub const OPERATIONS_MAX: usize = 100;
/// Longest `path`, in bytes.
pub const PATH_BYTES_MAX: usize = 1024;
/// Most names, indices and value filters in one `path`.
pub const PATH_SEGMENTS_MAX: usize = 16;
/// Deepest nesting of arrays and objects in one `value`. With [`PATH_SEGMENTS_MAX`] it keeps a
/// patched document well below the 128 levels at which `serde_json` refuses to read it back.
pub const VALUE_DEPTH_MAX: usize = 32;
/// Most bytes of JSON that one patch may write. A value filter writes its value once for each item it
/// selects, so a short body could otherwise ask for an unbounded document.
pub const WRITTEN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most steps, of one comparison each, that the value filters of one patch may take: about a tenth of a second. A short
/// path can hold hundreds of literals, which are compared with each item of the array.
pub const FILTER_STEPS_MAX: u64 = 10_000_000;

/// Longest string that an error repeats as its invalid value, in bytes.
const INVALID_VALUE_BYTES_MAX: usize = 1024;

/// A patch request's body.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// In the order they apply; 1 to [`OPERATIONS_MAX`] of them.
    pub operations: Vec<Operation>,
    /// The revision the caller has seen, for the optimistic lock; not checked here.
    pub revision: Option<i64>,
}

/// One change to the document.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Appends to an array, merges into an object, sets anything else (RFC 7644 section 3.5.2.1).
    /// Without a path the value is an object, and each of its members is added.
    Add {
        /// Where; without it the document itself.
        path: Option<Path>,
        /// What to add.
        value: Value,
    },
    /// Sets the whole value (section 3.5.2.3). Without a path the value is an object, and each of its
    /// members is replaced.
    Replace {
        /// Where; without it the document itself.
        path: Option<Path>,
        /// What to set.
        value: Value,
    },
    /// Takes an attribute, or the selected items of an array, away (section 3.5.2.2).
    Remove {
        /// What to take away.
        path: Path,
    },
}

/// Why a patch was refused, in the shape of one entry of the error body's `validation` list.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchError {
    /// A JSON pointer into the body, with the member names as SCIM spells them, in whatever case the
    /// caller wrote them: `/Operations/0/path`. Empty for the body itself.
    pub property_path: String,
    /// What stands there, when it is a scalar and not too long to repeat.
    pub invalid_value: Option<Value>,
    /// What is wrong and what to change, for the caller to read.
    pub message: String,
}

impl PatchError {
    fn new(property_path: impl Into<String>, invalid_value: Option<&Value>, message: String) -> Self {
        let repeated = invalid_value.filter(|value| match value {
            Value::Array(_) | Value::Object(_) => false,
            Value::String(text) => text.len() <= INVALID_VALUE_BYTES_MAX,
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
        });
        PatchError { property_path: property_path.into(), invalid_value: repeated.cloned(), message }
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property_path, self.message)
    }
}

impl std::error::Error for PatchError {}

impl Patch {
    /// Reads a patch body. Member names and `op` are read without regard to case; `schemas` in the body
    /// and `oldValue` in an operation are ignored.
    ///
    /// # Errors
    /// [`PatchError`] at the first thing that is missing, unknown, of the wrong type or over a bound.
    pub fn parse(body: &Value) -> Result<Patch, PatchError> {
        let Value::Object(body) = body else {
            let message = format!("send a JSON object with \"Operations\", not {}", kind(body));
            return Err(PatchError::new("", Some(body), message));
        };
        let names = ["Operations", "Revision"];
        let [operations, revision] = members(body, "", names, "schemas")?;
        let operations = match operations {
            Some(Value::Array(operations)) => operations,
            Some(other) => {
                let message = format!("send an array of operations, not {}", kind(other));
                return Err(PatchError::new("/Operations", Some(other), message));
            }
            None => {
                let message = "add \"Operations\", an array of operations".to_owned();
                return Err(PatchError::new("/Operations", None, message));
            }
        };
        if operations.is_empty() || operations.len() > OPERATIONS_MAX {
            let count = operations.len();
            let message = format!("send 1 to {OPERATIONS_MAX} operations, not {count}");
            return Err(PatchError::new("/Operations", None, message));
        }
        let revision = match revision.map(|revision| (revision, revision.as_i64())) {
            None => None,
            Some((_, Some(revision))) => Some(revision),
            Some((other, None)) => {
                let message = "send the revision as a JSON integer, such as 1".to_owned();
                return Err(PatchError::new("/Revision", Some(other), message));
            }
        };
        let operations = operations.iter().enumerate();
        Ok(Patch {
            operations: operations
                .map(|(index, operation)| Operation::parse(operation, index))
                .collect::<Result<_, _>>()?,
            revision,
        })
    }

    /// Applies every operation in order. `known` are the resource's top-level attribute names: a
    /// top-level name that only differs in case from an existing member, or else from one of these, means
    /// that one. Below the top level, existing members are matched in the same way.
    ///
    /// # Errors
    /// [`PatchError`] at the first operation that does not fit the document: nothing there to remove, a
    /// value filter that selects nothing, an index out of range, a name below a scalar. The document is
    /// then unchanged.
    pub fn apply(&self, document: &mut Map<String, Value>, known: &[&str]) -> Result<(), PatchError> {
        apply::apply(&self.operations, document, known, Replacing::Whole)
    }

    /// As [`Patch::apply`], but with `replace` as RFC 7644 section 3.5.2.3 has it for complex attributes: an object in
    /// the place of an object leaves the members that it does not name as they are. Items of arrays are replaced whole.
    ///
    /// # Errors
    /// As [`Patch::apply`].
    pub fn apply_to_named(&self, document: &mut Map<String, Value>, known: &[&str]) -> Result<(), PatchError> {
        apply::apply(&self.operations, document, known, Replacing::Named)
    }

    /// Whether a body has a path with a value filter. Such a patch takes time by the length of the document, too.
    pub(crate) fn has_value_filter(body: &Value) -> bool {
        let selects = |operation: &Value| {
            let mut members = operation.as_object().into_iter().flatten();
            members.any(|(name, value)| {
                name.eq_ignore_ascii_case("path") && value.as_str().is_some_and(|path| path.contains('['))
            })
        };
        let members = body.as_object().into_iter().flatten();
        members.filter_map(|(_, value)| value.as_array()).flatten().any(selects)
    }
}

/// What a `replace` makes of an object in whose place it puts an object.
#[derive(Clone, Copy)]
enum Replacing {
    Whole,
    Named,
}

impl Operation {
    fn parse(operation: &Value, index: usize) -> Result<Operation, PatchError> {
        let at = format!("/Operations/{index}");
        let Value::Object(operation) = operation else {
            let message = format!("send an object with \"op\", \"path\" and \"value\", not {}", kind(operation));
            return Err(PatchError::new(at, Some(operation), message));
        };
        let [op, path, value] = members(operation, &at, ["op", "path", "value"], "oldValue")?;
        let op_error = |message: &str| Err(PatchError::new(format!("{at}/op"), op, message.to_owned()));
        let Some(Value::String(verb)) = op else {
            return op_error("send \"add\", \"replace\" or \"remove\"");
        };
        let path = read_path(path, &at)?;
        match verb.to_ascii_lowercase().as_str() {
            "add" => {
                let value = written_value(value, path.is_some(), &at)?;
                Ok(Operation::Add { path, value })
            }
            "replace" => {
                let value = written_value(value, path.is_some(), &at)?;
                Ok(Operation::Replace { path, value })
            }
            "remove" => removal(path, value, &at),
            _ => op_error("send \"add\", \"replace\" or \"remove\""),
        }
    }
}

fn read_path(path: Option<&Value>, at: &str) -> Result<Option<Path>, PatchError> {
    match path {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            Path::parse(text).map(Some).map_err(|message| PatchError::new(format!("{at}/path"), path, message))
        }
        Some(other) => {
            let message = format!("send the path as a string, such as \"/active\", not {}", kind(other));
            Err(PatchError::new(format!("{at}/path"), path, message))
        }
    }
}

/// The value of an `add` or a `replace`.
fn written_value(value: Option<&Value>, has_path: bool, at: &str) -> Result<Value, PatchError> {
    let error = |message| Err(PatchError::new(format!("{at}/value"), value, message));
    match value {
        None => error("add \"value\": only remove goes without it".to_owned()),
        Some(other) if !has_path && !other.is_object() => {
            error(format!("send an object of attributes, or add \"path\" to say which attribute takes {}", kind(other)))
        }
        Some(deep) if is_deeper_than(deep, VALUE_DEPTH_MAX) => {
            error(format!("nest arrays and objects at most {VALUE_DEPTH_MAX} deep"))
        }
        Some(value) => Ok(value.clone()),
    }
}

/// A `remove` with a value is refused, not ignored: some clients mean "remove only this item" by it,
/// and would lose the whole attribute.
fn removal(path: Option<Path>, value: Option<&Value>, at: &str) -> Result<Operation, PatchError> {
    if value.is_some_and(|value| !value.is_null()) {
        let message = "leave \"value\" out of a remove; to remove one item, select it in the path: \
                       scopes[identifier eq \"read\"]";
        return Err(PatchError::new(format!("{at}/value"), value, message.to_owned()));
    }
    let Some(path) = path else {
        let message = "add \"path\": a remove must say which attribute goes, such as \"/displayName\"";
        return Err(PatchError::new(format!("{at}/path"), None, message.to_owned()));
    };
    Ok(Operation::Remove { path })
}

/// The named members of an object, whatever their case; any other but `ignored` is an error.
fn members<'a, const N: usize>(
    object: &'a Map<String, Value>,
    at: &str,
    names: [&str; N],
    ignored: &str,
) -> Result<[Option<&'a Value>; N], PatchError> {
    let mut found = [None; N];
    for (key, value) in object {
        let error = |message| {
            let name = shortened(key).replace('~', "~0").replace('/', "~1");
            Err(PatchError::new(format!("{at}/{name}"), Some(value), message))
        };
        match names.iter().position(|name| name.eq_ignore_ascii_case(key)) {
            Some(index) if found[index].is_some() => {
                return error(format!("send \"{}\" only once", names[index]));
            }
            Some(index) => found[index] = Some(value),
            None if key.eq_ignore_ascii_case(ignored) => {}
            None => {
                return error(format!(
                    "remove the unknown member {}; allowed are \"{}\"",
                    quoted(key),
                    names.join("\", \"")
                ));
            }
        }
    }
    Ok(found)
}

/// The start of a name the caller made up, for a pointer.
fn shortened(name: &str) -> &str {
    let end = name.char_indices().nth(64).map_or(name.len(), |(end, _)| end);
    &name[..end]
}

fn is_deeper_than(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return value.is_array() || value.is_object();
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper_than(item, below)),
        Value::Object(members) => members.values().any(|member| is_deeper_than(member, below)),
        _ => false,
    }
}

/// A value's JSON type, with its article.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
