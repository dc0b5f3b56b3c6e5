//! Grant access: choose the API, then the account, the scopes, until when, and why.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::grants::{ADD, PATH, path_of};
use crate::admin;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::body::Body;
use crate::http::console::parts::field::{self, Field, Kind};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{access, dialog, list, text};
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::grant::Grant;
use crate::model::service_account::ServiceAccount;

pub(crate) fn draw(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let asked = |name: &str| view.asked.query.value(name).unwrap_or_default();
    let account = admin::read::<ServiceAccount>(view.app, asked("account")).ok();
    let api_id = draft.text("apiId", asked("api"));
    let api = admin::read::<Api>(view.app, api_id).ok();
    let body = match &api {
        Some(api) => fields(view, draft, account.as_ref(), api),
        None => choose_api(view, account.as_ref())?,
    };
    Ok(Page::new(Section::Grants, "Grant access")
        .within("Grants", PATH)
        .lead(html! { p { "A grant gives a service account some of an API's scopes." } })
        .body(body)
        .into())
}

/// The first step: each API with what it is, as a link to the second.
fn choose_api(view: &View<'_>, account: Option<&Record<ServiceAccount>>) -> Result<Markup> {
    let looked = list::looked(view, &["created"], "-created");
    let mut filters = Vec::new();
    if !looked.search.is_empty() {
        filters.push(list::contains(&["displayName", "appId"], looked.search)?);
    }
    if !view.may(Role::Admin) {
        filters.push(list::equals("builtIn", false)?);
    }
    let found = admin::list::<Api>(view.app, &looked.query(filters))?;
    let add = html! { a.button.primary href=(super::apis::ADD) { (Icon::Add) "Add an API" } };
    Ok(html! {
        h2.step-title {
            "Which API"
            @if let Some(account) = account { " should " bdi { (account.value.display_name) } " use" }
            "?"
        }
        @if found.total.count == 0 && looked.search.is_empty() {
            (text::empty(Icon::Api, "No APIs yet", &html! { "Add the API first: it says which scopes there are to grant." }, &add))
        } @else {
            @if found.total.count > i64::from(list::ROWS) || !looked.search.is_empty() {
                div.tools { (list::search(view, "Search by name or API ID", looked.search)) }
            }
            div #list {
                ul.cards {
                    @for api in &found.items { li { (api_card(account, api)) } }
                }
                (list::pager(view, looked.page, &found))
            }
        }
    })
}

fn api_card(account: Option<&Record<ServiceAccount>>, api: &Record<Api>) -> Markup {
    let account = account.map(|account| format!("&account={}", account.id)).unwrap_or_default();
    let scopes = i64::try_from(api.value.scopes.len()).unwrap_or(i64::MAX);
    html! {
        a.card.pick href=(format!("{ADD}?api={}{account}", api.id)) {
            strong dir="auto" { (api.value.display_name) }
            @if api.value.built_in { (badge(Tone::Care, "grantd itself")) }
            code.quiet { (api.value.app_id) }
            span.quiet { (text::counted(scopes, "scope", "scopes")) }
        }
    }
}

/// The second step.
fn fields(view: &View<'_>, draft: &Draft<'_>, account: Option<&Record<ServiceAccount>>, api: &Record<Api>) -> Markup {
    let account = account.map_or("", |account| account.value.user_name.as_str());
    let fields = html! {
        div.chosen {
            span.quiet { "API" }
            strong dir="auto" { (api.value.display_name) }
            code { (api.value.app_id) }
            a href=(format!("{ADD}?{}", view.asked.query.to_query(&["api", "q", "page"], &[]))) { "Choose another" }
        }
        input type="hidden" name="apiId" value=(api.id);
        (field::text(draft, &Field {
            name: "serviceAccountId", label: "Service Account", value: draft.text("serviceAccountId", account), required: true,
            first: account.is_empty(), mono: true, suggest: "/console/suggest/service-accounts",
            hint: "Its user name.", ..Field::default()
        }))
        (scope_ticks(draft, &api.value, |scope| draft.form().is_some_and(|form| ticked(form, scope))))
        (until_and_why(draft, |name| draft.text(name, "").to_owned(), |_| None))
    };
    let form = field::form(view, draft, ADD, &fields, &dialog::buttons("Grant access", PATH));
    html! { div.card.middle { (form) } }
}

