//! Reporting → Decisions: why token requests ended as they did.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::apis;
use crate::admin::{self, decisions};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{Filter, Op};
use crate::http::console::answer::Reply;
use crate::http::console::draft::Draft;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::list::{self, Facet, Looked};
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{access, text, time};
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::api::Api;
use crate::model::id::Id;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::service_account::ServiceAccount;

pub(crate) const PATH: &str = "/console/decisions";
/// Clients that a search by name stands for.
const NAMESAKES_MAX: u32 = 50;
/// Spans that the list can be narrowed to.
const SPANS: &[(&str, &str, i64)] =
    &[("hour", "Last hour", 3600), ("day", "Last day", 86_400), ("week", "Last week", 604_800)];

pub(crate) fn path_of(id: &str) -> String {
    format!("{PATH}/{id}")
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let looked = list::looked(view, &["created"], "-created");
    // An id leads to its decision: the one of an error, or the jti of a token.
    if Id::parse(looked.search).is_some() && decisions::read(view.app, looked.search).is_ok() {
        return Ok(Reply::to(path_of(looked.search)));
    }
    let asked = |name: &str| view.asked.query.value(name).unwrap_or_default();
    let mut filters = Vec::new();
    if ["issued", "refused", "failed"].contains(&asked("outcome")) {
        filters.push(list::equals("outcome", asked("outcome"))?);
    }
    if let Some((_, _, seconds)) = SPANS.iter().find(|(word, ..)| *word == asked("since")) {
        let from = view.now.plus_seconds(-seconds).to_string();
        filters.push(list::compare("at", Op::Ge, from.as_str())?);
    }
    let api = admin::read::<Api>(view.app, asked("api")).ok();
    if let Some(api) = &api {
        filters.push(list::equals("apiId", api.id.as_str())?);
    }
    if !looked.search.is_empty() {
        filters.push(of_client(view, looked.search)?);
    }
    let is_narrowed = !filters.is_empty();
    let found = decisions::list(view.app, &looked.query(filters))?;
    let body = html! {
        @if found.total.count == 0 && !is_narrowed {
            (text::empty(Icon::Decision, "No token was asked for yet", &html! { "Every token request leaves a record here that says why it ended as it did." }, &html! {}))
        } @else {
            (tools(view, &looked, api.as_ref()))
            div #list {
                @if found.items.is_empty() {
                    (text::empty(Icon::Search, "Nothing fits", &html! { "No decision fits what you look for." }, &html! { a.button href=(PATH) { "Show all" } }))
                } @else { (table(view, &found.items)?) }
                (list::pager(view, looked.page, &found))
            }
        }
    };
    let lead = html! { p { "Every token request, and why it ended as it did." } };
    Ok(Page::new(Section::Decisions, "Decisions").lead(lead).body(body).into())
}

/// What is searched for: a client by its id or its name.
fn of_client(view: &View<'_>, text: &str) -> Result<Filter> {
    let named = vec![list::contains(&["displayName", "clientId"], text)?];
    let clients = admin::list::<MachineToMachine>(view.app, &list::first(NAMESAKES_MAX, named))?.items;
    let mut ids: Vec<String> = clients.into_iter().map(|client| client.value.client_id).collect();
    if ids.is_empty() {
        // What a stranger claimed to be is no client's id, and is found as it was claimed.
        ids.push(text.to_owned());
    }
    // All that one did is found by its index.
    match ids.as_slice() {
        [id] => list::equals("clientId", id.as_str()),
        _ => list::one_of("clientId", ids.into_iter()),
    }
}

fn tools(view: &View<'_>, looked: &Looked<'_>, api: Option<&Record<Api>>) -> Markup {
    let spans: Vec<Facet<'_>> = std::iter::once(Facet { value: "", label: "Any time", count: None })
        .chain(SPANS.iter().map(|(value, label, _)| Facet { value, label, count: None }))
        .collect();
    html! {
        div.tools {
            (list::search(view, "Search by client or id", looked.search))
            (list::facets(view, "outcome", "Outcome", &[
                Facet { value: "", label: "All", count: None },
                Facet { value: "issued", label: "Issued", count: None },
                Facet { value: "refused", label: "Refused", count: None },
                Facet { value: "failed", label: "Failed", count: None },
            ]))
            (list::facets(view, "since", "Time", &spans))
            @if let Some(api) = api {
                a.badge href=(format!("{PATH}?{}", view.asked.query.to_query(&["api", "page"], &[]))) aria-label=(format!("Not only {}", api.value.display_name)) {
                    bdi { (api.value.display_name) } " ×"
                }
            }
        }
    }
}

