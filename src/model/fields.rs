//! Reading a JSON body member by member: every violation is found, each with a pointer to its member.
//!
//! It checks form (types, lengths, characters). What needs the store (does this id exist?) comes later.

pub mod shape;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::error::Violation;
use crate::model::api::TOKEN_LIFETIME_SECONDS;
use shape::{Member, Shape};

/// Longest `displayName`, in characters.
pub const DISPLAY_NAME_CHARS_MAX: usize = 256;
/// Longest name that others refer to (`userName`, `appId`, `clientId`), in characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest free text (`description`, `reason`), in characters.
pub const TEXT_CHARS_MAX: usize = 2000;
/// Largest `attributes` object, in bytes of JSON.
pub const ATTRIBUTES_BYTES_MAX: usize = 16 * 1024;

/// The members of one JSON object, being read.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: String,
    known: Vec<&'static str>,
    violations: Vec<Violation>,
    lifetime_seconds_min: i64,
    /// Where a parser is only asked what it looks at.
    log: Option<Vec<Member>>,
}

/// A rule for a text: `Err` says what to change.
pub type TextRule = fn(&str) -> Result<(), String>;

impl<'a> Fields<'a> {
    /// Starts on `object`, which stands at the JSON pointer `path` ("" is the body).
    #[must_use]
    pub fn new(object: &'a Map<String, Value>, path: impl Into<String>) -> Self {
        let lifetime_seconds_min = *TOKEN_LIFETIME_SECONDS.start();
        Self { object, path: path.into(), known: Vec::new(), violations: Vec::new(), lifetime_seconds_min, log: None }
    }

    /// Lets tokens live as short as this; `grantd dev` allows less than others.
    #[must_use]
    pub fn with_lifetime_seconds_min(self, lifetime_seconds_min: i64) -> Self {
        Self { lifetime_seconds_min, ..self }
    }

    /// How long tokens may live.
    #[must_use]
    pub fn lifetime_seconds(&self) -> std::ops::RangeInclusive<i64> {
        self.lifetime_seconds_min..=*TOKEN_LIFETIME_SECONDS.end()
    }

