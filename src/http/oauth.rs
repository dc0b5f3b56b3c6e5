//! The OAuth endpoints: a form and a header go down to the pipeline, a token or an error comes back.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::context;
use super::error::{fault_response, oauth_response, wrong_oauth_method};
use super::{basic, bearer, body, form};
use crate::app::App;
use crate::dev::Controls;
use crate::error::{Error, Result};
use crate::introspection;
use crate::json;
use crate::secret::Secret;
use crate::token::request::{TokenInquiry, TokenRequest};
use crate::token::{self, Issued};

/// Largest body of a token request.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// About what a token's answer takes beside the token and its scopes.
const MEMBERS_BYTES: usize = 160;
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What Crossid prints in `refresh_expires_in`: 30 days as a Go duration, of a refresh token that it does not send.
const CROSSID_REFRESH_EXPIRES_IN: i64 = 2_592_000_000_000_000;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/oauth2/token")
            .route(web::post().to(token_endpoint))
            .default_service(wrong_oauth_method("POST")),
    );
    config.service(
        web::resource("/oauth2/introspect")
            .route(web::post().to(introspection_endpoint))
            .default_service(wrong_oauth_method("POST")),
    );
    config.service(
        web::resource("/oauth2/revoke")
            .route(web::post().to(revocation_endpoint))
            .default_service(wrong_oauth_method("POST")),
    );
    // OpenID discovery must name these; there is no person here to send to them.
    for path in ["/oauth2/auth", "/oauth2/userinfo", "/oauth2/logout"] {
        let refused = || web::to(no_sign_in);
        config.service(
            web::resource(path)
                .route(refused().method(Method::GET))
                .route(refused().method(Method::POST))
                .default_service(wrong_oauth_method("GET, POST")),
        );
    }
}

async fn token_endpoint(app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    if let Some(fault) = app.dev().and_then(Controls::next_fault) {
        Box::pin(tokio::time::sleep(fault.delay)).await;
        if let Some((code, status)) = fault.failure {
            return fault_response(code, status);
        }
    }
    match answer(&app, &request, payload).await {
        Ok(issued) => token_response(&app, &issued),
        Err(error) => oauth_response(&request, &error),
    }
}

/// Step 1 of the pipeline, up to where HTTP ends; `token::issue` does the rest.
async fn answer(app: &App, request: &HttpRequest, payload: web::Payload) -> Result<Issued> {
    let parsed = parse(request, payload).await;
    token::issue(app, &context::base(app, request)?.issuer, parsed, context::caller(request)).await
}

async fn parse(request: &HttpRequest, payload: web::Payload) -> Result<TokenRequest> {
    let body = body::read(request, payload, FORM_BYTES_MAX).await?;
    let parameters = form::parameters(request, &body).await?;
    TokenRequest::from_parameters(parameters, basic::unverified_clients(request)?)
}

/// RFC 6749 5.1, with the member that Crossid adds, behind the token itself.
#[derive(Serialize)]
struct BesideToken<'a> {
    expires_in: i64,
    refresh_expires_in: i64,
    scope: &'a str,
    token_type: &'static str,
}

fn token_response(app: &App, issued: &Issued) -> HttpResponse {
    let refresh_expires_in = if app.config().compat.crossid { CROSSID_REFRESH_EXPIRES_IN } else { 0 };
    let others = BesideToken {
        expires_in: issued.expires_in_seconds,
        refresh_expires_in,
        scope: &issued.scope,
        token_type: "bearer",
    };
    let mut body = Vec::with_capacity(issued.access_token.len() + issued.scope.len() + MEMBERS_BYTES);
    // A compact JWS is of characters that stand for themselves in JSON: looking for others is 2 % of a token.
    body.extend_from_slice(br#"{"access_token":""#);
    body.extend_from_slice(issued.access_token.as_bytes());
    body.push(b'"');
    // Texts and numbers always have a JSON form, and a vector takes it.
    let _ = json::end_object(&mut body, &others);
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, NO_STORE))
        .insert_header((header::PRAGMA, NO_CACHE))
        .insert_header((header::CONTENT_TYPE, JSON))
        .body(body)
}

async fn introspection_endpoint(app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let address = context::caller(&request).address;
    let answer = async { introspection::introspect(&app, &inquiry(&request, payload).await?, address).await };
    match answer.await {
        Ok(members) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, NO_STORE))
            .insert_header((header::PRAGMA, NO_CACHE))
            .json(members),
        Err(error) => oauth_response(&request, &error),
    }
}

async fn revocation_endpoint(app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let address = context::caller(&request).address;
    let answer = async { token::revoke::revoke(&app, &inquiry(&request, payload).await?, address).await };
    match answer.await {
        // RFC 7009 2.2: the status says it all.
        Ok(()) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, NO_STORE)).finish(),
        Err(error) => oauth_response(&request, &error),
    }
}

/// Step 1 of both pipelines that are about a token.
async fn inquiry(request: &HttpRequest, payload: web::Payload) -> Result<TokenInquiry> {
    let body = body::read(request, payload, FORM_BYTES_MAX).await?;
    let parameters = form::parameters(request, &body).await?;
    let bearer = bearer::token(request.headers()).map(|token| Secret::new(token.to_owned()));
    let basic = if bearer.is_some() { Vec::new() } else { basic::unverified_clients(request)? };
    TokenInquiry::from_parameters(parameters, basic, bearer)
}

async fn no_sign_in(request: HttpRequest) -> HttpResponse {
    let text = "this server issues tokens to machines only: use the token endpoint with grant_type=client_credentials";
    oauth_response(&request, &Error::Malformed(text.to_owned()))
}
