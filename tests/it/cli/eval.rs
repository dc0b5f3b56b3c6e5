//! A module on the author's machine: asked once, measured, its cases brought up to date.

use serde_json::{Value, json};

use super::authoring::{project, shipped};
use super::{scene, text};
use crate::app::texts;
use crate::policy::modules::Twist;
use crate::shell::Shell;

#[test]
fn one_answer_is_told_with_what_it_rests_on_and_what_it_cost() {
    let shell = project();
    shell.file("request.yaml", "account: {userName: cleanup}\noffered: [\"reports:read\", \"users:list\"]\n");
    let eval = ["policy", "eval", "policy.wasm", "--input", "request.yaml", "--settings", r#"{"allow":["reports:*"]}"#];
    let told = shell.run(&eval).expect(0);
    for wanted in [
        "scope-allowlist@1.0.0",
        "reports:read users:list for 3600 s",
        "permit",
        "settings.allow[0] = \"reports:*\"; without it: deny scope-not-allowed",
        "of the limit), ",
        " µs",
    ] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    let whole = shell.run(&[&eval[..], &["--output", "json"]].concat()).json();
    assert_eq!(texts(&whole["effect"]["permit"]["scopes"]), ["reports:read"]);
    assert_eq!(whole["request"]["account"]["userName"], "cleanup");
    assert_eq!(whole["restsOn"][0]["what"], "settings.allow[0]");
    assert_eq!(whole["request"]["settings"], json!({"allow": ["reports:*"]}));
    assert!(whole["fuel"].as_u64().unwrap() > 1000 && whole["memoryBytes"].as_u64().unwrap() > 65_535, "{whole}");
    let refused = shell.run(&["policy", "eval", "policy.wasm"]).refused(1);
    assert!(refused.contains("missing field `allow`"), "{refused}");
    shell.file("bad.yaml", "offered: [read]\nscopes: [read]\n");
    let bad = ["policy", "eval", "policy.wasm", "--input", "bad.yaml", "--settings", r#"{"allow":[]}"#];
    let refused = shell.run(&bad).refused(1);
    assert!(refused.contains("bad.yaml: line 2, column 1") && refused.contains("scopes"), "{refused}");
    shell.file("more.json", r#"{"context": {"remoteAddress": "10.0.0.1"}}"#);
    let more = ["policy", "eval", "policy.wasm", "--input", "more.json", "--settings", r#"{"allow":["*"]}"#];
    assert!(shell.run(&more).err.contains("more.json gives a remoteAddress, and the policy does not list it"));
}

#[test]
fn a_request_is_built_from_real_data() {
    let (app, shell) = scene();
    let howto = app.howto();
    app.set("ServiceAccount", &howto.account, "attributes", &json!({"team": "ops"}));
    std::fs::copy(shipped("claims-from-attributes/policy.wasm"), shell.dir.path().join("claims.wasm")).unwrap();
    let settings = r#"{"claims": {"team": {"from": "account.attributes.team"}}}"#;
    let schema = shell.run(&["policy", "inspect", "claims.wasm", "--output", "json"]).json();
    assert!(schema["manifest"]["settingsSchema"]["properties"]["claims"].is_object(), "{schema}");
    let from = ["policy", "eval", "claims.wasm", "--from-db", "--account", "periodicCleanup", "--api", "myrestapi"];
    let more = ["--scope", "write", "--settings", settings, "--output", "json"];
    let ran = shell.run(&[&from[..], &more].concat());
    assert!(ran.err.contains("the policies before this one were not asked"), "{}", ran.err);
    let whole = ran.json();
    assert_eq!(whole["request"]["account"]["attributes"], json!({"team": "ops"}));
    assert!(whole["request"]["settings"]["claims"].is_object(), "{whole}");
    assert_eq!(
        (texts(&whole["request"]["offered"]), text(&whole["request"]["api"], "appId")),
        (vec!["write"], "myrestapi")
    );
    assert_eq!(whole["effect"]["permit"]["claims"], json!({"team": "ops"}));
    // It only reads.
    let token = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "r", "role": "reader"})).expect(201);
    let shell = shell.with("GRANTD_TOKEN", text(&token, "signedToken"));
    assert_eq!(shell.run(&[&from[..], &more].concat()).json()["effect"], whole["effect"]);
    let nobody = ["policy", "eval", "claims.wasm", "--from-db", "--account", "nobody", "--settings", settings];
    assert!(shell.run(&nobody).refused(1).contains("there is no ServiceAccount with this id or userName"));
    shell.run(&["policy", "eval", "claims.wasm", "--from-db"]).refused(2);
    shell.run(&["policy", "eval", "claims.wasm", "--account", "periodicCleanup"]).refused(2);
    for (body, what) in [
        (json!({"account": "periodicCleanup", "inputs": ["telepathy"]}), "telepathy"),
        (json!({"account": "periodicCleanup", "inputs": vec![json!("requestId"); 33]}), "at most 32 inputs"),
        (json!({"request": {}}), "is not taken here"),
        (json!({"account": "periodicCleanup", "api": "none"}), "there is no Api"),
    ] {
        let refused = app.admin("POST", "/policy-requests", &body);
        assert_eq!(refused.status, 400, "{body}: {}", refused.text);
        assert!(refused.text.contains(what), "{body}: {}", refused.text);
    }
}

#[test]
fn what_a_module_costs_is_held_against_its_limits() {
    let shell = project();
    let told = shell.run(&["policy", "bench", "policy.wasm", "--calls", "20"]).expect(0);
    for wanted in ["20000000", "policies.fuel", "policies.memory_mib", "policies.deadline_ms", "policies.module_kib"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    let shown = shell.run(&["policy", "bench", "policy.wasm", "--calls", "20", "--output", "json"]).json();
    assert_eq!((&shown["calls"], shown["measures"].as_array().unwrap().len()), (&json!(20), 5));
    let poor = shell.with("GRANTD_POLICIES__FUEL", "500");
    assert!(poor.run(&["policy", "bench", "policy.wasm"]).refused(1).contains("units of fuel"));
}

#[test]
fn coverage_says_which_cases_reach_which_answers() {
    let shell = project();
    let told = shell.run(&["policy", "coverage", "policy.wasm"]).expect(0);
    assert!(told.contains("permit") && told.contains("some scopes") && told.contains("cases/patterns.json:"), "{told}");
    let whole = shell.run(&["policy", "coverage", "policy.wasm", "--output", "json"]).json();
    let denied = whole["answers"].as_array().unwrap().iter().find(|answer| answer["verdict"] == "deny").unwrap();
    assert!(denied["cases"].as_array().is_some_and(|cases| !cases.is_empty()), "{whole}");
    shell.file("one.yaml", "settings: {allow: [read]}\ncases: [{name: x, expect: {permit: {}}}]");
    let whole = shell.run(&["policy", "coverage", "policy.wasm", "one.yaml", "--output", "json"]).json();
    assert_eq!(whole["settingsNeverSet"], json!(["except", "otherwise"]), "{whole}");
}

const OUTDATED: &str = r#"# What it is for.
settings: {allow: [read, "users:*"]}
cases:
  - name: in flow style   # and a remark
    expect: {permit: {scopes: [read, write]}}   # another
  - name: in block style
    request: {offered: [read, "users:list", write]}
    expect:
      permit:
        scopes:
          - write

  # Between two cases.
  - name: nothing left
    request: {offered: [write]}
    expect: {permit: {}}
  - {name: right, request: {offered: [read]}, expect: {permit: {}}}
"#;

#[test]
fn expectations_are_brought_up_to_date_and_nothing_else_is_touched() {
    let shell = project();
    let path = shell.file("cases/own.yaml", OUTDATED);
    let test = ["policy", "test", "policy.wasm", "cases/own.yaml"];
    shell.run(&test).expect(1);
    let told = shell.run(&[&test[..], &["--update"]].concat()).expect(0);
    assert!(told.ends_with("1 passed, 0 failed, 3 updated\n"), "{told}");
    assert!(told.contains("updated cases/own.yaml:4  in flow style"), "{told}");
    let wanted = OUTDATED
        .replace("{permit: {scopes: [read, write]}}", "{permit: {scopes: [read]}}")
        .replace(
            "expect:\n      permit:\n        scopes:\n          - write\n",
            "expect: {permit: {scopes: [read, \"users:list\"]}}\n",
        )
        .replace("[write]}\n    expect: {permit: {}}", "[write]}\n    expect: {deny: {code: scope-not-allowed}}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), wanted);
    assert!(shell.run(&test).expect(0).ends_with("4 passed, 0 failed\n"));
    let json = r#"{"settings": {"allow": ["a"]}, "cases": [{"name": "x", "request": {"offered": ["a", "b"]}, "expect": {"permit": {}}}]}"#;
    let path = shell.file("cases/own.json", json);
    shell.run(&["policy", "test", "policy.wasm", "cases/own.json", "--update"]).expect(0);
    let written: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(written["cases"][0]["expect"], json!({"permit": {"scopes": ["a"]}}));
}

#[test]
fn a_guest_that_gives_up_shows_where() {
    let shell = Shell::new();
    std::fs::copy(shipped("scope-allowlist/policy.wasm"), shell.dir.path().join("policy.wasm")).unwrap();
    let poor = shell.with("GRANTD_POLICIES__FUEL", "8000");
    let ran = poor.run(&["policy", "eval", "policy.wasm", "--settings", r#"{"allow":["read"]}"#]);
    let told = ran.refused(1);
    assert!(told.contains("it burned its 8000 units of fuel (policies.fuel)"), "{told}");
    assert!(told.contains("wasm backtrace"), "{told}");
}

#[test]
fn an_answer_without_grounds_says_what_was_tried() {
    let shell = Shell::new();
    std::fs::copy(shipped("business-hours/policy.wasm"), shell.dir.path().join("policy.wasm")).unwrap();
    shell.file("sunday.yaml", "context: {time: \"2026-01-04T03:00:00Z\"}\n");
    let hours = r#"{"timeZone":"UTC","windows":[{"days":["monday"],"from":"23:00","to":"23:30"}]}"#;
    let eval = ["policy", "eval", "policy.wasm", "--input", "sunday.yaml", "--settings", hours];
    let told = shell.run(&eval).expect(0);
    let rests = told.lines().find(|line| line.starts_with("rests on ")).unwrap();
    assert!(rests.contains("nothing that was tried (") && rests.contains("context.time 12 hours later"), "{told}");
    let tried = shell.run(&[&eval[..], &["--output", "json"]].concat()).json()["triedInVain"].clone();
    assert!(texts(&tried).contains(&"context.time 182 days later"), "{tried}");
}

#[test]
fn what_an_answer_may_not_have_and_what_would_turn_a_terminal_round_is_shown_as_cut() {
    let shell = Shell::new();
    let list = "(func $list
        (i32.store (i32.const 16384) (i32.const 384)) (i32.store (i32.const 16388) (i32.const 5))
        (i32.store (i32.const 16392) (i32.const 448)) (i32.store (i32.const 16396) (i32.const 4)))";
    // `write` and `root`, for two hours, with a note.
    let twist = Twist {
        text: "good\u{202e}live\u{2066}\u{200f}!".to_owned(),
        more: list.to_owned(),
        evaluate: "(call $list) (drop (call $permit_scopes (i32.const 16384) (i32.const 2)))
            (i32.store8 (i32.const 2060) (i32.const 1)) (i32.store (i32.const 2064) (i32.const 7200))
            (i32.store8 (i32.const 2080) (i32.const 1))
            (i32.store (i32.const 2084) (i32.const 4096)) (i32.store (i32.const 2088) (i32.const {{text-length}}))
            (i32.const 2048)",
        ..Twist::default()
    };
    std::fs::write(shell.dir.path().join("policy.wasm"), twist.component()).unwrap();
    let told = shell.run(&["policy", "eval", "policy.wasm"]).expect(0);
    let line = |name: &str| told.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{told}"));
    assert!(line("leaves").ends_with("write for 3600 s"), "{told}");
    assert!(line("also named, and cut").ends_with("root, a lifetime of 7200 s"), "{told}");
    assert!(line("note").ends_with("good live  !"), "{told}");
}

#[test]
fn a_trap_names_the_functions_that_led_to_it() {
    let shell = Shell::new();
    let twist = Twist {
        more: "(func $look_up_the_team (unreachable)) (func $decide (call $look_up_the_team))".to_owned(),
        evaluate: "(call $decide) (unreachable)",
        ..Twist::default()
    };
    std::fs::write(shell.dir.path().join("policy.wasm"), twist.component()).unwrap();
    // Compiled now, and compiled before.
    for _ in 0..2 {
        let told = shell.run(&["policy", "eval", "policy.wasm"]).refused(1);
        assert!(told.contains("it gave up (unreachable)"), "{told}");
        let places = ["!look_up_the_team\n", "!decide\n"].map(|name| told.find(name));
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "innermost first: {told}");
    }
}

#[test]
fn who_would_get_what_is_told_with_the_policy_in_the_way() {
    let (app, shell) = scene();
    let howto = app.howto();
    app.set("Grant", &howto.grant, "scopes", &json!(["read", "write"]));
    std::fs::copy(shipped("scope-allowlist/policy.wasm"), shell.dir.path().join("allow.wasm")).unwrap();
    let told = shell.run(&["who-can", "write", "--api", "myrestapi"]).expect(0);
    assert!(told.contains("periodicCleanup") && told.ends_with("1 of 1 would get write at myrestapi\n"), "{told}");
    let attach = ["policy", "attach", "allow.wasm", "--to", "server", "--name", "reading", "--settings"];
    shell.run(&[&attach[..], &[r#"{"allow":["read"]}"#]].concat()).expect(0);
    let told = shell.run(&["who-can", "write", "--api", "myrestapi"]).expect(0);
    assert!(told.contains("policy reading (server): scope-not-allowed"), "{told}");
    assert!(told.contains("0 of 1 would get write") && told.contains("1 kept back: policy reading"), "{told}");
    let told = shell.run(&["can", "periodicCleanup", "--api", "myrestapi"]).expect(0);
    assert!(told.contains("read write") && told.contains("policy reading (server) drops write"), "{told}");
    let only = ["can", "periodicCleanup", "--api", "myrestapi", "--scope", "write"];
    assert!(shell.run(&only).refused(4).contains("periodicCleanup gets nothing there"));
    let rows = shell.run(&["who-can", "read", "--api", "myrestapi", "--output", "json"]).json();
    assert_eq!(texts(&rows[0]["gets"]), ["read"]);
    assert!(shell.run(&["who-can", "fly", "--api", "myrestapi"]).refused(1).contains("defines no such scope"));
}

#[test]
fn a_project_that_is_saved_is_tested_and_handed_over() {
    let (app, shell) = scene();
    app.howto();
    let module = shipped("rego/policy.wasm");
    shell.run(&["policy", "new", "gate", "--lang", "rego", "--module", module.to_str().unwrap()]).expect(0);
    let ran = shell.run(&["policy", "watch", "gate", "--once"]);
    assert!(ran.err.contains("there is no policy gate yet: grantd policy attach"), "{}", ran.err);
    assert!(ran.err.contains("--mode shadow --settings ") && ran.err.contains("gate/settings.json"), "{}", ran.err);
    assert!(ran.expect(0).contains("3 passed, 0 failed"));
    let attach = [
        "policy",
        "attach",
        "gate/policy.wasm",
        "--to",
        "server",
        "--name",
        "gate",
        "--settings",
        "gate/settings.json",
    ];
    let made = shell.run(&[&attach[..], &["--mode", "shadow", "--output", "json"]].concat()).json();
    let path = shell.dir.path().join("gate/policy.rego");
    let text_before = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("# saved\n{text_before}")).unwrap();
    let ran = shell.run(&["policy", "watch", "gate", "--once"]);
    assert!(ran.err.contains("gate runs it from the next request on, in mode shadow"), "{}", ran.err);
    ran.expect(0);
    let set = shell.run(&["policy", "show", "gate", "--output", "json"]).json();
    assert!(set["settings"].to_string().contains("# saved") && set["id"] == made["id"], "{set}");
    // What does not pass is not handed over, and neither is what does not build.
    std::fs::write(&path, "package grantd\n\nallow := false\n").unwrap();
    assert!(shell.run(&["policy", "watch", "gate", "--once"]).refused(1).contains("cases failed"));
    std::fs::write(&path, text_before).unwrap();
    shell.file("gate/build.sh", "echo not today >&2; exit 3");
    assert!(
        shell.run(&["policy", "watch", "gate", "--once", "--no-attach"]).refused(1).contains("`sh build.sh` failed")
    );
    assert_eq!(shell.run(&["policy", "show", "gate", "--output", "json"]).json()["settings"], set["settings"]);
}
