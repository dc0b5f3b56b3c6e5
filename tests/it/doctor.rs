//! `grantd doctor`: what it finds, and that it says what to do; beside a running server too.

use std::path::Path;
use std::process::Output;

use grantd::clock::{Clock, Timestamp};
use grantd::config::Config;
use grantd::doctor::{Finding, Level, examine};
use serde_json::{Value, json};

use crate::app::{START, TestApp, eventually, files_in};
use crate::program::grantd;

fn config(database: &Path) -> Config {
    Config { database: database.to_owned(), ..Config::default() }
}

/// What is not fine, as it would be printed.
fn findings(database: &Path, clock: &Clock) -> Vec<String> {
    let report = examine(&config(database), clock);
    let told = report.findings.iter().filter(|finding| finding.level != Level::Fine);
    told.map(|Finding { level, what, way_out }| {
        assert!(!way_out.is_empty(), "{what}: what is to be done?");
        format!("{level:?}: {what} -> {way_out}")
    })
    .collect()
}

#[track_caller]
fn only(found: &[String], level: &str, says: &[&str]) {
    assert_eq!(found.len(), 1, "{found:?}");
    for text in [&[level], says].concat() {
        assert!(found[0].contains(text), "{} does not say {text:?}", found[0]);
    }
}

/// `grantd doctor` on a database, as somebody who believes that the server is reached by `url`.
fn doctor(database: &Path, url: &str) -> Output {
    grantd(database.parent().unwrap()).arg("doctor").env("GRANTD_PUBLIC_URL", url).output().unwrap()
}

fn text(output: &Output) -> String {
    [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat()
}

#[test]
fn a_healthy_server_has_no_findings_and_nothing_is_touched() {
    let app = TestApp::start();
    app.howto();
    assert_eq!(findings(&app.database(), &app.clock), Vec::<String>::new());
    assert!(examine(&config(&app.database()), &app.clock).is_served);
    let clock = app.clock.clone();
    let dir = app.into_dir();
    let before = files_in(dir.path());
    assert_eq!(findings(&dir.path().join("grantd.db"), &clock), Vec::<String>::new());
    assert_eq!(files_in(dir.path()), before);
}

#[test]
fn beside_a_running_server_it_asks_for_the_issuer_and_its_keys() {
    let app = TestApp::on(tempfile::tempdir().unwrap(), Clock::system(), |_| {});
    let output = doctor(&app.database(), &app.url);
    assert!(output.status.success(), "{}", text(&output));
    for line in [
        "a server uses the database",
        "every page and index of the database is whole",
        "every reference leads to something",
        "is the right one",
        "the clock is not behind the last write",
        "signing keys open",
        "the audit chain holds over",
        &format!("answers as the issuer {}/oauth2/", app.url),
        "are those of this database",
    ] {
        assert!(text(&output).contains(line), "{line}: {}", text(&output));
    }
    // The same server under a name that it does not know of.
    let output = doctor(&app.database(), &app.url.replace("127.0.0.1", "localhost"));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("letter by letter"), "{}", text(&output));
    // Another server answers there.
    let other = TestApp::on(tempfile::tempdir().unwrap(), Clock::system(), |_| {});
    let output = doctor(&app.database(), &other.url);
    assert!(text(&output).contains("are not those of this database"), "{}", text(&output));
    // Nobody answers there.
    let gone = other.url.clone();
    drop(other);
    let output = doctor(&app.database(), &gone);
    assert!(text(&output).contains("does not answer as it should"), "{}", text(&output));
    assert!(text(&output).contains("grantd: 1 problem found"), "{}", text(&output));
}

#[test]
fn an_issuer_that_is_not_the_expected_one_is_explained() {
    let app = TestApp::on(tempfile::tempdir().unwrap(), Clock::system(), |config| {
        // What a proxy in front of it would be called.
        config.public_url = Some("https://id.example.com".to_owned());
    });
    let output = doctor(&app.database(), &app.url);
    assert!(text(&output).contains("answers as the issuer https://id.example.com/oauth2/"), "{}", text(&output));
    assert!(text(&output).contains("Give the server and doctor the same public_url"), "{}", text(&output));

    let alias = |url: &str| url.replace("127.0.0.1", "localhost");
    let start = || {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        TestApp::on(tempfile::tempdir().unwrap(), Clock::system(), |config| {
            config.listen.clone_from(&address);
            config.issuer_aliases = vec![alias(&format!("http://{address}"))];
        })
    };
    // Somebody else may be given that port in between.
    let app = (0..10).find_map(|_| std::panic::catch_unwind(start).ok()).expect("a port that stays free");
    let with = |mode: &str, url: &str| {
        let mut command = grantd(app.dir.path());
        command.arg("doctor").env("GRANTD_PUBLIC_URL", url).env("GRANTD_ALIAS_ISSUER", mode);
        command.env("GRANTD_ISSUER_ALIASES", format!("[{:?}]", alias(&app.url)));
        text(&command.output().unwrap())
    };
    let told = with("fixed", &app.url);
    assert!(told.contains("is an alias of the issuer") && told.contains("unless alias_issuer is own"), "{told}");
    let told = with("own", &app.url);
    assert!(told.contains("PROBLEM") && told.contains("the same public_url, issuer_aliases and"), "{told}");
}

