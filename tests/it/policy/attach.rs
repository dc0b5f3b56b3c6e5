//! Policies as resources: where they are attached, in which order they are asked, what depends on them.

use serde_json::{Value, json};

use super::modules::harmless;
use super::{SCOPE_ALLOWLIST, attach, body, howto_with_both_scopes, scopes, upload};
use crate::app::{HowTo, TestApp};

fn allow(scopes: &[&str]) -> Value {
    json!({"settings": {"allow": scopes}})
}

/// The four places, each named as a caller may name it.
fn places(howto: &HowTo) -> [(Value, &str); 4] {
    [
        (json!({"type": "server"}), ""),
        (json!({"type": "api", "id": "myrestapi"}), &howto.api),
        (json!({"type": "client", "id": howto.client_id}), &howto.client),
        (json!({"type": "account", "id": "PERIODICCLEANUP"}), &howto.account),
    ]
}

#[test]
fn a_policy_narrows_the_next_token_wherever_it_is_attached() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    upload(&app, SCOPE_ALLOWLIST);
    assert_eq!(scopes(&app, &howto).unwrap(), ["read", "write"]);
    for (place, id) in places(&howto) {
        let policy = attach(&app, "narrow", "scope-allowlist", &place, &allow(&["read"]));
        assert_eq!(policy["attachedTo"].get("id").and_then(Value::as_str).unwrap_or_default(), id);
        assert_eq!((&policy["moduleName"], &policy["moduleVersion"]), (&json!("scope-allowlist"), &json!("1.0.0")));
        assert_eq!(scopes(&app, &howto).unwrap(), ["read"], "{place}");
        let id = policy["id"].as_str().unwrap();
        for (member, off, on) in [
            ("active", json!(false), json!(true)),
            ("mode", json!("off"), json!("enforce")),
            ("mode", json!("shadow"), json!("enforce")),
        ] {
            app.set("Policy", id, member, &off);
            assert_eq!(scopes(&app, &howto).unwrap(), ["read", "write"], "{place} {member} {off}");
            app.set("Policy", id, member, &on);
            assert_eq!(scopes(&app, &howto).unwrap(), ["read"], "{place} {member} {on}");
        }
        app.admin("DELETE", &format!("/resources/cid/Policy/{id}"), &Value::Null).expect(204);
        assert_eq!(scopes(&app, &howto).unwrap(), ["read", "write"], "{place} deleted");
    }
}

#[test]
fn a_policy_of_another_api_client_or_account_does_nothing_here() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    upload(&app, SCOPE_ALLOWLIST);
    app.create("Api", &json!({"appId": "other", "scopes": [{"identifier": "read"}, {"identifier": "write"}]}));
    app.create("Grant", &json!({"serviceAccountId": howto.account, "apiId": "other", "scopes": ["read", "write"]}));
    app.create("ServiceAccount", &json!({"userName": "somebody", "active": true}));
    let client = app.create("MachineToMachine", &json!({"displayName": "else", "serviceAccountId": "somebody"}));
    for place in [
        json!({"type": "api", "id": "other"}),
        json!({"type": "client", "id": client["id"]}),
        json!({"type": "account", "id": "somebody"}),
    ] {
        attach(&app, &place.to_string(), "scope-allowlist", &place, &allow(&[]));
    }
    let answer = app.token_for(&howto, &[("scope", "read write"), ("resource", "myrestapi")]).expect(200);
    assert_eq!(answer["scope"], "read write");
    let refused = app.token_for(&howto, &[("scope", "read write"), ("resource", "other")]).expect(400);
    assert_eq!(refused["error"], "access_denied");
}

