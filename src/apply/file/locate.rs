//! Where in a file something stands that a JSON pointer leads to. Found by reading the file again: only mistakes ask.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_saphyr::Spanned;
use toml::de::{DeTable, DeValue};

use super::format::{Format, place_of};

/// Line and column of what `pointer` leads to: the name of a member, or an item; else of what is around it.
pub(super) fn place(format: Format, text: &str, pointer: &str) -> (usize, usize) {
    let parts: Vec<String> =
        pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let found = match format {
        Format::Toml => in_toml(text, &parts).map(|byte| place_of(text, byte)),
        Format::Json => in_json(text, &parts).map(|byte| place_of(text, byte)),
        Format::Yaml => in_yaml(text, &parts),
    };
    found.unwrap_or((1, 1))
}

fn in_toml(text: &str, parts: &[String]) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut byte = None;
    let mut table: Option<&DeTable<'_>> = Some(document.get_ref());
    let mut array = None;
    for part in parts {
        let next = match (table, array.take()) {
            (Some(members), _) => {
                let found = members.iter().find(|(name, _)| name.get_ref().as_ref() == part);
                found.map(|(name, value)| (name.span().start, value))
            }
            (None, Some(items)) => {
                let items: &toml::de::DeArray<'_> = items;
                let found = part.parse::<usize>().ok().and_then(|index| items.get(index));
                found.map(|value| (value.span().start, value))
            }
            (None, None) => None,
        };
        let Some((start, value)) = next else { break };
        byte = Some(start);
        (table, array) = match value.get_ref() {
            DeValue::Table(members) => (Some(members), None),
            DeValue::Array(items) => (None, Some(items)),
            _ => (None, None),
        };
    }
    byte
}

fn in_json(text: &str, parts: &[String]) -> Option<usize> {
    let start = |raw: &RawValue| raw.get().as_ptr() as usize - text.as_ptr() as usize;
    let mut here: &RawValue = serde_json::from_str(text).ok()?;
    let mut byte = Some(start(here));
    for part in parts {
        let next = if here.get().starts_with('{') {
            let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(here.get()).ok()?;
            let value = members.get(part.as_str()).copied();
            byte = value.map_or(byte, |value| Some(name_before(text, start(value))));
            value
        } else {
            let items: Vec<&RawValue> = serde_json::from_str(here.get()).unwrap_or_default();
            let value = part.parse::<usize>().ok().and_then(|index| items.get(index).copied());
            byte = value.map_or(byte, |value| Some(start(value)));
            value
        };
        match next {
            Some(value) => here = value,
            None => break,
        }
    }
    byte
}

/// Where the name begins that stands before a member's value.
fn name_before(text: &str, value: usize) -> usize {
    let head = text[..value].trim_end().trim_end_matches(':').trim_end();
    let Some(inside) = head.strip_suffix('"') else { return value };
    // The quote that opens it is the last one that no backslash escapes.
    let opening = inside.rmatch_indices('"').find(|(at, _)| {
        let backslashes = inside[..*at].len() - inside[..*at].trim_end_matches('\\').len();
        backslashes % 2 == 0
    });
    opening.map_or(value, |(at, _)| at)
}

/// A node of YAML that knows where it stands.
enum Node {
    Leaf,
    List(Vec<Spanned<Node>>),
    Members(Vec<(Spanned<String>, Spanned<Node>)>),
}

fn in_yaml(text: &str, parts: &[String]) -> Option<(usize, usize)> {
    let root: Spanned<Node> = serde_saphyr::from_str(text).ok()?;
    let at = |location: serde_saphyr::Location| (location.line() as usize, location.column() as usize);
    let mut place = at(root.referenced);
    let mut here = &root.value;
    for part in parts {
        let next = match here {
            Node::Members(members) => {
                let found = members.iter().find(|(name, _)| name.value == *part);
                found.map(|(name, value)| (at(name.referenced), value))
            }
            Node::List(items) => {
                let found = part.parse::<usize>().ok().and_then(|index| items.get(index));
                found.map(|item| (at(item.referenced), item))
            }
            Node::Leaf => None,
        };
        let Some((found, value)) = next else { break };
        place = found;
        here = &value.value;
    }
    Some(place)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Node::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = members.next_entry()? {
            all.push(member);
        }
        Ok(Node::Members(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "# access\n[[accounts]]\nuserName = \"a\"\n\n[[accounts]]\nuserName = \"b\"\nattributes = { \"x/y\" = [1, 2] }\n";
    const YAML: &str = "# access\naccounts:\n  - userName: a\n  - userName: b\n    attributes:\n      x/y: [1, 2]\n";
    const JSON: &str =
        "{\"accounts\": [{\"userName\": \"a\"},\n {\"userName\": \"b\", \"attributes\" : {\"x/y\": [1, 2]}}]}";

    #[test]
    fn what_a_pointer_leads_to_is_found_in_every_format() {
        for (format, text, pointer, wanted) in [
            (Format::Toml, TOML, "/accounts/1/userName", (6, 1)),
            (Format::Toml, TOML, "/accounts/1/attributes/x~1y", (7, 16)),
            (Format::Toml, TOML, "/accounts/1/attributes/x~1y/1", (7, 28)),
            (Format::Yaml, YAML, "/accounts/1/userName", (4, 5)),
            (Format::Yaml, YAML, "/accounts/1/attributes/x~1y", (6, 7)),
            (Format::Yaml, YAML, "/accounts/1/attributes/x~1y/1", (6, 16)),
            (Format::Json, JSON, "/accounts/1/userName", (2, 3)),
            (Format::Json, JSON, "/accounts/1/attributes", (2, 20)),
            (Format::Json, JSON, "/accounts/1/attributes/x~1y/1", (2, 47)),
        ] {
            assert_eq!(place(format, text, pointer), wanted, "{format:?} {pointer}");
        }
    }

    #[test]
    fn what_is_not_there_is_told_by_what_is_around_it() {
        assert_eq!(place(Format::Json, JSON, "/accounts/1/missing/0"), (2, 2));
        assert_eq!(place(Format::Yaml, YAML, "/accounts/1/missing"), (4, 5));
        assert_eq!(place(Format::Toml, TOML, "/accounts/1/missing/0"), (5, 1));
        assert_eq!(place(Format::Toml, TOML, "/accounts/1/attributes/x~1y/7"), (7, 16));
        assert_eq!(place(Format::Toml, TOML, "/nothing"), (1, 1));
        assert_eq!(place(Format::Toml, "broken =", "/x"), (1, 1));
    }
}
