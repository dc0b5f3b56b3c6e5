//! The operations that take no role: OAuth, discovery, health and metrics, and the handles of `grantd dev`.

use serde_json::{Value, json};

use super::operation::Operation;
use super::schema::{flag, integer, object, reference, text, time};

const TOKEN: &str = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIwMmNKIn0.c2lnbmF0dXJl";

/// Every one of them.
pub(super) fn operations(is_dev: bool) -> Vec<Operation> {
    let mut all: Vec<Operation> = [tokens(), discovery(), upkeep()].into_iter().flatten().collect();
    if is_dev {
        all.extend(handles());
    }
    all
}

fn tokens() -> Vec<Operation> {
    let tag = "OAuth";
    let credentials = json!({"client_id": "4bTRU1pUEdjHk9xJ0wqVY2ZcGmNsA8eL", "client_secret": "gsec_4fT…"});
    let with = |more: &Value| {
        let mut form = credentials.as_object().cloned().unwrap_or_default();
        form.extend(more.as_object().cloned().unwrap_or_default());
        Value::Object(form)
    };
    let about = with(&json!({"token": TOKEN}));
    let active =
        json!({"active": true, "token_type": "Bearer", "scope": "write", "client_id": "4bTR…", "exp": 1_800_010_800});
    vec![
        Operation::new("post", "/oauth2/token", "issueToken", tag, "Get an access token")
            .described("The client credentials grant (RFC 6749 4.4), for one API (RFC 8707).")
            .form("TokenRequest", &with(&json!({"grant_type": "client_credentials", "scope": "write"})))
            .answer(
                200,
                "The token.",
                &reference("TokenResponse"),
                &json!({
                    "access_token": TOKEN, "expires_in": 3600, "refresh_expires_in": 0, "scope": "write",
                    "token_type": "bearer",
                }),
            )
            .headers(200, &["Cache-Control"])
            .client(false),
        Operation::new("post", "/oauth2/introspect", "introspectToken", tag, "Ask what a token is worth now")
            .described(
                "RFC 7662. For the token's own client, for bearers of the admin API, and for resource servers whose \
                account was granted `introspect` at the API grantd. Everybody else learns that it is not active.",
            )
            .form("TokenInquiry", &about)
            .answer(200, "What it is worth.", &reference("Introspection"), &active)
            .headers(200, &["Cache-Control"])
            .errors(&["OAuthForbidden"])
            .client(true),
        Operation::new("post", "/oauth2/revoke", "revokeToken", tag, "End a token before its time")
            .described(
                "RFC 7009. For the token's own client. Verifiers that do not introspect accept it until it expires.",
            )
            .form("TokenInquiry", &about)
            .empty(200, "It is revoked, or was no token that could still be used.")
            .client(false),
    ]
}

fn discovery() -> Vec<Operation> {
    let tag = "Discovery";
    let metadata = json!({
        "issuer": "https://id.example.com/oauth2/", "token_endpoint": "https://id.example.com/oauth2/token",
        "jwks_uri": "https://id.example.com/oauth2/.well-known/jwks.json",
    });
    let get = |path: &str, id: &str, summary: &str, schema: &str, example: &Value| {
        Operation::new("get", path, id, tag, summary)
            .answer(200, "The document.", &reference(schema), example)
            .headers(200, &["Cache-Control"])
            .errors(&["Failed"])
            .open()
    };
    let keys =
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "02cJ…", "x": "11qY…"}]});
    let mut all = vec![
        get("/.well-known/oauth-authorization-server", "readMetadata", "Metadata (RFC 8414)", "Metadata", &metadata),
        get(
            "/oauth2/.well-known/openid-configuration",
            "readOpenIdMetadata",
            "Metadata as OpenID Connect Discovery has it",
            "Metadata",
            &metadata,
        ),
        get("/oauth2/.well-known/jwks.json", "readKeys", "The public keys (RFC 7517)", "JwkSet", &keys),
    ];
    // OpenID discovery must name them; there is no person here to send to them.
    for (path, id) in [("auth", "SignIn"), ("userinfo", "UserInfo"), ("logout", "SignOut")] {
        for method in ["get", "post"] {
            let summary = "There is no sign-in: this server issues tokens to machines";
            let operation = Operation::new(method, format!("/oauth2/{path}"), format!("{method}No{id}"), tag, summary);
            all.push(operation.errors(&["OAuthBadRequest"]).open());
        }
    }
    all
}

