//! The console: pages for people, made on the server. It decides nothing: every page reads and writes through the
//! admin operations, in the name of the API token that its session stands for.
//!
//! [`ROUTES`] is the whole of it. A route is drawn by one function; a form is sent to the path that drew it, and
//! when it is refused, or comes without a session, the same function draws it again with what was typed.
//! Nothing here needs script to work: `assets/console.js` makes pages quicker to use.

mod answer;
mod asked;
mod assets;
mod draft;
mod editing;
mod gate;
mod layout;
mod pages;
mod parts;
mod upload;
mod view;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::OwnedSemaphorePermit;

use super::admin::UploadTurns;
use super::body;
use super::error::wrong_method;
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::api_token::Role;
use answer::{Answer, Reply};
use asked::Asked;
use draft::{Draft, Form};
use pages::{
    about, account, account_tabs, accounts, api, api_add, api_scopes, api_tabs, api_tokens, apis, audit, client,
    client_add, client_secrets, clients, decision, decisions, failure, grant, grant_add, grants, keys, marketplace,
    modules, overview, playground, playground_case, policies, policy, policy_add, session, sessions, suggest,
};
use view::View;

/// Largest form: every scope of the largest API, with room to spare.
const FORM_BYTES_MAX: usize = 1024 * 1024;

