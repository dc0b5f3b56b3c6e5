//! Applies operations to a draft of the document, which takes its place only when all of them fit.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::path::Segment;
use super::{FILTER_STEPS_MAX, Operation, PatchError, Path, Replacing, WRITTEN_BYTES_MAX, kind};
use crate::filter::{Filter, existing_key, matches, quoted, steps_max};

pub(super) fn apply(
    operations: &[Operation],
    document: &mut Map<String, Value>,
    known: &[&str],
    replacing: Replacing,
) -> Result<(), PatchError> {
    let mut draft = document.clone();
    let mut left = Left { bytes: WRITTEN_BYTES_MAX, steps: FILTER_STEPS_MAX };
    for (index, operation) in operations.iter().enumerate() {
        let (path, change) = match operation {
            Operation::Add { path, value } => (path.as_ref(), Change::Add(value)),
            Operation::Replace { path, value } => (path.as_ref(), Change::Replace(value)),
            Operation::Remove { path } => (Some(path), Change::Remove),
        };
        let mut edit = Edit::new(change, replacing, &mut left);
        let result = match path {
            Some(path) => edit.document_at(&mut draft, path, known),
            None => edit.document(&mut draft, known),
        };
        result.map_err(|message| {
            let member = if path.is_some() { "path" } else { "value" };
            let text = path.map(|path| Value::from(path.text()));
            PatchError::new(format!("/Operations/{index}/{member}"), text.as_ref(), message)
        })?;
    }
    *document = draft;
    Ok(())
}

#[derive(Clone, Copy)]
enum Change<'a> {
    Add(&'a Value),
    Replace(&'a Value),
    Remove,
}

/// What the whole patch may still write, and compare.
struct Left {
    bytes: usize,
    steps: u64,
}

/// One operation on its way to the places its path names. Errors are messages for the caller.
struct Edit<'a> {
    change: Change<'a>,
    replacing: Replacing,
    value_bytes: usize,
    left: &'a mut Left,
}

impl<'a> Edit<'a> {
    fn new(change: Change<'a>, replacing: Replacing, left: &'a mut Left) -> Edit<'a> {
        let value_bytes = match change {
            Change::Add(value) | Change::Replace(value) => value.to_string().len(),
            Change::Remove => 0,
        };
        Edit { change, replacing, value_bytes, left }
    }

    /// An operation without a path: the value's members are the attributes.
    fn document(&mut self, document: &mut Map<String, Value>, known: &[&str]) -> Result<(), String> {
        self.charge()?;
        match self.change {
            Change::Add(Value::Object(additions)) => merge(document, additions, known, add),
            Change::Replace(Value::Object(additions)) => merge(document, additions, known, self.replace_member()),
            // Not reached from `Patch::parse`; a caller can build such an operation by hand.
            _ => return Err("send an object of attributes, or add \"path\"".to_owned()),
        }
        Ok(())
    }

    fn document_at(&mut self, document: &mut Map<String, Value>, path: &Path, known: &[&str]) -> Result<(), String> {
        let [Segment::Name(typed), rest @ ..] = path.segments() else {
            return Err("start the path with an attribute name".to_owned());
        };
        let listed = known.iter().find(|name| name.eq_ignore_ascii_case(typed));
        let listed = listed.copied().unwrap_or(typed);
        let name = existing_key(document, typed).unwrap_or(listed).to_owned();
        self.member(document, name, rest)
    }

    /// The member `name` (already in the document's spelling), and on to `rest` below it.
    fn member(&mut self, members: &mut Map<String, Value>, name: String, rest: &[Segment]) -> Result<(), String> {
        let Some((next, rest)) = rest.split_first() else {
            return self.last_member(members, name);
        };
        let missing = members.get(&name).is_none_or(Value::is_null);
        if missing {
            // An attribute without a value takes one on the way (RFC 7644 section 3.5.2.1).
            let container = match (self.change, next) {
                (Change::Remove, _) | (_, Segment::Matching(_)) => {
                    return Err(nothing_there(&name));
                }
                (_, Segment::Name(next)) if next == "-" || array_index(next).is_some() => Value::Array(Vec::new()),
                (_, Segment::Name(_)) => Value::Object(Map::new()),
            };
            members.insert(name.clone(), container);
        }
        match members.get_mut(&name) {
            Some(child) => self.below(child, next, rest),
            None => Err(nothing_there(&name)),
        }
    }

    fn last_member(&mut self, members: &mut Map<String, Value>, name: String) -> Result<(), String> {
        if matches!(self.change, Change::Remove) {
            let removed = members.remove(&name);
            return removed.map(drop).ok_or_else(|| nothing_there(&name));
        }
        self.write(members.entry(name).or_insert(Value::Null), self.replace_member())
    }

    fn replace_member(&self) -> fn(&mut Value, &Value) {
        match self.replacing {
            Replacing::Whole => set,
            Replacing::Named => set_named,
        }
    }

    /// One step down from `node`, and on to `rest` from there.
    fn below(&mut self, node: &mut Value, step: &Segment, rest: &[Segment]) -> Result<(), String> {
        match (node, step) {
            (Value::Object(members), Segment::Name(typed)) => {
                let name = existing_key(members, typed).unwrap_or(typed).to_owned();
                self.member(members, name, rest)
            }
            (Value::Array(items), Segment::Name(index)) => self.item(items, index, rest),
            (Value::Array(items), Segment::Matching(filter)) => self.matching(items, filter, rest),
            (other, Segment::Name(name)) => {
                Err(format!("change the path: {} stands below {}, which has no members", quoted(name), kind(other)))
            }
            (other, Segment::Matching(_)) => {
                Err(format!("change the path: a value filter selects from an array, and this is {}", kind(other)))
            }
        }
    }

    /// The item at an index, or `-` for the place after the last one.
    fn item(&mut self, items: &mut Vec<Value>, typed: &str, rest: &[Segment]) -> Result<(), String> {
        let count = items.len();
        let index = match array_index(typed) {
            Some(index) => index,
            None if typed == "-" => count,
            None => {
                return Err(format!(
                    "change {} to an index, \"-\" or a value filter: it stands below an array",
                    quoted(typed)
                ));
            }
        };
        match (self.change, rest) {
            (Change::Add(value), []) if index <= count => {
                self.charge()?;
                items.insert(index, value.clone());
                return Ok(());
            }
            (Change::Remove, []) if index < count => {
                items.remove(index);
                return Ok(());
            }
            _ => {}
        }
        let Some(item) = items.get_mut(index) else {
            return Err(format!("change the index {}: the array has {count} items, counted from 0", quoted(typed)));
        };
        match rest {
            [] => self.write(item, set),
            [next, rest @ ..] => self.below(item, next, rest),
        }
    }

    /// Every item that matches the filter; there must be one.
    fn matching(&mut self, items: &mut Vec<Value>, filter: &Filter, rest: &[Segment]) -> Result<(), String> {
        let count = items.len();
        self.charge_steps(items.iter().map(|item| steps_max(filter, item)).fold(0, u64::saturating_add))?;
        let mut is_found = false;
        if let (Change::Remove, []) = (self.change, rest) {
            items.retain(|item| !matches(filter, item));
            is_found = items.len() < count;
        } else {
            for item in items.iter_mut().filter(|item| matches(filter, item)) {
                is_found = true;
                match rest {
                    [] => self.write(item, set)?,
                    [next, rest @ ..] => self.below(item, next, rest)?,
                }
            }
        }
        if is_found {
            return Ok(());
        }
        Err(format!("change the value filter: none of the {count} items matches {filter}"))
    }

    /// Adds to or replaces a value in its place.
    fn write(&mut self, target: &mut Value, replace: fn(&mut Value, &Value)) -> Result<(), String> {
        self.charge()?;
        match self.change {
            Change::Add(value) => add(target, value),
            Change::Replace(value) => replace(target, value),
            // What holds a value removes it.
            Change::Remove => {}
        }
        Ok(())
    }

    fn charge(&mut self) -> Result<(), String> {
        match self.left.bytes.checked_sub(self.value_bytes) {
            Some(left) => {
                self.left.bytes = left;
                Ok(())
            }
            None => Err(format!(
                "write less at once: a patch may write {WRITTEN_BYTES_MAX} bytes, and a value filter \
                 writes its value to each item it selects"
            )),
        }
    }

    fn charge_steps(&mut self, steps: u64) -> Result<(), String> {
        match self.left.steps.checked_sub(steps) {
            Some(left) => {
                self.left.steps = left;
                Ok(())
            }
            None => Err(format!(
                "select less at once: the value filters of a patch may take {FILTER_STEPS_MAX} comparisons, and each \
                 value of an array is compared with each value that a filter names"
            )),
        }
    }
}

