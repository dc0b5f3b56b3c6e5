//! JSON Schemas (2020-12, which OpenAPI 3.1 uses) out of what parsers look at.

use serde_json::{Map, Value, json};

use crate::model::fields::TextRule;
use crate::model::fields::shape::{Member, Shape, facts_of};

/// A schema of `components`, by name.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object with exactly these members, of which `required` must be there.
pub(super) fn object(description: &str, required: &[&str], properties: &Value) -> Value {
    json!({
        "type": "object",
        "description": description,
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

/// A string, with what it is.
pub(super) fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// A string or null.
pub(super) fn optional_text(description: &str) -> Value {
    json!({"type": ["string", "null"], "description": description})
}

/// A date-time.
pub(super) fn time(description: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": description})
}

/// A date-time or null.
pub(super) fn optional_time(description: &str) -> Value {
    json!({"type": ["string", "null"], "format": "date-time", "description": description})
}

/// A whole number.
pub(super) fn integer(description: &str) -> Value {
    json!({"type": "integer", "description": description})
}

/// True or false.
pub(super) fn flag(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

/// A list of strings.
pub(super) fn texts(description: &str) -> Value {
    json!({"type": "array", "items": {"type": "string"}, "description": description})
}

/// An object whose members are its owner's business.
pub(super) fn free_object(description: &str) -> Value {
    json!({"type": "object", "additionalProperties": true, "description": description})
}

/// Which way a schema looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// What a caller may send: optional members may be null, and rules hold.
    In,
    /// What the server answers.
    Out,
}

/// The properties of these members. `text_of` tells what a member is, by its path (`scopes.identifier`).
pub(super) fn properties(members: &[Member], way: Way, path: &str, text_of: &dyn Fn(&str) -> String) -> Value {
    let property = |member: &Member| {
        let path = format!("{path}{}", member.name);
        let mut schema = of_shape(&member.shape, way, &path, text_of);
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".to_owned(), text_of(&path).into());
        }
        if !member.required && way == Way::In {
            schema = nullable(schema);
        }
        (member.name.to_owned(), schema)
    };
    Value::Object(members.iter().map(property).collect())
}

/// The names of the members that must be there.
pub(super) fn required(members: &[Member]) -> Vec<&'static str> {
    members.iter().filter(|member| member.required).map(|member| member.name).collect()
}

fn of_shape(shape: &Shape, way: Way, path: &str, text_of: &dyn Fn(&str) -> String) -> Value {
    let inside = |members: &[Member]| {
        let properties = properties(members, way, &format!("{path}."), text_of);
        let required = if way == Way::In { required(members) } else { Vec::new() };
        json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
    };
    match shape {
        Shape::Any => json!({}),
        Shape::Text(rule) if way == Way::In => ruled(*rule),
        Shape::Text(_) => json!({"type": "string"}),
        Shape::Choice(words) => json!({"type": "string", "enum": words}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Integer(bounds) => json!({"type": "integer", "minimum": bounds.start(), "maximum": bounds.end()}),
        Shape::Time => json!({"type": "string", "format": "date-time"}),
        Shape::FreeObject(_) => json!({"type": "object", "additionalProperties": true}),
        Shape::Object(members) => inside(members),
        Shape::Texts(items_max, rule) => {
            let items = if way == Way::In { ruled(*rule) } else { json!({"type": "string"}) };
            json!({"type": "array", "items": items, "maxItems": items_max, "uniqueItems": true})
        }
        Shape::Objects(items_max, members) => {
            json!({"type": "array", "items": inside(members), "maxItems": items_max})
        }
    }
}

/// A string under a rule, as far as the rule can be told.
pub(super) fn ruled(rule: TextRule) -> Value {
    let facts = facts_of(rule);
    let mut schema = Map::from_iter([("type".to_owned(), json!("string"))]);
    let all = [
        ("minLength", facts.chars_min.map(Value::from)),
        ("maxLength", facts.chars_max.map(Value::from)),
        ("pattern", facts.pattern.map(Value::from)),
    ];
    schema.extend(all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Value::Object(schema)
}

/// The same, or null.
fn nullable(mut schema: Value) -> Value {
    if let Some(object) = schema.as_object_mut() {
        if let Some(kind) = object.get("type").and_then(Value::as_str).map(str::to_owned) {
            object.insert("type".to_owned(), json!([kind, "null"]));
        }
        if let Some(words) = object.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
    }
    schema
}
