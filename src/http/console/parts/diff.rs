//! What changed between two snapshots of a thing, member by member.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::{Map, Value};

/// A member that is not the same before and after.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference {
    /// Where it is: `scopes[read].description`.
    pub(crate) path: String,
    /// `None` where there was none.
    pub(crate) before: Option<Value>,
    /// `None` where there is none any more.
    pub(crate) after: Option<Value>,
}

/// Members that change with every write and say nothing.
const SILENT: &[&str] = &["revision", "meta"];

/// The members that differ, in the order of their paths. A snapshot that is not there has no members.
pub(crate) fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let mut found: BTreeMap<String, (Option<Value>, Option<Value>)> = BTreeMap::new();
    for (path, value) in before.map(leaves).unwrap_or_default() {
        found.entry(path).or_default().0 = Some(value);
    }
    for (path, value) in after.map(leaves).unwrap_or_default() {
        found.entry(path).or_default().1 = Some(value);
    }
    let differs = |(before, after): &(Option<Value>, Option<Value>)| before != after;
    let found = found.into_iter().filter(|(_, values)| differs(values));
    found.map(|(path, (before, after))| Difference { path, before, after }).collect()
}

/// Every leaf with its path. What is empty or null counts as not there.
fn leaves(snapshot: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    if let Value::Object(members) = snapshot {
        for (name, value) in members.iter().filter(|(name, _)| !SILENT.contains(&name.as_str())) {
            gather(name.clone(), value, &mut found);
        }
    }
    found
}

fn gather(path: String, value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                gather(format!("{path}.{name}"), value, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                gather(format!("{path}[{}]", key_of(item).unwrap_or_else(|| index.to_string())), item, found);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        leaf => found.push((path, leaf.clone())),
    }
}

/// What tells an item of a list from the others, so that one that moved is the same.
fn key_of(item: &Value) -> Option<String> {
    let members: &Map<String, Value> = item.as_object()?;
    ["identifier", "id", "name"].iter().find_map(|name| members.get(*name)?.as_str().map(str::to_owned))
}

/// A value as a text: words as they are, everything else as JSON.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The differences as a table: was, is.
pub(crate) fn table(differences: &[Difference]) -> Markup {
    html! {
        div.table {
            table.diff.lines {
                thead { tr { th scope="col" { "Member" } th scope="col" { "Before" } th scope="col" { "After" } } }
                tbody {
                    @for difference in differences {
                        tr {
                            th.all scope="row" { code { (difference.path) } }
                            td { (side(difference.before.as_ref(), true)) }
                            td { (side(difference.after.as_ref(), false)) }
                        }
                    }
                }
            }
        }
    }
}

fn side(value: Option<&Value>, is_before: bool) -> Markup {
    html! {
        @match value {
            None => { span.quiet { "—" } }
            Some(value) if is_before => { del dir="auto" { (shown(value)) } }
            Some(value) => { ins dir="auto" { (shown(value)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_member_that_differs_is_named() {
        let before = json!({"id": "1", "active": true, "scopes": [{"identifier": "b", "d": "x"}, {"identifier": "a", "d": "y"}],
            "attributes": {"team": "ops"}, "revision": 1, "list": ["p", "q"]});
        let after = json!({"id": "1", "active": false, "scopes": [{"identifier": "a", "d": "y"}, {"identifier": "b", "d": "z"}],
            "attributes": {"team": "ops", "tier": 2}, "revision": 2, "list": ["p"], "none": null});
        let found = differences(Some(&before), Some(&after));
        let told: Vec<String> = found
            .iter()
            .map(|d| {
                let side = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), shown);
                format!("{}: {} > {}", d.path, side(&d.before), side(&d.after))
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        active: yes > no
        attributes.tier: - > 2
        list: p, q > p
        scopes[b].d: x > z
        ");
        assert_eq!(differences(None, Some(&json!({"id": "1"}))).len(), 1);
        assert!(differences(Some(&before), Some(&before)).is_empty());
    }
}