#[test]
fn policies_are_asked_from_the_server_to_the_account_and_by_their_order() {
    let app = TestApp::start();
    let howto = howto_with_both_scopes(&app);
    upload(&app, &harmless("nod"));
    let mut wanted = Vec::new();
    for (place, _) in places(&howto).iter().rev() {
        // Made in the wrong order, at each place and among the places.
        for order in [7, -3, 0] {
            let name = format!("{} {order}", place["type"].as_str().unwrap());
            attach(&app, &name, "nod", place, &json!({"order": order}));
        }
    }
    for (place, _) in places(&howto) {
        wanted.extend([-3, 0, 7].map(|order| format!("{} {order}", place["type"].as_str().unwrap())));
    }
    let steps = |app: &TestApp| {
        scopes(app, &howto).unwrap();
        let newest = app.admin("GET", "/decisions?count=1", &Value::Null).expect(200);
        let steps = newest["Resources"][0]["steps"].as_array().unwrap().clone();
        steps.iter().map(|step| step["policy"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(steps(&app), wanted);
    let list = app.admin("GET", "/resources/cid/Policy?filter=name%20eq%20%22api%200%22", &Value::Null).expect(200);
    app.set("Policy", list["Resources"][0]["id"].as_str().unwrap(), "order", &json!(9));
    wanted.swap(4, 5);
    assert_eq!(steps(&app), wanted, "a new order holds for the next request");
}

#[test]
fn every_misfit_is_named() {
    let app = TestApp::start();
    upload(&app, SCOPE_ALLOWLIST);
    let server = json!({"type": "server"});
    let refusals = |body: &Value| {
        let error = app.admin("POST", "/resources/cid/Policy", body).expect(400);
        let all = error["validation"].as_array().unwrap().clone();
        all.iter()
            .map(|v| format!("{}: {}", v["propertyPath"].as_str().unwrap(), v["message"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let found = refusals(&json!({"mode": "maybe", "order": 0.5, "settings": [], "color": 1}));
    for path in ["/name", "/moduleDigest", "/attachedTo", "/mode", "/order", "/settings", "/color"] {
        assert!(found.iter().any(|line| line.starts_with(&format!("{path}:"))), "{path} in {found:?}");
    }
    let place = |to: Value| refusals(&body("p", "scope-allowlist", &to, &allow(&["*"])));
    assert_eq!(place(json!({"type": "server", "id": "x"})).len(), 1);
    assert_eq!(place(json!({"type": "planet"})), ["/attachedTo/type: must be one of server, api, client, account"]);
    assert_eq!(place(json!({"type": "api"})), ["/attachedTo/id: this member is required"]);
    assert_eq!(place(json!({"type": "api", "id": "x"})), ["/attachedTo/id: there is no Api with this id or appId"]);
    assert_eq!(place(json!({"type": "client", "id": "x"})).len(), 1);
    assert_eq!(place(json!({"type": "account", "id": "x"})).len(), 1);
    assert_eq!(place(json!({"id": "x"})).len(), 1);
    let unknown = refusals(&body("p", "nothing", &server, &allow(&["*"])));
    assert!(unknown[0].starts_with("/moduleDigest: there is no policy module"), "{unknown:?}");
    attach(&app, "taken", "scope-allowlist", &server, &allow(&["*"]));
    let taken = app.admin("POST", "/resources/cid/Policy", &body("taken", "scope-allowlist", &server, &allow(&["*"])));
    assert_eq!(taken.status, 409, "{}", taken.text);
}

#[test]
fn what_has_policies_is_in_use() {
    let app = TestApp::start();
    let howto = app.howto();
    upload(&app, &harmless("nod"));
    for (place, _) in &places(&howto)[1..] {
        attach(&app, &format!("guard of the {}", place["type"].as_str().unwrap()), "nod", place, &json!({}));
    }
    for (kind, id, guard) in [
        ("MachineToMachine", &howto.client, "guard of the client"),
        ("Api", &howto.api, "guard of the api"),
        ("ServiceAccount", &howto.account, "guard of the account"),
    ] {
        let refused = app.admin("DELETE", &format!("/resources/cid/{kind}/{id}"), &Value::Null).expect(409);
        assert!(refused["detail"].as_str().unwrap().contains(guard), "{refused}");
    }
    // With everything: the account, its clients, and the policies of both.
    app.admin("DELETE", &format!("/resources/cid/ServiceAccount/{}?cascade=true", howto.account), &Value::Null)
        .expect(204);
    let left = app.admin("GET", "/resources/cid/Policy", &Value::Null).expect(200);
    assert_eq!((&left["totalResults"], &left["Resources"][0]["name"]), (&json!(1), &json!("guard of the api")));
    app.admin("DELETE", &format!("/resources/cid/Api/{}?cascade=true", howto.api), &Value::Null).expect(204);
    assert_eq!(app.admin("GET", "/resources/cid/Policy", &Value::Null).expect(200)["totalResults"], 0);
}

#[test]
fn policies_are_listed_by_what_they_are() {
    let app = TestApp::start();
    let howto = app.howto();
    upload(&app, SCOPE_ALLOWLIST);
    for (index, (place, _)) in places(&howto).iter().enumerate() {
        let more = json!({"settings": {"allow": [format!("s{index}")]}, "order": index});
        attach(&app, &format!("policy {index}"), "scope-allowlist", place, &more);
    }
    let total = |filter: &str| {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("filter", filter).finish();
        app.admin("GET", &format!("/resources/cid/Policies?{query}"), &Value::Null).expect(200)["totalResults"].clone()
    };
    for (filter, wanted) in [
        ("moduleName eq \"scope-allowlist\"", 4),
        ("attachedTo.type eq \"api\"", 1),
        (&format!("attachedTo.id eq \"{}\"", howto.account), 1),
        ("order ge 2", 2),
        ("mode eq \"enforce\" and active eq true", 4),
        ("name co \"POLICY\"", 4),
    ] {
        assert_eq!(total(filter), wanted, "{filter}");
    }
}

#[test]
fn an_editor_attaches_policies_but_not_to_the_way_into_grantd_itself() {
    let app = TestApp::start();
    let howto = app.howto();
    upload(&app, &harmless("nod"));
    let editor = json!({"displayName": "editor", "role": "editor"});
    let editor = app.admin("POST", "/auth/api-tokens", &editor).expect(201)["signedToken"].as_str().unwrap().to_owned();
    let post = |body: &Value| app.admin_as(&editor, "POST", "/resources/cid/Policy", body);
    let server = post(&body("server", "nod", &json!({"type": "server"}), &json!({}))).expect(201);
    assert_eq!(post(&body("api", "nod", &json!({"type": "api", "id": "grantd"}), &json!({}))).status, 403);
    let account = json!({"type": "account", "id": howto.account});
    let account = post(&body("account", "nod", &account, &json!({}))).expect(201);
    // From now on these stand between an account and the admin API: an editor must not take them away.
    app.create("Grant", &json!({"serviceAccountId": howto.account, "apiId": "grantd", "scopes": ["admin"]}));
    for policy in [&server, &account] {
        let path = format!("/resources/cid/Policy/{}", policy["id"].as_str().unwrap());
        let off = json!({"Operations": [{"op": "replace", "path": "mode", "value": "off"}]});
        assert_eq!(app.admin_as(&editor, "PATCH", &path, &off).status, 403);
        assert_eq!(app.admin_as(&editor, "DELETE", &path, &Value::Null).status, 403);
    }
    assert_eq!(
        post(&body("another", "nod", &json!({"type": "client", "id": howto.client_id}), &json!({}))).status,
        403
    );
    post(&body("elsewhere", "nod", &json!({"type": "api", "id": howto.api}), &json!({}))).expect(201);
}

#[test]
fn two_writers_of_one_policy_do_not_lose_each_others_change() {
    let app = TestApp::start();
    upload(&app, SCOPE_ALLOWLIST);
    let policy = attach(&app, "p", "scope-allowlist", &json!({"type": "server"}), &allow(&["*"]));
    let path = format!("/resources/cid/Policy/{}", policy["id"].as_str().unwrap());
    let patch = |member: &str, value: Value| {
        let body = json!({"Revision": 1, "Operations": [{"op": "replace", "path": member, "value": value}]});
        app.admin("PATCH", &path, &body).status
    };
    assert_eq!(patch("order", json!(5)), 200);
    assert_eq!(patch("settings", json!({"allow": ["read"]})), 412);
    let mut whole = app.admin("GET", &path, &Value::Null).expect(200);
    whole["settings"] = json!({"allow": ["read"]});
    let after = app.admin("PUT", &path, &whole).expect(200);
    assert_eq!((&after["order"], &after["meta"]["revision"]), (&json!(5), &json!(3)), "what was read can be sent back");
}
