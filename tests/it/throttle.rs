//! Failures are limited where they come from, and nobody else is held up; tokens are limited by client.

use std::io::Write as _;
use std::time::Duration;

use grantd::config::QuotaMode;
use serde_json::{Value, json};

use crate::app::{Answer, HowTo, TestApp};
use crate::program::connect;

const WRITE: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("scope", "write")];

/// A server that takes three failures a minute as one client, and five in all from one address.
fn strict() -> (TestApp, HowTo) {
    let app = TestApp::with(|config| {
        config.throttle.failures_per_minute = 3;
        config.throttle.failures_per_minute_and_address = 5;
    });
    let howto = app.howto();
    (app, howto)
}

fn ask(app: &TestApp, client_id: &str, secret: &str) -> Answer {
    app.token(&[&WRITE[..], &[("client_id", client_id), ("client_secret", secret)]].concat())
}

#[track_caller]
fn too_many(answer: &Answer, retry_after: &str) {
    assert_eq!((answer.status, answer.header("retry-after")), (429, retry_after), "{}", answer.text);
    assert_eq!(answer.header("www-authenticate"), "");
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    assert_eq!(body["error"], "temporarily_unavailable");
    let says = format!("try again in {retry_after} s");
    assert!(body["error_description"].as_str().unwrap().contains(&says), "{body}");
}

#[test]
fn failures_are_limited_and_come_back_evenly() {
    let (app, howto) = strict();
    for _ in 0..3 {
        ask(&app, &howto.client_id, "wrong").expect(401);
    }
    too_many(&ask(&app, &howto.client_id, "wrong"), "20");
    app.advance(19);
    too_many(&ask(&app, &howto.client_id, "wrong"), "1");
    app.advance(1);
    ask(&app, &howto.client_id, "wrong").expect(401);
    too_many(&ask(&app, &howto.client_id, "wrong"), "20");
    app.advance(60);
    for _ in 0..3 {
        ask(&app, &howto.client_id, "wrong").expect(401);
    }
}

#[test]
fn whoever_has_the_secret_is_never_held_up_by_who_guesses() {
    let (app, howto) = strict();
    let chosen = "correct horse battery staple 1";
    let imported = json!({"displayName": "imported", "serviceAccountId": howto.account, "clientId": "imported", "clientSecret": chosen});
    app.create("MachineToMachine", &imported);
    ask(&app, "imported", chosen).expect(200);
    for guess in 0..40 {
        let client_id = if guess % 2 == 0 { "imported" } else { &howto.client_id };
        let answer = ask(&app, client_id, &format!("a guess that is long enough {guess}"));
        assert!([401, 429].contains(&answer.status));
        // From the same address as the guesses, by either kind of secret.
        ask(&app, &howto.client_id, &howto.client_secret).expect(200);
        ask(&app, "imported", chosen).expect(200);
    }
    too_many(&ask(&app, "imported", "a guess that is long enough"), "20");
}

#[test]
fn a_secret_that_a_person_chose_cannot_be_guessed_on_while_its_guesses_fail() {
    let (app, howto) = strict();
    let chosen = "correct horse battery staple 1";
    let imported = json!({"displayName": "imported", "serviceAccountId": howto.account, "clientId": "imported", "clientSecret": chosen});
    app.create("MachineToMachine", &imported);
    for guess in 0..3 {
        ask(&app, "imported", &format!("a guess that is long enough {guess}")).expect(401);
    }
    // Not even the right guess is told from a wrong one: it was never seen to be right.
    too_many(&ask(&app, "imported", chosen), "20");
    app.advance(60);
    ask(&app, "imported", chosen).expect(200);
}

