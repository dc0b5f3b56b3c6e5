//! Addresses behind reverse proxies: a list of networks is worth nothing if a caller can choose its address.

use serde_json::json;

use super::{attach, howto_with_both_scopes, upload};
use crate::app::{Answer, HowTo, TestApp};

const IP_ALLOWLIST: &[u8] = include_bytes!("../../../policies/ip-allowlist/policy.wasm");

/// A server that trusts these proxies, and lets tokens go to 192.0.2.0/24 alone.
fn guarded(trusted: &[&str]) -> (TestApp, HowTo) {
    let trusted = trusted.iter().map(|proxy| (*proxy).to_owned()).collect();
    let app = TestApp::with(|config| config.trusted_proxies = trusted);
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
