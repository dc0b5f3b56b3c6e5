//! What somebody who is signed in does with the session itself: end it, and choose light or dark.

use maud::html;

use crate::admin::session;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::asked::safe_place;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::gate;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::field;
use crate::http::console::view::View;

/// Where a form was sent to that is a page's only in passing.
pub(crate) fn draw_theme(_: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(Reply::to("/console"))
}

pub(crate) fn set_theme(_: &View<'_>, form: &Form) -> Result<Reply> {
    let theme = form.text("theme").filter(|theme| ["light", "dark"].contains(theme)).unwrap_or_default();
    Ok(Reply::to(safe_place(form.text("next"))).with_cookie(gate::remember_theme(theme)))
}

pub(crate) fn draw_sign_out(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let body = field::form(view, draft, "/console/sign-out", &html! {}, &html! { button.primary { "Sign out" } });
    Ok(Page::new(Section::Elsewhere, "Sign out").body(body).into())
}

pub(crate) fn sign_out(view: &View<'_>, _: &Form) -> Result<Reply> {
    let origin = view.origin(Some("signed out of the console"));
    session::end(view.app, view.session.id.as_str(), &origin)?;
    Ok(Reply::to("/console/sign-in").with_cookie(gate::forget(view.app, view.asked)))
}
