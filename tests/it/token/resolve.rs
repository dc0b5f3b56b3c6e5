//! Which API a token is for, and which scopes it holds.

use grantd::config::ExcessScope;
use serde_json::{Value, json};

use super::{claims_of, refused};
use crate::app::{HowTo, TestApp};

/// Another API, and a grant of `granted` of its scopes; answers the grant's id.
fn second_api(app: &TestApp, howto: &HowTo, app_id: &str, scopes: &Value, granted: &[&str]) -> String {
    let api = app.create("Api", &json!({"appId": app_id, "displayName": app_id, "scopes": scopes}));
    let grant = json!({"serviceAccountId": howto.account, "apiId": api["id"], "scopes": granted});
    app.create("Grant", &grant)["id"].as_str().unwrap().to_owned()
}

#[test]
fn without_scope_a_request_gets_the_granted_default_scopes() {
    let app = TestApp::start();
    let howto = app.howto();
    let none = app.token_for(&howto, &[]);
    refused(&none, 400, "invalid_scope", &["scope is missing", "myrestapi", "send scope", "write"]);

    let scope = |name: &str, default: bool| json!({"identifier": name, "default": default});
    let scopes = [scope("audit", true), scope("read", true), scope("write", false), scope("delete", true)];
    app.set("Api", &howto.api, "scopes", &json!(scopes));
    app.set("Grant", &howto.grant, "scopes", &json!(["write", "delete", "read"]));
    let answer = app.token_for(&howto, &[]).expect(200);
    assert_eq!(answer["scope"], "read delete", "granted and default, in the API's order");
}

#[test]
fn an_api_is_named_by_app_id_or_audience_through_resource_or_audience() {
    let app = TestApp::start();
    let howto = app.howto();
    let uri = "https://api.example.com/";
    app.set("Api", &howto.api, "audience", &json!(uri));
    let scopes = json!([{"identifier": "write"}]);
    second_api(&app, &howto, "other", &scopes, &["write"]);
    for (parameter, name, aud) in [
        ("resource", "myrestapi", uri),
        ("audience", "myrestapi", uri),
        ("resource", uri, uri),
        ("audience", uri, uri),
        ("resource", "other", "other"),
    ] {
        let claims = claims_of(app.token_for(&howto, &[("scope", "write"), (parameter, name)]));
        assert_eq!(claims["aud"], aud, "{parameter}={name}");
    }
    let both = app.token_for(&howto, &[("scope", "write"), ("resource", "other"), ("audience", "other")]);
    assert_eq!(claims_of(both)["aud"], "other", "one API, named twice");
}

#[test]
fn a_request_that_fits_several_apis_is_told_their_names() {
    let app = TestApp::start();
    let howto = app.howto();
    let scopes = json!([{"identifier": "write"}, {"identifier": "purge", "default": true}]);
    second_api(&app, &howto, "other", &scopes, &["write", "purge"]);
    let both = app.token_for(&howto, &[("scope", "write")]);
    refused(&both, 400, "invalid_target", &["myrestapi", "other", "add resource"]);
    let unnamed = app.token_for(&howto, &[]);
    refused(&unnamed, 400, "invalid_target", &["myrestapi", "other"]);
    let only_one = claims_of(app.token_for(&howto, &[("scope", "write purge")]));
    assert_eq!(only_one["aud"], "other", "one API alone has both scopes");
}

#[test]
fn a_description_stays_short_however_many_apis_fit() {
    let app = TestApp::start();
    let howto = app.howto();
    let scopes = json!([{"identifier": "write"}]);
    for number in 0..30 {
        second_api(&app, &howto, &format!("{number:02}{}", "x".repeat(190)), &scopes, &["write"]);
    }
    let answer = app.token_for(&howto, &[("scope", "write")]);
    refused(&answer, 400, "invalid_target", &["add resource", "and 21 more"]);
    assert!(answer.text.len() < 4096, "{} bytes", answer.text.len());
}

