//! Modules through the admin API: handed in once, known by their content, given out again, gone when nobody uses them.

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};

use super::modules::{Twist, harmless, padded_to};
use super::{SCOPE_ALLOWLIST, attach, upload, upload_as};
use crate::app::{TestApp, eventually};
use crate::program::connect;

#[test]
fn a_module_is_uploaded_once_and_comes_back_byte_for_byte() {
    let app = TestApp::start();
    let first = upload_as(&app, &app.admin_token, SCOPE_ALLOWLIST);
    assert_eq!(first.status, 201, "{}", first.text);
    let module = first.json();
    assert_eq!((&module["name"], &module["version"]), (&json!("scope-allowlist"), &json!("1.0.0")));
    assert_eq!(module["size"], SCOPE_ALLOWLIST.len());
    assert_eq!(module["manifest"]["name"], "scope-allowlist");
    assert!(module["compiledInMs"].is_u64());
    let digest = module["digest"].as_str().unwrap();
    let again = upload_as(&app, &app.admin_token, SCOPE_ALLOWLIST);
    assert_eq!((again.status, again.json()["digest"].as_str()), (200, Some(digest)));
    let list = app.admin("GET", "/policy-modules?filter=name%20sw%20%22scope%22", &Value::Null).expect(200);
    assert_eq!((&list["totalResults"], &list["Resources"][0]["digest"]), (&json!(1), &json!(digest)));
    for (path, accept) in [(format!("{digest}/wasm"), "*/*"), (digest.to_owned(), "application/wasm")] {
        let authorization = format!("Bearer {}", app.admin_token);
        let bytes = app.download(&format!("/api/v1/policy-modules/{path}"), &authorization, accept);
        assert_eq!(bytes, SCOPE_ALLOWLIST, "{path}");
    }
    let commits = app.admin("GET", "/audit/commits?count=100", &Value::Null).expect(200);
    let about = |one: &&Value| one["changes"][0]["resourceType"] == "PolicyModule";
    assert_eq!(commits["Resources"].as_array().unwrap().iter().filter(about).count(), 1, "one write");
}

#[test]
fn a_module_is_found_by_every_name_that_is_its_alone() {
    let app = TestApp::start();
    let digest = upload(&app, SCOPE_ALLOWLIST)["digest"].as_str().unwrap().to_owned();
    for named in [&digest, &digest[..12], "scope-allowlist", "scope-allowlist@1.0.0"] {
        let found = app.admin("GET", &format!("/policy-modules/{named}"), &Value::Null).expect(200);
        assert_eq!(found["digest"], json!(digest), "{named}");
    }
    for unknown in ["scope", "scope-allowlist@2.0.0", &digest[..8], &"0".repeat(64)] {
        let missing = app.admin("GET", &format!("/policy-modules/{unknown}"), &Value::Null).expect(404);
        assert!(missing["detail"].as_str().unwrap().contains("there is no policy module"), "{missing}");
    }
}

#[test]
fn two_modules_of_one_name_and_version_are_told_apart() {
    let app = TestApp::start();
    let first = upload(&app, &harmless("twin"));
    let second = upload(&app, &Twist { name: "twin".to_owned(), text: "x".to_owned(), ..Twist::default() }.component());
    assert_ne!(first["digest"], second["digest"]);
    assert_eq!(second["sameNameAndVersion"], json!([first["digest"]]));
    let missing = app.admin("GET", "/policy-modules/twin@1.0.0", &Value::Null).expect(404);
    let detail = missing["detail"].as_str().unwrap();
    for module in [&first, &second] {
        assert!(detail.contains(&module["digest"].as_str().unwrap()[..12]), "{detail}");
    }
}

#[test]
fn what_is_no_policy_is_refused_with_the_reason_and_nothing_is_kept() {
    let app = TestApp::start();
    let digest_of = |error: &Value| error["detail"].as_str().unwrap().to_owned();
    for (bytes, wanted) in [
        (b"not wasm".to_vec(), "it is not WebAssembly"),
        (Vec::new(), "it is not WebAssembly"),
        (Twist::default().core(), "wasm-tools component new"),
        (SCOPE_ALLOWLIST[..5000].to_vec(), "not a valid component"),
    ] {
        let refused = upload_as(&app, &app.admin_token, &bytes).expect(400);
        assert!(digest_of(&refused).contains(wanted), "{refused}");
    }
    assert_eq!(app.admin("GET", "/policy-modules", &Value::Null).expect(200)["totalResults"], 0);
}

