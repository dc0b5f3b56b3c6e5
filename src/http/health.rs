//! Health: alive while the process answers, ready while the database does too.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::error::wrong_method;
use crate::app::{App, is_ready};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let get = |path, route: actix_web::Route| web::resource(path).route(route).default_service(wrong_method("GET"));
    config.service(get("/api/v1/health/alive", web::get().to(alive)));
    config.service(get("/api/v1/health/ready", web::get().to(ready)));
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "OK"}))
}

async fn ready(app: web::Data<App>) -> HttpResponse {
    match is_ready(&app) {
        Ok(_) => HttpResponse::Ok().json(json!({"status": "OK"})),
        Err(error) => HttpResponse::ServiceUnavailable()
            .json(json!({"status": "Service Unavailable", "errors": {"database": error.to_string()}})),
    }
}