fn upkeep() -> Vec<Operation> {
    let tag = "Operations";
    let health = |path: &str, id: &str, summary: &str| {
        Operation::new("get", path, id, tag, summary)
            .answer(200, "It is.", &reference("Health"), &json!({"status": "OK"}))
            .open()
    };
    let not_ready = json!({"status": "Service Unavailable", "errors": {"database": "the server is stopping"}});
    let json_document = json!({"application/json": {"schema": {"type": "object", "additionalProperties": true}}});
    let plain = |kind: &str| json!({kind: {"schema": {"type": "string"}}});
    vec![
        health("/api/v1/health/alive", "isAlive", "Whether the process answers"),
        health("/api/v1/health/ready", "isReady", "Whether the database does too").answer(
            503,
            "It is not.",
            &reference("Health"),
            &not_ready,
        ),
        Operation::new("get", "/metrics", "readMetrics", tag, "Counters, in the text format of Prometheus")
            .answer_with(200, "The counters.", &plain("text/plain"))
            .open(),
        Operation::new("get", "/openapi.json", "readDocument", tag, "This document")
            .answer_with(200, "OpenAPI 3.1.", &json_document)
            .errors(&["Failed"])
            .open(),
        Operation::new("get", "/docs", "readPage", tag, "This document, for people")
            .answer_with(200, "A page.", &plain("text/html"))
            .open(),
    ]
}

/// The handles of `grantd dev`.
fn handles() -> Vec<Operation> {
    let tag = "Dev";
    let only = "Only under grantd dev. Pages of other sites are refused.";
    let clock = json!({"now": "2027-01-15T11:00:00.000Z", "offsetSeconds": 3600, "frozen": false});
    let fault = json!({"count": 3, "delayMilliseconds": 0, "error": "temporarily_unavailable", "status": 503});
    let faults = json!({"faults": [fault]});
    let on = |method, path: &str, id: &str, summary: &str| {
        Operation::new(method, path, id, tag, summary).described(only).errors(&["Forbidden", "Failed"]).open()
    };
    vec![
        on("get", "/dev/clock", "readClock", "Read the clock").answer(
            200,
            "What it shows.",
            &reference("DevClock"),
            &clock,
        ),
        on("post", "/dev/clock", "setClock", "Set, advance or release the clock")
            .body("DevClockChange", &json!({"advance": 3600}))
            .answer(200, "What it shows now.", &reference("DevClock"), &clock)
            .errors(&["Unavailable"]),
        on("get", "/dev/faults", "listFaults", "List the faults that wait for token requests").answer(
            200,
            "What waits.",
            &reference("DevFaults"),
            &faults,
        ),
        on("post", "/dev/faults", "addFault", "Make the next token requests fail, or take their time")
            .body("DevFault", &json!({"error": "temporarily_unavailable", "count": 3}))
            .answer(200, "What waits now.", &reference("DevFaults"), &faults)
            .errors(&["Conflict"]),
        on("delete", "/dev/faults", "clearFaults", "Take every fault back").empty(204, "None waits."),
    ]
}

