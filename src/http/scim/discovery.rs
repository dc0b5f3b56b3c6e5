//! What a provisioner configures itself by: the features, the types and the schemas (RFC 7643 5 to 7, RFC 7644 4).

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::names::{ACCOUNT, CUSTOM};
use super::{BASE, list_of, scim_json};
use crate::app::App;
use crate::error::Error;
use crate::http::admin::COUNT_MAX;
use crate::http::error::scim_response;

const TYPE: &str = "ServiceAccount";

pub(super) async fn provider(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let config = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": COUNT_MAX},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "An API token, or an access token for the API grantd.",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": meta("ServiceProviderConfig", app.public_url(), "ServiceProviderConfig"),
    });
    answer(&request, &config)
}

pub(super) async fn types(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    answer(&request, &list_of(&[service_account(app.public_url())], 1, 1))
}

pub(super) async fn one_type(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    one(&request, &id, vec![service_account(app.public_url())])
}

pub(super) async fn schemas(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let all = all_schemas(app.public_url());
    answer(&request, &list_of(&all, i64::try_from(all.len()).unwrap_or(i64::MAX), 1))
}

pub(super) async fn one_schema(app: web::Data<App>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    one(&request, &id, all_schemas(app.public_url()))
}

fn answer(request: &HttpRequest, body: &Value) -> HttpResponse {
    // RFC 7644 4: who filters these must not believe that a filter held.
    if request.query_string().split('&').any(|parameter| parameter.starts_with("filter=")) {
        let detail = "what this server is like cannot be filtered: leave the filter out".to_owned();
        return scim_response(request, &Error::Forbidden { detail }, None);
    }
    scim_json(StatusCode::OK, body)
}

fn one(request: &HttpRequest, id: &str, all: Vec<Value>) -> HttpResponse {
    match all.into_iter().find(|known| known["id"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(id))) {
        Some(found) => answer(request, &found),
        None => scim_response(request, &Error::NotFound(format!("there is no {id} here")), None),
    }
}

fn meta(resource_type: &str, public_url: &str, path: &str) -> Value {
    json!({"resourceType": resource_type, "location": format!("{public_url}{BASE}/{path}")})
}

fn service_account(public_url: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": TYPE,
        "name": TYPE,
        "description": "Who a token is about.",
        "endpoint": "/ServiceAccounts",
        "schema": ACCOUNT,
        "schemaExtensions": [{"schema": CUSTOM, "required": false}],
        "meta": meta("ResourceType", public_url, &format!("ResourceTypes/{TYPE}")),
    })
}

fn all_schemas(public_url: &str) -> Vec<Value> {
    let attribute = |name: &str, kind: &str, uniqueness: &str, description: &str| {
        json!({
            "name": name, "type": kind, "multiValued": false, "description": description, "required": true,
            "caseExact": false, "mutability": "readWrite", "returned": "default", "uniqueness": uniqueness,
        })
    };
    let schema = |id: &str, name: &str, description: &str, attributes: Value| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": id,
            "name": name,
            "description": description,
            "attributes": attributes,
            "meta": meta("Schema", public_url, &format!("Schemas/{id}")),
        })
    };
    let members = json!([
        attribute("userName", "string", "server", "Unique, compared without regard to ASCII case."),
        attribute("displayName", "string", "none", "For people. Unless given, the userName."),
        attribute("active", "boolean", "none", "An inactive account gets no token. Unless given, false."),
    ]);
    vec![
        schema(ACCOUNT, TYPE, "Who a token is about: its id is the `sub` of its tokens.", members),
        schema(
            CUSTOM,
            "Attributes",
            "Custom attributes of any name, 16 KiB at most: policies see them, and claims can be mapped from them.",
            json!([]),
        ),
    ]
}
