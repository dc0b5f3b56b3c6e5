//! The door of the console: whose session it is, where a form may come from, and signing in.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};

use super::answer::{Answer, FLASH, THEME, cookie};
use super::asked::{Asked, escape, safe_place};
use super::draft::{Form, KEPT};
use super::pages::sign_in::{self, SignIn};
use super::view::{Flash, View, origin_of};
use super::{FORM_BYTES_MAX, on_blocking_pool};
use crate::admin::one_time::Kept;
use crate::admin::session;
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::body;
use crate::http::error::wrong_method;
use crate::model::api_token::ApiToken;
use crate::secret::{SecretKind, is_generated};

/// The view of whoever is signed in; `None` for somebody who is not, or not any more. What the role may do is the
/// caller's to check.
///
/// # Errors
/// `Unavailable` or `Internal` from the database.
pub(super) fn admit<'a>(app: &'a App, asked: &'a Asked) -> Result<Option<View<'a>>> {
    let Some(unverified_cookie) = asked.cookie(&session_cookie_name(app, asked)) else { return Ok(None) };
    let session = match session::resume(app, &unverified_cookie) {
        Err(Error::Unauthenticated) => return Ok(None),
        other => other?,
    };
    Ok(Some(View {
        app,
        asked,
        actor: session::actor_of(&session.api_token),
        form_token: app.server_keys.form_token(&unverified_cookie),
        flash: asked.cookie(FLASH).filter(|text| !text.is_empty()).map(Flash::new),
        now: app.clock.now(),
        session,
    }))
}

/// Refuses a form that another site's page sent. Browsers say where a form comes from; programs that say nothing
/// have no cookie that anyone could abuse.
///
/// # Errors
/// `Forbidden`.
pub(super) fn check_origin(app: &App, asked: &Asked) -> Result<()> {
    let is_own = match (asked.fetch_site.as_deref(), asked.origin.as_deref()) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map_or("", |(_, host)| host);
            host == asked.host || app.base_at(&asked.host).is_ok_and(|base| origin == base.url)
        }
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    Err(Error::Forbidden { detail: "this form was sent by a page of another site, and so nothing was done".to_owned() })
}

/// Browsers share cookies among the ports of a host: the name tells servers on one machine apart.
fn session_cookie_name(app: &App, asked: &Asked) -> String {
    let url = app.base_at(&asked.host).map_or("", |base| base.url.as_str());
    if url.starts_with("https://") {
        return "__Host-grantd_session".to_owned();
    }
    let port = url.rsplit(':').next().filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    port.map_or_else(|| "grantd_session".to_owned(), |port| format!("grantd_session_{port}"))
}

/// Only the browser that signed in sends it, only to this server, and no script reads it.
fn session_cookie(app: &App, asked: &Asked, value: &str, more: &str) -> String {
    let name = session_cookie_name(app, asked);
    let (path, secure) = if name.starts_with("__Host-") { ("/", "; Secure") } else { ("/console", "") };
    format!("{name}={value}; Path={path}; HttpOnly; SameSite=Strict{secure}{more}")
}

/// To the sign-in page, and from there back to where one wanted to go.
pub(super) fn send_to_sign_in(asked: &Asked) -> Answer {
    Answer::see_other(&format!("/console/sign-in?next={}", escape(&asked.place())))
}

/// A form came without a session: it waits on the sign-in page.
pub(super) fn ask_to_sign_in(asked: &Asked, form: &Form) -> Answer {
    let kept = form.to_kept();
    let page = SignIn { next: &asked.path, kept: Some(&kept), notice: sign_in::ENDED, problem: "" };
    unauthenticated(sign_in::page(asked, &page))
}

