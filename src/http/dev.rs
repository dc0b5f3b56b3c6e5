//! The handles of `grantd dev`: its clock, and faults on demand. The routes do not exist on any other server.
//!
//! They take no token, so that a test's first line can be one curl. What a browser sends for another site's page is
//! refused.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, ORIGIN};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::error::{admin_response, no_such_path, wrong_method};
use super::{body, json};
use crate::app::App;
use crate::dev::{Controls, Fault, time};
use crate::error::{Error, Result, Violation};

/// Largest body.
const BODY_BYTES_MAX: usize = 16 * 1024;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let scope = web::scope("/dev")
        .service(
            web::resource("/clock")
                .route(web::get().to(clock_read))
                .route(web::post().to(clock_change))
                .default_service(wrong_method("GET, POST")),
        )
        .service(
            web::resource("/faults")
                .route(web::get().to(fault_list))
                .route(web::post().to(fault_add))
                .route(web::delete().to(fault_clear))
                .default_service(wrong_method("GET, POST, DELETE")),
        )
        .default_service(web::to(no_such_path))
        .wrap(from_fn(same_site));
    config.service(scope);
}

/// Browsers say in `Origin` whose page a request is for; programs send none.
async fn same_site(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    if !request.headers().contains_key(ORIGIN) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let (request, _) = request.into_parts();
    let refusal =
        Error::Forbidden { detail: "the handles of grantd dev are for programs, not for web pages".to_owned() };
    let response = admin_response(&request, &refusal);
    Ok(ServiceResponse::new(request, response).map_into_right_body())
}

fn respond(request: &HttpRequest, outcome: Result<Value>) -> HttpResponse {
    match outcome {
        Ok(value) => HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(value),
        Err(error) => admin_response(request, &error),
    }
}

fn controls(app: &App) -> Result<&Controls> {
    app.dev().ok_or_else(|| Error::Internal("a handle of grantd dev on another server".to_owned()))
}

async fn object(request: &HttpRequest, payload: web::Payload) -> Result<Map<String, Value>> {
    match json::parse(&body::read(request, payload, BODY_BYTES_MAX).await?)? {
        Value::Object(object) => Ok(object),
        other => Err(Error::Invalid(vec![Violation::new("", other, "the body must be a JSON object")])),
    }
}

async fn clock_read(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    respond(&request, time::show(&app))
}

async fn clock_change(app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let outcome = async {
        let body = object(&request, payload).await?;
        let changed = web::block(move || time::change(&app, &body)).await;
        changed.unwrap_or_else(|error| Err(Error::Internal(format!("setting the clock ended early: {error}"))))
    };
    respond(&request, outcome.await)
}

async fn fault_list(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    respond(&request, controls(&app).map(waiting))
}

fn waiting(controls: &Controls) -> Value {
    json!({"faults": controls.faults().iter().map(|(count, fault)| fault.to_json(*count)).collect::<Vec<_>>()})
}

async fn fault_add(app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let outcome = async {
        let (count, fault) = Fault::read(&object(&request, payload).await?)?;
        let controls = controls(&app)?;
        controls.add_fault(count, fault)?;
        Ok(waiting(controls))
    };
    respond(&request, outcome.await)
}

async fn fault_clear(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    match controls(&app) {
        Ok(controls) => {
            controls.clear_faults();
            HttpResponse::NoContent().finish()
        }
        Err(error) => admin_response(&request, &error),
    }
}
