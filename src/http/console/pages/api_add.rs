//! API → Add Integration.

use maud::html;
use serde_json::Value;

use super::apis::{ADD, PATH, path_of};
use crate::admin;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::body::Body;
use crate::http::console::parts::field::{self, Field};
use crate::http::console::parts::{dialog, scopes, tokens};
use crate::http::console::view::{View, reason_of};
use crate::model::api::{Api, TOKEN_LIFETIME_SECONDS_DEFAULT};

pub(crate) fn draw(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let lifetime = TOKEN_LIFETIME_SECONDS_DEFAULT.to_string();
    let fields = html! {
        div.row {
            (field::text(draft, &Field {
                name: "appId", label: "API ID", value: draft.text("appId", ""), required: true, first: true, mono: true,
                hint: "Its name for machines, like myrestapi: the aud of its tokens.", ..Field::default()
            }))
            (field::text(draft, &Field {
                name: "displayName", label: "API Name", value: draft.text("displayName", ""),
                hint: "Its name for people, like My REST API.", ..Field::default()
            }))
        }
        (field::text(draft, &Field {
            name: "audience", label: "Audience", value: draft.text("audience", ""), mono: true,
            hint: "A URI that stands in aud instead, like https://api.example.com.", ..Field::default()
        }))
        (scopes::rows(draft))
        (tokens::algorithm(draft, draft.text("signingAlg", "RS256")))
        (tokens::lifetime(draft, draft.text("tokenLifetimeSeconds", &lifetime), None))
    };
    let form = field::form(view, draft, ADD, &fields, &dialog::buttons("Add integration", PATH));
    Ok(Page::new(Section::Apis, "Add an API")
        .within("Marketplace", "/console/marketplace")
        .within("API", PATH)
        .lead(html! { p { "What your services should access. It gets no credentials: it checks tokens by the public keys." } })
        .body(html! { div.card.middle { (form) } })
        .into())
}

pub(crate) fn add(view: &View<'_>, form: &Form) -> Result<Reply> {
    let (scopes, rows) = scopes::of_rows(form);
    let body = Body::of(form)
        .text("appId")
        .text("displayName")
        .text("audience")
        .text("signingAlg")
        .number("tokenLifetimeSeconds")
        .with("scopes", Value::Array(scopes))
        .made()?;
    let made = admin::create::<Api>(view.app, &body, &view.origin(reason_of(form)?));
    let made = made.map_err(|error| scopes::placed_in_rows(error, &rows))?;
    let said = format!("Added the API {}", made.record.value.display_name);
    Ok(Reply::to(path_of(made.record.id.as_str())).saying(said))
}