#[test]
fn who_hangs_up_while_a_guess_is_looked_at_has_guessed_too() {
    // More than are let through: the first may be over before they begin.
    const GUESSES: usize = 6;
    let app = TestApp::with(|config| {
        config.throttle.failures_per_minute = 3;
        config.limits.slow_hashes = GUESSES;
    });
    let howto = app.howto();
    let chosen = "correct horse battery staple 1";
    let imported = json!({"displayName": "imported", "serviceAccountId": howto.account, "clientId": "imported", "clientSecret": chosen});
    app.create("MachineToMachine", &imported);
    let head = "POST /oauth2/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded";
    for guess in 0..GUESSES {
        let secret = format!("guess-that-is-long-enough-{guess}");
        let body = format!("grant_type=client_credentials&client_id=imported&client_secret={secret}");
        let mut stream = connect(&app.url);
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        // The slow hash has begun, and takes longer than this.
        std::thread::sleep(Duration::from_millis(20));
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(500));
    too_many(&ask(&app, "imported", chosen), "20");
}

#[test]
fn an_unknown_client_and_a_wrong_secret_are_limited_alike() {
    let (app, howto) = strict();
    let answers = |client_id: &str| -> Vec<(u16, String)> {
        app.advance(60);
        let answers = (0..5).map(|_| ask(&app, client_id, "wrong"));
        answers.map(|answer| (answer.status, answer.text)).collect()
    };
    let known = answers(&howto.client_id);
    assert_eq!(known.iter().filter(|(status, _)| *status == 401).count(), 3);
    assert_eq!(answers("nobody"), known);
}

#[test]
fn one_address_cannot_try_many_clients() {
    let (app, howto) = strict();
    for client in 0..5 {
        ask(&app, &format!("client{client}"), "wrong").expect(401);
    }
    too_many(&ask(&app, "sixth", "wrong"), "12");
    too_many(&app.token_by_basic("seventh", "wrong", &WRITE), "12");
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("token", "x"), ("client_id", path), ("client_secret", "wrong")])
            .finish();
        let answer = app.send("POST", path, &[("content-type", "application/x-www-form-urlencoded")], body.as_bytes());
        too_many(&answer, "12");
    }
    ask(&app, &howto.client_id, &howto.client_secret).expect(200);
}

#[test]
fn bearers_of_the_admin_api_are_limited_too() {
    let (app, _) = strict();
    let wrong = format!("{}x", &app.admin_token[..app.admin_token.len() - 1]);
    for bearer in ["nonsense", "a.b.c", &wrong, "gapi_", "x"] {
        assert_eq!(app.admin_as(bearer, "GET", "/keys", &Value::Null).status, 401, "{bearer}");
    }
    let refused = app.admin_as("nonsense", "GET", "/keys", &Value::Null);
    assert_eq!((refused.status, refused.header("retry-after")), (429, "12"));
    assert_eq!((&refused.json()["type"], &refused.json()["status"]), (&json!("tooMany"), &json!("429")));
    app.admin("GET", "/keys", &Value::Null).expect(200);
    // A request without any bearer tries nothing.
    assert_eq!(app.send("GET", "/api/v1/keys", &[], b"").status, 401);
}

#[test]
fn a_quota_of_tokens_is_each_clients_own() {
    let app = TestApp::with(|config| config.throttle.tokens_per_minute = Some(3));
    let howto = app.howto();
    let other = app.create("MachineToMachine", &json!({"displayName": "other", "serviceAccountId": howto.account}));
    for _ in 0..3 {
        app.token_for(&howto, &[("scope", "write")]).expect(200);
    }
    let refused = app.token_for(&howto, &[("scope", "write")]);
    too_many(&refused, "20");
    assert!(refused.text.contains("keep each until it ends"), "{}", refused.text);
    ask(&app, other["clientId"].as_str().unwrap(), other["clientSecret"].as_str().unwrap()).expect(200);
    app.advance(20);
    app.token_for(&howto, &[("scope", "write")]).expect(200);
    too_many(&app.token_for(&howto, &[("scope", "write")]), "20");
}

#[test]
fn a_quota_that_only_warns_refuses_nothing() {
    let app = TestApp::with(|config| {
        config.throttle.tokens_per_minute = Some(1);
        config.throttle.tokens_mode = QuotaMode::Warn;
    });
    let howto = app.howto();
    for _ in 0..10 {
        app.token_for(&howto, &[("scope", "write")]).expect(200);
    }
}
