//! The audit chain against who writes to the file: what was changed, cut off or put back is found, and not sealed over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::hkdf;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use grantd::backup::restore;
use grantd::clock::Clock;
use grantd::config::Config;
use grantd::doctor::{Level, examine};
use grantd::store::Watch;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{TestApp, eventually};

const COMMITS: &str = "SELECT MAX(seq) FROM audit_commit";
const SEALS: &str = "SELECT COUNT(*) FROM audit_seal";
const HEAD: &str = "SELECT value FROM setting WHERE name = 'audit_head'";
const CHECK: &str = "SELECT value FROM setting WHERE name = 'master_key_check'";

fn config(database: &Path) -> Config {
    Config { database: database.to_owned(), ..Config::default() }
}

/// What doctor calls a problem.
fn problems(database: &Path, clock: &Clock) -> Vec<String> {
    let findings = examine(&config(database), clock).findings;
    findings.into_iter().filter(|finding| finding.level == Level::Problem).map(|finding| finding.what).collect()
}

/// How many commits are sealed; or the first one that is not as it was.
fn verdict(app: &TestApp) -> Result<i64, i64> {
    let verdict = app.admin("GET", "/audit/verify", &Value::Null).expect(200);
    let number = |member: &str| verdict[member].as_i64().unwrap();
    if verdict["holds"] == true {
        assert_eq!(verdict["brokenAt"], Value::Null);
        return Ok(number("sealed"));
    }
    assert_eq!((&verdict["sealed"], &verdict["waiting"]), (&Value::Null, &Value::Null));
    Err(number("brokenAt"))
}

/// Waits until every commit is sealed, and answers how many there are.
fn sealed(app: &TestApp) -> i64 {
    let verify = || app.admin("GET", "/audit/verify", &Value::Null).expect(200);
    let verdict = eventually("sealing", || Some(verify()).filter(|verdict| verdict["waiting"] == 0));
    verdict["sealed"].as_i64().unwrap()
}

/// Like somebody who has the file, and not the key.
fn write(database: &Connection, sql: &str) {
    database.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    database.execute_batch(sql).unwrap();
}

fn blob(database: &Connection, sql: &str) -> Vec<u8> {
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn put(database: &Connection, name: &str, value: &[u8]) {
    let changed = database.execute("UPDATE setting SET value = ?1 WHERE name = ?2", (value, name)).unwrap();
    assert_eq!(changed, 1, "{name}");
}

/// The check value that a grantd of before heads gives the master key in `dir`.
fn check_of_before_heads(dir: &Path) -> [u8; 32] {
    let text = std::fs::read_to_string(dir.join("grantd.db.key")).unwrap();
    let key = BASE64_URL_SAFE_NO_PAD.decode(text.trim()).unwrap();
    let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"grantd v1").extract(&key);
    let mut check = [0_u8; 32];
    root.expand(&[b"check value".as_slice()], hkdf::HKDF_SHA256).unwrap().fill(&mut check).unwrap();
    check
}

/// The database of a server that has stopped, its last pass done.
struct Stopped {
    dir: TempDir,
    clock: Clock,
}

impl Stopped {
    /// One that has done what the how-to does: every commit is sealed.
    fn after_howto() -> Self {
        let app = TestApp::start();
        app.howto();
        let stopped = Self::of(app);
        assert_eq!(stopped.number(SEALS), stopped.number(COMMITS));
        stopped
    }

    fn of(app: TestApp) -> Self {
        let clock = app.clock.clone();
        Self { dir: app.into_dir(), clock }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("grantd.db")
    }

