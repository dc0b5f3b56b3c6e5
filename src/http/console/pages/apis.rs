//! Marketplace → API: the list of what is protected.

use maud::{Markup, html};

use crate::admin;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::Draft;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{list, text, time};
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::api::Api;
use crate::model::api_token::Role;

pub(crate) const PATH: &str = "/console/marketplace/api";
pub(crate) const ADD: &str = "/console/marketplace/api/add";

pub(crate) fn path_of(id: &str) -> String {
    format!("{PATH}/{id}")
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let looked = list::looked(view, &["created"], "-created");
    let mut filters = Vec::new();
    if !looked.search.is_empty() {
        filters.push(list::contains(&["displayName", "appId"], looked.search)?);
    }
    let found = admin::list::<Api>(view.app, &looked.query(filters))?;
    let has_own =
        found.items.iter().any(|api| !api.value.built_in) || found.total.count > 1 || !looked.search.is_empty();
    let body = html! {
        @if !has_own { (nothing_yet(view)) br; }
        @else { div.tools { (list::search(view, "Search by name or API ID", looked.search)) } }
        div #list {
            @if found.items.is_empty() {
                (text::empty(Icon::Search, "Nothing fits", &html! { "No API fits what you look for." }, &html! { a.button href=(PATH) { "Show all" } }))
            } @else { (table(&found.items)) }
            (list::pager(view, looked.page, &found))
        }
    };
    let lead = html! { p { "What tokens are for. Each API names its scopes and says how its tokens are signed." } };
    let add = html! { @if view.may(Role::Editor) { a.button.primary href=(ADD) { (Icon::Add) "Add Integration" } } };
    Ok(Page::new(Section::Apis, "API")
        .within("Marketplace", "/console/marketplace")
        .lead(lead)
        .actions(add)
        .body(body)
        .into())
}

fn nothing_yet(view: &View<'_>) -> Markup {
    let explained = html! { "Add the REST API that your services should access, with the scopes that it knows." };
    let action = html! { @if view.may(Role::Editor) { a.button.primary href=(ADD) { (Icon::Add) "Add Integration" } } };
    text::empty(Icon::Api, "No API of yours yet", &explained, &action)
}

fn table(apis: &[Record<Api>]) -> Markup {
    html! {
        div.table {
            table {
                caption.sr { "APIs" }
                thead {
                    tr {
                        th scope="col" { "API Name" } th.less scope="col" { "Audience" } th.number scope="col" { "Scopes" }
                        th.less scope="col" { "Signed with" } th.less scope="col" { "Tokens live" } th scope="col" { "Status" }
                    }
                }
                tbody {
                    @for api in apis {
                        tr {
                            td {
                                a.name href=(path_of(api.id.as_str())) dir="auto" { (api.value.display_name) }
                                @if api.value.built_in { " " (badge(Tone::Plain, "built in")) }
                                small.mono { (api.value.app_id) }
                            }
                            td.less { code { (api.value.aud()) } }
                            td.number { (api.value.scopes.len()) }
                            td.less { (api.value.signing_alg.as_str()) }
                            td.less { (time::length(api.value.token_lifetime_seconds)) }
                            td { (text::status(api.value.active)) }
                        }
                    }
                }
            }
        }
    }
}
