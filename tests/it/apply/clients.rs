//! Clients of a document: how they are known, and what becomes of their secrets.

use serde_json::{Value, json};

use super::{applied, apply, counts, howto_document, status_with, told};
use crate::app::TestApp;

/// The document with these secrets for its client.
fn with_secrets(secrets: &Value) -> Value {
    let mut document = howto_document();
    let client = document["clients"][0].as_object_mut().unwrap();
    client.remove("secret");
    client.insert("secrets".to_owned(), secrets.clone());
    document
}

#[test]
fn a_client_without_an_id_is_known_by_its_name() {
    let app = TestApp::start();
    let mut document = howto_document();
    document["clients"] = json!([{"displayName": "nightly", "account": "periodicCleanup"}]);
    let report = applied(&app, "", &document);
    let (id, secret) = (&report["secrets"][0]["clientId"], report["secrets"][0]["clientSecret"].as_str().unwrap());
    assert_eq!(id.as_str().unwrap().len(), 32);
    assert_eq!(status_with(&app, id.as_str().unwrap(), secret), 200);
    let report = applied(&app, "", &document);
    assert_eq!((counts(&report), &report["secrets"]), ([0, 0, 0, 4], &json!([])));
    app.create("MachineToMachine", &json!({"displayName": "nightly", "serviceAccountId": "periodicCleanup"}));
    let error = apply(&app, "", &document).expect(400);
    assert_eq!(error["validation"][0]["propertyPath"], "/clients/0/displayName");
    assert!(error["detail"].as_str().unwrap().contains("several clients on the server are called this"), "{error}");
}

#[test]
fn a_secret_that_is_there_is_known_again_and_others_are_left_alone() {
    let app = TestApp::start();
    applied(&app, "", &howto_document());
    let added = with_secrets(
        &json!(["correct horse battery staple 1", {"value": "another long enough secret 2", "expiresAt": "2027-01-16T10:00:00Z"}]),
    );
    let report = applied(&app, "", &added);
    assert_eq!(told(&report), ["create Credential periodicService"]);
    assert_eq!(report["secrets"], json!([]), "it was brought, so it is not shown");
    assert_eq!(counts(&applied(&app, "", &added)), [0, 0, 0, 4]);
    for secret in ["correct horse battery staple 1", "another long enough secret 2"] {
        assert_eq!(status_with(&app, "periodic-service", secret), 200);
    }
    let later = with_secrets(&json!([{"value": "another long enough secret 2", "expiresAt": "2027-01-18T10:00:00Z"}]));
    let report = applied(&app, "", &later);
    assert_eq!(
        report["changes"][0]["members"],
        json!([{"member": "expiresAt", "before": "2027-01-16T10:00:00.000Z", "after": "2027-01-18T10:00:00.000Z"}])
    );
    assert_eq!(status_with(&app, "periodic-service", "correct horse battery staple 1"), 200, "it was not pruned");
    app.advance(4 * 86_400);
    assert_eq!(status_with(&app, "periodic-service", "another long enough secret 2"), 401);
    assert_eq!(counts(&applied(&app, "", &later))[0], 0, "one that has ended is not made again");
}

#[test]
fn pruning_ends_the_secrets_that_an_apply_made_and_no_other() {
    let app = TestApp::start();
    applied(&app, "", &howto_document());
    let id =
        app.admin("GET", "/resources/cid/MachineToMachine", &Value::Null).expect(200)["Resources"][0]["id"].clone();
    let by_hand = app
        .admin("POST", &format!("/resources/cid/MachineToMachine/{}/secrets", id.as_str().unwrap()), &json!({}))
        .expect(201);
    let by_hand = by_hand["clientSecret"].as_str().unwrap();
    let next = with_secrets(&json!(["another long enough secret 2"]));
    let report = applied(&app, "?prune=true", &next);
    assert_eq!(told(&report), ["create Credential periodicService", "delete Credential periodicService"]);
    assert_eq!(status_with(&app, "periodic-service", "correct horse battery staple 1"), 401);
    assert_eq!(status_with(&app, "periodic-service", "another long enough secret 2"), 200);
    assert_eq!(status_with(&app, "periodic-service", by_hand), 200);
    assert_eq!(counts(&applied(&app, "?prune=true", &next)), [0, 0, 0, 4]);
}

#[test]
fn generate_makes_a_secret_only_where_there_is_no_valid_one() {
    let app = TestApp::start();
    let document = with_secrets(&json!(["generate"]));
    let report = applied(&app, "", &document);
    let secret = report["secrets"][0]["clientSecret"].as_str().unwrap().to_owned();
    assert_eq!(status_with(&app, "periodic-service", &secret), 200);
    assert_eq!(applied(&app, "?prune=true", &document)["secrets"], json!([]));
    let id =
        app.admin("GET", "/resources/cid/MachineToMachine", &Value::Null).expect(200)["Resources"][0]["id"].clone();
    app.end_secret(id.as_str().unwrap(), &secret);
    let dry = applied(&app, "?dryRun=true", &document);
    assert_eq!(dry["changes"][0]["members"], json!([{"member": "secret", "before": null, "after": "a new one"}]));
    assert_eq!(dry["secrets"], json!([]));
    assert_eq!(applied(&app, "", &document)["secrets"].as_array().unwrap().len(), 1);
    let none = with_secrets(&json!([]));
    let mut other = none.clone();
    other["clients"][0]["clientId"] = json!("no-secret");
    assert_eq!(applied(&app, "", &other)["secrets"], json!([]), "an empty list makes none");
}

#[test]
fn a_client_moves_to_another_account() {
    let app = TestApp::start();
    applied(&app, "", &howto_document());
    let mut document = howto_document();
    document["accounts"][0]["userName"] = json!("other");
    document["clients"][0]["account"] = json!("other");
    document["grants"][0]["account"] = json!("other");
    let report = applied(&app, "?prune=true", &document);
    assert_eq!(
        told(&report),
        [
            "create ServiceAccount other",
            "change MachineToMachine periodicService",
            "create Grant other at myrestapi",
            "delete Grant periodicCleanup at myrestapi (write)",
            "delete ServiceAccount periodicCleanup"
        ]
    );
    assert_eq!(
        report["changes"][1]["members"],
        json!([{"member": "account", "before": "periodicCleanup", "after": "other"}])
    );
    assert_eq!(status_with(&app, "periodic-service", "correct horse battery staple 1"), 200);
}
