//! The verbs of every resource.

use serde_json::json;

use super::{lines, scene, text};
use crate::shell::Shell;

#[test]
fn an_account_lives_from_add_to_delete() {
    let (_app, shell) = scene();
    let made = shell.run(&[
        "account",
        "add",
        "cleanup",
        "--display-name",
        "Clean up",
        "--attribute",
        "team=ops",
        "--attribute",
        "size=3",
        "--reason",
        "ticket 1",
        "--output",
        "json",
    ]);
    let made = made.json();
    assert_eq!((&made["active"], &made["attributes"]), (&json!(true), &json!({"team": "ops", "size": 3})));
    let list = shell.run(&["account", "list"]).expect(0);
    assert_eq!(lines(&list), ["ACCOUNT  DISPLAY NAME  ACTIVE  CHANGED", lines(&list)[1]], "{list}");
    assert!(list.contains("\ncleanup  Clean up      yes "), "{list}");
    for name in ["cleanup", "CLEANUP", text(&made, "id")] {
        assert_eq!(shell.run(&["account", "show", name, "--output", "json"]).json()["id"], made["id"], "{name}");
    }
    let set = shell.run(&[
        "account",
        "set",
        "cleanup",
        "--active",
        "false",
        "--attribute",
        "team=\"dev\"",
        "--no-attribute",
        "size",
        "--output",
        "json",
    ]);
    let set = set.json();
    assert_eq!((&set["active"], &set["attributes"]), (&json!(false), &json!({"team": "dev"})));
    assert!(shell.run(&["account", "set", "cleanup"]).refused(2).contains("say what to change"));
    assert!(shell.run(&["account", "delete", "cleanup"]).refused(2).contains("nobody can be asked here: add --yes"));
    assert_eq!(shell.run(&["account", "delete", "cleanup", "--yes"]).refused(0), "deleted account cleanup\n");
    assert!(shell.run(&["account", "show", "cleanup"]).refused(3).contains("there is no account cleanup"));
    assert_eq!(shell.run(&["account", "list"]).refused(0), "there are none\n");
    let audit = shell.run(&["audit", "list", "--filter", "reason eq \"ticket 1\""]).expect(0);
    assert!(audit.contains("made ServiceAccount cleanup") && audit.contains("ticket 1"), "{audit}");
}

#[test]
fn a_variable_that_is_not_set_names_nothing() {
    let (_app, shell) = scene();
    for words in [
        &["account", "show", ""][..],
        &["explain", ""],
        &["decision", "show", ""],
        &["audit", "show", ""],
        &["policy", "module", "show", ""],
        &["policy", "module", "delete", "", "--yes"],
        &["policy", "replay", "--decision", ""],
    ] {
        let told = shell.run(words).refused(2);
        assert!(told.contains("empty"), "{words:?}: {told}");
    }
}

#[test]
fn what_is_in_use_is_named_and_goes_only_by_cascade() {
    let (app, shell) = scene();
    app.howto();
    let text = shell.run(&["account", "delete", "periodicCleanup", "--yes"]).refused(1);
    assert!(text.contains("in use by client periodicService, grant of write at myrestapi"), "{text}");
    let text = shell.run(&["api", "delete", "myrestapi", "--yes"]).refused(1);
    assert!(text.contains("in use by grant of write to periodicCleanup"), "{text}");
    let text = shell.run(&["account", "delete", "periodicCleanup", "--cascade"]).refused(2);
    assert!(text.contains("and client periodicService, grant of write at myrestapi with it"), "{text}");
    shell.run(&["account", "delete", "periodicCleanup", "--cascade", "--yes"]).expect(0);
    assert_eq!(shell.run(&["grant", "list", "--output", "json"]).json(), json!([]));
}

#[test]
fn grants_are_named_by_account_and_api() {
    let (app, shell) = scene();
    app.howto();
    let show = |more: &[&str]| shell.run(&[&["grant", "show", "periodicCleanup", "myrestapi"], more].concat());
    assert_eq!(show(&["--output", "json"]).json()["scopes"], json!(["write"]));
    shell
        .run(&["grant", "set", "periodicCleanup", "myrestapi", "--add-scope", "read", "--until", "2027-03-31"])
        .expect(0);
    let grant = show(&["--output", "json"]).json();
    assert_eq!((&grant["scopes"], text(&grant, "expiresAt")), (&json!(["read", "write"]), "2027-04-01T00:00:00.000Z"));
    let set = ["grant", "set", "periodicCleanup", "myrestapi"];
    shell.run(&[&set[..], &["--remove-scope", "write", "--until", "forever", "--reason", "less"]].concat()).expect(0);
    let grant = show(&["--output", "json"]).json();
    assert_eq!(grant["scopes"], json!(["read"]));
    assert_eq!((&grant["expiresAt"], &grant["reason"]), (&json!(null), &json!("less")));
    let text = shell.run(&[&set[..], &["--add-scope", "raed"]].concat()).refused(1);
    assert_eq!(text, "grantd: scopes.1 \"raed\": the API myrestapi does not define this scope; did you mean read?\n");
    let text = shell.run(&["grant", "add", "periodicCleanup", "myrestapi", "write", "--until", "yesterday"]).refused(2);
    assert!(text.contains("--until: \"yesterday\" is none of: a date"), "{text}");
    app.advance(1);
    shell.run(&["grant", "add", "periodicCleanup", "myrestapi", "write", "--reason", "second"]).expect(0);
    let text = show(&[]).refused(1);
    assert!(text.contains("there are several grants to periodicCleanup at myrestapi: name one by its id"), "{text}");
    let list = shell.run(&["grant", "list", "--account", "periodicCleanup", "--output", "json"]).json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let text = shell.run(&["grant", "list", "--api", "myrestap"]).refused(3);
    assert!(text.contains("did you mean myrestapi?"), "{text}");
    let id = self::text(&list[1], "id");
    assert!(
        shell.run(&["grant", "delete", id, "--yes"]).refused(0).contains("deleted the grant of write at myrestapi")
    );
}

