//! The one controller of every resource: POST, GET, list, PUT, PATCH and DELETE.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::query::{Parameters, if_match};
use super::{BODY_BYTES_MAX, Caller, answer};
use crate::admin;
use crate::app::App;
use crate::error::{Error, Result, Violation};
use crate::http::error::{admin_response, wrong_method};
use crate::http::{body, json as strict_json};
use crate::model::Record;
use crate::store::{Entity, Origin};

/// The routes of one type: under `cid` and `iam`, in the singular and the plural.
pub(super) fn routes<E: Entity>(config: &mut web::ServiceConfig) {
    for app in ["cid", "iam"] {
        for plural in ["", "s"] {
            let path = format!("/resources/{app}/{}{plural}", E::TYPE);
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

/// What a write brings: its body, who it is from, and the revision it is meant for.
pub(super) struct WriteRequest {
    pub(super) body: Value,
    pub(super) origin: Origin,
    pub(super) revision: Option<i64>,
}

impl WriteRequest {
    pub(super) async fn read(request: &HttpRequest, caller: Caller, payload: web::Payload) -> Result<Self> {
        let origin = Parameters::of(request)?.explain(caller.0)?;
        let revision = if_match(request)?;
        let bytes = body::read(request, payload, BODY_BYTES_MAX).await?;
        Ok(Self { body: strict_json::parse(&bytes)?, origin, revision })
    }

    /// The body as the object that POST and PUT need.
    fn into_object(self) -> Result<(Map<String, Value>, Origin, Option<i64>)> {
        match self.body {
            Value::Object(object) => Ok((object, self.origin, self.revision)),
            other => Err(Error::Invalid(vec![Violation::new("", other, "the body must be a JSON object")])),
        }
    }
}

fn shown<E: Entity>(record: &Record<E>, app: &App, request: &HttpRequest) -> Map<String, Value> {
    let projection = Parameters::of(request).map(|parameters| parameters.projection()).unwrap_or_default();
    projection.apply(record.to_json(app.public_url()))
}

fn etag(revision: i64) -> (header::HeaderName, String) {
    (header::ETAG, format!("\"{revision}\""))
}

async fn create<E: Entity>(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    payload: web::Payload,
) -> HttpResponse {
    let (body, origin, _) =
        match WriteRequest::read(&request, caller, payload).await.and_then(WriteRequest::into_object) {
            Ok(write) => write,
            Err(error) => return admin_response(&request, &error),
        };
    let shared = app.clone();
    let operation = move || admin::create::<E>(&shared, &body, &origin);
    answer(&request, operation, |created| {
        let mut members = created.record.to_json(app.public_url());
        let location =
            members.get("meta").and_then(|meta| meta.get("location")).and_then(Value::as_str).unwrap_or_default();
        let location = location.to_owned();
        members.extend(created.once);
        HttpResponse::Created()
            .insert_header((header::LOCATION, location))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header(etag(created.record.meta.revision))
            .json(members)
    })
    .await
}

async fn read<E: Entity>(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    let shared = app.clone();
    let respond = |record: Record<E>| one(&record, &app, &request);
    answer(&request, move || admin::read::<E>(&shared, &id), respond).await
}

fn one<E: Entity>(record: &Record<E>, app: &App, request: &HttpRequest) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(etag(record.meta.revision))
        .json(shown(record, app, request))
}

async fn list<E: Entity>(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let shared = app.clone();
    list_response(&request, move |query| {
        let page = admin::list::<E>(&shared, query)?;
        Ok((page.total, page.items.iter().map(|record| record.to_json(shared.public_url())).collect()))
    })
    .await
}

/// Answers a list of anything in the envelope of RFC 7644 3.4.2.
pub(super) async fn list_response(
    request: &HttpRequest,
    read: impl FnOnce(&crate::store::Query) -> Result<(i64, Vec<Map<String, Value>>)> + Send + 'static,
) -> HttpResponse {
    let asked = Parameters::of(request).and_then(|parameters| Ok((parameters.list()?, parameters.projection())));
    let (query, projection) = match asked {
        Ok(asked) => asked,
        Err(error) => return admin_response(request, &error),
    };
    let (count, start_index) = (query.count, query.start_index);
    answer(
        request,
        move || read(&query),
        |(total, items)| {
            let resources: Vec<Map<String, Value>> = items.into_iter().map(|item| projection.apply(item)).collect();
            HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": total,
                "itemsPerPage": count,
                "startIndex": start_index,
                "Resources": resources,
            }))
        },
    )
    .await
}

async fn replace<E: Entity>(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    caller: Caller,
    payload: web::Payload,
) -> HttpResponse {
    let (body, origin, revision) =
        match WriteRequest::read(&request, caller, payload).await.and_then(WriteRequest::into_object) {
            Ok(write) => write,
            Err(error) => return admin_response(&request, &error),
        };
    let shared = app.clone();
    let operation = move || admin::replace::<E>(&shared, &id, &body, revision, &origin);
    answer(&request, operation, |record| one(&record, &app, &request)).await
}

async fn patch<E: Entity>(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    caller: Caller,
    payload: web::Payload,
) -> HttpResponse {
    let write = match WriteRequest::read(&request, caller, payload).await {
        Ok(write) => write,
        Err(error) => return admin_response(&request, &error),
    };
    let shared = app.clone();
    let operation = move || admin::patch::<E>(&shared, &id, &write.body, write.revision, &write.origin);
    answer(&request, operation, |record| one(&record, &app, &request)).await
}

async fn delete<E: Entity>(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    caller: Caller,
) -> HttpResponse {
    let asked = Parameters::of(&request)
        .and_then(|parameters| Ok((parameters.cascade()?, if_match(&request)?, parameters.explain(caller.0)?)));
    let (cascade, revision, origin) = match asked {
        Ok(asked) => asked,
        Err(error) => return admin_response(&request, &error),
    };
    let operation = move || admin::delete::<E>(&app, &id, cascade, revision, &origin);
    answer(&request, operation, |()| HttpResponse::NoContent().finish()).await
}
