//! Directory → Service Accounts: the list, and adding one.

use maud::{Markup, html};

use crate::admin;
use crate::error::Result;
use crate::filter::Filter;
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::body::Body;
use crate::http::console::parts::dialog;
use crate::http::console::parts::field::{self, Field};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::list::{self, Facet, Looked};
use crate::http::console::parts::{text, time};
use crate::http::console::view::{View, reason_of};
use crate::model::Record;
use crate::model::api_token::Role;
use crate::model::service_account::ServiceAccount;
use crate::store::Total;

pub(crate) const PATH: &str = "/console/service-accounts";
const ADD: &str = "/console/service-accounts/add";
const COLUMNS: &[&str] = &["userName", "created"];

/// The address of an account's page.
pub(crate) fn path_of(id: &str) -> String {
    format!("{PATH}/{id}")
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(page(view)?.into())
}

fn page(view: &View<'_>) -> Result<Page> {
    let looked = list::looked(view, COLUMNS, "-created");
    let status = view.asked.query.value("status").unwrap_or_default();
    let active = match status {
        "active" => Some(true),
        "inactive" => Some(false),
        _ => None,
    };
    let mut filters = Vec::new();
    if !looked.search.is_empty() {
        filters.push(list::contains(&["userName", "displayName"], looked.search)?);
    }
    let narrowed = |active: Option<bool>| -> Result<Vec<Filter>> {
        let mut narrowed = filters.clone();
        narrowed.extend(active.map(|active| list::equals("active", active)).transpose()?);
        Ok(narrowed)
    };
    let found = admin::list::<ServiceAccount>(view.app, &looked.query(narrowed(active)?))?;
    let count = |wanted: Option<bool>| -> Result<Total> {
        if wanted == active {
            return Ok(found.total);
        }
        Ok(admin::list::<ServiceAccount>(view.app, &list::first(0, narrowed(wanted)?))?.total)
    };
    let (all, inactives) = (count(None)?, count(Some(false))?);
    // How many the most of them are is not counted, where it follows from the others.
    let actives = all.without(inactives).map_or_else(|| count(Some(true)), Ok)?;
    let inactives = all.without(actives).unwrap_or(inactives);
    let body = html! {
        @if all.count == 0 && looked.search.is_empty() { (nothing_yet(view)) }
        @else {
            div.tools {
                (list::search(view, "Search by name", looked.search))
                (list::facets(view, "status", "Status", &[
                    Facet { value: "", label: "All", count: Some(all) },
                    Facet { value: "active", label: "Active", count: Some(actives) },
                    Facet { value: "inactive", label: "Inactive", count: Some(inactives) },
                ]))
            }
            div #list {
                @if found.items.is_empty() { (no_match(view)) } @else { (table(view, &looked, &found.items)) }
                (list::pager(view, looked.page, &found))
            }
        }
    };
    let lead = html! { p { "Machines that ask for tokens. A service account is who a token is about." } };
    Ok(Page::new(Section::ServiceAccounts, "Service Accounts").lead(lead).actions(actions(view)).body(body))
}

fn actions(view: &View<'_>) -> Markup {
    html! {
        @if view.may(Role::Editor) {
            details.menu-button {
                summary.button { "Actions" (Icon::Down) }
                div.menu-list { a href=(ADD) { (Icon::Add) "Add" } }
            }
        }
    }
}

fn nothing_yet(view: &View<'_>) -> Markup {
    let explained = html! {
        "A service account stands for one service or job. Make one, let it authenticate with a machine-to-machine \
         integration, and grant it scopes at an API."
    };
    let action =
        html! { @if view.may(Role::Editor) { a.button.primary href=(ADD) { (Icon::Add) "Add a service account" } } };
    text::empty(Icon::Account, "No service accounts yet", &explained, &action)
}

fn no_match(view: &View<'_>) -> Markup {
    let all = html! { a.button href=(view.asked.path) { "Show all" } };
    text::empty(Icon::Search, "Nothing fits", &html! { "No service account fits what you look for." }, &all)
}

fn table(view: &View<'_>, looked: &Looked<'_>, accounts: &[Record<ServiceAccount>]) -> Markup {
    html! {
        div.table {
            table {
                caption.sr { "Service accounts" }
                thead {
                    tr {
                        (list::sorted(view, looked, "userName", "Name", ""))
                        th scope="col" { "Status" }
                        (list::sorted(view, looked, "created", "Created", "less"))
                    }
                }
                tbody {
                    @for account in accounts {
                        tr {
                            td {
                                a.name href=(path_of(account.id.as_str())) dir="auto" { (account.value.display_name) }
                                small.mono dir="auto" { (account.value.user_name) }
                            }
                            td { (text::status(account.value.active)) }
                            td.less { (time::relative(account.meta.created, view.now)) }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn draw_add(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let fields = html! {
        (field::text(draft, &Field {
            name: "userName", label: "User Name", value: draft.text("userName", ""), required: true, first: true,
            mono: true, hint: "Unique. Others refer to it by this name, like periodicCleanup.", ..Field::default()
        }))
        (field::text(draft, &Field {
            name: "displayName", label: "Display Name", value: draft.text("displayName", ""),
            hint: "For people. The user name, unless you say otherwise.", ..Field::default()
        }))
        (field::tick(draft, "active", "Active", draft.is_ticked("active", false), "An inactive account gets no token."))
    };
    let form = field::form(view, draft, ADD, &fields, &dialog::buttons("Save", PATH));
    let dialog = dialog::dialog("Add a service account", PATH, &form);
    Ok(page(view)?.dialog("Add a service account", dialog).into())
}

pub(crate) fn add(view: &View<'_>, form: &Form) -> Result<Reply> {
    let body = Body::of(form).text("userName").text("displayName").flag("active").made()?;
    let made = admin::create::<ServiceAccount>(view.app, &body, &view.origin(reason_of(form)?))?;
    let said = format!("Created user {} successfully", made.record.value.display_name);
    Ok(Reply::to(path_of(made.record.id.as_str())).saying(said))
}
