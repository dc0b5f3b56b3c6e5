//! `init`, `serve`, `dev`, `token`, `doctor` and `config`: what they print, what they leave, how they end.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::app::{claims, files_in};
use crate::program::{Program, complaint, grantd, run, told};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn init_makes_everything_once_and_prints_the_token_alone() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["init"]);
    let token = told(&output).trim_end().to_owned();
    assert!(token.starts_with("gapi_") && token.len() == 54, "standard output is the token, for scripts: {token:?}");
    let said = complaint(&output);
    assert!(said.contains("grantd.db.key (back it up") && said.contains("Next: grantd serve"), "{said}");
    assert!(!said.contains(&token));
    for file in ["grantd.db", "grantd.db.key"] {
        assert_eq!(mode(&dir.path().join(file)), 0o600, "{file}");
    }
    let before = files_in(dir.path());
    let again = run(dir.path(), &["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        complaint(&again).contains("grantd.db exists already; start it with `grantd serve`"),
        "{}",
        complaint(&again)
    );
    assert_eq!(files_in(dir.path()), before);
    let program = Program::serve(dir.path(), &[]);
    let made = program.try_admin(&token, "POST", "/resources/cid/ServiceAccount", &json!({"userName": "a"})).unwrap();
    made.expect(201);
    program.stop();
}

#[test]
fn an_init_that_was_cut_short_is_finished_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    // As if it had ended after the database was made, and before its first API token was.
    rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap().execute("DELETE FROM api_token", []).unwrap();
    let token = told(&run(dir.path(), &["init"]));
    let program = Program::serve(dir.path(), &[]);
    let tokens = "/auth/api-tokens";
    let admin =
        |method: &str, path: &str, body: &Value| program.try_admin(token.trim_end(), method, path, body).unwrap();
    admin("POST", tokens, &json!({"displayName": "reads", "role": "reader"})).expect(201);
    let first = admin("GET", tokens, &Value::Null).expect(200)["Resources"][0]["id"].as_str().unwrap().to_owned();
    admin("DELETE", &format!("{tokens}/{first}"), &Value::Null).expect(204);
    program.stop();
    // So is one after which the last admin went.
    let token = told(&run(dir.path(), &["init"]));
    let program = Program::serve(dir.path(), &[]);
    program.try_admin(token.trim_end(), "GET", tokens, &Value::Null).unwrap().expect(200);
    program.stop();
}

#[test]
fn a_first_token_that_could_not_be_printed_is_ended_and_the_next_init_makes_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("grantd.db");
    let opened = || rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| -> i64 { opened().query_row(sql, [], |row| row.get(0)).unwrap() };
    let accounts = "SELECT COUNT(*) FROM service_account";
    // The second time there is something in the database that nobody is to be told to delete.
    for (time, accounts_before) in [(1, 0), (2, 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = grantd(dir.path()).arg("init").stdout(writer).output().unwrap();
        let said = complaint(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("grantd: the token could not be printed") && last.contains("`grantd init`"), "{said}");
        assert!(!said.contains("delete"), "{said}");
        assert_eq!((count("SELECT COUNT(*) FROM api_token"), count(accounts)), (0, accounts_before));
        let ended = "SELECT COUNT(*) FROM audit_commit WHERE reason = 'the API token could not be printed'";
        assert_eq!(count(ended), time);

        let token = told(&run(dir.path(), &["init"]));
        let program = Program::serve(dir.path(), &[]);
        let account = json!({"userName": format!("account-{time}")});
        let made = program.try_admin(token.trim_end(), "POST", "/resources/cid/ServiceAccount", &account).unwrap();
        made.expect(201);
        program.stop();
        opened().execute("DELETE FROM api_token", []).unwrap();
    }
}

#[test]
fn dev_keeps_its_sample_out_of_a_database_that_is_somebodys() {
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    let refused = run(dir.path(), &["dev", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint(&refused).contains("was not made by `grantd dev`"), "{}", complaint(&refused));
    let made = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    let count = |table: &str| made.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
    assert_eq!((count("api_token").unwrap(), count("service_account").unwrap()), (1, 0));
}

#[test]
fn serve_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        complaint(&output),
        "grantd: there is no database at grantd.db; make one with `grantd init`, or name another with --database\n"
    );
    assert!(files_in(dir.path()).is_empty());
}

