//! One API: its scopes, and what one can do with it.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::apis::{PATH, path_of};
use crate::admin;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::asked::{Pairs, escape};
use crate::http::console::draft::{Draft, Form};
use crate::http::console::editing::Editing;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::body::Body;
use crate::http::console::parts::dialog;
use crate::http::console::parts::field::{self, Field, Kind};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{access, list, text};
use crate::http::console::view::{View, reason_of};
use crate::model::Record;
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::grant::Grant;

const TABS: &[(&str, &str)] = &[
    ("", "Scopes"),
    ("/access", "Who has access"),
    ("/tokens", "Token settings"),
    ("/policies", "Policies"),
    ("/decisions", "Decisions"),
    ("/history", "History"),
    ("/json", "JSON"),
];
/// Scopes that the page shows at a time.
const SCOPES: usize = 100;

pub(crate) fn read(view: &View<'_>) -> Result<Record<Api>> {
    admin::read::<Api>(view.app, view.parameter("id"))
}

pub(crate) fn frame(view: &View<'_>, api: &Record<Api>, tab: &str) -> Page {
    let path = path_of(api.id.as_str());
    let lead = html! {
        p.meta {
            (text::status(api.value.active))
            @if api.value.built_in { (badge(Tone::Plain, "built in")) }
            (text::copyable("the API ID", &api.value.app_id))
            @if api.value.audience.is_some() { (text::copyable("the audience", api.value.aud())) }
        }
    };
    let actions = html! {
        @if view.may(needed(api)) {
            a.button href=(format!("{path}/edit")) { "Edit" }
            details.menu-button {
                summary.button { "Actions" (Icon::Down) }
                div.menu-list {
                    a href=(format!("/console/grants/add?api={}", api.id)) { (Icon::Grant) "Grant access" }
                    a href=(format!("{path}/scopes/add")) { (Icon::Add) "Add a scope" }
                    @if !api.value.built_in { a.dangerous href=(format!("{path}/delete")) { (Icon::Trash) "Delete" } }
                }
            }
        }
    };
    Page::new(Section::Apis, api.value.display_name.as_str())
        .within("Marketplace", "/console/marketplace")
        .within("API", PATH)
        .lead(lead)
        .actions(actions)
        .tabs(text::tabs("API", &path, TABS, tab))
}

/// What leads into the admin API itself is for administrators.
pub(crate) fn needed(api: &Record<Api>) -> Role {
    if api.value.built_in { Role::Admin } else { Role::Editor }
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(scopes(view, &read(view)?).into())
}

/// The page that dialogs stand over.
pub(crate) fn scopes(view: &View<'_>, api: &Record<Api>) -> Page {
    let path = path_of(api.id.as_str());
    let add = html! {
        @if view.may(needed(api)) { a.button href=(format!("{path}/scopes/add")) { (Icon::Add) "Add a scope" } }
    };
    let search = view.asked.query.value("q").unwrap_or_default().trim().to_lowercase();
    let fits = |scope: &&crate::model::api::ApiScope| {
        let texts = [&scope.identifier, &scope.display_name, &scope.description];
        search.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&search))
    };
    let found: Vec<_> = api.value.scopes.iter().filter(fits).collect();
    let body = html! {
        @if api.value.scopes.is_empty() {
            (text::empty(Icon::Api, "No scopes yet", &html! { "A scope is one thing that can be allowed at this API, like read or write." }, &add))
        } @else {
            div.tools {
                @if api.value.scopes.len() > SCOPES || !search.is_empty() { (list::search(view, "Search the scopes", &search)) }
                (add)
            }
            div #list {
                (scope_table(view, api, &found))
                @if found.len() > SCOPES { p.below.quiet { "Showing " (SCOPES) " of " (found.len()) ": search to find the others." } }
            }
        }
    };
    frame(view, api, "").body(body)
}

