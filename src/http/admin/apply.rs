//! The routes of declared access: a document goes in and is applied, and everything comes out as a document.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::Semaphore;

use super::answer;
use super::operations::ok;
use super::query::Parameters;
use super::write::origin;
use crate::app::App;
use crate::apply::{self, Options};
use crate::error::{Error, Result};
use crate::http::body;
use crate::http::error::{admin_response, wrong_method};
use crate::store::Origin;

/// Largest document: a quarter of a million grants. Other bodies of the admin API are smaller.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Documents that are read at a time, since each may be that large.
const DOCUMENTS_AT_ONCE: usize = 2;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply").route(web::post().to(apply_document)).default_service(wrong_method("POST")));
    config.service(web::resource("/export").route(web::get().to(export)).default_service(wrong_method("GET")));
}

/// Turns at handing a document in or taking one out, for the whole server.
pub(in crate::http) struct DocumentTurns(Arc<Semaphore>);

impl Default for DocumentTurns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(DOCUMENTS_AT_ONCE)))
    }
}

impl DocumentTurns {
    fn take(&self) -> Result<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| Error::Unavailable {
            detail: "other documents are being applied or exported: try again in some seconds".to_owned(),
            cause: format!("{DOCUMENTS_AT_ONCE} documents at a time"),
        })
    }
}

/// What a request to apply says beside its document.
fn asked(request: &HttpRequest) -> Result<(Options, Origin)> {
    let parameters = Parameters::of(request)?;
    let options = Options {
        dry_run: parameters.flag("dryRun")?,
        prune: parameters.flag("prune")?,
        owner: parameters.text("owner").unwrap_or(apply::OWNER_DEFAULT).to_owned(),
        may_generate: true,
    };
    Ok((options, parameters.explain(origin(request)?)?))
}

async fn apply_document(
    app: web::Data<App>,
    turns: web::Data<DocumentTurns>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let ready = async {
        // Before the body is read: what is refused anyway shall not take its room.
        let (asked, turn) = (asked(&request)?, turns.take()?);
        Ok((asked, turn, body::read(&request, payload, DOCUMENT_BYTES_MAX).await?))
    };
    let ((options, origin), turn, bytes) = match ready.await {
        Ok(ready) => ready,
        Err(error) => return admin_response(&request, &error),
    };
    let operation = move || {
        let document = apply::Document::from_json(&bytes)?;
        drop(bytes);
        let report = apply::apply_document(&app, &document, &options, &origin);
        drop(turn);
        report
    };
    answer(&request, operation, |report| ok(&report.into_json())).await
}

async fn export(app: web::Data<App>, turns: web::Data<DocumentTurns>, request: HttpRequest) -> HttpResponse {
    let turn = match turns.take() {
        Ok(turn) => turn,
        Err(error) => return admin_response(&request, &error),
    };
    let operation = move || {
        let document = apply::export(&app);
        drop(turn);
        document
    };
    answer(&request, operation, |document| ok(&document)).await
}