#[test]
fn dev_keeps_its_sample_over_restarts_and_what_its_owner_deleted_stays_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &[]);
    let names = ["client_id", "client_secret", "api_token", "api", "scopes", "database"];
    let first: Vec<Value> = names.iter().map(|name| program.ready[name].clone()).collect();
    let kids = |program: &Program| {
        let keys = program.admin("GET", "/keys", &Value::Null).expect(200);
        let active = keys["Resources"].as_array().unwrap().iter().filter(|key| key["state"] == "active");
        active.map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let keys = kids(&program);
    let said = std::fs::read_to_string(dir.path().join("stdout.txt")).unwrap();
    assert!(said.contains("(made now)"), "{said}");
    assert!(said.contains(&format!("-F client_secret={}", program.of("client_secret"))), "{said}");
    program.stop();

    let program = Program::dev(dir.path(), &[]);
    let again: Vec<Value> = names.iter().map(|name| program.ready[name].clone()).collect();
    assert_eq!(again, first);
    assert_eq!(kids(&program), keys);
    assert!(std::fs::read_to_string(dir.path().join("stdout.txt")).unwrap().contains("(kept from before)"));
    let token = program.sample_token().expect(200);
    assert_eq!(claims(token["access_token"].as_str().unwrap())["aud"], "sample-api");
    let filter = format!("/resources/cid/MachineToMachine?filter=clientId%20eq%20%22{}%22", program.of("client_id"));
    let client = program.admin("GET", &filter, &Value::Null).expect(200)["Resources"][0]["id"].clone();
    let path = format!("/resources/cid/MachineToMachine/{}", client.as_str().unwrap());
    program.admin("DELETE", &path, &Value::Null).expect(204);
    program.stop();

    let program = Program::dev(dir.path(), &[]);
    assert_eq!(program.ready["client_id"], Value::Null);
    let said = std::fs::read_to_string(dir.path().join("stdout.txt")).unwrap();
    assert!(said.contains("the sample's was deleted"), "{said}");
    program.stop();
}

#[test]
fn two_servers_never_share_a_file_under_whatever_name() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &[]);
    symlink("grantd.db", dir.path().join("alias.db")).unwrap();
    for name in ["grantd.db", "./grantd.db", "alias.db"] {
        for command in [["dev", "--listen", "127.0.0.1:0"], ["serve", "--listen", "127.0.0.1:0"]] {
            let more = ["--database", name, "--master-key-file", "grantd.db.key"];
            let output = run(dir.path(), &[&command[..], &more].concat());
            assert_eq!(output.status.code(), Some(1), "{command:?} {name}");
            let said = complaint(&output);
            assert!(
                said.contains("is in use by another grantd; stop it, or choose another"),
                "{command:?} {name}: {said}"
            );
        }
    }
    program.sample_token().expect(200);
    program.stop();
}

