//! The routes of policy modules: a module goes in and comes out as WebAssembly, and is told of in JSON.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer;
use super::controller::list_response;
use super::operations::ok;
use super::write::{Upload, Write};
use crate::admin::{evaluate, policies};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::{admin_response, wrong_method};
use crate::model::Resource;
use crate::model::policy::Policy;
use crate::store::{ModuleRow, Query};

/// Modules that may be on their way to the compiler; one more is told to come back.
const UPLOADS_MAX: usize = 4;
const WASM: &str = "application/wasm";

/// What is under a policy, under both names of the app and of the type.
pub(super) fn action_routes(config: &mut web::ServiceConfig) {
    for app in ["cid", "iam"] {
        for name in [Policy::TYPE, Policy::PLURAL] {
            config.service(
                web::resource(format!("/resources/{app}/{name}/{{id}}/evaluate"))
                    .route(web::post().to(policy_evaluate))
                    .default_service(wrong_method("POST")),
            );
        }
    }
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/policy-requests").route(web::post().to(policy_request)).default_service(wrong_method("POST")),
    );
    config.service(
        web::resource("/policy-modules")
            .route(web::get().to(module_list))
            .route(web::post().to(module_upload))
            .default_service(wrong_method("GET, POST")),
    );
    config.service(
        web::resource("/policy-modules/{digest}")
            .route(web::get().to(module_read))
            .route(web::delete().to(module_delete))
            .default_service(wrong_method("GET, DELETE")),
    );
    config.service(
        web::resource("/policy-modules/{digest}/wasm")
            .route(web::get().to(module_download))
            .default_service(wrong_method("GET")),
    );
}

/// Turns at handing a module in, for the whole server.
pub(in crate::http) struct UploadTurns(Arc<Semaphore>);

impl Default for UploadTurns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UPLOADS_MAX)))
    }
}

impl UploadTurns {
    /// A turn, to be held while the module comes in and is looked over.
    ///
    /// # Errors
    /// `Unavailable` when too many wait already.
    pub(in crate::http) fn take(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| Error::Unavailable {
            detail: "other modules are being compiled: try again in some seconds".to_owned(),
            cause: format!("{UPLOADS_MAX} modules wait for the compiler"),
        })
    }
}

async fn policy_evaluate(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
    write: Write,
) -> HttpResponse {
    let operation = move || evaluate::evaluate(&app, &id, write.object()?);
    answer(&request, operation, |said| ok(&said)).await
}

async fn module_upload(
    app: web::Data<App>,
    turns: web::Data<UploadTurns>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let ready = async {
        // Before the body is read: what is refused anyway shall not take its room.
        let turn = turns.take()?;
        Ok((turn, Upload::read(&request, payload, app.config().policies.module_kib).await?))
    };
    let (turn, upload) = match ready.await {
        Ok(ready) => ready,
        Err(error) => return admin_response(&request, &error),
    };
    let operation = move || {
        let uploaded = policies::module_upload(&app, &upload.bytes, upload.signature.as_deref(), &upload.origin);
        drop(turn);
        uploaded
    };
    answer(&request, operation, |uploaded| {
        let mut response = if uploaded.is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
        response.insert_header((header::CACHE_CONTROL, "no-store")).json(uploaded.shown)
    })
    .await
}

/// What a client or an account would ask, for whoever has a module at hand.
async fn policy_request(app: web::Data<App>, request: HttpRequest, write: Write) -> HttpResponse {
    answer(&request, move || evaluate::request(&app, write.object()?), |asked| ok(&asked)).await
}

async fn module_list(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let read = move |query: &Query| {
        let page = app.store.policy_module_list(query)?;
        Ok((page.total.count, page.items.iter().map(ModuleRow::to_json).collect()))
    };
    list_response(&request, read).await
}

async fn module_read(app: web::Data<App>, request: HttpRequest, digest: web::Path<String>) -> HttpResponse {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepted.is_some_and(|kinds| kinds.starts_with(WASM)) {
        return module_download(app, request, digest).await;
    }
    answer(&request, move || policies::module_show(&app, &digest), |module| ok(&module)).await
}

async fn module_download(app: web::Data<App>, request: HttpRequest, digest: web::Path<String>) -> HttpResponse {
    answer(&request, move || policies::module_wasm(&app, &digest), |(module, wasm)| download(&module, wasm)).await
}

fn download(module: &ModuleRow, wasm: Vec<u8>) -> HttpResponse {
    // Name and version were held to letters, digits and a few marks when the module was admitted.
    let file = format!("attachment; filename=\"{}-{}.wasm\"", module.name, module.version);
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, WASM))
        .insert_header((header::CONTENT_DISPOSITION, file))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ETAG, format!("\"{}\"", module.digest)))
        .body(wasm)
}

async fn module_delete(
    app: web::Data<App>,
    request: HttpRequest,
    digest: web::Path<String>,
    write: Write,
) -> HttpResponse {
    let operation = move || -> Result<()> { policies::module_delete(&app, &digest, &write.origin) };
    answer(&request, operation, |()| HttpResponse::NoContent().finish()).await
}
