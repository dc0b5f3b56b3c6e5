//! What `grantd dev` has and no other server: a clock that can be set, faults on demand, keys that everybody knows,
//! tokens that live a second.

use grantd::clock::Timestamp;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, claims};
use crate::program::{Program, complaint, run, told};
use crate::token::refused;

fn start() -> TestApp {
    TestApp::dev(tempfile::tempdir().unwrap(), false)
}

fn send(app: &TestApp, method: &str, path: &str, body: &Value) -> Answer {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    app.send(method, path, &[], &bytes)
}

fn clock(app: &TestApp, body: &Value) -> Answer {
    send(app, "POST", "/dev/clock", body)
}

fn faults(app: &TestApp, body: &Value) -> Answer {
    send(app, "POST", "/dev/faults", body)
}

#[test]
fn the_clock_is_set_advanced_frozen_and_released() {
    let app = start();
    let howto = app.howto();
    let shown = send(&app, "GET", "/dev/clock", &Value::Null).expect(200);
    assert_eq!((&shown["offsetSeconds"], &shown["frozen"]), (&json!(0), &json!(false)));

    let set = clock(&app, &json!({"set": "2040-02-29T12:00:00Z", "frozen": true})).expect(200);
    assert_eq!(set, json!({"now": "2040-02-29T12:00:00.000Z", "offsetSeconds": null, "frozen": true}));
    let token = app.access_token(&howto, &[("scope", "write")]);
    let issued = Timestamp::parse("2040-02-29T12:00:00Z").unwrap().unix_seconds();
    assert_eq!(claims(&token)["iat"], issued);
    let is_active = || {
        let form = [("token", token.as_str())];
        app.form("/oauth2/introspect", &howto.basic(), &form).expect(200)["active"].clone()
    };
    assert_eq!(is_active(), true);
    let advanced = clock(&app, &json!({"advance": 3599})).expect(200);
    assert_eq!(advanced["now"], "2040-02-29T12:59:59.000Z", "it goes on standing still");
    assert_eq!(is_active(), true);
    clock(&app, &json!({"advance": 1})).expect(200);
    assert_eq!(is_active(), false);
    clock(&app, &json!({"advance": -3600})).expect(200);
    assert_eq!(is_active(), true);

    let running = clock(&app, &json!({"set": "2040-02-29T12:00:00Z", "frozen": false})).expect(200);
    assert_eq!(running["frozen"], false);
    assert!(running["now"].as_str().unwrap().starts_with("2040-02-29T12:00:"), "{running}");
    let released = clock(&app, &json!({"release": true})).expect(200);
    assert_eq!(released["offsetSeconds"], 0);
    assert!(released["now"].as_str().unwrap() < "2040");
}

#[test]
fn what_time_makes_due_is_done_at_once() {
    let app = start();
    let keys = |state: &str| {
        let all = app.admin("GET", "/keys", &Value::Null).expect(200)["Resources"].as_array().unwrap().clone();
        all.iter().filter(|key| key["state"] == state).map(|key| key["kid"].clone()).collect::<Vec<_>>()
    };
    clock(&app, &json!({"advance": 0})).expect(200);
    let (next, active) = (keys("next"), keys("active"));
    assert_eq!((next.len(), active.len()), (3, 3));
    clock(&app, &json!({"advance": 91 * 86_400})).expect(200);
    assert_eq!((keys("active"), keys("retired")), (next, active));
}

#[test]
fn a_clock_is_not_set_by_halves() {
    let app = start();
    let cases = [
        (json!({}), "send one of set, advance and release"),
        (json!({"set": "2040-01-01T00:00:00Z", "advance": 1}), "send one of set, advance and release"),
        (json!({"set": "tomorrow"}), "RFC 3339"),
        (json!({"advance": 1e12 as i64}), "must be from -315576000 to 315576000"),
        (json!({"advance": "1h"}), "must be a whole number"),
        (json!({"advence": 1}), "did you mean advance?"),
        (json!([]), "must be a JSON object"),
        (Value::Null, "must be a JSON object"),
    ];
    for (body, wanted) in cases {
        let answer = clock(&app, &body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text.contains(wanted), "{body}: {}", answer.text);
    }
    assert_eq!(send(&app, "GET", "/dev/clock", &Value::Null).expect(200)["offsetSeconds"], 0);
    assert_eq!(send(&app, "DELETE", "/dev/clock", &Value::Null).header("allow"), "GET, POST");
}

