//! The operations of the admin API that are no resource's.

use serde_json::{Value, json};

use super::operation::Operation;
use super::resources::{ID, RESOURCES};
use super::schema::reference;
use crate::store::Listing;
use crate::store::listings::{API_TOKENS, COMMITS, DECISIONS, EVENTS, MODULES};

const TIME: &str = "2027-01-15T10:00:00.000Z";
const DIGEST: &str = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";

/// A page with one item.
fn page(item: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 1, "itemsPerPage": 10, "startIndex": 1, "Resources": [item],
    })
}

fn list(
    listing: &Listing,
    path: &str,
    id: &str,
    tag: &'static str,
    summary: &str,
    schema: &str,
    item: &Value,
) -> Operation {
    Operation::new("get", path, id, tag, summary)
        .listed(listing)
        .answer(200, "One page.", &reference(&format!("{schema}List")), &page(item))
        .errors(&["BadRequest"])
        .admin()
}

/// Every one of them.
pub(super) fn operations() -> Vec<Operation> {
    [secrets(), api_tokens(), keys(), audit(), modules(), decisions()].into_iter().flatten().collect()
}

fn secrets() -> Vec<Operation> {
    let tag = "MachineToMachine";
    let path = format!("{RESOURCES}/cid/MachineToMachine/{{id}}/secrets");
    let one = format!("{path}/{{secret}}");
    let shown = json!({
        "id": ID, "kind": "secret", "last4": "9af0", "imported": false, "notBefore": null,
        "expiresAt": "2027-12-31T00:00:00.000Z", "lastUsedAt": null, "createdAt": TIME,
    });
    let mut created = shown.clone();
    created["clientId"] = json!("4bTRU1pUEdjHk9xJ0wqVY2ZcGmNsA8eL");
    created["clientSecret"] = json!("gsec_4fT…");
    let of = |operation: Operation| operation.path_parameter("id", "The id of the client.", ID);
    let secret = |operation: Operation| of(operation).path_parameter("secret", "The id of the secret.", ID);
    let patch = json!({"Operations": [{"op": "replace", "path": "expiresAt", "value": "2027-12-31T00:00:00Z"}]});
    vec![
        of(Operation::new("get", &path, "listSecrets", tag, "List a client's secrets, without the secrets"))
            .answer(200, "All of them.", &reference("CredentialList"), &page(&shown))
            .errors(&["NotFound"])
            .admin(),
        of(Operation::new("post", &path, "createSecret", tag, "Make another secret"))
            .described("The answer shows it, this once. A client has at most 20 at a time.")
            .explained()
            .optional_body("CredentialWrite", &json!({"expiresAt": "2027-12-31T00:00:00Z"}))
            .answer(201, "It was made.", &reference("CredentialCreated"), &created)
            .headers(201, &["Cache-Control"])
            .errors(&["NotFound", "Conflict", "Stale"])
            .admin(),
        secret(Operation::new("patch", &one, "patchSecret", tag, "Give a secret another end"))
            .explained()
            .body("Patch", &patch)
            .answer(200, "It is like this now.", &reference("Credential"), &shown)
            .errors(&["NotFound", "Stale"])
            .admin(),
        secret(Operation::new("delete", &one, "deleteSecret", tag, "End a secret"))
            .described("The next request that shows it is refused.")
            .explained()
            .empty(204, "It is gone.")
            .errors(&["BadRequest", "NotFound", "Stale", "TooLarge"])
            .admin(),
    ]
}

fn api_tokens() -> Vec<Operation> {
    let (tag, path) = ("ApiToken", "/api/v1/auth/api-tokens");
    let shown = json!({
        "id": ID, "displayName": "ci", "role": "editor", "active": true, "last4": "77be", "issuedAt": TIME,
        "expiresAt": null, "lastUsedAt": null, "meta": {"resourceType": "ApiToken"},
    });
    let mut created = shown.clone();
    created["signedToken"] = json!("gapi_x0R…");
    let one = |method, id: &str, summary: &str| {
        Operation::new(method, "/api/v1/auth/api-tokens/{id}", id, tag, summary).path_parameter(
            "id",
            "The id of the API token.",
            ID,
        )
    };
    vec![
        list(&API_TOKENS, path, "listApiTokens", tag, "List API tokens, without the tokens", "ApiToken", &shown),
        Operation::new("post", path, "createApiToken", tag, "Make an API token")
            .described("The answer shows it, this once.")
            .explained()
            .body("ApiTokenWrite", &json!({"displayName": "ci", "role": "editor"}))
            .answer(201, "It was made.", &reference("ApiTokenCreated"), &created)
            .headers(201, &["Cache-Control"])
            .admin(),
        one("get", "readApiToken", "Read an API token, without the token")
            .answer(200, "It is like this.", &reference("ApiToken"), &shown)
            .errors(&["NotFound"])
            .admin(),
        one("patch", "patchApiToken", "Change an API token: its name, role, end, and whether it is accepted")
            .described("The next request that bears it is judged by what it is then.")
            .explained()
            .body("Patch", &json!({"Operations": [{"op": "replace", "path": "role", "value": "reader"}]}))
            .answer(200, "It is like this now.", &reference("ApiToken"), &shown)
            .errors(&["NotFound", "Stale"])
            .admin(),
        one("delete", "deleteApiToken", "End an API token")
            .described("The next request that bears it is refused.")
            .explained()
            .empty(204, "It is gone.")
            .errors(&["BadRequest", "NotFound", "Stale", "TooLarge"])
            .admin(),
    ]
}

