//! What a token says, and that verifiers which know nothing of grantd accept it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use grantd::clock::Clock;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::claims_of;
use crate::app::{HowTo, TestApp, texts};

/// A token of the how-to, its API signing with `alg`.
pub(crate) fn token_signed_by(app: &TestApp, howto: &HowTo, alg: &str) -> String {
    app.set("Api", &howto.api, "signingAlg", &json!(alg));
    app.token_for(howto, &[("scope", "write")]).expect(200)["access_token"].as_str().unwrap().to_owned()
}

/// The server's JWKS.
pub(crate) fn jwks(app: &TestApp) -> JwkSet {
    serde_json::from_value(app.send("GET", "/oauth2/.well-known/jwks.json", &[], b"").expect(200)).unwrap()
}

/// The claims of a token that a resource server accepts: one that has `keys`, and knows issuer and audience.
/// The times are for the caller to check: this verifier reads the machine's clock, the test's stands still.
pub(crate) fn verified(app: &TestApp, keys: &JwkSet, token: &str) -> Option<Value> {
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap())?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[format!("{}/oauth2/", app.url)]);
    validation.set_audience(&["myrestapi"]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
    validation.validate_exp = false;
    let decoded = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation);
    Some(decoded.ok()?.claims)
}

#[test]
fn the_claims_are_those_of_rfc_9068_under_every_algorithm() {
    let app = TestApp::start();
    let howto = app.howto();
    let keys = jwks(&app);
    for (name, alg) in [("RS256", Algorithm::RS256), ("ES256", Algorithm::ES256), ("EdDSA", Algorithm::EdDSA)] {
        let token = token_signed_by(&app, &howto, name);
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (alg, Some("at+jwt")), "{name}");
        let claims = verified(&app, &keys, &token).expect(name);
        let members = (claims["client_id"] == howto.client_id.as_str(), claims["sub"] == howto.account.as_str());
        assert_eq!(members, (true, true), "{name}");
        assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(claims, {
                ".iss" => "[issuer]", ".sub" => "[account]", ".client_id" => "[client]", ".jti" => "[id]",
            }, @r#"
            {
              "iss": "[issuer]",
              "sub": "[account]",
              "aud": "myrestapi",
              "client_id": "[client]",
              "iat": 1800007200,
              "nbf": 1800007200,
              "exp": 1800010800,
              "jti": "[id]",
              "scope": "write",
              "scp": [
                "write"
              ]
            }
            "#);
        }
    }
}

#[test]
fn no_other_key_and_no_changed_token_verifies() {
    let app = TestApp::start();
    // Manual clocks have their RSA keys in common.
    let stranger = TestApp::on(tempfile::tempdir().unwrap(), Clock::system(), |_| {});
    let howto = app.howto();
    let (keys, mut other_keys) = (jwks(&app), jwks(&stranger));
    // Under the same names: it is the signature that must fail.
    for other in &mut other_keys.keys {
        let namesake = keys.keys.iter().find(|key| key.common.key_algorithm == other.common.key_algorithm);
        other.common.key_id.clone_from(&namesake.unwrap().common.key_id);
    }
    for alg in ["RS256", "ES256", "EdDSA"] {
        let token = token_signed_by(&app, &howto, alg);
        assert!(verified(&app, &keys, &token).is_some(), "{alg}");
        assert!(verified(&app, &other_keys, &token).is_none(), "{alg}: the key of another server");
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = head.split_once('.').unwrap();
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let widened = BASE64_URL_SAFE_NO_PAD.encode(text.replace("\"write\"", "\"admin\""));
        assert_ne!(widened, payload);
        assert!(verified(&app, &keys, &format!("{header}.{widened}.{signature}")).is_none(), "{alg}: changed claims");
    }
}

#[test]
fn ed25519_dalek_verifies_eddsa_strictly() {
    let app = TestApp::start();
    let token = token_signed_by(&app, &app.howto(), "EdDSA");
    let set = app.send("GET", "/.well-known/jwks.json", &[], b"").expect(200);
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    let key = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid.as_str()).unwrap();
    assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    let public: [u8; 32] = decode(key["x"].as_str().unwrap()).try_into().unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&decode(signature)).unwrap();
    let public = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
    public.verify_strict(message.as_bytes(), &signature).unwrap();
    assert!(public.verify_strict(&message.as_bytes()[1..], &signature).is_err());
}