#[test]
fn targets_that_do_not_fit_are_refused() {
    let app = TestApp::start();
    let howto = app.howto();
    app.create("Api", &json!({"appId": "ungranted", "scopes": [{"identifier": "write"}]}));
    let unknown = app.token_for(&howto, &[("scope", "write"), ("resource", "nowhere")]);
    refused(&unknown, 400, "invalid_target", &["nowhere", "check resource or audience"]);
    let ungranted = app.token_for(&howto, &[("scope", "write"), ("resource", "ungranted")]);
    refused(&ungranted, 400, "invalid_target", &["ungranted", "ask for a grant"]);
    let without_decision = |text: &str| text.split("; decision").next().map(str::to_owned);
    assert_eq!(
        without_decision(&unknown.text.replace("nowhere", "ungranted")),
        without_decision(&ungranted.text),
        "what exists is not told to those who have no grant there"
    );
    for pair in [
        [("resource", "myrestapi"), ("resource", "other")],
        [("audience", "myrestapi"), ("resource", "other")],
        [("audience", "other"), ("audience", "myrestapi")],
    ] {
        let answer = app.token_for(&howto, &[&[("scope", "write")], &pair[..]].concat());
        refused(&answer, 400, "invalid_target", &["one API", "one resource or audience"]);
    }
    let unprintable = app.token_for(&howto, &[("resource", "\"\\\u{e4}<script>")]);
    refused(&unprintable, 400, "invalid_target", &["???<script>"]);
}

#[test]
fn a_scope_that_is_not_granted_is_named() {
    let app = TestApp::start();
    let howto = app.howto();
    for (scope, named) in [
        ("read", "myrestapi: read;"),
        ("write read", "myrestapi: read;"),
        ("nothing else write", "myrestapi: nothing else;"),
        ("WRITE", "myrestapi: WRITE;"),
    ] {
        let answer = app.token_for(&howto, &[("scope", scope)]);
        refused(&answer, 400, "invalid_scope", &[named, "ask for a grant"]);
    }
    let answer = app.token_for(&howto, &[("scope", "read"), ("resource", "myrestapi")]);
    refused(&answer, 400, "invalid_scope", &["myrestapi: read;"]);
}

#[test]
fn narrowing_leaves_out_what_is_not_granted() {
    let app = TestApp::with(|config| config.token.excess_scope = ExcessScope::Narrow);
    let howto = app.howto();
    for scope in ["write read", "read write", "nothing write else"] {
        let answer = app.token_for(&howto, &[("scope", scope)]).expect(200);
        assert_eq!(answer["scope"], "write", "RFC 6749 5.1: the answer says what was given");
    }
    let answer = app.token_for(&howto, &[("scope", "read")]);
    refused(&answer, 400, "invalid_scope", &["myrestapi: read;"]);
}

#[test]
fn narrowing_does_not_choose_between_apis() {
    let app = TestApp::with(|config| config.token.excess_scope = ExcessScope::Narrow);
    let howto = app.howto();
    let scopes = json!([{"identifier": "write"}, {"identifier": "purge"}]);
    second_api(&app, &howto, "other", &scopes, &["write"]);
    let answer = app.token_for(&howto, &[("scope", "write nothing")]);
    refused(&answer, 400, "invalid_target", &["myrestapi", "other"]);
    let named = app.token_for(&howto, &[("scope", "write nothing"), ("resource", "other")]);
    assert_eq!(claims_of(named)["aud"], "other");
}

#[test]
fn scopes_of_two_apis_do_not_fit_into_one_token() {
    let app = TestApp::start();
    let howto = app.howto();
    second_api(&app, &howto, "other", &json!([{"identifier": "purge"}]), &["purge"]);
    let answer = app.token_for(&howto, &[("scope", "write purge")]);
    refused(
        &answer,
        400,
        "invalid_target",
        &["no API has all of these scopes", "ask for those of one of myrestapi, other"],
    );
    let unknown_too = app.token_for(&howto, &[("scope", "write nowhere purge")]);
    refused(&unknown_too, 400, "invalid_scope", &["this client: nowhere;"]);
}

#[test]
fn grants_at_one_api_add_up() {
    let app = TestApp::start();
    let howto = app.howto();
    let grant = json!({"serviceAccountId": howto.account, "apiId": howto.api, "scopes": ["read", "write"]});
    app.create("Grant", &grant);
    assert_eq!(app.token_for(&howto, &[("scope", "read write")]).expect(200)["scope"], "read write");
}

#[test]
fn an_account_without_any_grant_gets_nothing() {
    let app = TestApp::start();
    let howto = app.howto();
    app.admin("DELETE", &format!("/resources/cid/Grant/{}", howto.grant), &Value::Null).expect(204);
    refused(&app.token_for(&howto, &[]), 400, "invalid_scope", &["nothing is granted", "ask an administrator"]);
    let scoped = app.token_for(&howto, &[("scope", "write")]);
    refused(&scoped, 400, "invalid_scope", &["not granted", "write"]);
}
