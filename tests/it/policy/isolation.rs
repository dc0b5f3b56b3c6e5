//! One policy's trouble is nobody else's: slow and hostile ones beside good requests, through the real server.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use grantd::clock::Clock;
use serde_json::{Value, json};

use super::hostile::{HOSTILE, Stage, hostile};
use super::modules::{harmless, slow};
use super::{SCOPE_ALLOWLIST, attach, howto_with_both_scopes, scopes, upload, upload_as};
use crate::app::{HowTo, TestApp, eventually};

/// Another account with a client of its own, granted both scopes of the how-to's API.
pub fn somebody_else(app: &TestApp, name: &str) -> HowTo {
    let account = app.create("ServiceAccount", &json!({"userName": name, "active": true}));
    let client = app.create("MachineToMachine", &json!({"displayName": name, "serviceAccountId": name}));
    let grant =
        app.create("Grant", &json!({"serviceAccountId": name, "apiId": "myrestapi", "scopes": ["read", "write"]}));
    let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();
    HowTo {
        account: text(&account, "id"),
        client: text(&client, "id"),
        client_id: text(&client, "clientId"),
        client_secret: text(&client, "clientSecret"),
        api: text(&grant, "apiId"),
        grant: text(&grant, "id"),
    }
}

#[test]
fn every_hostile_module_is_refused_or_denies_and_no_one_else_notices() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    let other = somebody_else(&app, "other");
    for (name, latest) in HOSTILE {
        let answer = upload_as(&app, &app.admin_token, &hostile(name));
        if answer.status == 400 {
            let text = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(matches!(latest, Stage::Load | Stage::Describe | Stage::Harmless), "{name}: {text}");
            assert!(text.contains("the module") && text.contains("is refused: "), "{name}: {text}");
        } else {
            let digest = answer.json()["digest"].as_str().unwrap().to_owned();
            let to = json!({"type": "client", "id": howto.client_id});
            let body = super::body(name, &digest, &to, &json!({"settings": {}}));
            let attached = app.admin("POST", "/resources/cid/Policy", &body);
            if attached.status == 400 {
                let at = attached.json()["validation"][0]["propertyPath"].as_str().unwrap().to_owned();
                assert!(["/settings", "/moduleDigest"].contains(&at.as_str()), "{name}: {}", attached.text);
                assert!(matches!(latest, Stage::ValidateSettings | Stage::Evaluate), "{name}: {}", attached.text);
            } else {
                let policy = attached.expect(201)["id"].as_str().unwrap().to_owned();
                match scopes(&app, &howto) {
                    Ok(given) => {
                        assert_eq!(*latest, Stage::Harmless, "{name}");
                        assert!(
                            given.iter().all(|scope| ["read", "write"].contains(&scope.as_str())),
                            "{name}: {given:?}"
                        );
                    }
                    Err(text) => {
                        assert_eq!(*latest, Stage::Evaluate, "{name}: {text}");
                        assert!(text.contains(name) && text.contains("; decision "), "{name}: {text}");
                    }
                }
                app.admin("DELETE", &format!("/resources/cid/Policy/{policy}"), &Value::Null).expect(204);
            }
        }
        assert_eq!(scopes(&app, &other).unwrap(), ["read", "write"], "beside {name}");
    }
}

#[test]
fn slow_policies_do_not_hold_up_requests_that_need_no_sandbox() {
    let app = TestApp::with(|config| {
        config.policies.fuel = 20_000_000_000;
        config.policies.deadline_ms = 60_000;
        config.policies.concurrent = Some(2);
        config.policies.reuse = false;
        config.policies.wait_ms = 50;
    });
    let howto = howto_with_both_scopes(&app);
    let other = somebody_else(&app, "other");
    upload(&app, &slow(300));
    attach(&app, "slow", "slow", &json!({"type": "client", "id": howto.client_id}), &json!({}));
    let (issued, busy, good) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..4 {
                        let answer = app.token_for(&howto, &[("scope", "read")]);
                        match answer.status {
                            200 => issued.fetch_add(1, Ordering::SeqCst),
                            503 => {
                                assert_eq!(answer.json()["error"], "temporarily_unavailable");
                                assert_eq!(answer.header("retry-after"), "1");
                                assert!(answer.text.contains("policy_busy"), "{}", answer.text);
                                busy.fetch_add(1, Ordering::SeqCst)
                            }
                            other => panic!("{other}: {}", answer.text),
                        };
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                app.token_for(&other, &[("scope", "read")]).expect(200);
                good.fetch_add(1, Ordering::SeqCst);
            }
        });
        for one in crowd {
            one.join().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    assert!(count(&issued) > 0, "nothing slow came through");
    assert!(count(&busy) > 0, "six at a time never met the bound of two");
    assert!(count(&good) > count(&issued), "{} good requests beside {} slow ones", count(&good), count(&issued));
}

