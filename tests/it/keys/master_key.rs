//! The master key: without the right one nothing opens, and nothing is made in its place.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::app::{TestApp, files_in};
use crate::program::{Program, complaint, grantd, run, told};

/// DER in the clear: the object identifiers of RSA, EC and Ed25519 keys in PKCS #8, which no public JWK holds.
const PRIVATE_KEYS: [(&str, &[u8]); 3] = [
    ("RSA", b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"),
    ("P-256", b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"),
    ("Ed25519", b"\x30\x05\x06\x03\x2b\x65\x70"),
];

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn private_keys_are_sealed_in_the_database() {
    let dir = TestApp::start().into_dir();
    for (name, bytes) in files_in(dir.path()) {
        for (kind, marker) in PRIVATE_KEYS {
            assert!(!holds(&bytes, marker), "{name} holds a private {kind} key in clear");
        }
    }
    // Sealed bytes differ from key to key, so there is nothing to compare them with.
    let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    let mut statement = database.prepare("SELECT alg, private_sealed FROM signing_key").unwrap();
    let sealed: Vec<(String, Vec<u8>)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    assert!(sealed.len() >= 3);
    for (alg, bytes) in sealed {
        assert!(bytes.len() > 60, "{alg}: {} bytes", bytes.len());
        // Where the sealed text begins, a nonce before it or not: PKCS#8 is a sequence whose first member is a version.
        for at in [0, 12] {
            let begins_like_der =
                bytes[at] == 0x30 && bytes[at + 1..at + 8].windows(3).any(|part| part == b"\x02\x01\x00");
            assert!(!begins_like_der, "{alg} begins like DER");
        }
    }
}

#[test]
fn the_key_file_is_made_once_for_its_owner_alone() {
    let dir = TestApp::start().into_dir();
    let key = dir.path().join("grantd.db.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(key).unwrap();
    assert_eq!(text.len(), 44, "43 characters of base64url and a line end");
}

/// A line on standard error that ends the program, and no file changed by it.
#[track_caller]
fn refused(dir: &Path, change: impl FnOnce(&mut std::process::Command), says: &[&str]) {
    let before = files_in(dir);
    let mut command = grantd(dir);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    change(&mut command);
    let output = command.output().unwrap();
    let said = complaint(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for text in says {
        assert!(said.contains(text), "{said:?} does not say {text:?}");
    }
    let after = files_in(dir);
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before), "{said}");
    assert!(after == before, "a file was changed: {said}");
}

#[test]
fn a_missing_or_wrong_master_key_is_told_and_replaced_by_nothing() {
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    let (key, elsewhere) = (dir.path().join("grantd.db.key"), dir.path().join("elsewhere.key"));
    let right = std::fs::read_to_string(&key).unwrap();
    let another = "A".repeat(43);
    for wrong in [another.clone(), another.clone() + "\n"] {
        std::fs::write(&key, wrong).unwrap();
        refused(
            dir.path(),
            |_| {},
            &["the master key in grantd.db.key is not the one of grantd.db", "--master-key-file"],
        );
    }
    for no_key in ["", "A", &"A".repeat(44), "not a key", &right[1..], &"A".repeat(2000)] {
        std::fs::write(&key, no_key).unwrap();
        refused(dir.path(), |_| {}, &["grantd.db.key"]);
    }
    std::fs::write(&key, [0xff; 43]).unwrap();
    refused(dir.path(), |_| {}, &["the master key file grantd.db.key cannot be read"]);
    std::fs::remove_file(&key).unwrap();
    refused(dir.path(), |_| {}, &["the master key of grantd.db is missing: grantd.db.key does not exist; put it back"]);
    refused(
        dir.path(),
        |command| _ = command.env("GRANTD_MASTER_KEY", "x"),
        &["GRANTD_MASTER_KEY does not hold a master key"],
    );
    refused(
        dir.path(),
        |command| _ = command.env("GRANTD_MASTER_KEY", &another),
        &["GRANTD_MASTER_KEY is not the one of"],
    );

    // The right one opens it from wherever it comes.
    std::fs::write(&elsewhere, &right).unwrap();
    let started = |arguments: &[&str], change: fn(&mut std::process::Command, &str)| {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let program = Program::start(dir.path(), &arguments, |command| change(command, &right));
        program.try_send("GET", "/oauth2/.well-known/jwks.json", &[], b"").unwrap().expect(200);
        program.stop();
    };
    started(&["--master-key-file", "elsewhere.key"], |_, _| {});
    started(&[], |command, right| _ = command.env("GRANTD_MASTER_KEY_FILE", "elsewhere.key").env("X", right));
    started(&[], |command, right| _ = command.env("GRANTD_MASTER_KEY", right.trim_end()));
    // As systemd's LoadCredential= hands it over.
    std::fs::rename(&elsewhere, dir.path().join("grantd-master-key")).unwrap();
    started(&[], |command, _| _ = command.env("CREDENTIALS_DIRECTORY", "."));
}

#[test]
fn a_key_that_was_changed_or_moved_in_the_database_does_not_sign() {
    for change in [
        "UPDATE signing_key SET private_sealed = zeroblob(length(private_sealed)) WHERE alg = 'EdDSA'",
        "UPDATE signing_key SET private_sealed = x'00' WHERE alg = 'RS256'",
        // Sealed bytes are bound to their key's id: those of another key do not open in its place.
        "UPDATE signing_key SET private_sealed = (SELECT private_sealed FROM signing_key WHERE alg = 'ES256' AND state = 'active') \
         WHERE alg = 'EdDSA'",
    ] {
        let dir = tempfile::tempdir().unwrap();
        told(&run(dir.path(), &["init"]));
        let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
        database.execute(change, []).unwrap();
        drop(database);
        refused(dir.path(), |_| {}, &["cannot be opened: its stored bytes were changed"]);
    }
}

#[test]
fn the_keys_are_the_same_after_a_restart() {
    let app = super::with_next_keys(TestApp::start());
    let keys = app.admin("GET", "/keys", &Value::Null).expect(200);
    let app = app.restart();
    assert_eq!(app.admin("GET", "/keys", &Value::Null).expect(200), keys);
}
