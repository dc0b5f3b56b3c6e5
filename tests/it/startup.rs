//! Files that are refused at start, each in one line with the way out, and left as they were.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use grantd::clock::Clock;
use grantd::{App, Config, Missing};
use serde_json::json;

use crate::app::{TestApp, files_in};
use crate::program::{Program, complaint, run, told};

fn refusal(database: &Path) -> String {
    let config = Config { database: database.to_owned(), ..Config::default() };
    App::open_with(config, Clock::system(), Missing::Refuse).unwrap_err().to_string()
}

/// A refusal in one line that says all of `says`, after which every file is as it was.
#[track_caller]
fn untouched(database: &Path, says: &[&str]) {
    let before = files_in(database.parent().unwrap());
    let said = refusal(database);
    for text in says {
        assert!(said.contains(text), "{said:?} does not say {text:?}");
    }
    assert!(said.contains(database.to_str().unwrap()), "{said:?} does not name the file");
    assert_eq!(said.lines().count(), 1, "{said}");
    // The lock is grantd's own, and may stay.
    let own = |files: Vec<(String, Vec<u8>)>| {
        files.into_iter().filter(|(name, _)| !name.ends_with("-lock")).collect::<Vec<_>>()
    };
    assert!(own(files_in(database.parent().unwrap())) == own(before), "a file was changed: {said}");
}

#[test]
fn files_that_are_not_grantds_are_refused_and_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    untouched(&path, &["there is no database at", "grantd init"]);
    for bytes in [vec![7_u8; 5000], b"x".to_vec(), b"SQLite format 3\0".to_vec(), vec![0; 4096]] {
        std::fs::write(&path, bytes).unwrap();
        untouched(&path, &["is not a SQLite database", "--database"]);
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(refusal(&path).contains("is a directory; name a file in it"));
    std::fs::remove_dir(&path).unwrap();
    for journal in ["DELETE", "WAL"] {
        let foreign = rusqlite::Connection::open(&path).unwrap();
        foreign.pragma_update(None, "journal_mode", journal).unwrap();
        foreign.execute_batch("CREATE TABLE IF NOT EXISTS t (x)").unwrap();
        drop(foreign);
        untouched(&path, &["belongs to another program", "--database"]);
    }
}

#[test]
fn a_foreign_file_that_is_open_elsewhere_is_left_alone_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1);").unwrap();
    // Everything of it still lies in its write-ahead log.
    let said = refusal(&path);
    assert!(said.contains("belongs to another program"), "{said}");
    let rows: i64 = foreign.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
    foreign.execute("INSERT INTO t VALUES (2)", []).unwrap();
}

#[test]
fn a_database_in_use_is_refused_and_its_server_goes_on() {
    let app = TestApp::start();
    assert!(refusal(&app.database()).contains("in use by another grantd"));
    app.create("ServiceAccount", &json!({"userName": "a"}));
    let howto = app.howto();
    app.token_for(&howto, &[("scope", "write")]).expect(200);
}

#[test]
fn a_database_that_is_too_new_or_unfinished_is_refused_and_untouched() {
    let dir = TestApp::start().into_dir();
    let path = dir.path().join("grantd.db");
    let version = |version: i32| {
        // Into the file itself, not into its log.
        let database = rusqlite::Connection::open(&path).unwrap();
        database.pragma_update(None, "user_version", version).unwrap();
        database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    };
    version(99);
    untouched(
        &path,
        &["was written by a newer grantd (schema 99, this one knows", "use that grantd, or restore a backup"],
    );
    version(-3);
    untouched(&path, &["was never finished"]);
}

#[test]
fn a_first_start_that_was_cut_off_is_begun_again() {
    // The page that entering the WAL mode writes, without a log or with one that no commit has reached.
    for log in [None, Some(vec![7; 9000])] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grantd.db");
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 4096);
        if let Some(log) = log {
            std::fs::write(dir.path().join("grantd.db-wal"), log).unwrap();
        }
        assert!(refusal(&path).contains("there is no database at"));
        let app = TestApp::on(dir, Clock::system(), |_| {});
        let howto = app.howto();
        app.token_for(&howto, &[("scope", "write")]).expect(200);
    }
}

#[test]
fn a_newer_version_that_stands_in_the_log_alone_is_seen_too() {
    let dir = TestApp::start().into_dir();
    let path = dir.path().join("grantd.db");
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    assert!(refusal(&path).contains("newer grantd"));
    let version: i32 = newer.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

/// Made while there was little in it, they would make every read of a database that has grown a walk over its tables.
#[test]
fn a_database_keeps_no_statistics() {
    let app = TestApp::start();
    app.howto();
    let dir = app.into_dir();
    let path = dir.path().join("grantd.db");
    let tables = |sql: &str| -> i64 {
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch(sql).unwrap();
        let count = "SELECT COUNT(*) FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'";
        database.query_row(count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(tables(""), 0, "a server that stops leaves none");
    assert!(tables("ANALYZE") > 0);
    App::open(Config { database: path.clone(), ..Config::default() }).unwrap().close();
    assert_eq!(tables(""), 0, "a server that starts removes them");
}

#[test]
fn a_read_only_file_is_refused_with_what_to_do() {
    let dir = TestApp::start().into_dir();
    let path = dir.path().join("grantd.db");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    untouched(&path, &["is read-only; make it writable (chmod u+w)"]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let app = App::open(Config { database: path, ..Config::default() }).unwrap();
    app.close();
}

#[test]
fn a_damaged_database_is_refused_and_untouched() {
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    let path = dir.path().join("grantd.db");
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.len() > 40_000);
    let mut overwritten = whole.clone();
    // Every second page after the first.
    for page in overwritten.chunks_mut(4096).skip(1).step_by(2) {
        page.fill(0x5a);
    }
    let cut = whole[..whole.len() / 2].to_vec();
    for damaged in [overwritten, cut] {
        std::fs::write(&path, &damaged).unwrap();
        for command in ["serve", "dev", "init", "doctor"] {
            let listen: &[&str] =
                if command == "serve" || command == "dev" { &["--listen", "127.0.0.1:0"] } else { &[] };
            let output = run(dir.path(), &[&[command], listen].concat());
            let said = String::from_utf8(output.stdout.clone()).unwrap() + complaint(&output).as_str();
            assert_eq!(output.status.code(), Some(1), "{command}: {said}");
            assert!(said.contains("is damaged"), "{command}: {said}");
            let start = said.lines().count() == 1 && said.contains("grantd.db") && said.contains("restore a backup");
            assert!(command == "doctor" || start, "{command}: {said}");
            assert!(std::fs::read(&path).unwrap() == damaged, "{command} changed the file");
        }
    }
    std::fs::write(&path, whole).unwrap();
    Program::serve(dir.path(), &[]).stop();
}

#[test]
fn a_file_that_another_program_has_locked_is_refused_and_untouched() {
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    let path = dir.path().join("grantd.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE generation SET value = value + 1")
        .unwrap();
    // Read by another process: closing the file here would drop the lock that this test is about.
    let content = || Command::new("cat").arg(&path).output().unwrap().stdout;
    let before = content();
    let output = run(dir.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        complaint(&output),
        "grantd: grantd.db is locked by another program; close that program and try again\n"
    );
    assert!(content() == before);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    Program::serve(dir.path(), &[]).stop();
}