#[test]
fn the_size_of_a_module_is_bounded_to_the_byte() {
    let app = TestApp::with(|config| config.policies.module_kib = 64);
    assert_eq!(upload_as(&app, &app.admin_token, &padded_to(64 * 1024)).status, 201);
    for bytes in [padded_to(64 * 1024 + 1), vec![0; 24 * 1024 * 1024 + 1]] {
        let refused = upload_as(&app, &app.admin_token, &bytes).expect(413);
        assert!(refused["detail"].as_str().unwrap().contains("policies.module_kib"), "{refused}");
    }
}

#[test]
fn a_body_waits_for_its_turn_where_it_comes_from() {
    let app = TestApp::start();
    let begun: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = connect(&app.url);
            let head = "POST /api/v1/policy-modules HTTP/1.1\r\nhost: test\r\ncontent-length: 4000000\r\n";
            write!(stream, "{head}authorization: Bearer {}\r\n\r\nonly the beginning", app.admin_token).unwrap();
            stream
        })
        .collect();
    let one_more = || upload_as(&app, &app.admin_token, SCOPE_ALLOWLIST);
    let busy = eventually("all turns taken", || Some(one_more()).filter(|answer| answer.status == 503));
    assert!(busy.text.contains("other modules"), "{}", busy.text);
    drop(begun);
    eventually("a turn", || [200, 201].contains(&one_more().status).then_some(()));
}

#[test]
fn a_module_in_use_cannot_be_deleted_and_its_users_are_named() {
    let app = TestApp::start();
    let digest = upload(&app, SCOPE_ALLOWLIST)["digest"].as_str().unwrap().to_owned();
    let settings = json!({"settings": {"allow": ["*"]}, "mode": "off"});
    let policy = attach(&app, "only reading", &digest, &json!({"type": "server"}), &settings);
    let path = format!("/policy-modules/{digest}");
    let refused = app.admin("DELETE", &path, &Value::Null).expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("only reading"), "{refused}");
    app.admin("DELETE", &format!("/resources/cid/Policy/{}", policy["id"].as_str().unwrap()), &Value::Null).expect(204);
    app.admin("DELETE", &path, &Value::Null).expect(204);
    app.admin("GET", &path, &Value::Null).expect(404);
    app.admin("DELETE", &path, &Value::Null).expect(404);
    assert_eq!(upload_as(&app, &app.admin_token, SCOPE_ALLOWLIST).status, 201, "it can come back");
}

#[test]
fn modules_outlive_a_restart() {
    let app = TestApp::start();
    let digest = upload(&app, SCOPE_ALLOWLIST)["digest"].as_str().unwrap().to_owned();
    let app = app.restart();
    assert_eq!(app.admin("GET", "/policy-modules/scope-allowlist", &Value::Null).expect(200)["digest"], json!(digest));
    let settings = json!({"settings": {"allow": ["*"]}});
    attach(&app, "after", "scope-allowlist", &json!({"type": "server"}), &settings);
}

#[test]
fn tokens_are_issued_while_modules_are_compiled_and_only_a_few_may_wait() {
    let app = TestApp::start();
    let howto = app.howto();
    let function = |n| format!("(func (param i32) (result i32) (i32.add (local.get 0) (i32.const {n})))");
    let large = Twist { more: (0..4000).map(function).collect(), ..Twist::default() }.component();
    // The same module six times, told apart by a custom section of one letter.
    let modules: Vec<Vec<u8>> = (b'a'..=b'f').map(|letter| [large.as_slice(), &[0, 2, 1, letter]].concat()).collect();
    let (statuses, meanwhile) = std::thread::scope(|scope| {
        let uploads: Vec<_> =
            modules.iter().map(|module| scope.spawn(|| upload_as(&app, &app.admin_token, module))).collect();
        let mut meanwhile = 0;
        while !uploads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            app.token_for(&howto, &[("scope", "write")]).expect(200);
            meanwhile += 1;
        }
        let answers: Vec<_> = uploads.into_iter().map(|upload| upload.join().unwrap()).collect();
        for busy in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!((busy.status, busy.header("retry-after")), (503, "1"), "{}", busy.text);
            assert!(busy.text.contains("other modules are being compiled"), "{}", busy.text);
        }
        (answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), meanwhile)
    });
    let taken = statuses.iter().filter(|status| **status == 201).count();
    assert!((4..6).contains(&taken), "{statuses:?}");
    assert!(meanwhile > taken, "{meanwhile} tokens were issued while {taken} modules were compiled");
    assert_eq!(app.admin("GET", "/policy-modules", &Value::Null).expect(200)["totalResults"], taken);
}
