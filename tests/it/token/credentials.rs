//! Client authentication by secret: several at a time, their windows, and what a stranger can tell.

use serde_json::{Value, json};

use super::{WRITE, refused};
use crate::app::{Answer, HowTo, TestApp, eventually};

/// Makes a secret and answers it.
fn new_secret(app: &TestApp, howto: &HowTo, body: &Value) -> Value {
    app.admin("POST", &secrets(howto), body).expect(201)
}

fn secrets(howto: &HowTo) -> String {
    format!("/resources/cid/MachineToMachine/{}/secrets", howto.client)
}

fn with_secret(app: &TestApp, howto: &HowTo, secret: &str) -> Answer {
    app.token(&[&WRITE[..], &[("client_id", howto.client_id.as_str()), ("client_secret", secret)]].concat())
}

#[test]
fn a_secret_is_replaced_without_a_gap() {
    let app = TestApp::start();
    let howto = app.howto();
    let second = new_secret(&app, &howto, &Value::Null);
    let second = second["clientSecret"].as_str().unwrap();
    assert!(second.starts_with("gsec_") && second.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{second}");
    with_secret(&app, &howto, &howto.client_secret).expect(200);
    with_secret(&app, &howto, second).expect(200);
    app.end_secret(&howto.client, &howto.client_secret);
    let ended = with_secret(&app, &howto, &howto.client_secret);
    refused(&ended, 401, "invalid_client", &["check client_id and client_secret"]);
    with_secret(&app, &howto, second).expect(200);
    let app = app.restart();
    refused(&with_secret(&app, &howto, &howto.client_secret), 401, "invalid_client", &[]);
    with_secret(&app, &howto, second).expect(200);
}

#[test]
fn a_secret_works_from_its_start_to_its_end() {
    let app = TestApp::start();
    let howto = app.howto();
    let at = |seconds: i64| app.clock.now().plus_seconds(seconds).to_string();
    let made = new_secret(&app, &howto, &json!({"notBefore": at(100), "expiresAt": at(200)}));
    let secret = made["clientSecret"].as_str().unwrap();
    let early = with_secret(&app, &howto, secret);
    refused(&early, 401, "invalid_client", &[]);
    app.advance(100);
    with_secret(&app, &howto, secret).expect(200);
    app.advance(99);
    with_secret(&app, &howto, secret).expect(200);
    app.advance(1);
    let late = with_secret(&app, &howto, secret);
    assert_eq!((late.status, &late.text), (401, &early.text));
    with_secret(&app, &howto, &howto.client_secret).expect(200);
    app.advance(-1);
    with_secret(&app, &howto, secret).expect(200);
}

#[test]
fn a_secret_opens_its_own_client_only() {
    let app = TestApp::start();
    let howto = app.howto();
    let other = app.create("MachineToMachine", &json!({"displayName": "other", "serviceAccountId": howto.account}));
    let other_secret = other["clientSecret"].as_str().unwrap();
    refused(&with_secret(&app, &howto, other_secret), 401, "invalid_client", &[]);
    for wrong in [&howto.client_secret[1..], &howto.client_secret.to_uppercase(), &format!("{} ", howto.client_secret)]
    {
        refused(&with_secret(&app, &howto, wrong), 401, "invalid_client", &[]);
    }
}

/// Status, body and headers, but for those that differ between any two answers.
fn comparable(answer: &Answer) -> (u16, String, Vec<(String, Vec<u8>)>) {
    let differs = |name: &str| name == "date" || name == "x-request-id";
    let headers = answer.headers.iter().filter(|(name, _)| !differs(name.as_str()));
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    headers.sort();
    (answer.status, answer.text.clone(), headers)
}

#[test]
fn an_unknown_client_and_a_wrong_secret_look_the_same() {
    let app = TestApp::start();
    let howto = app.howto();
    let other = app.create("MachineToMachine", &json!({"displayName": "other", "serviceAccountId": howto.account}));
    let generated = other["clientSecret"].as_str().unwrap();
    let inactive = app
        .create("MachineToMachine", &json!({"displayName": "off", "serviceAccountId": howto.account, "active": false}));
    let human = "correct horse battery staple";
    let ids = [howto.client_id.as_str(), "nobody", inactive["clientId"].as_str().unwrap(), "\u{e4}\u{1f980}%00"];
    // The second round has an imported secret in the database, which switches slow hashing on.
    for round in 0..2 {
        let mut seen = Vec::new();
        for id in ids {
            for secret in [generated, "gsec_looksgenerated", human, "x"] {
                let parameters = [&WRITE[..], &[("client_id", id), ("client_secret", secret)]].concat();
                seen.push((id, secret, comparable(&app.token(&parameters))));
                seen.push((id, secret, comparable(&app.token_by_basic(id, secret, &WRITE))));
            }
        }
        for (id, secret, answer) in &seen {
            assert_eq!(answer, &seen[0].2, "round {round}: {id} with {secret}");
        }
        let imported = json!({"displayName": "imported", "serviceAccountId": howto.account, "clientSecret": "imported secret 0123456789"});
        app.create("MachineToMachine", &imported);
    }
}

#[test]
fn what_is_wrong_with_a_known_client_is_told_only_to_who_has_its_secret() {
    let app = TestApp::start();
    let howto = app.howto();
    let wrong = with_secret(&app, &howto, "not the secret");
    app.set("MachineToMachine", &howto.client, "active", &json!(false));
    refused(&with_secret(&app, &howto, &howto.client_secret), 400, "unauthorized_client", &["not active"]);
    assert_eq!(comparable(&with_secret(&app, &howto, "not the secret")), comparable(&wrong));
}

#[test]
fn the_last_use_is_written_down_soon_after() {
    let app = TestApp::start();
    let howto = app.howto();
    let last_used = || {
        let list = app.admin("GET", &secrets(&howto), &Value::Null).expect(200);
        list["Resources"][0]["lastUsedAt"].as_str().map(str::to_owned)
    };
    refused(&with_secret(&app, &howto, "not the secret"), 401, "invalid_client", &[]);
    assert_eq!(last_used(), None);
    let first = app.clock.now().to_string();
    with_secret(&app, &howto, &howto.client_secret).expect(200);
    assert_eq!(eventually("the first use", last_used), first);
    app.advance(3600);
    let second = app.clock.now().to_string();
    with_secret(&app, &howto, &howto.client_secret).expect(200);
    eventually("the second use", || last_used().filter(|at| *at == second));
}
