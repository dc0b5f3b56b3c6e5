//! The one controller of every resource: POST, GET, list, PUT, PATCH and DELETE.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::query::Parameters;
use super::write::Write;
use super::{answer, answered};
use crate::admin::{self, Begun, Created};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::{admin_response, wrong_method};
use crate::model::Record;
use crate::store::{Entity, Query};

/// The routes of one type: under `cid` and `iam`, in the singular and the plural.
pub(super) fn routes<E: Entity>(config: &mut web::ServiceConfig) {
    for app in ["cid", "iam"] {
        for name in [E::TYPE, E::PLURAL] {
            let path = format!("/resources/{app}/{name}");
            config.service(
                web::resource(path.as_str())
                    .route(web::get().to(list::<E>))
                    .route(web::post().to(create::<E>))
                    .default_service(wrong_method("GET, POST")),
            );
            config.service(
                web::resource(format!("{path}/{{id}}"))
                    .route(web::get().to(read::<E>))
                    .route(web::put().to(replace::<E>))
                    .route(web::patch().to(patch::<E>))
                    .route(web::delete().to(delete::<E>))
                    .default_service(wrong_method("GET, PUT, PATCH, DELETE")),
            );
        }
    }
}

async fn create<E: Entity>(app: web::Data<App>, request: HttpRequest, write: Write) -> HttpResponse {
    let respond = |created: Created<E>| {
        let mut members = created.record.to_json(app.public_url());
        let location = members.get("meta").and_then(|meta| meta["location"].as_str()).unwrap_or_default().to_owned();
        members.extend(created.once);
        HttpResponse::Created()
            .insert_header((header::LOCATION, location))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header(etag(&created.record))
            .json(members)
    };
    if let Some(_turn) = write.quick_turn::<E>(&app) {
        let begun = write.object().and_then(|body| admin::begin_create::<E>(&app, body, &write.origin));
        return answered(&request, kept(begun, respond).await, |response| response);
    }
    let shared = app.clone();
    answer(&request, move || admin::create::<E>(&shared, write.object()?, &write.origin), respond).await
}

async fn read<E: Entity>(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    let shared = app.clone();
    answer(&request, move || admin::read::<E>(&shared, &id), |record| one(&record, &app, &request)).await
}

async fn replace<E: Entity>(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    write: Write,
) -> HttpResponse {
    if let Some(_turn) = write.quick_turn::<E>(&app) {
        let begin = |body| admin::begin_replace::<E>(&app, &id, body, write.revision, &write.origin);
        let begun = write.object().and_then(begin);
        match kept(begun, |record| one(&record, &app, &request)).await {
            Err(Error::Stale(_)) if write.revision.is_none() => {}
            outcome => return answered(&request, outcome, |response| response),
        }
    }
    let shared = app.clone();
    let operation = move || admin::replace::<E>(&shared, &id, write.object()?, write.revision, &write.origin);
    answer(&request, operation, |record| one(&record, &app, &request)).await
}

async fn patch<E: Entity>(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    write: Write,
) -> HttpResponse {
    if let Some(_turn) = write.quick_turn::<E>(&app) {
        let begun = admin::begin_patch::<E>(&app, &id, &write.body, write.revision, &write.origin);
        match kept(begun, |record| one(&record, &app, &request)).await {
            Err(Error::Stale(_)) if write.revision.is_none() => {}
            outcome => return answered(&request, outcome, |response| response),
        }
    }
    let shared = app.clone();
    let operation = move || admin::patch::<E>(&shared, &id, &write.body, write.revision, &write.origin);
    answer(&request, operation, |record| one(&record, &app, &request)).await
}

async fn delete<E: Entity>(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    write: Write,
) -> HttpResponse {
    let operation = move || admin::delete::<E>(&app, &id, write.cascade, write.revision, &write.origin);
    answer(&request, operation, |()| HttpResponse::NoContent().finish()).await
}

async fn list<E: Entity>(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let read = move |query: &Query| {
        let page = admin::list::<E>(&app, query)?;
        Ok((page.total.count, page.items.iter().map(|record| record.to_json(app.public_url())).collect()))
    };
    list_response(&request, read).await
}

/// Answers when a write is kept. What it answers is made before, while the disk works.
async fn kept<T>(begun: Result<Begun<'_, T>>, respond: impl FnOnce(T) -> HttpResponse) -> Result<HttpResponse> {
    begun?.map(respond).kept().await
}

/// One resource, with the members that were asked for.
fn one<E: Entity>(record: &Record<E>, app: &App, request: &HttpRequest) -> HttpResponse {
    let projection = Parameters::of(request).map(|parameters| parameters.projection()).unwrap_or_default();
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(etag(record))
        .json(projection.apply(record.to_json(app.public_url())))
}

fn etag<E: Entity>(record: &Record<E>) -> (header::HeaderName, String) {
    (header::ETAG, format!("\"{}\"", record.meta.revision))
}

/// Answers a list of anything in the envelope of RFC 7644 3.4.2, the oldest first unless asked otherwise.
pub(super) async fn list_response(
    request: &HttpRequest,
    read: impl FnOnce(&Query) -> Result<(i64, Vec<Map<String, Value>>)> + Send + 'static,
) -> HttpResponse {
    ordered_list_response(request, false, read).await
}

/// As [`list_response`], with the newest first where `newest_first` says so.
pub(super) async fn ordered_list_response(
    request: &HttpRequest,
    newest_first: bool,
    read: impl FnOnce(&Query) -> Result<(i64, Vec<Map<String, Value>>)> + Send + 'static,
) -> HttpResponse {
    let asked =
        Parameters::of(request).and_then(|parameters| Ok((parameters.list(newest_first)?, parameters.projection())));
    let (query, projection) = match asked {
        Ok(asked) => asked,
        Err(error) => return admin_response(request, &error),
    };
    let (count, start_index) = (query.count, query.start_index);
    let respond = |(total, items): (i64, Vec<Map<String, Value>>)| {
        let resources: Vec<Map<String, Value>> = items.into_iter().map(|item| projection.apply(item)).collect();
        HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total,
            "itemsPerPage": count,
            "startIndex": start_index,
            "Resources": resources,
        }))
    };
    answer(request, move || read(&query), respond).await
}
