//! The admin routes that are no resource's: client secrets, API tokens, keys, the audit trail.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::answer;
use super::controller::list_response;
use super::write::Write;
use crate::admin::operations;
use crate::app::App;
use crate::http::error::wrong_method;
use crate::model::api_token::ApiToken;
use crate::store::{CommitRow, EventRow, KeyRow, Query};

/// The secrets of a client, under both names of the app and of the type.
pub(super) fn secret_routes(config: &mut web::ServiceConfig) {
    for app in ["cid", "iam"] {
        for plural in ["", "s"] {
            let path = format!("/resources/{app}/MachineToMachine{plural}/{{id}}/secrets");
            config.service(
                web::resource(path.as_str())
                    .route(web::get().to(secret_list))
                    .route(web::post().to(secret_create))
                    .default_service(wrong_method("GET, POST")),
            );
            config.service(
                web::resource(format!("{path}/{{secret}}"))
                    .route(web::patch().to(secret_patch))
                    .route(web::delete().to(secret_delete))
                    .default_service(wrong_method("PATCH, DELETE")),
            );
        }
    }
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let get = |path, route: actix_web::Route| web::resource(path).route(route).default_service(wrong_method("GET"));
    config.service(
        web::resource("/auth/api-tokens")
            .route(web::get().to(api_token_list))
            .route(web::post().to(api_token_create))
            .default_service(wrong_method("GET, POST")),
    );
    config.service(
        web::resource("/auth/api-tokens/{id}")
            .route(web::get().to(api_token_read))
            .route(web::patch().to(api_token_patch))
            .route(web::delete().to(api_token_delete))
            .default_service(wrong_method("GET, PATCH, DELETE")),
    );
    config.service(
        web::resource("/keys/rotate").route(web::post().to(keys_rotate)).default_service(wrong_method("POST")),
    );
    config.service(get("/keys", web::get().to(key_list)));
    config.service(
        web::resource("/keys/{kid}")
            .route(web::get().to(key_read))
            .route(web::delete().to(key_delete))
            .default_service(wrong_method("GET, DELETE")),
    );
    config.service(get("/audit/commits", web::get().to(commit_list)));
    config.service(get("/audit/commits/{id}", web::get().to(commit_read)));
    config.service(get("/audit/verify", web::get().to(audit_verify)));
    config.service(get("/event-logs", web::get().to(event_list)));
    config.service(get("/event-logs/{id}", web::get().to(event_read)));
}

/// An answer that must not be kept anywhere.
pub(super) fn ok(body: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

pub(super) fn created(body: &Value) -> HttpResponse {
    HttpResponse::Created().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// A list that is short by nature, in the envelope of the long ones.
fn whole_list(items: &[Value]) -> HttpResponse {
    ok(&json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": items.len(),
        "itemsPerPage": items.len(),
        "startIndex": 1,
        "Resources": items,
    }))
}

fn objects(items: impl Iterator<Item = Value>) -> Vec<Map<String, Value>> {
    items.filter_map(|item| if let Value::Object(object) = item { Some(object) } else { None }).collect()
}

async fn secret_list(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&request, move || operations::secret_list(&app, &id), |secrets| whole_list(&secrets)).await
}

async fn secret_create(app: web::Data<App>, request: HttpRequest, id: web::Path<String>, write: Write) -> HttpResponse {
    let operation = move || operations::secret_create(&app, &id, &write.object_or_empty()?, &write.origin);
    answer(&request, operation, |secret| created(&secret)).await
}

async fn secret_patch(
    app: web::Data<App>,
    request: HttpRequest,
    ids: web::Path<(String, String)>,
    write: Write,
) -> HttpResponse {
    let operation = move || operations::secret_patch(&app, &ids.0, &ids.1, &write.body, write.revision, &write.origin);
    answer(&request, operation, |secret| ok(&secret)).await
}

async fn secret_delete(
    app: web::Data<App>,
    request: HttpRequest,
    ids: web::Path<(String, String)>,
    write: Write,
) -> HttpResponse {
    let operation = move || operations::secret_delete(&app, &ids.0, &ids.1, &write.origin);
    answer(&request, operation, |()| HttpResponse::NoContent().finish()).await
}

async fn api_token_list(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let read = move |query: &Query| {
        let page = app.store.api_token_list(query)?;
        Ok((page.total.count, objects(page.items.iter().map(ApiToken::to_json))))
    };
    list_response(&request, read).await
}

async fn api_token_read(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&request, move || app.store.api_token_by_id(&id), |token| ok(&token.to_json())).await
}

async fn api_token_create(app: web::Data<App>, request: HttpRequest, write: Write) -> HttpResponse {
    let operation = move || operations::api_token_create(&app, write.object()?, &write.origin);
    answer(&request, operation, |token| created(&token)).await
}

async fn api_token_patch(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    write: Write,
) -> HttpResponse {
    let operation = move || operations::api_token_patch(&app, &id, &write.body, write.revision, &write.origin);
    answer(&request, operation, |token| ok(&token)).await
}

async fn api_token_delete(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    write: Write,
) -> HttpResponse {
    let operation = move || operations::api_token_delete(&app, &id, &write.origin);
    answer(&request, operation, |()| HttpResponse::NoContent().finish()).await
}

async fn key_list(app: web::Data<App>) -> HttpResponse {
    key_response(&app.signer.key_rows())
}

async fn key_read(app: web::Data<App>, request: HttpRequest, kid: web::Path<String>) -> HttpResponse {
    answer(&request, move || operations::key_read(&app, &kid), |key| ok(&key.to_json())).await
}

async fn key_delete(app: web::Data<App>, request: HttpRequest, kid: web::Path<String>, write: Write) -> HttpResponse {
    let operation = move || operations::key_delete(&app, &kid, &write.origin);
    answer(&request, operation, |()| HttpResponse::NoContent().finish()).await
}

async fn keys_rotate(app: web::Data<App>, request: HttpRequest, write: Write) -> HttpResponse {
    let operation = move || operations::keys_rotate(&app, &write.object_or_empty()?, &write.origin);
    answer(&request, operation, |keys| key_response(&keys)).await
}

fn key_response(keys: &[KeyRow]) -> HttpResponse {
    whole_list(&keys.iter().map(KeyRow::to_json).collect::<Vec<_>>())
}

async fn commit_list(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let read = move |query: &Query| {
        let page = app.store.commit_list(query)?;
        Ok((page.total.count, objects(page.items.into_iter().map(CommitRow::into_json))))
    };
    list_response(&request, read).await
}

async fn commit_read(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&request, move || app.store.commit_by_id(&id), |commit| ok(&commit.into_json())).await
}

async fn audit_verify(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    answer(&request, move || operations::audit_verify(&app), |verdict| ok(&verdict)).await
}

async fn event_list(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let read = move |query: &Query| {
        let page = app.store.event_list(query)?;
        Ok((page.total.count, objects(page.items.into_iter().map(EventRow::into_json))))
    };
    list_response(&request, read).await
}

async fn event_read(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&request, move || app.store.event_by_id(&id), |event| ok(&event.into_json())).await
}
