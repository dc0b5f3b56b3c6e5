//! Settings: the module says whether they fit, a change holds for the next request, and what they were is not forgotten.

use serde_json::{Value, json};

use super::modules::{Twist, harmless};
use super::{SCOPE_ALLOWLIST, attach, body, howto_with_both_scopes, scopes, upload};
use crate::app::TestApp;

const SERVER: fn() -> Value = || json!({"type": "server"});

#[test]
fn a_module_refuses_settings_in_its_own_words() {
    let app = TestApp::start();
    upload(&app, SCOPE_ALLOWLIST);
    let misfit = body("p", "scope-allowlist", &SERVER(), &json!({"settings": {"deny": ["admin"]}}));
    let refused = app.admin("POST", "/resources/cid/Policy", &misfit).expect(400);
    assert_eq!(refused["validation"][0]["propertyPath"], "/settings");
    assert!(refused["detail"].as_str().unwrap().contains("unknown field `deny`"), "{refused}");
    assert_eq!(refused["validation"][0]["invalidValue"], json!({"deny": ["admin"]}));
    let policy = attach(&app, "p", "scope-allowlist", &SERVER(), &json!({"settings": {"allow": ["*"]}}));
    let path = format!("/resources/cid/Policy/{}", policy["id"].as_str().unwrap());
    let patch = json!({"Operations": [{"op": "remove", "path": "/settings/allow"}]});
    assert_eq!(app.admin("PATCH", &path, &patch).status, 400);
    assert_eq!(app.admin("GET", &path, &Value::Null).expect(200)["settings"], json!({"allow": ["*"]}), "unchanged");
}

#[test]
fn a_module_that_fails_at_the_question_takes_no_settings() {
    let app = TestApp::start();
    let module = Twist { validate: "unreachable", ..Twist::default() }.component();
    upload(&app, &module);
    let refused = app.admin("POST", "/resources/cid/Policy", &body("p", "hostile", &SERVER(), &json!({}))).expect(400);
    assert_eq!(refused["validation"][0]["propertyPath"], "/moduleDigest");
    let message = refused["validation"][0]["message"].as_str().unwrap();
    assert!(message.contains("validate-settings") && message.contains("policy_trap"), "{message}");
}

#[test]
fn settings_have_256_kib_and_not_a_byte_more() {
    let app = TestApp::start();
    upload(&app, &harmless("nod"));
    // {"x":"…"}
    let of = |bytes: usize| json!({"settings": {"x": "x".repeat(bytes - 8)}});
    let policy = attach(&app, "full", "nod", &SERVER(), &of(256 * 1024));
    assert_eq!(policy["settings"]["x"].as_str().unwrap().len(), 256 * 1024 - 8);
    let refused = app.admin("POST", "/resources/cid/Policy", &body("over", "nod", &SERVER(), &of(256 * 1024 + 1)));
    assert_eq!(refused.status, 400, "{}", &refused.text[refused.text.len() - 300..]);
}

#[test]
fn changed_settings_hold_for_the_next_request() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    upload(&app, SCOPE_ALLOWLIST);
    let policy = attach(&app, "p", "scope-allowlist", &SERVER(), &json!({"settings": {"allow": ["read"]}}));
    let id = policy["id"].as_str().unwrap();
    for round in 0..20 {
        let only = if round % 2 == 0 { "write" } else { "read" };
        app.set("Policy", id, "settings", &json!({"allow": [only]}));
        assert_eq!(scopes(&app, &howto).unwrap(), [only], "round {round}");
    }
}

#[test]
fn a_change_of_module_settings_and_order_is_one_write() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    upload(&app, SCOPE_ALLOWLIST);
    upload(&app, &harmless("nod"));
    let policy = attach(&app, "p", "scope-allowlist", &SERVER(), &json!({"settings": {"allow": ["read"]}}));
    let path = format!("/resources/cid/Policy/{}", policy["id"].as_str().unwrap());
    let change = json!({"Operations": [
        {"op": "replace", "path": "moduleDigest", "value": "nod"},
        {"op": "replace", "path": "settings", "value": {"any": 1}},
        {"op": "replace", "path": "order", "value": 4},
    ]});
    let changed = app.admin("PATCH", &format!("{path}?reason=lighter"), &change).expect(200);
    assert_eq!((&changed["moduleName"], &changed["meta"]["revision"]), (&json!("nod"), &json!(2)));
    assert_eq!(scopes(&app, &howto).unwrap(), ["read", "write"]);
    let commits = app.admin("GET", "/audit/commits?filter=reason%20eq%20%22lighter%22", &Value::Null).expect(200);
    assert_eq!(commits["totalResults"], 1);
    let change = &commits["Resources"][0]["changes"][0];
    assert_eq!(change["before"]["settings"], json!({"allow": ["read"]}));
    assert_eq!(change["after"]["settings"], json!({"any": 1}));
}

#[test]
fn a_policy_whose_module_fails_can_still_be_switched_off() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    // It takes the settings of an empty object, and traps when it is evaluated.
    upload(&app, &Twist { evaluate: "unreachable", ..Twist::default() }.component());
    let policy = attach(&app, "broken", "hostile", &SERVER(), &json!({}));
    let refused = scopes(&app, &howto).unwrap_err();
    assert!(refused.contains("policy_trap") && refused.contains("broken"), "{refused}");
    app.set("Policy", policy["id"].as_str().unwrap(), "mode", &json!("off"));
    assert_eq!(scopes(&app, &howto).unwrap(), ["read", "write"]);
}

#[test]
fn settings_stay_while_a_decision_may_name_them() {
    let short = |config: &mut grantd::Config| config.decisions.keep_days = 1;
    let again = |app: TestApp| {
        let clock = app.clock.clone();
        TestApp::on(app.into_dir(), clock, short)
    };
    let app = TestApp::with(short);
    let howto = howto_with_both_scopes(&app);
    upload(&app, SCOPE_ALLOWLIST);
    let policy = attach(&app, "p", "scope-allowlist", &SERVER(), &json!({"settings": {"allow": ["read"]}}));
    scopes(&app, &howto).unwrap();
    app.set("Policy", policy["id"].as_str().unwrap(), "settings", &json!({"allow": ["write"]}));
    let count = |app: &TestApp, condition: &str| -> i64 {
        let database = rusqlite::Connection::open(app.database()).unwrap();
        let sql = format!("SELECT COUNT(*) FROM policy_settings WHERE {condition}");
        database.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    // Soon after each start the keeper looks for what can go.
    let app = again(app);
    crate::app::eventually("the release", || (count(&app, "released_at_ms IS NOT NULL") == 1).then_some(()));
    assert_eq!(count(&app, "1"), 2, "released, but a decision names them");
    app.advance(3 * 86_400);
    let app = again(app);
    crate::app::eventually("removal of old decisions", || {
        (app.admin("GET", "/decisions", &Value::Null).expect(200)["totalResults"] == 0).then_some(())
    });
    let app = again(app);
    crate::app::eventually("removal of old settings", || (count(&app, "1") == 1).then_some(()));
}
