//! Policies and decisions on the command line: from a file to an explanation.

use serde_json::{Value, json};

use super::authoring::shipped;
use super::{lines, scene, text};
use crate::app::{HowTo, TestApp, claims};
use crate::policy::modules::Twist;
use crate::shell::Shell;

const WASM: &[u8] = include_bytes!("../../../policies/scope-allowlist/policy.wasm");

/// A server with the how-to's things and both scopes granted, and a shell with the module in a file.
fn policies() -> (TestApp, Shell, HowTo) {
    let (app, shell) = scene();
    let howto = app.howto();
    app.set("Grant", &howto.grant, "scopes", &json!(["read", "write"]));
    std::fs::write(shell.dir.path().join("allow.wasm"), WASM).unwrap();
    (app, shell, howto)
}

#[test]
fn a_module_is_inspected_without_a_server() {
    let (_app, shell, _) = policies();
    let shell = shell.with("GRANTD_SERVER", "http://127.0.0.1:1").with("GRANTD_TOKEN", "");
    let told = shell.run(&["policy", "inspect", "allow.wasm"]).expect(0);
    for wanted in ["scope-allowlist@1.0.0", "nothing that changes", "allow (list of string): Scopes that may stay."] {
        assert!(told.contains(wanted), "{told}");
    }
    let all = shell.run(&["policy", "inspect", "allow.wasm", "--output", "json"]).json();
    assert_eq!(all["size"], WASM.len());
    assert_eq!(all["manifest"]["name"], "scope-allowlist");
    std::fs::write(shell.dir.path().join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let refused = shell.run(&["policy", "inspect", "core.wasm"]).refused(1);
    assert!(
        refused.contains("core.wasm would be refused") && refused.contains("wasm-tools component new"),
        "{refused}"
    );
    assert!(shell.run(&["policy", "inspect", "none.wasm"]).refused(1).contains("none.wasm"));
}

#[test]
fn limits_are_those_of_this_machines_configuration() {
    let shell = Shell::new().with("GRANTD_POLICIES__MEMORY_MIB", "32");
    let told = shell.run(&["policy", "limits"]).expect(0);
    assert!(told.contains("32 MiB     policies.memory_mib"), "{told}");
    assert_eq!(shell.run(&["policy", "limits", "--output", "json"]).json()["memory_mib"], 32);
}

#[test]
fn a_module_goes_there_and_back() {
    let (_app, shell, _) = policies();
    let added = shell.run(&["policy", "add", "allow.wasm"]);
    assert!(added.err.contains("allow.wasm: scope-allowlist@1.0.0, compiled in "), "{}", added.err);
    added.expect(0);
    assert!(shell.run(&["policy", "add", "allow.wasm"]).err.contains("it was there already, byte for byte"));
    let list = shell.run(&["policy", "module", "list"]).expect(0);
    assert!(lines(&list)[1].starts_with("scope-allowlist@1.0.0  130 KiB  0 "), "{list}");
    let shown = shell.run(&["policy", "module", "show", "scope-allowlist@1.0.0", "--output", "json"]).json();
    let digest = text(&shown, "digest");
    shell.run(&["policy", "module", "download", &digest[..12], "--to", "back.wasm"]).expect(0);
    assert_eq!(std::fs::read(shell.dir.path().join("back.wasm")).unwrap(), WASM);
    assert!(shell.run(&["policy", "module", "download", digest, "--to", "back.wasm"]).refused(1).contains("exists"));
    shell.run(&["policy", "module", "delete", "scope-allowlist", "--yes"]).expect(0);
    shell.run(&["policy", "module", "show", "scope-allowlist"]).refused(3);
}

#[test]
fn a_policy_lives_from_attach_to_delete() {
    let (_app, shell, howto) = policies();
    std::fs::write(shell.dir.path().join("only.yaml"), "allow:\n  - read\n").unwrap();
    let attach =
        ["policy", "attach", "allow.wasm", "--to", "api:myrestapi", "--settings", "only.yaml", "--order", "-5"];
    let made = shell.run(&[&attach[..], &["--output", "json"]].concat()).json();
    assert_eq!((text(&made, "name"), &made["order"]), ("scope-allowlist at api:myrestapi", &json!(-5)));
    assert_eq!((&made["settings"], &made["attachedTo"]["id"]), (&json!({"allow": ["read"]}), &json!(howto.api)));
    for place in [&format!("client:{}", howto.client_id), "account:periodicCleanup", "server"] {
        shell
            .run(&["policy", "attach", "scope-allowlist", "--to", place, "--settings", r#"{"allow":["*"]}"#])
            .expect(0);
    }
    let list = shell.run(&["policy", "list"]).expect(0);
    for wanted in ["api myrestapi", "client periodicService", "account periodicCleanup", "server  "] {
        assert!(list.contains(wanted), "{list}");
    }
    let named = text(&made, "name").to_owned();
    shell.run(&["policy", "shadow", &named]).expect(0);
    let set = ["policy", "set", &named, "--settings", r#"{"allow":["w*"]}"#, "--order", "3", "--mode", "enforce"];
    let set = shell.run(&[&set[..], &["--output", "json"]].concat()).json();
    assert_eq!(
        (&set["settings"], &set["order"], &set["mode"]),
        (&json!({"allow": ["w*"]}), &json!(3), &json!("enforce"))
    );
    assert_eq!(set["meta"]["revision"], 3, "one change each");
    let refused = shell.run(&["policy", "set", &named, "--settings", "{}"]).refused(1);
    assert!(refused.contains("the module refuses them") && refused.contains("missing field `allow`"), "{refused}");
    assert!(shell.run(&["policy", "show", &named]).expect(0).contains("\"w*\""));
    shell.run(&["policy", "set", &named, "--active", "false"]).expect(0);
    shell.run(&["policy", "enforce", &named]).expect(0);
    let enforced = shell.run(&["policy", "show", &named, "--output", "json"]).json();
    assert_eq!((&enforced["mode"], &enforced["active"]), (&json!("enforce"), &json!(true)));
    // What goes with what it is attached to is named before it goes.
    for (delete, wanted) in [
        (["api", "delete", "myrestapi"], "policy scope-allowlist at api:myrestapi"),
        (["m2m", "delete", "periodicService"], "policy scope-allowlist at client:"),
        (["account", "delete", "periodicCleanup"], "policy scope-allowlist at account:periodicCleanup, client"),
    ] {
        let told = shell.run(&delete).refused(1);
        assert!(told.contains(wanted), "{told}");
    }
    assert!(shell.run(&["policy", "module", "delete", "scope-allowlist", "--yes"]).refused(1).contains("in use"));
    assert!(
        shell.run(&["policy", "delete", &named]).refused(2).contains("nothing narrows the tokens of api myrestapi")
    );
    shell.run(&["policy", "delete", &named, "--yes"]).expect(0);
    assert!(shell.run(&["policy", "show", &named]).refused(3).contains("there is no policy"));
}

#[test]
fn what_is_typed_wrong_is_told_before_anything_is_sent() {
    let (app, shell, _) = policies();
    let attach =
        |to: &str, settings: &str| shell.run(&["policy", "attach", "allow.wasm", "--to", to, "--settings", settings]);
    assert!(attach("planet:mars", "{}").refused(2).contains("none of server, api:NAME, client:NAME and account:NAME"));
    assert!(attach("api:", "{}").refused(2).contains("none of server"));
    assert!(attach("api:myrestapo", "{}").refused(3).contains("did you mean myrestapi?"));
    assert!(attach("server", "{oops").refused(2).contains("this is not JSON"));
    let twice = r#"{"allow": ["read"], "allow": ["*"]}"#;
    assert!(attach("server", twice).refused(2).contains("the member \"allow\" stands twice"));
    for (name, content) in [("twice.json", twice), ("twice.yaml", "allow: [read]\nallow: ['*']\n")] {
        std::fs::write(shell.dir.path().join(name), content).unwrap();
        let refused = attach("server", name).refused(2);
        assert!(refused.contains(&format!("{name}: ")), "{refused}");
    }
    for no_object in ["[]", "null", "7", "\"read\""] {
        let refused = attach("server", no_object).refused(2);
        assert!(refused.contains(&format!("settings are an object, and {no_object} is none")), "{refused}");
    }
    assert!(attach("server", "none.json").refused(2).contains("none.json"));
    std::fs::write(shell.dir.path().join("list.yaml"), "- read\n").unwrap();
    assert!(attach("server", "list.yaml").refused(2).contains("holds no object"));
    assert_eq!(app.admin("GET", "/policy-modules", &Value::Null).expect(200)["totalResults"], 0, "nothing was sent");
}

/// A token of the how-to's client, through the command, explained.
fn explained(shell: &Shell, howto: &HowTo, scope: &str) -> crate::shell::Ran {
    let secret = &howto.client_secret;
    shell.run(&["token", "--client-id", &howto.client_id, "--client-secret", secret, "--scope", scope, "--explain"])
}

#[test]
fn a_token_is_explained_step_by_step() {
    let (_app, shell, howto) = policies();
    shell.run(&["policy", "attach", "allow.wasm", "--to", "server", "--settings", r#"{"allow":["r*"]}"#]).expect(0);
    let shadow = ["policy", "attach", "scope-allowlist", "--to", "api:myrestapi", "--settings", r#"{"allow":[]}"#];
    shell.run(&[&shadow[..], &["--mode", "shadow", "--name", "strict"]].concat()).expect(0);
    let told = explained(&shell, &howto, "read write").expect(0);
    let (token, staircase) = told.split_once('\n').unwrap();
    let jti = claims(token)["jti"].as_str().unwrap().to_owned();
    let rows: Vec<Vec<&str>> = lines(staircase)
        .iter()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    let row =
        |first: &str| rows.iter().find(|row| row.first() == Some(&first)).unwrap_or_else(|| panic!("{told}")).clone();
    assert_eq!(row("decision"), ["decision", &jti]);
    assert_eq!(row("STEP"), ["STEP", "AT", "SAYS", "SCOPES", "LIFETIME", "WHY"]);
    assert_eq!(row("requested"), ["requested", "read write"]);
    assert_eq!(row("granted"), ["granted", "read write", "3600 s"]);
    assert_eq!(row("scope-allowlist at server")[1..5], ["server", "permit", "read -write", "3600 s"]);
    assert_eq!(row("strict")[1..4], ["api", "deny (shadow)", "none"]);
    assert_eq!(row("issued"), ["issued", "read", "3600 s"]);
    let grounds: Vec<&str> = lines(staircase).into_iter().skip_while(|line| !line.contains(" rests on ")).collect();
    assert!(grounds[0].contains("scope-allowlist at server rests on"), "{told}");
    assert!(told.contains("settings.allow[0] = \"r*\"; without it: deny scope-not-allowed"), "{told}");
    // By its jti, and by the token itself, on standard output.
    for named in [jti.as_str(), token] {
        let again = shell.run(&["explain", named]).expect(0);
        assert!(again.contains("permit") && again.contains(&jti), "{again}");
    }
    let record = shell.run(&["decision", "show", &jti, "--output", "json"]).json();
    assert_eq!(record["steps"].as_array().unwrap().len(), 2);
    let replayed = shell.run(&["policy", "replay", "--decision", &jti]).expect(0);
    assert_eq!(replayed.matches("the same").count(), 2, "{replayed}");
}

#[test]
fn a_refusal_is_explained_too() {
    let (_app, shell, howto) = policies();
    shell.run(&["policy", "attach", "allow.wasm", "--to", "server", "--settings", r#"{"allow":[]}"#]).expect(0);
    let told = explained(&shell, &howto, "read");
    assert_eq!(told.code, 4);
    assert!(told.err.contains("access_denied") && told.out.contains("scope-not-allowed"), "{}\n{}", told.out, told.err);
    let wrong = shell.run(&["token", "--client-id", &howto.client_id, "--client-secret", "wrong", "--explain"]);
    assert!(wrong.err.contains("the refusal names no decision"), "{}", wrong.err);
    let list = shell.run(&["decision", "list", "--outcome", "refused"]).expect(0);
    assert_eq!(
        lines(&list)[0].split_whitespace().collect::<Vec<_>>(),
        ["WHEN", "OUTCOME", "CLIENT", "ACCOUNT", "API", "SCOPES", "DECISION"]
    );
    assert!(
        list.contains("access_denied") && list.contains("invalid_client") && list.contains("periodicCleanup"),
        "{list}"
    );
}

#[test]
fn a_failure_is_explained_with_what_it_cost() {
    let (_app, shell, howto) = policies();
    let endless = Twist { evaluate: "(loop $again (br $again)) unreachable", ..Twist::default() };
    std::fs::write(shell.dir.path().join("endless.wasm"), endless.component()).unwrap();
    shell.run(&["policy", "attach", "endless.wasm", "--to", "server", "--name", "endless"]).expect(0);
    let told = explained(&shell, &howto, "read");
    assert!(told.err.contains("grantd: server_error: policy_timeout: the policy endless failed"), "{}", told.err);
    let out = told.expect(1);
    assert!(out.contains("failed: policy_timeout") && out.contains("asked afresh ("), "{out}");
    // The clock of this server stands still.
    assert!(out.contains("(20000000 fuel, "), "{out}");
    assert!(out.contains("it failed: what a failure rests on is not looked for"), "{out}");
    let ask = ["policy", "preview", "endless", "--client", &howto.client_id, "--scope", "read"];
    let asked = shell.run(&ask).expect(0);
    assert!(asked.contains(" fuel, ") && asked.contains("policy_timeout"), "{asked}");
}

#[test]
fn no_more_is_claimed_than_was_tried() {
    let (_app, shell, howto) = policies();
    std::fs::copy(shipped("ip-allowlist/policy.wasm"), shell.dir.path().join("near.wasm")).unwrap();
    let attach = ["policy", "attach", "near.wasm", "--to", "server", "--settings", r#"{"allow":["10.0.0.0/8"]}"#];
    shell.run(&attach).expect(0);
    let told = explained(&shell, &howto, "read");
    assert!(told.err.contains("address-not-allowed"), "{}", told.err);
    let rests = told.out.lines().find(|line| line.contains(" rests on ")).unwrap();
    assert!(rests.contains("nothing that was tried (settings.allow[0]"), "{rests}");
    assert!(rests.contains("context.remoteAddress from another address, 203.0.113.77"), "{rests}");
    assert!(rests.trim_end().ends_with(") changed it"), "{rests}");
}

#[test]
fn policies_whose_claims_conflict_are_told_as_what_they_are() {
    let (_app, shell, howto) = policies();
    for (name, place, claim) in [("one", "server", r#"{"team":"a"}"#), ("two", "api:myrestapi", r#"{"team":"b"}"#)] {
        let evaluate = "(call $permit_claims (local.get $request) (i32.const 4096) (i32.const {{text-length}}))";
        let twist = Twist { name: name.to_owned(), text: claim.to_owned(), evaluate, ..Twist::default() };
        let file = format!("{name}.wasm");
        std::fs::write(shell.dir.path().join(&file), twist.component()).unwrap();
        shell.run(&["policy", "attach", &file, "--to", place, "--name", name]).expect(0);
    }
    let told = explained(&shell, &howto, "read");
    assert_eq!(told.code, 4);
    let conflict = r#"it permits, but its claim team="b" conflicts with team="a", set by the policy one"#;
    let row = told.out.lines().find(|line| line.starts_with("two ")).unwrap();
    assert!(row.contains("permit, in conflict") && row.contains(conflict), "{}", told.out);
    assert!(told.out.contains("what a conflict rests on is not looked for"), "{}", told.out);
    let id = told.err.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert!(shell.run(&["policy", "replay", "--decision", &id]).expect(0).contains("permit, in conflict"));
}

#[test]
fn decisions_are_listed_by_the_names_of_what_they_are_about() {
    let (app, shell, howto) = policies();
    shell
        .run(&["policy", "attach", "allow.wasm", "--to", "server", "--settings", r#"{"allow":["*"]}"#, "--name", "p"])
        .expect(0);
    for _ in 0..3 {
        app.token_for(&howto, &[("scope", "write")]).expect(200);
    }
    for (flag, name) in [
        ("--client", "periodicService"),
        ("--client", howto.client_id.as_str()),
        ("--account", "periodicCleanup"),
        ("--api", "myrestapi"),
        ("--policy", "p"),
        ("--outcome", "issued"),
    ] {
        let found = shell.run(&["decision", "list", flag, name, "--output", "json"]).json();
        assert_eq!(found.as_array().unwrap().len(), 3, "{flag} {name}");
    }
    let all = shell.run(&["decision", "list", "--all", "--output", "json"]).json();
    assert_eq!(all.as_array().unwrap().len(), 3);
    let none = shell.run(&["decision", "list", "--client", "nobody"]);
    assert!(none.err.contains("there are none"), "{}", none.err);
}

#[test]
fn a_policy_can_be_asked_before_it_is_enforced() {
    let (app, shell, howto) = policies();
    let attach = ["policy", "attach", "allow.wasm", "--to", "server", "--settings", r#"{"allow":["read"]}"#];
    shell.run(&[&attach[..], &["--mode", "off", "--name", "p"]].concat()).expect(0);
    let ask = ["policy", "preview", "p", "--client", &howto.client_id, "--scope", "read", "--scope", "write"];
    let told = shell.run(&ask).expect(0);
    assert!(told.contains("permit") && told.contains("read for 3600 s"), "{told}");
    let ran = shell.run(&[&ask[..], &["--settings", r#"{"allow":[]}"#, "--output", "json"]].concat());
    assert!(ran.err.contains("the policies before this one were not asked"), "{}", ran.err);
    let tried = ran.json();
    assert_eq!(
        (&tried["effect"]["code"], &tried["request"]["settings"]),
        (&json!("scope-not-allowed"), &json!({"allow": []}))
    );
    let whole = shell.run(&[&ask[..], &["--output", "json"]].concat()).json();
    assert_eq!(whole["request"]["settings"], json!({"allow": ["read"]}));
    assert!(shell.run(&["policy", "preview", "p"]).refused(2).contains("--client"));
    assert_eq!(app.admin("GET", "/decisions", &Value::Null).expect(200)["totalResults"], 0);
}

#[test]
fn a_database_is_compiled_for_a_server_that_cannot() {
    let (app, shell, _) = policies();
    shell.run(&["policy", "add", "allow.wasm"]).expect(0);
    let database = app.database().to_str().unwrap().to_owned();
    assert!(shell.run(&["policy", "precompile", "--database", &database]).refused(1).contains("in use by another"));
    let dir = app.into_dir();
    rusqlite::Connection::open(dir.path().join("grantd.db"))
        .unwrap()
        .execute("DELETE FROM policy_artifact", [])
        .unwrap();
    let first = shell.run(&["policy", "precompile", "--database", &database]);
    assert!(first.err.contains("1 compiled now"), "{}", first.err);
    assert!(shell.run(&["policy", "precompile", "--database", &database]).err.contains("0 compiled now"));
}
