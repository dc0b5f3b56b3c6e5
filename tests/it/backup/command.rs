//! `grantd backup` and `grantd restore` as they are typed: what they replace, what they find, what they leave and say.

use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::app::{eventually, files_in};
use crate::program::{Program, complaint, run, told};

/// A stopped server's directory: its audit chain is sealed, and the keys to come are made.
fn stopped() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &[]);
    eventually("keys to come", || {
        let keys = program.admin("GET", "/keys", &Value::Null).expect(200);
        keys["Resources"].as_array().unwrap().iter().any(|key| key["state"] == "next").then_some(())
    });
    program.stop();
    dir
}

/// What a command says that fails, in one line.
#[track_caller]
fn refused(dir: &Path, arguments: &[&str]) -> String {
    let output = run(dir, arguments);
    let said = complaint(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// Makes the signing keys in this state ones that do not open.
fn damage(state: &str) -> String {
    format!("UPDATE signing_key SET private_sealed = zeroblob(length(private_sealed)) WHERE state = '{state}'")
}

fn change(path: &Path, sql: &str) {
    assert!(Connection::open(path).unwrap().execute(sql, []).unwrap() > 0, "{sql}");
}

#[test]
fn a_backup_takes_no_name_of_the_databases_own_however_it_is_spelled() {
    let dir = tempfile::tempdir().unwrap();
    let (data, at) = (dir.path().join("data"), |name: &str| dir.path().join(name));
    std::fs::create_dir(&data).unwrap();
    told(&run(dir.path(), &["init", "--database", "data/grantd.db"]));
    symlink("data", at("way")).unwrap();
    symlink("data/grantd.db", at("link.db")).unwrap();
    std::fs::hard_link(data.join("grantd.db"), at("same.db")).unwrap();
    std::fs::hard_link(data.join("grantd.db.key"), at("same.key")).unwrap();
    std::fs::copy(data.join("grantd.db.key"), at("elsewhere.key")).unwrap();
    let before = files_in(&data);
    for name in [
        "data/grantd.db",
        "./data/../data/grantd.db",
        "link.db",
        "same.db",
        "way/grantd.db-wal",
        "data/grantd.db-shm",
        "data/grantd.db-journal",
        "data/grantd.db-lock",
        "data/grantd.db.key",
        "same.key",
        "elsewhere.key",
    ] {
        for more in [&[][..], &["--force"]] {
            let named = ["backup", name, "--database", "data/grantd.db", "--master-key-file", "elsewhere.key"];
            let said = refused(dir.path(), &[&named[..], more].concat());
            assert!(said.contains(&format!("{name} belongs to the database itself")), "{said}");
        }
    }
    // So it is when the link is what the database is known by.
    for name in ["data/grantd.db-wal", "link.db.key"] {
        let named = ["backup", name, "--database", "link.db", "--master-key-file", "elsewhere.key"];
        assert!(refused(dir.path(), &named).contains("belongs to the database itself"), "{name}");
    }
    assert!(files_in(&data) == before);
}

#[test]
fn a_backup_replaces_nothing_but_files() {
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("precious"), "precious").unwrap();
    symlink("precious", at("link")).unwrap();
    symlink("nowhere", at("loose")).unwrap();
    std::fs::create_dir(at("directory")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    for (name, says) in [
        ("link", "is a link; name the file itself"),
        ("loose", "is a link"),
        ("directory", "is a directory"),
        ("socket", "is a device, a pipe or a socket"),
        ("pipe", "is a device, a pipe or a socket"),
    ] {
        let kind = || at(name).symlink_metadata().unwrap().file_type();
        let before = kind();
        for more in [&[][..], &["--force"]] {
            let said = refused(dir.path(), &[&["backup", name], more].concat());
            assert!(said.contains(&format!("{name} {says}")), "{said}");
        }
        assert_eq!(kind(), before, "{name}");
    }
    assert_eq!(std::fs::read_to_string(at("precious")).unwrap(), "precious");
    assert!(!at("nowhere").exists());
    assert!(refused(dir.path(), &["backup", "-"]).contains("say ./- for a file of that name"));
    assert!(!at("-").exists());
    told(&run(dir.path(), &["backup", "./-"]));
    told(&run(dir.path(), &["backup", "precious", "--force"]));
    assert!(at("-").is_file() && std::fs::read(at("precious")).unwrap().starts_with(b"SQLite format 3\0"));
}

#[test]
fn a_key_that_signs_and_does_not_open_is_found_before_anything_is_replaced() {
    let dir = stopped();
    let at = |name: &str| dir.path().join(name);
    told(&run(dir.path(), &["backup", "whole.db"]));
    std::fs::copy(at("whole.db"), at("broken.db")).unwrap();
    change(&at("broken.db"), &damage("active"));
    let before = files_in(dir.path());
    let said = refused(dir.path(), &["restore", "broken.db"]);
    let what = "broken.db has a signing key that cannot be used, and everything is as it was: ";
    assert!(said.contains(what) && said.contains("its stored bytes were changed"), "{said}");
    assert!(files_in(dir.path()) == before);

    change(&at("grantd.db"), &damage("active"));
    let before = files_in(dir.path());
    for arguments in [&["backup", "another.db"][..], &["backup", "whole.db", "--force"]] {
        let said = refused(dir.path(), arguments);
        assert!(said.contains("grantd.db has a signing key that cannot be used, and there is no new backup"), "{said}");
        assert!(files_in(dir.path()) == before, "{arguments:?}");
    }
    // Who has not the key makes a backup all the same, and is told what it lacks.
    std::fs::rename(at("grantd.db.key"), at("away.key")).unwrap();
    let output = run(dir.path(), &["backup", "another.db"]);
    told(&output);
    assert!(complaint(&output).contains("the master key is not at hand"), "{}", complaint(&output));
    std::fs::rename(at("away.key"), at("grantd.db.key")).unwrap();

    let output = run(dir.path(), &["restore", "whole.db"]);
    told(&output);
    assert_eq!(complaint(&output), "");
    Program::serve(dir.path(), &[]).stop();
}

#[test]
fn a_key_that_does_not_sign_is_told_loudly_and_keeps_nobody_from_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &[]);
    program.admin("POST", "/keys/rotate", &json!({"force": true})).expect(200);
    program.stop();
    let at = |name: &str| dir.path().join(name);
    told(&run(dir.path(), &["backup", "whole.db"]));
    for (state, way_out) in [("next", "restore a backup from before"), ("retired", "grantd key delete ")] {
        std::fs::copy(at("whole.db"), at("broken.db")).unwrap();
        change(&at("broken.db"), &damage(state));
        let commands = [&["restore", "broken.db"][..], &["backup", "again.db", "--force"]];
        for (arguments, named) in commands.into_iter().zip(["grantd.db", "again.db"]) {
            let output = run(dir.path(), arguments);
            told(&output);
            let said = complaint(&output);
            let warning = format!("{named}: WARNING: the {state} RS256 key ");
            assert!(said.contains(&warning) && said.contains(way_out), "{arguments:?}: {said}");
        }
    }
    // A server runs on it, and the command that was named makes it whole.
    let program = Program::dev(dir.path(), &[]);
    let keys = program.admin("GET", "/keys", &Value::Null).expect(200);
    let retired = keys["Resources"].as_array().unwrap().iter().filter(|key| key["state"] == "retired");
    let kids: Vec<&str> = retired.map(|key| key["kid"].as_str().unwrap()).collect();
    told(&run(dir.path(), &[&["key", "delete", "--yes", "--server", program.url()][..], &kids].concat()));
    program.stop();
    let output = run(dir.path(), &["backup", "again.db", "--force"]);
    told(&output);
    assert_eq!(complaint(&output), "");
}

