//! A database that an older grantd made becomes what this one would make, and keeps what is in it.

use std::path::Path;

use grantd::clock::{Clock, Timestamp};
use grantd::store::schema;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::app::{START, TestApp};

/// The schemas of the past, oldest first, as they were released. The last one here is one before today's.
const PAST: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
];

/// A database as it was made by the grantd of that version.
fn old_database(path: &Path, version: usize) {
    let database = Connection::open(path).unwrap();
    database.execute_batch(PAST[version - 1]).unwrap();
    database.pragma_update(None, "application_id", schema::APPLICATION_ID).unwrap();
    database.pragma_update(None, "user_version", i32::try_from(version).unwrap()).unwrap();
}

/// Every table, index and trigger, as SQLite keeps them.
fn shape(path: &Path) -> Vec<(String, String)> {
    let database = Connection::open(path).unwrap();
    let mut statement = database
        .prepare("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn every_past_version_migrates_to_what_a_fresh_database_is() {
    assert_eq!(PAST.len() + 1, usize::try_from(schema::VERSION).unwrap(), "keep the schema of each released version");
    let fresh = TestApp::start().into_dir();
    let wanted = shape(&fresh.path().join("grantd.db"));
    for version in 1..=PAST.len() {
        let dir = tempfile::tempdir().unwrap();
        old_database(&dir.path().join("grantd.db"), version);
        let app = TestApp::on(dir, Clock::manual(Timestamp::parse(START).unwrap(), 1), |_| {});
        let howto = app.howto();
        app.token_for(&howto, &[("scope", "write")]).expect(200);
        let dir = app.into_dir();
        let path = dir.path().join("grantd.db");
        assert_eq!(shape(&path), wanted, "version {version}");
        let now: i32 = Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(now, schema::VERSION);
    }
}

#[test]
fn the_built_in_api_of_an_older_grantd_gets_the_scopes_it_lacks() {
    let app = TestApp::start();
    let path = "/resources/cid/Api?filter=builtIn%20eq%20true";
    let scopes = |app: &TestApp| {
        let list = app.admin("GET", path, &Value::Null).expect(200);
        let all = list["Resources"][0]["scopes"].as_array().unwrap().clone();
        all.iter().map(|scope| scope["identifier"].clone()).collect::<Vec<_>>()
    };
    let wanted = scopes(&app);
    let dir = app.into_dir();
    let database = Connection::open(dir.path().join("grantd.db")).unwrap();
    assert_eq!(database.execute("DELETE FROM api_scope WHERE identifier = 'introspect'", []).unwrap(), 1);
    drop(database);
    let app = TestApp::on(dir, Clock::manual(Timestamp::parse(START).unwrap(), 2), |_| {});
    assert_eq!(scopes(&app), wanted);
    let commit = "/audit/commits?filter=reason%20eq%20%22the%20API%20of%20grantd%20itself%22";
    assert_eq!(app.admin("GET", commit, &Value::Null).expect(200)["totalResults"], 2, "made, then completed");
    assert_eq!(json!(scopes(&app.restart())), json!(wanted));
}
