//! Parameters, headers, refusals and credentials that many operations share.

use serde_json::{Map, Value, json};

use crate::http::openapi::schema::{reference, ruled};
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

pub(super) fn responses() -> Value {
    let mut all = Map::new();
    let header = |name: &str| json!({name: {"$ref": format!("#/components/headers/{}", name.replace('-', ""))}});
    let mut add = |name: &str, description: &str, schema: &str, headers: Value, example: Value| {
        all.insert(
            name.to_owned(),
            json!({
                "description": description,
                "headers": headers,
                "content": {"application/json": {"schema": reference(schema), "example": example}},
            }),
        );
    };
    let error = |status: u16, kind: &str, message: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string(), "code": status,
            "message": message, "detail": message, "type": kind, "validation": [],
        })
    };
    let none = || json!({});
    let bearer = header("WWW-Authenticate");
    let later = header("Retry-After");
    add(
        "BadRequest",
        "Something of the request does not fit; each member that does not is named.",
        "Error",
        none(),
        error(400, "invalidValue", "/userName: this member is required"),
    );
    add(
        "Unauthenticated",
        "No bearer token, or none that is valid now.",
        "Error",
        bearer.clone(),
        error(401, "unauthenticated", "client is not authenticated."),
    );
    add(
        "Forbidden",
        "The bearer may not do this.",
        "Error",
        none(),
        error(403, "forbidden", "this needs the role editor, and ci has the role reader"),
    );
    add(
        "NotFound",
        "There is no such thing.",
        "Error",
        none(),
        error(404, "notFound", "there is no ServiceAccount with the id 02cJp4VnHOxkTmd9aBfYzq"),
    );
    add(
        "Conflict",
        "A name is taken, or others depend on it: they are named.",
        "Error",
        none(),
        error(409, "uniqueness", "/userName: this userName is taken; choose another"),
    );
    add(
        "Stale",
        "It changed since the caller read it.",
        "Error",
        none(),
        error(412, "stale", "this ServiceAccount is at revision 2, not 1: read it again and repeat the change"),
    );
    add(
        "TooLarge",
        "The body is too large.",
        "Error",
        none(),
        error(413, "tooLarge", "the body is larger than 1048576 bytes"),
    );
    add(
        "TooMany",
        "Too often; the same request may succeed after a while.",
        "Error",
        later.clone(),
        error(429, "tooMany", "too many failed attempts from this address: wait a little, and check the token"),
    );
    add(
        "Failed",
        "The server failed; its log has the cause under the request's id.",
        "Error",
        none(),
        error(500, "internal", "the server failed; its log has the cause under this request's id"),
    );
    add(
        "Unavailable",
        "Not now; the same request may succeed later.",
        "Error",
        later.clone(),
        error(503, "unavailable", "the database is busy: nothing was changed; try again"),
    );
    let oauth = |code: &str, text: &str| json!({"error": code, "error_description": text});
    add(
        "OAuthBadRequest",
        "The request is refused: RFC 6749 5.2 and its like.",
        "OAuthError",
        none(),
        oauth("invalid_scope", "not granted to the service account of this client at myrestapi: read"),
    );
    add(
        "OAuthUnauthenticated",
        "The caller is not authenticated.",
        "OAuthError",
        bearer,
        oauth("invalid_client", "unknown client or wrong secret: check client_id and client_secret"),
    );
    add(
        "OAuthForbidden",
        "The bearer may not ask this.",
        "OAuthError",
        header("WWW-Authenticate"),
        oauth(
            "insufficient_scope",
            "this needs a scope of the API grantd, granted now: introspect is the least of them",
        ),
    );
    add(
        "OAuthTooLarge",
        "The form is larger than 64 KiB.",
        "OAuthError",
        none(),
        oauth("invalid_request", "the body is larger than 65536 bytes"),
    );
    add(
        "OAuthTooMany",
        "Too often: too many failed attempts, or more tokens than the client may have.",
        "OAuthError",
        later.clone(),
        oauth(
            "temporarily_unavailable",
            "too many failed attempts: wait a little, and check client_id and client_secret",
        ),
    );
    add(
        "OAuthFailed",
        "The server failed, and so no token was issued.",
        "OAuthError",
        none(),
        oauth("server_error", "the server failed; its log has the cause under this request's id"),
    );
    add(
        "OAuthUnavailable",
        "Not now; the same request may succeed later.",
        "OAuthError",
        later,
        oauth("temporarily_unavailable", "the database is busy: nothing was changed; try again"),
    );
    Value::Object(all)
}

pub(super) fn security_schemes() -> Value {
    json!({
        "bearer": {"type": "http", "scheme": "bearer",
            "description": "An API token, or an access token for the API grantd."},
        "clientBasic": {"type": "http", "scheme": "basic",
            "description": "A client's id and secret (RFC 6749 2.3.1); both in the form are as good."},
    })
}
