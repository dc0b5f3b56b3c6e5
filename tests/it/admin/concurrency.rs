//! Many callers at once: nothing is lost, and of two that saw the same revision one wins.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{list, path_of};
use crate::app::TestApp;

#[test]
fn of_callers_that_saw_the_same_revision_exactly_one_wins() {
    let app = TestApp::with(|config| config.workers = Some(2));
    let path = path_of("ServiceAccount", &app.create("ServiceAccount", &json!({"userName": "a"}))["id"]);
    for revision in 1..=10 {
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let race = |name: usize| {
                let (app, path) = (&app, &path);
                let operation =
                    json!({"op": "replace", "path": "displayName", "value": format!("{revision} by {name}")});
                scope.spawn(move || {
                    app.admin("PATCH", path, &json!({"Operations": [operation], "Revision": revision})).status
                })
            };
            let threads: Vec<_> = (0..4).map(race).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let won = statuses.iter().filter(|status| **status == 200).count();
        assert!(won == 1 && statuses.iter().all(|status| [200, 412].contains(status)), "{statuses:?}");
        assert_eq!(app.admin("GET", &path, &Value::Null).expect(200)["meta"]["revision"], revision + 1);
    }
}

/// Who names no revision has no condition that could fail: what loses a race is done again on what is there by then.
#[test]
fn patches_without_a_revision_all_happen() {
    let app = TestApp::with(|config| config.workers = Some(2));
    let path = path_of("ServiceAccount", &app.create("ServiceAccount", &json!({"userName": "a"}))["id"]);
    std::thread::scope(|scope| {
        let race = |name: usize| {
            let (app, path) = (&app, &path);
            scope.spawn(move || {
                for round in 0..10 {
                    let operation = json!({"op": "add", "path": format!("attributes.t{name}r{round}"), "value": true});
                    app.admin("PATCH", path, &json!({"Operations": [operation]})).expect(200);
                }
            });
        };
        (0..4).for_each(race);
    });
    let account = app.admin("GET", &path, &Value::Null).expect(200);
    assert_eq!(account["meta"]["revision"], 41);
    assert_eq!(account["attributes"].as_object().unwrap().len(), 40, "no answered change is lost");
}

#[test]
fn of_callers_that_want_one_name_exactly_one_gets_it() {
    let app = TestApp::with(|config| config.workers = Some(2));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let want =
            |_| scope.spawn(|| app.admin("POST", "/resources/cid/ServiceAccount", &json!({"userName": "one"})).status);
        let threads: Vec<_> = (0..8).map(want).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 7, "{statuses:?}");
    let page = list(&app, "/resources/cid/ServiceAccount", &[]).expect(200);
    assert_eq!(page["totalResults"], 1);
}

/// Two cascades meet in the grants between what they delete: each grant's end is told once, by who ended it.
#[test]
fn what_two_deletes_take_along_ends_once_in_the_trail() {
    let app = TestApp::with(|config| config.workers = Some(2));
    for round in 0..10 {
        let account = app.create("ServiceAccount", &json!({"userName": format!("a{round}")}))["id"].clone();
        let api =
            app.create("Api", &json!({"appId": format!("p{round}"), "scopes": [{"identifier": "x"}]}))["id"].clone();
        let grant = json!({"serviceAccountId": account, "apiId": api, "scopes": ["x"]});
        let grants: Vec<Value> = (0..5).map(|_| app.create("Grant", &grant)["id"].clone()).collect();
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let delete = |kind, id| {
                let path = format!("{}?cascade=true", path_of(kind, id));
                let app = &app;
                scope.spawn(move || app.admin("DELETE", &path, &Value::Null).status)
            };
            let threads = [delete("ServiceAccount", &account), delete("Api", &api)];
            threads.map(|thread| thread.join().unwrap()).to_vec()
        });
        assert_eq!(statuses, [204, 204]);
        for grant in grants {
            let filter = format!("changes[resourceType eq \"Grant\" and id eq \"{}\"]", grant.as_str().unwrap());
            let commits = list(&app, "/audit/commits", &[("filter", &filter)]).expect(200);
            assert_eq!(commits["totalResults"], 2, "made once, ended once");
        }
    }
}

/// The trail is what happened, in its order: each change begins with what the one before it left.
#[test]
fn each_change_in_the_trail_begins_where_the_last_ended() {
    let app = TestApp::with(|config| config.workers = Some(2));
    let accounts = ["a", "b"].map(|name| app.create("ServiceAccount", &json!({"userName": name}))["id"].clone());
    let client = app.create("MachineToMachine", &json!({"displayName": "c", "serviceAccountId": accounts[0]}));
    let client = path_of("MachineToMachine", &client["id"]);
    let replace = |path: &str, value: &Value| json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
    for round in 0..30 {
        let token = json!({"displayName": "t", "role": "reader"});
        let token = app.admin("POST", "/auth/api-tokens", &token).expect(201)["id"].as_str().unwrap().to_owned();
        let token = format!("/auth/api-tokens/{token}");
        let secrets = format!("{client}/secrets");
        let asked = [
            ("PATCH", &token, replace("role", &json!("admin"))),
            ("DELETE", &token, Value::Null),
            ("PATCH", &client, replace("serviceAccountId", &accounts[round % 2])),
            ("POST", &secrets, json!({})),
        ];
        std::thread::scope(|scope| {
            for (method, path, body) in &asked {
                let app = &app;
                scope.spawn(move || {
                    let status = app.admin(method, path, body).status;
                    let expected: &[u16] = match *method {
                        "DELETE" => &[204],
                        "POST" => &[201],
                        // The token may have ended first.
                        _ => &[200, 404],
                    };
                    assert!(expected.contains(&status), "nobody puts off who names no revision: {method} {status}");
                });
            }
        });
        let secrets = app.admin("GET", &secrets, &Value::Null).expect(200);
        for secret in secrets["Resources"].as_array().unwrap().iter().skip(1) {
            app.admin("DELETE", &format!("{client}/secrets/{}", secret["id"].as_str().unwrap()), &Value::Null)
                .expect(204);
        }
    }
    let mut commits =
        list(&app, "/audit/commits", &[("count", "1000")]).expect(200)["Resources"].as_array().unwrap().clone();
    commits.sort_by_key(|commit| commit["sequence"].as_i64().unwrap());
    let mut tokens: HashMap<String, Value> = HashMap::new();
    let mut account = Value::Null;
    for change in commits.iter().flat_map(|commit| commit["changes"].as_array().unwrap()) {
        match change["resourceType"].as_str().unwrap() {
            "ApiToken" => {
                let id = change["id"].as_str().unwrap().to_owned();
                let before = tokens.insert(id, change["after"].clone()).unwrap_or_default();
                assert_eq!(change["before"], before, "{change}");
            }
            "MachineToMachine" => {
                assert_eq!(change["before"]["serviceAccountId"], account, "{change}");
                account = change["after"]["serviceAccountId"].clone();
            }
            "Credential" => {
                let told = if change["after"].is_null() { &change["before"] } else { &change["after"] };
                assert_eq!(told["serviceAccountId"], account, "{change}");
            }
            _ => {}
        }
    }
}
