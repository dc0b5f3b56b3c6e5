//! What pruning takes away, and what it never touches.

use serde_json::{Value, json};

use super::{applied, apply, counts, everything, howto_document, told};
use crate::app::TestApp;

#[test]
fn what_a_document_no_longer_has_goes_and_what_others_made_stays() {
    let app = TestApp::start();
    app.create("ServiceAccount", &json!({"userName": "by-hand"}));
    app.create("Api", &json!({"appId": "by-hand", "scopes": [{"identifier": "read"}]}));
    applied(&app, "", &howto_document());
    let empty = json!({});
    assert_eq!(counts(&applied(&app, "", &empty)), [0, 0, 0, 0], "without prune nothing goes");
    let dry = applied(&app, "?prune=true&dryRun=true", &empty);
    assert_eq!(counts(&dry), [0, 0, 4, 0]);
    let report = applied(&app, "?prune=true", &empty);
    assert_eq!(
        told(&report),
        [
            "delete Grant write",
            "delete MachineToMachine periodicService",
            "delete Api myrestapi",
            "delete ServiceAccount periodicCleanup"
        ]
    );
    let left = everything(&app);
    assert_eq!(left[0][0]["userName"], "by-hand");
    assert_eq!((left[1].as_array().unwrap().len(), left[2].as_array().unwrap().len()), (0, 2));
    assert_eq!(counts(&applied(&app, "?prune=true", &empty)), [0, 0, 0, 0]);
}

#[test]
fn what_was_there_before_an_apply_is_not_its_to_prune() {
    let app = TestApp::start();
    let howto = app.howto();
    let export = app.admin("GET", "/export", &Value::Null).expect(200);
    applied(&app, "", &export);
    assert_eq!(counts(&applied(&app, "?prune=true", &json!({}))), [0, 0, 0, 0]);
    app.admin("GET", &format!("/resources/cid/Grant/{}", howto.grant), &Value::Null).expect(200);
}

#[test]
fn owners_leave_each_others_things_alone() {
    let app = TestApp::start();
    applied(&app, "?owner=a", &json!({"accounts": [{"userName": "a"}]}));
    applied(&app, "?owner=b", &json!({"accounts": [{"userName": "b"}]}));
    assert_eq!(told(&applied(&app, "?owner=a&prune=true", &json!({}))), ["delete ServiceAccount a"]);
    assert_eq!(everything(&app)[0][0]["userName"], "b");
    assert_eq!(apply(&app, "?owner=%20a", &json!({})).status, 400);

    // Nor does one take the place of another's grants of the same account at the same API.
    let mut grants = howto_document();
    applied(&app, "?owner=accounts", &json!({"accounts": grants["accounts"], "apis": grants["apis"]}));
    for (owner, scope) in [("a", "read"), ("b", "write"), ("a", "read"), ("b", "write")] {
        grants = json!({"grants": [{"account": "periodicCleanup", "api": "myrestapi", "scopes": [scope]}]});
        applied(&app, &format!("?owner={owner}"), &grants);
    }
    let found = app.admin("GET", "/resources/cid/Grant", &Value::Null).expect(200);
    assert_eq!(found["totalResults"], 2);
    assert!(found["Resources"].as_array().unwrap().iter().all(|grant| grant["meta"]["revision"] == 1), "{found}");
}

#[test]
fn what_is_used_by_what_stays_is_not_pruned_and_nothing_else_is() {
    let app = TestApp::start();
    applied(&app, "", &howto_document());
    let grant =
        json!({"serviceAccountId": "periodicCleanup", "apiId": "myrestapi", "scopes": ["read"], "reason": "by hand"});
    app.create("Grant", &grant);
    let before = everything(&app);
    let error = apply(&app, "?prune=true", &json!({})).expect(409);
    assert!(error["detail"].as_str().unwrap().contains("no apply made Grant by hand ("), "{error}");
    assert_eq!(everything(&app), before);
}

#[test]
fn what_would_be_pruned_cannot_be_referred_to() {
    let app = TestApp::start();
    applied(&app, "", &howto_document());
    let mut document = howto_document();
    document["accounts"] = json!([]);
    let error = apply(&app, "?prune=true", &document).expect(400);
    let lines: Vec<String> = error["validation"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| format!("{} {}", v["propertyPath"], v["message"]))
        .collect();
    assert!(lines.iter().all(|line| line.contains("it would be pruned: declare it under accounts")), "{lines:?}");
    assert_eq!(counts(&applied(&app, "", &document)), [0, 0, 0, 3], "without prune it is there to be referred to");
}

#[test]
fn what_somebody_deleted_is_made_again_and_marked_again() {
    let app = TestApp::start();
    applied(&app, "", &howto_document());
    let grant = everything(&app)[3][0]["id"].clone();
    app.admin("DELETE", &format!("/resources/cid/Grant/{}", grant.as_str().unwrap()), &Value::Null).expect(204);
    assert_eq!(counts(&applied(&app, "", &howto_document())), [1, 0, 0, 3]);
    let mut document = howto_document();
    document["grants"] = json!([]);
    assert_eq!(told(&applied(&app, "?prune=true", &document)), ["delete Grant write"]);
}
