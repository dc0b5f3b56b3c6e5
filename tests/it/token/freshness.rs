//! What is taken away is gone by the very next request, whoever took it; what time does, it does on time.

use serde_json::{Value, json};

use super::{WRITE, claims_of, refused};
use crate::app::{Answer, HowTo, TestApp};

fn write(app: &TestApp, howto: &HowTo) -> Answer {
    app.token_for(howto, &[("scope", "write")])
}

#[test]
fn a_change_is_seen_by_the_next_request_and_so_is_its_end() {
    let app = TestApp::start();
    let howto = app.howto();
    let (basic, both) = (json!(["client_secret_basic"]), json!(["client_secret_basic", "client_secret_post"]));
    let cases = [
        (
            "ServiceAccount",
            &howto.account,
            "active",
            json!(false),
            json!(true),
            "unauthorized_client",
            "service account",
        ),
        ("MachineToMachine", &howto.client, "active", json!(false), json!(true), "unauthorized_client", "integration"),
        ("Api", &howto.api, "active", json!(false), json!(true), "invalid_scope", "not granted"),
        (
            "Grant",
            &howto.grant,
            "scopes",
            json!(["read"]),
            json!(["read", "write"]),
            "invalid_scope",
            "myrestapi: write;",
        ),
        (
            "MachineToMachine",
            &howto.client,
            "allowedAuthMethods",
            basic,
            both,
            "invalid_client",
            "client_secret_basic only",
        ),
    ];
    for (kind, id, member, off, on, error, says) in cases {
        write(&app, &howto).expect(200);
        app.set(kind, id, member, &off);
        let status = if error == "invalid_client" { 401 } else { 400 };
        refused(&write(&app, &howto), status, error, &[says]);
        app.set(kind, id, member, &on);
        write(&app, &howto).expect(200);
    }
}

#[test]
fn an_inactive_api_looks_like_one_that_is_not_there() {
    let app = TestApp::start();
    let howto = app.howto();
    app.set("Api", &howto.api, "active", &json!(false));
    let answer = app.token_for(&howto, &[("scope", "write"), ("resource", "myrestapi")]);
    refused(&answer, 400, "invalid_target", &["myrestapi"]);
}

#[test]
fn the_method_that_is_still_allowed_goes_on() {
    let app = TestApp::start();
    let howto = app.howto();
    let by_basic = || app.token_by_basic(&howto.client_id, &howto.client_secret, &WRITE);
    app.set("MachineToMachine", &howto.client, "allowedAuthMethods", &json!(["client_secret_basic"]));
    by_basic().expect(200);
    app.set("MachineToMachine", &howto.client, "allowedAuthMethods", &json!(["client_secret_post"]));
    refused(&by_basic(), 401, "invalid_client", &["client_secret_post only"]);
    write(&app, &howto).expect(200);
}

#[test]
fn a_revoked_grant_and_a_removed_client_are_gone_at_once() {
    let app = TestApp::start();
    let howto = app.howto();
    write(&app, &howto).expect(200);
    app.admin("DELETE", &format!("/resources/cid/Grant/{}", howto.grant), &Value::Null).expect(204);
    refused(&write(&app, &howto), 400, "invalid_scope", &["write"]);
    let grant = json!({"serviceAccountId": howto.account, "apiId": howto.api, "scopes": ["write"]});
    app.create("Grant", &grant);
    write(&app, &howto).expect(200);
    app.admin("DELETE", &format!("/resources/cid/MachineToMachine/{}", howto.client), &Value::Null).expect(204);
    refused(&write(&app, &howto), 401, "invalid_client", &["unknown client or wrong secret"]);
}

#[test]
fn a_client_that_moves_to_another_account_gets_what_that_one_was_granted() {
    let app = TestApp::start();
    let howto = app.howto();
    write(&app, &howto).expect(200);
    let other = app.create("ServiceAccount", &json!({"userName": "other", "displayName": "Other", "active": true}));
    app.set("MachineToMachine", &howto.client, "serviceAccountId", &other["id"]);
    refused(&write(&app, &howto), 400, "invalid_scope", &["not granted"]);
}

