//! Names in place of ids: what people type is found by any member that names it, and a near miss is told.

use std::collections::HashMap;

use grantd::model::fields::nearest;
use serde_json::Value;

use super::remote::{PAGE_MAX, Remote, items, segment};
use super::{Failure, Outcome};

/// Ids that one filter asks for: a filter has at most 8192 bytes.
const IDS_AT_ONCE: usize = 250;
/// Things of one name that a refusal tells apart.
const TOLD_MAX: usize = 5;

/// A type of resource, as commands speak of it.
pub(super) struct Noun {
    /// `account`
    pub(super) word: &'static str,
    /// Its path under `/api/v1`.
    pub(super) path: &'static str,
    /// The members that name one beside its id, the one that people use first.
    pub(super) names: &'static [&'static str],
}

pub(super) const ACCOUNT: Noun = Noun { word: "account", path: "/resources/cid/ServiceAccount", names: &["userName"] };
pub(super) const CLIENT: Noun =
    Noun { word: "client", path: "/resources/cid/MachineToMachine", names: &["displayName", "clientId"] };
pub(super) const API: Noun = Noun { word: "API", path: "/resources/cid/Api", names: &["appId", "audience"] };
pub(super) const GRANT: Noun = Noun { word: "grant", path: "/resources/cid/Grant", names: &[] };
pub(super) const POLICY: Noun = Noun { word: "policy", path: "/resources/cid/Policy", names: &["name"] };
pub(super) const API_TOKEN: Noun = Noun { word: "API token", path: "/auth/api-tokens", names: &["displayName"] };

impl Noun {
    /// The path of one of them.
    pub(super) fn path_of(&self, item: &Value) -> String {
        format!("{}/{}", self.path, segment(item["id"].as_str().unwrap_or_default()))
    }

    /// What people call one of them.
    pub(super) fn name_of(&self, item: &Value) -> String {
        let member = self.names.first().copied().unwrap_or("id");
        item[member].as_str().unwrap_or_default().to_owned()
    }
}

/// A text as a filter's literal.
pub(super) fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// The one that `name` names: by id, or by the only one of that name.
///
/// # Errors
/// `NotFound`, with the nearest name there is; `Failed` when several have the name; `Usage` when it is empty, as where a shell
/// puts a variable that is not set.
pub(super) fn find(remote: &Remote, noun: &Noun, name: &str) -> Outcome<Value> {
    if name.is_empty() {
        return Err(Failure::Usage(format!("the name of the {} is empty", noun.word)));
    }
    let by: Vec<String> =
        ["id"].iter().chain(noun.names).map(|member| format!("{member} eq {}", literal(name))).collect();
    let mut found = items(remote.get(noun.path, &[("filter", &by.join(" or ")), ("count", "10")])?);
    let exact = found
        .iter()
        .position(|item| ["id", "clientId", "appId"].iter().any(|member| item[*member].as_str() == Some(name)));
    if let Some(index) = exact.or((found.len() == 1).then_some(0)) {
        return Ok(found.swap_remove(index));
    }
    if found.is_empty() {
        return Err(missing(remote, noun, name));
    }
    let ids: Vec<&str> = found.iter().take(TOLD_MAX).filter_map(|item| item["id"].as_str()).collect();
    Err(Failure::failed(format!("several {}s are called {name}: name one by its id: {}", noun.word, ids.join(", "))))
}

fn missing(remote: &Remote, noun: &Noun, name: &str) -> Failure {
    let near = suggestion(remote, noun, name).unwrap_or_default();
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Failure::NotFound(format!("there is no {} {name} at {}{hint}", noun.word, remote.server()))
}

/// The nearest name among the first thousand that begin like it.
fn suggestion(remote: &Remote, noun: &Noun, name: &str) -> Outcome<Option<String>> {
    let (Some(member), Some(first)) = (noun.names.first(), name.chars().next()) else { return Ok(None) };
    let filter = format!("{member} sw {}", literal(&first.to_string()));
    let count = PAGE_MAX.to_string();
    let known = remote.get(noun.path, &[("filter", &filter), ("count", &count), ("attributes", member)])?;
    let known: Vec<String> = items(known).iter().map(|item| noun.name_of(item)).collect();
    Ok(nearest(name, known.iter().map(String::as_str)).map(str::to_owned))
}

/// The policies that are attached to APIs, clients or accounts.
pub(super) fn attached_to(remote: &Remote, places: &[Value]) -> Outcome<Vec<String>> {
    let ids: Vec<&str> = places.iter().filter_map(|place| place["id"].as_str()).collect();
    let mut named = Vec::new();
    for some in ids.chunks(IDS_AT_ONCE) {
        let filter = format!("attachedTo.id in {}", Value::from(some));
        remote.every(POLICY.path, Some(&filter), |page| {
            named.extend(page.iter().map(|policy| format!("policy {}", POLICY.name_of(policy))));
            Ok(())
        })?;
    }
    Ok(named)
}

/// What the ids among `items[…][member]` are called, by id.
pub(super) fn names_by_id(
    remote: &Remote,
    noun: &Noun,
    items_with_ids: &[Value],
    member: &str,
) -> Outcome<HashMap<String, String>> {
    let mut ids: Vec<&str> = items_with_ids.iter().filter_map(|item| item[member].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let attribute = noun.names.first().copied().unwrap_or("id");
    let count = IDS_AT_ONCE.to_string();
    let mut names = HashMap::with_capacity(ids.len());
    for some in ids.chunks(IDS_AT_ONCE) {
        let filter = format!("id in {}", Value::from(some));
        let page = remote.get(noun.path, &[("filter", &filter), ("count", &count), ("attributes", attribute)])?;
        let named = items(page).into_iter().map(|item| (super::output::text(&item, "id"), noun.name_of(&item)));
        names.extend(named);
    }
    Ok(names)
}

/// Writes the name of what `items[…][member]` refers to beside it, under `as_member`.
pub(super) fn put_names(
    remote: &Remote,
    noun: &Noun,
    items_with_ids: &mut [Value],
    member: &str,
    as_member: &str,
) -> Outcome {
    let names = names_by_id(remote, noun, items_with_ids, member)?;
    for item in items_with_ids {
        let id = super::output::text(item, member);
        item[as_member] = names.get(&id).cloned().unwrap_or(id).into();
    }
    Ok(())
}
