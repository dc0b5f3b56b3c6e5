//! Marketplace → Machine to Machine: the integrations that let service accounts authenticate.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::accounts;
use crate::admin;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::Draft;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{access, list, text, time};
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::api_token::Role;
use crate::model::credential::Credential;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::service_account::ServiceAccount;

pub(crate) const PATH: &str = "/console/marketplace/machine-to-machine";
pub(crate) const ADD: &str = "/console/marketplace/machine-to-machine/add";

/// The accounts of clients, by id.
pub(crate) type Accounts = BTreeMap<String, Record<ServiceAccount>>;

pub(crate) fn path_of(id: &str) -> String {
    format!("{PATH}/{id}")
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let looked = list::looked(view, &["created"], "-created");
    let mut filters = Vec::new();
    if !looked.search.is_empty() {
        filters.push(list::contains(&["displayName", "clientId"], looked.search)?);
    }
    let found = admin::list::<MachineToMachine>(view.app, &looked.query(filters))?;
    let accounts = access::by_id(view, found.items.iter().map(|client| client.value.service_account_id.clone()))?;
    let body = html! {
        @if found.total.count == 0 && looked.search.is_empty() { (nothing_yet(view)) }
        @else {
            div.tools { (list::search(view, "Search by name or Client ID", looked.search)) }
            div #list {
                @if found.items.is_empty() {
                    (text::empty(Icon::Search, "Nothing fits", &html! { "No integration fits what you look for." }, &html! { a.button href=(PATH) { "Show all" } }))
                } @else { (table(view, &found.items, Some(&accounts))) }
                (list::pager(view, looked.page, &found))
            }
        }
    };
    let lead = html! { p { "Let a machine, like a micro service, access other services: each integration is an OAuth client." } };
    let add = html! { @if view.may(Role::Editor) { a.button.primary href=(ADD) { (Icon::Add) "Add Integration" } } };
    Ok(Page::new(Section::Clients, "Machine to Machine")
        .within("Marketplace", "/console/marketplace")
        .lead(lead)
        .actions(add)
        .body(body)
        .into())
}

fn nothing_yet(view: &View<'_>) -> Markup {
    let explained =
        html! { "An integration lets a service account authenticate: it has a Client ID and a Client Secret." };
    let action = html! { @if view.may(Role::Editor) { a.button.primary href=(ADD) { (Icon::Add) "Add Integration" } } };
    text::empty(Icon::Machine, "No integrations yet", &explained, &action)
}

/// Clients; with their accounts, unless those are known from around it.
pub(crate) fn table(view: &View<'_>, clients: &[Record<MachineToMachine>], accounts: Option<&Accounts>) -> Markup {
    html! {
        div.table {
            table {
                caption.sr { "Machine-to-machine integrations" }
                thead {
                    tr {
                        th scope="col" { "Service Name" }
                        @if accounts.is_some() { th.less scope="col" { "Service Account" } }
                        th scope="col" { "Secrets" }
                        th.less scope="col" { "Last used" }
                        th scope="col" { "Status" }
                    }
                }
                tbody {
                    @for client in clients {
                        tr {
                            td {
                                a.name href=(path_of(client.id.as_str())) dir="auto" { (client.value.display_name) }
                                small.mono { (client.value.client_id) }
                            }
                            @if let Some(accounts) = accounts { td.less { (account_link(accounts, &client.value)) } }
                            td { (secrets(&client.value, view.now)) }
                            td.less { (time::relative_or(last_used(&client.value), view.now, "Never")) }
                            td { (text::status(client.value.active)) }
                        }
                    }
                }
            }
        }
    }
}

fn account_link(accounts: &Accounts, client: &MachineToMachine) -> Markup {
    html! {
        @if let Some(account) = accounts.get(&client.service_account_id) {
            a href=(accounts::path_of(account.id.as_str())) dir="auto" { (account.value.display_name) }
        }
    }
}

pub(crate) fn last_used(client: &MachineToMachine) -> Option<Timestamp> {
    client.credentials.iter().filter_map(|credential| credential.last_used_at).max()
}

/// How many secrets are good, and whether they go on being so.
fn secrets(client: &MachineToMachine, now: Timestamp) -> Markup {
    let good: Vec<&Credential> = client.credentials.iter().filter(|credential| credential.is_valid_at(now)).collect();
    let ends =
        good.iter().map(|credential| credential.expires_at).max_by_key(|end| end.map_or(i64::MAX, Timestamp::ms));
    html! {
        @match (good.len(), ends.flatten()) {
            (0, _) => (badge(Tone::Bad, "None valid")),
            (count, Some(end)) if time::is_soon(end, now) => { (count) " " (badge(Tone::Care, "Ends soon")) }
            (count, _) => (count),
        }
    }
}
