//! A module's settings in words, out of the JSON Schema in its manifest. It reads the common parts of a schema, and leaves
//! the rest to `--output json`.

use serde_json::Value;

/// Members inside one another that are told.
const DEPTH_MAX: usize = 4;

/// A line for each member: its name, what it holds, whether it is needed, what it is for.
pub(super) fn in_words(schema: &Value) -> String {
    let mut lines = Vec::new();
    members(schema, 0, &mut lines);
    if lines.is_empty() { "none".to_owned() } else { lines.join("\n") }
}

fn members(schema: &Value, depth: usize, lines: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object().filter(|_| depth < DEPTH_MAX) else { return };
    for (name, member) in properties {
        let required = schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let needed = if required { "" } else { ", optional" };
        let about = member["description"].as_str().map(|text| format!(": {text}")).unwrap_or_default();
        lines.push(format!("{}{name} ({}{needed}){about}", "  ".repeat(depth), kind(member)));
        members(member, depth + 1, lines);
        members(&member["items"], depth + 1, lines);
    }
}

/// What a member holds.
fn kind(member: &Value) -> String {
    if let Some(words) = member["enum"].as_array() {
        return words.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    }
    match (&member["type"], &member["items"]) {
        (Value::String(kind), Value::Object(_)) if kind == "array" => {
            format!("list of {}", kind_of_item(&member["items"]))
        }
        (Value::String(kind), _) => kind.clone(),
        (Value::Array(kinds), _) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn kind_of_item(item: &Value) -> String {
    if item["enum"].is_array() { format!("({})", kind(item)) } else { kind(item) }
}

#[cfg(test)]
mod tests {
    use super::in_words;
    use serde_json::json;

    #[test]
    fn a_schema_is_told_member_by_member() {
        let schema = json!({"type": "object", "required": ["allow"], "properties": {
            "allow": {"type": "array", "items": {"type": "string"}, "description": "What may stay."},
            "otherwise": {"enum": ["drop", "deny"]},
            "windows": {"type": "array", "items": {"type": "object", "required": ["from"], "properties": {
                "from": {"type": "string"}, "days": {"type": "array", "items": {"enum": ["monday", "friday"]}}}}},
            "limit": {"type": ["integer", "null"]}, "free": {}}});
        let wanted = [
            "allow (list of string): What may stay.",
            "otherwise (\"drop\" or \"deny\", optional)",
            "windows (list of object, optional)",
            "  from (string)",
            "  days (list of (\"monday\" or \"friday\"), optional)",
            "limit (integer or null, optional)",
            "free (anything, optional)",
        ];
        assert_eq!(in_words(&schema), wanted.join("\n"));
        assert_eq!(in_words(&json!({})), "none");
        assert_eq!(in_words(&json!(true)), "none");
    }
}
