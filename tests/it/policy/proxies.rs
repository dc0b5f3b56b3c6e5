//! Addresses behind reverse proxies: a list of networks is worth nothing if a caller can choose its address.

use std::net::TcpListener;

use grantd::config::Config;
use serde_json::{Value, json};

use super::{attach, howto_with_both_scopes, upload};
use crate::app::{Answer, HowTo, TestApp};

const IP_ALLOWLIST: &[u8] = include_bytes!("../../../policies/ip-allowlist/policy.wasm");

/// A server that trusts these proxies, and lets tokens go to 192.0.2.0/24 alone.
fn guarded(trusted: &[&str]) -> (TestApp, HowTo) {
    let trusted = trusted.iter().map(|proxy| (*proxy).to_owned()).collect();
    guarded_with(|config| config.trusted_proxies = trusted)
}

/// A server that lets tokens go to 192.0.2.0/24 alone.
fn guarded_with(change: impl FnOnce(&mut Config)) -> (TestApp, HowTo) {
    let app = TestApp::with(change);
    let howto = howto_with_both_scopes(&app);
    upload(&app, IP_ALLOWLIST);
    attach(
        &app,
        "office",
        "ip-allowlist",
        &json!({"type": "server"}),
        &json!({"settings": {"allow": ["192.0.2.0/24"]}}),
    );
    (app, howto)
}

fn ask(app: &TestApp, howto: &HowTo, forwarded_for: &[&str]) -> Answer {
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend(forwarded_for.iter().map(|value| ("x-forwarded-for", *value)));
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &howto.client_id)
        .append_pair("client_secret", &howto.client_secret)
        .append_pair("scope", "read")
        .finish();
    app.send("POST", "/oauth2/token", &headers, body.as_bytes())
}

#[test]
fn a_caller_cannot_choose_its_address() {
    let (app, howto) = guarded(&[]);
    for forwarded in [&[][..], &["192.0.2.1"], &["192.0.2.1, 127.0.0.1"]] {
        let refused = ask(&app, &howto, forwarded).expect(400);
        let text = refused["error_description"].as_str().unwrap();
        assert!(text.contains("read cannot be had from 127.0.0.1"), "{text}");
    }
}

#[test]
fn a_trusted_proxy_names_the_caller_and_a_caller_before_it_nobody() {
    let (app, howto) = guarded(&["127.0.0.1"]);
    ask(&app, &howto, &["192.0.2.1"]).expect(200);
    ask(&app, &howto, &["203.0.113.9, 192.0.2.1"]).expect(200);
    // What the caller wrote stands left of what the proxy saw.
    for forwarded in [&["192.0.2.1, 203.0.113.9"][..], &["192.0.2.1", "203.0.113.9"], &["192.0.2.1, nonsense"], &[""]] {
        ask(&app, &howto, forwarded).expect(400);
    }
}

/// What the newest decision says of it, as text.
fn recorded(app: &TestApp) -> String {
    app.admin("GET", "/decisions?count=1", &Value::Null).expect(200)["Resources"][0].to_string()
}

#[test]
fn an_address_of_ipv4_is_one_however_it_comes() {
    let (app, howto) = guarded(&["127.0.0.1"]);
    ask(&app, &howto, &["::ffff:192.0.2.1"]).expect(200);
    assert!(recorded(&app).contains("\"192.0.2.1\""), "{}", recorded(&app));
    // To a listener for both, callers over IPv4 come with addresses of IPv6.
    if TcpListener::bind("[::]:0").is_err() {
        return;
    }
    let (mut app, howto) = guarded_with(|config| {
        config.listen = "[::]:0".to_owned();
        config.tls.allow_plain = true;
    });
    app.url = app.url.replace("[::]", "127.0.0.1");
    let refused = ask(&app, &howto, &[]).expect(400);
    let text = refused["error_description"].as_str().unwrap();
    assert!(text.contains("read cannot be had from 127.0.0.1"), "{text}");
    assert!(recorded(&app).contains("\"127.0.0.1\""), "{}", recorded(&app));
}
