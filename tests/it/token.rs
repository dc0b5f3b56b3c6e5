//! The token endpoint, through the real router.

mod ceiling;
pub(crate) mod claims;
mod credentials;
mod freshness;
mod imported;
mod resolve;

use serde_json::{Value, json};

use crate::app::{Answer, HowTo, TestApp, claims};

/// The request of the how-to, without its credentials.
pub(crate) const WRITE: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("scope", "write")];

/// Checks a refusal whole: status, code, headers, and that its description holds every one of `says`.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, error: &str, says: &[&str]) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["error"], error, "{}", answer.text);
    let description = body["error_description"].as_str().unwrap_or_default();
    for text in says {
        assert!(description.contains(text), "{description:?} does not say {text:?}");
    }
    let allowed = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(!description.is_empty() && description.bytes().all(allowed), "RFC 6749 5.2: {description:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    let challenge = if status == 401 { r#"Basic realm="grantd", charset="UTF-8""# } else { "" };
    assert_eq!(answer.header("www-authenticate"), challenge);
}

/// The claims of the token in an answer that must hold one.
#[track_caller]
pub(crate) fn claims_of(answer: Answer) -> Value {
    claims(answer.expect(200)["access_token"].as_str().unwrap())
}

/// A multipart body as `curl -F` writes it, and its content type.
pub(crate) fn curl_form(fields: &[(&str, &str)]) -> (String, String) {
    let boundary = "------------------------d74496d66958873e";
    let part = |(name, value): &(&str, &str)| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = fields.iter().map(part).collect::<String>() + format!("--{boundary}--\r\n").as_str();
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// What `fields` and the how-to's credentials make as a multipart form.
fn multipart(app: &TestApp, howto: &HowTo, more: &[(&str, &str)]) -> Answer {
    let credentials = [("client_id", howto.client_id.as_str()), ("client_secret", howto.client_secret.as_str())];
    let (content_type, body) = curl_form(&[&WRITE[..1], &credentials[..], more].concat());
    app.send("POST", "/oauth2/token", &[("content-type", &content_type)], body.as_bytes())
}

#[test]
fn every_way_to_ask_gets_the_same_answer() {
    let app = TestApp::start();
    let howto = app.howto();
    let answers = [
        ("urlencoded", app.token_for(&howto, &[("scope", "write")])),
        ("multipart", multipart(&app, &howto, &[("scope", "write")])),
        ("Basic", app.token_by_basic(&howto.client_id, &howto.client_secret, &WRITE)),
        ("Basic and the same client_id in the body", {
            let parameters = [&WRITE[..], &[("client_id", howto.client_id.as_str())]].concat();
            app.token_by_basic(&howto.client_id, &howto.client_secret, &parameters)
        }),
    ];
    for (way, answer) in answers {
        assert_eq!(answer.header("cache-control"), "no-store", "{way}");
        assert_eq!(answer.header("pragma"), "no-cache", "{way}");
        assert_eq!(answer.header("content-type"), "application/json", "{way}");
        let body = answer.expect(200);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(body, {".access_token" => "[a JWT]"}, @r#"
            {
              "access_token": "[a JWT]",
              "expires_in": 3600,
              "refresh_expires_in": 0,
              "scope": "write",
              "token_type": "bearer"
            }
            "#);
        }
        let claims = claims(body["access_token"].as_str().unwrap());
        assert_eq!(claims["sub"], howto.account.as_str(), "{way}");
        assert_eq!(claims["iss"], format!("{}/oauth2/", app.url), "{way}");
    }
}

#[test]
fn the_slash_at_the_end_costs_no_redirect() {
    let app = TestApp::start();
    let howto = app.howto();
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(WRITE)
        .extend_pairs([("client_id", &howto.client_id), ("client_secret", &howto.client_secret)])
        .finish();
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=UTF-8")];
    assert_eq!(app.send("POST", "/oauth2/token/", &headers, body.as_bytes()).expect(200)["scope"], "write");
}

#[test]
fn crossids_constant_is_printed_when_asked_for() {
    let app = TestApp::with(|config| config.compat.crossid = true);
    let answer = app.token_for(&app.howto(), &[("scope", "write")]).expect(200);
    assert_eq!(answer["refresh_expires_in"], 2_592_000_000_000_000_i64);
    assert_eq!(answer.get("refresh_token"), None, "RFC 6749 4.4.3");
}

#[test]
fn the_api_says_how_long_a_token_lives() {
    let app = TestApp::start();
    let howto = app.howto();
    for seconds in [60, 86_400] {
        app.set("Api", &howto.api, "tokenLifetimeSeconds", &json!(seconds));
        let answer = app.token_for(&howto, &[("scope", "write")]).expect(200);
        assert_eq!(answer["expires_in"], seconds);
        let claims = claims(answer["access_token"].as_str().unwrap());
        let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert_eq!(expires - issued, seconds);
        assert_eq!(issued, app.clock.now().unix_seconds());
    }
}

#[test]
fn parameters_without_a_value_are_as_good_as_absent() {
    // RFC 6749 3.2.
    let app = TestApp::start();
    let howto = app.howto();
    let basic = |more: &[(&str, &str)]| {
        app.token_by_basic(&howto.client_id, &howto.client_secret, &[&WRITE[..], more].concat())
    };
    for empty in ["client_id", "client_secret", "resource", "audience", "client_assertion", "client_assertion_type"] {
        basic(&[(empty, "")]).expect(200);
    }
    app.set("Api", &howto.api, "scopes", &json!([{"identifier": "read"}, {"identifier": "write", "default": true}]));
    assert_eq!(app.token_for(&howto, &[("scope", "")]).expect(200)["scope"], "write");
    refused(&app.token(&[("grant_type", "")]), 400, "invalid_request", &["grant_type=client_credentials"]);
}

#[test]
fn parameters_that_are_not_known_are_ignored() {
    let app = TestApp::start();
    let howto = app.howto();
    let answer = app.token_for(&howto, &[("scope", "write"), ("tenant", "acme"), ("x", "\u{e4}\u{1f980}")]);
    assert_eq!(answer.expect(200)["scope"], "write");
}
