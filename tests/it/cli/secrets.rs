//! Secrets of clients: made, brought, listed, ended, rotated.

use serde_json::{Value, json};

use super::{lines, scene, text};
use crate::app::{HowTo, TestApp};
use crate::shell::Shell;

fn works(app: &TestApp, howto: &HowTo, secret: &str) -> bool {
    let howto = [
        ("grant_type", "client_credentials"),
        ("client_id", &howto.client_id),
        ("client_secret", secret),
        ("scope", "write"),
    ];
    app.token(&howto).status == 200
}

#[test]
fn a_client_is_made_with_what_it_needs() {
    let (app, shell) = scene();
    app.howto();
    let ran = shell.run(&["m2m", "add", "nightly", "--account", "periodicCleanup"]);
    assert!(ran.err.contains("shown this once"), "{}", ran.err);
    let secret = lines(&ran.out).iter().find_map(|line| line.strip_prefix("client secret")).unwrap().trim().to_owned();
    assert!(!ran.err.contains(&secret), "what goes to logs holds no secret");
    let show = shell.run(&["m2m", "show", "nightly"]).expect(0);
    assert!(!show.contains(&secret) && show.contains("account       periodicCleanup"), "{show}");
    let brought = "correct horse battery staple 1";
    let own = ["m2m", "add", "own", "--account", "periodicCleanup", "--client-id", "my-client", "--secret-file"];
    let file = shell.file("secret", &format!("{brought}\n"));
    let ran = shell.run(&[&own[..], &[&file]].concat());
    assert!(!ran.out.contains(brought) && !ran.err.contains(brought));
    assert_eq!(
        app.token_by_basic(
            "my-client",
            "correct+horse+battery+staple+1",
            &[("grant_type", "client_credentials"), ("scope", "write")]
        )
        .status,
        200
    );
    let refused = shell.run_with("short", &["m2m", "secret", "add", "my-client", "--secret-file", "-"]).refused(1);
    assert!(refused.starts_with("grantd: clientSecret: a client secret has 16 to 256 characters"), "{refused}");
    let refused = shell.run(&["m2m", "add", "x", "--account", "periodic"]).refused(3);
    assert!(
        refused.contains("there is no account periodic") && refused.contains("did you mean periodicCleanup?"),
        "{refused}"
    );
}

#[test]
fn a_rotation_makes_the_new_secret_and_gives_the_old_an_end() {
    let (app, shell) = scene();
    let howto = app.howto();
    assert!(works(&app, &howto, &howto.client_secret));
    crate::app::eventually("the use is written down", || {
        let list = shell.run(&["m2m", "secret", "list", &howto.client_id, "--output", "json"]).json();
        list[0]["lastUsedAt"].is_string().then_some(())
    });
    let ran = shell.run(&[
        "m2m",
        "secret",
        "rotate",
        "periodicService",
        "--overlap",
        "7d",
        "--output",
        "json",
        "--reason",
        "yearly",
    ]);
    let told = ran.err.clone();
    let new = text(&ran.json(), "clientSecret").to_owned();
    assert!(
        told.contains("old secret …") && told.contains("last used: ") && !told.contains("last used: never"),
        "{told}"
    );
    assert!(told.contains("2027-01-22T10:00:00.000Z"), "the server's clock counts: {told}");
    for day in [0, 6] {
        app.advance(day * 86_400);
        assert!(works(&app, &howto, &howto.client_secret) && works(&app, &howto, &new), "day {day}");
    }
    app.advance(86_400);
    assert!(!works(&app, &howto, &howto.client_secret) && works(&app, &howto, &new));
    let told = shell.run(&["m2m", "secret", "rotate", "periodicService", "--overlap", "0s"]).err;
    assert!(told.contains("ended") && told.contains("as before") && told.contains("ended now"), "{told}");
    assert!(!works(&app, &howto, &new));
    assert!(
        shell
            .run(&["m2m", "secret", "rotate", "periodicService", "--overlap", "soon"])
            .refused(2)
            .contains("--overlap: \"soon\" is no time")
    );
}