/// Draws a page, with what somebody typed into it where there is such.
type Draw = fn(&View<'_>, &Draft<'_>) -> Result<Reply>;
/// Does what a form says.
type Submit = fn(&View<'_>, &Form) -> Result<Reply>;

/// One path of the console.
struct Route {
    path: &'static str,
    needs: Role,
    draw: Draw,
    submit: Option<Submit>,
}

const fn page(path: &'static str, draw: Draw) -> Route {
    Route { path, needs: Role::Reader, draw, submit: None }
}

const fn form(path: &'static str, needs: Role, draw: Draw, submit: Submit) -> Route {
    Route { path, needs, draw, submit: Some(submit) }
}

/// Every path that takes a session, below `/console`.
const ROUTES: &[Route] = &[
    page("", overview::draw),
    page("/service-accounts", accounts::draw),
    form("/service-accounts/add", Role::Editor, accounts::draw_add, accounts::add),
    page("/service-accounts/{id}", account::draw),
    form("/service-accounts/{id}/edit", Role::Editor, account::draw_edit, account::edit),
    form("/service-accounts/{id}/delete", Role::Editor, account::draw_delete, account::delete),
    page("/service-accounts/{id}/integrations", account_tabs::draw_integrations),
    page("/service-accounts/{id}/access", account_tabs::draw_access),
    page("/service-accounts/{id}/decisions", account_tabs::draw_decisions),
    page("/service-accounts/{id}/history", account_tabs::draw_history),
    page("/service-accounts/{id}/json", account_tabs::draw_json),
    page("/marketplace", marketplace::draw),
    page("/marketplace/machine-to-machine", clients::draw),
    form("/marketplace/machine-to-machine/add", Role::Editor, client_add::draw, client_add::add),
    page("/marketplace/machine-to-machine/{id}", client::draw),
    page("/marketplace/machine-to-machine/{id}/use", client::draw_use),
    page("/marketplace/machine-to-machine/{id}/decisions", client::draw_decisions),
    page("/marketplace/machine-to-machine/{id}/history", client::draw_history),
    page("/marketplace/machine-to-machine/{id}/json", client::draw_json),
    form("/marketplace/machine-to-machine/{id}/edit", Role::Editor, client::draw_edit, client::edit),
    form("/marketplace/machine-to-machine/{id}/delete", Role::Editor, client::draw_delete, client::delete),
    form(
        "/marketplace/machine-to-machine/{id}/secrets/add",
        Role::Editor,
        client_secrets::draw_add,
        client_secrets::add,
    ),
    form(
        "/marketplace/machine-to-machine/{id}/secrets/{secret}/end",
        Role::Editor,
        client_secrets::draw_end,
        client_secrets::end,
    ),
    page("/marketplace/api", apis::draw),
    form("/marketplace/api/add", Role::Editor, api_add::draw, api_add::add),
    page("/marketplace/api/{id}", api::draw),
    page("/marketplace/api/{id}/access", api_tabs::draw_access),
    page("/marketplace/api/{id}/tokens", api_tabs::draw_tokens),
    form("/marketplace/api/{id}/tokens/edit", Role::Editor, api_tabs::draw_edit_tokens, api_tabs::edit_tokens),
    page("/marketplace/api/{id}/policies", api_tabs::draw_policies),
    page("/marketplace/api/{id}/decisions", api_tabs::draw_decisions),
    page("/marketplace/api/{id}/history", api_tabs::draw_history),
    page("/marketplace/api/{id}/json", api_tabs::draw_json),
    form("/marketplace/api/{id}/edit", Role::Editor, api::draw_edit, api::edit),
    form("/marketplace/api/{id}/delete", Role::Editor, api::draw_delete, api::delete),
    form("/marketplace/api/{id}/scopes/add", Role::Editor, api_scopes::draw_add, api_scopes::add),
    form("/marketplace/api/{id}/scopes/edit", Role::Editor, api_scopes::draw_edit, api_scopes::edit),
    form("/marketplace/api/{id}/scopes/remove", Role::Editor, api_scopes::draw_remove, api_scopes::remove),
    page("/grants", grants::draw),
    form("/grants/add", Role::Editor, grant_add::draw, grant_add::add),
    page("/grants/{id}", grant::draw),
    page("/grants/{id}/history", grant::draw_history),
    page("/grants/{id}/json", grant::draw_json),
    form("/grants/{id}/edit", Role::Editor, grant::draw_edit, grant::edit),
    form("/grants/{id}/delete", Role::Editor, grant::draw_delete, grant::delete),
    page("/policies", policies::draw),
    form("/policies/add", Role::Editor, policy_add::draw, policy_add::add),
    page("/policies/modules", modules::draw),
    form("/policies/modules/add", Role::Editor, modules::draw_upload, modules::upload),
    page("/policies/modules/{digest}", modules::draw_one),
    form("/policies/modules/{digest}/delete", Role::Editor, modules::draw_delete, modules::delete),
    page("/policies/{id}", policy::draw),
    form("/policies/{id}/edit", Role::Editor, policy::draw_edit, policy::edit),
    form("/policies/{id}/delete", Role::Editor, policy::draw_delete, policy::delete),
    Route { needs: Role::Editor, ..page("/policies/{id}/playground", playground::draw) },
    Route { needs: Role::Editor, ..page("/policies/{id}/playground/cases", playground_case::download) },
    page("/policies/{id}/decisions", policy::draw_decisions),
    page("/policies/{id}/history", policy::draw_history),
    page("/policies/{id}/json", policy::draw_json),
    page("/decisions", decisions::draw),
    page("/decisions/{id}", decision::draw),
    Route { needs: Role::Editor, ..page("/decisions/{id}/replay", decision::draw_replay) },
    page("/audit", audit::draw),
    page("/audit/{id}", audit::draw_commit),
    page("/keys", keys::draw),
    form("/keys/rotate", Role::Admin, keys::draw_rotate, keys::rotate),
    Route { needs: Role::Admin, ..page("/api-tokens", api_tokens::draw) },
    form("/api-tokens/add", Role::Admin, api_tokens::draw_add, api_tokens::add),
    form("/api-tokens/{id}/revoke", Role::Admin, api_tokens::draw_revoke, api_tokens::revoke),
    page("/sessions", sessions::draw),
    form("/sessions/{id}/end", Role::Reader, sessions::draw_end, sessions::end),
    page("/about", about::draw),
    page("/suggest/service-accounts", suggest::accounts),
    page("/suggest/integrations", suggest::clients),
    page("/suggest/apis", suggest::apis),
    form("/theme", Role::Reader, session::draw_theme, session::set_theme),
    form("/sign-out", Role::Reader, session::draw_sign_out, session::sign_out),
];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let mut scope = web::scope("/console").service(assets::resource()).service(gate::sign_in_resource());
    for route in ROUTES {
        let mut resource = web::resource(route.path)
            .route(web::get().to(move |app, request| show(route, app, request)))
            .route(web::head().to(move |app, request| show(route, app, request)));
        if route.submit.is_some() {
            resource = resource.route(web::post().to(move |app, request, payload| send(route, app, request, payload)));
        }
        let allowed = if route.submit.is_some() { "GET, HEAD, POST" } else { "GET, HEAD" };
        scope = scope.service(resource.default_service(wrong_method(allowed)));
    }
    config.service(scope.default_service(web::to(nothing_here)));
    // Whoever types the bare address of the server is a person.
    config.service(web::resource("/").route(web::get().to(|| async { Answer::see_other("/console").into_response() })));
}

