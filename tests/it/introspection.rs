//! Introspection (RFC 7662): what a token is worth now, for those who may know.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::app::{Answer, HowTo, TestApp, claims};
use crate::token::refused;

const PATH: &str = "/oauth2/introspect";

fn ask(app: &TestApp, authorization: &str, token: &str) -> Answer {
    app.form(PATH, authorization, &[("token", token)])
}

/// Asks as an administrator.
#[track_caller]
fn look(app: &TestApp, token: &str) -> Value {
    ask(app, &format!("Bearer {}", app.admin_token), token).expect(200)
}

/// RFC 7662 2.2: nothing but this.
#[track_caller]
fn inactive(answer: &Value) {
    assert_eq!(*answer, json!({"active": false}));
}

/// Another client, of an account of its own, to which these scopes of an API are granted.
fn client_with(app: &TestApp, name: &str, api: &str, scopes: &[&str]) -> HowTo {
    let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();
    let account = text(&app.create("ServiceAccount", &json!({"userName": name, "active": true})), "id");
    let client = app.create("MachineToMachine", &json!({"displayName": name, "serviceAccountId": account}));
    let grant = json!({"serviceAccountId": account, "apiId": api, "scopes": scopes});
    let grant = text(&app.create("Grant", &grant), "id");
    HowTo {
        client: text(&client, "id"),
        client_id: text(&client, "clientId"),
        client_secret: text(&client, "clientSecret"),
        api: api.to_owned(),
        account,
        grant,
    }
}

#[test]
fn an_active_token_is_told_as_it_was_signed() {
    let app = TestApp::start();
    let howto = app.howto();
    let token = app.access_token(&howto, &[("scope", "write")]);
    let signed = claims(&token);
    let answer = ask(&app, &format!("Bearer {}", app.admin_token), &token);
    for (name, value) in [("cache-control", "no-store"), ("pragma", "no-cache"), ("content-type", "application/json")] {
        assert_eq!(answer.header(name), value);
    }
    let told = answer.expect(200);
    for name in ["iss", "sub", "aud", "client_id", "iat", "nbf", "exp", "jti", "scope", "scp"] {
        assert_eq!(told[name], signed[name], "{name}");
    }
    assert_eq!(told["active"], true);
    assert_eq!(told["token_type"], "Bearer");
    assert_eq!(told["username"], "periodicCleanup");
}

#[test]
fn a_client_knows_its_own_tokens_and_no_others() {
    let app = TestApp::start();
    let howto = app.howto();
    let other = client_with(&app, "other", "myrestapi", &["read", "write"]);
    let token = app.access_token(&howto, &[("scope", "write")]);
    assert_eq!(ask(&app, &howto.basic(), &token).expect(200)["active"], true);
    let credentials = [("client_id", howto.client_id.as_str()), ("client_secret", howto.client_secret.as_str())];
    let in_body = [&credentials[..], &[("token", token.as_str())]].concat();
    assert_eq!(app.form(PATH, "", &in_body).expect(200)["active"], true, "client_secret_post");
    inactive(&ask(&app, &other.basic(), &token).expect(200));
}

#[test]
fn a_resource_server_that_was_granted_introspect_knows_every_token() {
    let app = TestApp::start();
    let howto = app.howto();
    let server = client_with(&app, "resource-server", "grantd", &["introspect"]);
    let token = app.access_token(&howto, &[("scope", "write")]);
    assert_eq!(ask(&app, &server.basic(), &token).expect(200)["active"], true);
    // Its own access token opens the same, and nothing of the admin API.
    let bearer = app.access_token(&server, &[("scope", "introspect")]);
    assert_eq!(ask(&app, &format!("Bearer {bearer}"), &token).expect(200)["active"], true);
    assert_eq!(app.admin_as(&bearer, "GET", "/resources/cid/Api", &Value::Null).status, 403);
    // What it was granted ends at once.
    app.admin("DELETE", &format!("/resources/cid/Grant/{}", server.grant), &Value::Null).expect(204);
    inactive(&ask(&app, &server.basic(), &token).expect(200));
    let refusal = ask(&app, &format!("Bearer {bearer}"), &token);
    assert_eq!(refusal.status, 403);
    assert_eq!(refusal.json()["error"], "insufficient_scope");
    assert!(refusal.header("www-authenticate").starts_with("Bearer "));
    assert_eq!(ask(&app, &server.basic(), &bearer).expect(200)["active"], false, "its own scope is gone too");
}

#[test]
fn every_role_of_the_admin_api_may_ask() {
    let app = TestApp::start();
    let token = app.access_token(&app.howto(), &[("scope", "write")]);
    for role in ["reader", "editor", "admin"] {
        let made = app.admin("POST", "/auth/api-tokens", &json!({"displayName": role, "role": role})).expect(201);
        let bearer = format!("bearer {}", made["signedToken"].as_str().unwrap());
        assert_eq!(ask(&app, &bearer, &token).expect(200)["active"], true, "{role}");
        app.admin("DELETE", &format!("/auth/api-tokens/{}", made["id"].as_str().unwrap()), &Value::Null).expect(204);
        assert_eq!(ask(&app, &bearer, &token).status, 401, "{role}");
    }
}

