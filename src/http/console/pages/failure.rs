//! Pages that say why there is no page.

use actix_web::http::StatusCode;
use maud::{DOCTYPE, html};

use crate::error::Error;
use crate::http::console::answer::Answer;
use crate::http::console::assets;
use crate::http::console::draft::sentence;
use crate::http::console::layout::{Page, Section};
use crate::http::console::view::View;
use crate::http::error::admin_status;

fn title(error: &Error) -> &'static str {
    match error {
        Error::NotFound(_) => "Not found",
        Error::Forbidden { .. } => "Not allowed",
        Error::Unavailable { .. } => "Not now",
        Error::Internal(_) | Error::Setup(_) => "The server failed",
        _ => "This cannot be shown",
    }
}

/// What to tell of an error.
fn text(error: &Error) -> String {
    match error {
        Error::Forbidden { detail } => sentence(detail),
        Error::Invalid(violations) => violations.iter().map(|v| sentence(&v.to_string())).collect::<Vec<_>>().join(" "),
        other => sentence(&other.to_string()),
    }
}

/// In the frame of the console.
pub(crate) fn answer(view: &View<'_>, error: &Error) -> Answer {
    log(error, view.asked.caller.request_id.as_str());
    let mut page = Page::new(Section::Elsewhere, title(error)).body(html! {
        div.empty {
            p { (text(error)) }
            @if matches!(error, Error::Internal(_)) {
                p.hint { "Request " code { (view.asked.caller.request_id.as_str()) } }
            }
            p { a.button href="/console" { "Go to the overview" } }
        }
    });
    page.status = admin_status(error).0;
    crate::http::console::answer::Reply::from(page).answer(view)
}

/// Without the frame: who asks is not known, or cannot be.
pub(crate) fn bare(error: &Error) -> Answer {
    log(error, "");
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title(error)) " · grantd" }
                link rel="stylesheet" href=(assets::path("console.css"));
            }
            body {
                main.alone #main {
                    div.card {
                        h1 { (title(error)) }
                        p { (text(error)) }
                        p { a.button href="/console" { "Go to the console" } }
                    }
                }
            }
        }
    };
    let status = admin_status(error).0;
    Answer::html(if status == StatusCode::OK { StatusCode::INTERNAL_SERVER_ERROR } else { status }, body.into_string())
}

fn log(error: &Error, request_id: &str) {
    if let Some(cause) = error.cause() {
        tracing::error!(request_id, cause, "console: {error}");
    }
}
