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
    let next = json!({"accounts": [{"userName": "other"}]});
    assert_eq!(counts(&applied(&app, "", &next)), [1, 0, 0, 0], "without prune nothing goes");
    let dry = applied(&app, "?prune=true&dryRun=true", &next);
    assert_eq!(counts(&dry), [0, 0, 4, 1]);
    let report = applied(&app, "?prune=true", &next);
    assert_eq!(
        told(&report),
        [
            "delete Grant periodicCleanup at myrestapi (write)",
            "delete MachineToMachine periodicService",
            "delete Api myrestapi",
            "delete ServiceAccount periodicCleanup"
        ]
    );
    let left = everything(&app);
    let mut names: Vec<&str> =
        left[0].as_array().unwrap().iter().map(|account| account["userName"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["by-hand", "other"]);
    assert_eq!((left[1].as_array().unwrap().len(), left[2].as_array().unwrap().len()), (0, 2));
    assert_eq!(counts(&applied(&app, "?prune=true", &next)), [0, 0, 0, 1]);
}

#[test]
fn a_document_that_declares_nothing_prunes_nothing() {
    let app = TestApp::start();
    applied(&app, "", &howto_document());
    let before = everything(&app);
    for query in ["?prune=true", "?prune=true&dryRun=true", "?prune=true&owner=nobody"] {
        for document in [json!({}), json!({"accounts": [], "grants": null})] {
            let error = apply(&app, query, &document).expect(400);
            assert_eq!(error["validation"][0]["propertyPath"], "/prune", "{query}: {error}");
            let message = error["validation"][0]["message"].as_str().unwrap();
            assert!(message.contains("would delete everything") && message.contains("delete it by name"), "{message}");
        }
    }
    assert_eq!(everything(&app), before);
    assert_eq!(counts(&applied(&app, "", &json!({}))), [0, 0, 0, 0], "without prune it changes nothing");
}

#[test]
fn what_was_there_before_an_apply_is_not_its_to_prune() {
    let app = TestApp::start();
    let howto = app.howto();
    let export = app.admin("GET", "/export", &Value::Null).expect(200);
    applied(&app, "", &export);
    let next = json!({"accounts": [{"userName": "other"}]});
    assert_eq!(counts(&applied(&app, "?prune=true", &next)), [1, 0, 0, 0]);
    app.admin("GET", &format!("/resources/cid/Grant/{}", howto.grant), &Value::Null).expect(200);
}

#[test]
fn owners_leave_each_others_things_alone() {
    let app = TestApp::start();
    applied(&app, "?owner=a", &json!({"accounts": [{"userName": "a"}]}));
    applied(&app, "?owner=b", &json!({"accounts": [{"userName": "b"}]}));
    let next = json!({"apis": [{"appId": "c"}]});
    assert_eq!(told(&applied(&app, "?owner=a&prune=true", &next)), ["create Api c", "delete ServiceAccount a"]);
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
    let next = json!({"accounts": [{"userName": "other"}]});
    let grant = json!({"account": "periodicCleanup", "api": "myrestapi", "scopes": ["read"]});
    applied(&app, "?owner=b", &json!({"grants": [grant]}));
    let before = everything(&app);
    let error = apply(&app, "?prune=true", &next).expect(409);
    let detail = error["detail"].as_str().unwrap();
    assert!(
        detail.contains("Grant periodicCleanup at myrestapi (") && detail.contains(", applied under another owner)")
    );
    assert!(!detail.contains("no apply"), "{detail}");
    app.create("Grant", &json!({"serviceAccountId": "periodicCleanup", "apiId": "myrestapi", "scopes": ["read"]}));
    let detail = apply(&app, "?prune=true", &next).expect(409)["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("pruning would delete Api myrestapi, which is used by what stays: "), "{detail}");
    assert!(detail.contains(", applied under another owner)") && detail.contains(", made by no apply)"), "{detail}");
    assert_eq!(everything(&app).as_array().unwrap()[..3], before.as_array().unwrap()[..3]);
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
    let gone = told(&applied(&app, "?prune=true", &document));
    assert_eq!(gone, ["delete Grant periodicCleanup at myrestapi (write)"]);
}
