//! Forms become the bodies that the admin API takes. What is wrong with them is found there, not here.

use serde_json::{Map, Value, json};

use super::time;
use crate::error::{Error, Result, Violation};
use crate::http::console::draft::Form;

/// A body, put together from the fields of a form.
pub(crate) struct Body<'a> {
    form: &'a Form,
    members: Map<String, Value>,
    violations: Vec<Violation>,
}

impl<'a> Body<'a> {
    pub(crate) fn of(form: &'a Form) -> Self {
        Self { form, members: Map::new(), violations: Vec::new() }
    }

    /// A text; an empty one is null, as if it were not there.
    pub(crate) fn text(self, name: &str) -> Self {
        let value = self.form.text(name).map_or(Value::Null, Value::from);
        self.with(name, value)
    }

    pub(crate) fn flag(self, name: &str) -> Self {
        let ticked = self.form.is_ticked(name);
        self.with(name, ticked.into())
    }

    /// A whole number; another text goes on as it is, to be refused.
    pub(crate) fn number(self, name: &str) -> Self {
        let text = self.form.text(name);
        let value = text.map_or(Value::Null, |text| text.parse::<i64>().map_or_else(|_| text.into(), Value::from));
        self.with(name, value)
    }

    /// A date and a time, in UTC.
    pub(crate) fn moment(self, name: &str) -> Self {
        let value = self.form.text(name).map_or(Value::Null, |text| time::from_field(text).into());
        self.with(name, value)
    }

    /// A JSON object, written out.
    pub(crate) fn object(mut self, name: &str) -> Self {
        let Some(text) = self.form.text(name) else { return self.with(name, json!({})) };
        match crate::http::json::parse(text.as_bytes()) {
            Ok(value) => self.with(name, value),
            Err(error) => {
                let message = error.to_string().replace("the body is not JSON as it should be", "this is not JSON");
                self.violations.push(Violation::new(format!("/{name}"), Value::Null, message));
                self
            }
        }
    }

    /// The values of every ticked box of that name.
    pub(crate) fn ticked(self, name: &str) -> Self {
        let all = self.form.pairs.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let all: Vec<Value> = all.map(Value::from).collect();
        self.with(name, all.into())
    }

    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// The body that makes something: without the members that are empty.
    pub(crate) fn made(self) -> Result<Map<String, Value>> {
        let mut members = self.checked()?;
        members.retain(|_, value| !value.is_null());
        Ok(members)
    }

    /// The body of a PATCH that sets every member. Those that are empty become null, as if they were not there.
    pub(crate) fn patch(self) -> Result<Value> {
        let members = self.checked()?;
        let operation = |(name, value): (String, Value)| json!({"op": "replace", "path": name, "value": value});
        Ok(json!({"Operations": members.into_iter().map(operation).collect::<Vec<_>>()}))
    }

    fn checked(self) -> Result<Map<String, Value>> {
        if self.violations.is_empty() { Ok(self.members) } else { Err(Error::Invalid(self.violations)) }
    }
}
