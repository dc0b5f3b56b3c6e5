//! SCIM 2.0 (RFC 7643, RFC 7644) at `/scim/v2`: service accounts for those who provision identities.
//!
//! A thin face. What is stored, checked and audited is what `admin` does for its own callers, and the same bearers with
//! the same roles are let in; here stand only SCIM's names, its envelope and its errors. Deliberately absent: `/Me` and
//! `/Bulk`, which are answered by 501, and every resource but service accounts.

mod account;
mod discovery;
mod names;
mod search;

pub(super) use names::{ACCOUNT, CUSTOM};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::admin::{Parameters, Projection, Write, let_in};
use super::error::{scim_refusal, scim_response};
use crate::admin;
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::Record;
use crate::model::service_account::ServiceAccount;

/// RFC 7644 8.1.
pub(super) const SCIM_JSON: HeaderValue = HeaderValue::from_static("application/scim+json");
/// Where all of it stands.
pub(super) const BASE: &str = "/scim/v2";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let get = |path, route: actix_web::Route| web::resource(path).route(route).default_service(wrong_method("GET"));
    let search =
        |path| web::resource(path).route(web::post().to(search_accounts)).default_service(wrong_method("POST"));
    let scope = web::scope(BASE)
        .service(get("/ServiceProviderConfig", web::get().to(discovery::provider)))
        .service(get("/ResourceTypes", web::get().to(discovery::types)))
        .service(get("/ResourceTypes/{id}", web::get().to(discovery::one_type)))
        .service(get("/Schemas", web::get().to(discovery::schemas)))
        .service(get("/Schemas/{id}", web::get().to(discovery::one_schema)))
        .service(search("/.search"))
        .service(search("/ServiceAccounts/.search"))
        .service(
            web::resource("/ServiceAccounts")
                .route(web::get().to(list))
                .route(web::post().to(create))
                .default_service(wrong_method("GET, POST")),
        )
        .service(
            web::resource("/ServiceAccounts/{id}")
                .route(web::get().to(read))
                .route(web::put().to(replace))
                .route(web::patch().to(patch))
                .route(web::delete().to(delete))
                .default_service(wrong_method("GET, PUT, PATCH, DELETE")),
        )
        .default_service(web::to(no_such_path))
        .wrap(from_fn(admit));
    config.service(scope);
}

/// Why something was not done, and the `scimType` of RFC 7644 3.12 where the error alone does not tell it.
struct Refused {
    error: Box<Error>,
    scim_type: Option<&'static str>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error: Box::new(error), scim_type: None }
    }
}

type Outcome<T> = std::result::Result<T, Refused>;

async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    match let_in(&request) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(error) => {
            let (request, _) = request.into_parts();
            let response = scim_response(&request, &error, None);
            Ok(ServiceResponse::new(request, response).map_into_right_body())
        }
    }
}

fn wrong_method(allowed: &'static str) -> actix_web::Route {
    web::to(move || async move {
        let mut refusal = scim_refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("this path takes {allowed}"), None);
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        refusal
    })
}

/// RFC 7644 3.7 and 3.11 have 501 for what a server does without.
async fn no_such_path(request: HttpRequest) -> HttpResponse {
    let rest = request.path().strip_prefix(BASE).unwrap_or_default();
    if ["/Me", "/Bulk"].contains(&rest) {
        return scim_refusal(StatusCode::NOT_IMPLEMENTED, &format!("this server does without {rest}"), None);
    }
    let text = format!("there is nothing at {}; see {BASE}/ResourceTypes", request.path());
    scim_response(&request, &Error::NotFound(text), None)
}

/// Runs a blocking operation off the async threads, and answers with what it made.
async fn answer<T: Send + 'static>(
    request: &HttpRequest,
    operation: impl FnOnce() -> Outcome<T> + Send + 'static,
    respond: impl FnOnce(T) -> HttpResponse,
) -> HttpResponse {
    let ended = web::block(operation).await;
    match ended.unwrap_or_else(|error| Err(Error::Internal(format!("an operation ended early: {error}")).into())) {
        Ok(made) => respond(made),
        Err(refused) => scim_response(request, &refused.error, refused.scim_type),
    }
}

