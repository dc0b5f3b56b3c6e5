//! The one map from the library's errors to the wire, in three shapes: RFC 6749 5.2 for OAuth, RFC 7644 3.12 for SCIM, and the
//! admin API's, which is a superset of what Crossid's and SCIM's clients decode. What fails a request is logged here; a policy
//! that fails, where it is asked.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::context;
use super::scim::SCIM_JSON;
use crate::error::{Error, OAuthCode, Violation};

/// What the admin API and SCIM ask for.
const BEARER: HeaderValue = HeaderValue::from_static(r#"Bearer realm="grantd""#);
/// What `Retry-After` says with a 503: grantd's queues drain within a second.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// The answer of the OAuth endpoints.
pub(super) fn oauth_response(request: &HttpRequest, failure: &Error) -> HttpResponse {
    log(request, failure);
    let (status, code) = match failure {
        Error::OAuth { code: code @ OAuthCode::InvalidClient, .. } => (StatusCode::UNAUTHORIZED, code.as_str()),
        Error::OAuth { code: code @ OAuthCode::ServerError, .. } => (StatusCode::INTERNAL_SERVER_ERROR, code.as_str()),
        Error::OAuth { code, .. } => (StatusCode::BAD_REQUEST, code.as_str()),
        Error::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
        Error::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        Error::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
        Error::Malformed(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
        // Bearers may ask about tokens: RFC 6750 3.1.
        Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "invalid_token"),
        Error::Forbidden { .. } => (StatusCode::FORBIDDEN, "insufficient_scope"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
    };
    let description = match failure {
        Error::OAuth { description, .. } => description.clone(),
        Error::Unauthenticated => "this bearer token is not one that is valid now".to_owned(),
        Error::Forbidden { detail } => detail.clone(),
        other => other.to_string(),
    };
    let mut response = oauth_body(status, code, &description);
    come_back(&mut response, failure);
    response
}

/// Says when, where it is known.
fn come_back(response: &mut HttpResponse, failure: &Error) {
    let retry_after = match failure {
        Error::TooMany { retry_after_seconds, .. } => HeaderValue::from(*retry_after_seconds),
        Error::Unavailable { .. } => RETRY_AFTER_SECONDS,
        _ => return,
    };
    response.headers_mut().insert(header::RETRY_AFTER, retry_after);
}

fn oauth_body(status: StatusCode, code: &str, description: &str) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store")).insert_header((header::PRAGMA, "no-cache"));
    let challenge = match code {
        "invalid_client" => Some(r#"Basic realm="grantd", charset="UTF-8""#),
        "invalid_token" => Some(r#"Bearer realm="grantd", error="invalid_token""#),
        "insufficient_scope" => Some(r#"Bearer realm="grantd", error="insufficient_scope""#),
        _ => None,
    };
    if let Some(challenge) = challenge {
        response.insert_header((header::WWW_AUTHENTICATE, challenge));
    }
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    response.json(json!({"error": code, "error_description": in_oauth_characters(description)}))
}

/// An answer that `grantd dev` was asked to give instead of a token.
pub(super) fn fault_response(code: &str, status: u16) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    oauth_body(status, code, "a fault on demand: POST /dev/faults asked this server for it")
}

/// RFC 6749 5.2: `error_description` is printable ASCII without quote and backslash.
fn in_oauth_characters(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' => '\'',
            '\\' => '/',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '?',
        })
        .collect()
}

/// The answer of the admin API.
pub(super) fn admin_response(request: &HttpRequest, failure: &Error) -> HttpResponse {
    log(request, failure);
    let (status, kind) = admin_status(failure);
    let violations = match failure {
        Error::Invalid(violations) => violations.as_slice(),
        Error::Taken(violation) => std::slice::from_ref(violation),
        _ => &[],
    };
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((header::WWW_AUTHENTICATE, BEARER));
    }
    let body = admin_body(status, kind, &failure.to_string(), &detail(failure, violations), violations);
    let mut response = response.json(body);
    come_back(&mut response, failure);
    response
}

