//! Parameters, headers, refusals and credentials that many operations share.

use serde_json::{Map, Value, json};

use crate::http::openapi::operation::status_of;
use crate::http::openapi::schema::{reference, ruled};
use crate::http::openapi::scim;
use crate::model::fields::{free_text, reference_name};

pub(super) fn parameters() -> Value {
    let query = |name: &str, description: &str, schema: Value, example: Value| json!({"name": name, "in": "query", "description": description, "schema": schema, "example": example});
    // A parameter that says nothing counts as one that is not there.
    let or_nothing = |schema: Value| json!({"anyOf": [schema, {"type": "string", "maxLength": 0}]});
    let flag = || or_nothing(json!({"type": "boolean", "default": false}));
    json!({
        "sortOrder": query("sortOrder", "Which way.",
            json!({"type": "string", "enum": ["ascending", "descending", ""]}), json!("ascending")),
        "startIndex": query("startIndex", "The 1-based index of the first one; less than 1 counts as 1.",
            or_nothing(json!({"type": "integer", "default": 1})), json!(1)),
        "count": query("count", "How many at most; less than 0 counts as 0.",
            or_nothing(json!({"type": "integer", "default": 10, "maximum": 1000})), json!(10)),
        "pageSize": query("count", "How many at most; less than 0 counts as 0, and more than 1000 as 1000.",
            or_nothing(json!({"type": "integer", "default": 100})), json!(10)),
        "attributes": query("attributes", "Only these members, separated by commas.",
            json!({"type": "string"}), json!("displayName,meta.revision")),
        "excludedAttributes": query("excludedAttributes", "Without these members, separated by commas.",
            json!({"type": "string"}), json!("meta")),
        "reason": query("reason", "Why: kept in the audit trail.", ruled(free_text), json!("ticket 4711")),
        "correlation": query("correlation", "An id of the caller's, kept in the audit trail.",
            json!({"type": "string", "maxLength": 200}), json!("run-17")),
        "cascade": query("cascade", "Whether what depends on it goes too; unless it does, that is refused.",
            flag(), json!(false)),
        "dryRun": query("dryRun", "Only find out what would change.", flag(), json!(true)),
        "prune": query("prune", "Also delete what an earlier apply of the same owner made and the document no longer has.",
            flag(), json!(false)),
        "owner": query("owner", "Under which name it makes things.", or_nothing(ruled(reference_name)), json!("apply")),
        "ifNoneMatch": {"name": "If-None-Match", "in": "header",
            "description": "ETags that the caller knows: one that still stands is 304.",
            "schema": {"type": "string"}, "example": "W/\"0\""},
        "ifMatch": {"name": "If-Match", "in": "header",
            "description": "The ETag of what it changes: a stale one is 412.",
            "schema": {"type": "string", "pattern": "^(\\*|(W/)?\"?[0-9]{1,18}\"?)$"}, "example": "*"},
    })
}

pub(super) fn headers() -> Value {
    json!({
        "ETag": {"required": true, "schema": {"type": "string"}, "description": "Its revision, in quotes."},
        "Location": {"required": true, "schema": {"type": "string"}, "description": "Where it stands."},
        "WWWAuthenticate": {"required": true, "schema": {"type": "string"}, "description": "How to authenticate."},
        "RetryAfter": {"required": true, "schema": {"type": "string"}, "description": "Seconds to wait."},
        "CacheControl": {"required": true, "schema": {"type": "string"}, "description": "`no-store`, for secrets and tokens."},
        "ContentDisposition": {"required": true, "schema": {"type": "string"}, "description": "A name for the file."},
    })
}

/// A header that a refusal carries.
const CHALLENGE: Option<&str> = Some("WWW-Authenticate");
const LATER: Option<&str> = Some("Retry-After");

