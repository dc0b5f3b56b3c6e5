//! Settings → API Tokens: the bearers of the admin API.

use maud::{Markup, html};

use crate::admin::{operations, session};
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::body::Body;
use crate::http::console::parts::field::{self, Field, Kind};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{dialog, list, text, time};
use crate::http::console::view::{Shown, View, reason_of};
use crate::model::api_token::ApiToken;
use crate::secret::Secret;

const PATH: &str = "/console/api-tokens";
const ADD: &str = "/console/api-tokens/add";

/// The roles, each with what it may do.
const ROLES: &[(&str, &str, &str)] = &[
    ("reader", "Reader", "Sees everything, changes nothing."),
    ("editor", "Editor", "Also writes service accounts, integrations, APIs, grants and secrets."),
    ("admin", "Administrator", "Also handles API tokens, rotates keys, and grants access to grantd itself."),
];

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(page(view)?.into())
}

fn page(view: &View<'_>) -> Result<Page> {
    let looked = list::looked(view, &["created"], "-created");
    let found = operations::api_token_list(view.app, &looked.query(Vec::new()))?;
    let body = html! {
        div.stack {
            @match view.shown_secret() {
                Shown::Secret(secret) => (shown(&secret)),
                Shown::Before => p.notice.care { (Icon::Warning) span { "The token was shown once, and is not stored in clear. If nobody has it, make another and revoke this one." } },
                Shown::Nothing => {}
            }
            div {
                div.table {
                    table {
                        caption.sr { "API tokens" }
                        thead {
                            tr {
                                th scope="col" { "Name" } th scope="col" { "Role" } th scope="col" { "Status" } th.less scope="col" { "Made" }
                                th.less scope="col" { "Last used" } th scope="col" { span.sr { "Actions" } }
                            }
                        }
                        tbody { @for token in &found.items { (row(view, token)) } }
                    }
                }
                (list::pager(view, looked.page, &found))
            }
        }
    };
    let lead = html! { p { "Each opens the admin API and this console to whoever bears it." } };
    let actions = html! { a.button.primary href=(ADD) { (Icon::Add) "Make a token" } };
    Ok(Page::new(Section::ApiTokens, "API Tokens").lead(lead).actions(actions).body(body))
}

fn shown(secret: &Secret) -> Markup {
    html! {
        section.card.shown aria-labelledby="shown" {
            h2 #shown { "Copy the API token now" }
            p { "It is shown this once: grantd keeps only what it needs to recognise it." }
            (text::copyable("the API token", secret.expose()))
        }
    }
}

fn row(view: &View<'_>, token: &ApiToken) -> Markup {
    let is_own = token.id == view.session.api_token.id;
    html! {
        tr {
            td { strong dir="auto" { (token.display_name) } @if is_own { " " (badge(Tone::Plain, "yours")) } small.mono { "…" (token.last4) } }
            td { (token.role.as_str()) }
            td { (status(view, token)) }
            td.less { (time::relative(token.issued_at, view.now)) }
            td.less { (time::relative_or(token.last_used_at, view.now, "Never")) }
            td.number { a href=(format!("{PATH}/{}/revoke", token.id)) aria-label=(format!("Revoke {}", token.display_name)) { "Revoke" } }
        }
    }
}

fn status(view: &View<'_>, token: &ApiToken) -> Markup {
    match token.expires_at {
        _ if !token.active => badge(Tone::Plain, "Inactive"),
        Some(end) if end <= view.now => html! { (badge(Tone::Bad, "Ended")) " " (time::relative(end, view.now)) },
        Some(end) if time::is_soon(end, view.now) => {
            html! { (badge(Tone::Care, "Ends soon")) " " (time::relative(end, view.now)) }
        }
        Some(end) => html! { (badge(Tone::Good, "Valid")) " ends " (time::relative(end, view.now)) },
        None => badge(Tone::Good, "Valid"),
    }
}

pub(crate) fn draw_add(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let fields = html! {
        (field::text(draft, &Field {
            name: "displayName", label: "Name", value: draft.text("displayName", ""), required: true, first: true,
            hint: "Who or what bears it.", ..Field::default()
        }))
        (field::choice(draft, "role", "Role", draft.text("role", "reader"), ROLES))
        (field::text(draft, &Field {
            name: "expiresAt", label: "Ends at (UTC)", value: draft.text("expiresAt", ""), kind: Kind::Moment,
            hint: "Without it, the token is valid until it is revoked.", ..Field::default()
        }))
        (field::reason(draft))
    };
    let form = field::form(view, draft, ADD, &fields, &dialog::buttons("Make the token", PATH));
    Ok(page(view)?.dialog("Make a token", dialog::dialog("Make an API token", PATH, &form)).into())
}

pub(crate) fn add(view: &View<'_>, form: &Form) -> Result<Reply> {
    let body = Body::of(form).text("displayName").text("role").moment("expiresAt").made()?;
    let made = operations::api_token_create(view.app, &body, &view.origin(reason_of(form)?))?;
    let token = made["signedToken"].as_str().unwrap_or_default();
    let key = view.put_aside(Secret::new(token.to_owned()));
    Ok(Reply::to(format!("{PATH}?shown={key}")).saying("Made an API token"))
}

pub(crate) fn draw_revoke(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let token = operations::api_token_read(view.app, view.parameter("id"))?;
    let sessions = session::list(view.app, &view.actor)?;
    let sessions = sessions.iter().filter(|session| session.api_token.id == token.id).count();
    let sessions = i64::try_from(sessions).unwrap_or(i64::MAX);
    let fields = html! {
        p { "Whoever bears " strong dir="auto" { (token.display_name) } " is refused from then on. "
            @match token.last_used_at {
                Some(used) => { "It was last used " (time::relative(used, view.now)) "." }
                None => { "It was never used." }
            }
        }
        @if sessions > 0 { p { "With it ends " (text::counted(sessions, "session of the console", "sessions of the console")) "." } }
        @if token.id == view.session.api_token.id { p.problem { "It is the one that you are signed in with: this signs you out." } }
        (field::reason(draft))
    };
    let action = format!("{PATH}/{}/revoke", token.id);
    let form = field::form(view, draft, &action, &fields, &dialog::dangerous_buttons("Revoke", PATH));
    Ok(page(view)?.dialog("Revoke", dialog::dialog("Revoke this API token?", PATH, &form)).into())
}

pub(crate) fn revoke(view: &View<'_>, form: &Form) -> Result<Reply> {
    operations::api_token_delete(view.app, view.parameter("id"), &view.origin(reason_of(form)?))?;
    Ok(Reply::to(PATH).saying("Revoked the API token"))
}
