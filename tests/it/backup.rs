//! Backup beside a running server, and restore: whole and checked, or nothing at all.

mod command;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use grantd::backup::{Backup, Restored, backup, restore};
use grantd::clock::{Clock, Timestamp};
use grantd::config::Config;
use grantd::store::{Step, Watch, schema};
use serde_json::{Value, json};

use crate::app::{START, TestApp, files_in};

fn config(database: &Path) -> Config {
    Config { database: database.to_owned(), ..Config::default() }
}

fn clock() -> Clock {
    Clock::manual(Timestamp::parse(START).unwrap(), 9)
}

/// Runs a piece of work, told of each of its steps, to its end.
fn watched<T>(mut told: impl FnMut(Step), work: impl FnOnce(&mut Watch<'_>) -> T) -> T {
    work(&mut Watch { report: &mut told, stop: Arc::default() })
}

fn back_up(database: &Path, file: &Path) -> grantd::Result<Backup> {
    watched(|_| {}, |watch| backup(&config(database), file, false, &Clock::system(), watch))
}

fn bring_back(database: &Path, file: &Path) -> grantd::Result<Restored> {
    watched(|_| {}, |watch| restore(&config(database), file, &clock(), watch))
}

/// A stopped server's directory with a backup in another, and the client that is in both.
struct Scene {
    howto: crate::app::HowTo,
    dir: tempfile::TempDir,
    outside: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let app = TestApp::start();
        let howto = app.howto();
        let outside = tempfile::tempdir().unwrap();
        back_up(&app.database(), &outside.path().join("b.db")).unwrap();
        app.create("ServiceAccount", &json!({"userName": "after-the-backup"}));
        Self { howto, dir: app.into_dir(), outside }
    }

    fn database(&self) -> PathBuf {
        self.dir.path().join("grantd.db")
    }

    fn file(&self) -> PathBuf {
        self.outside.path().join("b.db")
    }
}

fn accounts(app: &TestApp) -> Vec<String> {
    let list = app.admin("GET", "/resources/cid/ServiceAccount", &Value::Null).expect(200);
    let all = list["Resources"].as_array().unwrap().iter();
    all.map(|account| account["userName"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_backup_made_under_load_starts_on_another_machine() {
    let app = TestApp::start();
    let howto = app.howto();
    // Some thousand pages, so that the copy takes many steps.
    let database = rusqlite::Connection::open(app.database()).unwrap();
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
        INSERT INTO service_account (id, user_name, display_name, active, attributes, revision, created_at_ms, modified_at_ms) \
        SELECT printf('%022d', i), 'filler-' || i, 'Filler', 0, '{}', 1, 0, 0 FROM n";
    database.execute(fill, []).unwrap();
    let other = tempfile::tempdir().unwrap();
    let file = other.path().join("grantd.db");
    let (stop, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut steps = Vec::new();
    let made = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let name = format!("under-load-{}", written.load(Ordering::SeqCst));
                app.create("ServiceAccount", &json!({"userName": name}));
                written.fetch_add(1, Ordering::SeqCst);
            }
        });
        // The copy may be over before a thread that has just been started does anything.
        while written.load(Ordering::SeqCst) == 0 && !writer.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let made = watched(
            |step| steps.push(step),
            |watch| backup(&config(&app.database()), &file, false, &Clock::system(), watch),
        );
        stop.store(true, Ordering::SeqCst);
        made
    });
    let made = made.unwrap();
    assert_eq!(made.bytes, std::fs::metadata(&file).unwrap().len());
    assert!(made.last_commit_at.is_some() && written.into_inner() > 0);
    let copied: Vec<(u64, u64)> = steps
        .iter()
        .filter_map(|step| if let Step::Copied(pages, of) = step { Some((*pages, *of)) } else { None })
        .collect();
    assert!(copied.len() >= 3 && copied.is_sorted(), "{copied:?}");
    let (last, of) = copied[copied.len() - 1];
    assert_eq!(last, of);
    assert_eq!(steps.last(), Some(&Step::Checking));
    assert_eq!(files_in(other.path()).len(), 1, "one file, without side files");
    // The key travels apart.
    std::fs::copy(app.dir.path().join("grantd.db.key"), other.path().join("grantd.db.key")).unwrap();
    let there = TestApp::on(other, app.clock.clone(), |_| {});
    let token = there.token_for(&howto, &[("scope", "write")]).expect(200);
    assert_eq!(token["scope"], "write");
}

