//! Signed modules: once a key is trusted, nothing that it has not signed is run, whatever way it came.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use grantd::clock::{Clock, Timestamp};
use grantd::config::{Config, PoliciesConfig};
use grantd::dev::DevOptions;
use grantd::{App, Missing};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{SCOPE_ALLOWLIST, attach, body, howto_with_both_scopes, scopes, upload, upload_as};
use crate::app::{Answer, HowTo, START, TestApp};
use crate::shell::Shell;

const MAX_TTL: &[u8] = include_bytes!("../../../policies/max-ttl/policy.wasm");

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn trusted(seed: u8) -> Vec<String> {
    vec![BASE64_STANDARD.encode(key(seed).verifying_key().as_bytes())]
}

fn signed_upload(app: &TestApp, bytes: &[u8], signature: &[u8]) -> Answer {
    let authorization = format!("Bearer {}", app.admin_token);
    let signature = BASE64_STANDARD.encode(signature);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/wasm"),
        ("grantd-signature", signature.as_str()),
    ];
    app.send("POST", "/api/v1/policy-modules", &headers, bytes)
}

/// A clock for another start on the same database: its random numbers are others each time.
fn clock() -> Clock {
    static SEED: AtomicU64 = AtomicU64::new(2);
    Clock::manual(Timestamp::parse(START).unwrap(), SEED.fetch_add(1, Ordering::SeqCst))
}

fn policies(seed: u8) -> impl FnOnce(&mut Config) {
    move |config| config.policies.trusted_keys = trusted(seed)
}

/// A server on which an unsigned module is attached everywhere, from before a key was trusted.
fn unsigned() -> (TestApp, HowTo, Value) {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    upload(&app, SCOPE_ALLOWLIST);
    let policy =
        attach(&app, "p", "scope-allowlist", &json!({"type": "server"}), &json!({"settings": {"allow": ["read"]}}));
    assert_eq!(scopes(&app, &howto).unwrap(), ["read"]);
    (app, howto, policy)
}

#[test]
fn an_upload_is_signed_by_a_trusted_key_or_refused() {
    let app = TestApp::with(policies(1));
    let refused = upload_as(&app, &app.admin_token, SCOPE_ALLOWLIST);
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("it is not signed, and this server runs signed modules alone"), "{}", refused.text);
    let good = key(1).sign(SCOPE_ALLOWLIST).to_bytes();
    for (what, signature) in [
        ("another key's", key(2).sign(SCOPE_ALLOWLIST).to_bytes().to_vec()),
        ("another module's", key(1).sign(MAX_TTL).to_bytes().to_vec()),
        ("none", vec![0; 64]),
        (
            "its digest's",
            key(1).sign(grantd::model::digest::sha256_hex(SCOPE_ALLOWLIST).as_bytes()).to_bytes().to_vec(),
        ),
    ] {
        let refused = signed_upload(&app, SCOPE_ALLOWLIST, &signature);
        assert_eq!(refused.status, 400, "{what}: {}", refused.text);
        assert!(refused.text.contains("of none of the keys"), "{what}: {}", refused.text);
    }
    assert_eq!(signed_upload(&app, SCOPE_ALLOWLIST, &good[..63]).status, 400);
    assert_eq!(app.admin("GET", "/policy-modules", &Value::Null).expect(200)["totalResults"], 0);
    let shown = signed_upload(&app, SCOPE_ALLOWLIST, &good).expect(201);
    assert_eq!(shown["signature"], BASE64_STANDARD.encode(good));
    // A bad signature does not take the place of a good one, and none leaves it as it is.
    assert_eq!(signed_upload(&app, SCOPE_ALLOWLIST, &[0; 64]).status, 400);
    assert_eq!(upload(&app, SCOPE_ALLOWLIST)["signature"], BASE64_STANDARD.encode(good));
    let howto = howto_with_both_scopes(&app);
    attach(&app, "p", "scope-allowlist", &json!({"type": "server"}), &json!({"settings": {"allow": ["read"]}}));
    assert_eq!(scopes(&app, &howto).unwrap(), ["read"]);
}