#[test]
fn a_token_stops_with_what_it_stands_on_and_goes_on_with_it() {
    let app = TestApp::start();
    let howto = app.howto();
    let token = app.access_token(&howto, &[("scope", "write")]);
    let api = json!([{"identifier": "read"}, {"identifier": "write"}]);
    app.set("Api", &howto.api, "scopes", &api);
    for (kind, id) in [("ServiceAccount", &howto.account), ("MachineToMachine", &howto.client), ("Api", &howto.api)] {
        app.set(kind, id, "active", &json!(false));
        inactive(&look(&app, &token));
        app.set(kind, id, "active", &json!(true));
        assert_eq!(look(&app, &token)["active"], true, "{kind}");
    }
    for (member, off) in [("notBefore", json!("2027-01-15T10:00:01Z")), ("expiresAt", json!("2027-01-15T10:00:00Z"))] {
        app.set("Grant", &howto.grant, member, &off);
        inactive(&look(&app, &token));
        app.set("Grant", &howto.grant, member, &Value::Null);
        assert_eq!(look(&app, &token)["active"], true, "{member}");
    }
    let other = app.create("ServiceAccount", &json!({"userName": "other", "active": true}));
    app.set("MachineToMachine", &howto.client, "serviceAccountId", &other["id"]);
    inactive(&look(&app, &token));
    app.set("MachineToMachine", &howto.client, "serviceAccountId", &json!(howto.account));
    app.admin("DELETE", &format!("/resources/cid/Grant/{}", howto.grant), &Value::Null).expect(204);
    inactive(&look(&app, &token));
    app.create("Grant", &json!({"serviceAccountId": howto.account, "apiId": howto.api, "scopes": ["write"]}));
    assert_eq!(look(&app, &token)["active"], true, "granted again");
    app.admin("DELETE", &format!("/resources/cid/MachineToMachine/{}", howto.client), &Value::Null).expect(204);
    inactive(&look(&app, &token));
}

#[test]
fn what_the_grant_lost_the_token_lost() {
    let app = TestApp::start();
    let howto = app.howto();
    app.set("Grant", &howto.grant, "scopes", &json!(["read", "write"]));
    let token = app.access_token(&howto, &[("scope", "write read")]);
    assert_eq!(look(&app, &token)["scope"], "write read");
    app.set("Grant", &howto.grant, "scopes", &json!(["read"]));
    let left = look(&app, &token);
    assert_eq!((&left["scope"], &left["scp"]), (&json!("read"), &json!(["read"])));
    // A scope that came later is not in the token, and so not in the answer.
    app.set("Grant", &howto.grant, "scopes", &json!(["write"]));
    assert_eq!(look(&app, &token)["scope"], "write");
}

#[test]
fn time_counts_to_the_second() {
    let app = TestApp::start();
    let howto = app.howto();
    app.set("Api", &howto.api, "tokenLifetimeSeconds", &json!(60));
    let token = app.access_token(&howto, &[("scope", "write")]);
    app.advance(-1);
    inactive(&look(&app, &token));
    app.advance(60);
    assert_eq!(look(&app, &token)["active"], true, "59 s old");
    app.advance(1);
    inactive(&look(&app, &token));
}

#[test]
fn whatever_is_no_token_of_this_server_is_inactive() {
    let app = TestApp::start();
    let stranger = TestApp::start();
    let howto = app.howto();
    let token = app.access_token(&howto, &[("scope", "write")]);
    let foreign = stranger.access_token(&stranger.howto(), &[("scope", "write")]);
    let parts: Vec<&str> = token.split('.').collect();
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
    let with_header = |member: &str, value: &str| {
        let mut changed = header.clone();
        changed[member] = json!(value);
        format!("{}.{}.{}", encode(&changed), parts[1], parts[2])
    };
    let mut widened = claims(&token);
    widened["scope"] = json!("write read");
    let cases = [
        ("garbage", "garbage".to_owned()),
        ("nothing between dots", "..".to_owned()),
        ("another server's", foreign),
        ("unsigned", format!("{}.{}.", encode(&json!({"alg": "none", "typ": "at+jwt"})), parts[1])),
        ("another algorithm", with_header("alg", "HS256")),
        ("another key", with_header("kid", "0000000000000000000000")),
        ("another type", with_header("typ", "JWT")),
        ("widened", format!("{}.{}.{}", parts[0], encode(&widened), parts[2])),
        ("cut off", token[..token.len() - 1].to_owned()),
        ("with a blank", format!("{token} ")),
        ("an API token", app.admin_token.clone()),
        ("a secret", howto.client_secret.clone()),
        ("very long", "x".repeat(60_000)),
        ("not ASCII", "\u{e4}\u{1f980}".to_owned()),
    ];
    for (name, text) in cases {
        let answer = ask(&app, &format!("Bearer {}", app.admin_token), &text);
        assert_eq!((answer.status, answer.json()), (200, json!({"active": false})), "{name}");
    }
    assert_eq!(look(&app, &token)["active"], true);
}

