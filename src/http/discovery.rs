//! Metadata: RFC 8414, OpenID Connect Discovery for the clients that look there, and the JWKS.

use actix_web::http::header;
use actix_web::{HttpResponse, Route, guard, web};
use serde_json::{Value, json};

use super::error::wrong_method;
use crate::app::App;
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

fn metadata(app: &App) -> Value {
    let issuer = app.issuer();
    let methods: Vec<&str> = AuthMethod::ALL.iter().map(|method| method.as_str()).collect();
    // RFC 8414 2: of access token types too, under the name that is registered for them.
    let with_bearer: Vec<&str> = methods.iter().copied().chain(["Bearer"]).collect();
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}token"),
        "jwks_uri": format!("{issuer}.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        // RFC 8414 demands the list (2) and forbids it to be empty (3.2); this type is registered, and says it.
        "response_types_supported": ["none"],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": format!("{issuer}introspect"),
        "introspection_endpoint_auth_methods_supported": with_bearer,
        "revocation_endpoint": format!("{issuer}revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
    })
}

/// RFC 8414 2.
async fn oauth(app: web::Data<App>) -> HttpResponse {
    public(&metadata(&app))
}

/// OpenID Connect Discovery 3. It demands endpoints and lists that a server for machines has no use for, and
/// clients stop without them: they are there, and answer that there is no sign-in.
async fn openid(app: web::Data<App>) -> HttpResponse {
    let issuer = app.issuer();
    let algs: Vec<&str> = SigningAlg::ALL.iter().map(|alg| alg.as_str()).collect();
    let mut document = metadata(&app);
    if let Some(members) = document.as_object_mut() {
        members.insert("authorization_endpoint".to_owned(), json!(format!("{issuer}auth")));
        members.insert("userinfo_endpoint".to_owned(), json!(format!("{issuer}userinfo")));
        members.insert("end_session_endpoint".to_owned(), json!(format!("{issuer}logout")));
        members.insert("subject_types_supported".to_owned(), json!(["public"]));
        members.insert("id_token_signing_alg_values_supported".to_owned(), json!(algs));
    }
    public(&document)
}

async fn jwks(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, KEYS_MAX_AGE))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .body(app.signer.jwks())
}

fn public(document: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, KEYS_MAX_AGE))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .json(document)
}
