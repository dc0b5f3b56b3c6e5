//! The routes of decisions: why token requests ended as they did.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::answer;
use super::controller::ordered_list_response;
use super::operations::ok;
use super::query::Parameters;
use crate::admin::{decisions, grounds, replay};
use crate::app::App;
use crate::http::error::{admin_response, wrong_method};
use crate::store::{Query, Questions};

/// Decisions that one page of questions looks at.
const QUESTIONS_MAX: u32 = 1000;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let get = |path, route: actix_web::Route| web::resource(path).route(route).default_service(wrong_method("GET"));
    config.service(get("/decision-questions", web::get().to(question_list)));
    config.service(get("/policy-settings/{digest}", web::get().to(settings_read)));
    config
        .service(web::resource("/decisions").route(web::get().to(decision_list)).default_service(wrong_method("GET")));
    config.service(
        web::resource("/decisions/{id}/replay")
            .route(web::post().to(decision_replay))
            .default_service(wrong_method("POST")),
    );
    config.service(
        web::resource("/decisions/{id}/grounds")
            .route(web::get().to(decision_grounds))
            .default_service(wrong_method("GET")),
    );
    config.service(
        web::resource("/decisions/{id}").route(web::get().to(decision_read)).default_service(wrong_method("GET")),
    );
}

async fn decision_list(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let read = move |query: &Query| {
        app.decisions.settle();
        let page = app.store.decision_list(query)?;
        Ok((page.total.count, page.items))
    };
    ordered_list_response(&request, true, read).await
}

/// A page of what a policy was asked, as it is serialized.
#[derive(Serialize)]
struct QuestionPage {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<i64>,
    last: i64,
    next: Option<i64>,
    decisions: Vec<Map<String, Value>>,
    explanations: BTreeMap<String, Box<RawValue>>,
}

/// What a policy was asked: for whoever asks another module the same.
async fn question_list(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let asked = Parameters::of(&request).and_then(|parameters| {
        let policy = parameters.text("policy").map(str::to_owned);
        let policy = policy.ok_or_else(|| parameters.violation("policy", "name the policy by its id"))?;
        let after = parameters.text("after").map(str::parse::<i64>).transpose();
        let after = after.map_err(|_| parameters.violation("after", "must be the next of the page before"))?;
        let count = parameters.number("count", QUESTIONS_MAX)?.clamp(1, QUESTIONS_MAX);
        Ok((policy, parameters.time("since")?, after, count))
    });
    let (policy, since, after, count) = match asked {
        Ok(asked) => asked,
        Err(error) => return admin_response(&request, &error),
    };
    let operation = move || decisions::questions(&app, &policy, since, after, count);
    let respond = |page: Questions| {
        let Questions { first, last, next, decisions, explanations } = page;
        let page = QuestionPage { first, last, next, decisions, explanations: explanations.into_iter().collect() };
        HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(page)
    };
    answer(&request, operation, respond).await
}

/// Settings that a decision rests on.
async fn settings_read(app: web::Data<App>, request: HttpRequest, digest: web::Path<String>) -> HttpResponse {
    answer(&request, move || decisions::settings(&app, &digest), |settings| ok(&settings)).await
}

/// By its id, which is the `jti` of its token too.
async fn decision_read(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    let operation = move || {
        app.decisions.settle();
        app.store.decision_by_id(&id)
    };
    answer(&request, operation, |decision| ok(&decision)).await
}

/// What the answers of its policies rest on.
async fn decision_grounds(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&request, move || grounds::explain(&app, &id), |explained| ok(&explained)).await
}

/// Evaluates its policies again from what was recorded.
async fn decision_replay(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&request, move || replay::replay(&app, &id), |replayed| ok(&replayed)).await
}