#[test]
fn a_grant_holds_from_its_start_to_its_end_and_no_token_outlives_it() {
    let app = TestApp::start();
    let howto = app.howto();
    let at = |seconds: i64| json!(app.clock.now().plus_seconds(seconds).to_string());
    let window = json!({"Operations": [
        {"op": "replace", "path": "notBefore", "value": at(60)},
        {"op": "replace", "path": "expiresAt", "value": at(60 + 1800)},
    ]});
    app.admin("PATCH", &format!("/resources/cid/Grant/{}", howto.grant), &window).expect(200);
    refused(
        &write(&app, &howto),
        400,
        "invalid_scope",
        &["not granted", "A grant of this at myrestapi begins at 2027-"],
    );
    for (advance, expires_in) in [(60, 1800), (600, 1200), (1199, 1)] {
        app.advance(advance);
        let answer = write(&app, &howto).expect(200);
        assert_eq!(answer["expires_in"], expires_in);
        let claims = crate::app::claims(answer["access_token"].as_str().unwrap());
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), expires_in);
    }
    app.advance(1);
    let ended = &["not granted", "A grant of this at myrestapi ended at 2027-"];
    refused(&write(&app, &howto), 400, "invalid_scope", ended);
    refused(&app.token_for(&howto, &[]), 400, "invalid_scope", &["nothing is granted", ended[1]]);
    refused(
        &app.token_for(&howto, &[("resource", "myrestapi")]),
        400,
        "invalid_target",
        &["nothing is granted", ended[1]],
    );
    // It has nothing to do with what was never granted, or is granted elsewhere.
    for form in [[("scope", "never"), ("resource", "myrestapi")], [("scope", "write"), ("resource", "elsewhere")]] {
        let told = app.token_for(&howto, &form);
        assert!(told.status == 400 && !told.text.contains("A grant of this"), "{}", told.text);
    }

    // A token lives whole seconds, and so not for the last half of one.
    let end = at(1).as_str().unwrap().replace(".000Z", ".500Z");
    app.set("Grant", &howto.grant, "expiresAt", &json!(end));
    assert_eq!(write(&app, &howto).expect(200)["expires_in"], 1);
    app.advance(1);
    refused(&write(&app, &howto), 400, "invalid_scope", &["not granted"]);
}

#[test]
fn each_scope_lives_as_long_as_its_longest_grant() {
    let app = TestApp::start();
    let howto = app.howto();
    let until = |seconds: i64| app.clock.now().plus_seconds(seconds).to_string();
    for (scopes, seconds) in [(["read"], 600), (["read"], 900), (["write"], 300)] {
        let grant = json!({"serviceAccountId": howto.account, "apiId": howto.api, "scopes": scopes, "expiresAt": until(seconds)});
        app.create("Grant", &grant);
    }
    let expires_in = |scope| app.token_for(&howto, &[("scope", scope)]).expect(200)["expires_in"].clone();
    assert_eq!(expires_in("read"), 900, "two grants hold it: the later end counts");
    assert_eq!(expires_in("write"), 3600, "the first grant holds it without end");
    assert_eq!(expires_in("read write"), 900, "the shorter of both");
}

#[test]
fn a_restart_changes_nothing() {
    let app = TestApp::start();
    let howto = app.howto();
    let app = app.restart();
    write(&app, &howto).expect(200);
    app.set("ServiceAccount", &howto.account, "active", &json!(false));
    refused(&write(&app, &howto), 400, "unauthorized_client", &["service account"]);
    let app = app.restart();
    refused(&write(&app, &howto), 400, "unauthorized_client", &["service account"]);
    app.set("ServiceAccount", &howto.account, "active", &json!(true));
    write(&app, &howto).expect(200);
}

#[test]
fn a_clock_that_steps_back_stops_nobody() {
    let app = TestApp::start();
    let howto = app.howto();
    let before = claims_of(write(&app, &howto));
    app.advance(-86_400);
    let after = claims_of(write(&app, &howto));
    assert_eq!(after["iat"].as_i64().unwrap(), before["iat"].as_i64().unwrap() - 86_400);
    assert_ne!(after["jti"], before["jti"]);
    // Writes go on too, and are seen.
    app.set("ServiceAccount", &howto.account, "active", &json!(false));
    refused(&write(&app, &howto), 400, "unauthorized_client", &["service account"]);
    let app = app.restart();
    app.set("ServiceAccount", &howto.account, "active", &json!(true));
    write(&app, &howto).expect(200);
}

#[test]
fn what_another_program_writes_into_the_file_is_seen_at_once() {
    let app = TestApp::start();
    let howto = app.howto();
    let other = rusqlite::Connection::open(app.database()).unwrap();
    other.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    let cases = [
        ("UPDATE service_account SET active = 0", "UPDATE service_account SET active = 1", "unauthorized_client"),
        ("UPDATE machine_to_machine SET active = 0", "UPDATE machine_to_machine SET active = 1", "unauthorized_client"),
        ("UPDATE api SET active = 0", "UPDATE api SET active = 1", "invalid_scope"),
        ("UPDATE access_grant SET expires_at_ms = 5", "UPDATE access_grant SET expires_at_ms = NULL", "invalid_scope"),
        ("UPDATE credential SET expires_at_ms = 5", "UPDATE credential SET expires_at_ms = NULL", "invalid_client"),
    ];
    for (off, on, error) in cases {
        write(&app, &howto).expect(200);
        other.execute(off, []).unwrap();
        let answer = write(&app, &howto);
        refused(&answer, if error == "invalid_client" { 401 } else { 400 }, error, &[]);
        other.execute(on, []).unwrap();
    }
    write(&app, &howto).expect(200);
    other.execute("DELETE FROM grant_scope WHERE scope = 'write'", []).unwrap();
    refused(&write(&app, &howto), 400, "invalid_scope", &["not granted"]);
}