#[test]
fn the_next_token_requests_fail_as_they_are_told_to() {
    let app = start();
    let howto = app.howto();
    let ask = || app.token_for(&howto, &[("scope", "write")]);
    faults(&app, &json!({"error": "temporarily_unavailable", "count": 2})).expect(200);
    let waiting = faults(&app, &json!({"error": "invalid_client"})).expect(200);
    assert_eq!(
        waiting["faults"],
        json!([
            {"count": 2, "delayMilliseconds": 0, "error": "temporarily_unavailable", "status": 503},
            {"count": 1, "delayMilliseconds": 0, "error": "invalid_client", "status": 401},
        ])
    );
    for left in [1, 0] {
        let answer = ask();
        refused(&answer, 503, "temporarily_unavailable", &["a fault on demand"]);
        assert_eq!(answer.header("retry-after"), "1");
        let first = send(&app, "GET", "/dev/faults", &Value::Null).expect(200)["faults"][0].clone();
        assert_eq!(first["count"], if left == 1 { 1 } else { first["count"].as_i64().unwrap() });
    }
    refused(&ask(), 401, "invalid_client", &["a fault on demand"]);
    ask().expect(200);
    // A proxy's refusal, with a status of its own.
    faults(&app, &json!({"status": 429})).expect(200);
    let answer = ask();
    assert_eq!((answer.status, answer.header("retry-after")), (429, "1"));
    // A delay alone changes no answer, and nothing else suffers.
    faults(&app, &json!({"delayMilliseconds": 30})).expect(200);
    app.admin("GET", "/keys", &Value::Null).expect(200);
    ask().expect(200);
    faults(&app, &json!({"error": "server_error", "count": 10_000})).expect(200);
    assert_eq!(send(&app, "DELETE", "/dev/faults", &Value::Null).status, 204);
    ask().expect(200);
}

