//! The route that says who would get what: page by page, since every page takes a turn at the sandbox.

use actix_web::{HttpRequest, HttpResponse, web};

use super::answer;
use super::operations::ok;
use super::query::Parameters;
use crate::admin::access::{self, Asked, COUNT_MAX};
use crate::app::App;
use crate::error::Result;
use crate::http::error::{admin_response, wrong_method};
use crate::model::fields::free_text;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/access").route(web::get().to(read)).default_service(wrong_method("GET")));
}

async fn read(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    match Parameters::of(&request).and_then(|parameters| asked(&parameters)) {
        Ok(asked) => answer(&request, move || access::page(&app, &asked), |page| ok(&page)).await,
        Err(error) => admin_response(&request, &error),
    }
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