#[test]
fn doctor_finds_what_is_wrong_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    Program::dev(dir.path(), &[]).stop();
    let fine = told(&run(dir.path(), &["doctor"]));
    assert!(!fine.contains("PROBLEM") && fine.contains("the audit chain holds over"), "{fine}");
    let key = dir.path().join("grantd.db.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    database.execute("UPDATE audit_commit SET reason = 'nothing happened' WHERE seq = 3", []).unwrap();
    drop(database);
    let output = run(dir.path(), &["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let found = String::from_utf8(output.stdout).unwrap();
    assert!(
        found.contains(
            "PROBLEM  grantd.db.key can be read or written by others (mode 644)\n           chmod 600 grantd.db.key"
        ),
        "{found}"
    );
    assert!(found.contains("PROBLEM  the audit trail was changed: commit 3 is not what was sealed"), "{found}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("2 problems found"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    // A removed commit is found as well as a changed one, and told apart.
    let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    database.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM audit_commit WHERE seq = 2").unwrap();
    drop(database);
    let output = run(dir.path(), &["doctor"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("commit 2 or its seal is missing"));
}

#[test]
fn config_is_checked_and_shown_with_every_source_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("grantd.toml"), "listen = \"127.0.0.1:1\"\n[keys]\nrotate_days = 7\n").unwrap();
    assert_eq!(told(&run(dir.path(), &["config", "check"])), "the configuration is right\n");
    let mut command = grantd(dir.path());
    command.env("GRANTD_LISTEN", "127.0.0.1:2").env("GRANTD_LOG__LEVEL", "warn");
    let shown = told(&command.args(["config", "show", "--log-level", "debug"]).output().unwrap());
    let shown: toml::Table = shown.parse().unwrap();
    assert_eq!(shown["listen"].as_str(), Some("127.0.0.1:2"), "the environment goes before the file");
    assert_eq!(shown["log"]["level"].as_str(), Some("debug"), "a flag goes before the environment");
    assert_eq!(shown["keys"]["rotate_days"].as_integer(), Some(7));
    assert_eq!(shown["limits"]["shutdown_seconds"].as_integer(), Some(10), "defaults are shown too");

    std::fs::write(dir.path().join("grantd.toml"), "lisen = \"127.0.0.1:1\"\n").unwrap();
    for command in [&["config", "check"][..], &["config", "show"], &["serve"], &["doctor"], &["token"]] {
        let output = run(dir.path(), command);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert_eq!(complaint(&output), "grantd: there is no setting lisen; did you mean listen?\n", "{command:?}");
    }
    let mut command = grantd(dir.path());
    let output =
        command.env("GRANTD_LOG__LEVLE", "warn").args(["config", "check", "--config", "none.toml"]).output().unwrap();
    assert_eq!(complaint(&output), "grantd: there is no configuration file none.toml\n");
    std::fs::remove_file(dir.path().join("grantd.toml")).unwrap();
    let mut command = grantd(dir.path());
    let output = command.env("GRANTD_LOG__LEVLE", "warn").args(["config", "check"]).output().unwrap();
    assert_eq!(complaint(&output), "grantd: there is no setting log.levle; did you mean log.level?\n");
}

#[test]
fn a_command_line_that_does_not_fit_is_a_usage_error() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["dev", "--lisen", "x"], &["token", "--client-id", "x"], &["config"]] {
        let output = run(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", complaint(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert!(files_in(dir.path()).is_empty());
    let output = run(dir.path(), &["dev", "--log-level", "a=b=c", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("log.level: \"a=b=c\" is not a level"), "{}", complaint(&output));
}

#[test]
fn token_gets_one_and_says_by_its_exit_code_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["token"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("no `grantd dev` has run in this directory"), "{}", complaint(&output));

    let program = Program::dev(dir.path(), &[]);
    let server = program.url().to_owned();
    let token = told(&run(dir.path(), &["token", "--server", &server]));
    assert_eq!(claims(token.trim_end())["scp"], json!(["write"]));
    let shown =
        told(&run(dir.path(), &["token", "--server", &server, "--output", "claims", "--resource", "sample-api"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["header"]["typ"], &shown["claims"]["aud"]), (&json!("at+jwt"), &json!("sample-api")));
    let whole: Value =
        serde_json::from_str(&told(&run(dir.path(), &["token", "--server", &server, "--output", "json"]))).unwrap();
    assert_eq!(whole["token_type"], "bearer");

    let denied = run(dir.path(), &["token", "--server", &server, "--scope", "read"]);
    assert_eq!(denied.status.code(), Some(4));
    assert!(complaint(&denied).starts_with("grantd: invalid_scope: not granted"), "{}", complaint(&denied));
    let mut command = grantd(dir.path());
    command.env("GRANTD_CLIENT_ID", program.of("client_id")).env("GRANTD_CLIENT_SECRET", "wrong");
    let denied = command.args(["token", "--server", &server]).output().unwrap();
    assert_eq!(denied.status.code(), Some(4));
    assert!(complaint(&denied).contains("invalid_client: unknown client or wrong secret"), "{}", complaint(&denied));
    assert!(denied.stdout.is_empty());
    program.stop();

    let nobody = run(dir.path(), &["token", "--server", &server]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(complaint(&nobody).contains("is the server running?"), "{}", complaint(&nobody));
}
