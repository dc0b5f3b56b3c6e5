//! The OpenAPI document of everything above, at `/openapi.json`, and for people at `/docs`.
//!
//! It is put together from the parsers that read bodies, the attributes that lists know and the table of roles; the
//! rest stands in tables beside this file. A test holds it against the router in both directions: each route is in
//! the document, and each operation of the document has a route.

mod admin;
mod components;
mod document;
mod oauth;
mod operation;
mod page;
mod policies;
mod resources;
mod schema;
mod scim;

use std::convert::Infallible;
use std::sync::LazyLock;

use actix_web::body::SizedStream;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::context;
use super::error::{admin_response, wrong_method};
use crate::app::App;
use crate::model::Resource;
use crate::model::api::Api;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::Policy;
use crate::model::service_account::ServiceAccount;

/// What is answered, made when it is first asked for and then kept: it is larger than anything else that strangers may ask for.
struct Made {
    /// The document up to its `servers`, the one member in which two servers differ, and the one that ends it.
    document: Bytes,
    page: Bytes,
}

static SERVE: LazyLock<Made> = LazyLock::new(|| Made::new(false));
static DEV: LazyLock<Made> = LazyLock::new(|| Made::new(true));

impl Made {
    fn new(is_dev: bool) -> Self {
        let document = whole(is_dev);
        let mut text = document.to_string();
        text.pop();
        Self { document: Bytes::from(text), page: Bytes::from(page::of(&document)) }
    }
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let get = |path, route: actix_web::Route| web::resource(path).route(route).default_service(wrong_method("GET"));
    config.service(get("/openapi.json", web::get().to(openapi)));
    config.service(get("/docs", web::get().to(docs)));
}

/// What this server answers.
fn made(app: &App) -> &'static Made {
    if app.dev().is_some() { &DEV } else { &SERVE }
}

async fn openapi(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    match context::base(&app, &request) {
        Ok(base) => {
            let document = made(&app).document.clone();
            let servers = Bytes::from(format!(r#","servers":{}}}"#, json!([{"url": base.url}])));
            let bytes = document.len() + servers.len();
            let parts = stream::iter([document, servers].map(Ok::<_, Infallible>));
            HttpResponse::Ok()
                .insert_header((header::CONTENT_TYPE, "application/json"))
                .insert_header((header::CACHE_CONTROL, "no-cache"))
                .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
                .body(SizedStream::new(bytes as u64, parts))
        }
        Err(error) => admin_response(&request, &error),
    }
}

async fn docs(app: web::Data<App>) -> HttpResponse {
    page::response(made(&app).page.clone())
}

/// The document but for `servers`.
fn whole(is_dev: bool) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "grantd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "OAuth 2.0 access tokens for machines: one binary, one SQLite file, every token explained.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": tags(is_dev),
        "security": [{"bearer": []}],
        "paths": paths(is_dev),
        "components": components::components(is_dev),
    })
}

fn tags(is_dev: bool) -> Value {
    let mut all = vec![
        ("OAuth", "Tokens, for clients and resource servers."),
        ("Discovery", "What clients and verifiers configure themselves by."),
        (ServiceAccount::TYPE, "Who a token is about."),
        (MachineToMachine::TYPE, "OAuth clients and their secrets."),
        (Api::TYPE, "What is protected, and its scopes."),
        (Grant::TYPE, "Which account may have which scopes at which API."),
        (Policy::TYPE, "What lowers the ceiling that grants set."),
        ("PolicyModule", "The WebAssembly that policies run."),
        ("Decision", "Why token requests ended as they did."),
        ("ApiToken", "Bearers of the admin API."),
        ("SigningKey", "What tokens are signed with."),
        ("Document", "Declared access: everything by name, in one document."),
        ("Scim", "Service accounts for those who provision identities: SCIM 2.0."),
        ("Audit", "Who changed what, and what happened."),
        ("Operations", "Health, metrics, and this document."),
    ];
    if is_dev {
        all.push(("Dev", "What grantd dev has and no other server."));
    }
    all.iter().map(|(name, description)| json!({"name": name, "description": description})).collect()
}

fn operations(is_dev: bool) -> Vec<operation::Operation> {
    let mut all = oauth::operations(is_dev);
    all.extend(resources::operations::<ServiceAccount>());
    all.extend(resources::operations::<MachineToMachine>());
    all.extend(resources::operations::<Api>());
    all.extend(resources::operations::<Grant>());
    all.extend(resources::operations::<Policy>());
    all.extend(admin::operations());
    all.extend(policies::operations());
    all.extend(document::operations());
    all.extend(scim::operations());
    all
}

fn paths(is_dev: bool) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations(is_dev) {
        let (path, method) = (operation.path.clone(), operation.method.to_owned());
        let aliases = aliases(&path);
        let item = paths
            .entry(path)
            .or_insert_with(|| if aliases.is_empty() { json!({}) } else { json!({"x-aliases": aliases}) });
        if let Some(item) = item.as_object_mut() {
            item.insert(method, operation.into_value());
        }
    }
    Value::Object(paths)
}

/// Other paths that lead to the same: resources under the other names of the app and the type, documents where older
/// clients look for them.
fn aliases(path: &str) -> Vec<String> {
    let types = [
        (ServiceAccount::TYPE, ServiceAccount::PLURAL),
        (MachineToMachine::TYPE, MachineToMachine::PLURAL),
        (Api::TYPE, Api::PLURAL),
        (Grant::TYPE, Grant::PLURAL),
        (Policy::TYPE, Policy::PLURAL),
    ];
    if let Some(rest) = path.strip_prefix("/api/v1/resources/cid/") {
        let (kind, rest) =
            rest.split_once('/').map_or((rest, String::new()), |(kind, rest)| (kind, format!("/{rest}")));
        let plural = types.iter().find(|(name, _)| *name == kind).map_or(kind, |(_, plural)| *plural);
        let spellings = [("cid", plural), ("iam", kind), ("iam", plural)];
        return spellings.iter().map(|(app, name)| format!("/api/v1/resources/{app}/{name}{rest}")).collect();
    }
    let known: &[&str] = match path {
        "/.well-known/oauth-authorization-server" => {
            &["/.well-known/oauth-authorization-server/oauth2", "/oauth2/.well-known/oauth-authorization-server"]
        }
        "/oauth2/.well-known/openid-configuration" => &[
            "/oauth2/default/.well-known/openid-configuration",
            "/.well-known/openid-configuration",
            "/.well-known/openid-configuration/oauth2",
        ],
        "/oauth2/.well-known/jwks.json" => &["/.well-known/jwks.json"],
        _ => &[],
    };
    known.iter().map(|path| (*path).to_owned()).collect()
}