/// What everybody can try with a module that is not signed. Each must fail, and no token may come out.
fn everything_is_refused(app: &TestApp, howto: &HowTo, policy: &Value, what: &str) {
    let denied = scopes(app, howto).unwrap_err();
    assert!(denied.contains("policy_refused"), "{what}: {denied}");
    let id = policy["id"].as_str().unwrap();
    let asked = json!({"request": {"offered": ["read"], "ttlSeconds": 60}});
    let said = app.admin("POST", &format!("/resources/cid/Policy/{id}/evaluate"), &asked);
    assert!(said.status == 400 && said.text.contains("it is not signed"), "{what}: {}", said.text);
    let again = upload_as(app, &app.admin_token, SCOPE_ALLOWLIST);
    assert!(again.status == 400 && again.text.contains("it is not signed"), "{what}: {}", again.text);
    let body = body("q", "scope-allowlist", &json!({"type": "server"}), &json!({"settings": {"allow": []}}));
    let attached = app.admin("POST", "/resources/cid/Policy", &body);
    assert!(attached.status == 400 && attached.text.contains("it is not signed"), "{what}: {}", attached.text);
    let change = json!({"Operations": [{"op": "replace", "path": "settings", "value": {"allow": ["*"]}}]});
    let changed = app.admin("PATCH", &format!("/resources/cid/Policy/{id}"), &change);
    assert!(changed.status == 400 && changed.text.contains("it is not signed"), "{what}: {}", changed.text);
    let document = json!({"policies": [
        {"name": "r", "module": "scope-allowlist", "attachedTo": "server", "settings": {"allow": []}}]});
    let applied = app.admin("POST", "/apply", &document);
    assert!(applied.status == 400 && applied.text.contains("it is not signed"), "{what}: {}", applied.text);
    let page = app.admin("GET", "/access?api=myrestapi&scope=read", &Value::Null).expect(200);
    assert_eq!(page["Resources"][0]["gets"], json!([]), "{what}: {page}");
}

/// Every member of the policies' configuration at another value, one at a time, and what else could matter.
#[test]
fn no_configuration_skips_the_check() {
    let whole = serde_json::to_value(PoliciesConfig::default()).unwrap();
    let mut variants: Vec<(String, Value)> = vec![("as it is".to_owned(), whole.clone())];
    for (name, value) in whole.as_object().unwrap().iter().filter(|(name, _)| *name != "trusted_keys") {
        let other = match value {
            Value::Bool(flag) => json!(!flag),
            Value::Number(number) => json!(number.as_u64().unwrap() / 2),
            Value::Null => json!(2),
            other => panic!("{name} has a value of a new kind, {other}: give it another one here"),
        };
        let mut changed = whole.clone();
        changed[name] = other;
        variants.push((name.clone(), changed));
    }
    assert!(variants.len() >= 14, "{variants:?}");
    let (app, howto, policy) = unsigned();
    let mut dir = app.into_dir();
    for (what, mut variant) in variants {
        variant["trusted_keys"] = json!(trusted(1));
        let app = TestApp::on(dir, clock(), |config| {
            config.policies = serde_json::from_value(variant).unwrap();
            config.decisions.durable = what == "reuse";
        });
        everything_is_refused(&app, &howto, &policy, &what);
        dir = app.into_dir();
    }
    // `grantd dev` has clocks and faults on demand, and no such switch.
    let config = Config {
        database: dir.path().join("grantd.db"),
        policies: PoliciesConfig { trusted_keys: trusted(1), ..PoliciesConfig::default() },
        ..Config::default()
    };
    let app = App::open_dev(config, &DevOptions { fixed_keys: true, clock: Some(clock()) }).unwrap();
    let module = policy["moduleDigest"].as_str().unwrap();
    let failure = app.policies().evaluate(module, &grantd::policy::abi::Request::default(), "{}").unwrap_err();
    assert!(failure.to_string().contains("it is not signed"), "{failure}");
    drop(app);
    for bad in [json!(["x"]), json!([""]), json!(["AAAA"])] {
        let mut config = Config { database: dir.path().join("grantd.db"), ..Config::default() };
        config.policies.trusted_keys = serde_json::from_value(bad.clone()).unwrap();
        // A key that is none is told where configurations are read; whoever gets past that is trusted with nothing.
        let opened = App::open_with(config, clock(), Missing::Refuse);
        if let Ok(app) = opened {
            let failure = app.policies().evaluate(module, &grantd::policy::abi::Request::default(), "{}").unwrap_err();
            assert!(failure.to_string().contains("it is not signed"), "{bad}: {failure}");
        }
    }
}