#[cfg(unix)]
#[test]
fn a_backup_is_its_owners_alone_and_holds_no_key() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    assert_eq!(std::fs::metadata(scene.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let key = std::fs::read(scene.dir.path().join("grantd.db.key")).unwrap();
    let bytes = std::fs::read(scene.file()).unwrap();
    assert!(!bytes.windows(43).any(|window| window == &key[..43]));
}

#[test]
fn a_backup_replaces_nothing_unless_told_to_and_never_the_database() {
    let scene = Scene::new();
    let refused = |file: &Path, force: bool| {
        let outcome = watched(|_| {}, |watch| backup(&config(&scene.database()), file, force, &Clock::system(), watch));
        outcome.unwrap_err().to_string()
    };
    let before = (files_in(scene.dir.path()), files_in(scene.outside.path()));
    assert!(refused(&scene.file(), false).contains("add --force"));
    for own in ["grantd.db", "grantd.db-wal", "grantd.db-lock", "grantd.db.key", "./grantd.db"] {
        for force in [true, false] {
            let error = refused(&scene.dir.path().join(own), force);
            assert!(error.contains("belongs to the database itself"), "{own}: {error}");
        }
    }
    assert!(refused(&scene.outside.path().join("no/such/dir/b.db"), false).contains("cannot be made"));
    let nowhere = watched(
        |_| {},
        |watch| backup(&config(Path::new("/nowhere/grantd.db")), &scene.file(), true, &Clock::system(), watch),
    );
    assert!(nowhere.unwrap_err().to_string().contains("there is no database"));
    assert_eq!((files_in(scene.dir.path()), files_in(scene.outside.path())), before);
    watched(|_| {}, |watch| backup(&config(&scene.database()), &scene.file(), true, &Clock::system(), watch)).unwrap();
    assert_ne!(files_in(scene.outside.path()), before.1);
}

#[test]
fn who_interrupts_finds_everything_as_it_was() {
    let scene = Scene::new();
    let before = (files_in(scene.dir.path()), files_in(scene.outside.path()));
    for at in [Step::Copied(0, 0), Step::Checking] {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let mut report = |step: Step| {
            if std::mem::discriminant(&step) == std::mem::discriminant(&at) {
                asked.store(true, Ordering::SeqCst);
            }
        };
        let mut watch = Watch { report: &mut report, stop: Arc::clone(&stop) };
        let error = backup(&config(&scene.database()), &scene.file(), true, &Clock::system(), &mut watch).unwrap_err();
        assert!(error.to_string().contains("interrupted"), "{error}");
        stop.store(false, Ordering::SeqCst);
        let error = restore(&config(&scene.database()), &scene.file(), &clock(), &mut watch).unwrap_err();
        assert!(error.to_string().contains("interrupted"), "{error}");
        assert_eq!((files_in(scene.dir.path()), files_in(scene.outside.path())), before, "{at:?}");
    }
}

#[test]
fn a_restore_brings_back_what_was_and_keeps_what_is() {
    let scene = Scene::new();
    let restored = bring_back(&scene.database(), &scene.file()).unwrap();
    let kept = restored.kept.unwrap();
    assert_eq!(kept, scene.dir.path().join("grantd.db.20270115T100000Z"));
    assert!(!restored.is_older);
    let old = rusqlite::Connection::open(&kept).unwrap();
    let sql = "SELECT COUNT(*) FROM service_account WHERE user_name = 'after-the-backup'";
    assert_eq!(old.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    drop(old);
    // Twice within a second: neither of the kept ones is overwritten.
    let again = bring_back(&scene.database(), &scene.file()).unwrap();
    assert_eq!(again.kept.unwrap(), scene.dir.path().join("grantd.db.20270115T100000Z-1"));
    let app = TestApp::on(scene.dir, clock(), |_| {});
    assert_eq!(accounts(&app), ["periodicCleanup"]);
    app.token_for(&scene.howto, &[("scope", "write")]).expect(200);
}

#[test]
fn a_restore_on_a_new_machine_needs_the_key_first() {
    let scene = Scene::new();
    let new = tempfile::tempdir().unwrap();
    let database = new.path().join("grantd.db");
    let error = bring_back(&database, &scene.file()).unwrap_err().to_string();
    assert!(error.contains("the master key is missing"), "{error}");
    assert!(files_in(new.path()).is_empty());
    std::fs::copy(scene.dir.path().join("grantd.db.key"), new.path().join("grantd.db.key")).unwrap();
    assert_eq!(bring_back(&database, &scene.file()).unwrap().kept, None);
    TestApp::on(new, clock(), |_| {}).token_for(&scene.howto, &[("scope", "write")]).expect(200);
}

#[test]
fn a_restore_refuses_what_would_not_start() {
    let scene = Scene::new();
    let key = scene.dir.path().join("grantd.db.key");
    let right = std::fs::read(&key).unwrap();
    let whole = std::fs::read(scene.file()).unwrap();
    let changed = |name: &str, change: &dyn Fn(&Path)| {
        let path = scene.outside.path().join(name);
        std::fs::write(&path, &whole).unwrap();
        change(&path);
        path
    };
    let pragma = |name: &'static str, value: i32| {
        move |path: &Path| rusqlite::Connection::open(path).unwrap().pragma_update(None, name, value).unwrap()
    };
    let dangling = |path: &Path| {
        let database = rusqlite::Connection::open(path).unwrap();
        database.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM service_account").unwrap();
    };
    let overwritten = |path: &Path| {
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 20_000].fill(0x5a);
        std::fs::write(path, bytes).unwrap();
    };
    let cases = [
        ("is damaged", changed("torn", &|path| std::fs::write(path, &whole[..whole.len() / 2]).unwrap())),
        ("is damaged", changed("overwritten", &overwritten)),
        ("references lead nowhere", changed("dangling", &dangling)),
        ("newer grantd", changed("newer", &pragma("user_version", schema::VERSION + 1))),
        ("is no database of grantd's", changed("foreign", &pragma("application_id", 7))),
        ("is no database of grantd's", changed("empty", &|path| std::fs::write(path, b"").unwrap())),
        ("", changed("garbage", &|path| std::fs::write(path, [7; 9000]).unwrap())),
        ("there is no backup", scene.outside.path().join("nowhere")),
        ("there is no backup", scene.outside.path().to_owned()),
    ];
    let before = files_in(scene.dir.path());
    for (wanted, file) in &cases {
        let error = bring_back(&scene.database(), file).unwrap_err().to_string();
        assert!(error.contains(wanted), "{}: {error}", file.display());
        assert!(!error.contains('\n'), "{error}");
        assert_eq!(files_in(scene.dir.path()), before, "{}", file.display());
    }
    std::fs::write(&key, "A".repeat(43)).unwrap();
    let error = bring_back(&scene.database(), &scene.file()).unwrap_err().to_string();
    assert!(error.contains("is not the one of"), "{error}");
    std::fs::write(&key, right).unwrap();
    // While a server runs on the target, nothing takes its place.
    let app = TestApp::on(scene.dir, clock(), |_| {});
    let file = scene.outside.path().join("b.db");
    let error = bring_back(&app.database(), &file).unwrap_err().to_string();
    assert!(error.contains("in use by another grantd"), "{error}");
    assert!(accounts(&app).contains(&"after-the-backup".to_owned()));
}