#[test]
fn a_secret_is_ended_by_its_last_characters() {
    let (app, shell) = scene();
    let howto = app.howto();
    let last4 = &howto.client_secret[howto.client_secret.len() - 4..];
    let end = ["m2m", "secret", "end", "periodicService"];
    assert!(shell.run(&[&end[..], &[last4]].concat()).refused(2).contains("this ends the secret"));
    assert!(shell.run(&[&end[..], &["none", "--yes"]].concat()).refused(3).contains(last4));
    shell.run(&[&end[..], &[last4, "--yes"]].concat()).expect(0);
    assert!(!works(&app, &howto, &howto.client_secret));
}

#[test]
fn a_secret_is_there_once() {
    let (app, shell) = scene();
    let howto = app.howto();
    let again = shell.dir.path().join("again");
    for secret in [&howto.client_secret, "a long one that a person chose: 93xQ"] {
        std::fs::write(&again, secret).unwrap();
        let add = ["m2m", "secret", "add", "periodicService", "--secret-file", "again"];
        if *secret != howto.client_secret {
            shell.run(&add).expect(0);
        }
        assert!(shell.run(&add).refused(1).contains("is a secret of this client already"));
        let last4 = &secret[secret.len() - 4..];
        shell.run(&["m2m", "secret", "end", "periodicService", last4, "--yes"]).expect(0);
        assert!(!works(&app, &howto, secret));
        // One that has ended can come back.
        shell.run(&add).expect(0);
        assert!(works(&app, &howto, secret));
    }
}

#[test]
fn an_end_is_patched_within_what_makes_sense() {
    let app = TestApp::start();
    let howto = app.howto();
    let path = format!("/resources/cid/MachineToMachine/{}/secrets", howto.client);
    let secret = app.admin("GET", &path, &Value::Null).expect(200)["Resources"][0].clone();
    let one = format!("{path}/{}", text(&secret, "id"));
    let patch = |value: Value| {
        app.admin("PATCH", &one, &json!({"Operations": [{"op": "replace", "path": "expiresAt", "value": value}]}))
    };
    // What people did: the server makes signing keys on its own, at a time of its own.
    let by_people = "/audit/commits?count=0&filter=actor.type%20ne%20%22system%22";
    let commits = || app.admin("GET", by_people, &Value::Null).expect(200)["totalResults"].as_i64().unwrap();
    assert_eq!(patch(json!("2027-01-15T11:00:00Z")).expect(200)["expiresAt"], "2027-01-15T11:00:00.000Z");
    let before = commits();
    patch(json!("2027-01-15T11:00:00.000Z")).expect(200);
    assert_eq!(commits(), before, "the same end is no write");
    for (body, wanted) in [
        (
            json!({"Operations": [{"op": "replace", "path": "expiresAt", "value": "2027-01-15T09:00:00Z"}]}),
            "/expiresAt: must lie in the future; delete the secret to end it now",
        ),
        (
            json!({"Operations": [{"op": "replace", "path": "expiresAt", "value": "soon"}]}),
            "/expiresAt: must be an RFC 3339 date-time with an offset, like 2027-01-31T12:00:00Z",
        ),
        (
            json!({"Operations": [{"op": "replace", "path": "expiresAt", "value": null}], "Revision": 1}),
            "/Revision: a secret has no revision: leave it out, and If-Match too",
        ),
    ] {
        let error = app.admin("PATCH", &one, &body).expect(400);
        let violation = &error["validation"][0];
        assert_eq!(format!("{}: {}", text(violation, "propertyPath"), text(violation, "message")), wanted);
    }
    let other = json!({"Operations": [{"op": "replace", "path": "last4", "value": "aaaa"}]});
    assert_eq!(app.admin("PATCH", &one, &other).status, 400);
    assert_eq!(
        app.admin("PATCH", &format!("{path}/none"), &json!({"Operations": [{"op": "remove", "path": "expiresAt"}]}))
            .status,
        404
    );
    patch(Value::Null).expect(200);
    assert_eq!(commits(), before + 1);
    patch(json!("2027-01-15T11:00:00Z")).expect(200);
    app.advance(3600);
    assert!(!works(&app, &howto, &howto.client_secret), "the next request sees it");
    assert!(patch(Value::Null).expect(400).to_string().contains("this secret has ended: make another one"));
    let shown = app
        .admin("GET", "/audit/commits?filter=changes.resourceType%20eq%20%22Credential%22", &Value::Null)
        .expect(200);
    // Commits of one moment have no order among themselves.
    let ends = shown["Resources"].as_array().unwrap().iter().map(|commit| {
        let change = &commit["changes"][0];
        (change["before"]["expiresAt"].clone(), change["after"]["expiresAt"].clone())
    });
    assert!(ends.into_iter().any(|ends| ends == (Value::Null, json!("2027-01-15T11:00:00.000Z"))), "{shown}");
}

