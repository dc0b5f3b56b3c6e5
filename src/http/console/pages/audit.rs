//! Reporting → Audit: every change, who made it and why.

use maud::{Markup, html};
use serde_json::Value;

use super::{accounts, apis, clients, grants, policies};
use crate::admin::operations;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::asked::escape;
use crate::http::console::draft::Draft;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::list::{self, Facet};
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{diff, history, text};
use crate::http::console::view::View;
use crate::model::id::Id;
use crate::store::{CommitRow, Page as Rows};

pub(crate) const PATH: &str = "/console/audit";
/// Changes of one commit that its page shows: a cascade can have thousands.
const CHANGES_MAX: usize = 40;
/// Members that it shows of all of them.
const MEMBERS_MAX: usize = 120;

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let looked = list::looked(view, &["created"], "-created");
    let by = view.asked.query.value("by").unwrap_or_default();
    let found = find(view, &looked, by)?.map(CommitRow::into_json);
    let body = html! {
        div.tools {
            (list::search(view, "Search by reason, name or id", looked.search))
            (list::facets(view, "by", "Made by", &[
                Facet { value: "", label: "All", count: None },
                Facet { value: "apiToken", label: "API tokens", count: None },
                Facet { value: "serviceAccount", label: "Service accounts", count: None },
                Facet { value: "system", label: "grantd itself", count: None },
            ]))
        }
        div #list {
            @if found.items.is_empty() {
                (text::empty(Icon::Audit, "Nothing fits", &html! { "No change fits what you look for." }, &html! { a.button href=(PATH) { "Show all" } }))
            } @else { div.card { (history::lines(view, &found.items)?) } }
            (list::pager(view, looked.page, &found))
        }
    };
    let lead = html! { p { "Every change, who made it and why. The trail is sealed into a chain that shows if one was altered." } };
    Ok(Page::new(Section::Audit, "Audit").lead(lead).body(body).into())
}

/// What is looked for: everything about one id, or a text in the reasons and the names.
fn find(view: &View<'_>, looked: &list::Looked<'_>, by: &str) -> Result<Rows<CommitRow>> {
    let mut filters = Vec::new();
    if !by.is_empty() {
        filters.push(list::equals("actor.type", by)?);
    }
    if by.is_empty() && Id::parse(looked.search).is_some() {
        return operations::history(view.app, looked.search, &looked.query(Vec::new()));
    }
    if !looked.search.is_empty() {
        filters.push(list::contains(&["reason", "actor.displayName"], looked.search)?);
    }
    operations::commit_list(view.app, &looked.query(filters))
}

pub(crate) fn draw_commit(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let commit = operations::commit_read(view.app, view.parameter("id"))?.into_json();
    let changes = commit["changes"].as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let optional = |value: &Value| match value.as_str() {
        Some(text) => html! { bdi { (text) } },
        None => html! { span.quiet { "None" } },
    };
    let cards = change_cards(&changes);
    let body = html! {
        div.stack {
            div.card {
                (text::facts(&[
                    ("When", history::when(view, &commit)),
                    ("By", html! { bdi { (word(&commit["actor"]["displayName"])) } " " (badge(Tone::Plain, actor(&word(&commit["actor"]["type"])))) }),
                    ("Reason", optional(&commit["reason"])),
                    ("Request", html! { code { (word(&commit["requestId"])) } }),
                    ("Correlation", optional(&commit["correlation"])),
                    ("Place in the chain", html! {
                        (text::thousands(commit["sequence"].as_i64().unwrap_or_default())) " "
                        @if commit["sealed"] == true { (badge(Tone::Good, "Sealed")) } @else { (badge(Tone::Plain, "To be sealed within a second")) }
                    }),
                ]))
            }
            @for card in &cards { (card) }
            @if changes.len() > cards.len() {
                p.quiet { "And " (changes.len() - cards.len()) " changes more: the admin API lists all of them." }
            }
        }
    };
    Ok(Page::new(Section::Audit, history::told(view, &commit)?).within("Audit", PATH).body(body).into())
}

fn actor(actor_type: &str) -> &'static str {
    match actor_type {
        "apiToken" => "API token",
        "serviceAccount" => "service account",
        _ => "grantd itself",
    }
}

/// The changes of a commit, the last one first, as far as a page goes.
fn change_cards(changes: &[Value]) -> Vec<Markup> {
    let mut room = MEMBERS_MAX;
    let mut cards = Vec::new();
    for change in changes.iter().rev().take(CHANGES_MAX) {
        if room == 0 {
            break;
        }
        cards.push(change_card(change, &mut room));
    }
    cards
}

fn change_card(change: &Value, room: &mut usize) -> Markup {
    let resource_type = change["resourceType"].as_str().unwrap_or_default();
    let id = change["id"].as_str().unwrap_or_default();
    let there = |value: &Value| if value.is_null() { None } else { Some(value.clone()) };
    let mut differences = diff::differences(there(&change["before"]).as_ref(), there(&change["after"]).as_ref());
    let left_out = differences.len().saturating_sub(*room);
    differences.truncate(*room);
    *room -= differences.len();
    let place = (!change["after"].is_null()).then(|| place_of(resource_type, id)).flatten();
    let name = history::name(change);
    html! {
        section.card {
            header {
                h2 {
                    (history::verb(change)) " " (history::type_name(resource_type)) " "
                    @match place { Some(place) => { a href=(place) dir="auto" { (name) } } None => { bdi { (name) } } }
                }
                a.quiet href=(format!("{PATH}?q={}", escape(id))) { "All about it" }
            }
            (diff::table(&differences))
            @if left_out > 0 { p.quiet.below { "And " (left_out) " members more: the admin API shows all of them." } }
        }
    }
}

/// The page of what a change is about.
fn place_of(resource_type: &str, id: &str) -> Option<String> {
    match resource_type {
        "ServiceAccount" => Some(accounts::path_of(id)),
        "MachineToMachine" => Some(clients::path_of(id)),
        "Api" => Some(apis::path_of(id)),
        "Grant" => Some(grants::path_of(id)),
        "Policy" => Some(policies::path_of(id)),
        "SigningKey" => Some("/console/keys".to_owned()),
        _ => None,
    }
}
