//! Metadata: RFC 8414, OpenID Connect Discovery for the clients that look there, and the JWKS.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, Route, guard, web};
use serde_json::{Map, Value, json};

use super::context;
use super::error::{admin_response, wrong_method};
use crate::address::Base;
use crate::app::App;
use crate::error::Result;
use crate::model::api::SigningAlg;
use crate::model::machine_to_machine::AuthMethod;

/// How long verifiers may keep the keys: far less than a key is announced before it signs.
const KEYS_MAX_AGE: &str = "public, max-age=300";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    for path in [
        "/oauth2/.well-known/openid-configuration",
        "/oauth2/default/.well-known/openid-configuration",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/oauth2",
    ] {
        config.service(web::resource(path).route(read().to(openid)).default_service(wrong_method("GET, HEAD")));
    }
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/oauth2",
        "/oauth2/.well-known/oauth-authorization-server",
    ] {
        config.service(web::resource(path).route(read().to(oauth)).default_service(wrong_method("GET, HEAD")));
    }
    for path in ["/oauth2/.well-known/jwks.json", "/.well-known/jwks.json"] {
        config.service(web::resource(path).route(read().to(jwks)).default_service(wrong_method("GET, HEAD")));
    }
}

/// RFC 9110 9.1: where GET is answered, HEAD is too.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// What both documents say, with endpoints at the URL that was asked.
fn metadata(app: &App, request: &HttpRequest) -> Result<Map<String, Value>> {
    let Base { url, issuer, .. } = context::base(app, request)?;
    let methods: Vec<&str> = AuthMethod::ALL.iter().map(|method| method.as_str()).collect();
    // RFC 8414 2: of access token types too, under the name that is registered for them.
    let with_bearer: Vec<&str> = methods.iter().copied().chain(["Bearer"]).collect();
    let mut document = json!({
        "issuer": issuer,
        "token_endpoint": format!("{url}/oauth2/token"),
        "jwks_uri": format!("{url}/oauth2/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        // RFC 8414 demands the list (2) and forbids it to be empty (3.2); this type is registered, and says it.
        "response_types_supported": ["none"],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": format!("{url}/oauth2/introspect"),
        "introspection_endpoint_auth_methods_supported": with_bearer,
        "revocation_endpoint": format!("{url}/oauth2/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
    });
    if app.has_fixed_keys() {
        document["insecure_fixed_keys"] = json!(true);
    }
    Ok(document.as_object().cloned().unwrap_or_default())
}

/// RFC 8414 2.
async fn oauth(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    match metadata(&app, &request) {
        Ok(document) => public(&document),
        Err(error) => admin_response(&request, &error),
    }
}

/// OpenID Connect Discovery 3. It demands endpoints and lists that a server for machines has no use for, and
/// clients stop without them: they are there, and answer that there is no sign-in.
async fn openid(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    match metadata(&app, &request) {
        Ok(document) => public(&with_openid(document)),
        Err(error) => admin_response(&request, &error),
    }
}

fn with_openid(mut members: Map<String, Value>) -> Map<String, Value> {
    let endpoint = |name: &str| {
        let token_endpoint = members.get("token_endpoint").and_then(Value::as_str).unwrap_or_default();
        json!(format!("{}{name}", token_endpoint.trim_end_matches("token")))
    };
    let (auth, userinfo, logout) = (endpoint("auth"), endpoint("userinfo"), endpoint("logout"));
    let algs: Vec<&str> = SigningAlg::ALL.iter().map(|alg| alg.as_str()).collect();
    members.insert("authorization_endpoint".to_owned(), auth);
    members.insert("userinfo_endpoint".to_owned(), userinfo);
    members.insert("end_session_endpoint".to_owned(), logout);
    members.insert("subject_types_supported".to_owned(), json!(["public"]));
    members.insert("id_token_signing_alg_values_supported".to_owned(), json!(algs));
    members
}

async fn jwks(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, KEYS_MAX_AGE))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .body(app.signer.jwks())
}

fn public(document: &Map<String, Value>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, KEYS_MAX_AGE))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .json(document)
}
