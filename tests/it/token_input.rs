//! Bad input at the token endpoint: a clear answer, in JSON, and nothing else happens.

mod bodies;
mod random;
mod wire;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::app::{Answer, HowTo, TestApp};
use crate::token::{WRITE, refused};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A urlencoded body, exactly as given.
fn post(app: &TestApp, body: &str) -> Answer {
    app.send("POST", "/oauth2/token", &[FORM], body.as_bytes())
}

fn credentials(howto: &HowTo) -> String {
    format!("client_id={}&client_secret={}", howto.client_id, howto.client_secret)
}

/// The how-to's request with this `Authorization` header, and `more` in the body.
fn with_header(app: &TestApp, authorization: &str, more: &str) -> Answer {
    let body = format!("grant_type=client_credentials&scope=write{more}");
    app.send("POST", "/oauth2/token", &[FORM, ("authorization", authorization)], body.as_bytes())
}

#[test]
fn missing_and_repeated_parameters_are_named() {
    let app = TestApp::start();
    let who = credentials(&app.howto());
    for (body, status, error, says) in [
        (String::new(), 400, "invalid_request", "grant_type is missing: send grant_type=client_credentials"),
        (who.clone(), 400, "invalid_request", "grant_type is missing"),
        (format!("grant_type=&{who}"), 400, "invalid_request", "grant_type is missing"),
        (format!("grant_type&{who}"), 400, "invalid_request", "grant_type is missing"),
        (format!("grant_type=password&{who}"), 400, "unsupported_grant_type", "send grant_type=client_credentials"),
        (format!("grant_type=CLIENT_CREDENTIALS&{who}"), 400, "unsupported_grant_type", "client_credentials"),
        (format!("grant_type=refresh_token&{who}"), 400, "unsupported_grant_type", "client_credentials"),
        ("grant_type=client_credentials".to_owned(), 401, "invalid_client", "send client_id and client_secret"),
        ("grant_type=client_credentials&client_id=x".to_owned(), 401, "invalid_client", "no credentials"),
        ("grant_type=client_credentials&client_secret=x".to_owned(), 401, "invalid_client", "no credentials"),
        ("grant_type=client_credentials&client_id=&client_secret=".to_owned(), 401, "invalid_client", "no credentials"),
        (format!("grant_type=client_credentials&client_id=x&{who}"), 400, "invalid_request", "client_id is sent twice"),
        (
            format!("grant_type=client_credentials&{who}&client_secret=x"),
            400,
            "invalid_request",
            "client_secret is sent twice",
        ),
        (
            format!("grant_type=client_credentials&grant_type=client_credentials&{who}"),
            400,
            "invalid_request",
            "grant_type is sent twice",
        ),
        (
            format!("grant_type=client_credentials&{who}&scope=write&scope=write"),
            400,
            "invalid_request",
            "scope is sent twice: send it once",
        ),
        (
            format!("grant_type=client_credentials&{who}&scope=&scope=write"),
            400,
            "invalid_request",
            "scope is sent twice",
        ),
        (format!("grant_type=client_credentials&{who}&%00x%22=1&%00x%22=1"), 400, "invalid_request", "?x?"),
        (
            format!("grant_type=client_credentials&{who}&client_assertion=x"),
            400,
            "invalid_request",
            "authenticate with a client secret",
        ),
    ] {
        let answer = post(&app, &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        refused(&answer, status, error, &[says]);
        assert!(!answer.text.contains(&app.admin_token[5..]), "{body}");
    }
}

#[test]
fn too_many_parameters_are_refused() {
    let app = TestApp::start();
    let howto = app.howto();
    let many = |count: usize| {
        let more: String = (0..count).map(|number| format!("&p{number}=1")).collect();
        post(&app, &format!("grant_type=client_credentials&scope=write&{}{more}", credentials(&howto)))
    };
    many(60).expect(200);
    refused(&many(61), 400, "invalid_request", &["at most 64 parameters"]);
    refused(&many(5000), 400, "invalid_request", &["at most 64 parameters"]);
}

#[test]
fn one_request_has_one_credential() {
    let app = TestApp::start();
    let howto = app.howto();
    let basic = |id: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{}", howto.client_secret)));
    let own = basic(&howto.client_id);
    with_header(&app, &own, "").expect(200);
    let both = with_header(&app, &own, &format!("&{}", credentials(&howto)));
    refused(&both, 400, "invalid_request", &["two credentials at once", "not in both"]);
    let secret_alone = with_header(&app, &own, "&client_secret=x");
    refused(&secret_alone, 400, "invalid_request", &["two credentials at once"]);
    let other_id = with_header(&app, &own, "&client_id=someone");
    refused(&other_id, 400, "invalid_request", &["client_id in the body is not the one in the Authorization header"]);
    let body = "grant_type=client_credentials&scope=write";
    let twice = [FORM, ("authorization", own.as_str()), ("authorization", own.as_str())];
    let answer = app.send("POST", "/oauth2/token", &twice, body.as_bytes());
    refused(&answer, 400, "invalid_request", &["Authorization header is sent twice"]);
}

#[test]
fn an_authorization_header_that_is_not_basic_is_told_what_is_wrong() {
    let app = TestApp::start();
    let howto = app.howto();
    let basic = |text: &[u8]| format!("Basic {}", BASE64_STANDARD.encode(text));
    let (no_colon, empty_both) = (basic(howto.client_id.as_bytes()), basic(b":"));
    let (no_id, no_secret) = (basic(b":secret"), basic(format!("{}:", howto.client_id).as_bytes()));
    let not_utf8 = basic(b"id:\xff\xfe");
    for (header, says) in [
        ("Basic", "no colon"),
        ("Basic ", "no colon"),
        ("Basic !!!", "not base64"),
        ("Basic aWQ6c2VjcmV0 trailing", "not base64"),
        ("Basic aWQ_c2VjcmV0LQ", "not base64"),
        (&no_colon, "no colon between client id and secret"),
        (&empty_both, "must not be empty"),
        (&no_id, "must not be empty"),
        (&no_secret, "must not be empty"),
        (&not_utf8, "not UTF-8"),
        ("Bearer abc", "HTTP Basic, or with client_id and client_secret in the body"),
        ("Digest username=x", "HTTP Basic"),
        ("nonsense", "HTTP Basic"),
        ("", "HTTP Basic"),
    ] {
        let answer = with_header(&app, header, "");
        assert_eq!(answer.status, 401, "{header:?}: {}", answer.text);
        refused(&answer, 401, "invalid_client", &[says]);
    }
}

#[test]
fn basic_is_read_as_widely_as_clients_write_it() {
    let app = TestApp::start();
    let howto = app.howto();
    let encoded = BASE64_STANDARD.encode(format!("{}:{}", howto.client_id, howto.client_secret));
    let unpadded = encoded.trim_end_matches('=');
    for header in [
        format!("Basic {encoded}"),
        format!("basic {encoded}"),
        format!("BASIC  {encoded}"),
        format!("Basic {unpadded}"),
    ] {
        with_header(&app, &header, "").expect(200);
    }
}

#[test]
fn scopes_outside_the_grammar_are_refused() {
    let app = TestApp::start();
    let howto = app.howto();
    for scope in [" ", "write ", " write", "write  write", "a\"b", "a\\b", "\u{e4}", "write,\u{a0}read"] {
        let answer = app.token_for(&howto, &[("scope", scope)]);
        refused(&answer, 400, "invalid_scope", &["RFC 6749 3.3"]);
    }
    for scope in ["a\tb", "a\nb", "a\0b", "a\u{7f}b", "a\u{85}b"] {
        let answer = app.token_for(&howto, &[("scope", scope)]);
        refused(&answer, 400, "invalid_request", &["scope holds a control character"]);
    }
    let long = "x".repeat(257);
    refused(&app.token_for(&howto, &[("scope", &long)]), 400, "invalid_scope", &["at most 256 characters"]);
}

#[test]
fn ten_thousand_scopes_are_refused_and_one_scope_ten_thousand_times_is_one() {
    let app = TestApp::start();
    let howto = app.howto();
    let different: Vec<String> = (0..10_000).map(|number| format!("{number:x}")).collect();
    let answer = app.token_for(&howto, &[("scope", &different.join(" "))]);
    refused(&answer, 400, "invalid_scope", &["at most 200 scopes"]);
    let same = vec!["write"; 10_000].join(" ");
    assert_eq!(app.token_for(&howto, &[("scope", &same)]).expect(200)["scope"], "write");
}

#[test]
fn other_methods_are_told_which_one_it_is() {
    let app = TestApp::start();
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        for path in ["/oauth2/token", "/oauth2/token/"] {
            let answer = app.send(method, path, &[], b"");
            assert_eq!(answer.header("allow"), "POST", "{method}");
            refused(&answer, 405, "invalid_request", &["this path takes POST"]);
        }
    }
    let head = app.send("HEAD", "/oauth2/token", &[], b"");
    assert_eq!((head.status, head.header("allow"), head.text.as_str()), (405, "POST", ""));
}

#[test]
fn parameters_in_the_query_are_not_read() {
    // RFC 6749 2.3.1: credentials must not stand in the URI.
    let app = TestApp::start();
    let query = format!("/oauth2/token?grant_type=client_credentials&{}", credentials(&app.howto()));
    refused(&app.send("POST", &query, &[FORM], b""), 400, "invalid_request", &["grant_type is missing"]);
    refused(&app.send("POST", &query, &[FORM], b"grant_type=client_credentials"), 401, "invalid_client", &[]);
}

#[test]
fn a_refusal_leaves_nothing_behind() {
    let app = TestApp::start();
    let howto = app.howto();
    // What people did: the server makes signing keys on its own, at a time of its own.
    let by_people = "/audit/commits?count=1&filter=actor.type%20ne%20%22system%22";
    let commits = || app.admin("GET", by_people, &serde_json::Value::Null).expect(200)["totalResults"].clone();
    let before = commits();
    refused(&app.token_for(&howto, &[("scope", "read")]), 400, "invalid_scope", &[]);
    refused(&app.token(&WRITE), 401, "invalid_client", &[]);
    app.token_for(&howto, &[("scope", "write")]).expect(200);
    assert_eq!(commits(), before);
}