fn keys() -> Vec<Operation> {
    let tag = "SigningKey";
    let shown = json!({
        "id": ID, "kid": ID, "alg": "RS256", "state": "active", "publicJwk": {"kty": "RSA", "kid": ID},
        "createdAt": TIME, "activatedAt": TIME, "retiredAt": null, "removeAt": null,
        "meta": {"resourceType": "SigningKey"},
    });
    let one = |method, id: &str, summary: &str| {
        Operation::new(method, "/api/v1/keys/{kid}", id, tag, summary).path_parameter("kid", "The id of the key.", ID)
    };
    vec![
        Operation::new("get", "/api/v1/keys", "listKeys", tag, "List signing keys, without their private halves")
            .answer(200, "All of them.", &reference("SigningKeyList"), &page(&shown))
            .admin(),
        one("get", "readKey", "Read a signing key, without its private half")
            .answer(200, "It is like this.", &reference("SigningKey"), &shown)
            .errors(&["NotFound"])
            .admin(),
        one("delete", "deleteKey", "Take a retired key out of the JWKS before its time")
            .described("As after a leak: what it signed is refused by whoever looks at the JWKS again.")
            .explained()
            .empty(204, "It is gone.")
            .errors(&["BadRequest", "NotFound", "Conflict", "Stale", "TooLarge"])
            .admin(),
        Operation::new("post", "/api/v1/keys/rotate", "rotateKeys", tag, "Rotate signing keys now")
            .described("The active key retires, the next one signs, and another next one is published.")
            .explained()
            .optional_body("RotateRequest", &json!({"alg": "RS256", "force": true}))
            .answer(200, "The keys as they are now.", &reference("SigningKeyList"), &page(&shown))
            .errors(&["Conflict", "Stale"])
            .admin(),
    ]
}

fn audit() -> Vec<Operation> {
    let tag = "Audit";
    let actor = json!({"identifier": ID, "displayName": "ci", "type": "apiToken"});
    let commit = json!({
        "by": ID, "actor": actor, "createdAt": TIME, "reason": "ticket 4711", "correlation": null, "requestId": ID,
        "changes": [{"resourceType": "Grant", "id": ID, "before": null, "after": {"scopes": ["write"]}}],
        "sequence": 12, "sealed": true, "meta": {"resourceType": "Commit", "created": TIME, "revision": 1}, "id": ID,
    });
    let event = json!({
        "id": ID, "createdAt": TIME, "type": "Grant.Created", "displayName": "Created Grant", "severity": "info",
        "requestId": ID, "result": {"status": "success"}, "actor": actor,
        "client": {"ip": "192.0.2.7", "ips": ["192.0.2.7"], "userAgent": {"raw": "curl/8"}},
    });
    let one = |path: &str, id: &str, summary: &str, schema: &str, what: &str, shown: &Value| {
        Operation::new("get", path, id, tag, summary)
            .path_parameter("id", &format!("The id of the {what}."), ID)
            .answer(200, "It is like this.", &reference(schema), shown)
            .errors(&["NotFound"])
            .admin()
    };
    vec![
        list(
            &COMMITS,
            "/api/v1/audit/commits",
            "listCommits",
            tag,
            "List the audit trail: who changed what",
            "Commit",
            &commit,
        ),
        one("/api/v1/audit/commits/{id}", "readCommit", "Read one admin write", "Commit", "commit", &commit),
        Operation::new("get", "/api/v1/audit/verify", "verifyAudit", tag, "Check the hash chain of the audit trail")
            .answer(
                200,
                "The verdict.",
                &reference("AuditVerdict"),
                &json!({"holds": true, "sealed": 12, "waiting": 0, "brokenAt": null}),
            )
            .admin(),
        list(&EVENTS, "/api/v1/event-logs", "listEvents", tag, "List what happened", "Event", &event),
        one("/api/v1/event-logs/{id}", "readEvent", "Read one event", "Event", "event", &event),
    ]
}

