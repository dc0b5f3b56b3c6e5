//! A recorded decision can be evaluated again from what was recorded, whatever has changed since.

use serde_json::{Value, json};

use super::modules::Twist;
use super::{SCOPE_ALLOWLIST, attach, howto_with_both_scopes, scopes, upload};
use crate::app::TestApp;

const CLAIMS: &[u8] = include_bytes!("../../../policies/claims-from-attributes/policy.wasm");

fn newest(app: &TestApp) -> Value {
    app.admin("GET", "/decisions?count=1", &Value::Null).expect(200)["Resources"][0].clone()
}

fn replay(app: &TestApp, decision: &Value) -> Value {
    let path = format!("/decisions/{}/replay", decision["id"].as_str().unwrap());
    app.admin("POST", &path, &Value::Null).expect(200)
}

#[test]
fn a_decision_holds_what_each_policy_was_given_and_said() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    let digest = upload(&app, SCOPE_ALLOWLIST)["digest"].clone();
    let account = json!({"type": "account", "id": howto.account});
    let allow = |scope: &str| json!({"settings": {"allow": [scope]}});
    let first = attach(&app, "first", "scope-allowlist", &json!({"type": "server"}), &allow("*"));
    let second = attach(&app, "second", "scope-allowlist", &account, &allow("read"));
    assert_eq!(scopes(&app, &howto).unwrap(), ["read"]);
    let found = newest(&app);
    assert_eq!((&found["requested"], &found["granted"]), (&json!(["read", "write"]), &json!(["read", "write"])));
    assert_eq!(found["issued"], json!(["read"]));
    assert_eq!(found["given"]["account"]["userName"], "periodicCleanup");
    let steps = found["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    for (step, policy, level, left) in
        [(&steps[0], &first, "server", json!(["read", "write"])), (&steps[1], &second, "account", json!(["read"]))]
    {
        assert_eq!((&step["policyId"], &step["policy"]), (&policy["id"], &policy["name"]));
        assert_eq!((&step["level"], &step["mode"], &step["revision"]), (&json!(level), &json!("enforce"), &json!(1)));
        assert_eq!((&step["moduleDigest"], &step["module"]), (&digest, &json!("scope-allowlist@1.0.0")));
        assert_eq!((&step["verdict"], &step["left"]), (&json!("permit"), &left));
        assert_eq!(step["offered"], json!(["read", "write"]));
        assert!(step["fuel"].as_u64().unwrap() > 1000);
    }
    let by_policy = format!("steps.policyId eq \"{}\"", second["id"].as_str().unwrap());
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("filter", &by_policy).finish();
    assert_eq!(app.admin("GET", &format!("/decisions?{query}"), &Value::Null).expect(200)["totalResults"], 1);
}

#[test]
fn a_replay_says_the_same_when_everything_else_has_changed() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    // Numbers and texts that are easily written in another way.
    let attributes = json!({"half": 0.1, "many": 1e300, "odd": 2.2250738585072014e-308, "text": "\u{7f}\u{2028}é\\\""});
    app.set("ServiceAccount", &howto.account, "attributes", &attributes);
    upload(&app, SCOPE_ALLOWLIST);
    let allow = |scope: &str| json!({"settings": {"allow": [scope]}});
    let policy = attach(&app, "p", "scope-allowlist", &json!({"type": "server"}), &allow("read"));
    scopes(&app, &howto).unwrap();
    let issued = newest(&app);
    assert_eq!(issued["given"]["account"]["attributes"], attributes);
    app.set("Policy", policy["id"].as_str().unwrap(), "settings", &json!({"allow": ["nothing"]}));
    let denied = scopes(&app, &howto).unwrap_err();
    assert!(denied.contains("denied by the policy p") && denied.contains("scope-not-allowed"), "{denied}");
    let refused = newest(&app);
    assert_eq!((&refused["outcome"], &refused["error"]), (&json!("refused"), &json!("access_denied")));
    assert!(denied.ends_with(refused["id"].as_str().unwrap()), "the caller is told the decision's id: {denied}");
    // Everything that was there then is gone or different.
    app.set("ServiceAccount", &howto.account, "displayName", &json!("somebody else"));
    app.admin("DELETE", &format!("/resources/cid/Policy/{}", policy["id"].as_str().unwrap()), &Value::Null).expect(204);
    app.admin("DELETE", &format!("/resources/cid/Grant/{}", howto.grant), &Value::Null).expect(204);
    app.advance(86_400);
    let app = app.restart();
    for (decision, verdict) in [(&issued, "permit"), (&refused, "deny")] {
        let replayed = replay(&app, decision);
        assert_eq!(replayed["same"], true, "{replayed:#}");
        let step = &replayed["steps"][0];
        assert_eq!((&step["then"]["verdict"], &step["then"]), (&json!(verdict), &step["now"]));
        assert_eq!(step["fuelThen"], step["fuelNow"], "instruction by instruction");
    }
}