#[test]
fn an_apis_own_claims_do_not_speak_for_the_server() {
    let app = TestApp::start();
    let howto = app.howto();
    let claims = json!({"active": {"value": false}, "username": {"value": "root"}, "token_type": {"value": "x"}, "team": {"value": "ops"}});
    app.set("Api", &howto.api, "claims", &claims);
    let told = look(&app, &app.access_token(&howto, &[("scope", "write")]));
    assert_eq!(
        (&told["active"], &told["username"], &told["token_type"], &told["team"]),
        (&json!(true), &json!("periodicCleanup"), &json!("Bearer"), &json!("ops"))
    );
}

#[test]
fn strangers_learn_nothing() {
    let app = TestApp::start();
    let howto = app.howto();
    let token = app.access_token(&howto, &[("scope", "write")]);
    let challenge = |answer: &Answer| answer.header("www-authenticate").to_owned();
    // RFC 7662 2.3, RFC 6749 5.2.
    refused(&ask(&app, "", &token), 401, "invalid_client", &["no credentials"]);
    let credentials = [("client_id", howto.client_id.as_str()), ("client_secret", "not-the-secret-of-it")];
    let wrong = app.form(PATH, "", &[&credentials[..], &[("token", token.as_str())]].concat());
    refused(&wrong, 401, "invalid_client", &["wrong secret"]);
    for bearer in ["garbage", token.as_str(), howto.client_secret.as_str(), ""] {
        let answer = ask(&app, &format!("Bearer {bearer}"), &token);
        assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("invalid_token")), "{bearer}");
        assert!(challenge(&answer).starts_with(r#"Bearer realm="grantd""#), "{}", challenge(&answer));
    }
    app.set("MachineToMachine", &howto.client, "active", &json!(false));
    refused(&ask(&app, &howto.basic(), &token), 400, "unauthorized_client", &["not active"]);
}

#[test]
fn requests_that_do_not_fit_are_told_why() {
    let app = TestApp::start();
    let howto = app.howto();
    let bearer = format!("Bearer {}", app.admin_token);
    refused(&app.form(PATH, &bearer, &[]), 400, "invalid_request", &["token is missing"]);
    refused(&app.form(PATH, &bearer, &[("token", "")]), 400, "invalid_request", &["token is missing"]);
    let twice = [("token", "a"), ("token", "a")];
    refused(&app.form(PATH, &bearer, &twice), 400, "invalid_request", &["token is sent twice"]);
    let both = [("token", "a"), ("client_secret", "s")];
    refused(&app.form(PATH, &bearer, &both), 400, "invalid_request", &["two credentials"]);
    let other_id = [("token", "a"), ("client_id", "somebody-else")];
    refused(&app.form(PATH, &howto.basic(), &other_id), 400, "invalid_request", &["client_id"]);
    let answer = app.send("GET", &format!("{PATH}?token=a"), &[("authorization", &bearer)], b"");
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "RFC 7662 2.1: never in a URL");
    let answer = app.send("POST", PATH, &[("authorization", &bearer)], br#"{"token":"a"}"#);
    refused(&answer, 400, "invalid_request", &["application/x-www-form-urlencoded"]);
    let long = app.form(PATH, &bearer, &[("token", &"x".repeat(66_000))]);
    assert_eq!(long.status, 413);
    let two = [
        ("authorization", bearer.as_str()),
        ("authorization", bearer.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    refused(&app.send("POST", PATH, &two, b"token=a"), 400, "invalid_request", &["sent twice"]);
    // A hint may be ignored, and so may parameters that are not known.
    let token = app.access_token(&howto, &[("scope", "write")]);
    for hint in ["access_token", "refresh_token", "nonsense"] {
        let form = [("token", token.as_str()), ("token_type_hint", hint), ("x", "y")];
        assert_eq!(app.form(PATH, &bearer, &form).expect(200)["active"], true, "{hint}");
    }
}

#[test]
fn metadata_names_both_endpoints_and_how_to_authenticate_there() {
    let app = TestApp::start();
    let metadata = app.send("GET", "/.well-known/oauth-authorization-server/oauth2", &[], b"").expect(200);
    let issuer = metadata["issuer"].as_str().unwrap().to_owned();
    assert_eq!(metadata["introspection_endpoint"], format!("{issuer}introspect"));
    assert_eq!(metadata["revocation_endpoint"], format!("{issuer}revoke"));
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    assert_eq!(metadata["revocation_endpoint_auth_methods_supported"], methods);
    let methods = json!(["client_secret_basic", "client_secret_post", "Bearer"]);
    assert_eq!(metadata["introspection_endpoint_auth_methods_supported"], methods);
}
