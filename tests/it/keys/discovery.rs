//! What clients and verifiers find by themselves: metadata at every address, and the key set.

use serde_json::{Value, json};

use super::with_next_keys;
use crate::app::TestApp;

const OPENID: [&str; 4] = [
    "/oauth2/.well-known/openid-configuration",
    "/oauth2/default/.well-known/openid-configuration",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/oauth2",
];
const OAUTH: [&str; 3] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/oauth2",
    "/oauth2/.well-known/oauth-authorization-server",
];
const KEYS: [&str; 2] = ["/oauth2/.well-known/jwks.json", "/.well-known/jwks.json"];

fn get(app: &TestApp, path: &str) -> Value {
    let answer = app.send("GET", path, &[], b"");
    assert_eq!(answer.header("content-type"), "application/json", "{path}");
    assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
    assert_eq!(answer.header("cache-control"), "public, max-age=300", "{path}");
    answer.expect(200)
}

#[test]
fn every_address_tells_the_same_issuer_and_endpoints() {
    let app = TestApp::start();
    let issuer = format!("{}/oauth2/", app.url);
    for paths in [&OPENID[..], &OAUTH] {
        let first = get(&app, paths[0]);
        assert_eq!(first["issuer"], issuer.as_str(), "with the slash at its end");
        assert_eq!(first["token_endpoint"], format!("{issuer}token"));
        assert_eq!(first["jwks_uri"], format!("{issuer}.well-known/jwks.json"));
        assert_eq!(first["grant_types_supported"], json!(["client_credentials"]));
        for path in paths {
            assert_eq!(get(&app, path), first, "{path}");
            assert_eq!(app.send("GET", &format!("{path}/"), &[], b"").expect(200), first, "{path}/");
        }
    }
}

#[test]
fn openid_clients_find_what_they_stop_without() {
    let app = TestApp::start();
    let document = get(&app, OPENID[0]);
    let issuer = document["issuer"].as_str().unwrap();
    for endpoint in
        ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint", "jwks_uri"]
    {
        assert!(document[endpoint].as_str().unwrap().starts_with(issuer), "{endpoint}");
    }
    for list in ["response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"] {
        assert!(!document[list].as_array().unwrap().is_empty(), "{list}");
    }
    // Those that exist for a sign-in say in OAuth's words that there is none.
    for path in ["/oauth2/auth", "/oauth2/userinfo", "/oauth2/logout"] {
        for method in ["GET", "POST"] {
            let refused = app.send(method, path, &[], b"").expect(400);
            assert_eq!(refused["error"], "invalid_request", "{method} {path}");
            assert!(refused["error_description"].as_str().unwrap().contains("client_credentials"), "{method} {path}");
        }
    }
}

#[test]
fn no_list_of_the_metadata_is_empty() {
    // RFC 8414 3.2: claims with zero elements must be omitted, but for the one that section 2 requires.
    let app = TestApp::start();
    for path in OPENID.iter().chain(&OAUTH) {
        let document = get(&app, path);
        let empty: Vec<_> = document.as_object().unwrap().iter().filter(|(_, value)| **value == json!([])).collect();
        assert!(empty.is_empty(), "{path}: {empty:?}");
    }
}

#[test]
fn every_key_names_itself_its_use_and_its_algorithm_and_nothing_private() {
    let app = with_next_keys(TestApp::start());
    let set = get(&app, KEYS[0]);
    assert_eq!(get(&app, KEYS[1]), set);
    let keys = set["keys"].as_array().unwrap();
    let mut kinds = Vec::new();
    for key in keys {
        assert_eq!(key["kid"].as_str().unwrap().len(), 22);
        assert_eq!(key["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert_eq!(key.get(private), None, "{private}");
        }
        kinds.push((key["kty"].as_str().unwrap(), key["alg"].as_str().unwrap()));
    }
    kinds.dedup();
    assert_eq!(kinds[0], ("RSA", "RS256"), "the one that every verifier knows comes first");
    kinds.sort_unstable();
    assert_eq!(kinds, [("EC", "ES256"), ("OKP", "EdDSA"), ("RSA", "RS256")]);
}

#[test]
fn head_is_answered_like_get_and_other_methods_are_told() {
    let app = TestApp::start();
    for path in OPENID.iter().chain(&OAUTH).chain(&KEYS) {
        let head = app.send("HEAD", path, &[], b"");
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-type"), "application/json", "{path}");
        let post = app.send("POST", path, &[], b"");
        assert_eq!(post.status, 405, "{path}");
        assert!(post.header("allow").contains("GET"), "{path}");
    }
}