/// Their schemas.
pub(super) fn schemas() -> Value {
    let client = json!({
        "client_id": text("The client, unless HTTP Basic says it."),
        "client_secret": {"type": "string", "format": "password", "description": "Its secret, unless HTTP Basic says it."},
    });
    let with = |more: Value| {
        let mut all = client.as_object().cloned().unwrap_or_default();
        all.extend(more.as_object().cloned().unwrap_or_default());
        Value::Object(all)
    };
    // Parameters that are not known are ignored (RFC 6749 3.2): these objects stay open.
    let form = |description: &str, required: &[&str], properties: Value| json!({"type": "object", "description": description, "required": required, "properties": properties});
    json!({
        "TokenRequest": form("RFC 6749 4.4.2.", &["grant_type"], with(json!({
            "grant_type": {"type": "string", "enum": ["client_credentials"], "description": "The one grant there is."},
            "scope": {"type": "string", "pattern": "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$",
                "description": "Scopes, separated by blanks; unless given, the default ones of what is granted."},
            "resource": text("The API that the token is for (RFC 8707), by appId or audience."),
            "audience": text("The same."),
        }))),
        "TokenInquiry": form("RFC 7662 2.1, RFC 7009 2.1.", &["token"], with(json!({
            "token": {"type": "string", "minLength": 1, "description": "The token that is asked about."},
            "token_type_hint": text("Ignored: the token says itself what it is."),
        }))),
        "TokenResponse": object("RFC 6749 5.1.",
            &["access_token", "expires_in", "refresh_expires_in", "scope", "token_type"], &json!({
            "access_token": text("A JWT of RFC 9068."),
            "expires_in": integer("Seconds that it lives."),
            "refresh_expires_in": integer("0: no refresh token is ever issued for this grant."),
            "scope": text("What it holds."),
            "token_type": text("Always `bearer`."),
        })),
        "Introspection": {"type": "object", "required": ["active"], "description":
            "RFC 7662 2.2: the token's claims, of its scopes those that are still granted; for any other text only this.",
            "properties": {"active": flag("Whether it could be used now.")}},
        "OAuthError": object("RFC 6749 5.2.", &["error", "error_description"], &json!({
            "error": {"type": "string", "enum": [
                "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
                "invalid_scope", "invalid_target", "access_denied", "unsupported_token_type", "invalid_token",
                "insufficient_scope", "server_error", "temporarily_unavailable",
            ], "description": "What kind of refusal it is."},
            "error_description": text("What to change."),
        })),
        "Metadata": {"type": "object", "description": "RFC 8414 2, OpenID Connect Discovery 3.",
            "required": ["issuer", "token_endpoint", "jwks_uri"], "properties": {
                "issuer": {"type": "string", "format": "uri", "description": "The `iss` of tokens, letter by letter."},
                "token_endpoint": {"type": "string", "format": "uri"},
                "jwks_uri": {"type": "string", "format": "uri"},
            }},
        "JwkSet": object("RFC 7517 5.", &["keys"], &json!({
            "keys": {"type": "array", "items": {"type": "object", "required": ["kty", "kid", "use", "alg"]}},
        })),
        "Health": object("Whether all is well.", &["status"], &json!({
            "status": text("OK, or what is the matter."),
            "errors": {"type": "object", "additionalProperties": {"type": "string"}},
        })),
    })
}

/// The schemas of the handles.
pub(super) fn dev_schemas() -> Value {
    let fault = json!({
        "error": {"type": ["string", "null"], "description": "What to answer instead of a token.", "enum": [
            "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
            "invalid_scope", "invalid_target", "access_denied", "server_error", "temporarily_unavailable", null,
        ]},
        "status": {"type": ["integer", "null"], "enum": [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504, null],
            "description": "With which status, unless the error's own."},
        "delayMilliseconds": {"type": "integer", "minimum": 0, "maximum": 60_000, "description": "How long it takes."},
        "count": {"type": "integer", "minimum": 1, "maximum": 10_000, "description": "How many requests suffer it."},
    });
    json!({
        "DevClock": object("The clock.", &["now", "offsetSeconds", "frozen"], &json!({
            "now": time("What it shows."),
            "offsetSeconds": {"type": ["integer", "null"], "description": "How far it is from the machine's."},
            "frozen": flag("Whether it stands still."),
        })),
        "DevClockChange": object("One of set, advance and release.", &[], &json!({
            "set": time("Show this."),
            "advance": {"type": "integer", "minimum": -315_576_000, "maximum": 315_576_000,
                "description": "Show so many seconds later."},
            "release": {"type": "boolean", "description": "Show the machine's time again."},
            "frozen": {"type": "boolean", "description": "Stand still from there."},
        })),
        "DevFault": object("What the next token requests suffer: error, status or delayMilliseconds.", &[], &fault),
        "DevFaults": object("What waits for token requests.", &["faults"], &json!({
            "faults": {"type": "array", "items": object("A fault.", &["count"], &fault)},
        })),
    })
}
