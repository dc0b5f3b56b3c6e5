//! A candidate over what was decided, compared with what it then really does.

use serde_json::{Value, json};

use super::authoring::shipped;
use super::{scene, text};
use crate::app::{START, TestApp, claims, texts};
use crate::shell::Shell;

/// A client that asks, and what it asks for.
struct Asker {
    account: String,
    id: String,
    secret: String,
    scope: &'static str,
}

/// Accounts with grants, a policy that is to be changed, one before it and one after it.
fn stage(app: &TestApp, shell: &Shell) -> Vec<Asker> {
    for module in ["scope-allowlist", "max-ttl", "ip-allowlist"] {
        let from = shipped(&format!("{module}/policy.wasm"));
        std::fs::copy(from, shell.dir.path().join(format!("{module}.wasm"))).unwrap();
    }
    let scopes: Vec<Value> =
        ["read", "write", "admin"].iter().map(|name| json!({"identifier": name, "displayName": name})).collect();
    let api = app.create("Api", &json!({"appId": "orders", "displayName": "O", "scopes": scopes}));
    let attach = |file: &str, to: &str, name: &str, settings: &str| {
        let policy = ["policy", "attach", file, "--to", to, "--name", name, "--settings", settings];
        shell.run(&policy).expect(0);
    };
    attach("max-ttl.wasm", "server", "short", r#"{"rules": [{"scopes": ["admin"], "seconds": 600}]}"#);
    attach("scope-allowlist.wasm", "api:orders", "gate", r#"{"allow": ["read", "admin"]}"#);
    let asked = ["read", "write", "read write", "read admin", "write admin", "admin"];
    let made = (0..12).map(|n| {
        let account =
            app.create("ServiceAccount", &json!({"userName": format!("a{n}"), "displayName": "A", "active": true}));
        let grant =
            json!({"serviceAccountId": account["id"], "apiId": api["id"], "scopes": ["read", "write", "admin"]});
        app.create("Grant", &grant);
        let client = app.create("MachineToMachine", &json!({"displayName": "c", "serviceAccountId": account["id"]}));
        if n % 4 == 3 {
            // Asked after it: what the candidate leaves is not the end.
            let name = format!("last {n}");
            attach(
                "scope-allowlist",
                &format!("account:a{n}"),
                &name,
                r#"{"allow": ["write", "admin"], "otherwise": "deny"}"#,
            );
        }
        Asker {
            account: format!("a{n}"),
            id: text(&client, "clientId").to_owned(),
            secret: text(&client, "clientSecret").to_owned(),
            scope: asked[n % asked.len()],
        }
    });
    made.collect()
}

/// What a request gets, as the diff words it.
fn outcome(app: &TestApp, asker: &Asker) -> (String, bool) {
    let answer = app.token(&[
        ("grant_type", "client_credentials"),
        ("client_id", &asker.id),
        ("client_secret", &asker.secret),
        ("scope", asker.scope),
    ]);
    let json = answer.json();
    if answer.status == 200 {
        let claims = claims(json["access_token"].as_str().unwrap());
        return (format!("{} for {} s", texts(&claims["scp"]).join(" "), json["expires_in"]), true);
    }
    (json["error_description"].as_str().unwrap().to_owned(), false)
}

#[test]
fn a_changed_policy_is_told_as_it_then_is() {
    let (app, shell) = scene();
    let askers = stage(&app, &shell);
    let then: Vec<_> = askers.iter().map(|asker| outcome(&app, asker)).collect();
    let candidate = r#"{"allow": ["write", "admin"]}"#;
    let diff =
        ["policy", "diff", "scope-allowlist.wasm", "--policy", "gate", "--since", START, "--settings", candidate];
    let ran = shell.run(&[&diff[..], &["--output", "json"]].concat());
    assert_eq!(ran.code, 10, "{}", ran.err);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    shell.run(&["policy", "set", "gate", "--settings", candidate]).expect(0);
    let now: Vec<_> = askers.iter().map(|asker| outcome(&app, asker)).collect();
    let told = report["differences"].as_array().unwrap();
    let (mut same, mut different) = (0, 0);
    for (asker, (then, now)) in askers.iter().zip(then.iter().zip(&now)) {
        let row = told.iter().find(|row| row["account"] == asker.account.as_str());
        let is_same = then.1 == now.1 && (!then.1 || then.0 == now.0);
        let Some(row) = row else {
            assert!(is_same, "{} {}: {then:?} {now:?} is not told: {report}", asker.account, asker.scope);
            same += 1;
            continue;
        };
        different += 1;
        for (word, (outcome, issued)) in [("then", then), ("now", now)] {
            let shown = text(row, word).trim_start_matches("at most ");
            if *issued {
                assert_eq!(shown, outcome, "{row}");
            } else {
                let code = shown.strip_prefix("denied: ").unwrap().split(',').next().unwrap();
                assert!(outcome.contains(code), "{row}: {outcome}");
            }
        }
        let kind = match (then.1, now.1) {
            (false, true) => "gains",
            (true, false) => "loses",
            _ => text(row, "kind"),
        };
        assert_eq!(row["kind"], kind, "{row}");
    }
    assert!(same >= 2 && different >= 6, "{same} {different}: {report}");
    assert_eq!((&report["decisions"], &report["untold"]), (&json!(12), &json!([])));
    let refused = shell.run(&["policy", "diff", "scope-allowlist.wasm"]).refused(2);
    assert!(refused.contains("several policies run a module scope-allowlist: choose one with --policy"), "{refused}");
}

#[test]
fn a_candidate_that_changes_nothing_says_so() {
    let (app, shell) = scene();
    let askers = stage(&app, &shell);
    for asker in &askers {
        outcome(&app, asker);
    }
    let told = shell.run(&["policy", "diff", "max-ttl.wasm", "--since", START]).expect(0);
    assert!(told.contains("12 decisions of the policy short") && told.contains("12 stay the same"), "{told}");
    let shorter = r#"{"rules": [{"scopes": ["read"], "seconds": 60}]}"#;
    let ran = shell.run(&["policy", "diff", "max-ttl.wasm", "--since", START, "--settings", shorter]);
    assert!(ran.out.contains("changes") && ran.out.contains("read for 60 s"), "{}", ran.out);
    assert_eq!(ran.code, 10);
    let later = ["policy", "diff", "max-ttl.wasm", "--since", "2027-01-15T10:00:01Z"];
    assert!(shell.run(&later).expect(0).contains("0 decisions"));
    let unfit = ["policy", "diff", "max-ttl.wasm", "--settings", r#"{"rules": 1}"#];
    assert!(shell.run(&unfit).refused(1).contains("it refuses these settings"));
    let unfit = ["policy", "diff", "ip-allowlist.wasm", "--policy", "short"];
    assert!(shell.run(&unfit).refused(1).contains("it refuses the settings that the policy has"));
    assert!(
        shell.run(&["policy", "diff", "ip-allowlist.wasm"]).refused(3).contains("no policy runs a module ip-allowlist")
    );
    assert!(shell.run(&["policy", "diff", "max-ttl.wasm", "--since", "soon"]).refused(2).contains("--since"));
}

#[test]
fn what_cannot_be_told_is_named() {
    let (app, shell) = scene();
    let askers = stage(&app, &shell);
    for asker in &askers {
        outcome(&app, asker);
    }
    // It looks at what the record does not hold.
    let near = ["policy", "diff", "ip-allowlist.wasm", "--policy", "short", "--since", START];
    let ran = shell.run(&[&near[..], &["--settings", r#"{"allow": ["10.0.0.0/8"]}"#]].concat());
    assert!(ran.err.contains("that is no evidence that nothing changes"), "{}", ran.err);
    let told = ran.expect(1);
    assert!(
        told.contains("12 cannot be told: it looks at the caller's address, which was not recorded then"),
        "{told}"
    );
    // A later policy would be asked something else, and its module is gone.
    for n in [3, 7, 11] {
        shell.run(&["policy", "delete", &format!("last {n}"), "--yes"]).expect(0);
    }
    shell.run(&["policy", "delete", "gate", "--yes"]).expect(0);
    shell.run(&["policy", "module", "delete", "scope-allowlist", "--yes"]).expect(0);
    let settings = r#"{"rules": [{"scopes": ["*"], "seconds": 60}]}"#;
    let ran = shell.run(&["policy", "diff", "max-ttl.wasm", "--since", START, "--settings", settings]);
    assert!(ran.out.contains("its module scope-allowlist@1.0.0"), "{}", ran.out);
    assert!(ran.out.contains("was removed: hand it in again ("), "{}", ran.out);
    for (query, what) in
        [("", "name the policy"), ("policy=x&after=y", "the next of the page"), ("policy=x&since=y", "date-time")]
    {
        let refused = app.admin("GET", &format!("/decision-questions?{query}"), &Value::Null);
        assert!(refused.status == 400 && refused.text.contains(what), "{query}: {}", refused.text);
    }
    app.admin("GET", "/policy-settings/none", &Value::Null).expect(404);
}

#[test]
fn a_claim_that_the_api_sets_itself_stands_in_the_way() {
    let (app, shell) = scene();
    let howto = app.howto();
    app.set("ServiceAccount", &howto.account, "attributes", &json!({"team": "ops"}));
    app.set("Api", &howto.api, "claims", &json!({"team": {"value": "ops"}}));
    let from = shipped("claims-from-attributes/policy.wasm");
    std::fs::copy(from, shell.dir.path().join("claims.wasm")).unwrap();
    let tag = |name: &str| format!(r#"{{"claims": {{"{name}": {{"from": "account.attributes.team"}}}}}}"#);
    let attach = ["policy", "attach", "claims.wasm", "--to", "server", "--name", "tag", "--settings"];
    shell.run(&[&attach[..], &[tag("group").as_str()]].concat()).expect(0);
    app.token_for(&howto, &[("scope", "write")]).expect(200);
    // The same value as the API's, which a policy may not set either.
    let candidate = tag("team");
    let diff = ["policy", "diff", "claims.wasm", "--since", START, "--settings", &candidate];
    let ran = shell.run(&diff);
    assert_eq!(ran.code, 10, "{}", ran.err);
    assert!(ran.out.contains("loses") && ran.out.contains("denied: claim-conflict"), "{}", ran.out);
    assert!(!ran.out.contains("mode shadow"), "{}", ran.out);
    shell.run(&["policy", "set", "tag", "--settings", &candidate]).expect(0);
    let refused = app.token_for(&howto, &[("scope", "write")]).expect(400);
    assert!(text(&refused, "error_description").contains("claim-conflict"), "{refused}");
    shell.run(&["policy", "set", "tag", "--settings", &tag("group"), "--mode", "shadow"]).expect(0);
    app.token_for(&howto, &[("scope", "write")]).expect(200);
    let ran = shell.run(&diff);
    assert!(ran.out.contains("0 gain, 2 lose, 0 change, 1 stay the same"), "{}", ran.out);
    assert!(ran.out.contains("in 1 of them it was in mode shadow"), "{}", ran.out);
}

/// A shell with the components of these policies, under their own names.
fn with_components(shell: &Shell, names: &[&str]) {
    for name in names {
        std::fs::copy(shipped(&format!("{name}/policy.wasm")), shell.dir.path().join(format!("{name}.wasm"))).unwrap();
    }
}

#[test]
fn a_claim_that_the_candidate_sets_no_more_stands_in_nobodys_way() {
    let (app, shell) = scene();
    let howto = app.howto();
    app.set("ServiceAccount", &howto.account, "attributes", &json!({"team": "ops", "unit": "eu"}));
    with_components(&shell, &["claims-from-attributes"]);
    let claim =
        |name: &str, from: &str| format!(r#"{{"claims": {{"{name}": {{"from": "account.attributes.{from}"}}}}}}"#);
    let attach = |to: &str, name: &str, settings: &str| {
        let policy = ["policy", "attach", "claims-from-attributes.wasm", "--to", to, "--name", name];
        shell.run(&[&policy[..], &["--settings", settings]].concat()).expect(0);
    };
    attach("server", "tag", &claim("team", "team"));
    attach("api:myrestapi", "unit", &claim("team", "unit"));
    let refused = app.token_for(&howto, &[("scope", "write")]).expect(400);
    assert!(text(&refused, "error_description").contains("claim-conflict"), "{refused}");
    let candidate = claim("group", "team");
    let diff = ["policy", "diff", "claims-from-attributes.wasm", "--policy", "tag", "--since", START];
    let ran = shell.run(&[&diff[..], &["--settings", &candidate]].concat());
    assert_eq!(ran.code, 10, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("gains") && ran.out.contains(r#"group="ops" team="eu""#), "{}", ran.out);
    shell.run(&["policy", "set", "tag", "--settings", &candidate]).expect(0);
    let token = app.token_for(&howto, &[("scope", "write")]).expect(200);
    let claims = claims(text(&token, "access_token"));
    assert_eq!((&claims["group"], &claims["team"]), (&json!("ops"), &json!("eu")));
}

#[test]
fn whoever_was_never_asked_may_take_more() {
    let (app, shell) = scene();
    let howto = app.howto();
    app.set("Grant", &howto.grant, "scopes", &json!(["read", "write"]));
    with_components(&shell, &["scope-allowlist", "max-ttl"]);
    let attach = |file: &str, to: &str, name: &str, settings: &str| {
        shell.run(&["policy", "attach", file, "--to", to, "--name", name, "--settings", settings]).expect(0);
    };
    attach("scope-allowlist.wasm", "server", "gate", r#"{"allow": ["read"]}"#);
    attach("scope-allowlist", "api:myrestapi", "second", r#"{"allow": ["write"]}"#);
    let account = format!("account:{}", howto.account);
    attach("max-ttl.wasm", &account, "third", r#"{"rules": [{"scopes": ["*"], "seconds": 60}]}"#);
    app.token_for(&howto, &[("scope", "read write")]).expect(400);
    // The second refused, so nobody knows what the third would have said.
    let diff = ["policy", "diff", "scope-allowlist.wasm", "--policy", "gate", "--since", START, "--output", "json"];
    let ran = shell.run(&[&diff[..], &["--settings", r#"{"allow": ["*"]}"#]].concat());
    assert_eq!(ran.code, 10, "{}{}", ran.out, ran.err);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["differences"][0]["now"], "at most write for 3600 s", "{report}");
}
