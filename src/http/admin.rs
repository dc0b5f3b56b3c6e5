//! The admin API's routes, and the one place that lets callers in.
//!
//! Authorization is by method and path, decided before any handler runs: a route added here is closed to
//! strangers without another line.

mod access;
mod apply;
mod controller;
mod decisions;
mod operations;
mod policies;
mod query;
mod write;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};

use super::{bearer, context};
use apply::DocumentTurns;
pub(super) use policies::UploadTurns;
pub(super) use query::{COUNT_MAX, Parameters, Projection};
pub(super) use write::Write;

use super::error::{admin_response, no_such_path};
use crate::admin::actor;
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::Policy;
use crate::model::service_account::ServiceAccount;
use crate::throttle::Place;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let scope = web::scope("/api/v1")
        .configure(controller::routes::<ServiceAccount>)
        .configure(operations::secret_routes)
        .configure(controller::routes::<MachineToMachine>)
        .configure(controller::routes::<Api>)
        .configure(controller::routes::<Grant>)
        .configure(policies::action_routes)
        .configure(controller::routes::<Policy>)
        .configure(policies::routes)
        .configure(access::routes)
        .configure(apply::routes)
        .configure(decisions::routes)
        .configure(operations::routes)
        .default_service(web::to(no_such_path))
        .wrap(from_fn(admit));
    config.service(scope);
}

/// What may wait for one thing at a time, for the whole server.
#[derive(Clone)]
pub(super) struct Turns {
    uploads: web::Data<UploadTurns>,
    documents: web::Data<DocumentTurns>,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { uploads: web::Data::default(), documents: web::Data::default() }
    }

    pub(super) fn register(&self, config: &mut web::ServiceConfig) {
        config.app_data(self.uploads.clone()).app_data(self.documents.clone());
    }
}

/// What a request takes: reading for GET and searches, editing for the rest, and administering for what opens doors.
pub(super) fn needed_role(method: &Method, path: &str) -> Role {
    // They ask in a body, and change nothing.
    let is_search = (path.starts_with("/scim/") && path.ends_with("/.search"))
        || path.strip_prefix("/api/v1") == Some("/policy-requests");
    let opens_doors = path.starts_with("/api/v1/auth") || (path.starts_with("/api/v1/keys") && method != Method::GET);
    if opens_doors {
        Role::Admin
    } else if method == Method::GET || (method == Method::POST && is_search) {
        Role::Reader
    } else {
        Role::Editor
    }
}

async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    match let_in(&request) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(error) => {
            let (request, _) = request.into_parts();
            let response = admin_response(&request, &error);
            Ok(ServiceResponse::new(request, response).map_into_right_body())
        }
    }
}

/// Lets a bearer in that may do what the request takes; its handlers find it in the request.
pub(super) fn let_in(request: &ServiceRequest) -> Result<()> {
    let app = request.app_data::<web::Data<App>>().ok_or_else(|| Error::Internal("no application".to_owned()))?;
    let token = bearer::token(request.headers()).ok_or(Error::Unauthenticated)?;
    let place = Place::of(context::caller(request.request()).address);
    let actor = actor::authenticate(app, token, place)?;
    // The path that the routes are matched by: `request.path()` may hide a letter of it in percent-encoding.
    actor.must_be(needed_role(request.method(), request.match_info().as_str()))?;
    request.extensions_mut().insert(actor);
    Ok(())
}

/// Runs a blocking operation off the async threads, and answers with what it made.
async fn answer<T: Send + 'static>(
    request: &HttpRequest,
    operation: impl FnOnce() -> Result<T> + Send + 'static,
    respond: impl FnOnce(T) -> HttpResponse,
) -> HttpResponse {
    let outcome = web::block(operation).await;
    let outcome = outcome.unwrap_or_else(|error| Err(Error::Internal(format!("an operation ended early: {error}"))));
    answered(request, outcome, respond)
}

fn answered<T>(request: &HttpRequest, outcome: Result<T>, respond: impl FnOnce(T) -> HttpResponse) -> HttpResponse {
    match outcome {
        Ok(made) => respond(made),
        Err(error) => admin_response(request, &error),
    }
}