fn scope_table(view: &View<'_>, api: &Record<Api>, scopes: &[&crate::model::api::ApiScope]) -> Markup {
    let path = path_of(api.id.as_str());
    html! {
        div.table {
            table.lines {
                caption.sr { "Scopes" }
                thead {
                    tr {
                        th scope="col" { "Identifier" } th scope="col" { "Display Name" } th scope="col" { "Sensitivity" }
                        th scope="col" { span.sr { "Actions" } }
                    }
                }
                tbody {
                    @for scope in scopes.iter().take(SCOPES) {
                        @let query = format!("scope={}", escape(&scope.identifier));
                        tr {
                            td { code { (scope.identifier) } @if scope.default { " " (badge(Tone::Plain, "default")) } }
                            td.all { bdi { (scope.display_name) } @if !scope.description.is_empty() { small dir="auto" { (scope.description) } } }
                            td { (access::sensitivity(scope)) }
                            td.number.links {
                                @if view.may(needed(api)) {
                                    a href=(format!("{path}/scopes/edit?{query}")) aria-label=(format!("Edit the scope {}", scope.identifier)) { "Edit" }
                                    a href=(format!("{path}/scopes/remove?{query}")) aria-label=(format!("Remove the scope {}", scope.identifier)) { "Remove" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn values(members: &Map<String, Value>) -> Pairs {
    let text = |name: &str| (name.to_owned(), members[name].as_str().unwrap_or_default().to_owned());
    let mut pairs = vec![text("displayName"), text("audience")];
    if members["active"] == true {
        pairs.push(("active".to_owned(), "true".to_owned()));
    }
    let attributes = members["attributes"].as_object().filter(|object| !object.is_empty());
    let pretty = attributes.map(|object| serde_json::to_string_pretty(object).unwrap_or_default());
    pairs.push(("attributes".to_owned(), pretty.unwrap_or_default()));
    Pairs(pairs)
}

pub(crate) fn draw_edit(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let path = path_of(api.id.as_str());
    let editing = Editing::of(view, draft, &api, values)?;
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
        (field::text(draft, &Field { first: true, ..field("displayName", "API Name", "") }))
        (field::text(draft, &Field { mono: true, ..field("audience", "Audience", "A URI that stands in aud instead of the API ID.") }))
        (field::tick(draft, "active", "Active", editing.is_ticked("active"), "Nobody gets a token for an inactive API."))
        (field::text(draft, &Field { kind: Kind::Area, mono: true, ..field("attributes", "Attributes", "A JSON object that policies see.") }))
        (field::reason(draft))
    };
    let form = field::form(view, draft, &format!("{path}/edit"), &fields, &dialog::buttons("Save", &path));
    Ok(scopes(view, &api).dialog("Edit", dialog::dialog("Edit API", &path, &form)).into())
}

pub(crate) fn edit(view: &View<'_>, form: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    let body = Body::of(form).text("displayName").text("audience").flag("active").object("attributes").patch()?;
    let origin = view.origin(reason_of(form)?);
    let api = admin::patch::<Api>(view.app, id, &body, form.revision(), &origin)?;
    Ok(Reply::to(path_of(id)).saying(format!("Saved {}", api.value.display_name)))
}

pub(crate) fn draw_delete(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let path = path_of(api.id.as_str());
    let own = list::equals("apiId", api.id.as_str())?;
    let grants = admin::list::<Grant>(view.app, &list::first(0, vec![own]))?.total;
    let fields = html! {
        p { "Nobody gets a token for " strong dir="auto" { (api.value.display_name) } " from then on. Tokens that were issued stay valid until they end." }
        @if grants.count > 0 { p { "With it go " (text::counted_total(grants, "grant", "grants")) "." } }
        (field::reason(draft))
    };
    let buttons = dialog::dangerous_buttons("Delete", &path);
    let form = field::form(view, draft, &format!("{path}/delete"), &fields, &buttons);
    Ok(scopes(view, &api).dialog("Delete", dialog::dialog("Delete this API?", &path, &form)).into())
}

pub(crate) fn delete(view: &View<'_>, form: &Form) -> Result<Reply> {
    let api = read(view)?;
    let origin = view.origin(reason_of(form)?);
    admin::delete::<Api>(view.app, api.id.as_str(), true, None, &origin)?;
    Ok(Reply::to(PATH).saying(format!("Deleted {}", api.value.display_name)))
}
