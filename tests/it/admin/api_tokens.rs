//! API tokens: made once, shown once, listed, expired, deleted.

use grantd::secret::{SecretKind, is_generated};
use serde_json::{Value, json};

use super::{list, text, validation};
use crate::app::TestApp;

#[test]
fn a_token_is_shown_once_and_ends_with_its_deletion() {
    let app = TestApp::start();
    let answer = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "ci", "role": "editor"}));
    assert_eq!(answer.header("cache-control"), "no-store");
    let made = answer.expect(201);
    let bearer = text(&made, "signedToken").to_owned();
    assert!(is_generated(SecretKind::ApiToken, &bearer) && bearer.ends_with(text(&made, "last4")));
    insta::assert_json_snapshot!(made, {".id" => "[id]", ".last4" => "[last4]", ".signedToken" => "[token]"}, @r#"
    {
      "id": "[id]",
      "displayName": "ci",
      "role": "editor",
      "active": true,
      "last4": "[last4]",
      "issuedAt": "2027-01-15T10:00:00.000Z",
      "expiresAt": null,
      "lastUsedAt": null,
      "meta": {
        "resourceType": "ApiToken"
      },
      "signedToken": "[token]"
    }
    "#);
    let path = format!("/auth/api-tokens/{}", text(&made, "id"));
    let read = app.admin("GET", &path, &Value::Null).expect(200);
    assert_eq!((&read["id"], read.get("signedToken")), (&made["id"], None));
    let page =
        list(&app, "/auth/api-tokens", &[("filter", "role eq \"editor\""), ("attributes", "displayName")]).expect(200);
    assert_eq!(page["Resources"], json!([{"id": made["id"], "displayName": "ci"}]));
    assert_eq!(list(&app, "/auth/api-tokens", &[]).expect(200)["totalResults"], 2);
    assert_eq!(app.admin_as(&bearer, "GET", "/resources/cid/Api", &Value::Null).status, 200);
    assert_eq!(app.admin("DELETE", &path, &Value::Null).status, 204);
    assert_eq!(app.admin_as(&bearer, "GET", "/resources/cid/Api", &Value::Null).status, 401);
    app.admin("GET", &path, &Value::Null).expect(404);
}