#[test]
fn keys_that_everybody_knows_are_a_finding() {
    let app = TestApp::dev(tempfile::tempdir().unwrap(), true);
    let output = doctor(&app.database(), &app.url);
    assert!(text(&output).contains("PROBLEM  the server signs with fixed keys"), "{}", text(&output));
}

#[test]
fn a_clock_that_differs_from_the_servers_is_found() {
    // The test's server lives in another year than this machine.
    let clock = Clock::manual(Timestamp::parse("2099-01-15T10:00:00Z").unwrap(), 1);
    let app = TestApp::on(tempfile::tempdir().unwrap(), clock, |_| {});
    let output = doctor(&app.database(), &app.url);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("this machine's clock is behind the last write"), "{}", text(&output));
}

#[test]
fn what_ends_soon_is_named_unless_its_successor_is_there() {
    let app = TestApp::start();
    let howto = app.howto();
    let end = |days: i64| json!(app.clock.now().plus_seconds(days * 86_400).to_string());
    let database = app.database();
    let found = || findings(&database, &app.clock);
    app.set("Grant", &howto.grant, "expiresAt", &end(15));
    assert_eq!(found(), Vec::<String>::new(), "15 days are long");
    app.set("Grant", &howto.grant, "expiresAt", &end(14));
    only(&found(), "Soon", &["the grant of periodicCleanup at myrestapi ends at 2027-01-29T10:00:00.000Z", "renew"]);
    app.set("ServiceAccount", &howto.account, "active", &json!(false));
    assert_eq!(found(), Vec::<String>::new(), "nobody misses the grant of an account that is off");
    app.set("ServiceAccount", &howto.account, "active", &json!(true));
    app.set("Grant", &howto.grant, "expiresAt", &Value::Null);

    let secrets = format!("/resources/cid/MachineToMachine/{}/secrets", howto.client);
    app.admin("POST", &secrets, &json!({"expiresAt": end(3)})).expect(201);
    assert_eq!(found(), Vec::<String>::new(), "the first secret outlives it");
    app.end_secret(&howto.client, &howto.client_secret);
    only(&found(), "Soon", &["the secret …", "of periodicService ends at 2027-01-18"]);
    app.admin("POST", &secrets, &json!({})).expect(201);
    assert_eq!(found(), Vec::<String>::new());

    for number in 1..=8 {
        let token = json!({"displayName": format!("token {number}"), "role": "reader", "expiresAt": end(number)});
        app.admin("POST", "/auth/api-tokens", &token).expect(201);
    }
    only(&found(), "Soon", &["called token 1 ends at 2027-01-16", "called token 5", "and 3 more"]);
}

#[test]
fn keys_that_should_have_rotated_and_clocks_that_stepped_back_are_found() {
    let app = TestApp::start();
    let clock = app.clock.clone();
    let dir = app.into_dir();
    let database = dir.path().join("grantd.db");
    clock.set(clock.now().plus_seconds(91 * 86_400));
    assert_eq!(findings(&database, &clock), Vec::<String>::new(), "a day late is not too late");
    clock.set(clock.now().plus_seconds(3 * 86_400));
    let found = findings(&database, &clock);
    assert_eq!(found.len(), 3, "each algorithm's key: {found:?}");
    assert!(found[0].contains("longer than the 90 days it may") && found[0].contains("start it"), "{found:?}");
    clock.set(Timestamp::parse("2027-01-15T09:00:00Z").unwrap());
    let found = findings(&database, &clock);
    assert!(found[0].contains("behind the last write") && found[0].contains("NTP"), "{found:?}");
    assert!(found[1].contains("which is still to come"), "{found:?}");
}

#[test]
fn damage_is_found_wherever_it_is() {
    let app = TestApp::start();
    app.howto();
    let commits = "/audit/commits?count=1";
    eventually("sealing", || {
        (app.admin("GET", commits, &Value::Null).json()["Resources"][0]["sealed"] == true).then_some(())
    });
    let clock = app.clock.clone();
    let dir = app.into_dir();
    let path = dir.path().join("grantd.db");
    let whole = std::fs::read(&path).unwrap();
    let with = |sql: &str| {
        std::fs::write(&path, &whole).unwrap();
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        database.execute_batch(sql).unwrap();
        drop(database);
        findings(&path, &clock)
    };
    only(
        &with("DELETE FROM service_account"),
        "Problem",
        &["references lead nowhere: 1 of access_grant, 1 of machine_to_machine"],
    );
    only(&with("UPDATE audit_commit SET reason = 'x' WHERE seq = 2"), "Problem", &["commit 2 is not what was sealed"]);
    only(
        &with("UPDATE signing_key SET private_sealed = x'00'"),
        "Problem",
        &["a signing key cannot be used", "restore"],
    );
    only(&with("DELETE FROM signing_key WHERE alg = 'ES256'"), "Problem", &["no ES256 key signs"]);
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let found = findings(&path, &clock);
    assert!(found[0].starts_with("Problem: the database"), "{found:?}");
    std::fs::write(&path, [7; 5000]).unwrap();
    only(&findings(&path, &clock), "Problem", &["is not a SQLite database"]);
    std::fs::remove_file(&path).unwrap();
    only(&findings(&path, &clock), "Problem", &["there is no database", "grantd init"]);
}

