//! The history of one thing, and the thing as the admin API shows it: tabs that every resource has.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::icon::Icon;
use super::list::{self, newest};
use super::{access, diff, text, time};
use crate::admin::operations;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::http::console::view::View;
use crate::model::api::Api;
use crate::model::service_account::ServiceAccount;
use crate::model::{Record, Resource};

/// Commits on one page.
const COMMITS: u32 = list::ROWS;
/// Members that a line names.
const NAMED_MAX: usize = 4;

/// Everything that changed a thing, newest first.
pub(crate) fn tab(view: &View<'_>, id: &str) -> Result<Markup> {
    let page = view.asked.query.value("page").and_then(|text| text.parse().ok()).unwrap_or(1_u32).max(1);
    let start_index = (page - 1).saturating_mul(COMMITS).saturating_add(1);
    let query = crate::store::Query { start_index, ..newest(COMMITS, Vec::new()) };
    let found = operations::history(view.app, id, &query)?.map(crate::store::CommitRow::into_json);
    Ok(html! {
        @if found.items.is_empty() {
            (text::empty(Icon::Audit, "No history", &html! { "Nothing is recorded of this." }, &html! {}))
        } @else {
            div.card { (lines(view, &found.items)?) }
            (list::pager(view, page, &found))
        }
    })
}

/// Names of accounts and APIs, by id: grants know only the ids.
struct Names {
    accounts: BTreeMap<String, Record<ServiceAccount>>,
    apis: BTreeMap<String, Record<Api>>,
}

impl Names {
    fn of(view: &View<'_>, commits: &[Value]) -> Result<Self> {
        let changes = commits.iter().filter_map(|commit| commit["changes"].as_array()?.last());
        let grants: Vec<&Value> = changes.filter(|change| change["resourceType"] == "Grant").map(shown).collect();
        let ids =
            |member: &'static str| grants.iter().filter_map(move |grant| grant[member].as_str().map(str::to_owned));
        Ok(Self { accounts: access::by_id(view, ids("serviceAccountId"))?, apis: access::by_id(view, ids("apiId"))? })
    }
}

/// What a commit did, in a line, with the names of what it is about.
pub(crate) fn told(view: &View<'_>, commit: &Value) -> Result<String> {
    let commits = std::slice::from_ref(commit);
    Ok(summary(commit, &Names::of(view, commits)?))
}

/// Commits, a line each.
pub(crate) fn lines(view: &View<'_>, commits: &[Value]) -> Result<Markup> {
    let names = Names::of(view, commits)?;
    Ok(html! {
        ol.commits {
            @for commit in commits {
                li {
                    (when(view, commit))
                    div {
                        a.name href=(format!("/console/audit/{}", word(&commit["id"]))) dir="auto" { (summary(commit, &names)) }
                        small {
                            "by " bdi { (word(&commit["actor"]["displayName"])) }
                            @if let Some(reason) = commit["reason"].as_str() { " — " bdi { (reason) } }
                        }
                    }
                }
            }
        }
    })
}