/// `0`, `1`, `17`; a leading zero makes it a name (RFC 6901 section 4).
fn array_index(text: &str) -> Option<usize> {
    let is_canonical = text == "0" || text.starts_with(|first| matches!(first, '1'..='9'));
    if is_canonical { text.parse().ok() } else { None }
}

fn nothing_there(name: &str) -> String {
    format!("change the path: there is no {} to select", quoted(name))
}

fn set(target: &mut Value, value: &Value) {
    *target = value.clone();
}

/// The `replace` of RFC 7644 section 3.5.2.3. It recurses as [`add`] does.
fn set_named(target: &mut Value, value: &Value) {
    match (target, value) {
        (Value::Object(members), Value::Object(additions)) => merge(members, additions, &[], set_named),
        (target, value) => set(target, value),
    }
}

/// The `add` of RFC 7644 section 3.5.2.1. It recurses no deeper than the value, which
/// `VALUE_DEPTH_MAX` bounds.
fn add(target: &mut Value, value: &Value) {
    match (target, value) {
        (Value::Array(items), Value::Array(additions)) => add_items(items, additions),
        (Value::Array(items), addition) => add_items(items, std::slice::from_ref(addition)),
        (Value::Object(members), Value::Object(additions)) => merge(members, additions, &[], add),
        (target, value) => set(target, value),
    }
}

/// Appends what the array does not hold yet: adding twice is adding once.
fn add_items(items: &mut Vec<Value>, additions: &[Value]) {
    let held: HashSet<&Value> = items.iter().collect();
    let missing = additions.iter().filter(|addition| !held.contains(addition));
    let missing: Vec<Value> = missing.cloned().collect();
    items.extend(missing);
}

/// Writes each addition to the member it names. Names are looked up in a table, not by walking the
/// members: both sides may be long.
fn merge(
    members: &mut Map<String, Value>,
    additions: &Map<String, Value>,
    known: &[&str],
    write: fn(&mut Value, &Value),
) {
    let known = known.iter().copied();
    let existing = members.keys().map(String::as_str);
    let mut spellings: HashMap<String, String> =
        known.chain(existing).map(|name| (name.to_ascii_lowercase(), name.to_owned())).collect();
    for (typed, value) in additions {
        let name = if members.contains_key(typed) {
            typed
        } else {
            spellings.entry(typed.to_ascii_lowercase()).or_insert_with(|| typed.clone())
        };
        match members.get_mut(name) {
            Some(existing) => write(existing, value),
            None => {
                members.insert(name.clone(), value.clone());
            }
        }
    }
}
