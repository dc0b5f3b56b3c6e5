//! One service account: who it is, and what one can do with it.

use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::admin;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::asked::Pairs;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::editing::Editing;
use crate::http::console::layout::{Page, Section};
use crate::http::console::pages::accounts::{PATH, path_of};
use crate::http::console::parts::body::Body;
use crate::http::console::parts::dialog;
use crate::http::console::parts::field::{self, Field, Kind};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::list::{self, first};
use crate::http::console::parts::{history, text, time};
use crate::http::console::view::{View, reason_of};
use crate::model::Record;
use crate::model::api_token::Role;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::service_account::ServiceAccount;

/// Things that a question before deleting names.
const NAMED_MAX: u32 = 5;

/// The tabs: what their addresses end with, and their names.
const TABS: &[(&str, &str)] = &[
    ("", "Profile"),
    ("/integrations", "Integrations"),
    ("/access", "Access"),
    ("/decisions", "Decisions"),
    ("/history", "History"),
    ("/json", "JSON"),
];

pub(crate) fn read(view: &View<'_>) -> Result<Record<ServiceAccount>> {
    admin::read::<ServiceAccount>(view.app, view.parameter("id"))
}

/// The frame of every tab.
pub(crate) fn frame(view: &View<'_>, account: &Record<ServiceAccount>, tab: &str) -> Page {
    let path = path_of(account.id.as_str());
    let lead = html! {
        p.meta { (text::status(account.value.active)) (text::copyable("the user name", &account.value.user_name)) }
    };
    let actions = html! {
        @if view.may(Role::Editor) {
            a.button href=(format!("{path}/edit")) { "Edit" }
            details.menu-button {
                summary.button { "Actions" (Icon::Down) }
                div.menu-list {
                    a href=(format!("/console/grants/add?account={}", account.id)) { (Icon::Grant) "Grant access" }
                    a href=(format!("/console/marketplace/machine-to-machine/add?account={}", account.id)) { (Icon::Machine) "Add integration" }
                    a.dangerous href=(format!("{path}/delete")) { (Icon::Trash) "Delete" }
                }
            }
        }
    };
    Page::new(Section::ServiceAccounts, account.value.display_name.as_str())
        .within("Service Accounts", PATH)
        .lead(lead)
        .actions(actions)
        .tabs(text::tabs("Service account", &path, TABS, tab))
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(profile(view, &read(view)?)?.into())
}

fn profile(view: &View<'_>, account: &Record<ServiceAccount>) -> Result<Page> {
    let has_integration = owned::<MachineToMachine>(view, account, 0)?.total.count > 0;
    let has_grant = owned::<Grant>(view, account, 0)?.total.count > 0;
    let value = &account.value;
    let body = html! {
        div.stack {
            @if !(value.active && has_integration && has_grant) { (next_steps(view, account, has_integration, has_grant)) }
            div.card {
                (text::facts(&[
                    ("Display Name", html! { bdi { (value.display_name) } }),
                    ("User Name", html! { code dir="auto" { (value.user_name) } }),
                    ("Id", html! { (text::copyable("the id", account.id.as_str())) p.hint { "The sub of its tokens." } }),
                    ("Created", time::relative(account.meta.created, view.now)),
                    ("Changed", html! { (time::relative(account.meta.last_modified, view.now)) span.quiet { ", revision " (account.meta.revision) } }),
                ]))
            }
            @if !value.attributes.is_empty() {
                div.card {
                    h2 { "Attributes" }
                    p.hint { "Policies see them, and an API's claims can be taken from them." }
                    (history::code_block("the attributes", &pretty(&value.attributes)))
                }
            }
        }
    };
    Ok(frame(view, account, "").body(body))
}

fn pretty(object: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(object).unwrap_or_default()
}

/// What of a type belongs to an account.
pub(crate) fn owned<E: crate::store::Entity>(
    view: &View<'_>,
    account: &Record<ServiceAccount>,
    count: u32,
) -> Result<crate::store::Page<Record<E>>> {
    let own = list::equals("serviceAccountId", account.id.as_str())?;
    admin::list::<E>(view.app, &first(count, vec![own]))
}