#[test]
fn several_scopes_are_a_string_and_an_array_in_the_callers_order() {
    let app = TestApp::start();
    let howto = app.howto();
    app.set("Grant", &howto.grant, "scopes", &json!(["read", "write"]));
    let answer = app.token_for(&howto, &[("scope", "write read write")]).expect(200);
    assert_eq!(answer["scope"], "write read");
    let claims = crate::app::claims(answer["access_token"].as_str().unwrap());
    assert_eq!(claims["scope"], "write read");
    assert_eq!(texts(&claims["scp"]), ["write", "read"]);
}

#[test]
fn two_tokens_are_never_the_same() {
    let app = TestApp::start();
    let howto = app.howto();
    let jti = || claims_of(app.token_for(&howto, &[("scope", "write")]))["jti"].clone();
    assert_ne!(jti(), jti(), "though the clock stands still");
}

#[test]
fn the_audience_uri_is_the_aud_however_the_api_is_named() {
    let app = TestApp::start();
    let howto = app.howto();
    let uri = "https://api.example.com/v1";
    app.set("Api", &howto.api, "audience", &json!(uri));
    for target in [vec![], vec![("resource", uri)], vec![("audience", "myrestapi")]] {
        let parameters = [&[("scope", "write")], target.as_slice()].concat();
        assert_eq!(claims_of(app.token_for(&howto, &parameters))["aud"], uri, "{target:?}");
    }
}

#[test]
fn an_api_adds_claims_of_its_own() {
    let app = TestApp::start();
    let howto = app.howto();
    let attributes = json!({"department": {"name": "ops", "floors": [1, 2]}, "tier": "gold", "empty": null});
    app.set("ServiceAccount", &howto.account, "attributes", &attributes);
    let wanted = json!({
        "stage": {"value": "production"},
        "limits": {"value": {"perMinute": 60, "burst": [1, 2.5, null, true]}},
        "https://example.com/department": {"attribute": "department.name"},
        "floors": {"attribute": "department.floors"},
        "tier": {"attribute": "tier"},
        "missing": {"attribute": "department.head.name"},
        "through_a_text": {"attribute": "tier.name"},
    });
    app.set("Api", &howto.api, "claims", &wanted);
    let claims = claims_of(app.token_for(&howto, &[("scope", "write")]));
    assert_eq!(claims["stage"], "production");
    assert_eq!(claims["limits"], json!({"perMinute": 60, "burst": [1, 2.5, null, true]}));
    assert_eq!(claims["https://example.com/department"], "ops");
    assert_eq!(claims["floors"], json!([1, 2]));
    assert_eq!(claims["tier"], "gold");
    assert_eq!((claims.get("missing"), claims.get("through_a_text")), (None, None), "left out, not null");
    assert_eq!(claims.as_object().unwrap().len(), 10 + 5);
    app.set("ServiceAccount", &howto.account, "attributes", &json!({"tier": "silver"}));
    let claims = claims_of(app.token_for(&howto, &[("scope", "write")]));
    assert_eq!((&claims["tier"], claims.get("floors")), (&json!("silver"), None), "seen by the next request");
}

#[test]
fn reserved_claims_are_refused_when_the_api_is_saved() {
    let app = TestApp::start();
    let howto = app.howto();
    let reserved =
        ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "scp", "cnf", "act", "may_act", "azp"];
    for name in reserved {
        let body = json!({"Operations": [{"op": "replace", "path": "claims", "value": {name: {"value": "forged"}}}]});
        let answer = app.admin("PATCH", &format!("/resources/cid/Api/{}", howto.api), &body).expect(400);
        assert_eq!(answer["validation"][0]["propertyPath"], format!("/claims/{name}"), "{answer}");
        let message = answer["validation"][0]["message"].as_str().unwrap();
        assert!(message.contains("choose another name"), "{message}");
    }
}

#[test]
fn a_reserved_claim_written_past_the_admin_api_does_not_reach_a_token() {
    let app = TestApp::start();
    let howto = app.howto();
    let connection = rusqlite::Connection::open(app.database()).unwrap();
    let forged = json!({"sub": {"value": "root"}, "scp": {"value": ["admin"]}, "fine": {"value": 1}}).to_string();
    connection.execute("UPDATE api SET claims = ?1 WHERE app_id = 'myrestapi'", [forged]).unwrap();
    let token = app.token_for(&howto, &[("scope", "write")]).expect(200)["access_token"].clone();
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!((text.matches("\"sub\"").count(), text.matches("\"scp\"").count()), (1, 1), "{text}");
    assert!(text.contains("\"fine\":1") && !text.contains("root") && !text.contains("admin"), "{text}");
}
