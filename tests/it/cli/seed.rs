//! `--seed` and `--watch`: what servers of the real program begin with, and go on with.

use serde_json::json;

use crate::app::eventually;
use crate::program::{Program, complaint, grantd, run};
use crate::shell::Shell;

const SEED: &str = include_str!("../../../examples/seed.toml");

fn with_secret() -> String {
    SEED.replace("\"generate\"", "\"correct horse battery staple 1\"")
}

fn token(program: &Program) -> u16 {
    let parameters = [
        ("grant_type", "client_credentials"),
        ("client_id", "periodic-service"),
        ("client_secret", "correct horse battery staple 1"),
        ("scope", "write"),
    ];
    program.token(&parameters).status
}

#[test]
fn dev_and_serve_begin_with_their_seed() {
    let shell = Shell::new();
    let dir = shell.dir.path();
    shell.file("seed.toml", &with_secret());
    let dev = Program::dev(dir, &["--seed", "seed.toml"]);
    assert_eq!(token(&dev), 200);
    drop(dev);
    assert!(std::fs::read_to_string(dir.join("stdout.txt")).unwrap().contains("4 made, 0 changed"));
    let serve = Program::serve(dir, &["--seed", "seed.toml"]);
    assert_eq!(token(&serve), 200);
    drop(serve);
    assert!(std::fs::read_to_string(dir.join("stdout.txt")).unwrap().contains("4 as they should be"));
    for log in ["stdout.txt", "stderr.txt"] {
        assert!(!std::fs::read_to_string(dir.join(log)).unwrap().contains("battery"), "{log}");
    }
}

#[test]
fn a_server_makes_no_secret_that_nobody_would_see() {
    let shell = Shell::new();
    let dir = shell.dir.path();
    shell.file("seed.toml", SEED);
    run(dir, &["init"]);
    let output = run(dir, &["serve", "--listen", "127.0.0.1:0", "--seed", "seed.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("seed.toml:21:1: secret: a secret would have to be made, and nobody would see it"),
        "{}",
        complaint(&output)
    );
    // Where nothing is said of one, it is told of the client.
    shell.file("seed.toml", &SEED.replace("secret = \"generate\"\n", ""));
    let output = run(dir, &["serve", "--listen", "127.0.0.1:0", "--seed", "seed.toml"]);
    assert!(complaint(&output).contains("seed.toml:13:1: secret: a secret would have"), "{}", complaint(&output));
    shell.file("seed.toml", SEED);
    let dev = Program::dev(dir, &["--database", "dev.db", "--seed", "seed.toml"]);
    drop(dev);
    let told = std::fs::read_to_string(dir.join("stdout.txt")).unwrap();
    assert!(told.contains("secret of periodicService, client id periodic-service: gsec_"), "{told}");
}

#[test]
fn a_server_begins_with_the_example_as_its_first_lines_say() {
    let shell = Shell::new();
    let dir = shell.dir.path();
    let second = SEED.replace("secret = \"generate\"\n# secret = ", "secret = ");
    assert_ne!(second, SEED);
    shell.file("seed.toml", &second);
    run(dir, &["init"]);
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--seed", "seed.toml"];
    let serve = Program::start(dir, &arguments, |command| {
        command.env("PERIODIC_SERVICE_SECRET", "correct horse battery staple 1");
    });
    assert_eq!(token(&serve), 200);
}

#[test]
fn a_seed_with_a_mistake_stops_the_start_and_changes_nothing() {
    let shell = Shell::new();
    let dir = shell.dir.path();
    shell.file("seed.toml", &with_secret().replace("scopes = [\"write\"]", "scopes = [\"wriet\"]"));
    let output = grantd(dir).args(["dev", "--listen", "127.0.0.1:0", "--seed", "seed.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = complaint(&output);
    assert!(
        text.contains(
            "seed.toml:41:11: scopes.0: \"wriet\": the API myrestapi does not define this scope; did you mean write?"
        ),
        "{text}"
    );
}

#[test]
fn a_watched_seed_is_applied_when_it_changes() {
    let shell = Shell::new();
    let dir = shell.dir.path();
    shell.file("seed.toml", &with_secret());
    let dev = Program::dev(dir, &["--seed", "seed.toml", "--watch"]);
    assert_eq!(token(&dev), 200);
    let seen = |name: &str| {
        let list = dev
            .admin("GET", &format!("/resources/cid/ServiceAccount?filter=userName%20eq%20%22{name}%22"), &json!(null))
            .expect(200);
        list["totalResults"] == 1
    };
    // A mistake is told and changes nothing; what comes after it counts.
    shell.file("seed.toml", "[[accounts]]\nuserNam = \"other\"\n");
    eventually("the mistake is told", || {
        let told = std::fs::read_to_string(dir.join("stderr.txt")).unwrap();
        told.contains("seed.toml:2:1: userNam: \"other\": there is no such member; did you mean userName?")
            .then_some(())
    });
    assert_eq!(token(&dev), 200);
    shell.file("seed.toml", "[[accounts]]\nuserName = \"other\"\n");
    eventually("the change is applied", || seen("other").then_some(()));
    assert!(!seen("periodicCleanup"), "what the seed no longer has is gone");
    assert!(seen("sample-account"), "what it never had is not");
    assert_eq!(token(&dev), 401);
    // A file that is written anew is empty for a moment.
    shell.file("seed.toml", "");
    eventually("the empty file is refused", || {
        let told = std::fs::read_to_string(dir.join("stderr.txt")).unwrap();
        told.contains("the document declares nothing").then_some(())
    });
    assert!(seen("other"));
    let alone = Shell::new().run(&["dev", "--watch"]).refused(2);
    assert!(alone.contains("--seed <FILE>"), "{alone}");
}
