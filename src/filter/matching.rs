//! Evaluates a filter on a JSON value in memory, as the value paths of PATCH need it.
//!
//! It does not know a schema, so every string compares exactly (`caseExact`, RFC 7643 section 2.2):
//! the values selected here are identifiers such as scopes, and a PATCH must not hit `READ` when it
//! says `read`. Dates compare as strings, which orders the UTC timestamps of one precision.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::{Filter, Literal, Op};

/// Bytes of a text that are looked through in about the time of one comparison.
const STEP_BYTES: usize = 64;

/// Whether the filter holds for a value (RFC 7644 section 3.4.2.2).
///
/// A path that meets an array looks at each of its items, and one match is enough. An item that is not
/// an object is its own `value` (RFC 7643 section 2.4): `tags[value eq "a"]`. An absent attribute equals
/// null, and `ne` is exactly the opposite of `eq`: it holds for an absent attribute too.
#[must_use]
pub fn matches(filter: &Filter, value: &Value) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|part| matches(part, value)),
        Filter::Or(parts) => parts.iter().any(|part| matches(part, value)),
        Filter::Not(part) => !matches(part, value),
        Filter::Present(path) => values_at(value, path.names()).into_iter().any(is_present),
        Filter::Compare { path, op, value: literal } => compares(*op, &values_at(value, path.names()), literal),
        Filter::In { path, values: literals } => {
            let found = values_at(value, path.names());
            literals.iter().any(|literal| equals_any(&found, literal))
        }
        Filter::Within { path, filter } => values_at(value, path.names()).into_iter().any(|item| matches(filter, item)),
    }
}

/// What [`matches()`] may take at most on this value, in steps of about one comparison: each term looks at each value
/// in it, and compares it with each of the term's literals.
pub(crate) fn steps_max(filter: &Filter, value: &Value) -> u64 {
    literals(filter).saturating_mul(weight(value))
}

fn literals(filter: &Filter) -> u64 {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().map(literals).sum(),
        Filter::Not(part) => literals(part),
        Filter::Present(_) | Filter::Compare { .. } => 1,
        Filter::In { values, .. } => values.len() as u64,
        Filter::Within { filter, .. } => 1 + literals(filter),
    }
}

/// The values in a value, itself among them; a long text weighs as much as several.
fn weight(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => 1 + (text.len() / STEP_BYTES) as u64,
        Value::Array(items) => 1 + items.iter().map(weight).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(weight).sum::<u64>(),
    }
}

/// The member of an object that an attribute name means: the same spelling, else the first that
/// differs only in ASCII case (RFC 7643 section 2.1).
pub(crate) fn existing_key<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    if let Some((key, _)) = members.get_key_value(name) {
        return Some(key);
    }
    let mut keys = members.keys();
    keys.find(|key| key.eq_ignore_ascii_case(name)).map(String::as_str)
}

fn values_at<'a>(value: &'a Value, names: &[String]) -> Vec<&'a Value> {
    let mut found = Vec::new();
    collect(value, names, &mut found);
    found
}

fn collect<'a>(value: &'a Value, names: &[String], found: &mut Vec<&'a Value>) {
    match (value, names) {
        (Value::Array(items), _) => {
            for item in items {
                collect(item, names, found);
            }
        }
        (_, []) => found.push(value),
        (Value::Object(members), [name, rest @ ..]) => {
            if let Some(member) = existing_key(members, name).and_then(|key| members.get(key)) {
                collect(member, rest, found);
            }
        }
        (_, [name]) if name.eq_ignore_ascii_case("value") => found.push(value),
        _ => {}
    }
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compares(op: Op, found: &[&Value], literal: &Literal) -> bool {
    let text = |holds: fn(&str, &str) -> bool| {
        found.iter().any(|value| match (value, literal) {
            (Value::String(text), Literal::String(part)) => holds(text, part),
            _ => false,
        })
    };
    let ordered = |holds: fn(Ordering) -> bool| {
        let mut orders = found.iter().filter_map(|value| order(value, literal));
        orders.any(holds)
    };
    match op {
        Op::Eq => equals_any(found, literal),
        Op::Ne => !equals_any(found, literal),
        Op::Co => text(|text, part| text.contains(part)),
        Op::Sw => text(|text, part| text.starts_with(part)),
        Op::Ew => text(|text, part| text.ends_with(part)),
        Op::Gt => ordered(Ordering::is_gt),
        Op::Ge => ordered(Ordering::is_ge),
        Op::Lt => ordered(Ordering::is_lt),
        Op::Le => ordered(Ordering::is_le),
    }
}

fn equals_any(found: &[&Value], literal: &Literal) -> bool {
    match literal {
        Literal::Null => found.iter().all(|value| value.is_null()),
        Literal::Bool(flag) => found.iter().any(|value| value.as_bool() == Some(*flag)),
        Literal::String(_) | Literal::Number(_) => {
            found.iter().any(|value| order(value, literal) == Some(Ordering::Equal))
        }
    }
}

/// How a value relates to a literal of the same type; `None` when the types differ or have no order.
fn order(value: &Value, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (Value::String(left), Literal::String(right)) => Some(left.cmp(right)),
        (Value::Number(left), Literal::Number(right)) => number_order(left, right),
        _ => None,
    }
}

/// Integers compare exactly; a fraction on either side makes it a comparison of floats.
fn number_order(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}