#[test]
fn whoever_asks_policies_again_leaves_turns_to_token_requests() {
    let app = TestApp::with(|config| {
        config.policies.fuel = 20_000_000_000;
        config.policies.deadline_ms = 60_000;
        config.policies.concurrent = Some(2);
        config.policies.reuse = false;
    });
    let howto = howto_with_both_scopes(&app);
    upload(&app, &slow(50));
    attach(&app, "slow", "slow", &json!({"type": "client", "id": howto.client_id}), &json!({}));
    app.token_for(&howto, &[("scope", "read")]).expect(200);
    let decisions = app.admin("GET", "/decisions?count=1", &Value::Null).expect(200);
    let decision = format!("/decisions/{}", decisions["Resources"][0]["id"].as_str().unwrap());
    for (method, what) in [("GET", "grounds"), ("POST", "replay")] {
        let path = format!("{decision}/{what}");
        let (answers, meanwhile) = std::thread::scope(|scope| {
            let crowd: Vec<_> = (0..12).map(|_| scope.spawn(|| app.admin(method, &path, &Value::Null))).collect();
            let mut meanwhile = 0;
            while !crowd.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                app.token_for(&howto, &[("scope", "read")]).expect(200);
                meanwhile += 1;
            }
            (crowd.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>(), meanwhile)
        });
        let (told, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert!(!told.is_empty() && meanwhile > 0, "{what}: {} told, {meanwhile} tokens", told.len());
        for answer in busy {
            assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.text);
        }
    }
}

#[test]
fn an_explanation_whose_time_ends_before_its_turn_comes_says_so() {
    let app = TestApp::on(tempfile::tempdir().unwrap(), Clock::system(), |config| {
        config.policies.fuel = u64::MAX / 2;
        config.policies.deadline_ms = 5_000;
        config.policies.concurrent = Some(1);
        config.policies.wait_ms = 20_000;
    });
    let howto = howto_with_both_scopes(&app);
    let other = somebody_else(&app, "other");
    upload(&app, SCOPE_ALLOWLIST);
    let narrow = json!({"settings": {"allow": ["read"]}});
    attach(&app, "narrow", "scope-allowlist", &json!({"type": "client", "id": howto.client_id}), &narrow);
    assert_eq!(scopes(&app, &howto).unwrap(), ["read"]);
    let decisions = app.admin("GET", "/decisions?count=1", &Value::Null).expect(200);
    let grounds = format!("/decisions/{}/grounds", decisions["Resources"][0]["id"].as_str().unwrap());
    let endless = upload(&app, &hostile("infinite-loop"))["digest"].as_str().unwrap().to_owned();
    attach(&app, "endless", &endless, &json!({"type": "client", "id": other.client_id}), &json!({}));
    std::thread::scope(|scope| {
        scope.spawn(|| scopes(&app, &other).unwrap_err());
        let unknown = eventually("an explanation that waits for the other's turn", || {
            let explained = app.admin("GET", &grounds, &Value::Null).expect(200);
            explained["steps"][0]["unknown"].as_str().map(str::to_owned)
        });
        assert!(unknown.contains("the wait for a turn, took the time"), "{unknown}");
    });
}

#[test]
fn a_touched_compiled_form_is_not_run_but_made_anew() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    let digest = upload(&app, SCOPE_ALLOWLIST)["digest"].as_str().unwrap().to_owned();
    attach(&app, "narrow", &digest, &json!({"type": "server"}), &json!({"settings": {"allow": ["read"]}}));
    assert_eq!(scopes(&app, &howto).unwrap(), ["read"]);
    let (clock, dir) = (app.clock.clone(), app.into_dir());
    let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    // The code of another module, under this one's name, and with one bit turned: neither may be run.
    let artifact: Vec<u8> = database.query_row("SELECT artifact FROM policy_artifact", [], |row| row.get(0)).unwrap();
    let mut touched = artifact.clone();
    let middle = touched.len() / 2;
    touched[middle] ^= 1;
    database.execute("UPDATE policy_artifact SET artifact = ?1", [&touched]).unwrap();
    drop(database);
    let app = TestApp::on(dir, clock, |_| {});
    assert_eq!(scopes(&app, &howto).unwrap(), ["read"]);
    let dir = app.into_dir();
    let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    let made: Vec<u8> = database.query_row("SELECT artifact FROM policy_artifact", [], |row| row.get(0)).unwrap();
    assert_ne!(made, touched, "the touched form was kept");
}

#[test]
fn a_module_whose_bytes_were_touched_denies_and_says_so() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    let digest = upload(&app, SCOPE_ALLOWLIST)["digest"].as_str().unwrap().to_owned();
    attach(&app, "narrow", &digest, &json!({"type": "server"}), &json!({"settings": {"allow": ["read"]}}));
    let (clock, dir) = (app.clock.clone(), app.into_dir());
    let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    database.execute("DELETE FROM policy_artifact", []).unwrap();
    database.execute("UPDATE policy_module SET wasm = ?1", [&harmless("scope-allowlist")]).unwrap();
    drop(database);
    let app = TestApp::on(dir, clock, |_| {});
    let answer = app.token_for(&howto, &[("scope", "read")]);
    let json = answer.expect(500);
    assert_eq!(json["error"], "server_error");
    let text = json["error_description"].as_str().unwrap();
    assert!(text.contains("policy_unavailable: the policy narrow failed"), "{text}");
    let id = text.rsplit(' ').next().unwrap();
    let decision = app.admin("GET", &format!("/decisions/{id}"), &Value::Null).expect(200);
    assert_eq!((&decision["outcome"], &decision["error"]), (&json!("failed"), &json!("policy_unavailable")));
    assert!(decision["steps"][0]["reason"].as_str().unwrap().contains("its bytes were changed"), "{decision}");
}