#[test]
fn a_key_that_does_not_sign_and_does_not_open_is_found_with_its_way_out() {
    let app = TestApp::start();
    app.admin("POST", "/keys/rotate", &json!({"alg": "ES256", "force": true})).expect(200);
    let clock = app.clock.clone();
    let dir = app.into_dir();
    let path = dir.path().join("grantd.db");
    let whole = std::fs::read(&path).unwrap();
    for (state, says) in [("next", "restore a backup from before"), ("retired", "(grantd key delete ")] {
        std::fs::write(&path, &whole).unwrap();
        let database = rusqlite::Connection::open(&path).unwrap();
        let damage = "UPDATE signing_key SET private_sealed = x'00' WHERE alg = 'ES256' AND state = ?1";
        assert_eq!(database.execute(damage, [state]).unwrap(), 1, "{state}");
        drop(database);
        only(&findings(&path, &clock), "Problem", &[&format!("the {state} ES256 key "), "cannot be opened", says]);
    }
    // The server runs, and what is to be done can be done.
    let app = TestApp::on(dir, clock.clone(), |_| {});
    let keys = app.admin("GET", "/keys", &Value::Null).expect(200);
    let retired = keys["Resources"].as_array().unwrap().iter().find(|key| key["state"] == "retired").unwrap();
    let answer = app.admin("DELETE", &format!("/keys/{}", retired["kid"].as_str().unwrap()), &Value::Null);
    assert_eq!(answer.status, 204, "{}", answer.text);
    let dir = app.into_dir();
    assert_eq!(findings(&dir.path().join("grantd.db"), &clock), Vec::<String>::new());
}

#[test]
fn a_missing_or_wrong_key_is_found_and_the_rest_is_looked_at() {
    let app = TestApp::start();
    let clock = app.clock.clone();
    let dir = app.into_dir();
    let (path, key) = (dir.path().join("grantd.db"), dir.path().join("grantd.db.key"));
    std::fs::write(&key, "A".repeat(43)).unwrap();
    only(&findings(&path, &clock), "Problem", &["is not the one of this database", "--master-key-file"]);
    std::fs::write(&key, "garbage").unwrap();
    only(&findings(&path, &clock), "Problem", &["43 characters of base64url"]);
    std::fs::remove_file(&key).unwrap();
    only(&findings(&path, &clock), "Problem", &["the master key is missing"]);
}

#[cfg(unix)]
#[test]
fn files_that_others_can_read_are_found() {
    use std::os::unix::fs::PermissionsExt;
    let app = TestApp::start();
    let clock = app.clock.clone();
    let dir = app.into_dir();
    let path = dir.path().join("grantd.db");
    let key = dir.path().join("grantd.db.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    only(&findings(&path, &clock), "Problem", &["grantd.db.key can be read or written by others", "chmod 600"]);
}

#[test]
fn an_older_schema_is_told_and_not_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("grantd.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch(include_str!("schema/1.sql")).unwrap();
    database.pragma_update(None, "application_id", grantd::store::schema::APPLICATION_ID).unwrap();
    database.pragma_update(None, "user_version", 1).unwrap();
    drop(database);
    let clock = Clock::manual(Timestamp::parse(START).unwrap(), 1);
    let found = findings(&path, &clock);
    assert!(found.iter().any(|line| line.starts_with("Soon: the schema is version 1")), "{found:?}");
    let version: i32 =
        rusqlite::Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
}

#[test]
fn secrets_in_clear_are_found() {
    let app = TestApp::start();
    let with = |url: &str| {
        let config = Config { public_url: Some(url.to_owned()), ..config(&app.database()) };
        examine(&config, &app.clock).problems()
    };
    assert_eq!(
        (with("http://id.example.com"), with("https://id.example.com"), with("http://localhost:8420")),
        (1, 0, 0)
    );
    let open = Config { listen: "0.0.0.0:8420".to_owned(), ..config(&app.database()) };
    let report = examine(&open, &app.clock);
    assert!(report.findings.iter().any(|f| f.level == Level::Soon && f.what.contains("public_url is not set")));
}
