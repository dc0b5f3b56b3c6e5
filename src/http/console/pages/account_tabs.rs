//! The tabs of a service account: how it authenticates, what it may do, what happened to it.

use maud::{Markup, html};

use super::account::{frame, owned, read};
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::Draft;
use crate::http::console::pages::{clients, decisions, policies};
use crate::http::console::parts::access::{self, Held};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::{history, list, text};
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::api_token::Role;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::service_account::ServiceAccount;

/// Integrations and grants that a tab shows.
const SHOWN_MAX: u32 = 200;

pub(crate) fn draw_integrations(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let account = read(view)?;
    let clients = owned::<MachineToMachine>(view, &account, SHOWN_MAX)?;
    let add = format!("/console/marketplace/machine-to-machine/add?account={}", account.id);
    let action = |class: &str| {
        html! {
            @if view.may(Role::Editor) { a class=(class) href=(add) { (Icon::Add) "Add integration" } }
        }
    };
    let body = html! {
        @if clients.items.is_empty() {
            (text::empty(
                Icon::Machine,
                "It cannot authenticate yet",
                &html! { "A machine-to-machine integration gives this account a Client ID and a Client Secret." },
                &action("button primary"),
            ))
        } @else {
            (clients::table(view, &clients.items, None))
            p.below { (action("button")) }
        }
    };
    Ok(frame(view, &account, "/integrations").body(body).into())
}

pub(crate) fn draw_access(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let account = read(view)?;
    let grants = owned::<Grant>(view, &account, SHOWN_MAX)?.items;
    let has_integration = owned::<MachineToMachine>(view, &account, 0)?.total.count > 0;
    let held = access::held_by_account(view, &account, &grants)?;
    let body = html! {
        @if held.is_empty() { (no_access(view, &account)) }
        @else {
            (access_notice(&account, has_integration))
            div.stack {
                @for held in &held { (api_card(view, held)) }
                (narrowed_by(view, &account, &held)?)
            }
        }
    };
    Ok(frame(view, &account, "/access").body(body).into())
}

/// The policies that narrow what the grants give.
fn narrowed_by(view: &View<'_>, account: &Record<ServiceAccount>, held: &[Held]) -> Result<Markup> {
    let clients = owned::<MachineToMachine>(view, account, SHOWN_MAX)?.items;
    let apis = held.iter().map(|held| held.api.id.to_string());
    let policies = policies::counting_for(
        view,
        apis,
        clients.iter().map(|client| client.id.to_string()),
        std::iter::once(account.id.to_string()),
    )?;
    Ok(html! {
        section aria-labelledby="narrowed" {
            div.section-head { h2 #narrowed { "Narrowed by" } }
            @if policies.is_empty() { p.quiet { "No policy: tokens carry what the grants give." } }
            @else { (policies::table(view, &policies)?) }
        }
    })
}

fn no_access(view: &View<'_>, account: &Record<ServiceAccount>) -> Markup {
    let action = html! {
        @if view.may(Role::Editor) {
            a.button.primary href=(format!("/console/grants/add?account={}", account.id)) { (Icon::Add) "Grant access" }
        }
    };
    let explained = html! { "A grant gives this account some of an API's scopes. Nothing is open to it before that." };
    text::empty(Icon::Grant, "It may do nothing yet", &explained, &action)
}

/// Why none of what is granted can be used at the moment.
fn access_notice(account: &Record<ServiceAccount>, has_integration: bool) -> Markup {
    let why = if !account.value.active {
        "None of this can be used now: the account is inactive."
    } else if !has_integration {
        "None of this can be used yet: the account has no integration to authenticate with."
    } else {
        return html! {};
    };
    html! { p.notice.care { (Icon::Warning) span { (why) } } }
}

fn api_card(view: &View<'_>, held: &Held) -> Markup {
    html! {
        section.card {
            header {
                h2 { a.name href=(format!("/console/marketplace/api/{}", held.api.id)) dir="auto" { (held.api.value.display_name) } }
                code.quiet { (held.api.value.aud()) }
            }
            @if !held.api.value.active { p.notice.care { (Icon::Warning) span { "This API is inactive: nobody gets a token for it." } } }
            (access::scope_table(view, held))
        }
    }
}

pub(crate) fn draw_decisions(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let account = read(view)?;
    let mut own = vec![list::equals("serviceAccountId", account.id.as_str())?];
    // Decisions are found by their client: with one, all of the account's are.
    if let [client] = owned::<MachineToMachine>(view, &account, 2)?.items.as_slice() {
        own.push(list::equals("clientId", client.value.client_id.as_str())?);
    }
    let body = decisions::tab(view, own, "It did not ask for a token yet.")?;
    Ok(frame(view, &account, "/decisions").body(body).into())
}

pub(crate) fn draw_history(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let account = read(view)?;
    let body = history::tab(view, account.id.as_str())?;
    Ok(frame(view, &account, "/history").body(body).into())
}

pub(crate) fn draw_json(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let account = read(view)?;
    let body = history::json_tab(view, &account);
    Ok(frame(view, &account, "/json").body(body).into())
}