fn unauthenticated(body: String) -> Answer {
    let mut answer = Answer::html(StatusCode::UNAUTHORIZED, body);
    answer.headers.push((header::WWW_AUTHENTICATE, r#"Bearer realm="grantd""#.to_owned()));
    answer
}

pub(super) fn sign_in_resource() -> actix_web::Resource {
    web::resource("/sign-in")
        .route(web::get().to(show))
        .route(web::post().to(enter))
        .default_service(wrong_method("GET, POST"))
}

async fn show(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let asked = Asked::of(&request);
    on_blocking_pool(move || {
        let next = safe_place(asked.query.value("next"));
        if let Some(unverified_code) = asked.query.value("code") {
            return enter_by_link(&app, &asked, unverified_code);
        }
        if admit(&app, &asked)?.is_some() {
            return Ok(Answer::see_other(next));
        }
        // A link on another site leads here without the cookie, which is for our own pages only. The page that
        // is answered leads on from here, with it.
        let is_from_elsewhere = matches!(asked.fetch_site.as_deref(), Some("cross-site" | "same-site"));
        if is_from_elsewhere && asked.query.value("next").is_some() {
            let mut answer = Answer::html(StatusCode::OK, sign_in::lead_on(&asked, next));
            answer.headers.push((header::REFRESH, format!("0; url={next}")));
            return Ok(answer);
        }
        let page = SignIn { next, kept: None, notice: "", problem: "" };
        Ok(Answer::html(StatusCode::OK, sign_in::page(&asked, &page)))
    })
    .await
}

/// A one-time link, as `grantd dev` prints it.
fn enter_by_link(app: &App, asked: &Asked, unverified_code: &str) -> Result<Answer> {
    if asked.is_prefetch {
        // Whoever only looks ahead must not use the link up.
        return Ok(Answer::html(StatusCode::SERVICE_UNAVAILABLE, String::new()));
    }
    let is_one = is_generated(SecretKind::Once, unverified_code);
    let kept = is_one.then(|| app.one_time.take(&app.server_keys.hash(unverified_code), app.clock.now()));
    let token = match kept.flatten() {
        Some(Kept::SignIn { api_token_id }) => app.store.api_token_by_id(&api_token_id).ok(),
        _ => None,
    };
    let Some(token) = token.filter(|token| token.is_valid_at(app.clock.now())) else {
        if admit(app, asked)?.is_some() {
            return Ok(Answer::see_other("/console"));
        }
        let page = SignIn { next: "/console", kept: None, notice: sign_in::LINK_USED, problem: "" };
        return Ok(unauthenticated(sign_in::page(asked, &page)));
    };
    let cookie = start(app, asked, &token)?;
    Ok(Answer::see_other("/console").with_cookie(cookie))
}

async fn enter(app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let asked = Asked::of(&request);
    let body = body::read(&request, payload, FORM_BYTES_MAX).await;
    on_blocking_pool(move || {
        let sent = super::asked::Pairs::parse(&String::from_utf8_lossy(&body?));
        check_origin(&app, &asked)?;
        let next = safe_place(sent.value("next"));
        let kept = sent.value(KEPT);
        let token = match session::api_token_of(&app, sent.value("token").unwrap_or_default().trim()) {
            Ok(token) => token,
            Err(Error::Unauthenticated) => {
                let page = SignIn { next, kept, notice: "", problem: sign_in::UNKNOWN_TOKEN };
                return Ok(unauthenticated(sign_in::page(&asked, &page)));
            }
            Err(other) => return Err(other),
        };
        let cookie = start(&app, &asked, &token)?;
        let mut answer = Answer::see_other(next).with_cookie(cookie);
        if kept.is_some() {
            // The browser repeats this form at the path that waits for it, which shows what was typed.
            answer.status = StatusCode::TEMPORARY_REDIRECT;
        }
        Ok(answer)
    })
    .await
}

/// A new session, never an old one continued; the browser's old one ends.
fn start(app: &App, asked: &Asked, token: &ApiToken) -> Result<String> {
    let origin = origin_of(&session::actor_of(token), asked, Some("signed in to the console"));
    if let Some(view) = admit(app, asked)? {
        let own = view.origin(Some("signed in anew"));
        session::end(app, view.session.id.as_str(), &own)?;
    }
    let secret = session::start(app, token, &origin)?;
    Ok(session_cookie(app, asked, secret.expose(), ""))
}

/// What makes a browser forget that it was signed in.
pub(super) fn forget(app: &App, asked: &Asked) -> String {
    session_cookie(app, asked, "", "; Max-Age=0")
}

/// What makes a browser remember light or dark.
pub(super) fn remember_theme(theme: &str) -> String {
    cookie(THEME, theme, "Max-Age=31536000")
}
