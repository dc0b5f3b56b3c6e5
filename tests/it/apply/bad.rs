//! Documents that are refused, with a pointer to each mistake, and that change nothing.

use serde_json::{Value, json};

use super::{apply, commits, howto_document};
use crate::app::TestApp;

fn mistakes(error: &Value) -> Vec<String> {
    let text = |v: &Value, member: &str| v[member].as_str().unwrap().to_owned();
    let all = error["validation"].as_array().unwrap();
    all.iter().map(|v| format!("{}: {}", text(v, "propertyPath"), text(v, "message"))).collect()
}

#[test]
fn every_mistake_is_named_where_it_stands() {
    let app = TestApp::start();
    let before = commits(&app);
    let with = |section: &str, item: Value| {
        let mut document = howto_document();
        document[section].as_array_mut().unwrap().push(item);
        document
    };
    let grant = |more: Value| {
        let mut grant = json!({"account": "periodicCleanup", "api": "myrestapi", "scopes": ["read"]});
        grant.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with("grants", grant)
    };
    for (document, wanted) in [
        (json!({"acounts": []}), "/acounts: there is no such section; did you mean accounts?"),
        (
            with("accounts", json!({"userName": "x", "displayNam": "y"})),
            "/accounts/1/displayNam: there is no such member; did you mean displayName?",
        ),
        (with("accounts", json!({})), "/accounts/1/userName: this member is required"),
        (with("accounts", json!("x")), "/accounts/1: must be an object"),
        (
            with("accounts", json!({"userName": "PERIODICcleanup"})),
            "/accounts/1/userName: stands in this document twice; it is accounts[0] too",
        ),
        (
            with("apis", json!({"appId": "myrestapi"})),
            "/apis/1/appId: stands in this document twice; it is apis[0] too",
        ),
        (
            with("apis", json!({"appId": "x", "scopes": ["a", "a"]})),
            "/apis/1/scopes/1/identifier: this scope stands here twice",
        ),
        (
            with("apis", json!({"appId": "x", "tokenLifetimeSeconds": 1_000_000})),
            "/apis/1/tokenLifetimeSeconds: must be from 60 to 86400",
        ),
        (
            with("clients", json!({"displayName": "y", "clientId": "periodic-service", "account": "periodicCleanup"})),
            "/clients/1/clientId: stands in this document twice; it is clients[0] too",
        ),
        (with("clients", json!({"displayName": "y"})), "/clients/1/account: this member is required"),
        (
            with("clients", json!({"displayName": "y", "serviceAccountId": "periodicCleanup"})),
            "/clients/1/serviceAccountId: there is no such member here; did you mean account?",
        ),
        (
            with("clients", json!({"displayName": "y", "account": "periodicClean"})),
            "/clients/1/account: there is no account of this name, here or on the server; did you mean periodiccleanup?",
        ),
        (
            with("clients", json!({"displayName": "y", "account": "periodicCleanup", "secret": "short"})),
            "/clients/1/secret: a client secret has 16 to 256 characters: leave it out to have a strong one made",
        ),
        (
            with("clients", json!({"displayName": "y", "account": "periodicCleanup", "secret": "env:X"})),
            "/clients/1/secret: a server reads no file and no variable for its callers: `grantd apply` does, where it runs",
        ),
        (
            with("clients", json!({"displayName": "y", "account": "periodicCleanup", "secrets": [{"valu": "x"}]})),
            "/clients/1/secrets/0/valu: there is no such member; did you mean value?",
        ),
        (
            with("clients", json!({"displayName": "y", "account": "periodicCleanup", "clientSecret": "correct horse"})),
            "/clients/1/clientSecret: there is no such member here; write secret",
        ),
        (
            with("grants", json!({"account": "nobody", "api": "myrestapi", "scopes": ["read"]})),
            "/grants/1/account: there is no account of this name, here or on the server; declare it under accounts",
        ),
        (
            grant(json!({"api": "myrestap"})),
            "/grants/1/api: there is no api of this name, here or on the server; did you mean myrestapi?",
        ),
        (
            grant(json!({"scopes": ["raed"]})),
            "/grants/1/scopes/0: the API myrestapi does not define this scope; did you mean read?",
        ),
        (
            grant(json!({"scopes": []})),
            "/grants/1/scopes: name at least one scope; delete the grant to take all of them away",
        ),
        (
            grant(json!({"notBefore": "2028-01-01T00:00:00Z", "expiresAt": "2027-01-01T00:00:00Z"})),
            "/grants/1/expiresAt: must be later than notBefore",
        ),
        (
            grant(json!({"scopes": ["write"], "reason": "ticket 1"})),
            "/grants/1: this grant stands in this document twice",
        ),
        (
            json!({"policies": [{"name": "p", "module": "none", "attachedTo": "server"}]}),
            "/policies/0/module: there is no policy module with this digest, name or name@version: upload it first",
        ),
        (
            json!({"policies": [{"name": "p", "module": "none", "attachedTo": {"api": "a", "client": "b"}}]}),
            "/policies/0/attachedTo: must be \"server\", or one of {api = NAME}, {client = NAME}, {account = NAME}",
        ),
    ] {
        let error = apply(&app, "", &document).expect(400);
        assert!(mistakes(&error).iter().any(|line| line == wanted), "{wanted}\n{:?}", mistakes(&error));
        assert!(!error.to_string().contains("correct horse"), "{error}");
    }
    for (body, wanted) in [
        ("[]", "expected an object with some of accounts"),
        ("{\"accounts\": 5}", "expected a list of accounts"),
        ("{\"accounts\": [], \"accounts\": []}", "stands twice"),
        (
            "{\"accounts\": [{\"userName\": \"a\", \"userName\": \"b\"}]}",
            "the member \"userName\" stands twice at line 1",
        ),
        ("{\"accounts\": [", "EOF while parsing"),
        ("", "EOF while parsing"),
    ] {
        let bearer = format!("Bearer {}", app.admin_token);
        let error = app.send("POST", "/api/v1/apply", &[("authorization", &bearer)], body.as_bytes()).expect(400);
        assert!(error["detail"].as_str().unwrap().contains(wanted), "{body}: {error}");
    }
    assert_eq!(apply(&app, "?prune=yes", &json!({})).status, 400);
    assert_eq!(commits(&app), before, "nothing was written");
}