/// Runs a command whose standard output nobody reads any more.
fn unread(shell: &Shell, words: &[&str]) -> (i32, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = shell.command(words).stdout(writer).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_secret_that_nobody_saw_is_told() {
    let (app, shell) = scene();
    let howto = app.howto();
    let document = shell
        .file("more.toml", "[[clients]]\ndisplayName = \"m\"\nclientId = \"m-1\"\naccount = \"periodicCleanup\"\n");
    let rotate = ["m2m", "secret", "rotate", "periodicService", "--overlap", "0s"];
    for (words, way_out) in [
        (&rotate[..], "the old ones were left as they are"),
        (&["m2m", "secret", "add", "periodicService"], "grantd m2m secret end "),
        (&["m2m", "add", "nightly", "--account", "periodicCleanup"], "grantd m2m secret add "),
        (&["api-token", "add", "nightly", "--role", "reader"], "grantd api-token delete "),
        (&["apply", "--file", &document], "grantd m2m secret add CLIENT"),
    ] {
        for form in ["table", "json"] {
            let words = [words, &["--output", form]].concat();
            let (code, told) = unread(&shell, &words);
            assert_eq!(code, 1, "{words:?}: {told}");
            assert!(
                told.contains("standard output cannot be written: ") && told.contains(way_out),
                "{words:?}: {told}"
            );
            assert!(!told.contains("shown this once"), "{words:?}: {told}");
            if words[0] == "apply" {
                shell.run(&["m2m", "delete", "m-1", "--yes"]).expect(0);
            }
        }
    }
    assert!(works(&app, &howto, &howto.client_secret), "a rotation that nobody saw ends nothing");
    // What is no secret may be cut short.
    for words in [&["account", "list"][..], &["m2m", "show", &howto.client_id]] {
        assert_eq!(unread(&shell, words), (0, String::new()), "{words:?}");
    }
    let brought = shell.file("secret", "correct horse battery staple 1");
    let add = ["m2m", "add", "own", "--account", "periodicCleanup", "--secret-file", &brought];
    assert_eq!(unread(&shell, &add).0, 0);
}

/// Machines that change over at their own time, while tokens are asked for all the while, never see a refusal.
#[test]
fn a_rotation_with_overlap_fails_no_request() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let (app, shell) = scene();
    let howto = app.howto();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let machines: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = 0_u32;
                    while !done.load(Ordering::SeqCst) || served < 5 {
                        assert!(works(&app, &howto, &howto.client_secret), "after {served} requests");
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        let mut secrets = Vec::new();
        for _ in 0..3 {
            let made =
                shell.run(&["m2m", "secret", "rotate", "periodicService", "--overlap", "1h", "--output", "json"]);
            secrets.push(text(&made.json(), "clientSecret").to_owned());
        }
        done.store(true, Ordering::SeqCst);
        for machine in machines {
            assert!(machine.join().unwrap() >= 5);
        }
        assert!(secrets.iter().all(|secret| works(&app, &howto, secret)));
    });
}
