//! The route that says who would get what: page by page, since every page takes a turn at the sandbox.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer;
use super::operations::ok;
use super::query::Parameters;
use crate::admin::access::{self, Asked, COUNT_MAX};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::{admin_response, wrong_method};
use crate::model::fields::free_text;

/// Pages that may be waited for; one more is told to come back.
const WAITING_MAX: usize = 4;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/access").route(web::get().to(read)).default_service(wrong_method("GET")));
}

/// Turns at asking, for the whole server.
pub(in crate::http) struct AccessTurns(Arc<Semaphore>);

impl Default for AccessTurns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WAITING_MAX)))
    }
}

impl AccessTurns {
    fn take(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| Error::Unavailable {
            detail: "others ask who would get what: try again in some seconds".to_owned(),
            cause: format!("{WAITING_MAX} pages of access are waited for"),
        })
    }
}

async fn read(app: web::Data<App>, turns: web::Data<AccessTurns>, request: HttpRequest) -> HttpResponse {
    let (asked, turn) = match Parameters::of(&request).and_then(|parameters| asked(&parameters)) {
        Ok(asked) => match turns.take() {
            Ok(turn) => (asked, turn),
            Err(busy) => return admin_response(&request, &busy),
        },
        Err(error) => return admin_response(&request, &error),
    };
    let operation = move || {
        let page = access::page(&app, &asked);
        drop(turn);
        page
    };
    answer(&request, operation, |page| ok(&page)).await
}

fn asked(parameters: &Parameters) -> Result<Asked> {
    let text = |name: &str| {
        let given = parameters.text(name);
        given
            .map(|text| free_text(text).map(|()| text.to_owned()).map_err(|what| parameters.violation(name, what)))
            .transpose()
    };
    Ok(Asked {
        api: text("api")?.ok_or_else(|| parameters.violation("api", "name the API, by its id or appId"))?,
        scope: text("scope")?,
        account: text("account")?,
        at: parameters.time("at")?,
        remote_address: text("remoteAddress")?,
        after: text("after")?.unwrap_or_default(),
        count: parameters.number("count", COUNT_MAX)?.min(COUNT_MAX),
    })
}