#[test]
fn what_is_changed_in_the_database_does_not_help() {
    let (app, howto, policy) = unsigned();
    let dir = app.into_dir();
    let path = dir.path().join("grantd.db");
    let digest = policy["moduleDigest"].as_str().unwrap();
    let forge = |signature: &[u8]| {
        let database = Connection::open(&path).unwrap();
        let sql = "INSERT OR REPLACE INTO policy_signature (digest, signature, created_at_ms) VALUES (?1, ?2, 0)";
        database.execute(sql, (digest, signature)).unwrap();
    };
    forge(&key(2).sign(SCOPE_ALLOWLIST).to_bytes());
    let app = TestApp::on(dir, clock(), policies(1));
    assert!(scopes(&app, &howto).unwrap_err().contains("policy_refused"));
    let dir = app.into_dir();
    let path = dir.path().join("grantd.db");
    // A signed module's bytes and signature under the unsigned one's name.
    let database = Connection::open(&path).unwrap();
    database.execute("UPDATE policy_module SET wasm = ?1", [MAX_TTL]).unwrap();
    database.execute("UPDATE policy_signature SET signature = ?1", [key(1).sign(MAX_TTL).to_bytes().to_vec()]).unwrap();
    drop(database);
    let app = TestApp::on(dir, clock(), policies(1));
    assert!(scopes(&app, &howto).unwrap_err().contains("policy_unavailable"));
}

#[test]
fn a_module_that_is_signed_later_works_again() {
    let (app, howto, _) = unsigned();
    let app = TestApp::on(app.into_dir(), clock(), policies(1));
    assert!(scopes(&app, &howto).unwrap_err().contains("policy_refused"));
    signed_upload(&app, SCOPE_ALLOWLIST, &key(1).sign(SCOPE_ALLOWLIST).to_bytes()).expect(200);
    assert_eq!(scopes(&app, &howto).unwrap(), ["read"]);
    let commits = app.admin("GET", "/audit/commits?count=100", &Value::Null).expect(200);
    let signed = |commit: &Value| commit["changes"][0]["after"]["signature"].is_string();
    assert_eq!(commits["Resources"].as_array().unwrap().iter().filter(|commit| signed(commit)).count(), 1, "{commits}");
    // Another key in its place, and the same signature is worth nothing.
    let app = TestApp::on(app.into_dir(), clock(), policies(2));
    assert!(scopes(&app, &howto).unwrap_err().contains("policy_refused"));
    let app = TestApp::on(app.into_dir(), clock(), |config| {
        config.policies.trusted_keys = [trusted(2), trusted(1)].concat();
    });
    assert_eq!(scopes(&app, &howto).unwrap(), ["read"]);
}

#[test]
fn a_restore_refuses_modules_that_may_not_be_run() {
    let (app, _, _) = unsigned();
    let dir = app.into_dir();
    let shell = Shell::new();
    std::fs::copy(dir.path().join("grantd.db"), shell.dir.path().join("backup.db")).unwrap();
    std::fs::copy(dir.path().join("grantd.db.key"), shell.dir.path().join("grantd.db.key")).unwrap();
    let [trusted] = <[String; 1]>::try_from(trusted(1)).unwrap();
    shell.file("grantd.toml", &format!("[policies]\ntrusted_keys = [\"{trusted}\"]\n"));
    let refused = shell.run(&["restore", "backup.db"]).refused(1);
    assert!(refused.contains("scope-allowlist@1.0.0: it is not signed"), "{refused}");
    assert!(!shell.dir.path().join("grantd.db").exists());
    shell.file("grantd.toml", "[policies]\ntrusted_keys = [\"x\"]\n");
    assert!(shell.run(&["restore", "backup.db"]).refused(1).contains("policies.trusted_keys"));
    shell.file("grantd.toml", "");
    shell.run(&["restore", "backup.db"]).expect(0);
}

