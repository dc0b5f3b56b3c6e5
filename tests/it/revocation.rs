//! Revocation (RFC 7009): a client ends its own token before its time.

use serde_json::{Value, json};

use crate::app::{Answer, HowTo, TestApp, claims, eventually};
use crate::token::refused;

const PATH: &str = "/oauth2/revoke";

fn revoke(app: &TestApp, howto: &HowTo, token: &str) -> Answer {
    app.form(PATH, &howto.basic(), &[("token", token)])
}

#[track_caller]
fn is_active(app: &TestApp, token: &str) -> bool {
    let bearer = format!("Bearer {}", app.admin_token);
    app.form("/oauth2/introspect", &bearer, &[("token", token)]).expect(200)["active"].as_bool().unwrap()
}

fn write_token(app: &TestApp, howto: &HowTo) -> String {
    app.access_token(howto, &[("scope", "write")])
}

/// A second client of the same account.
fn sibling(app: &TestApp, howto: &HowTo) -> HowTo {
    let client = app.create("MachineToMachine", &json!({"displayName": "sibling", "serviceAccountId": howto.account}));
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    HowTo {
        client: text("id"),
        client_id: text("clientId"),
        client_secret: text("clientSecret"),
        account: howto.account.clone(),
        api: howto.api.clone(),
        grant: howto.grant.clone(),
    }
}

