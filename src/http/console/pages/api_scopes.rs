//! The scopes of an API, one at a time.

use maud::html;
use serde_json::{Map, Value, json};

use super::api::{read, scopes as page};
use super::apis::path_of;
use crate::admin;
use crate::error::{Error, Result};
use crate::filter::Literal;
use crate::http::console::answer::Reply;
use crate::http::console::asked::{Pairs, escape};
use crate::http::console::draft::{Draft, Form};
use crate::http::console::editing::Editing;
use crate::http::console::parts::{dialog, field, scopes, text};
use crate::http::console::view::{View, reason_of};
use crate::model::api::Api;

pub(crate) fn draw_add(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let path = path_of(api.id.as_str());
    let stored = |name: &str| if name == "sensitivity" { "low" } else { "" };
    let fields = html! {
        (scopes::fields(draft, |name| draft.text(name, stored(name)).to_owned(), draft.is_ticked("default", false)))
        (field::reason(draft))
    };
    let form = field::form(view, draft, &format!("{path}/scopes/add"), &fields, &dialog::buttons("Save", &path));
    Ok(page(view, &api).dialog("Add a scope", dialog::dialog("Add a scope", &path, &form)).into())
}

pub(crate) fn add(view: &View<'_>, form: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    let body = json!({"Operations": [{"op": "add", "path": "scopes", "value": [scopes::of_form(form)]}]});
    let origin = view.origin(reason_of(form)?);
    admin::patch::<Api>(view.app, id, &body, None, &origin).map_err(scopes::placed_alone)?;
    Ok(Reply::to(path_of(id)).saying(format!("Added the scope {}", form.text("identifier").unwrap_or_default())))
}

/// The scope that the address names.
fn named<'a>(view: &'a View<'_>) -> &'a str {
    view.asked.query.value("scope").unwrap_or_default()
}

/// The path of a PATCH that leads to it.
fn selected(scope: &str) -> String {
    format!("scopes[identifier eq {}]", Literal::from(scope))
}

fn values(members: &Map<String, Value>, scope: &str) -> Pairs {
    let all = members["scopes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = all.iter().find(|one| one["identifier"] == scope).cloned().unwrap_or_default();
    let text = |name: &str| (name.to_owned(), found[name].as_str().unwrap_or_default().to_owned());
    let mut pairs = vec![text("identifier"), text("displayName"), text("description"), text("sensitivity")];
    if found["default"] == true {
        pairs.push(("default".to_owned(), "true".to_owned()));
    }
    Pairs(pairs)
}

fn must_exist(api: &Api, scope: &str) -> Result<()> {
    let exists = api.scopes.iter().any(|known| known.identifier == scope);
    if exists { Ok(()) } else { Err(Error::NotFound(format!("this API has no scope {scope} any more"))) }
}

pub(crate) fn draw_edit(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let scope = named(view);
    must_exist(&api.value, scope)?;
    let path = path_of(api.id.as_str());
    let editing = Editing::of(view, draft, &api, |members| values(members, scope))?;
    let fields = html! {
        (editing.notice(view))
        (editing.revision_field())
        (scopes::fields(draft, |name| editing.text(name).to_owned(), editing.is_ticked("default")))
        (field::reason(draft))
    };
    let action = format!("{path}/scopes/edit?scope={}", escape(scope));
    let form = field::form(view, draft, &action, &fields, &dialog::buttons("Save", &path));
    Ok(page(view, &api).dialog("Edit a scope", dialog::dialog(&format!("Edit the scope {scope}"), &path, &form)).into())
}

pub(crate) fn edit(view: &View<'_>, form: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    let body =
        json!({"Operations": [{"op": "replace", "path": selected(named(view)), "value": scopes::of_form(form)}]});
    let origin = view.origin(reason_of(form)?);
    admin::patch::<Api>(view.app, id, &body, form.revision(), &origin).map_err(scopes::placed_alone)?;
    Ok(Reply::to(path_of(id)).saying(format!("Saved the scope {}", form.text("identifier").unwrap_or_default())))
}

pub(crate) fn draw_remove(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let scope = named(view);
    must_exist(&api.value, scope)?;
    let path = path_of(api.id.as_str());
    let grants = view.app.store.grant_count_of_scope(&api.id, scope)?;
    let fields = html! {
        p { "No token carries " code { (scope) } " from then on." }
        @if grants.count > 0 {
            p.problem { (text::counted_total(grants, "grant holds it", "grants hold it")) ": take it out of them first." }
        }
        (field::reason(draft))
    };
    let action = format!("{path}/scopes/remove?scope={}", escape(scope));
    let form = field::form(view, draft, &action, &fields, &dialog::dangerous_buttons("Remove", &path));
    Ok(page(view, &api)
        .dialog("Remove a scope", dialog::dialog(&format!("Remove the scope {scope}?"), &path, &form))
        .into())
}

pub(crate) fn remove(view: &View<'_>, form: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    let body = json!({"Operations": [{"op": "remove", "path": selected(named(view))}]});
    admin::patch::<Api>(view.app, id, &body, None, &view.origin(reason_of(form)?))?;
    Ok(Reply::to(path_of(id)).saying(format!("Removed the scope {}", named(view))))
}
