//! PATCH in each of the spellings that clients send, and the revisions that guard it.

use serde_json::{Value, json};

use super::{path_of, text, validation};
use crate::app::{Answer, TestApp};

fn account(app: &TestApp) -> String {
    let body =
        json!({"userName": "a", "displayName": "A", "active": true, "attributes": {"tags": ["x", "y"], "team": "ops"}});
    path_of("ServiceAccount", &app.create("ServiceAccount", &body)["id"])
}

#[test]
fn every_spelling_of_an_operation_is_understood() {
    let app = TestApp::start();
    for (operations, member, wanted) in [
        (json!([{"op": "replace", "path": "/active", "value": false}]), "/active", json!(false)),
        (json!([{"op": "replace", "path": "active", "value": false}]), "/active", json!(false)),
        (json!([{"op": "Replace", "path": "ACTIVE", "value": false, "oldValue": true}]), "/active", json!(false)),
        (json!([{"op": "replace", "value": {"active": false, "displayName": "B"}}]), "/displayName", json!("B")),
        (json!([{"op": "add", "path": "displayName", "value": "B"}]), "/displayName", json!("B")),
        (json!([{"op": "remove", "path": "/displayName"}]), "/displayName", json!("a")),
        (json!([{"op": "remove", "path": "attributes.team"}]), "/attributes", json!({"tags": ["x", "y"]})),
        (json!([{"op": "replace", "path": "/attributes/tags/0", "value": "z"}]), "/attributes/tags", json!(["z", "y"])),
        (
            json!([{"op": "add", "path": "/attributes/tags/-", "value": "z"}]),
            "/attributes/tags",
            json!(["x", "y", "z"]),
        ),
        (
            json!([{"op": "add", "path": "/attributes/tags/1", "value": "z"}]),
            "/attributes/tags",
            json!(["x", "z", "y"]),
        ),
        (json!([{"op": "remove", "path": "attributes.tags[value eq \"x\"]"}]), "/attributes/tags", json!(["y"])),
        (json!([{"op": "add", "path": "attributes", "value": {"new": 1}}]), "/attributes/new", json!(1)),
        (
            json!([{"op": "replace", "path": "active", "value": false}, {"op": "replace", "path": "/active", "value": true},
                {"op": "replace", "path": "userName", "value": "b"}]),
            "/userName",
            json!("b"),
        ),
    ] {
        let path = account(&app);
        let patched = app.admin("PATCH", &path, &json!({"Operations": operations})).expect(200);
        assert_eq!(patched.pointer(member), Some(&wanted), "{operations}");
        assert_eq!(patched["meta"]["revision"], 2, "{operations}");
        app.admin("DELETE", &path, &Value::Null).expect(204);
    }
}

#[test]
fn scopes_of_an_api_and_a_grant_are_patched_by_item() {
    let app = TestApp::start();
    let howto = app.howto();
    let api = path_of("Api", &json!(howto.api));
    let patch = |path: &str, operation: Value| app.admin("PATCH", path, &json!({"Operations": [operation]}));
    let identifiers = |api: &Value| -> Vec<String> {
        api["scopes"].as_array().unwrap().iter().map(|scope| text(scope, "identifier").to_owned()).collect()
    };
    let added = patch(&api, json!({"op": "add", "path": "scopes", "value": [{"identifier": "delete"}]})).expect(200);
    assert_eq!(identifiers(&added), ["read", "write", "delete"]);
    let path = "scopes[identifier eq \"read\"].sensitivity";
    let changed = patch(&api, json!({"op": "replace", "path": path, "value": "high"})).expect(200);
    assert_eq!(changed["scopes"][0]["sensitivity"], "high");
    let path = "scopes[identifier eq \"delete\"]";
    assert_eq!(identifiers(&patch(&api, json!({"op": "remove", "path": path})).expect(200)), ["read", "write"]);
    let grant = path_of("Grant", &json!(howto.grant));
    let wider = patch(&grant, json!({"op": "add", "path": "scopes", "value": ["read"]})).expect(200);
    assert_eq!(wider["scopes"], json!(["read", "write"]));
    let narrower = patch(&grant, json!({"op": "remove", "path": "scopes[value eq \"write\"]"})).expect(200);
    assert_eq!(narrower["scopes"], json!(["read"]));
    let error = patch(&grant, json!({"op": "remove", "path": "scopes"})).expect(400);
    assert_eq!(validation(&error), ["/scopes: name at least one scope; delete the grant to take all of them away"]);
    let error = patch(&grant, json!({"op": "replace", "path": "scopes", "value": ["writ"]})).expect(400);
    assert_eq!(validation(&error), ["/scopes/0: the API myrestapi does not define this scope; did you mean write?"]);
}

