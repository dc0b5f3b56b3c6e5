//! The tabs of an API: who has access, how its tokens are made, what happened to it.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::api::{frame, needed, read};
use super::apis::path_of;
use super::{accounts, decisions, policies};
use crate::admin;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::asked::Pairs;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::editing::Editing;
use crate::http::console::layout::Page;
use crate::http::console::parts::body::Body;
use crate::http::console::parts::field::{self, Field, Kind};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::{access, dialog, history, list, text, time, tokens};
use crate::http::console::view::{View, reason_of};
use crate::model::Record;
use crate::model::api::{Api, ClaimSource};
use crate::model::api_token::Role;
use crate::model::grant::Grant;
use crate::model::service_account::ServiceAccount;

pub(crate) fn draw_access(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let looked = list::looked(view, &["created"], "-created");
    let own = list::equals("apiId", api.id.as_str())?;
    let grants = admin::list::<Grant>(view.app, &looked.query(vec![own]))?;
    let accounts =
        access::by_id::<ServiceAccount>(view, grants.items.iter().map(|grant| grant.value.service_account_id.clone()))?;
    let action = html! {
        @if view.may(needed(&api)) {
            a.button.primary href=(format!("/console/grants/add?api={}", api.id)) { (Icon::Add) "Grant access" }
        }
    };
    let body = html! {
        @if grants.total.count == 0 {
            (text::empty(Icon::Grant, "Nobody has access yet", &html! { "A grant gives a service account some of this API's scopes." }, &action))
        } @else {
            div.tools { (action) }
            div.table {
                table.lines {
                    caption.sr { "Who has access" }
                    thead { tr { th scope="col" { "Service Account" } th scope="col" { "Scopes" } th scope="col" { "Until" } th scope="col" { "Why" } } }
                    tbody {
                        @for grant in &grants.items { (grant_row(view, grant, accounts.get(&grant.value.service_account_id))) }
                    }
                }
            }
            (list::pager(view, looked.page, &grants))
        }
    };
    Ok(frame(view, &api, "/access").body(body).into())
}

fn grant_row(view: &View<'_>, grant: &Record<Grant>, account: Option<&Record<ServiceAccount>>) -> Markup {
    html! {
        tr {
            td {
                @if let Some(account) = account {
                    a.name href=(accounts::path_of(account.id.as_str())) dir="auto" { (account.value.display_name) }
                    @if !account.value.active { " " (text::status(false)) }
                    small.mono dir="auto" { (account.value.user_name) }
                }
            }
            td.all { a.chips href=(format!("/console/grants/{}", grant.id)) { @for scope in &grant.value.scopes { code.chip { (scope) } } } }
            td { (access::window(&grant.value, view.now)) }
            td.all.quiet dir="auto" { (grant.value.reason) }
        }
    }
}

pub(crate) fn draw_tokens(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(settings(view, &read(view)?).into())
}

