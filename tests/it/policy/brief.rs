//! Brief calls, which the request's own thread makes: whichever thread a policy is asked by, it gets the same chance, says
//! the same and is recorded alike; and one that is brief for some is trusted for nobody else.

use serde_json::{Value, json};

use super::isolation::somebody_else;
use super::modules::Twist;
use super::{attach, upload};
use crate::app::{HowTo, TestApp, claims};

/// A policy that goes by how long the account's name is: 4 characters burn a little and trap, 6 burn more than a brief call
/// may, 7 never end, and any other gets what it asks for at once.
fn moody() -> Vec<u8> {
    let more = "
        (func $burn (param $left i32) (loop $again
            (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $again (local.get $left))))
        (func $go-by (param $length i32)
            (if (i32.eq (local.get $length) (i32.const 4)) (then (call $burn (i32.const 1000)) (unreachable)))
            (if (i32.eq (local.get $length) (i32.const 6)) (then (call $burn (i32.const 100000))))
            (if (i32.eq (local.get $length) (i32.const 7)) (then (loop $again (br $again)))))";
    // The name is the second text of the request.
    let evaluate = "(call $go-by (i32.load offset=12 (local.get $request))) (call $permit (local.get $request))";
    Twist { name: "moody".to_owned(), more: more.to_owned(), evaluate, ..Twist::default() }.component()
}

/// How a request ended, by its only step: the error if there was one, the verdict, and the fuel.
fn asked(app: &TestApp, howto: &HowTo) -> (Option<String>, String, u64) {
    let answer = app.token_for(howto, &[("scope", "read")]);
    let json = answer.json();
    let id = match json["access_token"].as_str() {
        Some(token) => claims(token)["jti"].as_str().unwrap().to_owned(),
        None => json["error_description"].as_str().unwrap().rsplit(' ').next().unwrap().to_owned(),
    };
    let decision = app.admin("GET", &format!("/decisions/{id}"), &Value::Null).expect(200);
    let step = &decision["steps"][0];
    assert_eq!(step["reused"], false, "{decision}");
    (
        decision["error"].as_str().map(str::to_owned),
        step["verdict"].as_str().unwrap().to_owned(),
        step["fuel"].as_u64().unwrap(),
    )
}

#[test]
fn a_policy_says_the_same_to_whichever_thread_asks_it() {
    let app = TestApp::with(|config| config.policies.reuse = false);
    app.howto();
    let [quick, long, endless, trap] = ["quick", "longer", "endless", "trap"].map(|name| somebody_else(&app, name));
    upload(&app, &moody());
    attach(&app, "moody", "moody", &json!({"type": "server"}), &json!({}));
    let permitted = |fuel| (None, "permit".to_owned(), fuel);
    // Nothing is known of it yet: this one is asked where it may take its time, and the next ones by the request's thread.
    let (_, _, little) = asked(&app, &quick);
    assert!(little < 10_000, "{little}");
    for _ in 0..3 {
        assert_eq!(asked(&app, &quick), permitted(little));
    }
    // Once after a brief call, cut short and asked again; once where it is known to take longer.
    let (_, _, much) = asked(&app, &long);
    assert!(much > 250_000, "{much}");
    for _ in 0..2 {
        assert_eq!(asked(&app, &long), permitted(much));
        assert_eq!(asked(&app, &quick), permitted(little));
        assert_eq!(asked(&app, &quick), permitted(little));
    }
    // Failing denies, either way; and nobody else notices.
    for (who, error, least) in [(&endless, "policy_timeout", 1_000_000), (&trap, "policy_trap", 1000)] {
        for _ in 0..2 {
            let (told, verdict, fuel) = asked(&app, who);
            assert_eq!((told.as_deref(), verdict.as_str()), (Some(error), "failed"));
            assert!(fuel > least, "{error}: {fuel}");
            assert_eq!(asked(&app, &quick), permitted(little));
            assert_eq!(asked(&app, &quick), permitted(little));
        }
    }
}

#[test]
fn many_brief_policies_are_asked_in_their_order() {
    const POLICIES: usize = 40;
    let app = TestApp::with(|config| config.policies.reuse = false);
    app.howto();
    let quick = somebody_else(&app, "quick");
    upload(&app, &moody());
    for number in 0..POLICIES {
        attach(&app, &format!("p{number}"), "moody", &json!({"type": "server"}), &json!({"order": number}));
    }
    for _ in 0..3 {
        let token = app.token_for(&quick, &[("scope", "read")]).expect(200);
        let id = claims(token["access_token"].as_str().unwrap())["jti"].clone();
        let decision = app.admin("GET", &format!("/decisions/{}", id.as_str().unwrap()), &Value::Null).expect(200);
        let names: Vec<&str> =
            decision["steps"].as_array().unwrap().iter().map(|step| step["policy"].as_str().unwrap()).collect();
        assert_eq!(names, (0..POLICIES).map(|number| format!("p{number}")).collect::<Vec<_>>());
    }
}