    /// Ends the reading: whatever was not asked for is unknown. Empty when all fits.
    #[must_use]
    pub fn finish(mut self, ignored: &[&'static str]) -> Vec<Violation> {
        self.known.extend_from_slice(ignored);
        for (name, value) in self.object {
            if !self.known.contains(&name.as_str()) {
                let nearest = nearest(name, self.known.iter().copied());
                let hint = nearest.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                self.violations.push(Violation::new(
                    format!("{}/{}", self.path, pointer_escape(name)),
                    value.clone(),
                    format!("there is no such member{hint}"),
                ));
            }
        }
        self.violations
    }

    /// Records that `name` does not fit.
    pub fn violate(&mut self, name: &str, message: impl Into<String>) {
        let value = self.object.get(name).cloned().unwrap_or(Value::Null);
        self.violations.push(Violation::new(format!("{}/{name}", self.path), value, message));
    }

    /// As [`Fields::violate`], for a member whose value must not be echoed.
    pub fn violate_secret(&mut self, name: &str, message: impl Into<String>) {
        self.violations.push(Violation::new(format!("{}/{name}", self.path), Value::Null, message));
    }

    /// As [`Fields::violate`], for a value further inside.
    pub fn violate_at(&mut self, path: &str, value: &Value, message: impl Into<String>) {
        self.violations.push(Violation::new(format!("{}/{path}", self.path), value.clone(), message));
    }

    /// The raw member; null counts as absent.
    pub fn raw(&mut self, name: &'static str) -> Option<&'a Value> {
        self.note(name, || Shape::Any);
        self.known.push(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A text that may be absent.
    pub fn optional_text(&mut self, name: &'static str, rule: TextRule) -> Option<String> {
        self.note(name, || Shape::Text(rule));
        let text = self.typed(name, "a string", Value::as_str)?;
        match rule(text) {
            Ok(()) => Some(text.to_owned()),
            Err(message) => {
                self.violate(name, message);
                None
            }
        }
    }

    /// A text that must be there. Empty after a violation.
    pub fn text(&mut self, name: &'static str, rule: TextRule) -> String {
        self.note(name, || Shape::Text(rule));
        if self.raw(name).is_none() {
            self.violate(name, "this member is required");
            return String::new();
        }
        self.optional_text(name, rule).unwrap_or_default()
    }

    /// A text that is one of a few words, each with its meaning.
    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&'static str, T)], otherwise: T) -> T {
        self.note(name, || Shape::Choice(choices.iter().map(|(word, _)| *word).collect()));
        let Some(text) = self.typed(name, "a string", Value::as_str) else { return otherwise };
        if let Some((_, found)) = choices.iter().find(|(word, _)| *word == text) {
            return *found;
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.violate(name, format!("must be one of {}", words.join(", ")));
        otherwise
    }

    /// A Boolean that may be absent.
    pub fn flag(&mut self, name: &'static str, otherwise: bool) -> bool {
        self.note(name, || Shape::Flag);
        self.typed(name, "true or false", Value::as_bool).unwrap_or(otherwise)
    }

    /// A whole number within bounds.
    pub fn integer(&mut self, name: &'static str, bounds: std::ops::RangeInclusive<i64>, otherwise: i64) -> i64 {
        self.note(name, || Shape::Integer(bounds.clone()));
        let Some(number) = self.typed(name, "a whole number", Value::as_i64) else { return otherwise };
        if !bounds.contains(&number) {
            self.violate(name, format!("must be from {} to {}", bounds.start(), bounds.end()));
        }
        number
    }

    /// An RFC 3339 date-time that may be absent.
    pub fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        self.note(name, || Shape::Time);
        let text = self.typed(name, "a date-time in a string", Value::as_str)?;
        let time = Timestamp::parse(text);
        if time.is_none() {
            self.violate(name, "must be an RFC 3339 date-time with an offset, like 2027-01-31T12:00:00Z");
        }
        time
    }

    /// A JSON object of free form, bounded in size.
    pub fn free_object(&mut self, name: &'static str) -> Map<String, Value> {
        self.free_object_of(name, ATTRIBUTES_BYTES_MAX)
    }

    /// As [`Fields::free_object`], with a bound of its own.
    pub fn free_object_of(&mut self, name: &'static str, bytes_max: usize) -> Map<String, Value> {
        self.note(name, || Shape::FreeObject(bytes_max));
        let Some(object) = self.typed(name, "an object", Value::as_object) else { return Map::new() };
        if Value::from(object.clone()).to_string().len() > bytes_max {
            self.violate(name, format!("must be at most {bytes_max} bytes of JSON"));
        }
        object.clone()
    }

    /// An object with members of its own, read by `read`. It must be there; `None` after a violation.
    pub fn object<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Fields<'_>) -> T) -> Option<T> {
        let required = self.raw(name).is_none();
        if required {
            self.violate(name, "this member is required");
        }
        if self.log.is_some() {
            self.note(name, || Shape::Object(shape::members_of(|inner| _ = read(inner))));
            return None;
        }
        let object = self.typed(name, "an object", Value::as_object)?;
        let mut inner = Fields::new(object, format!("{}/{name}", self.path));
        let found = read(&mut inner);
        self.violations.append(&mut inner.finish(&[]));
        Some(found)
    }

    /// A list of texts without repeats.
    pub fn text_list(&mut self, name: &'static str, items_max: usize, rule: TextRule) -> Vec<String> {
        self.note(name, || Shape::Texts(items_max, rule));
        let mut texts: Vec<String> = Vec::new();
        for (index, item) in self.list(name, items_max).iter().enumerate() {
            let outcome = match item.as_str() {
                None => Err("must be a string".to_owned()),
                Some(text) if texts.iter().any(|seen| seen == text) => Err("stands here twice".to_owned()),
                Some(text) => rule(text).map(|()| texts.push(text.to_owned())),
            };
            if let Err(message) = outcome {
                self.violations.push(Violation::new(format!("{}/{name}/{index}", self.path), item.clone(), message));
            }
        }
        texts
    }

    /// A list of objects, each read by `read`.
    pub fn object_list<T>(
        &mut self,
        name: &'static str,
        items_max: usize,
        mut read: impl FnMut(&mut Fields<'_>) -> T,
    ) -> Vec<T> {
        if self.log.is_some() {
            self.note(name, || Shape::Objects(items_max, shape::members_of(|inner| _ = read(inner))));
            return Vec::new();
        }
        let mut found = Vec::new();
        for (index, item) in self.list(name, items_max).iter().enumerate() {
            let path = format!("{}/{name}/{index}", self.path);
            let Some(object) = item.as_object() else {
                self.violations.push(Violation::new(path, item.clone(), "must be an object"));
                continue;
            };
            let mut inner = Fields::new(object, path);
            found.push(read(&mut inner));
            self.violations.append(&mut inner.finish(&[]));
        }
        found
    }

    fn list(&mut self, name: &'static str, items_max: usize) -> &'a [Value] {
        let Some(items) = self.typed(name, "an array", Value::as_array) else { return &[] };
        if items.len() > items_max {
            self.violate(name, format!("may have at most {items_max} items"));
            return &[];
        }
        items
    }

    fn typed<T>(&mut self, name: &'static str, wanted: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.raw(name)?;
        let found = read(value);
        if found.is_none() {
            self.violate(name, format!("must be {wanted}"));
        }
        found
    }
}

/// A member's name as a part of a JSON pointer (RFC 6901 3).
pub(super) fn pointer_escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The candidate most like `word`, if one is like it at all.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// A text for people: not empty, no control characters, at most [`DISPLAY_NAME_CHARS_MAX`].
pub fn display_name(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    line_of_at_most(text, DISPLAY_NAME_CHARS_MAX)
}

/// A free text, empty if you like, at most [`TEXT_CHARS_MAX`].
pub fn free_text(text: &str) -> Result<(), String> {
    line_of_at_most(text, TEXT_CHARS_MAX)
}

fn line_of_at_most(text: &str, chars_max: usize) -> Result<(), String> {
    if text.chars().count() > chars_max {
        return Err(format!("must have at most {chars_max} characters"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err("must not contain control characters".to_owned());
    }
    Ok(())
}

/// A name that others refer to: no blanks at its ends, no control characters, at most [`NAME_CHARS_MAX`].
pub fn reference_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.trim() != text {
        return Err("must not begin or end with a blank".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    if text.chars().count() > NAME_CHARS_MAX {
        return Err(format!("must have at most {NAME_CHARS_MAX} characters"));
    }
    Ok(())
}

/// A name that also travels in OAuth parameters (`appId`, `clientId`): VSCHAR of RFC 6749 without blank.
pub fn token_name(text: &str) -> Result<(), String> {
    reference_name(text)?;
    if !text.bytes().all(|b| (0x21..0x7f).contains(&b)) {
        return Err("must be printable ASCII without blanks".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_violation_is_found_and_pointed_at() {
        let body = json!({"userName": 5, "activ": true, "scopes": ["a", 1, "a"], "when": "soon", "n": 7});
        let mut fields = Fields::new(body.as_object().unwrap(), "");
        fields.text("userName", reference_name);
        fields.text("displayName", display_name);
        fields.flag("active", false);
        fields.text_list("scopes", 10, reference_name);
        fields.time("when");
        fields.integer("n", 1..=5, 1);
        let found: Vec<String> = fields.finish(&[]).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(found.join("\n"), @r"
        /userName: must be a string
        /displayName: this member is required
        /scopes/1: must be a string
        /scopes/2: stands here twice
        /when: must be an RFC 3339 date-time with an offset, like 2027-01-31T12:00:00Z
        /n: must be from 1 to 5
        /activ: there is no such member; did you mean active?
        ");
    }

    #[test]
    fn names_that_travel_are_plain() {
        assert!(token_name("my-rest_api.v1").is_ok());
        for bad in ["", "two words", " lead", "tab\t", "ümlaut", "nul\0"] {
            assert!(token_name(bad).is_err(), "{bad:?}");
        }
        assert!(reference_name(&"x".repeat(NAME_CHARS_MAX + 1)).is_err());
    }
}