fn settings(view: &View<'_>, api: &Record<Api>) -> Page {
    let value = &api.value;
    let meaning = tokens::ALGORITHMS.iter().find(|(name, ..)| *name == value.signing_alg.as_str());
    let body = html! {
        div.stack {
            div.card {
                (text::facts(&[
                    ("Signed with", html! { strong { (value.signing_alg.as_str()) } p.hint { (meaning.map_or("", |(_, _, meaning)| meaning)) } }),
                    ("Tokens live for", html! { (time::length(value.token_lifetime_seconds)) }),
                    ("Audience", html! { (text::copyable("the audience", value.aud())) p.hint { "The aud of its tokens." } }),
                    ("Issuer", html! { (text::copyable("the issuer", view.app.issuer())) p.hint { "The iss of its tokens." } }),
                    ("Public keys", text::copyable("the address of the keys", &format!("{}.well-known/jwks.json", view.app.issuer()))),
                ]))
                @if view.may(needed(api)) {
                    p.below { a.button href=(format!("{}/tokens/edit", path_of(api.id.as_str()))) { "Edit token settings" } }
                }
            }
            section aria-labelledby="claims" {
                div.section-head { h2 #claims { "Claims" } }
                @if value.claims.is_empty() { p.quiet { "Tokens carry no claims but grantd's own." } }
                @else { (claim_table(value)) }
            }
        }
    };
    frame(view, api, "/tokens").body(body)
}

fn claim_table(api: &Api) -> Markup {
    html! {
        div.table {
            table {
                thead { tr { th scope="col" { "Claim" } th scope="col" { "Value" } } }
                tbody {
                    @for (name, source) in &api.claims {
                        tr {
                            th scope="row" { code { (name) } }
                            td {
                                @match source {
                                    ClaimSource::Value(value) => { code { (value) } }
                                    ClaimSource::Attribute(path) => { "The account's attribute " code { (path) } }
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
    let claims = members["claims"].as_object().filter(|object| !object.is_empty());
    Pairs(vec![
        ("signingAlg".to_owned(), members["signingAlg"].as_str().unwrap_or_default().to_owned()),
        ("tokenLifetimeSeconds".to_owned(), members["tokenLifetimeSeconds"].to_string()),
        (
            "claims".to_owned(),
            claims.map(|claims| serde_json::to_string_pretty(claims).unwrap_or_default()).unwrap_or_default(),
        ),
    ])
}

pub(crate) fn draw_edit_tokens(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let path = format!("{}/tokens", path_of(api.id.as_str()));
    let editing = Editing::of(view, draft, &api, values)?;
    let fields = html! {
        (editing.notice(view))
        (editing.revision_field())
        (tokens::algorithm(draft, editing.text("signingAlg")))
        (tokens::lifetime(draft, editing.text("tokenLifetimeSeconds"), editing.theirs("tokenLifetimeSeconds")))
        (field::text(draft, &Field {
            name: "claims", label: "Claims", value: editing.text("claims"), theirs: editing.theirs("claims"), kind: Kind::Area, mono: true,
            hint: r#"A JSON object: {"tier": {"value": "gold"}, "team": {"attribute": "team"}}. An attribute is the account's."#,
            ..Field::default()
        }))
        (field::reason(draft))
    };
    let form = field::form(view, draft, &format!("{path}/edit"), &fields, &dialog::buttons("Save", &path));
    Ok(settings(view, &api).dialog("Token settings", dialog::dialog("Token settings", &path, &form)).into())
}

pub(crate) fn edit_tokens(view: &View<'_>, form: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    let body = Body::of(form).text("signingAlg").number("tokenLifetimeSeconds").object("claims").patch()?;
    let origin = view.origin(reason_of(form)?);
    admin::patch::<Api>(view.app, id, &body, form.revision(), &origin)?;
    Ok(Reply::to(format!("{}/tokens", path_of(id))).saying("Saved the token settings"))
}

pub(crate) fn draw_policies(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let none = std::iter::empty;
    let found = policies::counting_for(view, std::iter::once(api.id.to_string()), none(), none())?;
    let action =
        html! { @if view.may(Role::Editor) { a.button href=(policies::ADD) { (Icon::Add) "Attach a policy" } } };
    let body = html! {
        @if found.is_empty() {
            (text::empty(Icon::Policy, "No policies", &html! { "Tokens for this API carry what the grants give." }, &action))
        } @else {
            (policies::table(view, &found)?)
            p.below { (action) }
        }
    };
    Ok(frame(view, &api, "/policies").body(body).into())
}

pub(crate) fn draw_decisions(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let own = list::equals("apiId", api.id.as_str())?;
    let body = decisions::tab(view, vec![own], "Nobody asked for a token for it yet.")?;
    Ok(frame(view, &api, "/decisions").body(body).into())
}

pub(crate) fn draw_history(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let body = history::tab(view, api.id.as_str())?;
    Ok(frame(view, &api, "/history").body(body).into())
}

pub(crate) fn draw_json(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let api = read(view)?;
    let body = history::json_tab(view, &api);
    Ok(frame(view, &api, "/json").body(body).into())
}
