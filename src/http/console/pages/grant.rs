//! One grant: what it gives, from when to when, and why.

use maud::html;
use serde_json::{Map, Value};

use super::grant_add::{patch_of, scope_ticks, until_and_why};
use super::grants::{PATH, path_of};
use super::{accounts, api, apis};
use crate::admin;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::asked::Pairs;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::editing::Editing;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::access::{self, Held};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::{dialog, field, history, text, time};
use crate::http::console::view::{View, reason_of};
use crate::model::Record;
use crate::model::api::Api;
use crate::model::grant::Grant;
use crate::model::service_account::ServiceAccount;

const TABS: &[(&str, &str)] = &[("", "Grant"), ("/history", "History"), ("/json", "JSON")];

/// A grant, and the two that it stands between.
struct Between {
    grant: Record<Grant>,
    account: Record<ServiceAccount>,
    api: Record<Api>,
}

fn read(view: &View<'_>) -> Result<Between> {
    let grant = admin::read::<Grant>(view.app, view.parameter("id"))?;
    Ok(Between {
        account: admin::read(view.app, &grant.value.service_account_id)?,
        api: admin::read(view.app, &grant.value.api_id)?,
        grant,
    })
}

fn frame(view: &View<'_>, between: &Between, tab: &str) -> Page {
    let path = path_of(between.grant.id.as_str());
    let title = format!("{} → {}", between.account.value.display_name, between.api.value.display_name);
    let actions = html! {
        @if view.may(api::needed(&between.api)) {
            a.button href=(format!("{path}/edit")) { "Edit" }
            a.button href=(format!("{path}/delete")) { (Icon::Trash) "Revoke" }
        }
    };
    Page::new(Section::Grants, title)
        .within("Grants", PATH)
        .lead(html! { p.meta { (access::window(&between.grant.value, view.now)) } })
        .actions(actions)
        .tabs(text::tabs("Grant", &path, TABS, tab))
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(page(view, &read(view)?).into())
}

fn page(view: &View<'_>, between: &Between) -> Page {
    let Between { grant, account, api } = between;
    let held = Held { api: api.clone(), grants: vec![grant.clone()] };
    let body = html! {
        div.stack {
            @if !account.value.active || !api.value.active {
                p.notice.care { (Icon::Warning) span {
                    "It cannot be used now: " @if account.value.active { "the API is inactive." } @else { "the account is inactive." }
                } }
            }
            div.card {
                (text::facts(&[
                    ("Service Account", html! { a href=(accounts::path_of(account.id.as_str())) dir="auto" { (account.value.display_name) } }),
                    ("API", html! { a href=(apis::path_of(api.id.as_str())) dir="auto" { (api.value.display_name) } }),
                    ("From", time::relative_or(grant.value.not_before, view.now, "When it was made")),
                    ("Until", time::relative_or(grant.value.expires_at, view.now, "No end")),
                    ("Why", html! { @if grant.value.reason.is_empty() { span.quiet { "No reason was given" } } @else { span dir="auto" { (grant.value.reason) } } }),
                    ("Made", time::relative(grant.meta.created, view.now)),
                ]))
            }
            section.card aria-labelledby="scopes" {
                h2 #scopes { "Scopes" }
                (access::scope_table(view, &held))
            }
        }
    };
    frame(view, between, "").body(body)
}

pub(crate) fn draw_history(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let between = read(view)?;
    let body = history::tab(view, between.grant.id.as_str())?;
    Ok(frame(view, &between, "/history").body(body).into())
}

pub(crate) fn draw_json(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let between = read(view)?;
    let body = history::json_tab(view, &between.grant);
    Ok(frame(view, &between, "/json").body(body).into())
}

/// Each scope is a field of its own here, so that what two people ticked can be told apart.
fn values(members: &Map<String, Value>) -> Pairs {
    let moment = |name: &str| {
        let time = members[name].as_str().and_then(Timestamp::parse);
        (name.to_owned(), time::field_value(time))
    };
    let reason = members["reason"].as_str().unwrap_or_default().to_owned();
    let mut pairs = vec![moment("notBefore"), moment("expiresAt"), ("reason".to_owned(), reason)];
    let scopes = members["scopes"].as_array().cloned().unwrap_or_default();
    let scopes = scopes.iter().filter_map(Value::as_str);
    pairs.extend(scopes.map(|scope| ("scopes".to_owned(), scope.to_owned())));
    Pairs(pairs)
}

pub(crate) fn draw_edit(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let between = read(view)?;
    let path = path_of(between.grant.id.as_str());
    let editing = Editing::of(view, draft, &between.grant, values)?;
    let is_ticked = |scope: &str| editing.values().0.iter().any(|(name, value)| name == "scopes" && value == scope);
    let fields = html! {
        (editing.notice(view))
        (editing.revision_field())
        (scope_ticks(draft, &between.api.value, is_ticked))
        (until_and_why(draft, |name| editing.text(name).to_owned(), |name| editing.theirs(name)))
        (field::reason(draft))
    };
    let form = field::form(view, draft, &format!("{path}/edit"), &fields, &dialog::buttons("Save", &path));
    Ok(page(view, &between).dialog("Edit", dialog::dialog("Edit grant", &path, &form)).into())
}

pub(crate) fn edit(view: &View<'_>, form: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    let origin = view.origin(reason_of(form)?);
    let grant = admin::patch::<Grant>(view.app, id, &patch_of(form)?, form.revision(), &origin)?;
    Ok(Reply::to(path_of(id)).saying(format!("Saved: {}", grant.value.scopes.join(", "))))
}

pub(crate) fn draw_delete(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let between = read(view)?;
    let path = path_of(between.grant.id.as_str());
    let fields = html! {
        p {
            strong dir="auto" { (between.account.value.display_name) } " gets no token with "
            @for (index, scope) in between.grant.value.scopes.iter().enumerate() { @if index > 0 { ", " } code { (scope) } }
            " at " strong dir="auto" { (between.api.value.display_name) } " from then on, unless another grant gives it. "
            "Tokens that were issued stay valid until they end, at most " (time::length(between.api.value.token_lifetime_seconds)) "."
        }
        (field::reason(draft))
    };
    let buttons = dialog::dangerous_buttons("Revoke", &path);
    let form = field::form(view, draft, &format!("{path}/delete"), &fields, &buttons);
    Ok(page(view, &between).dialog("Revoke", dialog::dialog("Revoke this grant?", &path, &form)).into())
}

pub(crate) fn delete(view: &View<'_>, form: &Form) -> Result<Reply> {
    let between = read(view)?;
    let origin = view.origin(reason_of(form)?);
    admin::delete::<Grant>(view.app, between.grant.id.as_str(), false, None, &origin)?;
    let account = between.account.id.as_str();
    Ok(Reply::to(format!("{}/access", accounts::path_of(account))).saying("Revoked the grant"))
}
