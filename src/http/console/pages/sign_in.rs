//! The sign-in page: an API token is exchanged for a session.

use maud::{Markup, html};

use crate::http::console::asked::Asked;
use crate::http::console::draft::KEPT;
use crate::http::console::layout::document;
use crate::http::console::parts::icon::{Icon, mark};

pub(crate) const ENDED: &str =
    "Your session has ended, so nothing was changed. Sign in, and what you typed is there again.";
pub(crate) const LINK_USED: &str = "This sign-in link was used already, or is too old: each works once. \
     Sign in with an API token, or start grantd dev again for another link.";
pub(crate) const UNKNOWN_TOKEN: &str =
    "This is no API token that is valid now. It begins with gapi_ and was shown once, when it was made.";

/// What the page shows.
pub(crate) struct SignIn<'a> {
    /// Where it leads.
    pub(crate) next: &'a str,
    /// A form that waits.
    pub(crate) kept: Option<&'a str>,
    /// Why one is asked to sign in.
    pub(crate) notice: &'a str,
    /// What was wrong with the token.
    pub(crate) problem: &'a str,
}

pub(crate) fn page(asked: &Asked, sign_in: &SignIn<'_>) -> String {
    let invalid = (!sign_in.problem.is_empty()).then_some("true");
    let described = if invalid.is_some() { "token-problem token-hint" } else { "token-hint" };
    let body = html! {
        h1 { "Sign in" }
        @if !sign_in.notice.is_empty() { p.notice role="status" { (Icon::Info) span { (sign_in.notice) } } }
        form method="post" action="/console/sign-in" {
            input type="hidden" name="next" value=(sign_in.next);
            @if let Some(kept) = sign_in.kept { input type="hidden" name=(KEPT) value=(kept); }
            div.field {
                label for="token" { "API token" }
                input.mono #token type="password" name="token" autocomplete="current-password" required autofocus
                    spellcheck="false" aria-invalid=[invalid] aria-describedby=(described);
                @if invalid.is_some() { p.problem #token-problem { (Icon::Warning) (sign_in.problem) } }
                p.hint #token-hint {
                    "What you may do here is what its role may do. " code { "grantd dev" } " and " code { "grantd init" }
                    " print the first one."
                }
            }
            button.primary.wide { "Sign in" }
        }
    };
    alone(asked, "Sign in", &body).into_string()
}

/// A page that leads on by itself.
pub(crate) fn lead_on(asked: &Asked, next: &str) -> String {
    let body = html! {
        h1 { "One moment" }
        p { a href=(next) { "Go on to the console" } }
    };
    alone(asked, "One moment", &body).into_string()
}

/// A document without navigation: for those who are not in.
pub(crate) fn alone(asked: &Asked, title: &str, body: &Markup) -> Markup {
    let inside = html! {
        main.alone #main {
            p.brand { (mark()) "grantd" }
            div.card { (body) }
        }
    };
    document(asked, title, 0, &inside)
}