/// The status and the kind of an error.
pub(super) fn admin_status(failure: &Error) -> (StatusCode, &'static str) {
    match failure {
        Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        Error::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "notFound"),
        Error::Malformed(_) => (StatusCode::BAD_REQUEST, "invalidSyntax"),
        Error::Invalid(_) | Error::OAuth { .. } => (StatusCode::BAD_REQUEST, "invalidValue"),
        Error::Taken(_) => (StatusCode::CONFLICT, "uniqueness"),
        Error::InUse { .. } => (StatusCode::CONFLICT, "inUse"),
        Error::Stale(_) => (StatusCode::PRECONDITION_FAILED, "stale"),
        Error::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "tooLarge"),
        Error::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Error::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "tooMany"),
        Error::Internal(_) | Error::Setup(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// The answer of `/scim/v2` (RFC 7644 3.12). `scim_type` says more than the error alone can.
pub(super) fn scim_response(request: &HttpRequest, failure: &Error, scim_type: Option<&str>) -> HttpResponse {
    log(request, failure);
    let (violations, of_itself) = match failure {
        Error::Invalid(violations) if violations.first().is_some_and(|first| first.property_path == "/filter") => {
            (violations.as_slice(), Some("invalidFilter"))
        }
        Error::Invalid(violations) => (violations.as_slice(), Some("invalidValue")),
        Error::Taken(violation) => (std::slice::from_ref(violation), Some("uniqueness")),
        Error::Malformed(_) => (&[][..], Some("invalidSyntax")),
        _ => (&[][..], None),
    };
    let mut response = scim_refusal(admin_status(failure).0, &detail(failure, violations), scim_type.or(of_itself));
    if matches!(failure, Error::Unauthenticated) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, BEARER);
    }
    come_back(&mut response, failure);
    response
}

pub(super) fn scim_refusal(status: StatusCode, detail: &str, scim_type: Option<&str>) -> HttpResponse {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.as_str(),
        "detail": detail,
    });
    if let Some(scim_type) = scim_type {
        body["scimType"] = scim_type.into();
    }
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, SCIM_JSON))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}

fn detail(failure: &Error, violations: &[Violation]) -> String {
    match failure {
        Error::Forbidden { detail } => detail.clone(),
        Error::Unauthenticated => {
            "send Authorization: Bearer with an API token that is valid now; `grantd dev` and `grantd init` print one"
                .to_owned()
        }
        _ if violations.is_empty() => failure.to_string(),
        _ => violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}

fn admin_body(status: StatusCode, kind: &str, message: &str, detail: &str, violations: &[Violation]) -> Value {
    let validation: Vec<Value> = violations
        .iter()
        .map(|v| json!({"propertyPath": v.property_path, "invalidValue": v.invalid_value, "message": v.message}))
        .collect();
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.as_str(),
        "code": status.as_u16(),
        "message": message,
        "detail": detail,
        "type": kind,
        "validation": validation,
    })
}

/// The answer to a request that finds no room, before anything looked at more than its path.
pub(super) fn overloaded(path: &str) -> HttpResponse {
    let (status, text) = (StatusCode::SERVICE_UNAVAILABLE, "the server has its hands full: send the request again");
    let mut response = if path.starts_with("/oauth2/") {
        oauth_body(status, "temporarily_unavailable", text)
    } else {
        HttpResponse::build(status)
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS))
            .json(admin_body(status, "unavailable", text, text, &[]))
    };
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A path that is not in the table of routes.
pub(super) async fn no_such_path(request: HttpRequest) -> HttpResponse {
    let known = "see /oauth2/.well-known/openid-configuration for OAuth and /api/v1 for the admin API";
    admin_response(&request, &Error::NotFound(format!("there is nothing at {}; {known}", request.path())))
}

/// A path that is in the table, but not with this method.
pub(super) fn wrong_method(allowed: &'static str) -> actix_web::Route {
    actix_web::web::to(move || async move {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let text = format!("this path takes {allowed}");
        HttpResponse::build(status).insert_header((header::ALLOW, allowed)).json(admin_body(
            status,
            "invalidSyntax",
            &text,
            &text,
            &[],
        ))
    })
}

/// As [`wrong_method`], in the shape of the OAuth endpoints.
pub(super) fn wrong_oauth_method(allowed: &'static str) -> actix_web::Route {
    actix_web::web::to(move |request: HttpRequest| async move {
        let refusal = Error::oauth(OAuthCode::InvalidRequest, format!("this path takes {allowed}"));
        let mut response = oauth_response(&request, &refusal);
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        response
    })
}

fn log(request: &HttpRequest, failure: &Error) {
    let caller = context::caller(request);
    let request_id = caller.request_id.as_str();
    let path = request.path();
    match failure.cause() {
        // Busy, or without a disk: the next try may go well.
        Some(cause) if matches!(failure, Error::Unavailable { .. }) => {
            tracing::warn!(request_id, path, cause, "{failure}");
        }
        Some(cause) => tracing::error!(request_id, path, cause, "{failure}"),
        None => tracing::debug!(request_id, path, "refused: {failure}"),
    }
}