#[test]
fn a_failure_is_replayed_as_the_same_failure() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    upload(&app, &Twist { evaluate: "unreachable", ..Twist::default() }.component());
    attach(&app, "broken", "hostile", &json!({"type": "server"}), &json!({}));
    scopes(&app, &howto).unwrap_err();
    let failed = newest(&app);
    assert_eq!((&failed["outcome"], &failed["error"]), (&json!("failed"), &json!("policy_trap")));
    let replayed = replay(&app, &failed);
    assert_eq!((&replayed["same"], &replayed["steps"][0]["now"]["code"]), (&json!(true), &json!("policy_trap")));
    let (step, again) = (&failed["steps"][0], &replayed["steps"][0]);
    // The clock of this server stands still.
    assert!(step["fuel"].as_u64().unwrap() > 0, "{failed}");
    assert_eq!((&again["fuelThen"], &again["fuelNow"]), (&step["fuel"], &step["fuel"]), "instruction by instruction");
}

#[test]
fn without_its_module_a_decision_says_which_one_it_needs() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    let digest = upload(&app, SCOPE_ALLOWLIST)["digest"].as_str().unwrap().to_owned();
    let settings = json!({"settings": {"allow": ["read"]}});
    let policy = attach(&app, "p", "scope-allowlist", &json!({"type": "server"}), &settings);
    scopes(&app, &howto).unwrap();
    let decision = newest(&app);
    app.admin("DELETE", &format!("/resources/cid/Policy/{}", policy["id"].as_str().unwrap()), &Value::Null).expect(204);
    app.admin("DELETE", &format!("/policy-modules/{digest}"), &Value::Null).expect(204);
    let path = format!("/decisions/{}/replay", decision["id"].as_str().unwrap());
    let missing = app.admin("POST", &path, &Value::Null).expect(404);
    assert!(missing["detail"].as_str().unwrap().contains(&digest), "{missing}");
    upload(&app, SCOPE_ALLOWLIST);
    assert_eq!(replay(&app, &decision)["same"], true);
}

#[test]
fn a_shadow_is_recorded_and_not_applied() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    upload(&app, SCOPE_ALLOWLIST);
    let settings = json!({"settings": {"allow": []}, "mode": "shadow"});
    attach(&app, "shadow", "scope-allowlist", &json!({"type": "server"}), &settings);
    assert_eq!(scopes(&app, &howto).unwrap(), ["read", "write"]);
    let found = newest(&app);
    let step = &found["steps"][0];
    assert_eq!((&step["mode"], &step["verdict"]), (&json!("shadow"), &json!("deny")));
    assert_eq!((&found["outcome"], &found["issued"]), (&json!("issued"), &json!(["read", "write"])));
    assert_eq!(replay(&app, &found)["same"], true);
}

#[test]
fn a_decision_without_policies_has_nothing_to_replay() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    scopes(&app, &howto).unwrap();
    let replayed = replay(&app, &newest(&app));
    assert_eq!((&replayed["same"], &replayed["steps"]), (&json!(true), &json!([])));
    app.admin("POST", "/decisions/0000000000000000000000/replay", &Value::Null).expect(404);
}

fn grounds(app: &TestApp, decision: &Value) -> Value {
    let path = format!("/decisions/{}/grounds", decision["id"].as_str().unwrap());
    app.admin("GET", &path, &Value::Null).expect(200)
}