#[test]
fn apis_and_their_scopes_change_one_by_one() {
    let (_app, shell) = scene();
    let made = shell.run(&[
        "api",
        "add",
        "orders",
        "--scope",
        "read",
        "--scope",
        "write=Write orders",
        "--signing-alg",
        "ES256",
        "--lifetime",
        "10m",
        "--audience",
        "https://orders.example.com",
        "--claim",
        "plan=\"gold\"",
        "--claim-from",
        "team=team",
        "--output",
        "json",
    ]);
    let made = made.json();
    assert_eq!(made["claims"], json!({"plan": {"value": "gold"}, "team": {"attribute": "team"}}));
    assert_eq!(
        (&made["tokenLifetimeSeconds"], &made["scopes"][1]["displayName"]),
        (&json!(600), &json!("Write orders"))
    );
    shell.run(&["api", "scope", "add", "orders", "admin", "--sensitivity", "high", "--description", "All"]).expect(0);
    assert!(shell.run(&["api", "scope", "add", "orders", "admin"]).refused(1).contains("defines admin already"));
    shell.run(&["api", "scope", "set", "orders", "read", "--default", "true"]).expect(0);
    shell.run(&["api", "scope", "delete", "orders", "write"]).expect(0);
    assert!(shell.run(&["api", "scope", "set", "orders", "admn"]).refused(3).contains("did you mean admin?"));
    shell.run(&["api", "set", "orders", "--audience", "", "--no-claim", "plan"]).expect(0);
    let api = shell.run(&["api", "show", "orders", "--output", "json"]).json();
    assert_eq!((&api["audience"], &api["claims"]), (&json!(null), &json!({"team": {"attribute": "team"}})));
    let scopes = shell.run(&["api", "scope", "list", "orders"]).expect(0);
    insta::assert_snapshot!(scopes, @"
    SCOPE  DISPLAY NAME  SENSITIVITY  DEFAULT  DESCRIPTION
    read   read          low          yes
    admin  admin         high         no       All
    ");
}

#[test]
fn lists_are_paged_filtered_and_whole() {
    let (app, shell) = scene();
    for number in 1..=3 {
        app.advance(1);
        app.create("ServiceAccount", &json!({"userName": format!("a{number}")}));
    }
    let page = shell.run(&["account", "list", "--count", "2"]);
    assert_eq!(page.err, "2 of 3: --start 3 shows the next, --all every one\n");
    let names = |arguments: &[&str]| {
        let list = shell.run(&[&["account", "list", "--output", "json"], arguments].concat()).json();
        list.as_array().unwrap().iter().map(|item| text(item, "userName").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["--start", "3"]), ["a3"]);
    assert_eq!(names(&["--sort", "userName", "--descending"]), ["a3", "a2", "a1"]);
    assert_eq!(names(&["--filter", "userName ge \"a2\"", "--all"]), ["a2", "a3"]);
    let yaml = shell.run(&["account", "list", "--all", "--output", "yaml"]).expect(0);
    assert_eq!(yaml.matches("- id: ").count(), 3, "{yaml}");
    let text = shell.run(&["account", "list", "--filter", "userNam eq \"a\""]).refused(1);
    assert!(
        text.starts_with("grantd: filter: there is no attribute userNam") && text.contains("did you mean userName?"),
        "{text}"
    );
    let text = shell.run(&["account", "list", "--filter", "userName eq"]).refused(1);
    assert!(text.contains("at character"), "{text}");
}

#[test]
fn tables_fit_the_terminal_and_ids_stay_whole() {
    let (app, shell) = scene();
    let howto = app.howto();
    let shell = shell.with("COLUMNS", "70");
    let list = shell.run(&["grant", "list"]).expect(0);
    assert!(list.lines().all(|line| line.chars().count() <= 70), "{list}");
    assert!(list.contains(&howto.grant), "{list}");
    assert!(!list.contains('\u{1b}'), "no colour goes into a pipe");
}

#[test]
fn keys_rotate_and_api_tokens_come_and_go() {
    let (app, shell) = scene();
    let before = shell.run(&["key", "list", "--output", "json"]).json();
    let rotated = shell.run(&["key", "rotate", "--alg", "EdDSA", "--force", "--output", "json"]).json();
    assert!(rotated.as_array().unwrap().len() > before.as_array().unwrap().len(), "{rotated}");
    let refused = shell.run(&["key", "rotate", "--alg", "EdDSA"]).refused(1);
    assert!(refused.contains("try again then, or add --force") && !refused.contains('{'), "{refused}");
    let made =
        shell.run(&["api-token", "add", "ci", "--role", "reader", "--until", "2099-01-01", "--output", "json"]).json();
    let reader = shell.run(&["api-token", "show", "ci"]).expect(0);
    assert!(reader.contains("role       reader") && !reader.contains("gapi_"), "{reader}");
    let weak = Shell::of(&app).with("GRANTD_TOKEN", text(&made, "signedToken"));
    weak.run(&["account", "list"]).expect(0);
    let refusal = weak.run(&["account", "add", "x"]).refused(4);
    assert!(refusal.contains("this needs the role editor, and ci has the role reader"), "{refusal}");
    let set =
        ["api-token", "set", "ci", "--role", "editor", "--name", "build", "--until", "forever", "--output", "json"];
    let set = shell.run(&set).json();
    assert_eq!(
        (&set["displayName"], &set["role"], &set["expiresAt"]),
        (&json!("build"), &json!("editor"), &json!(null))
    );
    weak.run(&["account", "add", "x"]).expect(0);
    shell.run(&["api-token", "set", "build", "--active", "false"]).expect(0);
    assert!(weak.run(&["account", "list"]).refused(4).contains("does not know this API token, or it has ended"));
    shell.run(&["api-token", "set", "build", "--active", "true", "--name", "ci"]).expect(0);
    weak.run(&["account", "list"]).expect(0);
    assert!(shell.run(&["api-token", "set", "ci"]).refused(2).contains("say what to change"));
    let gone = shell.run(&["api-token", "delete", "ci", "--yes"]).refused(0);
    assert_eq!(gone, "deleted API token ci\n");
    assert!(weak.run(&["account", "list"]).refused(4).contains("does not know this API token, or it has ended"));
}

#[test]
fn keys_are_shown_and_retired_ones_go_before_their_time() {
    let (_app, shell) = scene();
    let rotated = shell.run(&["key", "rotate", "--alg", "EdDSA", "--force", "--output", "json"]).json();
    let kid = |state: &str| {
        let key =
            rotated.as_array().unwrap().iter().find(|key| key["alg"] == "EdDSA" && key["state"] == state).unwrap();
        text(key, "kid").to_owned()
    };
    let (active, retired) = (kid("active"), kid("retired"));
    let shown = shell.run(&["key", "show", &active]).expect(0);
    assert!(shown.contains("state        active") && shown.contains("\"crv\":\"Ed25519\""), "{shown}");
    let refused = shell.run(&["key", "delete", &active, "--yes"]).refused(1);
    assert!(refused.contains("is active, and only retired keys can go: `grantd key rotate --alg EdDSA`"), "{refused}");
    let asked = shell.run(&["key", "delete", &retired]).refused(2);
    assert!(asked.contains("what it signed is refused by whoever looks"), "{asked}");
    assert!(asked.contains("; by itself it would go ") && !asked.contains("until in"), "{asked}");
    let gone = shell.run(&["key", "delete", &retired, "--yes", "--reason", "leaked"]).refused(0);
    assert_eq!(gone, format!("deleted EdDSA key {retired}\n"));
    assert!(shell.run(&["key", "show", &retired]).refused(3).contains("there is no signing key"));
    let near = shell.run(&["key", "show", &active[..21]]).refused(3);
    assert!(near.contains("did you mean"), "{near}");
}

#[test]
fn the_audit_trail_is_told_and_verified() {
    let (app, shell) = scene();
    let howto = app.howto();
    app.advance(1);
    shell.run(&["account", "set", "periodicCleanup", "--display-name", "New", "--reason", "why"]).expect(0);
    // The newest of what people did: the server makes signing keys on its own, at a time of its own.
    let newest = ["audit", "list", "--count", "1", "--filter", "actor.type ne \"system\"", "--output", "json"];
    let list = shell.run(&newest).json();
    let show = shell.run(&["audit", "show", text(&list[0], "id")]).expect(0);
    assert!(show.contains("displayName: \"Periodic Cleanup Account\" -> \"New\""), "{show}");
    assert!(show.contains("revision: 1 -> 2"), "{show}");
    assert!(shell.run(&["audit", "show", "none"]).refused(3).contains("there is no commit"));
    assert!(shell.run(&["audit", "verify"]).expect(0).starts_with("the chain holds over "));
    let sealed = || app.admin("GET", "/audit/verify", &json!(null)).expect(200)["waiting"] == 0;
    crate::app::eventually("the chain is sealed", || sealed().then_some(()));
    let database = rusqlite::Connection::open(app.database()).unwrap();
    database
        .execute("UPDATE audit_commit SET reason = 'another' WHERE changes LIKE ?1", [format!("%{}%", howto.api)])
        .unwrap();
    let text = shell.run(&["audit", "verify"]).refused(1);
    assert!(text.contains("is not as it was sealed, or is missing: compare with a backup"), "{text}");
}
