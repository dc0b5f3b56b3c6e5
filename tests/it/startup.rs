//! Files that are refused at start, each in one line with the way out, and left as they were.

use grantd::clock::Clock;
use grantd::{App, Config, Missing};

use crate::app::{TestApp, files_in};

fn refusal(database: &std::path::Path) -> String {
    let config = Config { database: database.to_owned(), ..Config::default() };
    App::open_with(config, Clock::system(), Missing::Refuse).unwrap_err().to_string()
}

#[test]
fn files_that_are_not_grantds_are_refused_and_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    assert!(refusal(&path).contains("grantd init"));
    std::fs::write(&path, vec![7_u8; 5000]).unwrap();
    let before = files_in(dir.path());
    assert!(refusal(&path).contains("is not a SQLite database"));
    assert_eq!(files_in(dir.path()), before);
    std::fs::remove_file(&path).unwrap();
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(foreign);
    let before = files_in(dir.path());
    assert!(refusal(&path).contains("belongs to another program"));
    assert_eq!(files_in(dir.path()), before);
}

#[test]
fn a_database_is_refused_when_too_new_in_use_or_under_another_master_key() {
    let app = TestApp::start();
    assert!(refusal(&app.database()).contains("in use by another grantd"));
    let dir = app.into_dir();
    let path = dir.path().join("grantd.db");
    let key = dir.path().join("grantd.db.key");
    let right = std::fs::read(&key).unwrap();
    std::fs::write(&key, "A".repeat(43)).unwrap();
    assert!(refusal(&path).contains("is not the one of"));
    std::fs::write(&key, right).unwrap();
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(refusal(&path).contains("newer grantd"));
}