fn modules() -> Vec<Operation> {
    let (tag, path) = ("PolicyModule", "/api/v1/policy-modules");
    let shown = json!({
        "id": DIGEST, "digest": DIGEST, "name": "business-hours", "version": "1.0.0", "size": 61_234, "createdAt": TIME,
        "policies": 1, "manifest": {"name": "business-hours", "version": "1.0.0"},
    });
    let wasm = json!({"application/wasm": {"schema": {"type": "string", "contentMediaType": "application/wasm"}}});
    let one = |method, path: &str, id: &str, summary: &str| {
        let what = "Its digest or the beginning of it, its name, or name@version.";
        Operation::new(method, path, id, tag, summary).path_parameter("digest", what, "business-hours@1.0.0")
    };
    vec![
        list(&MODULES, path, "listModules", tag, "List policy modules", "PolicyModule", &shown),
        Operation::new("post", path, "uploadModule", tag, "Upload a policy module")
            .described("A WebAssembly component of the world grantd:policy, 8 MiB at most. The same bytes again change nothing. \
                A header `Grantd-Signature` holds its detached Ed25519 signature in base64; with `policies.trusted_keys` set, \
                a module without a good one is refused.")
            .explained()
            .content(true, &wasm)
            .answer(200, "It was here already.", &reference("PolicyModule"), &shown)
            .answer(201, "It is compiled and kept.", &reference("PolicyModule"), &shown)
            .errors(&["BadRequest", "TooLarge", "Conflict"])
            .admin(),
        one("get", "/api/v1/policy-modules/{digest}", "readModule", "Read what is known of a policy module")
            .described("With `Accept: application/wasm`, its bytes.")
            .answer_with(200, "It is like this.", &json!({
                "application/json": {"schema": reference("PolicyModule"), "example": shown},
                "application/wasm": {"schema": {"type": "string", "contentMediaType": "application/wasm"}},
            }))
            .errors(&["BadRequest", "NotFound", "Conflict"])
            .admin(),
        one("get", "/api/v1/policy-modules/{digest}/wasm", "downloadModule", "Download a policy module")
            .answer_with(200, "Its bytes.", &wasm)
            .headers(200, &["ETag", "Content-Disposition"])
            .errors(&["BadRequest", "NotFound", "Conflict"])
            .admin(),
        one("delete", "/api/v1/policy-modules/{digest}", "deleteModule", "Delete a policy module that no policy uses")
            .explained()
            .empty(204, "It is gone.")
            .errors(&["BadRequest", "NotFound", "Conflict", "Stale", "TooLarge"])
            .admin(),
        Operation::new("post", format!("{RESOURCES}/cid/Policy/{{id}}/evaluate"), "evaluatePolicy", "Policy",
            "Ask a policy once, outside of any token request")
            .described("Nothing is recorded, and nothing changes.")
            .path_parameter("id", "The id of the policy.", ID)
            .explained()
            .body("EvaluateRequest", &json!({"client": "4bTRU1pUEdjHk9xJ0wqVY2ZcGmNsA8eL", "scopes": ["write"]}))
            .answer(200, "What it would say.", &reference("Evaluation"), &json!({
                "policyId": ID, "policy": "office hours", "module": "business-hours@1.0.0", "moduleDigest": DIGEST,
                "request": {"requested": ["write"], "offered": ["write"], "ttlSeconds": 3600},
                "effect": {"verdict": "permit", "left": ["write"], "ttlSeconds": 3600},
                "decision": {"permit": {"scopes": ["write"]}},
            }))
            .errors(&["NotFound"])
            .admin(),
    ]
}

fn decisions() -> Vec<Operation> {
    let tag = "Decision";
    let shown = json!({
        "id": ID, "at": TIME, "requestId": ID, "clientId": "4bTRU1pUEdjHk9xJ0wqVY2ZcGmNsA8eL",
        "serviceAccountId": ID, "apiId": ID, "outcome": "issued", "error": null, "reason": null, "jti": ID,
        "requested": ["write"], "granted": ["write"], "issued": ["write"], "lifetimeSeconds": 3600,
    });
    let one = |method, path: &str, id: &str, summary: &str| {
        let what = "The id of the decision: the `jti` of its token.";
        Operation::new(method, path, id, tag, summary).path_parameter("id", what, ID)
    };
    vec![
        list(
            &DECISIONS,
            "/api/v1/decisions",
            "listDecisions",
            tag,
            "List why token requests ended as they did",
            "Decision",
            &shown,
        ),
        one("get", "/api/v1/decisions/{id}", "readDecision", "Read why a token request ended as it did")
            .answer(200, "It is like this.", &reference("Decision"), &shown)
            .errors(&["NotFound"])
            .admin(),
        one(
            "get",
            "/api/v1/decisions/{id}/grounds",
            "readDecisionGrounds",
            "Say what the answers of a decision's policies rest on",
        )
        .described(
            "Each policy is asked again, with its module and settings of then and one thing changed at a time. Nothing \
                    is recorded.",
        )
        .answer(
            200,
            "Policy by policy.",
            &reference("Grounds"),
            &json!({"decision": ID, "steps": [{
                "policyId": ID, "policy": "reading only", "unknown": null, "restsOn": [{"what": "settings.allow[0]",
                    "value": "\"read\"", "otherwise": "without it: deny scope-not-allowed (not on the list)"}],
            }]}),
        )
        .errors(&["NotFound"])
        .admin(),
        one("post", "/api/v1/decisions/{id}/replay", "replayDecision", "Evaluate a decision's policies again")
            .answer(
                200,
                "What they say now, beside what they said.",
                &reference("Replay"),
                &json!({"decision": ID, "same": true, "steps": []}),
            )
            .errors(&["NotFound"])
            .admin(),
    ]
}
