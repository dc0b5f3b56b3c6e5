//! Bearers: how they are read, and tokens of grantd's own API in place of API tokens.

use serde_json::{Value, json};

use super::bearer;
use crate::app::{HowTo, TestApp};

#[test]
fn the_scheme_of_a_bearer_is_read_in_any_case() {
    let app = TestApp::start();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let value = format!("{scheme} {}", app.admin_token);
        assert_eq!(app.send("GET", "/api/v1/keys", &[("authorization", &value)], b"").status, 200, "{scheme}");
    }
}

/// An account with these scopes at grantd's own API.
fn machine(app: &TestApp, scopes: &[&str]) -> HowTo {
    let mut howto = app.howto();
    let grant = json!({"serviceAccountId": howto.account, "apiId": "grantd", "scopes": scopes});
    howto.grant = app.create("Grant", &grant)["id"].as_str().unwrap().to_owned();
    howto
}

fn token(app: &TestApp, howto: &HowTo, resource: &str, scope: &str) -> String {
    let answer = app.token_for(howto, &[("resource", resource), ("scope", scope)]).expect(200);
    answer["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_for_grantds_own_api_does_what_its_scope_says() {
    let app = TestApp::start();
    let howto = machine(&app, &["read", "edit", "admin"]);
    for (scope, reads, writes, administers) in [
        ("read", true, false, false),
        ("edit", true, true, false),
        ("admin", true, true, true),
        ("read edit", true, true, false),
    ] {
        let token = token(&app, &howto, "grantd", scope);
        let status = |method, path, body: &Value| app.admin_as(&token, method, path, body).status;
        let body = json!({"userName": format!("made by {scope}")});
        assert_eq!(status("GET", "/resources/cid/Api", &Value::Null) == 200, reads, "{scope}");
        assert_eq!(status("POST", "/resources/cid/ServiceAccount", &body), if writes { 201 } else { 403 }, "{scope}");
        assert_eq!(status("GET", "/auth/api-tokens", &Value::Null), if administers { 200 } else { 403 }, "{scope}");
    }
    let commits =
        app.admin("GET", "/audit/commits?filter=actor.type%20eq%20%22serviceAccount%22", &Value::Null).expect(200);
    assert_eq!(commits["totalResults"], 3);
    assert_eq!(commits["Resources"][0]["by"], howto.account.as_str());
    assert_eq!(commits["Resources"][0]["actor"]["displayName"], "periodicCleanup");
}

#[test]
fn such_a_token_stops_with_what_it_stands_on() {
    let app = TestApp::start();
    let howto = machine(&app, &["read", "edit"]);
    let token = token(&app, &howto, "grantd", "read edit");
    let status = || app.admin_as(&token, "GET", "/resources/cid/Api", &Value::Null).status;
    assert_eq!(status(), 200);
    for (kind, id) in [("ServiceAccount", &howto.account), ("MachineToMachine", &howto.client)] {
        app.set(kind, id, "active", &json!(false));
        assert_eq!(status(), 401, "{kind} disabled");
        app.set(kind, id, "active", &json!(true));
        assert_eq!(status(), 200, "{kind} enabled again");
    }
    let built_in = app.admin("GET", "/resources/cid/Api?filter=builtIn%20eq%20true", &Value::Null).expect(200);
    let built_in = built_in["Resources"][0]["id"].as_str().unwrap().to_owned();
    app.set("Api", &built_in, "active", &json!(false));
    assert_eq!(status(), 403, "the API disabled");
    app.set("Api", &built_in, "active", &json!(true));
    app.set("Grant", &howto.grant, "scopes", &json!(["read"]));
    assert_eq!(status(), 200);
    let write = || app.admin_as(&token, "POST", "/resources/cid/ServiceAccount", &json!({"userName": "x"})).status;
    assert_eq!(write(), 403, "what the grant lost, the token lost");
    app.set("Grant", &howto.grant, "expiresAt", &json!("2027-01-15T10:00:01Z"));
    assert_eq!(status(), 200);
    app.advance(1);
    assert_eq!(status(), 403, "the grant expired");
    app.set("Grant", &howto.grant, "expiresAt", &Value::Null);
    assert_eq!(status(), 200);
    app.advance(600);
    assert_eq!(status(), 401, "the token expired");
    app.advance(-600);
    app.admin("DELETE", &format!("/resources/cid/Grant/{}", howto.grant), &Value::Null).expect(204);
    assert_eq!(status(), 403, "the grant deleted");
    app.admin("DELETE", &format!("/resources/cid/MachineToMachine/{}", howto.client), &Value::Null).expect(204);
    assert_eq!(status(), 401, "the client deleted");
}

#[test]
fn tokens_for_other_apis_and_made_up_ones_are_refused() {
    use base64::Engine as _;
    let app = TestApp::start();
    let howto = machine(&app, &["read", "edit", "admin"]);
    // An API that calls its scopes like grantd's own does not open grantd.
    let api =
        json!({"appId": "other", "scopes": [{"identifier": "admin"}, {"identifier": "read"}], "signingAlg": "EdDSA"});
    app.create("Api", &api);
    app.create("Grant", &json!({"serviceAccountId": howto.account, "apiId": "other", "scopes": ["admin", "read"]}));
    let other = token(&app, &howto, "other", "admin read");
    let how_to = token(&app, &howto, "myrestapi", "write");
    let right = token(&app, &howto, "grantd", "admin");
    let encode = |text: &str| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(text);
    let decode = |part: &str| String::from_utf8(base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let parts: Vec<&str> = right.split('.').collect();
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"none","typ":"at+jwt"}"#), parts[1]);
    let header = decode(parts[0]);
    let relabelled = format!("{}.{}.{}", encode(&header.replace("EdDSA", "HS256")), parts[1], parts[2]);
    let widened = format!(
        "{}.{}.{}",
        parts[0],
        encode(&decode(parts[1]).replace("\"scope\":\"admin\"", "\"scope\":\"admin read\"")),
        parts[2]
    );
    assert_eq!(app.admin_as(&right, "GET", "/keys", &Value::Null).status, 200);
    for (name, token) in
        [("other", other), ("how-to", how_to), ("unsigned", unsigned), ("relabelled", relabelled), ("widened", widened)]
    {
        assert_eq!(app.admin_as(&token, "GET", "/keys", &Value::Null).status, 401, "{name}");
    }
    // An API whose audience is the name of grantd's own API would be a way in.
    let taken = app.admin(
        "POST",
        "/resources/cid/Api",
        &json!({"appId": "sly", "audience": "grantd", "scopes": [{"identifier": "admin"}]}),
    );
    assert_eq!(taken.status, 400, "{}", taken.text);
}

#[test]
fn an_editor_leaves_alone_what_leads_to_the_admin_api() {
    let app = TestApp::start();
    let admin = machine(&app, &["admin"]);
    let (_, editor) = bearer(&app, "editor", &json!({}));
    let account = format!("/resources/cid/ServiceAccount/{}", admin.account);
    let set = |path: &str, value: Value| json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
    for (method, path, body) in [
        ("PATCH", account.clone(), set("userName", json!("out-of-the-way"))),
        ("PATCH", account.clone(), set("attributes.breakGlass", json!(true))),
        ("PATCH", account.clone(), set("active", json!(true))),
        ("PUT", account.clone(), json!({"userName": "periodicCleanup", "active": false})),
        ("DELETE", format!("{account}?cascade=true"), Value::Null),
        ("PATCH", format!("/resources/cid/MachineToMachine/{}", admin.client), set("active", json!(false))),
        ("POST", format!("/resources/cid/MachineToMachine/{}/secrets", admin.client), json!({})),
    ] {
        let before = app.admin("GET", &account, &Value::Null).expect(200);
        let refused = app.admin_as(&editor, method, &path, &body).expect(403);
        assert!(refused["detail"].as_str().unwrap().contains("needs the role admin"), "{method} {path}: {refused}");
        assert_eq!(app.admin("GET", &account, &Value::Null).expect(200), before);
    }
    let scim = format!("/scim/v2/ServiceAccounts/{}", admin.account);
    let bearer = format!("Bearer {editor}");
    for (method, body) in [("DELETE", &b""[..]), ("PUT", br#"{"userName": "out-of-the-way"}"#)] {
        assert_eq!(app.send(method, &scim, &[("authorization", &bearer)], body).status, 403, "{method}");
    }
    // An account that leads nowhere but to other APIs is the editor's to change.
    let own = app.create("ServiceAccount", &json!({"userName": "plain"}));
    let path = format!("/resources/cid/ServiceAccount/{}", own["id"].as_str().unwrap());
    app.admin_as(&editor, "PATCH", &path, &set("active", json!(true))).expect(200);
    app.admin_as(&editor, "DELETE", &path, &Value::Null).expect(204);
}