    fn open(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn number(&self, sql: &str) -> i64 {
        self.open().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn problems(&self) -> Vec<String> {
        problems(&self.path(), &self.clock)
    }

    fn copy(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in ["grantd.db", "grantd.db.key"] {
            std::fs::copy(self.dir.path().join(file), dir.path().join(file)).unwrap();
        }
        Self { dir, clock: self.clock.clone() }
    }

    /// A copy that somebody wrote to.
    fn with(&self, sql: &str) -> Self {
        let copy = self.copy();
        write(&copy.open(), sql);
        copy
    }

    fn start(self) -> TestApp {
        TestApp::on(self.dir, self.clock, |_| {})
    }

    /// As a grantd of before heads leaves it: the other check value, the same seals, no head.
    fn into_one_before_heads(self) -> Self {
        let database = self.open();
        put(&database, "master_key_check", &check_of_before_heads(self.dir.path()));
        write(&database, "DELETE FROM setting WHERE name = 'audit_head'");
        drop(database);
        self
    }
}

/// Doctor finds the change where it is. A server that is started on it goes on, and finds it too.
#[track_caller]
fn is_found(changed: Stopped, at: i64, says: &str) -> Stopped {
    let told = |stopped: &Stopped| {
        let told = stopped.problems();
        assert!(told.iter().any(|problem| problem.contains(says)), "{told:?} does not say {says:?}");
    };
    told(&changed);
    let app = changed.start();
    assert_eq!(verdict(&app), Err(at), "{says}");
    app.create("ServiceAccount", &json!({"userName": "made while it is broken"}));
    assert_eq!(verdict(&app), Err(at), "{says}");
    let stopped = Stopped::of(app);
    told(&stopped);
    stopped
}

/// As [`is_found`], and nothing is sealed after it.
#[track_caller]
fn is_found_at_the_end(changed: Stopped, at: i64, says: &str) -> Stopped {
    let seals = changed.number(SEALS);
    let stopped = is_found(changed, at, says);
    assert_eq!(stopped.number(SEALS), seals, "{says}");
    stopped
}

#[test]
fn whatever_is_changed_in_the_trail_is_found_and_not_sealed_over() {
    let whole = Stopped::after_howto();
    let last = whole.number(COMMITS);
    let (cut, next) = (last - 1, last + 1);
    let changed = |seq: i64| format!("commit {seq} is not what was sealed");
    let missing = |seq: i64| format!("commit {seq} or its seal is missing");
    let headless = "the head of its chain is missing or another";
    let cut_off = format!(
        "DELETE FROM audit_seal WHERE seq >= {cut}; DELETE FROM audit_commit WHERE seq >= {cut}; \
         DELETE FROM audit_subject WHERE seq >= {cut};"
    );
    let forged = |seq: i64| {
        format!(
            "INSERT INTO audit_commit SELECT {seq}, 'zz' || substr(id, 3), at_ms, actor_id, actor_name, actor_type, \
             reason, correlation, request_id, changes, guard FROM audit_commit WHERE seq = {last};"
        )
    };
    let forged_from = "DELETE FROM audit_seal WHERE seq > 3; UPDATE audit_commit SET reason = 'x' WHERE seq = 4";
    let set_back = format!("{cut_off} UPDATE sqlite_sequence SET seq = {cut} - 1 WHERE name = 'audit_commit'");
    let headless_from = |sql: &str| (next, headless.to_owned(), sql.to_owned());
    // The end of the chain is as it was: it goes on from there, and stays broken.
    for (says, sql) in [
        (changed(3), "UPDATE audit_commit SET reason = 'x' WHERE seq = 3"),
        (missing(3), "DELETE FROM audit_seal WHERE seq = 3"),
        (missing(3), "DELETE FROM audit_commit WHERE seq = 3"),
        (missing(3), "DELETE FROM audit_seal WHERE seq = 3; DELETE FROM audit_commit WHERE seq = 3"),
    ] {
        is_found(whole.with(sql), 3, &says);
    }
    let changes = [
        // Begun anew, without the key.
        (1, missing(1), "DELETE FROM audit_seal; UPDATE audit_commit SET reason = 'x'".to_owned()),
        (4, missing(4), forged_from.to_owned()),
        // The tail is cut off: new commits leave a gap, or take the numbers of the old ones.
        (cut, missing(cut), cut_off),
        (cut, missing(cut), set_back),
        headless_from("DELETE FROM setting WHERE name = 'audit_head'"),
        headless_from("UPDATE setting SET value = zeroblob(72) WHERE name = 'audit_head'"),
        (1, headless.to_owned(), "DELETE FROM setting WHERE name = 'audit_head'; DELETE FROM audit_seal".to_owned()),
        // One more commit, with a seal that was made up; and one that shows by its number that there was another.
        (next, changed(next), forged(next) + format!("INSERT INTO audit_seal VALUES ({next}, zeroblob(32))").as_str()),
        (next, missing(next), forged(next + 1)),
    ];
    for (at, says, sql) in changes {
        is_found_at_the_end(whole.with(&sql), at, &says);
    }
    // A database that looks as if it had never been finished is begun, and what it has lost is missed.
    for and in ["", "DELETE FROM audit_commit;"] {
        let begun = whole.with(&format!("DELETE FROM setting; DELETE FROM audit_seal; {and}")).start();
        assert_eq!(verdict(&begun), Err(1));
        let begun = Stopped::of(begun);
        is_found_at_the_end(begun, 1, headless);
    }
    assert_eq!(whole.problems(), Vec::<String>::new());
}

#[test]
fn tokens_are_issued_while_the_trail_is_broken() {
    let app = TestApp::start();
    let howto = app.howto();
    let stopped = Stopped::of(app);
    write(&stopped.open(), "DELETE FROM audit_seal WHERE seq > 2");
    let app = stopped.start();
    assert_eq!(verdict(&app), Err(3));
    app.token_for(&howto, &[("scope", "write")]).expect(200);
}

#[test]
fn an_older_head_is_found_by_the_seals_made_since_and_by_the_server_that_made_them() {
    let app = TestApp::start();
    sealed(&app);
    let old = blob(&Connection::open(app.database()).unwrap(), HEAD);
    let first = i64::from_be_bytes(old[..8].try_into().unwrap());
    app.howto();
    let stopped = Stopped::of(app);
    let last = stopped.number(COMMITS);
    assert!(last > first + 1);
    let with_old_head = |sql: &str| {
        let changed = stopped.with(sql);
        put(&changed.open(), "audit_head", &old);
        changed
    };
    is_found(with_old_head(""), last + 1, "the head of its chain is missing or another");
    let from = first + 1;
    let some = format!("DELETE FROM audit_seal WHERE seq = {from}");
    is_found(with_old_head(&some), from, &format!("commit {from} or its seal is missing"));

    // With no seal left of those made since, it is the older state. A server that has sealed further knows better.
    let app = stopped.start();
    sealed(&app);
    let database = Connection::open(app.database()).unwrap();
    write(&database, "BEGIN IMMEDIATE");
    put(&database, "audit_head", &old);
    write(&database, &format!("DELETE FROM audit_seal WHERE seq > {first}; COMMIT"));
    drop(database);
    eventually("the older head is found", || (verdict(&app) == Err(from)).then_some(()));
    app.create("ServiceAccount", &json!({"userName": "later"}));
    assert_eq!(verdict(&app), Err(from));
    assert_eq!(Stopped::of(app).number(SEALS), first, "the last pass sealed nothing");
}

#[test]
fn a_database_of_before_heads_is_taken_over_once() {
    let old = Stopped::after_howto().into_one_before_heads();
    assert_eq!(old.problems(), Vec::<String>::new());
    let old_check = blob(&old.open(), CHECK);

    // One whose chain does not hold is not taken over.
    let broken = old.with("UPDATE audit_commit SET reason = 'x' WHERE seq = 2");
    let broken = is_found(broken, 2, "commit 2 is not what was sealed");
    assert_eq!(blob(&broken.open(), CHECK), old_check);

    let app = old.start();
    assert!(verdict(&app).is_ok());
    app.create("ServiceAccount", &json!({"userName": "later"}));
    let taken = Stopped::of(app);
    assert_eq!(taken.problems(), Vec::<String>::new());
    let last = taken.number(COMMITS);
    assert_eq!(taken.number(SEALS), last);
    assert_ne!(blob(&taken.open(), CHECK), old_check);
    assert_eq!(blob(&taken.open(), HEAD).len(), 72);
    let headless = "the head of its chain is missing or another";
    is_found(taken.with("DELETE FROM setting WHERE name = 'audit_head'"), last + 1, headless);
    // Nor is the old check value of any use where there is a head.
    let forgotten = taken.copy();
    put(&forgotten.open(), "master_key_check", &old_check);
    is_found(forgotten, last + 1, headless);
    assert!(verdict(&taken.start()).is_ok_and(|sealed| sealed >= last));
}

#[test]
fn a_running_server_takes_no_trail_over_that_it_has_sealed_itself() {
    for cut_off in [0, 2] {
        let app = TestApp::start();
        app.howto();
        let left = sealed(&app) - cut_off;
        let database = Connection::open(app.database()).unwrap();
        write(&database, "BEGIN IMMEDIATE");
        put(&database, "master_key_check", &check_of_before_heads(app.dir.path()));
        let headless = "DELETE FROM setting WHERE name = 'audit_head'";
        write(&database, &format!("{headless}; DELETE FROM audit_seal WHERE seq > {left}; COMMIT"));
        drop(database);
        eventually("the old check value is found", || (verdict(&app) == Err(left + 1)).then_some(()));
        app.create("ServiceAccount", &json!({"userName": "later"}));
        assert_eq!(verdict(&app), Err(left + 1));
        assert_eq!(Stopped::of(app).number(SEALS), left, "the last pass sealed nothing");
    }
}

#[test]
fn a_backup_is_restored_with_its_head_and_one_of_before_heads_without() {
    for stopped in [Stopped::after_howto(), Stopped::after_howto().into_one_before_heads()] {
        let commits = stopped.number(COMMITS);
        let outside = tempfile::tempdir().unwrap();
        let file = outside.path().join("b.db");
        std::fs::copy(stopped.path(), &file).unwrap();
        let app = stopped.start();
        app.create("ServiceAccount", &json!({"userName": "after-the-backup"}));
        let stopped = Stopped::of(app);
        let mut watch = Watch { report: &mut |_| {}, stop: Arc::default() };
        restore(&config(&stopped.path()), &file, &stopped.clock, &mut watch).unwrap();
        assert_eq!((stopped.number(COMMITS), stopped.problems()), (commits, Vec::new()));
        let app = stopped.start();
        assert!(verdict(&app).is_ok());
        assert!(sealed(&app) > commits, "the API token of the start is sealed too");
    }
}

/// In one process and beside it, between any two passes.
#[test]
fn the_chain_holds_at_every_moment_of_a_servers_life() {
    let mut app = TestApp::start();
    for life in 0..3 {
        let served = &app;
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for number in 0..100 {
                    served.create("ServiceAccount", &json!({"userName": format!("{life}-{number}")}));
                }
            });
            while !writer.is_finished() {
                assert!(verdict(served).is_ok());
                assert_eq!(problems(&served.database(), &served.clock), Vec::<String>::new());
            }
        });
        app = app.restart();
    }
    let stopped = Stopped::of(app);
    assert_eq!(stopped.number(SEALS), stopped.number(COMMITS));
}