/// Whether a scope's box is ticked in a form.
pub(crate) fn ticked(form: &Form, scope: &str) -> bool {
    form.pairs.0.iter().any(|(name, value)| name == "scopes" && value == scope)
}

/// The scopes of an API, each with what it means, to be ticked.
pub(crate) fn scope_ticks(draft: &Draft<'_>, api: &Api, is_ticked: impl Fn(&str) -> bool) -> Markup {
    let found = draft.problems("scopes");
    html! {
        fieldset.choice {
            legend { "Scopes" }
            @if api.scopes.is_empty() { p.hint { "This API has no scopes yet: add one to it first." } }
            @for (index, scope) in api.scopes.iter().enumerate() {
                @let id = format!("scope-{index}");
                div.option {
                    input type="checkbox" id=(id) name="scopes" value=(scope.identifier) checked[is_ticked(&scope.identifier)]
                        aria-describedby=(format!("{id}-hint"));
                    div {
                        label for=(id) { code { (scope.identifier) } }
                        " " (access::sensitivity(scope)) @if scope.default { " " (badge(Tone::Plain, "default")) }
                        p.hint id=(format!("{id}-hint")) dir="auto" { (access::described(scope)) }
                    }
                }
            }
            @if !found.is_empty() { p.problem { (Icon::Warning) span { (found.join("; ")) } } }
        }
    }
}

/// Until when a grant holds, and why it was made.
pub(crate) fn until_and_why<'t>(
    draft: &Draft<'_>,
    value: impl Fn(&str) -> String,
    theirs: impl Fn(&str) -> Option<&'t str>,
) -> Markup {
    let (start, end, why) = (value("notBefore"), value("expiresAt"), value("reason"));
    html! {
        div.row {
            (field::text(draft, &Field {
                name: "expiresAt", label: "Until when (UTC)", value: &end, theirs: theirs("expiresAt"), kind: Kind::Moment,
                hint: "Without it, the grant holds until it is revoked.", ..Field::default()
            }))
            (field::text(draft, &Field {
                name: "notBefore", label: "From when (UTC)", value: &start, theirs: theirs("notBefore"), kind: Kind::Moment,
                hint: "Without it, the grant holds from now on.", ..Field::default()
            }))
        }
        (field::text(draft, &Field {
            name: "reason", label: "Why", value: &why, theirs: theirs("reason"),
            hint: "For whoever asks later: a ticket, a purpose. Kept with the grant and in the audit trail.", ..Field::default()
        }))
    }
}

pub(crate) fn add(view: &View<'_>, form: &Form) -> Result<Reply> {
    let body = Body::of(form)
        .text("serviceAccountId")
        .text("apiId")
        .ticked("scopes")
        .moment("notBefore")
        .moment("expiresAt")
        .text("reason")
        .made()?;
    let origin = view.origin(form.text("reason"));
    let made = admin::create::<Grant>(view.app, &body, &origin)?.record;
    Ok(Reply::to(path_of(made.id.as_str())).saying(format!("Granted {}", made.value.scopes.join(", "))))
}

/// The body of a PATCH that sets what of a grant may change.
pub(crate) fn patch_of(form: &Form) -> Result<Value> {
    let mut body = Body::of(form).ticked("scopes").moment("notBefore").moment("expiresAt").patch()?;
    // Why it was granted is a text, which may be empty, and not a member that may be missing.
    let reason = json!({"op": "replace", "path": "reason", "value": form.text("reason").unwrap_or_default()});
    if let Some(operations) = body["Operations"].as_array_mut() {
        operations.push(reason);
    }
    Ok(body)
}