/// When a commit was made.
pub(crate) fn when(view: &View<'_>, commit: &Value) -> Markup {
    match Timestamp::parse(word(&commit["createdAt"])) {
        Some(at) => time::relative(at, view.now),
        None => html! {},
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What a commit did, in a line. What was asked for is the last of its changes: a delete takes others along first.
fn summary(commit: &Value, names: &Names) -> String {
    let changes = commit["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(change) = changes.last() else { return "Nothing changed".to_owned() };
    let count = commit["changeCount"].as_u64().unwrap_or(changes.len() as u64);
    let more = match count.saturating_sub(1) {
        0 => String::new(),
        1 => " and 1 more".to_owned(),
        more => format!(" and {more} more"),
    };
    match (word(&change["resourceType"]), verb(change)) {
        ("ConsoleSession", "Created") => "Signed in to the console".to_owned(),
        ("ConsoleSession", _) => "Ended a session of the console".to_owned(),
        ("Grant", verb) => format!("{}{}", grant(change, verb, names), members(change)),
        (resource_type, verb) => {
            format!("{verb} {} {}{}{more}", type_name(resource_type), name(change), members(change))
        }
    }
}

/// A grant in words.
fn grant(change: &Value, verb: &str, names: &Names) -> String {
    let shown = shown(change);
    let scopes = diff::shown(&shown["scopes"]);
    let account = names.accounts.get(word(&shown["serviceAccountId"]));
    let api = names.apis.get(word(&shown["apiId"]));
    let account = account.map_or("an account that is gone", |account| account.value.display_name.as_str());
    let api = api.map_or("an API that is gone", |api| api.value.display_name.as_str());
    match verb {
        "Created" => format!("Granted {scopes} at {api} to {account}"),
        "Deleted" => format!("Revoked {scopes} at {api} from {account}"),
        _ => format!("Changed the grant of {account} at {api}"),
    }
}

/// How the thing that a change is about looks, or looked at the end.
fn shown(change: &Value) -> &Value {
    if change["after"].is_null() { &change["before"] } else { &change["after"] }
}

/// What a change did.
pub(crate) fn verb(change: &Value) -> &'static str {
    match (change["before"].is_null(), change["after"].is_null()) {
        (true, _) => "Created",
        (_, true) => "Deleted",
        _ => "Changed",
    }
}

/// What people call a type.
pub(crate) fn type_name(resource_type: &str) -> &str {
    match resource_type {
        "ServiceAccount" => "service account",
        "MachineToMachine" => "integration",
        "Api" => "API",
        "Grant" => "grant",
        "Policy" => "policy",
        "Credential" => "secret",
        "SigningKey" => "signing key",
        "ApiToken" => "API token",
        "ConsoleSession" => "session",
        "PolicyModule" => "policy module",
        other => other,
    }
}

/// What people call the thing that a change is about.
pub(crate) fn name(change: &Value) -> String {
    let shown = shown(change);
    let known = ["displayName", "userName", "appId", "name"].iter().find_map(|member| shown[*member].as_str());
    match (known, shown["last4"].as_str(), shown["alg"].as_str()) {
        (Some(name), _, _) => name.to_owned(),
        (None, Some(last4), _) => format!("…{last4}"),
        (None, None, Some(alg)) => alg.to_owned(),
        _ => diff::shown(&shown["scopes"]).trim_matches('"').to_owned().replace("null", ""),
    }
}

/// The members that a change touched.
fn members(change: &Value) -> String {
    if verb(change) != "Changed" {
        return String::new();
    }
    let differences = diff::differences(Some(&change["before"]), Some(&change["after"]));
    let mut names: Vec<&str> = Vec::new();
    for difference in &differences {
        let name = difference.path.split(['.', '[']).next().unwrap_or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let rest = if names.len() > NAMED_MAX { ", …" } else { "" };
    if names.is_empty() { String::new() } else { format!(": {}{rest}", names[..names.len().min(NAMED_MAX)].join(", ")) }
}

/// A thing as the admin API shows it, and how to ask for it there.
pub(crate) fn json_tab<R: Resource>(view: &View<'_>, record: &Record<R>) -> Markup {
    let members: Map<String, Value> = record.to_json(view.app.public_url());
    let location = members["meta"]["location"].as_str().unwrap_or_default().to_owned();
    let pretty = serde_json::to_string_pretty(&members).unwrap_or_default();
    let curl = format!("curl -H \"Authorization: Bearer $API_TOKEN\" \\\n  {location}");
    html! {
        div.stack {
            (code_block("the request", &curl))
            (code_block("the JSON", &pretty))
        }
    }
}

/// Text for machines, with a button that copies it.
pub(crate) fn code_block(label: &str, code: &str) -> Markup {
    html! {
        div.code {
            pre tabindex="0" aria-label=(label) { code { (code) } }
            button.copy type="button" data-copy=(code) aria-label=(format!("Copy {label}")) title=(format!("Copy {label}")) hidden {
                (Icon::Copy)
            }
        }
    }
}