#[test]
fn the_log_of_a_killed_server_goes_with_the_old_database_not_into_the_new_one() {
    let app = TestApp::start();
    app.howto();
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("b.db");
    back_up(&app.database(), &file).unwrap();
    app.create("ServiceAccount", &json!({"userName": "in-the-log"}));
    // What a killed server leaves behind: the log is not folded back.
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files_in(app.dir.path()) {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    assert!(std::fs::metadata(dir.path().join("grantd.db-wal")).unwrap().len() > 0);
    let database = dir.path().join("grantd.db");
    let kept = bring_back(&database, &file).unwrap().kept.unwrap();
    let count = |path: &Path| {
        let sql = "SELECT COUNT(*) FROM service_account WHERE user_name = 'in-the-log'";
        rusqlite::Connection::open(path).unwrap().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((count(&kept), count(&database)), (1, 0));
}

#[test]
fn the_log_of_a_database_that_was_moved_away_is_not_read_into_the_restored_one() {
    let scene = Scene::new();
    let away = tempfile::tempdir().unwrap();
    std::fs::rename(scene.database(), away.path().join("grantd.db")).unwrap();
    // A log of the same pages, as a killed server leaves it.
    let old = rusqlite::Connection::open(away.path().join("grantd.db")).unwrap();
    old.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE service_account SET user_name = user_name || '-old'")
        .unwrap();
    let log = std::fs::read(away.path().join("grantd.db-wal")).unwrap();
    for (side, bytes) in [("-wal", &log[..]), ("-shm", &[]), ("-journal", b"left")] {
        std::fs::write(scene.dir.path().join(format!("grantd.db{side}")), bytes).unwrap();
    }
    assert_eq!(bring_back(&scene.database(), &scene.file()).unwrap().kept, None);
    let left = files_in(scene.dir.path());
    let app = TestApp::on(scene.dir, clock(), |_| {});
    assert_eq!(accounts(&app), ["periodicCleanup"]);
    for (side, bytes) in [("Z-wal", &log[..]), ("Z-journal", b"left")] {
        assert!(left.iter().any(|file| file.0.ends_with(side) && file.1 == bytes), "{side} is not lost");
    }
}

#[test]
fn what_a_dead_process_left_of_its_copy_stands_in_nobodys_way() {
    let scene = Scene::new();
    let beside = |file: &Path, what: &str| PathBuf::from(format!("{}.{what}.partial", file.display()));
    let left = |path: &Path, seconds_ago: i64| {
        std::fs::write(path, "left").unwrap();
        let written = Clock::system().now().plus_seconds(-seconds_ago).for_file();
        std::fs::File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
    };
    let file = scene.outside.path().join("c.db");
    // In a container every process has the same id.
    let id = std::process::id().to_string();
    left(&beside(&file, &id), 0);
    left(&beside(&file, "1"), 0);
    left(&beside(&file, "2"), 86_500);
    left(&beside(&file, "3"), 86_500);
    back_up(&scene.database(), &file).unwrap();
    assert!(beside(&file, "1").exists(), "somebody may be writing it");
    assert!(!beside(&file, "2").exists() && !beside(&file, "3").exists());

    let database = scene.database();
    left(&beside(&database, &id), 0);
    left(&beside(&database, "1"), 0);
    bring_back(&database, &scene.file()).unwrap();
    assert!(!beside(&database, "1").exists(), "nobody else restores under the lock");
}

#[test]
fn two_backups_of_one_name_at_the_same_time_do_not_meet() {
    let scene = Scene::new();
    let again =
        |watch: &mut Watch<'_>| backup(&config(&scene.database()), &scene.file(), true, &Clock::system(), watch);
    let mut inner = None;
    let told = |_| {
        inner.get_or_insert_with(|| watched(|_| {}, again).unwrap());
    };
    let outer = watched(told, again).unwrap();
    assert_eq!(inner, Some(outer));
    assert_eq!(files_in(scene.outside.path()).len(), 1, "nothing unfinished stays");
    bring_back(&scene.database(), &scene.file()).unwrap();
}

#[test]
fn a_damaged_database_is_kept_with_its_log_and_replaced() {
    let scene = Scene::new();
    std::fs::write(scene.database(), [7; 9000]).unwrap();
    let wal = scene.dir.path().join("grantd.db-wal");
    std::fs::write(&wal, [8; 9000]).unwrap();
    let kept = bring_back(&scene.database(), &scene.file()).unwrap().kept.unwrap();
    assert_eq!(std::fs::read(&kept).unwrap(), [7; 9000]);
    assert!(!wal.exists());
    TestApp::on(scene.dir, clock(), |_| {}).token_for(&scene.howto, &[("scope", "write")]).expect(200);
}

#[cfg(unix)]
#[test]
fn a_link_to_the_database_stays_a_link() {
    let scene = Scene::new();
    let real = scene.outside.path().join("real.db");
    std::fs::rename(scene.database(), &real).unwrap();
    std::os::unix::fs::symlink(&real, scene.database()).unwrap();
    let kept = bring_back(&scene.database(), &scene.file()).unwrap().kept.unwrap();
    assert_eq!(kept.parent(), real.canonicalize().unwrap().parent());
    assert!(scene.database().symlink_metadata().unwrap().is_symlink());
    let app = TestApp::on(scene.dir, clock(), |_| {});
    assert_eq!(accounts(&app), ["periodicCleanup"]);
}

#[test]
fn a_backup_that_nothing_can_be_written_beside_is_restored() {
    let scene = Scene::new();
    let mut rights = std::fs::metadata(scene.file()).unwrap().permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(scene.file(), rights).unwrap();
    bring_back(&scene.database(), &scene.file()).unwrap();
    assert_eq!(files_in(scene.outside.path()).len(), 1, "no trace beside the backup");
}
