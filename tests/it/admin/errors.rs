//! The one shape of every refusal under `/api/v1`.

use serde_json::{Value, json};

use super::{path_of, text};
use crate::app::{Answer, TestApp};

fn check(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(!answer.header("x-request-id").is_empty());
    let body = answer.json();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["schemas", "status", "code", "message", "detail", "type", "validation"]);
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(body["status"], status.to_string(), "status is a string");
    assert_eq!(body["code"].as_u64(), Some(u64::from(status)), "code is an integer");
    assert_eq!(body["type"], kind);
    assert!(!text(&body, "message").is_empty() && !text(&body, "detail").is_empty(), "{body}");
    assert!(body["validation"].is_array());
}

#[test]
fn every_refusal_has_the_same_members() {
    let app = TestApp::start();
    let howto = app.howto();
    let path = path_of("ServiceAccount", &json!(howto.account));
    let reader = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "r", "role": "reader"})).expect(201);
    let no_one = app.send("GET", &format!("/api/v1{path}"), &[], b"");
    check(&no_one, 401, "unauthenticated");
    assert_eq!(no_one.json()["message"], "client is not authenticated.");
    assert!(no_one.header("www-authenticate").starts_with("Bearer"));
    let weak = app.admin_as(text(&reader, "signedToken"), "DELETE", &path, &Value::Null);
    check(&weak, 403, "forbidden");
    assert_eq!(weak.json()["message"], "the request action is forbidden.");
    check(&app.admin("POST", "/resources/cid/Api", &json!({})), 400, "invalidValue");
    check(&app.admin("GET", "/resources/cid/Api?filter=(", &Value::Null), 400, "invalidValue");
    check(&app.admin("GET", "/resources/cid/Api/none", &Value::Null), 404, "notFound");
    check(&app.admin("GET", "/resources/cid/Apple", &Value::Null), 404, "notFound");
    check(&app.admin("GET", "/resources/other/Api", &Value::Null), 404, "notFound");
    check(&app.admin("POST", "/resources/cid/Api", &json!({"appId": "grantd"})), 409, "uniqueness");
    check(&app.admin("DELETE", &path, &Value::Null), 409, "inUse");
    check(
        &app.admin("PATCH", &path, &json!({"Operations": [{"op": "remove", "path": "active"}], "Revision": 9})),
        412,
        "stale",
    );
    let bearer = format!("Bearer {}", app.admin_token);
    let malformed = app.send("POST", "/api/v1/resources/cid/Api", &[("authorization", &bearer)], b"{");
    check(&malformed, 400, "invalidSyntax");
    let large = app.send("POST", "/api/v1/resources/cid/Api", &[("authorization", &bearer)], &vec![b' '; 1_048_577]);
    check(&large, 413, "tooLarge");
    check(&app.send("GET", "/nothing/here", &[], b""), 404, "notFound");
}

#[test]
fn a_method_that_a_path_does_not_take_is_405_and_says_which_it_takes() {
    let app = TestApp::start();
    for (method, path, allowed) in [
        ("PUT", "/resources/cid/Api", "GET, POST"),
        ("DELETE", "/resources/iam/Grants", "GET, POST"),
        ("POST", "/resources/cid/Api/x", "GET, PUT, PATCH, DELETE"),
        ("PUT", "/resources/cid/MachineToMachine/x/secrets", "GET, POST"),
        ("GET", "/resources/cid/MachineToMachine/x/secrets/y", "PATCH, DELETE"),
        ("PATCH", "/auth/api-tokens", "GET, POST"),
        ("PUT", "/auth/api-tokens/x", "GET, PATCH, DELETE"),
        ("PUT", "/keys/x", "GET, DELETE"),
        ("GET", "/keys/rotate", "POST"),
        ("POST", "/keys", "GET"),
        ("DELETE", "/audit/commits", "GET"),
        ("POST", "/audit/commits/x", "GET"),
        ("PUT", "/event-logs", "GET"),
        ("PATCH", "/event-logs/x", "GET"),
        ("POST", "/health/alive", "GET"),
        ("DELETE", "/health/ready", "GET"),
    ] {
        let answer = app.admin(method, path, &Value::Null);
        check(&answer, 405, "invalidSyntax");
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
    }
}

#[test]
fn health_is_open_and_plain() {
    let app = TestApp::start();
    for path in ["/api/v1/health/alive", "/api/v1/health/ready", "/api/v1/health/ready/"] {
        let answer = app.send("GET", path, &[], b"");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.expect(200), json!({"status": "OK"}), "{path}");
    }
}

#[test]
fn nothing_the_admin_api_answers_may_be_kept_by_a_cache() {
    let app = TestApp::start();
    let howto = app.howto();
    for path in [
        "/resources/cid/Api",
        &path_of("Api", &json!(howto.api)),
        "/auth/api-tokens",
        "/keys",
        "/audit/commits",
        "/event-logs",
        "/none",
    ] {
        assert_eq!(app.admin("GET", path, &Value::Null).header("cache-control"), "no-store", "{path}");
    }
}