#[test]
fn modules_are_signed_on_the_command_line() {
    let app = TestApp::with(policies(7));
    let shell = Shell::of(&app);
    std::fs::write(shell.dir.path().join("allow.wasm"), SCOPE_ALLOWLIST).unwrap();
    let refused = shell.run(&["policy", "add", "allow.wasm"]).refused(1);
    assert!(refused.contains("it is not signed"), "{refused}");
    let seed = "[[policies]]\nname = \"p\"\nmodule = \"allow.wasm\"\nattachedTo = \"server\"\nsettings = { allow = [\"read\"] }\n";
    shell.file("policies.toml", seed);
    assert!(shell.run(&["apply", "-f", "policies.toml"]).refused(1).contains("it is not signed"));
    // RFC 8410 7: what stands before the seed in PKCS#8, as openssl writes it.
    let before = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let der = BASE64_STANDARD.encode([&before[..], &[7; 32]].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    shell.file("key.pem", &pem);
    let told = shell.run(&["policy", "sign", "allow.wasm", "--key", "key.pem"]).expect(0);
    assert_eq!(told, format!("trusted_keys = [\"{}\"]\n", trusted(7)[0]));
    let signature = std::fs::read(shell.dir.path().join("allow.wasm.sig")).unwrap();
    assert_eq!(signature, key(7).sign(SCOPE_ALLOWLIST).to_bytes());
    shell.run(&["apply", "-f", "policies.toml"]).expect(0);
    shell.run(&["policy", "add", "allow.wasm"]).expect(0);
    assert!(shell.run(&["policy", "sign", "allow.wasm", "--key", "allow.wasm"]).refused(1).contains("allow.wasm: "));
    shell.file("public.pem", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n");
    let refused = shell.run(&["policy", "sign", "allow.wasm", "--key", "public.pem"]).refused(1);
    assert!(refused.contains("this is no Ed25519 key in PKCS#8"), "{refused}");
    shell.file("allow.wasm.sig", "nonsense");
    assert!(
        shell.run(&["policy", "add", "allow.wasm"]).refused(1).contains("allow.wasm.sig: this is no Ed25519 signature")
    );
}

#[test]
fn what_is_downloaded_brings_its_signature_along() {
    let app = TestApp::with(policies(1));
    let howto = howto_with_both_scopes(&app);
    let signature = key(1).sign(SCOPE_ALLOWLIST).to_bytes();
    signed_upload(&app, SCOPE_ALLOWLIST, &signature).expect(201);
    attach(&app, "p", "scope-allowlist", &json!({"type": "server"}), &json!({"settings": {"allow": ["read"]}}));
    assert_eq!(scopes(&app, &howto).unwrap(), ["read"]);
    let shell = Shell::of(&app);
    let document = shell.run(&["export", "--modules", "modules"]).expect(0);
    shell.file("everything.toml", &document);
    shell.run(&["policy", "module", "download", "scope-allowlist"]).expect(0);
    assert_eq!(std::fs::read(shell.dir.path().join("scope-allowlist-1.0.0.wasm.sig")).unwrap(), signature);
    // On a server that trusts the same key, and on one that trusts another.
    let other = TestApp::with(policies(1));
    let there = shell.with("GRANTD_SERVER", &other.url).with("GRANTD_TOKEN", &other.admin_token);
    there.run(&["apply", "-f", "everything.toml"]).expect(0);
    let modules = other.admin("GET", "/policy-modules", &Value::Null).expect(200);
    assert_eq!(modules["Resources"][0]["signature"], BASE64_STANDARD.encode(signature));
    let stranger = TestApp::with(policies(2));
    let there = there.with("GRANTD_SERVER", &stranger.url).with("GRANTD_TOKEN", &stranger.admin_token);
    assert!(there.run(&["apply", "-f", "everything.toml"]).refused(1).contains("of none of the keys"));
}

#[test]
fn a_doctor_names_the_modules_that_are_not_run() {
    let (app, _, policy) = unsigned();
    let digest = policy["moduleDigest"].as_str().unwrap().to_owned();
    let clock = app.clock.clone();
    let config = |database, seed| {
        let policies = PoliciesConfig { trusted_keys: trusted(seed), ..PoliciesConfig::default() };
        Config { database, policies, ..Config::default() }
    };
    let found = |config: &Config| -> Vec<String> {
        let report = grantd::doctor::examine(config, &clock);
        let told = report.findings.into_iter().filter(|finding| finding.level != grantd::doctor::Level::Fine);
        told.map(|finding| format!("{} -> {}", finding.what, finding.way_out)).collect()
    };
    let [told] = <[String; 1]>::try_from(found(&config(app.database(), 1))).unwrap();
    assert!(told.contains(&format!("scope-allowlist@1.0.0 ({})", &digest[..12])), "{told}");
    assert!(told.contains("it is not signed") && told.contains("-> have it signed (grantd policy sign)"), "{told}");
    let app = TestApp::on(app.into_dir(), self::clock(), policies(1));
    signed_upload(&app, SCOPE_ALLOWLIST, &key(1).sign(SCOPE_ALLOWLIST).to_bytes()).expect(200);
    assert_eq!(found(&config(app.database(), 1)), Vec::<String>::new());
    let [told] = <[String; 1]>::try_from(found(&config(app.database(), 2))).unwrap();
    assert!(told.contains("of none of the keys"), "{told}");
    // What is off is not asked.
    let change = json!({"Operations": [{"op": "replace", "path": "mode", "value": "off"}]});
    app.admin("PATCH", &format!("/resources/cid/Policy/{}", policy["id"].as_str().unwrap()), &change).expect(200);
    assert_eq!(found(&config(app.database(), 2)), Vec::<String>::new());
}
