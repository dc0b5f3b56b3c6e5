//! Flags become members of a body, or operations of a PATCH.

use serde_json::{Map, Value, json};

use super::{Failure, Outcome};

/// The body of something new.
#[derive(Default)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Sets a member that was given.
    pub(super) fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }

    pub(super) fn into_body(self) -> Value {
        Value::Object(self.0)
    }
}

/// What a `set` changes.
#[derive(Default)]
pub(super) struct Changes(Vec<Value>);

impl Changes {
    /// Replaces a member when a value was given.
    pub(super) fn replace(&mut self, member: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.push(json!({"op": "replace", "path": member, "value": value.into()}));
        }
    }

    /// Adds to a member: items to a list, members to an object.
    pub(super) fn add(&mut self, member: &str, value: &Value) {
        self.0.push(json!({"op": "add", "path": member, "value": value}));
    }

    /// Takes away what is at a path.
    pub(super) fn remove(&mut self, path: &str) {
        self.0.push(json!({"op": "remove", "path": path}));
    }

    /// Attributes that are set and taken away.
    pub(super) fn attributes(&mut self, set: &[(String, Value)], removed: &[String]) {
        if !set.is_empty() {
            self.add("attributes", &Value::Object(set.iter().cloned().collect()));
        }
        self.remove_members("attributes", removed);
    }

    /// Takes members of an object away, by name.
    pub(super) fn remove_members(&mut self, object: &str, names: &[String]) {
        for name in names {
            self.remove(&format!("/{object}/{}", name.replace('~', "~0").replace('/', "~1")));
        }
    }

    /// The operations.
    ///
    /// # Errors
    /// `Usage` when nothing was to be changed.
    pub(super) fn into_operations(self) -> Outcome<Vec<Value>> {
        if self.0.is_empty() {
            return Err(Failure::Usage("say what to change: --help lists what can be set".to_owned()));
        }
        Ok(self.0)
    }
}

/// `NAME=VALUE`, whose value is JSON where it can be read as such, and text otherwise.
pub(super) fn named_value(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if name.is_empty() {
        return Err("write NAME=VALUE, with a name".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

/// `NAME=TEXT`.
pub(super) fn named_text(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("write NAME=TEXT")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// As the value of `attributes`: nothing when none were given.
pub(super) fn object_of(all: &[(String, Value)]) -> Option<Value> {
    (!all.is_empty()).then(|| Value::Object(all.iter().cloned().collect()))
}
