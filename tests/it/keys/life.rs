//! `next` is published, `active` signs, `retired` stays published until what it signed has expired.

use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};

use super::{in_state, kid_of, with_next_keys};
use crate::app::{TestApp, eventually};
use crate::token::claims::{jwks, token_signed_by, verified};

const ALGS: [&str; 3] = ["RS256", "ES256", "EdDSA"];
const DAY_SECONDS: i64 = 86_400;

fn kids(set: &JwkSet) -> Vec<String> {
    set.keys.iter().map(|key| key.common.key_id.clone().unwrap()).collect()
}

fn rotate(app: &TestApp, body: &Value) -> crate::app::Answer {
    app.admin("POST", "/keys/rotate?reason=drill", body)
}

#[test]
fn a_next_key_that_does_not_open_is_not_made_to_sign() {
    let app = with_next_keys(TestApp::start());
    let active = in_state(&app, "active");
    let (clock, dir) = (app.clock.clone(), app.into_dir());
    let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    let damage = "UPDATE signing_key SET private_sealed = zeroblob(length(private_sealed)) WHERE state = 'next'";
    assert_eq!(database.execute(damage, []).unwrap(), ALGS.len());
    drop(database);
    let app = TestApp::on(dir, clock, |_| {});
    rotate(&app, &json!({"force": true})).expect(500);
    assert_eq!(in_state(&app, "active"), active);
    assert_eq!(in_state(&app.restart(), "active"), active);
}

#[test]
fn a_key_is_announced_signs_retires_and_leaves() {
    let app = with_next_keys(TestApp::start());
    let howto = app.howto();
    let announced = jwks(&app);
    assert_eq!(announced.keys.len(), 6, "the keys to come are published beside those that sign");
    let (active, next) = (in_state(&app, "active"), in_state(&app, "next"));
    let before: Vec<String> = ALGS.iter().map(|alg| token_signed_by(&app, &howto, alg)).collect();

    // Too soon: verifiers that keep a copy of the key set may not know the next key yet.
    let refused = rotate(&app, &json!({})).expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("before 2027-01-16T10:00:"), "{refused}");
    assert_eq!(in_state(&app, "active"), active);

    app.advance(DAY_SECONDS);
    let app = app.restart();
    rotate(&app, &json!({})).expect(200);
    for alg in ALGS {
        assert_eq!(kid_of(&in_state(&app, "active"), alg), kid_of(&next, alg), "what was announced signs now");
        assert_eq!(kid_of(&in_state(&app, "retired"), alg), kid_of(&active, alg));
        assert_ne!(kid_of(&in_state(&app, "next"), alg), kid_of(&next, alg));
        // A verifier that has not looked since takes the tokens of the new key.
        let token = token_signed_by(&app, &howto, alg);
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid, Some(kid_of(&next, alg)));
        verified_anywhere(&app, &announced, &token);
    }
    // One that looks for the first time takes those of the old key.
    for token in &before {
        verified_anywhere(&app, &jwks(&app), token);
    }

    // The longest token lives a day; an hour more, and the old keys are gone.
    let retired = in_state(&app, "retired");
    assert_eq!(retired[0]["removeAt"], "2027-01-17T11:00:00.000Z");
    app.advance(DAY_SECONDS + 3599);
    let app = app.restart();
    assert_eq!(in_state(&app, "retired"), retired);
    app.advance(1);
    let app = app.restart();
    eventually("the end of the retired keys", || in_state(&app, "retired").is_empty().then_some(()));
    let left = kids(&jwks(&app));
    for alg in ALGS {
        assert!(!left.contains(&kid_of(&active, alg)), "{alg}");
    }
    let commits = "/audit/commits?filter=reason%20eq%20%22everything%20this%20key%20signed%20has%20expired%22";
    assert_eq!(app.admin("GET", commits, &Value::Null).expect(200)["totalResults"], 3);
}

/// As [`verified`], for a token of a server that has since moved to another port, and so to another issuer.
fn verified_anywhere(app: &TestApp, keys: &JwkSet, token: &str) {
    let issuer = crate::app::claims(token)["iss"].as_str().unwrap().to_owned();
    assert!(issuer.ends_with("/oauth2/"));
    let key = keys.find(jsonwebtoken::decode_header(token).unwrap().kid.as_deref().unwrap()).expect("its key");
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::decode_header(token).unwrap().alg);
    validation.set_issuer(&[issuer.as_str()]);
    validation.set_audience(&["myrestapi"]);
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap();
    if issuer == format!("{}/oauth2/", app.url) {
        assert!(verified(app, keys, token).is_some());
    }
}

#[test]
fn keys_rotate_by_themselves_when_they_are_old_and_their_successor_is_known() {
    let app = with_next_keys(TestApp::start());
    let next = in_state(&app, "next");
    app.advance(90 * DAY_SECONDS - 1);
    let app = app.restart();
    assert_eq!(in_state(&app, "retired").len(), 0, "a second too soon");
    app.advance(1);
    let app = app.restart();
    eventually("the rotation", || (in_state(&app, "retired").len() == 3).then_some(()));
    for alg in ALGS {
        assert_eq!(kid_of(&in_state(&app, "active"), alg), kid_of(&next, alg));
    }
    let commits = "/audit/commits?filter=reason%20eq%20%22signing%20key%20is%20due%20for%20rotation%22";
    let commits = app.admin("GET", commits, &Value::Null).expect(200);
    assert_eq!(commits["totalResults"], 3);
    assert_eq!(commits["Resources"][0]["actor"]["type"], "system");
}

