//! Client secrets: made and shown once, several at a time, ended one by one, never seen again.

use grantd::secret::{SecretKind, is_generated};
use serde_json::{Value, json};

use super::{list, path_of, text, validation};
use crate::app::{HowTo, TestApp};

fn secrets_of(howto: &HowTo) -> String {
    format!("/resources/cid/MachineToMachine/{}/secrets", howto.client)
}

/// The status of a token request with this secret.
fn status_with(app: &TestApp, howto: &HowTo, secret: &str) -> u16 {
    let parameters = [
        ("grant_type", "client_credentials"),
        ("client_id", &howto.client_id),
        ("client_secret", secret),
        ("scope", "write"),
    ];
    app.token(&parameters).status
}

#[test]
fn a_secret_is_made_and_shown_once_and_ended_alone() {
    let app = TestApp::start();
    let howto = app.howto();
    let path = secrets_of(&howto);
    assert!(is_generated(SecretKind::Client, &howto.client_secret));
    app.advance(1);
    let answer = app.admin("POST", &path, &Value::Null);
    assert_eq!(answer.header("cache-control"), "no-store");
    let made = answer.expect(201);
    let second = text(&made, "clientSecret").to_owned();
    assert!(is_generated(SecretKind::Client, &second) && second != howto.client_secret);
    assert!(second.ends_with(text(&made, "last4")));
    assert_eq!(made["clientId"], howto.client_id.as_str());
    insta::assert_json_snapshot!(made, {".id" => "[id]", ".last4" => "[last4]", ".clientId" => "[clientId]", ".clientSecret" => "[secret]"}, @r#"
    {
      "id": "[id]",
      "kind": "secret",
      "last4": "[last4]",
      "imported": false,
      "notBefore": null,
      "expiresAt": null,
      "lastUsedAt": null,
      "createdAt": "2027-01-15T10:00:01.000Z",
      "clientId": "[clientId]",
      "clientSecret": "[secret]"
    }
    "#);
    let both = app.admin("GET", &path, &Value::Null).expect(200);
    assert_eq!((&both["totalResults"], both["Resources"].as_array().unwrap().len()), (&json!(2), 2));
    let client = app.admin("GET", &path_of("MachineToMachine", &json!(howto.client)), &Value::Null).expect(200);
    assert_eq!(client["credentials"], both["Resources"]);
    for secret in [&howto.client_secret, &second] {
        assert_eq!(status_with(&app, &howto, secret), 200, "both work");
    }
    let first = text(&both["Resources"][0], "id");
    assert_eq!(app.admin("DELETE", &format!("{path}/{first}"), &Value::Null).status, 204);
    assert_eq!(status_with(&app, &howto, &howto.client_secret), 401, "the very next request is refused");
    assert_eq!(status_with(&app, &howto, &second), 200);
    app.admin("DELETE", &format!("{path}/{first}"), &Value::Null).expect(404);
}

#[test]
fn a_secret_of_one_client_is_not_ended_through_another() {
    let app = TestApp::start();
    let howto = app.howto();
    let other = app.create("MachineToMachine", &json!({"displayName": "other", "serviceAccountId": howto.account}));
    let secret = text(&other["credentials"][0], "id");
    app.admin("DELETE", &format!("{}/{secret}", secrets_of(&howto)), &Value::Null).expect(404);
    assert_eq!(other["credentials"].as_array().unwrap().len(), 1);
}

#[test]
fn a_secret_works_within_its_window() {
    let app = TestApp::start();
    let howto = app.howto();
    let path = secrets_of(&howto);
    let window = json!({"notBefore": "2027-01-15T10:01:00Z", "expiresAt": "2027-01-15T12:02:00+02:00"});
    let made = app.admin("POST", &path, &window).expect(201);
    assert_eq!(
        (text(&made, "notBefore"), text(&made, "expiresAt")),
        ("2027-01-15T10:01:00.000Z", "2027-01-15T10:02:00.000Z")
    );
    let secret = text(&made, "clientSecret");
    let statuses: Vec<u16> = [0, 59, 1, 59, 1]
        .into_iter()
        .map(|seconds| {
            app.advance(seconds);
            status_with(&app, &howto, secret)
        })
        .collect();
    assert_eq!(statuses, [401, 401, 200, 200, 401], "at 10:00:00, 10:00:59, 10:01:00, 10:01:59, 10:02:00");
    for (body, wanted) in [
        (json!({"expiresAt": "2027-01-15T10:02:00Z"}), "/expiresAt: must lie in the future"),
        (json!({"expiresAt": "tomorrow"}), "/expiresAt: must be an RFC 3339 date-time"),
        (
            json!({"expiresAt": "2027-02-01T00:00:00Z", "notBefore": "2027-03-01T00:00:00Z"}),
            "/expiresAt: must be later than notBefore",
        ),
        (json!({"expiresat": "2027-02-01T00:00:00Z"}), "/expiresat: there is no such member; did you mean expiresAt?"),
    ] {
        let error = app.admin("POST", &path, &body).expect(400);
        assert!(validation(&error)[0].starts_with(wanted), "{error}");
    }
    assert_eq!(validation(&app.admin("POST", &path, &json!([])).expect(400)), [": the body must be a JSON object"]);
}

#[test]
fn a_client_has_at_most_twenty_secrets() {
    let app = TestApp::start();
    let howto = app.howto();
    let path = secrets_of(&howto);
    for _ in 1..20 {
        app.admin("POST", &path, &json!({})).expect(201);
    }
    let error = app.admin("POST", &path, &json!({})).expect(409);
    assert!(text(&error, "detail").contains("at most 20 secrets"), "{error}");
    let all = app.admin("GET", &path, &Value::Null).expect(200);
    assert_eq!(all["totalResults"], 20);
    app.admin("DELETE", &format!("{path}/{}", text(&all["Resources"][7], "id")), &Value::Null).expect(204);
    app.admin("POST", &path, &json!({})).expect(201);
}

#[test]
fn secrets_that_callers_bring_are_checked_and_never_echoed() {
    let app = TestApp::start();
    let howto = app.howto();
    let with_id = format!("xx{}xx", howto.client_id);
    let weak = ["", "short", "aaaaaaaaaaaaaaaaaaaaaaaa", "grüße-0123456789abcdef", "tab\tinside-0123456789", &with_id];
    for secret in weak {
        let error = app.admin("POST", &secrets_of(&howto), &json!({"clientSecret": secret}));
        assert_eq!(error.status, 400, "{secret}");
        assert!(secret.is_empty() || !error.text.contains(secret), "{}", error.text);
        assert!(validation(&error.json())[0].starts_with("/clientSecret: "), "{}", error.text);
        let body = json!({"displayName": "c", "serviceAccountId": howto.account, "clientId": howto.client_id, "clientSecret": secret});
        let error = app.admin("POST", "/resources/cid/MachineToMachine", &body);
        assert_eq!(error.status, 400, "{secret}");
        assert!(secret.is_empty() || !error.json()["validation"].to_string().contains(secret), "{}", error.text);
    }
    let number = app.admin("POST", &secrets_of(&howto), &json!({"clientSecret": 1_234_567_890_123_456_789_i64}));
    assert!(number.status == 400 && !number.text.contains("1234567890123456789"), "{}", number.text);

    let chosen = "correct horse: battery+staple%20";
    let made = app.admin("POST", &secrets_of(&howto), &json!({"clientSecret": chosen}));
    assert!(made.status == 201 && !made.text.contains(chosen), "{}", made.text);
    assert_eq!((&made.json()["imported"], &made.json()["last4"]), (&json!(true), &json!("e%20")));
    assert_eq!(status_with(&app, &howto, chosen), 200);
    let body = json!({"displayName": "c", "serviceAccountId": howto.account, "clientId": "legacy.client", "clientSecret": chosen});
    let client = app.admin("POST", "/resources/cid/MachineToMachine", &body);
    assert!(
        client.status == 201 && !client.text.contains(chosen) && client.json().get("clientSecret").is_none(),
        "{}",
        client.text
    );
    assert_eq!(client.json()["clientId"], "legacy.client");
}

#[test]
fn no_secret_is_ever_seen_again() {
    let app = TestApp::start();
    let howto = app.howto();
    let chosen = "correct horse battery staple 1";
    let second = app.admin("POST", &secrets_of(&howto), &json!({})).expect(201);
    let third = app.admin("POST", &secrets_of(&howto), &json!({"clientSecret": chosen})).expect(201);
    let bearer = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "b", "role": "editor"})).expect(201);
    app.set("MachineToMachine", &howto.client, "displayName", &json!("renamed"));
    app.admin("DELETE", &format!("{}/{}", secrets_of(&howto), text(&third, "id")), &Value::Null).expect(204);
    let secrets = [
        howto.client_secret.as_str(),
        text(&second, "clientSecret"),
        chosen,
        text(&bearer, "signedToken"),
        &app.admin_token,
    ];
    for path in [
        path_of("MachineToMachine", &json!(howto.client)).as_str(),
        "/resources/cid/MachineToMachine",
        &secrets_of(&howto),
        "/auth/api-tokens",
        &format!("/auth/api-tokens/{}", text(&bearer, "id")),
        "/audit/commits",
        "/event-logs",
        "/keys",
    ] {
        let answer = list(&app, path, &[("count", "1000")]);
        assert_eq!(answer.status, 200, "{path}");
        for secret in secrets {
            assert!(!answer.text.contains(secret), "{path} shows a secret");
        }
        for word in ["\"hash\"", "private", "signedToken", "clientSecret"] {
            assert!(!answer.text.contains(word), "{path} shows {word}");
        }
    }
    let dir = app.dir.path().to_owned();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let entry = entry.unwrap().path();
        let bytes = std::fs::read(&entry).unwrap();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{} holds a secret in clear", entry.display());
        }
    }
}

#[test]
fn the_last_use_of_a_secret_is_told_without_a_new_revision() {
    let app = TestApp::start();
    let howto = app.howto();
    app.advance(90);
    assert_eq!(status_with(&app, &howto, &howto.client_secret), 200);
    let path = path_of("MachineToMachine", &json!(howto.client));
    let client = crate::app::eventually("the use is written down", || {
        let client = app.admin("GET", &path, &Value::Null).expect(200);
        client["credentials"][0]["lastUsedAt"].is_string().then_some(client)
    });
    assert_eq!(client["credentials"][0]["lastUsedAt"], "2027-01-15T10:01:30.000Z");
    assert_eq!(client["meta"]["revision"], 1);
}