/// What is still missing before it can get a token.
fn next_steps(view: &View<'_>, account: &Record<ServiceAccount>, has_integration: bool, has_grant: bool) -> Markup {
    let id = account.id.as_str();
    let steps = [
        (account.value.active, "Make it active", "An inactive account gets no token.", format!("{}/edit", path_of(id))),
        (
            has_integration,
            "Let it authenticate",
            "A machine-to-machine integration gives it a Client ID and a Client Secret.",
            format!("/console/marketplace/machine-to-machine/add?account={id}"),
        ),
        (
            has_grant,
            "Grant it access",
            "Choose an API and the scopes that this account may have there.",
            format!("/console/grants/add?account={id}"),
        ),
    ];
    let next = steps.iter().position(|(is_done, ..)| !is_done);
    html! {
        section.card.steps aria-labelledby="next-steps" {
            h2 #next-steps { "Before it can get a token" }
            ol {
                @for (index, (is_done, name, explained, path)) in steps.iter().enumerate() {
                    li.done[*is_done] {
                        span.step aria-hidden="true" { @if *is_done { (Icon::Check) } @else { (index + 1) } }
                        div {
                            h3 { (name) @if *is_done { span.sr { " (done)" } } }
                            p.hint { (explained) }
                        }
                        @if !is_done && view.may(Role::Editor) {
                            a.button.primary[next == Some(index)] href=(path) { (name) }
                        }
                    }
                }
            }
        }
    }
}

fn values(members: &Map<String, Value>) -> Pairs {
    let text = |name: &str| (name.to_owned(), members[name].as_str().unwrap_or_default().to_owned());
    let mut pairs = vec![text("userName"), text("displayName")];
    if members["active"] == true {
        pairs.push(("active".to_owned(), "true".to_owned()));
    }
    let attributes = members["attributes"].as_object().filter(|object| !object.is_empty());
    pairs.push(("attributes".to_owned(), attributes.map(pretty).unwrap_or_default()));
    Pairs(pairs)
}

pub(crate) fn draw_edit(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let account = read(view)?;
    let path = path_of(account.id.as_str());
    let editing = Editing::of(view, draft, &account, values)?;
    let field = |name, label, hint| Field {
        name,
        label,
        hint,
        value: editing.text(name),
        theirs: editing.theirs(name),
        ..Field::default()
    };
    let fields = html! {
        (editing.notice(view))
        (editing.revision_field())
        (field::text(draft, &Field { required: true, first: true, mono: true, ..field("userName", "User Name", "") }))
        (field::text(draft, &field("displayName", "Display Name", "")))
        (field::tick(draft, "active", "Active", editing.is_ticked("active"), "An inactive account gets no token."))
        (field::text(draft, &Field {
            kind: Kind::Area, mono: true,
            ..field("attributes", "Attributes", "A JSON object. Policies see it, and an API's claims can be taken from it.")
        }))
        (field::reason(draft))
    };
    let form = field::form(view, draft, &format!("{path}/edit"), &fields, &dialog::buttons("Save", &path));
    Ok(profile(view, &account)?.dialog("Edit", dialog::dialog("Edit service account", &path, &form)).into())
}

pub(crate) fn edit(view: &View<'_>, form: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    let body = Body::of(form).text("userName").text("displayName").flag("active").object("attributes").patch()?;
    let origin = view.origin(reason_of(form)?);
    let account = admin::patch::<ServiceAccount>(view.app, id, &body, form.revision(), &origin)?;
    Ok(Reply::to(path_of(id)).saying(format!("Saved {}", account.value.display_name)))
}

pub(crate) fn draw_delete(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let account = read(view)?;
    let path = path_of(account.id.as_str());
    let integrations = owned::<MachineToMachine>(view, &account, NAMED_MAX)?;
    let grants = owned::<Grant>(view, &account, NAMED_MAX)?;
    let names = integrations.items.iter().map(|client| client.value.display_name.as_str());
    let fields = html! {
        p { "This deletes " strong dir="auto" { (account.value.display_name) } " for good. Whoever uses it gets no token from then on." }
        @if integrations.total.count + grants.total.count > 0 {
            p { "With it go:" }
            ul.breaks {
                @if integrations.total.count > 0 {
                    li { (text::counted_total(integrations.total, "integration", "integrations")) ": " (text::named(names, integrations.total.count)) }
                }
                @if grants.total.count > 0 { li { (text::counted_total(grants.total, "grant", "grants")) } }
            }
        }
        (field::reason(draft))
    };
    let buttons = dialog::dangerous_buttons("Delete", &path);
    let form = field::form(view, draft, &format!("{path}/delete"), &fields, &buttons);
    Ok(profile(view, &account)?.dialog("Delete", dialog::dialog("Delete this service account?", &path, &form)).into())
}

pub(crate) fn delete(view: &View<'_>, form: &Form) -> Result<Reply> {
    let account = read(view)?;
    let origin = view.origin(reason_of(form)?);
    admin::delete::<ServiceAccount>(view.app, account.id.as_str(), true, None, &origin)?;
    Ok(Reply::to(PATH).saying(format!("Deleted {}", account.value.display_name)))
}