/// As [`answer`], for an operation that takes a body.
async fn written<T: Send + 'static>(
    request: &HttpRequest,
    payload: web::Payload,
    operation: impl FnOnce(&Write) -> Outcome<T> + Send + 'static,
    respond: impl FnOnce(T) -> HttpResponse,
) -> HttpResponse {
    match Write::read(request, payload).await {
        Ok(write) => answer(request, move || operation(&write), respond).await,
        Err(error) => scim_response(request, &error, None),
    }
}

async fn create(app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let shared = app.clone();
    let operation = move |write: &Write| Ok(account::create(&shared, write)?);
    written(&request, payload, operation, |record| {
        let location = account::location(&record, app.public_url());
        let mut response = one(&record, StatusCode::CREATED, &app, &request);
        if let Ok(location) = HeaderValue::try_from(location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    })
    .await
}

async fn read(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    let shared = app.clone();
    let operation = move || Ok(admin::read::<ServiceAccount>(&shared, &id)?);
    answer(&request, operation, |record| {
        let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let etag = account::version(&record);
        if known.is_some_and(|known| known.split(',').any(|known| [etag.as_str(), "*"].contains(&known.trim()))) {
            return HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish();
        }
        one(&record, StatusCode::OK, &app, &request)
    })
    .await
}

async fn replace(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    let shared = app.clone();
    let operation = move |write: &Write| Ok(account::replace(&shared, &id, write)?);
    written(&request, payload, operation, |record| one(&record, StatusCode::OK, &app, &request)).await
}

async fn patch(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    let shared = app.clone();
    let operation = move |write: &Write| account::patch(&shared, &id, write);
    written(&request, payload, operation, |record| one(&record, StatusCode::OK, &app, &request)).await
}

async fn delete(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    let operation = move |write: &Write| {
        Ok(admin::delete::<ServiceAccount>(&app, &id, write.cascade, write.revision, &write.origin)?)
    };
    written(&request, payload, operation, |()| HttpResponse::NoContent().finish()).await
}

async fn list(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    match Parameters::of(&request).and_then(search::asked) {
        Ok(asked) => page(app, &request, asked).await,
        Err(error) => scim_response(&request, &error, None),
    }
}

/// RFC 7644 3.4.3: a list whose parameters are in the body, so that no log of addresses has them.
async fn search_accounts(app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let written = Write::read(&request, payload).await;
    match written.and_then(|write| search::asked(search::in_body(write.object()?)?)) {
        Ok(asked) => page(app, &request, asked).await,
        Err(error) => scim_response(&request, &error, None),
    }
}

async fn page(app: web::Data<App>, request: &HttpRequest, asked: search::Asked) -> HttpResponse {
    let search::Asked { query, projection } = asked;
    let start_index = query.start_index;
    let shared = app.clone();
    let operation = move || Ok(admin::list::<ServiceAccount>(&shared, &query)?);
    answer(request, operation, |page| {
        let shown = |record| shown(record, &projection, app.public_url());
        let resources: Vec<Map<String, Value>> = page.items.iter().map(shown).collect();
        scim_json(StatusCode::OK, &list_of(&resources, page.total.count, start_index))
    })
    .await
}

/// RFC 7644 3.4.2.
fn list_of(resources: &[impl serde::Serialize], total: i64, start_index: u32) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "itemsPerPage": resources.len(),
        "startIndex": start_index,
        "Resources": resources,
    })
}

/// One account, with the attributes that were asked for.
fn one(record: &Record<ServiceAccount>, status: StatusCode, app: &App, request: &HttpRequest) -> HttpResponse {
    let projection = Parameters::of(request).map(search::projection).unwrap_or_default();
    let mut response = scim_json(status, &shown(record, &projection, app.public_url()));
    if let Ok(etag) = HeaderValue::try_from(account::version(record)) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn shown(record: &Record<ServiceAccount>, projection: &Projection, public_url: &str) -> Map<String, Value> {
    let mut whole = account::to_scim(record, public_url);
    // Always returned, as the id is (RFC 7643 3).
    let schemas = whole.remove("schemas");
    let mut shown = Map::from_iter(schemas.map(|schemas| ("schemas".to_owned(), schemas)));
    shown.extend(projection.apply(whole));
    shown
}

fn scim_json(status: StatusCode, body: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, SCIM_JSON))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}
