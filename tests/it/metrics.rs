//! `/metrics`: counts in the text format of Prometheus, open to whoever reaches the server, and silent about whom.

use serde_json::{Value, json};

use crate::app::TestApp;

/// A sample's value.
fn value(text: &str, sample: &str) -> u64 {
    let line = text.lines().find(|line| line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(' ')));
    line.unwrap_or_else(|| panic!("{sample} is not in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn requests_are_counted_by_how_they_ended() {
    let app = TestApp::with(|config| config.throttle.failures_per_minute = 1);
    let howto = app.howto();
    let before = app.send("GET", "/metrics", &[], b"");
    assert_eq!(before.status, 200);
    assert!(before.header("content-type").starts_with("text/plain; version=0.0.4"));
    for _ in 0..3 {
        app.token_for(&howto, &[("scope", "write")]).expect(200);
    }
    app.token_for(&howto, &[("scope", "read")]).expect(400);
    for status in [401, 429] {
        app.token(&[("grant_type", "client_credentials"), ("client_id", "x"), ("client_secret", "y")]).expect(status);
    }
    app.admin("GET", "/decisions", &Value::Null).expect(200);
    let text = app.send("GET", "/metrics", &[], b"").text;
    for (sample, wanted) in [
        ("grantd_token_requests_total{outcome=\"issued\",error=\"\"}", 3),
        ("grantd_token_requests_total{outcome=\"refused\",error=\"invalid_scope\"}", 1),
        ("grantd_token_requests_total{outcome=\"refused\",error=\"invalid_client\"}", 1),
        ("grantd_token_requests_total{outcome=\"refused\",error=\"temporarily_unavailable\"}", 1),
        ("grantd_token_requests_total{outcome=\"failed\",error=\"temporarily_unavailable\"}", 0),
        ("grantd_token_requests_total{outcome=\"failed\",error=\"server_error\"}", 0),
        ("grantd_decisions_written_total", 6),
        ("grantd_decisions_not_written_total{reason=\"queue_full\"}", 0),
        ("grantd_policy_questions_total{answer=\"evaluated\"}", 0),
    ] {
        assert_eq!(value(&text, sample), wanted, "{sample}");
    }
    assert!(value(&text, "grantd_database_commits_total") > 0);
    for secret in [&howto.client_id, &howto.account, "periodic", "myrestapi"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn reuse_and_refused_writes_are_counted() {
    let app = TestApp::start();
    let howto = app.howto();
    let wasm = include_bytes!("../../policies/scope-allowlist/policy.wasm");
    let authorization = format!("Bearer {}", app.admin_token);
    let headers = [("authorization", authorization.as_str())];
    assert_eq!(app.send("POST", "/api/v1/policy-modules", &headers, wasm).status, 201);
    let policy = json!({"name": "p", "moduleDigest": "scope-allowlist", "attachedTo": {"type": "server"},
        "settings": {"allow": ["*"]}});
    app.create("Policy", &policy);
    for _ in 0..3 {
        app.token_for(&howto, &[("scope", "write")]).expect(200);
    }
    assert_eq!(app.admin("POST", "/resources/cid/Policy", &policy).status, 409);
    let text = app.send("GET", "/metrics", &[], b"").text;
    assert!(value(&text, "grantd_policy_answers_bytes") > 0);
    assert_eq!(value(&text, "grantd_policy_questions_total{answer=\"reused\"}"), 2);
    assert_eq!(value(&text, "grantd_policy_questions_total{answer=\"evaluated\"}"), 1);
    assert_eq!(value(&text, "grantd_policy_answers"), 1);
    assert_eq!(value(&text, "grantd_database_writes_total{result=\"refused\"}"), 1);
}

#[test]
fn every_line_is_of_the_format() {
    let app = TestApp::start();
    let text = app.send("GET", "/metrics", &[], b"").text;
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family = name.to_owned();
        } else if !line.starts_with("# HELP ") {
            assert!(line.starts_with(&family), "{line} stands under {family}");
            assert!(line.rsplit(' ').next().unwrap().parse::<u64>().is_ok(), "{line}");
        }
    }
    assert_eq!(app.send("POST", "/metrics", &[], b"").status, 405);
}
