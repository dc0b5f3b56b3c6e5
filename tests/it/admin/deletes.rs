//! Deletes of what is in use, cascades, and the API that guards the admin API.

use serde_json::{Value, json};

use super::{list, path_of, text, validation};
use crate::app::TestApp;

#[test]
fn what_is_in_use_is_deleted_only_with_its_users() {
    let app = TestApp::start();
    let howto = app.howto();
    let account = path_of("ServiceAccount", &json!(howto.account));
    let api = path_of("Api", &json!(howto.api));
    for (path, users) in [(&account, vec![&howto.client, &howto.grant]), (&api, vec![&howto.grant])] {
        for query in ["", "?cascade=false", "?cascade="] {
            let error = app.admin("DELETE", &format!("{path}{query}"), &Value::Null).expect(409);
            assert_eq!((text(&error, "status"), text(&error, "type")), ("409", "inUse"));
            let detail = text(&error, "detail");
            assert!(
                users.iter().all(|user| detail.contains(user.as_str())) && detail.contains("?cascade=true"),
                "{detail}"
            );
        }
    }
    let error = app.admin("DELETE", &format!("{account}?cascade=yes"), &Value::Null).expect(400);
    assert_eq!(validation(&error), ["/cascade: must be true or false"]);
    assert_eq!(app.token_for(&howto, &[("scope", "write")]).status, 200);

    assert_eq!(app.admin("DELETE", &format!("{account}?cascade=true&reason=gone"), &Value::Null).status, 204);
    for (kind, id) in [("ServiceAccount", &howto.account), ("MachineToMachine", &howto.client), ("Grant", &howto.grant)]
    {
        app.admin("GET", &path_of(kind, &json!(id)), &Value::Null).expect(404);
    }
    assert_eq!(app.token_for(&howto, &[("scope", "write")]).status, 401);
    let commit = &list(&app, "/audit/commits", &[("sortBy", "createdAt"), ("filter", "reason eq \"gone\"")])
        .expect(200)["Resources"];
    let changed: Vec<&str> = commit[0]["changes"].as_array().unwrap().iter().map(|c| text(c, "resourceType")).collect();
    assert_eq!(changed, ["MachineToMachine", "Grant", "ServiceAccount"], "one commit tells of all three");
    assert!(commit[0]["changes"].as_array().unwrap().iter().all(|change| change["after"].is_null()));
    assert_eq!(app.admin("DELETE", &api, &Value::Null).status, 204, "nothing uses the API any more");
}

#[test]
fn many_users_are_counted_not_listed() {
    let app = TestApp::start();
    let howto = app.howto();
    let more = |numbers: std::ops::Range<i32>, told: &str| {
        for number in numbers {
            app.create(
                "MachineToMachine",
                &json!({"displayName": format!("c{number}"), "serviceAccountId": howto.account}),
            );
        }
        let error = app.admin("DELETE", &path_of("ServiceAccount", &json!(howto.account)), &Value::Null).expect(409);
        assert!(text(&error, "detail").contains(told), "{error}");
    };
    more(0..9, " and 6 more; ");
    more(9..98, " and 95 more; ");
    more(98..99, " and many more; ");
}

#[test]
fn a_scope_that_a_grant_holds_stays() {
    let app = TestApp::start();
    let howto = app.howto();
    let path = path_of("Api", &json!(howto.api));
    let remove = |scope: &str| {
        let operation = json!({"op": "remove", "path": format!("scopes[identifier eq \"{scope}\"]")});
        app.admin("PATCH", &path, &json!({"Operations": [operation]}))
    };
    let error = remove("write").expect(409);
    assert_eq!(error["detail"], "grants hold the scope write; narrow or delete those grants first");
    let mut body = app.admin("GET", &path, &Value::Null).expect(200);
    body["scopes"] = json!([]);
    app.admin("PUT", &path, &body).expect(409);
    assert_eq!(app.admin("GET", &path, &Value::Null).expect(200)["meta"]["revision"], 1);
    remove("read").expect(200);
    app.admin("DELETE", &path_of("Grant", &json!(howto.grant)), &Value::Null).expect(204);
    assert_eq!(remove("write").expect(200)["scopes"], json!([]));
}

#[test]
fn the_api_of_grantd_itself_is_protected() {
    let app = TestApp::start();
    let page = list(&app, "/resources/cid/Api", &[("filter", "builtIn eq true")]).expect(200);
    let api = &page["Resources"][0];
    assert_eq!((text(api, "appId"), &api["builtIn"]), ("grantd", &json!(true)));
    let path = path_of("Api", &api["id"]);
    for query in ["", "?cascade=true"] {
        let error = app.admin("DELETE", &format!("{path}{query}"), &Value::Null).expect(409);
        assert!(text(&error, "detail").contains("cannot be deleted"), "{error}");
    }
    let patch = |member: &str, value: Value| {
        app.admin("PATCH", &path, &json!({"Operations": [{"op": "replace", "path": member, "value": value}]}))
    };
    assert_eq!(validation(&patch("appId", json!("other")).expect(400)), ["/appId: the built-in API keeps its name"]);
    assert_eq!(validation(&patch("scopes", json!([])).expect(400)), ["/scopes: the built-in API keeps its scopes"]);
    assert_eq!(patch("tokenLifetimeSeconds", json!(60)).expect(200)["builtIn"], true);
    // Nobody makes another one, and nobody takes the mark away.
    let made = app.admin("POST", "/resources/cid/Api", &json!({"appId": "mine", "builtIn": true}));
    assert!(made.status == 400 || made.json()["builtIn"] == false, "{}", made.text);
}

#[test]
fn ids_that_do_not_exist_are_404() {
    let app = TestApp::start();
    let howto = app.howto();
    let secrets = format!("/resources/cid/MachineToMachine/{}/secrets", howto.client);
    for id in [
        "0000000000000000000000",
        "x",
        "%00",
        "..%2f..",
        "a%20b",
        "%F0%9F%98%80",
        &"9".repeat(500),
        howto.account.as_str(),
    ] {
        for path in [
            format!("/resources/cid/Api/{id}"),
            format!("/resources/cid/MachineToMachine/{id}/secrets"),
            format!("/audit/commits/{id}"),
            format!("/event-logs/{id}"),
            format!("/auth/api-tokens/{id}"),
        ] {
            let answer = app.admin("GET", &path, &Value::Null);
            assert_eq!(answer.status, 404, "{path}: {}", answer.text);
            assert_eq!(answer.json()["code"], 404, "{path}");
        }
        app.admin("DELETE", &format!("{secrets}/{id}"), &Value::Null).expect(404);
        app.admin("DELETE", &format!("/auth/api-tokens/{id}"), &Value::Null).expect(404);
    }
}
