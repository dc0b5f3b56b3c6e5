//! Declared access through the admin API: what a document changes, what it leaves alone, and what it is refused for.

mod bad;
mod clients;
mod policies;
mod prune;

use serde_json::{Value, json};

use crate::app::{HowTo, TestApp};

/// The how-to as a document.
fn howto_document() -> Value {
    json!({
        "accounts": [{"userName": "periodicCleanup", "displayName": "Periodic Cleanup Account"}],
        "clients": [{"displayName": "periodicService", "clientId": "periodic-service", "account": "periodicCleanup",
            "secret": "correct horse battery staple 1"}],
        "apis": [{"appId": "myrestapi", "displayName": "My REST API", "scopes": ["read", "write"], "signingAlg": "EdDSA"}],
        "grants": [{"account": "periodicCleanup", "api": "myrestapi", "scopes": ["write"], "reason": "ticket 1"}],
    })
}

/// Applies a document; the query begins with `?` or is empty.
fn apply(app: &TestApp, query: &str, document: &Value) -> crate::app::Answer {
    app.admin("POST", &format!("/apply{query}"), document)
}

#[track_caller]
fn applied(app: &TestApp, query: &str, document: &Value) -> Value {
    apply(app, query, document).expect(200)
}

/// Made, changed, deleted, unchanged.
fn counts(report: &Value) -> [u64; 4] {
    ["created", "changed", "deleted", "unchanged"].map(|member| report[member].as_u64().unwrap())
}

/// `create Grant periodicCleanup at myrestapi`, for each change.
fn told(report: &Value) -> Vec<String> {
    let text = |change: &Value, member: &str| change[member].as_str().unwrap().to_owned();
    let line = |change: &Value| {
        format!("{} {} {}", text(change, "action"), text(change, "resourceType"), text(change, "name"))
    };
    report["changes"].as_array().unwrap().iter().map(line).collect()
}

/// Everything there is, with revisions and times.
fn everything(app: &TestApp) -> Value {
    let list =
        |path: &str| app.admin("GET", &format!("{path}?count=1000"), &Value::Null).expect(200)["Resources"].clone();
    ["ServiceAccount", "MachineToMachine", "Api", "Grant", "Policy"]
        .map(|resource_type| list(&format!("/resources/cid/{resource_type}")))
        .into()
}

fn commits(app: &TestApp) -> Value {
    let path = "/audit/commits?count=0&filter=actor.type%20ne%20%22system%22";
    app.admin("GET", path, &Value::Null).expect(200)["totalResults"].clone()
}

fn status_with(app: &TestApp, client_id: &str, secret: &str) -> u16 {
    let parameters =
        [("grant_type", "client_credentials"), ("client_id", client_id), ("client_secret", secret), ("scope", "write")];
    app.token(&parameters).status
}

#[test]
fn a_document_makes_everything_in_one_commit_and_the_next_request_sees_it() {
    let app = TestApp::start();
    let before = commits(&app).as_u64().unwrap();
    let report = applied(&app, "?reason=from%20git", &howto_document());
    assert_eq!(counts(&report), [4, 0, 0, 0]);
    assert_eq!(
        told(&report),
        [
            "create ServiceAccount periodicCleanup",
            "create Api myrestapi",
            "create MachineToMachine periodicService",
            "create Grant periodicCleanup at myrestapi"
        ]
    );
    assert_eq!(commits(&app), before + 1);
    assert_eq!(status_with(&app, "periodic-service", "correct horse battery staple 1"), 200);
    let commit =
        app.admin("GET", "/audit/commits?count=1&filter=reason%20eq%20%22from%20git%22", &Value::Null).expect(200);
    assert_eq!(commit["Resources"][0]["changes"].as_array().unwrap().len(), 4);
    let text = format!("{report}{commit}");
    assert!(!text.contains("battery"), "{text}");
}

#[test]
fn applied_twice_it_changes_nothing_not_even_a_revision() {
    let app = TestApp::start();
    applied(&app, "", &howto_document());
    let (before, count) = (everything(&app), commits(&app));
    app.advance(3600);
    let report = applied(&app, "", &howto_document());
    assert_eq!((counts(&report), &report["different"]), ([0, 0, 0, 4], &json!(false)));
    assert_eq!((everything(&app), commits(&app)), (before, count));
}

#[test]
fn the_order_does_not_matter() {
    let app = TestApp::start();
    let document = howto_document();
    let mut turned = serde_json::Map::new();
    for section in ["grants", "clients", "apis", "accounts"] {
        turned.insert(section.to_owned(), document[section].clone());
    }
    assert_eq!(counts(&applied(&app, "", &Value::Object(turned))), [4, 0, 0, 0]);
    assert_eq!(counts(&applied(&app, "", &document)), [0, 0, 0, 4]);
}