#[test]
fn a_broken_audit_chain_is_told_loudly_and_keeps_nobody_from_a_backup() {
    let dir = stopped();
    told(&run(dir.path(), &["backup", "broken.db"]));
    change(&dir.path().join("broken.db"), "UPDATE audit_commit SET reason = 'nothing happened' WHERE seq = 2");
    for (arguments, named) in [(["restore", "broken.db"], "grantd.db"), (["backup", "again.db"], "again.db")] {
        let output = run(dir.path(), &arguments);
        told(&output);
        let said = complaint(&output);
        assert!(said.contains(&format!("{named}: WARNING: the audit trail in it was changed")), "{said}");
    }
}

#[test]
fn a_restore_says_what_comes_back_and_how_to_start_it_and_leaves_nothing_where_it_fails() {
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    told(&run(dir.path(), &["backup", "b.db"]));
    let new = dir.path().join("new");
    std::fs::create_dir(&new).unwrap();
    let to_new = ["restore", "b.db", "--database", "new/grantd.db"];
    let said = refused(dir.path(), &to_new);
    assert!(said.contains("the master key is missing"), "{said}");
    assert!(files_in(&new).is_empty(), "neither the copy nor the lock");

    let with_key = ["--database", "new/grantd.db", "--master-key-file", "grantd.db.key"];
    let said = told(&run(dir.path(), &[&to_new[..2], &with_key].concat()));
    for text in ["access tokens that were revoked", "signing keys that were deleted", "API tokens, grants"] {
        assert!(said.contains(text), "{said}");
    }
    assert!(said.contains(&format!("grantd serve {}", with_key.join(" "))), "{said}");
    Program::serve(dir.path(), &with_key).stop();
    // Where it serves already, it is started as ever; and a key that lies where it is looked for need not be named.
    assert!(!told(&run(dir.path(), &[&to_new[..2], &with_key].concat())).contains("grantd serve"));
    std::fs::remove_file(dir.path().join("grantd.db")).unwrap();
    let said = told(&run(dir.path(), &["restore", "b.db", "--master-key-file", "./grantd.db.key"]));
    assert!(!said.contains("grantd serve"), "{said}");
}

#[test]
fn the_lock_belongs_to_whom_the_database_belongs_to() {
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    told(&run(dir.path(), &["backup", "b.db"]));
    let (database, lock) = (dir.path().join("grantd.db"), dir.path().join("grantd.db-lock"));
    std::fs::remove_file(&lock).unwrap();
    // Root alone may give files away; run by others, the test sees that nothing changes.
    let _ = chown(&database, Some(65534), Some(65534));
    let owner = |path: &Path| path.metadata().map(|meta| (meta.uid(), meta.gid())).unwrap();
    let before = owner(&database);
    told(&run(dir.path(), &["restore", "b.db"]));
    assert_eq!((owner(&database), owner(&lock)), (before, before));

    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let said = refused(dir.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("grantd.db-lock is there and cannot be opened: "), "{said}");
    assert!(said.contains("remove it while no grantd runs on that database"), "{said}");
    std::fs::remove_dir(&lock).unwrap();
    Program::serve(dir.path(), &[]).stop();
}
