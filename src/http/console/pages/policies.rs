//! Access → Policies: what narrows the grants, in the order in which it is asked.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{accounts, apis, clients};
use crate::admin;
use crate::error::Result;
use crate::filter::Filter;
use crate::http::console::answer::Reply;
use crate::http::console::draft::Draft;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::list::{self, Facet};
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{access, text};
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::{Attachment, Level, Mode, Policy};
use crate::model::service_account::ServiceAccount;

pub(crate) const PATH: &str = "/console/policies";
pub(crate) const ADD: &str = "/console/policies/add";
pub(crate) const TABS: &[(&str, &str)] = &[("", "Policies"), ("/modules", "Modules")];

pub(crate) fn path_of(id: &str) -> String {
    format!("{PATH}/{id}")
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let looked = list::looked(view, &["created"], "-created");
    let mut filters = Vec::new();
    if !looked.search.is_empty() {
        filters.push(list::contains(&["name"], looked.search)?);
    }
    let mode = view.asked.query.value("mode").unwrap_or_default();
    if Mode::parse(mode).is_some() {
        filters.push(list::equals("mode", mode)?);
    }
    let is_narrowed = !filters.is_empty();
    let found = admin::list::<Policy>(view.app, &looked.query(filters))?;
    let body = html! {
        @if found.total.count == 0 && !is_narrowed { (nothing_yet(view)) }
        @else {
            div.tools {
                (list::search(view, "Search by name", looked.search))
                (list::facets(view, "mode", "Mode", &[
                    Facet { value: "", label: "All", count: None },
                    Facet { value: "enforce", label: "Enforced", count: None },
                    Facet { value: "shadow", label: "Shadow", count: None },
                    Facet { value: "off", label: "Off", count: None },
                ]))
            }
            div #list {
                @if found.items.is_empty() {
                    (text::empty(Icon::Search, "Nothing fits", &html! { "No policy fits what you look for." }, &html! { a.button href=(PATH) { "Show all" } }))
                } @else { (table(view, &found.items)?) }
                (list::pager(view, looked.page, &found))
            }
        }
    };
    Ok(frame(view, "").body(body).into())
}

/// The frame of the policies and of their modules.
pub(crate) fn frame(view: &View<'_>, tab: &str) -> Page {
    let lead = html! { p { "A policy narrows what grants allow, and never widens it. It is a WebAssembly module with settings, attached in one place." } };
    let add = html! {
        @if view.may(Role::Editor) {
            @if tab.is_empty() { a.button.primary href=(ADD) { (Icon::Add) "Attach a policy" } }
            @else { a.button.primary href=(format!("{PATH}/modules/add")) { (Icon::Add) "Upload a module" } }
        }
    };
    Page::new(Section::Policies, "Policies").lead(lead).actions(add).tabs(text::tabs("Policies", PATH, TABS, tab))
}

fn nothing_yet(view: &View<'_>) -> Markup {
    let explained = html! {
        "Policies can take scopes away, shorten tokens, add claims or say no: by time, by network, by attributes. Upload a module, then attach it."
    };
    let action = html! { @if view.may(Role::Editor) { a.button.primary href=(ADD) { (Icon::Add) "Attach a policy" } } };
    text::empty(Icon::Policy, "No policies yet", &explained, &action)
}

/// Names of what policies are attached to, with the ways there.
pub(crate) struct Places {
    apis: BTreeMap<String, Record<Api>>,
    clients: BTreeMap<String, Record<MachineToMachine>>,
    accounts: BTreeMap<String, Record<ServiceAccount>>,
}

impl Places {
    pub(crate) fn of(view: &View<'_>, policies: &[Record<Policy>]) -> Result<Self> {
        let ids = |level: Level| {
            let attached = policies.iter().map(|policy| &policy.value.attached_to);
            attached.filter(move |place| place.level == level).filter_map(|place| place.id.clone())
        };
        Ok(Self {
            apis: access::by_id(view, ids(Level::Api))?,
            clients: access::by_id(view, ids(Level::Client))?,
            accounts: access::by_id(view, ids(Level::Account))?,
        })
    }

    /// Where a policy is attached.
    pub(crate) fn link(&self, place: &Attachment) -> Markup {
        let id = place.id.as_deref().unwrap_or_default();
        let named = match place.level {
            Level::Server => return html! { "Every token" },
            Level::Api => self.apis.get(id).map(|api| (&api.value.display_name, apis::path_of(id))),
            Level::Client => self.clients.get(id).map(|client| (&client.value.display_name, clients::path_of(id))),
            Level::Account => self.accounts.get(id).map(|account| (&account.value.display_name, accounts::path_of(id))),
        };
        html! {
            @if let Some((name, path)) = named { a href=(path) dir="auto" { (name) } } @else { code { (id) } }
            small { (level_name(place.level)) }
        }
    }
}

/// What people call the things that policies are attached to.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Server => "the server",
        Level::Api => "API",
        Level::Client => "integration",
        Level::Account => "service account",
    }
}

pub(crate) fn mode_badge(policy: &Policy) -> Markup {
    match (policy.active, policy.mode) {
        (false, _) | (_, Mode::Off) => badge(Tone::Plain, "Off"),
        (_, Mode::Enforce) => badge(Tone::Good, "Enforced"),
        (_, Mode::Shadow) => badge(Tone::Care, "Shadow"),
    }
}

/// Policies, in the order in which they are asked as far as one page goes.
pub(crate) fn table(view: &View<'_>, policies: &[Record<Policy>]) -> Result<Markup> {
    let places = Places::of(view, policies)?;
    Ok(html! {
        div.table {
            table {
                caption.sr { "Policies" }
                thead {
                    tr {
                        th scope="col" { "Name" } th scope="col" { "Attached to" } th.less.number scope="col" { "Order" } th scope="col" { "Mode" }
                    }
                }
                tbody {
                    @for policy in policies {
                        tr {
                            td {
                                a.name href=(path_of(policy.id.as_str())) dir="auto" { (policy.value.name) }
                                small.mono { (policy.value.module_name) "@" (policy.value.module_version) }
                            }
                            td { (places.link(&policy.value.attached_to)) }
                            td.less.number { (policy.value.order) }
                            td { (mode_badge(&policy.value)) }
                        }
                    }
                }
            }
        }
    })
}

/// Policies that one page shows of those that count for something.
const COUNTING_MAX: u32 = 200;

/// The active policies that count for these APIs, integrations and accounts, and those of the server, in the order in
/// which they are asked.
pub(crate) fn counting_for(
    view: &View<'_>,
    apis: impl Iterator<Item = String>,
    clients: impl Iterator<Item = String>,
    accounts: impl Iterator<Item = String>,
) -> Result<Vec<Record<Policy>>> {
    let ids: Vec<String> = apis.chain(clients).chain(accounts).collect();
    let server = list::equals("attachedTo.type", "server")?;
    let place =
        if ids.is_empty() { server } else { Filter::Or(vec![server, list::one_of("attachedTo.id", ids.into_iter())?]) };
    let query = list::first(COUNTING_MAX, vec![list::equals("active", true)?, place]);
    let mut found = admin::list::<Policy>(view.app, &query)?.items;
    found.retain(|policy| policy.value.mode != Mode::Off);
    found.sort_by_key(|policy| (policy.value.attached_to.level, policy.value.order, policy.id.clone()));
    Ok(found)
}
