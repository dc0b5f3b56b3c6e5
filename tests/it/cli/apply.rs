//! `grantd apply` and `grantd export`: files in three formats, mistakes by file, line and column.

use serde_json::json;

use super::scene;
use crate::app::TestApp;
use crate::shell::Shell;

const SEED: &str = include_str!("../../../examples/seed.toml");

fn token_of(app: &TestApp, id: &str, secret: &str) -> u16 {
    app.token(&[("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret), ("scope", "write")])
        .status
}

/// The secret that a command printed.
fn printed_secret(out: &str) -> String {
    let line = out.lines().find(|line| line.starts_with("secret of ")).unwrap_or_else(|| panic!("{out}"));
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn the_example_is_applied_shown_applied_again_exported_and_applied_elsewhere() {
    let (app, shell) = scene();
    let file = shell.file("seed.toml", SEED);
    let ran = shell.run(&["apply", "-f", &file, "--dry-run"]);
    insta::assert_snapshot!(ran.expect(10));
    let out = shell.run(&["apply", "-f", &file, "--reason", "first"]).expect(0);
    assert!(out.contains("4 made, 0 changed, 0 deleted; 0 as they should be"), "{out}");
    assert_eq!(token_of(&app, "periodic-service", &printed_secret(&out)), 200);
    for arguments in [&["apply", "-f", &file][..], &["apply", "-f", &file, "--dry-run", "--prune"]] {
        assert!(shell.run(arguments).expect(0).contains("4 as they should be"), "{arguments:?}");
    }
    for format in ["toml", "yaml", "json"] {
        let export = shell.run(&["export", "--format", format]).expect(0);
        assert!(!export.contains("gsec_"), "{export}");
        let file = shell.file(&format!("export.{format}"), &export);
        assert!(
            shell.run(&["apply", "-f", &file]).expect(0).contains("\n0 made")
                || shell.run(&["apply", "-f", &file, "--dry-run"]).code == 0
        );
        let (other, elsewhere) = scene();
        let out = elsewhere.run(&["apply", "-f", &file]).expect(0);
        assert_eq!(token_of(&other, "periodic-service", &printed_secret(&out)), 200, "{format}");
        assert_eq!(elsewhere.run(&["export", "--format", format]).expect(0), export);
    }
}

#[test]
fn several_files_and_directories_are_one_document() {
    let (_app, shell) = scene();
    std::fs::create_dir(shell.dir.path().join("d")).unwrap();
    shell.file("d/1.yaml", "grants:\n  - {account: a, api: b, scopes: [read]}\n");
    shell.file("d/2.json", r#"{"apis": [{"appId": "b", "scopes": ["read"]}]}"#);
    shell.file("d/README.md", "no document");
    let accounts = shell.file("accounts.toml", "[[accounts]]\nuserName = \"a\"\n");
    let out = shell.run(&["apply", "-f", "d", &accounts]).expect(0);
    assert!(out.contains("3 made"), "{out}");
    // An index counts within its own file.
    let more = shell.file("more.toml", "[[accounts]]\nuserName = \"c\"\n\n[[accounts]]\nuserName = \"A\"\n");
    let text = shell.run(&["apply", "-f", &accounts, &more]).refused(1);
    assert!(
        text.contains("more.toml:5:1: userName: \"A\": stands in this document twice")
            || text.contains("more.toml:5:1: userName: \"a\": stands"),
        "{text}"
    );
    let empty = shell.dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(shell.run(&["apply", "-f", "empty"]).refused(1).contains("holds 0 files that end in .toml"));
}

#[test]
fn standard_input_is_read_as_it_looks() {
    let (_app, shell) = scene();
    for (input, more) in [
        ("[[accounts]]\nuserName = 'a'\n", vec![]),
        ("# yaml\naccounts:\n- userName: a\n", vec![]),
        ("{\"accounts\": [{\"userName\": \"a\"}]}", vec![]),
        ("accounts: [{userName: a}]", vec!["--format", "yaml"]),
        ("", vec![]),
        ("# nothing yet\n", vec![]),
    ] {
        let ran = shell.run_with(input, &[&["apply", "-f", "-"], more.as_slice()].concat());
        assert_eq!(ran.code, 0, "{input}: {}", ran.err);
    }
    let text = shell.run_with("[[accounts]]\nuserNam = 'a'\n", &["apply", "-f", "-"]).refused(1);
    assert!(
        text.contains("standard input:2:1: userNam: \"a\": there is no such member; did you mean userName?"),
        "{text}"
    );
}

#[test]
fn mistakes_are_told_by_file_line_and_column() {
    let (app, shell) = scene();
    app.howto();
    for (name, content, wanted) in [
        ("a.toml", "[[acounts]]\nuserName = \"a\"", "a.toml:1:3: there is no section acounts; did you mean accounts?"),
        ("a.toml", "accounts = 5", "a.toml:1:1: accounts must be a list"),
        ("a.toml", "[[accounts]]\nuserName = \"a\"\nuserName = \"b\"", "a.toml:3:1: duplicate key"),
        ("a.toml", "[[accounts]]\nuserName = ", "a.toml:2:12: string values must be quoted"),
        (
            "a.toml",
            "[[grants]]\naccount = \"periodicCleanup\"\napi = \"myrestapi\"\nscopes = [\n  \"write\",\n  \"raed\",\n]\n",
            "a.toml:6:3: scopes.1: \"raed\": the API myrestapi does not define this scope; did you mean read?",
        ),
        (
            "a.toml",
            "[[grants]]\naccount = \"nobody\"\napi = \"myrestapi\"\nscopes = [\"read\"]\n",
            "a.toml:2:1: account: \"nobody\": there is no account of this name",
        ),
        (
            "a.toml",
            "[[grants]]\naccount = \"periodicCleanup\"\napi = \"myrestapi\"\nscopes = [\"read\"]\nnotBefore = 2028-01-01T00:00:00Z\nexpiresAt = 2027-01-01T00:00:00Z\n",
            "a.toml:6:1: expiresAt: \"2027-01-01T00:00:00Z\": must be later than notBefore",
        ),
        (
            "a.toml",
            "[[clients]]\ndisplayName = \"x\"\naccount = \"periodicCleanup\"\nsecret = \"env:NOT_THERE\"\n",
            "a.toml:4:1: there is no variable NOT_THERE with text in the environment",
        ),
        (
            "a.toml",
            "[[clients]]\ndisplayName = \"x\"\naccount = \"periodicCleanup\"\nsecrets = [\"file:none\"]\n",
            "a.toml:4:12: ",
        ),
        ("a.toml", "[[policies]]\nname = \"p\"\nmodule = \"./none.wasm\"\nattachedTo = \"server\"\n", "a.toml:3:1: "),
        (
            "a.yaml",
            "accounts:\n  - userName: a\n    displayNam: b\n",
            "a.yaml:3:5: displayNam: \"b\": there is no such member; did you mean displayName?",
        ),
        ("a.yaml", "accounts:\n  - userName: a\n    userName: b\n", "a.yaml:3:5: "),
        ("a.yaml", "accounts:\n  - userName: [\n", "a.yaml:"),
        ("a.yaml", "[[accounts]]\nuserName = \"a\"\n", "; it reads as TOML, and its name or --format says YAML"),
        ("a.toml", "accounts:\n  - userName: a\n", "; it reads as YAML, and its name or --format says TOML"),
        (
            "a.json",
            "{\n  \"accounts\": [\n    {\"userName\": \"a\", \"active\": \"yes\"}\n  ]\n}",
            "a.json:3:23: active: \"yes\": must be true or false",
        ),
        ("a.json", "{\n  \"accounts\": [\n    {\"userName\": }\n  ]\n}", "a.json:3:18: expected value"),
        ("a.json", "[]", "a.json:1:1: must hold some of accounts"),
    ] {
        shell.file(name, content);
        let text = shell.run(&["apply", "-f", name]).refused(1);
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    shell.file("a.txt", "");
    assert!(shell.run(&["apply", "-f", "a.txt"]).refused(1).contains("a.txt: its name must end in .toml"));
    assert!(shell.run(&["apply", "-f", "none.toml"]).refused(1).contains("none.toml: No such file"));
    assert!(shell.run(&["apply"]).refused(2).contains("--file <FILE>"));
    let accounts = app.admin("GET", "/resources/cid/ServiceAccount", &json!(null)).expect(200);
    assert_eq!(accounts["totalResults"], 1, "nothing was changed");
}

#[test]
fn secrets_are_fetched_where_the_file_is_read_and_never_printed() {
    let (app, shell) = scene();
    app.howto();
    let (first, second) = ("correct horse battery staple 1", "another long enough secret 2");
    std::fs::create_dir(shell.dir.path().join("d")).unwrap();
    shell.file("d/secret", &format!("{second}\n"));
    let file = shell.file(
        "d/clients.toml",
        "[[clients]]\ndisplayName = \"x\"\nclientId = \"x\"\naccount = \"periodicCleanup\"\nsecrets = [\"env:FIRST\", { value = \"file:secret\", expiresAt = 2027-02-01T00:00:00Z }]\n",
    );
    let shell = shell.with("FIRST", first);
    for arguments in
        [&["apply", "-f", &file, "--dry-run"][..], &["apply", "-f", &file], &["apply", "-f", &file, "--output", "json"]]
    {
        let ran = shell.run(arguments);
        assert!([0, 10].contains(&ran.code), "{}", ran.err);
        assert!(!format!("{}{}", ran.out, ran.err).contains("horse") && !ran.out.contains("another"), "{}", ran.out);
    }
    for secret in [first, second] {
        let answer = app.token_by_basic(
            "x",
            &secret.replace(' ', "+"),
            &[("grant_type", "client_credentials"), ("scope", "write")],
        );
        assert_eq!(answer.status, 200);
    }
    // What does not fit is told without what was written.
    let weak = shell.with("FIRST", "sekrit");
    let text = weak.run(&["apply", "-f", &file]).refused(1);
    assert!(
        text.contains("clients.toml:5:12: secrets.0: a client secret has 16 to 256 characters")
            && !text.contains("sekrit"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn a_secret_in_clear_in_a_file_that_everyone_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let (app, shell) = scene();
    app.howto();
    let file = shell.file("a.toml", "[[clients]]\ndisplayName = \"x\"\naccount = \"periodicCleanup\"\nsecret = \"correct horse battery staple 1\"\n");
    for (mode, is_warned) in [(0o600, false), (0o644, true), (0o640, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let ran = shell.run(&["apply", "-f", &file]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(ran.err.contains("a.toml:4:1: warning: a secret in clear"), is_warned, "{mode:o}: {}", ran.err);
        assert!(!ran.err.contains("horse"));
    }
    let open = shell
        .file("b.toml", "[[clients]]\ndisplayName = \"x\"\naccount = \"periodicCleanup\"\nsecret = \"generate\"\n");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(shell.run(&["apply", "-f", &open]).err, "");
}

#[test]
fn owners_and_pruning_are_asked_for_by_flags() {
    let (_app, shell) = scene();
    let a = shell.file("a.toml", "[[accounts]]\nuserName = \"a\"\n");
    let b = shell.file("b.toml", "[[accounts]]\nuserName = \"b\"\n");
    shell.run(&["apply", "-f", &a, "--owner", "one"]).expect(0);
    shell.run(&["apply", "-f", &b, "--owner", "two"]).expect(0);
    let c = shell.file("c.toml", "[[accounts]]\nuserName = \"c\"\n");
    let out = shell.run(&["apply", "-f", &c, "--owner", "one", "--prune", "--dry-run"]).expect(10);
    let end = "- account a\n1 would be made, 0 changed, 1 deleted; 0 as they should be\n";
    assert!(out.starts_with("+ account c\n") && out.ends_with(end), "{out}");
    shell.run(&["apply", "-f", &c, "--owner", "one", "--prune"]).expect(0);
    let list = shell.run(&["account", "list"]).expect(0);
    assert!(list.contains("\nb ") && list.contains("\nc ") && !list.contains("\na "), "{list}");
}

/// As where an export failed whose output is piped in, or where a file is being written anew.
#[test]
fn what_declares_nothing_prunes_nothing() {
    let (_app, shell) = scene();
    let a = shell.file("a.toml", "[[accounts]]\nuserName = \"a\"\n");
    shell.run(&["apply", "-f", &a]).expect(0);
    shell.file("nothing.toml", "");
    shell.file("comments.yaml", "# nothing yet\n");
    shell.file("empty.json", "{\"accounts\": []}");
    for file in ["-", "nothing.toml", "comments.yaml", "empty.json"] {
        for dry_run in [&[][..], &["--dry-run"]] {
            let told = shell.run_with("", &[&["apply", "--prune", "-f", file], dry_run].concat()).refused(1);
            assert!(told.contains("the document declares nothing") && told.contains("delete it by name"), "{told}");
        }
    }
    assert!(shell.run(&["account", "list"]).expect(0).contains("\na "));
}

#[test]
fn a_server_that_cannot_apply_says_so() {
    let (app, shell) = scene();
    let reader = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "r", "role": "reader"})).expect(201);
    let file = shell.file("a.toml", "[[accounts]]\nuserName = \"a\"\n");
    let weak = Shell::of(&app).with("GRANTD_TOKEN", reader["signedToken"].as_str().unwrap());
    assert!(weak.run(&["apply", "-f", &file]).refused(4).contains("this needs the role editor"));
    weak.run(&["export"]).expect(0);
}