#[test]
fn a_successor_that_nobody_knows_yet_waits_even_when_the_key_is_old() {
    let app = TestApp::start();
    app.advance(91 * DAY_SECONDS);
    let clock = app.clock.clone();
    let dir = app.into_dir();
    let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    database.execute("DELETE FROM signing_key WHERE state = 'next'", []).unwrap();
    drop(database);
    // The successors are made only now, when the keys that sign are long due.
    let app = with_next_keys(TestApp::on(dir, clock, |_| {})).restart();
    assert_eq!(in_state(&app, "retired").len(), 0);
    app.advance(DAY_SECONDS);
    let app = app.restart();
    eventually("the rotation, a day later", || (in_state(&app, "retired").len() == 3).then_some(()));
}

#[test]
fn one_algorithm_is_rotated_alone_and_force_does_not_wait() {
    let app = with_next_keys(TestApp::start());
    let howto = app.howto();
    let active = in_state(&app, "active");
    let token = token_signed_by(&app, &howto, "ES256");
    let keys = rotate(&app, &json!({"alg": "ES256", "force": true})).expect(200);
    assert_eq!(keys["totalResults"], 7);
    for alg in ["RS256", "EdDSA"] {
        assert_eq!(kid_of(&in_state(&app, "active"), alg), kid_of(&active, alg));
    }
    assert_ne!(kid_of(&in_state(&app, "active"), "ES256"), kid_of(&active, "ES256"));
    assert!(verified(&app, &jwks(&app), &token).is_some(), "what the old key signed stays good");
    let commit = "/audit/commits?filter=reason%20eq%20%22drill%22";
    let commit = app.admin("GET", commit, &Value::Null).expect(200)["Resources"][0].clone();
    let states: Vec<_> =
        commit["changes"].as_array().unwrap().iter().map(|change| change["after"]["state"].clone()).collect();
    assert_eq!(states, ["retired", "next", "active"]);
    // Again at once: each rotation takes the key that the one before made.
    rotate(&app, &json!({"alg": "ES256", "force": true})).expect(200);
    assert_eq!(in_state(&app, "retired").len(), 2);
    assert!(verified(&app, &jwks(&app), &token).is_some());
}

#[test]
fn rotations_at_the_same_moment_come_one_after_the_other() {
    let app = with_next_keys(TestApp::with(|config| config.workers = Some(2)));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| rotate(&app, &json!({"alg": "EdDSA", "force": true})).expect(200));
        }
    });
    assert_eq!(in_state(&app, "retired").len(), 4);
    assert_eq!((in_state(&app, "active").len(), in_state(&app, "next").len()), (3, 3));
}

#[test]
fn a_rotation_that_is_asked_for_badly_says_what_to_change() {
    let app = with_next_keys(TestApp::start());
    let keys = app.admin("GET", "/keys", &Value::Null).expect(200);
    for (body, path, says) in [
        (json!({"alg": "HS256"}), "/alg", "RS256"),
        (json!({"alg": 256}), "/alg", "string"),
        (json!({"force": "yes"}), "/force", "true or false"),
        (json!({"forse": true}), "/forse", "force"),
    ] {
        let refused = rotate(&app, &body).expect(400);
        assert_eq!(refused["validation"][0]["propertyPath"], path, "{body}");
        let message = refused["validation"][0]["message"].as_str().unwrap();
        assert!(message.contains(says), "{body}: {message}");
    }
    assert_eq!(app.admin("GET", "/keys", &Value::Null).expect(200), keys);
}

#[test]
fn the_admin_api_takes_a_token_of_a_retired_key() {
    let app = with_next_keys(TestApp::start());
    let howto = app.howto();
    app.create("Grant", &json!({"serviceAccountId": howto.account, "apiId": "grantd", "scopes": ["read"]}));
    let token = app.token_for(&howto, &[("resource", "grantd"), ("scope", "read")]).expect(200);
    let token = token["access_token"].as_str().unwrap();
    app.admin_as(token, "GET", "/keys", &Value::Null).expect(200);
    rotate(&app, &json!({"force": true})).expect(200);
    app.admin_as(token, "GET", "/keys", &Value::Null).expect(200);
}

/// After a leak: the key that leaked leaves at once, and with it every token that it signed.
#[test]
fn a_retired_key_goes_before_its_time_and_no_other_does() {
    let app = with_next_keys(TestApp::start());
    let howto = app.howto();
    let token = token_signed_by(&app, &howto, "ES256");
    let leaked = kid_of(&in_state(&app, "active"), "ES256");
    let path = |kid: &str| format!("/keys/{kid}?reason=leaked");
    for state in ["active", "next"] {
        let kid = kid_of(&in_state(&app, state), "ES256");
        let refused = app.admin("DELETE", &path(&kid), &Value::Null).expect(409);
        assert!(refused["detail"].as_str().unwrap().contains("rotate the keys of that algorithm"), "{refused}");
    }
    rotate(&app, &json!({"alg": "ES256", "force": true})).expect(200);
    assert_eq!(app.admin("GET", &format!("/keys/{leaked}"), &Value::Null).expect(200)["state"], "retired");
    assert!(kids(&jwks(&app)).contains(&leaked));
    app.admin("DELETE", &path(&leaked), &Value::Null).expect(204);
    assert!(!kids(&jwks(&app)).contains(&leaked));
    app.admin("GET", &format!("/keys/{leaked}"), &Value::Null).expect(404);
    app.admin("DELETE", &path(&leaked), &Value::Null).expect(404);
    let looked = app.form("/oauth2/introspect", &howto.basic(), &[("token", &token)]).expect(200);
    assert_eq!(looked["active"], json!(false));
    verified(&app, &jwks(&app), &token_signed_by(&app, &howto, "ES256")).unwrap();
    let app = app.restart();
    assert!(!kids(&jwks(&app)).contains(&leaked));
}
