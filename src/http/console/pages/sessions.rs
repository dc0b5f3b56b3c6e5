//! Settings → Sessions: who is signed in to the console, and ending that.

use maud::{Markup, html};

use crate::admin::session;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::gate;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{dialog, field, time};
use crate::http::console::view::View;
use crate::model::api_token::Role;
use crate::model::console_session::ConsoleSession;

const PATH: &str = "/console/sessions";

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(page(view)?.into())
}

fn page(view: &View<'_>) -> Result<Page> {
    let sessions = session::list(view.app, &view.actor)?;
    let body = html! {
        div.table {
            table {
                caption.sr { "Sessions" }
                thead {
                    tr {
                        th scope="col" { "API token" } th scope="col" { "Browser" } th.less scope="col" { "Address" }
                        th.less scope="col" { "Signed in" } th scope="col" { "Last seen" } th scope="col" { span.sr { "Actions" } }
                    }
                }
                tbody { @for session in &sessions { (row(view, session)) } }
            }
        }
    };
    let settings = &view.app.config.console;
    let lead = html! {
        p { "Who is signed in to the console" @if !view.may(Role::Admin) { " with your API token" } ". A session ends after "
            (time::length(i64::from(settings.session_idle_minutes) * 60)) " without a request, and after "
            (time::length(i64::from(settings.session_hours) * 3600)) " in any case." }
    };
    Ok(Page::new(Section::Sessions, "Sessions").lead(lead).body(body))
}

fn row(view: &View<'_>, session: &ConsoleSession) -> Markup {
    let is_own = session.id == view.session.id;
    html! {
        tr {
            td { strong dir="auto" { (session.api_token.display_name) } @if is_own { " " (badge(Tone::Plain, "this one")) } small { (session.api_token.role.as_str()) } }
            td title=[session.user_agent.as_deref()] { (browser(session.user_agent.as_deref().unwrap_or_default())) }
            td.less { (session.client_ip.as_deref().unwrap_or("—")) }
            td.less { (time::relative(session.created_at, view.now)) }
            td { @if is_own { "now" } @else { (time::relative(session.last_used_at, view.now)) } }
            td.number { a href=(format!("{PATH}/{}/end", session.id)) aria-label=(format!("End the session of {}", session.api_token.display_name)) { "End" } }
        }
    }
}

/// A browser as people call it.
fn browser(user_agent: &str) -> String {
    let first = |names: &[(&'static str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    let program = first(&[
        ("Firefox/", "Firefox"),
        ("Edg/", "Edge"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (program, system) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(known), None) | (None, Some(known)) => known.to_owned(),
        (None, None) => "Unknown".to_owned(),
    }
}

pub(crate) fn draw_end(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let id = view.parameter("id");
    let is_own = id == view.session.id.as_str();
    let fields = html! {
        @if is_own { p { "It is your own: you are signed out." } }
        @else { p { "Whoever is signed in there must sign in again." } }
    };
    let form =
        field::form(view, draft, &format!("{PATH}/{id}/end"), &fields, &dialog::buttons("End the session", PATH));
    Ok(page(view)?.dialog("End a session", dialog::dialog("End this session?", PATH, &form)).into())
}

pub(crate) fn end(view: &View<'_>, _: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    session::end(view.app, id, &view.origin(Some("ended in the console")))?;
    if id == view.session.id.as_str() {
        return Ok(Reply::to("/console/sign-in").with_cookie(gate::forget(view.app, view.asked)));
    }
    Ok(Reply::to(PATH).saying("Ended the session"))
}