#[test]
fn all_mistakes_are_told_at_once_up_to_a_bound() {
    let app = TestApp::start();
    let grants: Vec<Value> =
        (0..200).map(|number| json!({"account": format!("nobody{number}"), "api": "x", "scopes": ["y"]})).collect();
    let error = apply(&app, "", &json!({"grants": grants})).expect(400);
    let mistakes = mistakes(&error);
    assert_eq!(mistakes.len(), 51);
    assert_eq!(mistakes[50], ": and more: mend these first");
}

#[test]
fn a_name_that_is_taken_by_something_undeclared_is_refused_whole() {
    let app = TestApp::start();
    app.create("Api", &json!({"appId": "by-hand", "audience": "urn:taken"}));
    let mut document = howto_document();
    document["apis"][0]["audience"] = json!("urn:taken");
    let error = apply(&app, "", &document).expect(409);
    assert!(error["detail"].as_str().unwrap().contains("this audience is taken"), "{error}");
    let accounts = app.admin("GET", "/resources/cid/ServiceAccount", &Value::Null).expect(200);
    assert_eq!(accounts["totalResults"], 0);
}

#[test]
fn the_built_in_api_keeps_its_scopes() {
    let app = TestApp::start();
    let error = apply(&app, "", &json!({"apis": [{"appId": "grantd", "scopes": ["read"]}]})).expect(400);
    assert_eq!(mistakes(&error), ["/apis/0/scopes: the built-in API keeps its scopes"]);
}