/// A refusal: its name, what it says, the header that it carries, and an example: kind and text.
type Refusal = (&'static str, &'static str, Option<&'static str>, &'static str, &'static str);

/// Those of the admin API.
const REFUSALS: [Refusal; 10] = [
    (
        "BadRequest",
        "Something of the request does not fit; each member that does not is named.",
        None,
        "invalidValue",
        "/userName: this member is required",
    ),
    (
        "Unauthenticated",
        "No bearer token, or none that is valid now.",
        CHALLENGE,
        "unauthenticated",
        "client is not authenticated.",
    ),
    (
        "Forbidden",
        "The bearer may not do this.",
        None,
        "forbidden",
        "this needs the role editor, and ci has the role reader",
    ),
    (
        "NotFound",
        "There is no such thing.",
        None,
        "notFound",
        "there is no ServiceAccount with the id 02cJp4VnHOxkTmd9aBfYzq",
    ),
    (
        "Conflict",
        "A name is taken, or others depend on it: they are named.",
        None,
        "uniqueness",
        "/userName: this userName is taken; choose another",
    ),
    (
        "Stale",
        "It changed since the caller read it.",
        None,
        "stale",
        "this ServiceAccount is at revision 2, not 1: read it again and repeat the change",
    ),
    ("TooLarge", "The body is too large.", None, "tooLarge", "the body is larger than 1048576 bytes"),
    (
        "TooMany",
        "Too often; the same request may succeed after a while.",
        LATER,
        "tooMany",
        "too many failed attempts from this address: wait a little, and check the token",
    ),
    (
        "Failed",
        "The server failed; its log has the cause under the request's id.",
        None,
        "internal",
        "the server failed; its log has the cause under this request's id",
    ),
    (
        "Unavailable",
        "Not now; the same request may succeed later.",
        LATER,
        "unavailable",
        "the database is busy: nothing was changed; try again",
    ),
];

/// Those of the OAuth endpoints.
const OAUTH_REFUSALS: [Refusal; 7] = [
    (
        "OAuthBadRequest",
        "The request is refused: RFC 6749 5.2 and its like.",
        None,
        "invalid_scope",
        "not granted to the service account of this client at myrestapi: read",
    ),
    (
        "OAuthUnauthenticated",
        "The caller is not authenticated.",
        CHALLENGE,
        "invalid_client",
        "unknown client or wrong secret: check client_id and client_secret",
    ),
    (
        "OAuthForbidden",
        "The bearer may not ask this.",
        CHALLENGE,
        "insufficient_scope",
        "this needs a scope of the API grantd, granted now: introspect is the least of them",
    ),
    (
        "OAuthTooLarge",
        "The form is larger than 64 KiB.",
        None,
        "invalid_request",
        "the body is larger than 65536 bytes",
    ),
    (
        "OAuthTooMany",
        "Too often: too many failed attempts, or more tokens than the client may have.",
        LATER,
        "temporarily_unavailable",
        "too many failed attempts: wait a little, and check client_id and client_secret",
    ),
    (
        "OAuthFailed",
        "The server failed, and so no token was issued.",
        None,
        "server_error",
        "the server failed; its log has the cause under this request's id",
    ),
    (
        "OAuthUnavailable",
        "Not now; the same request may succeed later.",
        LATER,
        "temporarily_unavailable",
        "the database is busy: nothing was changed; try again",
    ),
];

pub(super) fn responses() -> Value {
    let response = |media_type: &str, schema: &str, refusal: &Refusal, example: Value| {
        let (name, description, header, ..) = refusal;
        let headers = header.map(|name| {
            let path = format!("#/components/headers/{}", name.replace('-', ""));
            (name.to_owned(), json!({"$ref": path}))
        });
        let content = json!({media_type: {"schema": reference(schema), "example": example}});
        let whole = json!({
            "description": description, "headers": headers.into_iter().collect::<Map<_, _>>(), "content": content,
        });
        ((*name).to_owned(), whole)
    };
    let admin = REFUSALS.iter().map(|refusal| {
        let (name, .., kind, message) = refusal;
        let status = status_of(name);
        let example = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status,
            "code": status.parse::<u16>().unwrap_or_default(), "message": message, "detail": message, "type": kind,
            "validation": [],
        });
        response("application/json", "Error", refusal, example)
    });
    let oauth = OAUTH_REFUSALS.iter().map(|refusal| {
        let (.., code, text) = refusal;
        response("application/json", "OAuthError", refusal, json!({"error": code, "error_description": text}))
    });
    let scim = REFUSALS.iter().map(|refusal| {
        let (name, .., kind, message) = refusal;
        let example = scim::refusal(status_of(name), kind, message);
        let (name, whole) = response("application/scim+json", "ScimError", refusal, example);
        (format!("Scim{name}"), whole)
    });
    Value::Object(admin.chain(oauth).chain(scim).collect())
}

pub(super) fn security_schemes() -> Value {
    json!({
        "bearer": {"type": "http", "scheme": "bearer",
            "description": "An API token, or an access token for the API grantd."},
        "clientBasic": {"type": "http", "scheme": "basic",
            "description": "A client's id and secret (RFC 6749 2.3.1); both in the form are as good."},
    })
}