#[test]
fn faults_are_bounded_and_checked() {
    let app = start();
    for (body, wanted) in [
        (json!({}), "say what the requests suffer"),
        (json!({"count": 5}), "say what the requests suffer"),
        (json!({"error": "oops"}), "must be one of invalid_request"),
        (json!({"status": 200}), "must be one of 400"),
        (json!({"status": 70_000}), "must be from 0 to 65535"),
        (json!({"error": "server_error", "count": 0}), "must be from 1 to 10000"),
        (json!({"delayMilliseconds": 60_001}), "must be from 0 to 60000"),
        (json!({"delay": 1}), "did you mean delayMilliseconds?"),
    ] {
        let answer = faults(&app, &body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        assert!(answer.text.contains(wanted), "{body}: {}", answer.text);
    }
    for _ in 0..100 {
        faults(&app, &json!({"error": "server_error"})).expect(200);
    }
    let answer = faults(&app, &json!({"error": "server_error"}));
    assert_eq!(answer.status, 409);
    assert!(answer.text.contains("DELETE takes them back"));
}

#[test]
fn tokens_may_live_for_a_second() {
    let app = start();
    let howto = app.howto();
    app.set("Api", &howto.api, "tokenLifetimeSeconds", &json!(1));
    assert_eq!(app.token_for(&howto, &[("scope", "write")]).expect(200)["expires_in"], 1);
    let body = json!({"Operations": [{"op": "replace", "path": "tokenLifetimeSeconds", "value": 0}]});
    let answer = app.admin("PATCH", &format!("/resources/cid/Api/{}", howto.api), &body);
    assert!(answer.text.contains("must be from 1 to 86400"), "{}", answer.text);
    let server = TestApp::start();
    let howto = server.howto();
    let body = json!({"Operations": [{"op": "replace", "path": "tokenLifetimeSeconds", "value": 59}]});
    let answer = server.admin("PATCH", &format!("/resources/cid/Api/{}", howto.api), &body);
    assert!(answer.text.contains("must be from 60 to 86400"), "{}", answer.text);
}

#[test]
fn fixed_keys_are_the_same_everywhere_and_say_that_they_are() {
    let apps = [0, 1].map(|_| TestApp::dev(tempfile::tempdir().unwrap(), true));
    let jwks = apps.each_ref().map(|app| app.send("GET", "/oauth2/.well-known/jwks.json", &[], b"").expect(200));
    assert_eq!(jwks[0], jwks[1]);
    insta::assert_json_snapshot!(jwks[0]);
    for path in ["/.well-known/oauth-authorization-server/oauth2", "/oauth2/.well-known/openid-configuration"] {
        let told = |app: &TestApp| app.send("GET", path, &[], b"").expect(200)["insecure_fixed_keys"].clone();
        assert_eq!((told(&apps[0]), told(&start())), (json!(true), Value::Null));
    }
    let howto = apps[0].howto();
    for alg in ["RS256", "ES256", "EdDSA"] {
        apps[0].set("Api", &howto.api, "signingAlg", &json!(alg));
        let token = apps[0].access_token(&howto, &[("scope", "write")]);
        let form = [("token", token.as_str())];
        assert_eq!(apps[0].form("/oauth2/introspect", &howto.basic(), &form).expect(200)["active"], true, "{alg}");
    }
    let rotate = apps[0].admin("POST", "/keys/rotate", &json!({"force": true}));
    assert_eq!(rotate.status, 409);
    assert!(rotate.text.contains("start it without --fixed-keys"), "{}", rotate.text);
    clock(&apps[0], &json!({"advance": 300 * 86_400})).expect(200);
    assert_eq!(apps[0].send("GET", "/oauth2/.well-known/jwks.json", &[], b"").expect(200), jwks[0], "they never age");
}

#[test]
fn pages_of_other_sites_reach_no_handle() {
    let app = start();
    for path in ["/dev/clock", "/dev/faults", "/dev/none"] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = app.send(method, path, &[("origin", "https://evil.example.com")], br#"{"advance":1}"#);
            assert_eq!(answer.status, 403, "{method} {path}");
        }
    }
}

#[test]
fn serve_has_none_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &["--fixed-keys"]);
    assert!(std::fs::read_to_string(dir.path().join("stdout.txt")).unwrap().contains("everybody knows them"));
    assert!(
        std::fs::read_to_string(dir.path().join("stderr.txt")).unwrap().contains("fixed keys that everybody knows")
    );
    let fixed = program.try_send("GET", "/oauth2/.well-known/jwks.json", &[], b"").unwrap().json();
    assert_eq!(program.try_send("GET", "/dev/clock", &[], b"").unwrap().status, 200);
    program.stop();
    let program = Program::serve(dir.path(), &[]);
    for path in ["/dev", "/dev/", "/dev/clock", "/dev/faults", "//dev/clock", "/%64ev/clock", "/dev/./clock"] {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            let answer = program.try_send(method, path, &[], br#"{"advance":1}"#).unwrap();
            assert_eq!(answer.status, 404, "{method} {path}");
        }
    }
    let own = program.try_send("GET", "/oauth2/.well-known/jwks.json", &[], b"").unwrap().json();
    assert_ne!(own, fixed);
    assert!(!own.to_string().contains("Insecure"), "{own}");
    let metadata = program.try_send("GET", "/oauth2/.well-known/openid-configuration", &[], b"").unwrap();
    assert!(!metadata.text.contains("insecure"), "{}", metadata.text);
    program.stop();
    let output = run(dir.path(), &["serve", "--fixed-keys"]);
    assert_eq!(output.status.code(), Some(2), "{}", complaint(&output));
    assert!(told(&run(dir.path(), &["dev", "--help"])).contains("--fixed-keys"));
}