#[test]
fn a_patch_that_does_not_fit_changes_nothing() {
    let app = TestApp::start();
    let path = account(&app);
    let before = app.admin("GET", &path, &Value::Null).expect(200);
    let operation =
        |operation: Value| json!({"Operations": [{"op": "replace", "path": "active", "value": false}, operation]});
    for (body, wanted) in [
        (json!([]), ": send a JSON object with \"Operations\""),
        (json!({}), "/Operations: add \"Operations\""),
        (json!({"Operations": []}), "/Operations: send 1 to 100 operations, not 0"),
        (json!({"Operations": {}}), "/Operations: send an array of operations"),
        (json!({"Operation": []}), "/Operation: remove the unknown member"),
        (operation(json!({"op": "move", "path": "active"})), "/Operations/1/op: send \"add\""),
        (operation(json!({"op": "replace", "path": "active"})), "/Operations/1/value: add \"value\""),
        (operation(json!({"op": "remove"})), "/Operations/1/path: add \"path\""),
        (operation(json!({"op": "remove", "path": "attributes.none"})), "/Operations/1/path: "),
        (operation(json!({"op": "remove", "path": "attributes.tags[value eq \"q\"]"})), "/Operations/1/path: "),
        (operation(json!({"op": "replace", "path": "attributes/tags/9", "value": 1})), "/Operations/1/path: "),
        (
            operation(json!({"op": "replace", "path": "activ", "value": true})),
            "/activ: there is no such member; did you mean active?",
        ),
        (operation(json!({"op": "replace", "path": "active", "value": "yes"})), "/active: must be true or false"),
        (operation(json!({"op": "replace", "path": "id", "value": "x"})), "/id: is not the id in the path"),
        (operation(json!({"op": "remove", "path": "userName"})), "/userName: this member is required"),
        (
            json!({"Operations": [{"op": "remove", "path": "active"}], "Revision": "1"}),
            "/Revision: send the revision as a JSON integer",
        ),
    ] {
        let error = app.admin("PATCH", &path, &body).expect(400);
        assert!(validation(&error).iter().any(|line| line.starts_with(wanted)), "{body}: {error}");
        assert_eq!(app.admin("GET", &path, &Value::Null).expect(200), before, "{body}");
    }
}

#[test]
fn a_stale_revision_is_refused_wherever_it_stands() {
    let app = TestApp::start();
    let path = account(&app);
    let replace = |value: &str| json!([{"op": "replace", "path": "displayName", "value": value}]);
    let patch = |body: &Value| app.admin("PATCH", &path, body);
    assert_eq!(patch(&json!({"Operations": replace("2"), "Revision": 1})).expect(200)["meta"]["revision"], 2);
    assert_eq!(patch(&json!({"Operations": replace("3"), "revision": 2})).expect(200)["meta"]["revision"], 3);
    for name in ["Revision", "revision"] {
        for stale in [0, 2, 4, -1, i64::MAX] {
            let error = patch(&json!({"Operations": replace("x"), name: stale})).expect(412);
            assert_eq!(
                (&error["status"], &error["code"], &error["type"]),
                (&json!("412"), &json!(412), &json!("stale"))
            );
            assert!(text(&error, "detail").contains("at revision 3"), "{error}");
        }
    }
    let bearer = format!("Bearer {}", app.admin_token);
    let if_match = |method: &str, value: &str, body: &Value| -> Answer {
        let headers = [("authorization", bearer.as_str()), ("if-match", value)];
        app.send(method, &format!("/api/v1{path}"), &headers, body.to_string().as_bytes())
    };
    let body = json!({"Operations": replace("4")});
    let whole = app.admin("GET", &path, &Value::Null).expect(200);
    for value in ["\"2\"", "2", "W/\"2\""] {
        assert_eq!(if_match("PATCH", value, &body).status, 412, "{value}");
        assert_eq!(if_match("PUT", value, &whole).status, 412, "{value}");
        assert_eq!(if_match("DELETE", value, &Value::Null).status, 412, "{value}");
    }
    let error = if_match("PATCH", "\"two\"", &body).expect(400);
    assert!(text(&error, "detail").contains("If-Match"), "{error}");
    assert_eq!(if_match("PATCH", "\"3\"", &body).expect(200)["meta"]["revision"], 4);
    assert_eq!(if_match("PATCH", "*", &json!({"Operations": replace("5")})).expect(200)["meta"]["revision"], 5);
    let mut stale = whole.clone();
    stale["revision"] = json!(3);
    assert_eq!(app.admin("PUT", &path, &stale).status, 412);
    stale["revision"] = json!(5);
    assert_eq!(app.admin("PUT", &path, &stale).expect(200)["displayName"], "3");
    assert_eq!(if_match("DELETE", "\"6\"", &Value::Null).status, 204);
}

#[test]
fn a_patch_that_changes_nothing_keeps_the_revision() {
    let app = TestApp::start();
    let path = account(&app);
    let body = json!({"Operations": [{"op": "replace", "path": "active", "value": true}, {"op": "add", "path": "attributes.tags", "value": ["x"]}]});
    assert_eq!(app.admin("PATCH", &path, &body).expect(200)["meta"]["revision"], 1);
}

/// A short body, on a short document: what its filters ask for is bounded all the same.
#[test]
fn value_filters_that_would_compare_without_end_are_refused() {
    let app = TestApp::start();
    let numbers = json!({"userName": "a", "attributes": {"a": vec![1; 8000]}});
    let account = path_of("ServiceAccount", &app.create("ServiceAccount", &numbers)["id"]);
    let path = format!("attributes.a[not (value in [{}])]", vec!["2"; 480].join(","));
    let operation = json!({"op": "replace", "path": path, "value": 1});
    let error = app.admin("PATCH", &account, &json!({"Operations": vec![operation; 10]})).expect(400);
    let said = validation(&error);
    assert!(said[0].starts_with("/Operations/2/path: select less at once"), "{said:?}");
}