async fn show(route: &'static Route, app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let asked = Asked::of(&request);
    on_blocking_pool(move || {
        let Some(view) = gate::admit(&app, &asked)? else { return Ok(gate::send_to_sign_in(&asked)) };
        let drawn = view.actor.must_be(route.needs).and_then(|()| (route.draw)(&view, &Draft::empty()));
        Ok(drawn.map_or_else(|error| failure::answer(&view, &error), |reply| reply.answer(&view)))
    })
    .await
}

async fn send(route: &'static Route, app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let asked = Asked::of(&request);
    let form = read_form(&app, &request, payload).await;
    on_blocking_pool(move || {
        let (form, _turn) = form?;
        gate::check_origin(&app, &asked)?;
        match gate::admit(&app, &asked)? {
            Some(view) => Ok(submit(route, &view, &form)),
            None => Ok(gate::ask_to_sign_in(&asked, &form)),
        }
    })
    .await
}

/// The form that was sent. One that carries a file holds a turn, as at the admin API: few are looked over at a time.
async fn read_form(
    app: &App,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(Form, Option<OwnedSemaphorePermit>)> {
    if !upload::is_multipart(request) {
        return Ok((Form::parse(&body::read(request, payload, FORM_BYTES_MAX).await?)?, None));
    }
    let turns = request.app_data::<web::Data<UploadTurns>>();
    let turn = turns.ok_or_else(|| Error::Internal("no turns at uploading".to_owned()))?.take()?;
    let bytes_max = FORM_BYTES_MAX + 1024 * app.config().policies.module_kib as usize;
    let body = body::read(request, payload, bytes_max).await?;
    Ok((upload::form(request, body).await?, Some(turn)))
}

/// Does what the form says, unless it was made for another session: then it is drawn again, and nothing is done.
fn submit(route: &Route, view: &View<'_>, form: &Form) -> Answer {
    if let Err(error) = view.actor.must_be(route.needs) {
        return failure::answer(view, &error);
    }
    let outcome = match (route.submit, form.is_for(view)) {
        (Some(submit), true) => view.once(form, || submit(view, form)),
        _ => return redraw(route, view, &Draft::kept(form), StatusCode::OK),
    };
    match outcome {
        Ok(reply) => reply.answer(view),
        Err(error) => redraw(route, view, &Draft::refused(form, &error), super::error::admin_status(&error).0),
    }
}

fn redraw(route: &Route, view: &View<'_>, draft: &Draft<'_>, status: StatusCode) -> Answer {
    let reply = (route.draw)(view, draft);
    let answer = reply.map_or_else(|error| failure::answer(view, &error), |reply| reply.answer(view));
    // What could not be drawn says more than what was refused.
    if answer.status == StatusCode::OK { Answer { status, ..answer } } else { answer }
}

/// Everything about a page reads the database: it is made where that may block.
async fn on_blocking_pool(make: impl FnOnce() -> Result<Answer> + Send + 'static) -> HttpResponse {
    let made = web::block(make).await;
    let made = made.unwrap_or_else(|error| Err(Error::Internal(format!("a page ended early: {error}"))));
    made.unwrap_or_else(|error| failure::bare(&error)).into_response()
}

async fn nothing_here(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let asked = Asked::of(&request);
    on_blocking_pool(move || match gate::admit(&app, &asked)? {
        Some(view) => {
            let error = Error::NotFound("there is no page at this address".to_owned());
            Ok(failure::answer(&view, &error))
        }
        None => Ok(gate::send_to_sign_in(&asked)),
    })
    .await
}