#[test]
fn a_dry_run_tells_member_by_member_and_writes_nothing() {
    let app = TestApp::start();
    applied(&app, "", &howto_document());
    let (before, count) = (everything(&app), commits(&app));
    let mut document = howto_document();
    document["accounts"][0]["active"] = json!(false);
    document["apis"][0]["scopes"] = json!(["read", "write", "admin"]);
    document["grants"][0] = json!({"account": "periodicCleanup", "api": "myrestapi", "scopes": ["write", "admin"], "expiresAt": "2027-12-31T00:00:00Z"});
    document["clients"].as_array_mut().unwrap().push(json!({"displayName": "second", "account": "periodicCleanup"}));
    let report = applied(&app, "?dryRun=true", &document);
    insta::assert_json_snapshot!(report);
    assert_eq!((everything(&app), commits(&app)), (before, count));
    let report = applied(&app, "", &document);
    assert_eq!(counts(&report), [1, 3, 0, 1]);
    assert_eq!(report["secrets"][0]["displayName"], "second");
    assert_eq!(counts(&applied(&app, "?dryRun=true", &document)), [0, 0, 0, 5]);
}

#[test]
fn what_is_left_out_is_as_it_is_by_itself() {
    let app = TestApp::start();
    let howto = app.howto();
    app.set("ServiceAccount", &howto.account, "attributes", &json!({"team": "ops"}));
    let document = json!({"accounts": [{"userName": "PERIODICCLEANUP", "displayName": "Periodic Cleanup Account"}]});
    let report = applied(&app, "?dryRun=true", &document);
    assert_eq!(
        report["changes"][0]["members"],
        json!([
            {"member": "userName", "before": "periodicCleanup", "after": "PERIODICCLEANUP"},
            {"member": "attributes", "before": {"team": "ops"}, "after": null},
        ])
    );
}

#[test]
fn scopes_move_between_an_api_and_its_grants_in_one_write() {
    let app = TestApp::start();
    applied(&app, "", &howto_document());
    let mut document = howto_document();
    document["apis"][0]["scopes"] = json!(["read", "store"]);
    document["grants"][0]["scopes"] = json!(["store"]);
    let report = applied(&app, "", &document);
    assert_eq!(told(&report), ["change Api myrestapi", "change Grant periodicCleanup at myrestapi"]);
    // One that nobody declared holds the scope: it is not taken away under it.
    let grant = json!({"serviceAccountId": "periodicCleanup", "apiId": "myrestapi", "scopes": ["read"]});
    app.create("Grant", &grant);
    document["apis"][0]["scopes"] = json!(["store"]);
    document["grants"].as_array_mut().unwrap().clear();
    let error = apply(&app, "", &document).expect(400);
    assert_eq!(error["validation"][0]["propertyPath"], "/apis/0/scopes");
    assert_eq!(error["validation"][0]["invalidValue"], "read");
}

#[test]
fn audiences_can_be_exchanged() {
    let app = TestApp::start();
    let document = |first: &str, second: &str| json!({"apis": [{"appId": "a", "audience": first}, {"appId": "b", "audience": second}]});
    applied(&app, "", &document("urn:x", "urn:y"));
    assert_eq!(counts(&applied(&app, "", &document("urn:y", "urn:x"))), [0, 2, 0, 0]);
}

#[test]
fn several_grants_of_one_account_at_one_api_are_told_apart_by_what_they_hold() {
    let app = TestApp::start();
    let mut document = howto_document();
    let grant = |scope: &str, until: &str| json!({"account": "periodicCleanup", "api": "myrestapi", "scopes": [scope], "expiresAt": until});
    document["grants"] = json!([grant("read", "2028-01-01T00:00:00Z"), grant("write", "2029-01-01T00:00:00Z")]);
    assert_eq!(counts(&applied(&app, "", &document)), [5, 0, 0, 0]);
    document["grants"] = json!([grant("write", "2029-01-01T00:00:00Z"), grant("read", "2030-01-01T00:00:00Z")]);
    let report = applied(&app, "", &document);
    assert_eq!(counts(&report), [0, 1, 0, 4]);
    assert_eq!(report["changes"][0]["members"][0]["before"], "2028-01-01T00:00:00.000Z");
}

#[test]
fn an_export_is_a_document_that_changes_nothing() {
    let app = TestApp::start();
    let HowTo { account, client, .. } = app.howto();
    app.set("ServiceAccount", &account, "attributes", &json!({"team": "ops", "n": null, "deep": {"a": [1, 2.5, "x"]}}));
    app.set("MachineToMachine", &client, "allowedAuthMethods", &json!(["client_secret_post"]));
    app.advance(1);
    app.create("Grant", &json!({"serviceAccountId": account, "apiId": "grantd", "scopes": ["read"]}));
    let answer = app.admin("GET", "/export", &Value::Null);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.text.contains("ecret\"") && !answer.text.contains("hash"), "{}", answer.text);
    let export = answer.expect(200);
    insta::assert_json_snapshot!(export, {".clients[].clientId" => "[clientId]"});
    let before = everything(&app);
    assert_eq!(counts(&applied(&app, "", &export)), [0, 0, 0, 5]);
    assert_eq!(everything(&app), before);
}