/// Decisions within the page of something else.
pub(crate) fn tab(view: &View<'_>, filters: Vec<Filter>, nothing: &str) -> Result<Markup> {
    let looked = list::looked(view, &["created"], "-created");
    let found = decisions::list(view.app, &looked.query(filters))?;
    Ok(html! {
        @if found.items.is_empty() {
            (text::empty(Icon::Decision, "No decisions", &html! { (nothing) }, &html! {}))
            (list::looked_through(&found))
        }
        @else {
            (table(view, &found.items)?)
            (list::pager(view, looked.page, &found))
        }
    })
}

/// What records refer to, by id.
pub(crate) struct Names {
    clients: BTreeMap<String, Record<MachineToMachine>>,
    accounts: BTreeMap<String, Record<ServiceAccount>>,
    apis: BTreeMap<String, Record<Api>>,
}

impl Names {
    pub(crate) fn of(view: &View<'_>, records: &[Map<String, Value>]) -> Result<Self> {
        let ids = |member: &'static str| {
            let texts = records.iter().filter_map(move |record| record.get(member)?.as_str());
            texts.map(str::to_owned)
        };
        let mut client_ids: Vec<String> = ids("clientId").collect();
        client_ids.sort_unstable();
        client_ids.dedup();
        let clients = if client_ids.is_empty() {
            Vec::new()
        } else {
            let count = u32::try_from(client_ids.len()).unwrap_or(u32::MAX);
            let named = vec![list::one_of("clientId", client_ids.into_iter())?];
            admin::list::<MachineToMachine>(view.app, &list::first(count, named))?.items
        };
        Ok(Self {
            clients: clients.into_iter().map(|client| (client.value.client_id.clone(), client)).collect(),
            accounts: access::by_id(view, ids("serviceAccountId"))?,
            apis: access::by_id(view, ids("apiId"))?,
        })
    }

    pub(crate) fn client(&self, record: &Map<String, Value>) -> Option<&Record<MachineToMachine>> {
        self.clients.get(word(record, "clientId"))
    }

    pub(crate) fn account(&self, record: &Map<String, Value>) -> Option<&Record<ServiceAccount>> {
        self.accounts.get(word(record, "serviceAccountId"))
    }

    pub(crate) fn api(&self, record: &Map<String, Value>) -> Option<&Record<Api>> {
        self.apis.get(word(record, "apiId"))
    }
}

/// A member's text.
pub(crate) fn word<'r>(record: &'r Map<String, Value>, name: &str) -> &'r str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member's texts.
pub(crate) fn words<'r>(record: &'r Map<String, Value>, name: &str) -> Vec<&'r str> {
    let all = record.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(Value::as_str).collect()
}

pub(crate) fn outcome(record: &Map<String, Value>) -> Markup {
    match word(record, "outcome") {
        "issued" => badge(Tone::Good, "Issued"),
        "refused" => badge(Tone::Care, "Refused"),
        _ => badge(Tone::Bad, "Failed"),
    }
}

pub(crate) fn at(view: &View<'_>, record: &Map<String, Value>) -> Markup {
    match Timestamp::parse(word(record, "at")) {
        Some(at) => time::relative(at, view.now),
        None => html! {},
    }
}

pub(crate) fn table(view: &View<'_>, records: &[Map<String, Value>]) -> Result<Markup> {
    let names = Names::of(view, records)?;
    Ok(html! {
        div.table {
            table.lines {
                caption.sr { "Decisions" }
                thead {
                    tr {
                        th scope="col" { "When" } th scope="col" { "Outcome" } th scope="col" { "Who" }
                        th scope="col" { "API" } th scope="col" { "Scopes, or why not" }
                    }
                }
                tbody { @for record in records { (row(view, record, &names)) } }
            }
        }
    })
}

fn row(view: &View<'_>, record: &Map<String, Value>, names: &Names) -> Markup {
    let issued = words(record, "issued");
    html! {
        tr {
            td { a.name href=(path_of(word(record, "id"))) { (at(view, record)) } }
            td { (outcome(record)) }
            td.who-column {
                @match names.account(record) {
                    Some(account) => { span dir="auto" { (account.value.display_name) } }
                    None => { span.quiet { "Unknown" } }
                }
                small dir="auto" { (names.client(record).map_or_else(|| word(record, "clientId"), |client| &client.value.display_name)) }
            }
            td {
                @if let Some(api) = names.api(record) { a href=(apis::path_of(api.id.as_str())) dir="auto" { (api.value.display_name) } }
            }
            td.all {
                @if issued.is_empty() { code { (word(record, "error")) } small dir="auto" { (word(record, "reason")) } }
                @else { span.chips { @for scope in issued { code.chip { (scope) } } } }
            }
        }
    }
}
