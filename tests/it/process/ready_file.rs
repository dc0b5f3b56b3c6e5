//! `--ready-file`: for test suites that start a server and wait until it serves.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::app::eventually;
use crate::program::{Program, complaint, grantd, run, told};

#[test]
fn it_says_how_to_reach_the_sample_and_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &[]);
    let mode = std::fs::metadata(dir.path().join("ready.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let members: Vec<&str> = program.ready.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "pid",
            "listen",
            "issuer",
            "token_endpoint",
            "admin_api",
            "console",
            "database",
            "api_token",
            "client_id",
            "client_secret",
            "api",
            "scopes"
        ]
    );
    let listen = program.of("listen");
    assert!(listen.starts_with("127.0.0.1:") && !listen.ends_with(":0"), "{listen}");
    assert_eq!(program.of("issuer"), format!("http://{listen}/oauth2/"));
    assert_eq!(program.of("token_endpoint"), format!("http://{listen}/oauth2/token"));
    assert_eq!(program.of("admin_api"), format!("http://{listen}/api/v1"));
    assert_eq!(program.of("database"), dir.path().join("grantd.db").to_str().unwrap());
    assert_eq!((&program.ready["api"], &program.ready["scopes"]), (&json!("sample-api"), &json!(["write"])));
    // Once the file is there, what it names is served.
    program.sample_token().expect(200);
    program.admin("GET", "/keys", &Value::Null).expect(200);
    let ready = dir.path().join("ready.json");
    program.stop();
    assert!(!ready.exists(), "nobody is to wait for a server that is gone");
}

#[test]
fn serve_tells_no_secret_in_it() {
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    let program = Program::serve(dir.path(), &[]);
    for name in ["api_token", "client_id", "client_secret", "api", "scopes"] {
        assert_eq!(program.ready[name], Value::Null, "{name}");
    }
    program.stop();
}

#[test]
fn whoever_reads_it_early_reads_nothing_or_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ready.json");
    // Left behind by a server that was killed: it must not be taken for this one's.
    std::fs::write(&path, r#"{"pid": 1}"#).unwrap();
    let mut child = start(dir.path());
    let mut gone = false;
    eventually("the ready file", || {
        match std::fs::read_to_string(&path) {
            Err(_) => gone = true,
            Ok(text) => {
                let found: Value = serde_json::from_str(&text).expect("whole or not at all");
                if found["pid"] == child.id() {
                    return Some(());
                }
                assert!(!gone, "after the stale file was removed, only this server's may appear: {text}");
            }
        }
        None
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_file_that_cannot_be_written_ends_the_start_and_a_link_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["dev", "--listen", "127.0.0.1:0", "--ready-file", "no/such/directory/ready.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("grantd: --ready-file no/such/directory/ready.json: "),
        "{}",
        complaint(&output)
    );
    // A link that somebody else put there is replaced, not written through.
    let (precious, ready) = (dir.path().join("precious"), dir.path().join("ready.json"));
    std::fs::write(&precious, "precious").unwrap();
    symlink(&precious, &ready).unwrap();
    let mut child = start(dir.path());
    eventually("the ready file", || std::fs::symlink_metadata(&ready).is_ok_and(|meta| meta.is_file()).then_some(()));
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A `grantd dev` whose ready file is the caller's to look for.
fn start(dir: &Path) -> Child {
    let arguments = ["dev", "--listen", "127.0.0.1:0", "--ready-file", "ready.json"];
    grantd(dir).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
