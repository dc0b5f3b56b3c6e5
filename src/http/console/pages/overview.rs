//! Overview: what there is, what changed, what is about to end, and how to begin.

use maud::{Markup, html};
use serde_json::Value;

use super::{accounts, activity, apis, clients, grants};
use crate::admin::{self, operations};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::Op;
use crate::http::console::answer::Reply;
use crate::http::console::draft::Draft;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::list::{self, first, newest};
use crate::http::console::parts::{access, history, text, time};
use crate::http::console::view::View;
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::service_account::ServiceAccount;
use crate::store::{CommitRow, Entity, Query, Total};

/// How far ahead something that ends is told of.
const SOON_SECONDS: i64 = 14 * 86_400;
/// Lines of each list.
const LINES: u32 = 6;

/// How many there are of each.
struct Counts {
    accounts: Total,
    clients: Total,
    apis: Total,
    grants: Total,
}

fn count<E: Entity>(view: &View<'_>) -> Result<Total> {
    Ok(admin::list::<E>(view.app, &first(0, Vec::new()))?.total)
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let counts = Counts {
        accounts: count::<ServiceAccount>(view)?,
        clients: count::<MachineToMachine>(view)?,
        // The built-in one is nobody's work.
        apis: admin::list::<Api>(view.app, &first(0, vec![list::equals("builtIn", false)?]))?.total,
        grants: count::<Grant>(view)?,
    };
    let body = html! {
        div.stack {
            @if counts.grants.count == 0 || counts.clients.count == 0 { (begin(view, &counts)) }
            @else { (activity::chart(view)?) }
            (tiles(&counts))
            div.halves {
                div.stack { (activity::denials(view)?) (activity::slowest(view)?) }
                div.stack { (ending(view)?) (recent(view)?) }
            }
        }
    };
    Ok(Page::new(Section::Overview, "Overview").body(body).into())
}

fn tiles(counts: &Counts) -> Markup {
    html! {
        ul.tiles {
            (tile(Icon::Account, "Service Accounts", counts.accounts, accounts::PATH))
            (tile(Icon::Machine, "Integrations", counts.clients, clients::PATH))
            (tile(Icon::Api, "APIs", counts.apis, apis::PATH))
            (tile(Icon::Grant, "Grants", counts.grants, grants::PATH))
        }
    }
}

fn tile(icon: Icon, name: &str, number: Total, path: &str) -> Markup {
    html! { li { a.card.tile-link href=(path) { span { (icon) (name) } strong { (text::total(number)) } } } }
}

/// The way from nothing to a token.
fn begin(view: &View<'_>, counts: &Counts) -> Markup {
    let steps = [
        (
            counts.accounts.count > 0,
            "Create a service account",
            "Who a token is about: one for each service or job.",
            format!("{}/add", accounts::PATH),
        ),
        (
            counts.clients.count > 0,
            "Add a machine-to-machine integration",
            "A Client ID and a Client Secret, with which the account authenticates.",
            clients::ADD.to_owned(),
        ),
        (
            counts.apis.count > 0,
            "Add an API",
            "What your service should access, with its scopes.",
            apis::ADD.to_owned(),
        ),
        (
            counts.grants.count > 0,
            "Grant access",
            "Which scopes the account may have at the API.",
            grants::ADD.to_owned(),
        ),
    ];
    let next = steps.iter().position(|(is_done, ..)| !is_done);
    html! {
        section.card.steps aria-labelledby="begin" {
            h2 #begin { "From nothing to a token" }
            ol {
                @for (index, (is_done, name, explained, path)) in steps.iter().enumerate() {
                    li.done[*is_done] {
                        span.step aria-hidden="true" { @if *is_done { (Icon::Check) } @else { (index + 1) } }
                        div { h3 { (name) @if *is_done { span.sr { " (done)" } } } p.hint { (explained) } }
                        @if next == Some(index) && view.may(Role::Editor) { a.button.primary href=(path) { "Start" } }
                    }
                }
            }
        }
    }
}

/// Something that ends.
struct Ending {
    at: Timestamp,
    what: Markup,
    place: String,
}

fn ending(view: &View<'_>) -> Result<Markup> {
    let until = view.now.plus_seconds(SOON_SECONDS);
    let mut all = ending_grants(view, until)?;
    for secret in operations::secrets_ending(view.app, until, LINES)? {
        let what = html! { "The secret …" (secret.last4) " of " bdi { (secret.client_name) } };
        all.push(Ending { at: secret.expires_at, what, place: clients::path_of(secret.client_id.as_str()) });
    }
    if view.may(Role::Admin) {
        let filters = within("expiresAt", view.now, until)?;
        let query = Query { sort_by: Some("expiresAt".to_owned()), ..first(LINES, filters) };
        for token in operations::api_token_list(view.app, &query)?.items {
            let Some(at) = token.expires_at else { continue };
            let what = html! { "The API token " bdi { (token.display_name) } };
            all.push(Ending { at, what, place: "/console/api-tokens".to_owned() });
        }
    }
    all.sort_by_key(|ending| ending.at);
    Ok(html! {
        section.card aria-labelledby="ending" {
            header { h2 #ending { "Ends soon" } span.quiet { "the next 14 days" } }
            @if all.is_empty() { p.quiet { "Nothing ends soon." } }
            @else {
                ol.commits {
                    @for ending in all.iter().take(LINES as usize) {
                        li { (time::relative(ending.at, view.now)) div { a.name href=(ending.place) { (ending.what) } } }
                    }
                }
            }
        }
    })
}

fn within(path: &str, from: Timestamp, until: Timestamp) -> Result<Vec<crate::filter::Filter>> {
    let (from, until) = (from.to_string(), until.to_string());
    Ok(vec![list::compare(path, Op::Gt, from.as_str())?, list::compare(path, Op::Lt, until.as_str())?])
}

fn ending_grants(view: &View<'_>, until: Timestamp) -> Result<Vec<Ending>> {
    let filters = within("expiresAt", view.now, until)?;
    let query = Query { sort_by: Some("expiresAt".to_owned()), ..first(LINES, filters) };
    let found = admin::list::<Grant>(view.app, &query)?.items;
    let names =
        access::by_id::<ServiceAccount>(view, found.iter().map(|grant| grant.value.service_account_id.clone()))?;
    let ending = |grant: &crate::model::Record<Grant>| {
        let account = names.get(&grant.value.service_account_id);
        let name = account.map_or("?", |account| account.value.display_name.as_str());
        Some(Ending {
            at: grant.value.expires_at?,
            what: html! { "The grant of " (grant.value.scopes.join(", ")) " to " bdi { (name) } },
            place: grants::path_of(grant.id.as_str()),
        })
    };
    Ok(found.iter().filter_map(ending).collect())
}

fn recent(view: &View<'_>) -> Result<Markup> {
    let found = operations::commit_list(view.app, &newest(LINES, Vec::new()))?;
    let commits: Vec<Value> = found.items.into_iter().map(CommitRow::into_json).collect();
    Ok(html! {
        section.card aria-labelledby="recent" {
            header { h2 #recent { "Latest changes" } a.quiet href=(super::audit::PATH) { "All" } }
            (history::lines(view, &commits)?)
        }
    })
}
