//! A policy can be asked outside of any token request: to preview it, and to try settings before they are saved.

use serde_json::{Value, json};

use super::{SCOPE_ALLOWLIST, attach, howto_with_both_scopes, scopes, upload};
use crate::app::{Answer, HowTo, TestApp};

fn policy(app: &TestApp) -> (HowTo, String) {
    let howto = howto_with_both_scopes(app);
    upload(app, SCOPE_ALLOWLIST);
    let settings = json!({"settings": {"allow": ["read"]}, "mode": "off"});
    let policy = attach(app, "p", "scope-allowlist", &json!({"type": "server"}), &settings);
    (howto, policy["id"].as_str().unwrap().to_owned())
}

fn evaluate(app: &TestApp, id: &str, body: &Value) -> Answer {
    app.admin("POST", &format!("/resources/cid/Policy/{id}/evaluate"), body)
}

#[test]
fn a_request_can_be_given_whole() {
    let app = TestApp::start();
    let (_, id) = policy(&app);
    let request = json!({"offered": ["read", "write"], "ttlSeconds": 60});
    let said = evaluate(&app, &id, &json!({"request": request})).expect(200);
    assert_eq!(said["decision"]["permit"]["scopes"], json!(["read"]));
    assert_eq!((&said["effect"]["verdict"], &said["effect"]["left"]), (&json!("permit"), &json!(["read"])));
    assert_eq!(said["effect"]["ttlSeconds"], 60);
    assert!(said["fuel"].as_u64().unwrap() > 1000 && said["memoryBytes"].as_u64().unwrap() >= 65_536, "{said}");
    assert_eq!(said["inputs"], json!([]), "it looks at nothing that changes");
    let tried = json!({"request": request, "settings": {"allow": ["write"]}});
    assert_eq!(evaluate(&app, &id, &tried).expect(200)["effect"]["left"], json!(["write"]), "settings that are tried");
    let whole = json!({"request": {"offered": ["read", "x"], "ttlSeconds": 60, "settings": {"allow": ["x"]}}});
    assert_eq!(evaluate(&app, &id, &whole).expect(200)["effect"]["left"], json!(["x"]));
    assert_eq!(app.admin("GET", "/decisions", &Value::Null).expect(200)["totalResults"], 0, "nothing is recorded");
}

#[test]
fn a_request_can_be_made_from_what_the_database_holds() {
    let app = TestApp::start();
    let (howto, id) = policy(&app);
    for body in [
        json!({"client": howto.client_id, "scopes": ["read", "write"]}),
        json!({"client": howto.client, "api": "myrestapi", "scopes": ["read", "write"]}),
        json!({"account": "periodicCleanup", "api": howto.api, "scopes": ["read", "write"]}),
    ] {
        let said = evaluate(&app, &id, &body).expect(200);
        assert_eq!(said["effect"]["left"], json!(["read"]), "{body}");
        assert_eq!(said["request"]["account"]["userName"], "periodicCleanup");
        assert_eq!(said["request"]["ttlSeconds"], 3600);
    }
    let refused = evaluate(&app, &id, &json!({"client": howto.client_id, "scopes": ["admin"]})).expect(400);
    assert!(refused["detail"].as_str().unwrap().contains("not granted"), "{refused}");
}

#[test]
fn a_recorded_request_can_be_put_to_what_the_policy_is_now() {
    let app = TestApp::start();
    let (howto, id) = policy(&app);
    app.set("Policy", &id, "mode", &json!("enforce"));
    scopes(&app, &howto).unwrap();
    let decision = app.admin("GET", "/decisions", &Value::Null).expect(200)["Resources"][0]["id"].clone();
    app.set("Policy", &id, "settings", &json!({"allow": ["write"]}));
    let said = evaluate(&app, &id, &json!({"decision": decision})).expect(200);
    assert_eq!(said["effect"]["left"], json!(["write"]), "what it would say now");
    let other =
        attach(&app, "other", "scope-allowlist", &json!({"type": "server"}), &json!({"settings": {"allow": []}}));
    let refused = evaluate(&app, other["id"].as_str().unwrap(), &json!({"decision": decision})).expect(400);
    assert!(refused["detail"].as_str().unwrap().contains("was not asked in this decision"), "{refused}");
}

#[test]
fn a_body_that_does_not_say_what_to_ask_is_told_what_does() {
    let app = TestApp::start();
    let (howto, id) = policy(&app);
    for body in [
        json!({}),
        json!({"request": {}, "decision": "x"}),
        json!({"request": {"color": 1}}),
        json!({"client": "nobody"}),
        json!({"account": "nobody"}),
        json!({"client": howto.client, "api": "nothing"}),
        json!({"client": howto.client, "parameters": {"x": 1}}),
        json!({"client": howto.client, "at": "soon"}),
        json!([]),
    ] {
        let refused = evaluate(&app, &id, &body).expect(400);
        assert!(!refused["validation"].as_array().unwrap().is_empty(), "{body}: {refused}");
    }
    assert_eq!(evaluate(&app, &id, &json!({"decision": "0000000000000000000000"})).status, 404);
    assert_eq!(evaluate(&app, "0000000000000000000000", &json!({"request": {}})).status, 404);
}