#[test]
fn a_token_ends_on_time_and_an_inactive_one_never_begins() {
    let app = TestApp::start();
    let make = |more: Value| {
        let mut body = json!({"displayName": "t", "role": "reader"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        text(&app.admin("POST", "/auth/api-tokens", &body).expect(201), "signedToken").to_owned()
    };
    let status = |bearer: &str| app.admin_as(bearer, "GET", "/keys", &Value::Null).status;
    let (short, off) = (make(json!({"expiresAt": "2027-01-15T10:01:00Z"})), make(json!({"active": false})));
    assert_eq!((status(&short), status(&off)), (200, 401));
    app.advance(59);
    assert_eq!(status(&short), 200);
    app.advance(1);
    assert_eq!(status(&short), 401);
}

#[test]
fn a_token_needs_a_name_and_a_role() {
    let app = TestApp::start();
    for (body, wanted) in [
        (
            json!({}),
            vec!["/displayName: this member is required", "/role: this member is required: admin, editor or reader"],
        ),
        (json!({"displayName": "x", "role": "root"}), vec!["/role: must be one of admin, editor, reader"]),
        (
            json!({"displayName": "x", "role": "reader", "expiresAt": "2026-01-01T00:00:00Z"}),
            vec!["/expiresAt: must lie in the future"],
        ),
        (
            json!({"displayName": "x", "role": "reader", "rol": 1}),
            vec!["/rol: there is no such member; did you mean role?"],
        ),
        (
            json!({"displayName": "x", "role": "reader", "signedToken": "gapi_mine"}),
            vec!["/signedToken: there is no such member"],
        ),
    ] {
        let error = app.admin("POST", "/auth/api-tokens", &body).expect(400);
        assert_eq!(validation(&error), wanted, "{body}");
    }
    app.admin("POST", "/auth/api-tokens", &Value::Null).expect(400);
}

#[test]
fn a_change_holds_from_the_next_request_on() {
    let app = TestApp::start();
    let made = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "ci", "role": "reader"})).expect(201);
    let (bearer, path) = (text(&made, "signedToken").to_owned(), format!("/auth/api-tokens/{}", text(&made, "id")));
    let patch = |path_in: &str, value: Value| {
        let operation = json!({"op": "replace", "path": path_in, "value": value});
        app.admin("PATCH", &path, &json!({"Operations": [operation]}))
    };
    let write = || app.admin_as(&bearer, "POST", "/resources/cid/ServiceAccount", &json!({})).status;
    let read = || app.admin_as(&bearer, "GET", "/keys", &Value::Null).status;
    assert_eq!((read(), write()), (200, 403));
    let changed = patch("role", json!("editor")).expect(200);
    assert_eq!(
        (&changed["role"], &changed["last4"], changed.get("signedToken")),
        (&json!("editor"), &made["last4"], None)
    );
    assert_eq!((read(), write()), (200, 400));
    patch("active", json!(false)).expect(200);
    assert_eq!(read(), 401);
    patch("active", json!(true)).expect(200);
    patch("expiresAt", json!("2027-01-15T10:01:00Z")).expect(200);
    assert_eq!(read(), 200);
    app.advance(60);
    assert_eq!(read(), 401);
    // One that has ended may be renamed, and may begin again.
    patch("displayName", json!("old ci")).expect(200);
    patch("expiresAt", Value::Null).expect(200);
    assert_eq!(read(), 200);
    for (member, value, wanted) in [
        ("role", json!("root"), "/role: must be one of admin, editor, reader"),
        ("displayName", json!(""), "/displayName: "),
        ("active", json!("yes"), "/active: must be true or false"),
        ("expiresAt", json!("2026-01-01T00:00:00Z"), "/expiresAt: must lie in the future"),
        ("last4", json!("0000"), "/last4: there is no such member"),
    ] {
        let error = patch(member, value).expect(400);
        assert!(validation(&error)[0].starts_with(wanted), "{error}");
    }
    let stale = json!({"Revision": 1, "Operations": [{"op": "replace", "path": "role", "value": "reader"}]});
    let error = app.admin("PATCH", &path, &stale).expect(400);
    assert_eq!(validation(&error), ["/Revision: an API token has no revision: leave it out, and If-Match too"]);
    let commits =
        list(&app, "/audit/commits", &[("filter", "actor.type ne \"system\"")]).expect(200)["totalResults"].clone();
    patch("role", json!("editor")).expect(200);
    let same =
        list(&app, "/audit/commits", &[("filter", "actor.type ne \"system\"")]).expect(200)["totalResults"].clone();
    assert_eq!(same, commits, "nothing changed, and nothing is written");
    let nobody = json!({"Operations": [{"op": "replace", "path": "role", "value": "reader"}]});
    app.admin("PATCH", "/auth/api-tokens/x", &nobody).expect(404);
}

#[test]
fn the_last_use_is_told() {
    let app = TestApp::start();
    app.advance(3600);
    app.admin("GET", "/keys", &Value::Null).expect(200);
    let token = crate::app::eventually("the use is written down", || {
        let page = list(&app, "/auth/api-tokens", &[("filter", "lastUsedAt pr")]).expect(200);
        page["Resources"].as_array().unwrap().first().cloned()
    });
    assert_eq!(token["lastUsedAt"], "2027-01-15T11:00:00.000Z");
}

#[test]
fn a_token_that_another_process_ends_is_refused_at_once() {
    let app = TestApp::start();
    let made = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "busy", "role": "editor"})).expect(201);
    let bearer = text(&made, "signedToken");
    let write = |number: u32| {
        let body = json!({"userName": format!("account-{number}")});
        app.admin_as(bearer, "POST", "/resources/cid/ServiceAccount", &body).status
    };
    // By hand, beside the server: its writer knows nothing of it.
    let beside = rusqlite::Connection::open(app.database()).unwrap();
    let set_active = |active: bool| {
        let changed =
            beside.execute("UPDATE api_token SET active = ?1 WHERE id = ?2", (active, text(&made, "id"))).unwrap();
        assert_eq!(changed, 1);
    };
    for number in 0..3 {
        assert_eq!(write(number), 201);
    }
    set_active(false);
    assert_eq!(write(3), 401);
    set_active(true);
    assert_eq!((write(4), write(5)), (201, 201));
    // A write of the server's own comes between.
    set_active(false);
    app.create("ServiceAccount", &json!({"userName": "another"}));
    assert_eq!(write(6), 401);
}
