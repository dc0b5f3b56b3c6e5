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
    include_str!("schema/8.sql"),
    include_str!("schema/9.sql"),
    include_str!("schema/10.sql"),
    include_str!("schema/11.sql"),
    include_str!("schema/12.sql"),
    include_str!("schema/13.sql"),
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
    assert!(
        schema::SCHEMA.contains(&format!("(user_version {})", schema::VERSION)),
        "its first line says another version"
    );
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

/// Something in every table that a later version makes anew.
const BEFORE: &str = "
    INSERT INTO service_account VALUES ('0000000000000000000001', 'older', 'An older one', 1, '{}', 1, 1, 1);
    INSERT INTO service_account VALUES ('0000000000000000000000', 'oldest', 'The oldest', 0, '{\"a\":1}', 7, 1, 2);
    INSERT INTO machine_to_machine VALUES ('0000000000000000000002', 'its-client', 'Its client', '0000000000000000000001', 1,
        '[\"client_secret_basic\"]', '{}', 1, 1, 1);
    INSERT INTO credential (id, machine_to_machine_id, kind, hash_kind, hash, last4, created_at_ms)
        VALUES ('0000000000000000000003', '0000000000000000000002', 'secret', 'hmac-sha256', zeroblob(32), 'abcd', 1);
    INSERT INTO api (id, app_id, display_name, active, signing_alg, token_format, token_lifetime_seconds, claims, attributes,
        revision, created_at_ms, modified_at_ms)
        VALUES ('0000000000000000000004', 'its-api', 'Its API', 1, 'EdDSA', 'jwt', 60, '{}', '{}', 1, 1, 1);
    INSERT INTO access_grant VALUES ('0000000000000000000005', '0000000000000000000001', '0000000000000000000004', NULL, NULL,
        'because', 1, 1, 1);
    INSERT INTO decision (id, at_ms, outcome, error, client_id, request_id, rest, explanation)
        VALUES ('0000000000000000000006', 1, 'refused', 'access_denied', 'its-client', 'x', '{\"reason\":\"no\"}', zeroblob(32));
    INSERT INTO decision_explanation VALUES (zeroblob(32), 1, '[\"its-policy\"]', '{\"steps\":[{\"policyId\":\"its-policy\"}]}');
    INSERT INTO managed VALUES ('0000000000000000000001', 'ServiceAccount', 'someone');
";

#[test]
fn what_is_in_a_database_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("grantd.db");
    // The first version whose tables hold all of that.
    old_database(&path, 8);
    Connection::open(&path).unwrap().execute_batch(BEFORE).unwrap();
    let app = TestApp::on(dir, Clock::manual(Timestamp::parse(START).unwrap(), 1), |_| {});
    let get = |path: &str| app.admin("GET", path, &Value::Null).expect(200);
    let accounts = get("/resources/cid/ServiceAccount");
    let names: Vec<&Value> = accounts["Resources"].as_array().unwrap().iter().map(|one| &one["userName"]).collect();
    assert_eq!(names, ["oldest", "older"], "in the order of their making");
    let oldest = get("/resources/cid/ServiceAccount/0000000000000000000000");
    assert_eq!((&oldest["attributes"], &oldest["meta"]["revision"]), (&json!({"a": 1}), &json!(7)));
    for (path, id) in [
        ("/resources/cid/ServiceAccount?filter=displayName%20co%20%22AN%20OLDER%22", "0000000000000000000001"),
        ("/resources/cid/MachineToMachine?filter=clientId%20co%20%22s-cli%22", "0000000000000000000002"),
        ("/resources/cid/Grant?filter=apiId%20eq%20%220000000000000000000004%22", "0000000000000000000005"),
        ("/decisions?filter=outcome%20eq%20%22refused%22", "0000000000000000000006"),
        ("/decisions?filter=error%20eq%20%22access_denied%22", "0000000000000000000006"),
        ("/decisions?filter=steps.policyId%20eq%20%22its-policy%22", "0000000000000000000006"),
    ] {
        let list = get(path);
        assert_eq!((&list["totalResults"], &list["Resources"][0]["id"]), (&json!(1), &json!(id)), "{path}");
    }
    let decision = get("/decisions/0000000000000000000006");
    assert_eq!((&decision["reason"], &decision["steps"][0]["policyId"]), (&json!("no"), &json!("its-policy")));
    assert_eq!(get("/resources/cid/MachineToMachine/0000000000000000000002/secrets")["Resources"][0]["last4"], "abcd");
    // What it refers to and what keeps it are as they were.
    app.admin("DELETE", "/resources/cid/ServiceAccount/0000000000000000000001", &Value::Null).expect(409);
    app.admin("DELETE", "/resources/cid/ServiceAccount/0000000000000000000001?cascade=true", &Value::Null).expect(204);
    let dir = app.into_dir();
    let database = Connection::open(dir.path().join("grantd.db")).unwrap();
    for table in
        ["managed", "credential", "access_grant", "service_account_gram WHERE service_account_gram MATCH 'der'"]
    {
        let count: i64 = database.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{table}");
    }
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
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
