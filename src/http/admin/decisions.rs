//! The routes of decisions: why token requests ended as they did.

use actix_web::{HttpRequest, HttpResponse, web};

use super::answer;
use super::controller::ordered_list_response;
use super::operations::ok;
use crate::admin::replay;
use crate::app::App;
use crate::http::error::wrong_method;
use crate::store::Query;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/decisions").route(web::get().to(decision_list)).default_service(wrong_method("GET")));
    config.service(
        web::resource("/decisions/{id}/replay")
            .route(web::post().to(decision_replay))
            .default_service(wrong_method("POST")),
    );
    config.service(
        web::resource("/decisions/{id}").route(web::get().to(decision_read)).default_service(wrong_method("GET")),
    );
}

async fn decision_list(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let read = move |query: &Query| {
        app.decisions.settle();
        let page = app.store.decision_list(query)?;
        Ok((page.total, page.items))
    };
    ordered_list_response(&request, true, read).await
}

/// By its id, which is the `jti` of its token too.
async fn decision_read(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    let operation = move || {
        app.decisions.settle();
        app.store.decision_by_id(&id)
    };
    answer(&request, operation, |decision| ok(&decision)).await
}

/// Evaluates its policies again from what was recorded.
async fn decision_replay(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&request, move || replay::replay(&app, &id), |replayed| ok(&replayed)).await
}
