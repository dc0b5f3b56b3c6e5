//! What the console answers with, and the headers that every answer of it carries.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::layout::Page;
use super::view::{Flash, View};

/// No script, style, picture or frame but the console's own, and none of it inline; nobody may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types grantd";
/// `same-origin`, not `no-referrer`: that would make browsers send `Origin: null` with every form.
const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// A finished answer, free to move between threads.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: String,
}

impl Answer {
    /// A page, not to be kept anywhere.
    pub(super) fn html(status: StatusCode, body: String) -> Self {
        let headers = vec![
            (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        Self { status, headers, body }
    }

    /// Sends the browser to a path, by GET.
    pub(super) fn see_other(to: &str) -> Self {
        let headers = vec![(header::LOCATION, to.to_owned()), (header::CACHE_CONTROL, "no-store".to_owned())];
        Self { status: StatusCode::SEE_OTHER, headers, body: String::new() }
    }

    pub(super) fn with_cookie(mut self, cookie: String) -> Self {
        self.headers.push((header::SET_COOKIE, cookie));
        self
    }

    pub(super) fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        with_headers(&mut response);
        for (name, value) in self.headers {
            response.append_header((name, value));
        }
        response.body(self.body)
    }
}

/// Adds the headers that every answer of the console carries.
pub(super) fn with_headers(response: &mut HttpResponseBuilder) {
    for (name, value) in HEADERS {
        response.insert_header((HeaderName::from_static(name), HeaderValue::from_static(value)));
    }
}

/// What a page's function replies.
pub(super) enum Reply {
    /// A page.
    Page(Box<Page>),
    /// Data for a script.
    Data(Value),
    /// A file of JSON to keep. The name is of letters, digits, dots and dashes.
    File { name: String, text: String },
    /// On to another page.
    To { place: String, flash: Option<Flash>, cookies: Vec<String> },
}

impl From<Page> for Reply {
    fn from(page: Page) -> Self {
        Self::Page(Box::new(page))
    }
}

impl Reply {
    /// On to another page.
    pub(super) fn to(place: impl Into<String>) -> Self {
        Self::To { place: place.into(), flash: None, cookies: Vec::new() }
    }

    /// And there, says what was done.
    pub(super) fn saying(self, text: impl Into<String>) -> Self {
        match self {
            Self::To { place, cookies, .. } => Self::To { place, flash: Some(Flash::new(text.into())), cookies },
            other => other,
        }
    }

    pub(super) fn with_cookie(mut self, cookie: String) -> Self {
        if let Self::To { cookies, .. } = &mut self {
            cookies.push(cookie);
        }
        self
    }

    pub(super) fn answer(self, view: &View<'_>) -> Answer {
        match self {
            Self::Page(page) => {
                let status = page.status;
                let answer = Answer::html(status, page.render(view).into_string());
                // It is shown now, and not again.
                if view.flash.is_some() { answer.with_cookie(cookie(FLASH, "", "Max-Age=0")) } else { answer }
            }
            Self::Data(value) => {
                let headers = vec![
                    (header::CONTENT_TYPE, "application/json".to_owned()),
                    (header::CACHE_CONTROL, "no-store".to_owned()),
                ];
                Answer { status: StatusCode::OK, headers, body: value.to_string() }
            }
            Self::File { name, text } => {
                let headers = vec![
                    (header::CONTENT_TYPE, "application/json".to_owned()),
                    (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
                    (header::CACHE_CONTROL, "no-store".to_owned()),
                ];
                Answer { status: StatusCode::OK, headers, body: text }
            }
            Self::To { place, flash, cookies } => {
                let answer = Answer::see_other(&place);
                let answer = cookies.into_iter().fold(answer, Answer::with_cookie);
                match flash {
                    Some(flash) => answer.with_cookie(cookie(FLASH, flash.text(), "Max-Age=60")),
                    None => answer,
                }
            }
        }
    }
}

/// The cookie that carries a message to the next page.
pub(super) const FLASH: &str = "grantd_flash";
/// The cookie that remembers light or dark.
pub(super) const THEME: &str = "grantd_theme";

/// A cookie that only the console sees, and no script.
pub(super) fn cookie(name: &str, value: &str, more: &str) -> String {
    let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
    format!("{name}={value}; Path=/console; HttpOnly; SameSite=Strict; {more}")
}
