//! Secrets that people chose: any printable character, hashed slowly, remembered after their first success.

use form_urlencoded::byte_serialize;
use serde_json::{Value, json};

use super::{WRITE, curl_form, refused};
use crate::app::{Answer, HowTo, TestApp};

/// A client of the how-to's account with an id and a secret of its own.
fn imported(app: &TestApp, howto: &HowTo, client_id: &str, secret: &str) -> Value {
    app.create(
        "MachineToMachine",
        &json!({
            "displayName": "imported", "serviceAccountId": howto.account, "clientId": client_id, "clientSecret": secret,
        }),
    )
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn in_body(app: &TestApp, id: &str, secret: &str) -> Answer {
    app.token(&[&WRITE[..], &[("client_id", id), ("client_secret", secret)]].concat())
}

#[test]
fn every_printable_character_survives_every_way_in() {
    let app = TestApp::start();
    let howto = app.howto();
    let secrets = [
        "p%40ss+w:rd with=all&more",
        "100%-sure+that:this=is&fine",
        "%C3%A4%zz%00%ff+++:::===&&&1",
        "tilde~quote\"back\\slash'semi;1",
        " blanks at both ends 01234 ",
    ];
    for (number, secret) in secrets.into_iter().enumerate() {
        let id = format!("client-{number}");
        let made = imported(&app, &howto, &id, secret);
        assert_eq!(made.get("clientSecret"), None, "a secret that the caller knows is not sent back");
        assert!(!made.to_string().contains(secret), "{made}");
        let form = [&WRITE[..], &[("client_id", id.as_str()), ("client_secret", secret)]].concat();
        let (content_type, body) = curl_form(&form);
        for (way, answer) in [
            ("in the body", in_body(&app, &id, secret)),
            ("multipart", app.send("POST", "/oauth2/token", &[("content-type", &content_type)], body.as_bytes())),
            ("Basic, encoded", app.token_by_basic(&encoded(&id), &encoded(secret), &WRITE)),
            ("Basic, raw", app.token_by_basic(&id, secret, &WRITE)),
        ] {
            assert_eq!(answer.status, 200, "{secret:?} {way}: {}", answer.text);
        }
        let longer = format!("{secret}!");
        refused(&in_body(&app, &id, &longer), 401, "invalid_client", &[]);
        refused(&app.token_by_basic(&id, &longer, &WRITE), 401, "invalid_client", &[]);
        refused(&in_body(&app, &id, &encoded(secret)), 401, "invalid_client", &[]);
    }
}

#[test]
fn a_client_id_with_a_colon_works_encoded() {
    let app = TestApp::start();
    let howto = app.howto();
    let (id, secret) = ("urn:svc:periodic+1", "imported secret 0123456789");
    imported(&app, &howto, id, secret);
    app.token_by_basic(&encoded(id), &encoded(secret), &WRITE).expect(200);
    in_body(&app, id, secret).expect(200);
    let named_twice = [&WRITE[..], &[("client_id", id)]].concat();
    app.token_by_basic(&encoded(id), &encoded(secret), &named_twice).expect(200);
}

#[test]
fn a_remembered_secret_is_forgotten_the_moment_it_is_ended() {
    let app = TestApp::start();
    let howto = app.howto();
    let (first, second) = ("imported secret, the first", "imported secret, the second");
    let client = imported(&app, &howto, "importer", first);
    let secrets = format!("/resources/cid/MachineToMachine/{}/secrets", client["id"].as_str().unwrap());
    let made = app.admin("POST", &secrets, &json!({"clientSecret": second})).expect(201);
    assert_eq!((&made["imported"], &made["last4"]), (&json!(true), &json!("cond")));
    for _ in 0..2 {
        in_body(&app, "importer", first).expect(200);
        in_body(&app, "importer", second).expect(200);
    }
    refused(&in_body(&app, "importer", "imported secret, the third"), 401, "invalid_client", &[]);
    app.end_secret(client["id"].as_str().unwrap(), first);
    refused(&in_body(&app, "importer", first), 401, "invalid_client", &[]);
    in_body(&app, "importer", second).expect(200);
    let app = app.restart();
    refused(&in_body(&app, "importer", first), 401, "invalid_client", &[]);
    in_body(&app, "importer", second).expect(200);
}

#[test]
fn a_remembered_secret_ends_at_its_time() {
    let app = TestApp::start();
    let howto = app.howto();
    let (client, secret) = (&howto.client, "imported for an hour only");
    let expires_at = app.clock.now().plus_seconds(3600).to_string();
    let body = json!({"clientSecret": secret, "expiresAt": expires_at});
    app.admin("POST", &format!("/resources/cid/MachineToMachine/{client}/secrets"), &body).expect(201);
    in_body(&app, &howto.client_id, secret).expect(200);
    app.advance(3600);
    refused(&in_body(&app, &howto.client_id, secret), 401, "invalid_client", &[]);
}

#[test]
fn one_secret_in_two_clients_stays_two_secrets() {
    let app = TestApp::start();
    let howto = app.howto();
    let secret = "shared by two imported clients";
    let first = imported(&app, &howto, "first", secret);
    imported(&app, &howto, "second", secret);
    in_body(&app, "first", secret).expect(200);
    in_body(&app, "second", secret).expect(200);
    app.set("MachineToMachine", first["id"].as_str().unwrap(), "active", &json!(false));
    refused(&in_body(&app, "first", secret), 400, "unauthorized_client", &["not active"]);
    in_body(&app, "second", secret).expect(200);
}

#[test]
fn a_generated_secret_moves_to_another_server_as_it_is() {
    let (old, new) = (TestApp::start(), TestApp::start());
    let made = old.howto();
    let howto = new.howto();
    let moved = imported(&new, &howto, "moved", &made.client_secret);
    assert_eq!(moved["credentials"][0]["imported"], false, "256 random bits need no slow hash");
    in_body(&new, "moved", &made.client_secret).expect(200);
}