/// What the database tells apart, and what it does not, is so to a document too.
#[test]
fn an_export_of_equal_grants_and_of_names_that_look_alike_is_applied() {
    let app = TestApp::start();
    let HowTo { account, .. } = app.howto();
    let grant = json!({"serviceAccountId": account, "apiId": "myrestapi", "scopes": ["read", "write"], "reason": "r"});
    for _again in 0..2 {
        app.advance(1);
        app.create("Grant", &grant);
    }
    for name in ["\u{c4}rger", "\u{e4}rger"] {
        app.create("ServiceAccount", &json!({"userName": name}));
    }
    let export = app.admin("GET", "/export", &Value::Null).expect(200);
    let alike = export["grants"].as_array().unwrap().iter().filter(|grant| grant["reason"] == "r");
    assert_eq!(alike.count(), 1);
    let before = everything(&app);
    assert_eq!(counts(&applied(&app, "", &export))[..3], [0, 0, 0]);
    assert_eq!(everything(&app), before);
    let twice = json!({"accounts": [{"userName": "a"}, {"userName": "A"}]});
    assert_eq!(apply(&app, "", &twice).status, 400);
}

#[test]
fn an_export_makes_an_empty_server_the_same() {
    let (old, new) = (TestApp::start(), TestApp::start());
    let howto = old.howto();
    let export = old.admin("GET", "/export", &Value::Null).expect(200);
    let report = applied(&new, "", &export);
    assert_eq!(new.admin("GET", "/export", &Value::Null).expect(200), export);
    let made = &report["secrets"][0];
    assert_eq!(made["clientId"], howto.client_id.as_str());
    let secret = made["clientSecret"].as_str().unwrap();
    assert_eq!(status_with(&new, &howto.client_id, secret), 200, "the same client id, a new secret");
}

#[test]
fn an_editor_applies_what_does_not_lead_to_the_admin_api() {
    let app = TestApp::start();
    let editor = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "e", "role": "editor"})).expect(201);
    let editor = editor["signedToken"].as_str().unwrap();
    let as_editor = |document: &Value| app.admin_as(editor, "POST", "/apply", document);
    as_editor(&howto_document()).expect(200);
    let mut document = howto_document();
    document["grants"] = json!([{"account": "periodicCleanup", "api": "grantd", "scopes": ["admin"]}]);
    let error = as_editor(&document).expect(403);
    assert!(error["detail"].as_str().unwrap().starts_with("/grants/0 leads to the admin API itself"), "{error}");
    applied(&app, "", &document);
    // What is as it should be is no write, whoever applies it.
    assert_eq!(counts(&as_editor(&document).expect(200))[3], 4);
    document["clients"].as_array_mut().unwrap().push(json!({"displayName": "way in", "account": "periodicCleanup"}));
    assert_eq!(as_editor(&document).status, 403);
    document["clients"] = json!([{"displayName": "periodicService", "clientId": "periodic-service", "account": "periodicCleanup",
        "secrets": ["another long enough secret 2"]}]);
    assert_eq!(as_editor(&document).status, 403);
    // Nor may it be taken away to be filled, and moved back by the next one who applies what they always did.
    document["accounts"].as_array_mut().unwrap().push(json!({"userName": "theirOwn"}));
    document["clients"] = json!([{"displayName": "periodicService", "clientId": "periodic-service", "account": "theirOwn",
        "secrets": ["another long enough secret 2"]}]);
    let error = as_editor(&document).expect(403);
    assert!(error["detail"].as_str().unwrap().starts_with("/clients/0 leads to the admin API itself"), "{error}");
    // An account that holds something there is an administrator's too.
    for account in [
        json!({"userName": "periodicCleanup", "attributes": {"breakGlass": true}}),
        json!({"userName": "periodicCleanup", "active": false}),
    ] {
        let error = as_editor(&json!({"accounts": [account]})).expect(403);
        assert!(error["detail"].as_str().unwrap().starts_with("/accounts/0 leads to the admin API itself"), "{error}");
    }
    let api = json!({"apis": [{"appId": "grantd", "displayName": "mine", "scopes": ["read", "edit", "admin", "introspect"]}]});
    assert_eq!(as_editor(&api).status, 403);
}

#[test]
fn applies_and_other_writes_at_the_same_time_all_count() {
    let app = TestApp::start();
    let document = |number: usize| json!({"accounts": [{"userName": format!("declared{number}")}]});
    std::thread::scope(|scope| {
        for number in 0..3 {
            let app = &app;
            scope.spawn(move || {
                crate::app::eventually("an apply has its turn", || {
                    let answer = apply(app, "", &document(number));
                    assert!([200, 412, 503].contains(&answer.status), "{}", answer.text);
                    (answer.status == 200).then_some(())
                });
            });
            scope.spawn(move || {
                for other in 0..10 {
                    app.create("ServiceAccount", &json!({"userName": format!("other{number}-{other}")}));
                }
            });
        }
    });
    let list = app.admin("GET", "/resources/cid/ServiceAccount?count=0", &Value::Null).expect(200);
    assert_eq!(list["totalResults"], 33);
}