#[test]
fn what_the_answers_of_a_decision_rest_on_is_found_by_asking_again() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    let digest = upload(&app, SCOPE_ALLOWLIST)["digest"].as_str().unwrap().to_owned();
    let server = json!({"type": "server"});
    let policy = attach(&app, "p", "scope-allowlist", &server, &json!({"settings": {"allow": ["read", "fly"]}}));
    upload(&app, &Twist { evaluate: "unreachable", ..Twist::default() }.component());
    attach(&app, "t", "hostile", &server, &json!({"order": 2, "mode": "shadow"}));
    assert_eq!(scopes(&app, &howto).unwrap(), ["read"]);
    let decision = newest(&app);
    let explained = grounds(&app, &decision);
    let [first, second] = explained["steps"].as_array().unwrap().as_slice() else { panic!("{explained}") };
    assert_eq!((&first["policy"], &first["unknown"]), (&json!("p"), &Value::Null));
    let whats: Vec<&str> =
        first["restsOn"].as_array().unwrap().iter().map(|ground| ground["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["settings.allow[0]", "offered[0]"], "{explained}");
    assert_eq!(second["unknown"], "it failed: what a failure rests on is not looked for");
    // What has changed since does not matter, and nothing is recorded.
    let path = format!("/resources/cid/Policy/{}", policy["id"].as_str().unwrap());
    let change = json!({"Operations": [{"op": "replace", "path": "settings", "value": {"allow": ["*"]}}]});
    app.admin("PATCH", &path, &change).expect(200);
    assert_eq!((grounds(&app, &decision), newest(&app)["id"].clone()), (explained, decision["id"].clone()));
    // Without its module nothing of it can be told; of the others it still can.
    app.admin("DELETE", &path, &Value::Null).expect(204);
    app.admin("DELETE", &format!("/policy-modules/{digest}"), &Value::Null).expect(204);
    let explained = grounds(&app, &decision);
    assert!(explained["steps"][0]["unknown"].as_str().unwrap().contains("was deleted since"), "{explained}");
    assert_eq!(explained["steps"][0]["restsOn"], json!([]));
    app.admin("GET", "/decisions/0000000000000000000000/grounds", &Value::Null).expect(404);
}

#[test]
fn a_claim_that_stood_in_the_way_does_so_again() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    app.set("ServiceAccount", &howto.account, "attributes", &json!({"team": "ops"}));
    app.set("Api", &howto.api, "claims", &json!({"team": {"value": "ops"}}));
    upload(&app, CLAIMS);
    let from = |member: &str| json!({"from": format!("account.{member}")});
    let settings = json!({"settings": {"claims": {"account": from("userName"), "team": from("attributes.team")}}});
    attach(&app, "tag", "claims-from-attributes", &json!({"type": "server"}), &settings);
    scopes(&app, &howto).unwrap_err();
    let refused = newest(&app);
    assert_eq!(refused["steps"][0]["code"], "claim-conflict", "{refused:#}");
    let reason = r#"it permits, but its claim team="ops" conflicts with team="ops", set by the API's claims"#;
    assert_eq!(refused["steps"][0]["reason"], reason, "{refused:#}");
    let replayed = replay(&app, &refused);
    assert_eq!((&replayed["same"], &replayed["steps"][0]["differs"]), (&json!(true), &json!([])), "{replayed:#}");
    // As it was recorded before reasons said by whom.
    let before = "the claim team is set by the API, or by another policy to something else";
    let (clock, dir) = (app.clock.clone(), app.into_dir());
    let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    let rewrite = "UPDATE decision_explanation SET explanation = json_set(explanation, '$.steps[0].reason', ?1)";
    assert_eq!(database.execute(rewrite, [before]).unwrap(), 1);
    drop(database);
    let app = TestApp::on(dir, clock, |_| {});
    let replayed = replay(&app, &refused);
    assert_eq!((&replayed["same"], &replayed["steps"][0]["then"]["reason"]), (&json!(true), &json!(before)));
}

#[test]
fn a_conflict_of_two_policies_claims_names_both() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    app.set("ServiceAccount", &howto.account, "attributes", &json!({"team": "ops", "unit": "eu"}));
    upload(&app, CLAIMS);
    let team = |from: &str| json!({"settings": {"claims": {"team": {"from": format!("account.attributes.{from}")}}}});
    attach(&app, "one", "claims-from-attributes", &json!({"type": "server"}), &team("team"));
    attach(&app, "two", "claims-from-attributes", &json!({"type": "api", "id": howto.api}), &team("unit"));
    let told = scopes(&app, &howto).unwrap_err();
    assert!(
        told.starts_with("denied at the policy two: it permits, but its claim team='eu' conflicts with "),
        "{told}"
    );
    let refused = newest(&app);
    let reason = r#"it permits, but its claim team="eu" conflicts with team="ops", set by the policy one"#;
    let second = &refused["steps"][1];
    assert_eq!((&second["verdict"], &second["code"]), (&json!("deny"), &json!("claim-conflict")), "{refused:#}");
    assert_eq!(second["reason"], reason);
    assert_eq!(replay(&app, &refused)["same"], true);
    // What its permit rests on is not what the conflict rests on.
    let explained = &grounds(&app, &refused)["steps"][1];
    assert_eq!(explained["restsOn"], json!([]));
    assert!(explained["unknown"].as_str().unwrap().contains("it permitted, and its claim conflicts"), "{explained}");
    // What the API takes from the account is nobody else's to set either.
    app.set("Api", &howto.api, "claims", &json!({"team": {"attribute": "team"}}));
    scopes(&app, &howto).unwrap_err();
    let reason = newest(&app)["steps"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.ends_with("that of the API's claims, set from the account's attribute team"), "{reason}");
}
