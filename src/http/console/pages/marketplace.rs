//! Marketplace: the kinds of integrations there are.

use maud::{Markup, html};

use super::{apis, clients};
use crate::admin;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::Draft;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::list::first;
use crate::http::console::parts::text;
use crate::http::console::view::View;
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::machine_to_machine::MachineToMachine;

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let clients = admin::list::<MachineToMachine>(view.app, &first(0, Vec::new()))?.total;
    let apis = admin::list::<Api>(view.app, &first(0, Vec::new()))?.total;
    let body = html! {
        div.cards {
            (card(view, Icon::Machine, "Machine to Machine", "Let a machine (e.g., a micro service) access other services.",
                &text::counted_total(clients, "integration", "integrations"), clients::PATH, clients::ADD))
            (card(view, Icon::Api, "API", "Protect a REST API: name its scopes, and say how its tokens are signed.",
                &text::counted_total(apis, "API", "APIs"), apis::PATH, apis::ADD))
        }
    };
    let lead = html! { p { "What asks for tokens, and what they are for." } };
    Ok(Page::new(Section::Marketplace, "Marketplace").lead(lead).body(body).into())
}

fn card(view: &View<'_>, icon: Icon, name: &str, explained: &str, count: &str, path: &str, add: &str) -> Markup {
    html! {
        section.card.market {
            span.tile { (icon) }
            h2 { a.name href=(path) { (name) } }
            p { (explained) }
            footer {
                span.quiet { (count) }
                @if view.may(Role::Editor) { a.button href=(add) aria-label=(format!("Add Integration: {name}")) { (Icon::Add) "Add Integration" } }
            }
        }
    }
}