fn kept(app: &TestApp) -> i64 {
    let database = rusqlite::Connection::open(app.database()).unwrap();
    database.query_row("SELECT COUNT(*) FROM revoked_token", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_revoked_token_is_inactive_at_once_and_its_siblings_are_not() {
    let app = TestApp::start();
    let howto = app.howto();
    let (token, other) = (write_token(&app, &howto), write_token(&app, &howto));
    let answer = revoke(&app, &howto, &token);
    assert_eq!((answer.status, answer.text.as_str(), answer.header("cache-control")), (200, "", "no-store"));
    assert!(!is_active(&app, &token));
    assert!(is_active(&app, &other));
    // Again, with the credentials in the body and a hint that is wrong: RFC 7009 2.1 lets a server ignore it.
    let credentials = [("client_id", howto.client_id.as_str()), ("client_secret", howto.client_secret.as_str())];
    let again = [&credentials[..], &[("token", token.as_str()), ("token_type_hint", "refresh_token")]].concat();
    assert_eq!(app.form(PATH, "", &again).status, 200);
    assert_eq!(kept(&app), 1);
    // It is on the disk.
    let app = app.restart();
    assert_eq!(kept(&app), 1);
}

#[test]
fn the_admin_api_refuses_a_revoked_token() {
    let app = TestApp::start();
    let howto = app.howto();
    app.create("Grant", &json!({"serviceAccountId": howto.account, "apiId": "grantd", "scopes": ["read", "edit"]}));
    let token = app.access_token(&howto, &[("scope", "read edit")]);
    let status = |token: &str| app.admin_as(token, "GET", "/resources/cid/Api", &Value::Null).status;
    assert_eq!(status(&token), 200);
    assert_eq!(revoke(&app, &howto, &token).status, 200);
    assert_eq!(status(&token), 401);
    let bearer = format!("Bearer {token}");
    assert_eq!(app.form("/oauth2/introspect", &bearer, &[("token", &token)]).status, 401);
    assert_eq!(status(&app.access_token(&howto, &[("scope", "read")])), 200, "the next one is fine");
}

#[test]
fn only_the_client_that_a_token_was_issued_to_may_revoke_it() {
    let app = TestApp::start();
    let howto = app.howto();
    let sibling = sibling(&app, &howto);
    let token = write_token(&app, &howto);
    refused(&revoke(&app, &sibling, &token), 400, "invalid_grant", &["another client"]);
    refused(&app.form(PATH, "", &[("token", &token)]), 401, "invalid_client", &["no credentials"]);
    let bearer = format!("Bearer {}", app.admin_token);
    refused(&app.form(PATH, &bearer, &[("token", &token)]), 401, "invalid_client", &["by its client"]);
    let wrong = [("client_id", howto.client_id.as_str()), ("client_secret", "not-the-secret-of-it"), ("token", &token)];
    refused(&app.form(PATH, "", &wrong), 401, "invalid_client", &["wrong secret"]);
    assert!(is_active(&app, &token));
    assert_eq!(kept(&app), 0);
}

#[test]
fn what_needs_no_revoking_is_a_success() {
    // RFC 7009 2.2: invalid tokens do not cause an error.
    let app = TestApp::start();
    let stranger = TestApp::start();
    let howto = app.howto();
    let foreign = write_token(&stranger, &stranger.howto());
    let expired = write_token(&app, &howto);
    app.advance(3600);
    for token in ["garbage", "..", &foreign, &expired, &howto.client_secret] {
        assert_eq!(revoke(&app, &howto, token).status, 200, "{token}");
    }
    assert_eq!(kept(&app), 0);
    refused(&app.form(PATH, &howto.basic(), &[]), 400, "invalid_request", &["token is missing"]);
    refused(&revoke(&app, &howto, &app.admin_token), 400, "unsupported_token_type", &["/api/v1/auth/api-tokens"]);
    let answer = app.send("GET", &format!("{PATH}?token=a"), &[("authorization", &howto.basic())], b"");
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
}

#[test]
fn every_token_that_is_issued_can_be_asked_about_and_revoked() {
    let app = TestApp::start();
    let scopes: Vec<String> = (0..200).map(|n| format!("{n:0256}")).collect();
    let definitions: Vec<Value> = scopes.iter().map(|scope| json!({"identifier": scope, "displayName": "s"})).collect();
    let api = app.create("Api", &json!({"appId": "many", "displayName": "Many", "scopes": definitions}));
    let howto = app.howto();
    app.create("Grant", &json!({"serviceAccountId": howto.account, "apiId": api["id"], "scopes": scopes}));
    let ask = |count: usize| app.token_for(&howto, &[("resource", "many"), ("scope", &scopes[..count].join(" "))]);

    let token = ask(65).expect(200)["access_token"].as_str().unwrap().to_owned();
    assert!(token.len() > 40 * 1024, "{}", token.len());
    assert!(is_active(&app, &token));
    assert_eq!(revoke(&app, &howto, &token).status, 200);
    assert!(!is_active(&app, &token));

    refused(&ask(200), 400, "invalid_scope", &["may have 49152", "ask for fewer scopes"]);
    refused(&revoke(&app, &howto, &"x".repeat(49_153)), 400, "invalid_request", &["49152 at most"]);
    assert_eq!(kept(&app), 1);
}

#[test]
fn a_clock_that_steps_back_brings_no_token_back() {
    let app = TestApp::start();
    let howto = app.howto();
    let token = write_token(&app, &howto);
    app.advance(-7200);
    assert_eq!(revoke(&app, &howto, &token).status, 200, "revoked although it has not begun yet");
    app.advance(7200);
    assert!(!is_active(&app, &token));
}

#[test]
fn an_entry_goes_some_time_after_its_token_has_expired() {
    let app = TestApp::start();
    let howto = app.howto();
    let token = write_token(&app, &howto);
    assert_eq!(revoke(&app, &howto, &token).status, 200);
    let database = rusqlite::Connection::open(app.database()).unwrap();
    let ends: i64 = database.query_row("SELECT expires_at_ms FROM revoked_token", [], |row| row.get(0)).unwrap();
    assert_eq!(ends, claims(&token)["exp"].as_i64().unwrap() * 1000);
    app.advance(3600 + 3600);
    // The keeper looks at its first tick: a restart has one.
    let app = app.restart();
    eventually("forgetting the token", || (kept(&app) == 0).then_some(()));
}

#[test]
fn a_full_list_refuses_and_says_so() {
    let app = TestApp::start();
    let howto = app.howto();
    let database = rusqlite::Connection::open(app.database()).unwrap();
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
        INSERT INTO revoked_token SELECT printf('%022d', i), ?1, 9000000000000, 0 FROM n";
    database.execute(fill, [&howto.client_id]).unwrap();
    let token = write_token(&app, &howto);
    let answer = revoke(&app, &howto, &token);
    refused(&answer, 503, "temporarily_unavailable", &["this token is not on it"]);
    assert!(!answer.header("retry-after").is_empty(), "RFC 7009 2.2.1");
    assert!(is_active(&app, &token), "what was refused was not done");
    // Others have room still.
    let sibling = sibling(&app, &howto);
    let token = write_token(&app, &sibling);
    assert_eq!(revoke(&app, &sibling, &token).status, 200);
    assert!(!is_active(&app, &token));
    database.execute("DELETE FROM revoked_token WHERE jti LIKE '%00001'", []).unwrap();
    assert_eq!(revoke(&app, &howto, &write_token(&app, &howto)).status, 200);
}
