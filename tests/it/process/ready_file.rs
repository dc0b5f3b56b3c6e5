//! `--ready-file`: for test suites that start a server and wait until it serves.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::app::{eventually, files_in};
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
    std::fs::write(&path, r#"{"pid": 2147483647, "token_endpoint": "http://127.0.0.1:1/oauth2/token"}"#).unwrap();
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
fn a_file_that_cannot_be_written_ends_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["dev", "--listen", "127.0.0.1:0", "--ready-file", "no/such/directory/ready.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("grantd: --ready-file no/such/directory/ready.json: "),
        "{}",
        complaint(&output)
    );
}

#[test]
fn it_takes_the_place_of_nothing_but_a_file_and_never_of_the_databases_own() {
    let dir = tempfile::tempdir().unwrap();
    let (data, at) = (dir.path().join("data"), |name: &str| dir.path().join(name));
    std::fs::create_dir(&data).unwrap();
    told(&run(dir.path(), &["init", "--database", "data/grantd.db"]));
    std::fs::rename(data.join("grantd.db.key"), at("master.key")).unwrap();
    std::fs::write(at("precious"), "precious").unwrap();
    symlink("precious", at("link")).unwrap();
    symlink("data/grantd.db", at("link.db")).unwrap();
    std::fs::hard_link(data.join("grantd.db"), at("same.db")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    let before = files_in(&data);
    for (name, says) in [
        ("data/grantd.db", "belongs to the database itself"),
        ("./data/../data/grantd.db", "belongs to the database itself"),
        ("link.db", "belongs to the database itself"),
        ("same.db", "belongs to the database itself"),
        ("data/grantd.db-wal", "belongs to the database itself"),
        ("data/grantd.db-lock", "belongs to the database itself"),
        ("data/grantd.db.key", "belongs to the database itself"),
        ("master.key", "belongs to the database itself"),
        ("link", "is a link"),
        ("data", "is a directory"),
        ("socket", "is a device, a pipe or a socket"),
        ("pipe", "is a device, a pipe or a socket"),
    ] {
        for command in ["serve", "dev"] {
            let start = [command, "--listen", "127.0.0.1:0", "--database", "data/grantd.db"];
            let output =
                run(dir.path(), &[&start[..], &["--master-key-file", "master.key", "--ready-file", name]].concat());
            let said = complaint(&output);
            assert_eq!(output.status.code(), Some(1), "{name}: {said}");
            assert!(said.contains(&format!("grantd: --ready-file: {name} {says}")), "{said}");
        }
    }
    assert!(files_in(&data) == before);
    assert_eq!(std::fs::read_to_string(at("precious")).unwrap(), "precious");
    assert!(at("link").symlink_metadata().unwrap().is_symlink() && at("master.key").is_file());
}

#[test]
fn what_a_killed_server_left_is_gone_before_a_start_can_fail() {
    let dir = tempfile::tempdir().unwrap();
    Program::dev(dir.path(), &[]).kill();
    let ready = dir.path().join("ready.json");
    assert!(ready.exists());
    std::fs::write(dir.path().join("grantd.toml"), "lisen = \"127.0.0.1:1\"\n").unwrap();
    let fails = || {
        let output = run(dir.path(), &["dev", "--listen", "127.0.0.1:0", "--ready-file", "ready.json"]);
        assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    };
    fails();
    assert!(!ready.exists());
    // What is no ready file is somebody's.
    for other in ["", "mine", r#"{"pid": 1}"#] {
        std::fs::write(&ready, other).unwrap();
        fails();
        assert_eq!(std::fs::read_to_string(&ready).unwrap(), other);
    }
}

#[test]
fn a_server_is_known_by_its_database_not_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &[]);
    let ready = dir.path().join("ready.json");
    let mut content = program.ready.clone();
    let refused = || {
        let output = run(dir.path(), &["dev", "--listen", "127.0.0.1:0", "--ready-file", "ready.json"]);
        assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
        complaint(&output)
    };
    // As in another container: whoever has its number here, if anybody has, is another.
    content["pid"] = json!(i32::MAX);
    std::fs::write(&ready, content.to_string()).unwrap();
    assert!(refused().contains("is in use by another grantd"));
    assert!(ready.exists());
    program.stop();
    // As after the machine was started again.
    content["pid"] = json!(std::process::id());
    std::fs::write(&ready, content.to_string()).unwrap();
    std::fs::write(dir.path().join("grantd.toml"), "lisen = \"127.0.0.1:1\"\n").unwrap();
    refused();
    assert!(!ready.exists());
}

#[test]
fn a_server_that_stops_leaves_what_another_wrote_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &[]);
    let ready = dir.path().join("ready.json");
    let others = r#"{"pid": 2147483647, "token_endpoint": "http://127.0.0.1:1/oauth2/token"}"#;
    std::fs::write(&ready, others).unwrap();
    program.stop();
    assert_eq!(std::fs::read_to_string(&ready).unwrap(), others);
}

/// A `grantd dev` whose ready file is the caller's to look for.
fn start(dir: &Path) -> Child {
    let arguments = ["dev", "--listen", "127.0.0.1:0", "--ready-file", "ready.json"];
    grantd(dir).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
