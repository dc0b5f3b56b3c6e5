//! Every type through its life, its envelope, its names and its content types.

use grantd::clock::Timestamp;
use serde_json::{Value, json};

use super::{TYPES, body_of, howto_with_module, list, path_of, text, text_member, validation};
use crate::app::{START, TestApp};

fn check_envelope(resource: &Value, resource_type: &str, url: &str) {
    let id = text(resource, "id");
    assert_eq!(id.len(), 22, "{id}");
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    let meta = &resource["meta"];
    assert!(meta["revision"].is_i64(), "{meta}");
    assert_eq!(meta["resourceType"], resource_type);
    assert_eq!(meta["appId"], "cid");
    assert!(meta["tenantId"].is_string());
    for member in ["created", "lastModified"] {
        let time = text(meta, member);
        assert!(time.ends_with('Z') && Timestamp::parse(time).is_some(), "{member} {time}");
    }
    assert_eq!(meta["location"], format!("{url}/api/v1/resources/cid/{resource_type}/{id}"));
}

#[test]
fn every_type_is_made_read_listed_replaced_patched_and_deleted() {
    let app = TestApp::start();
    let howto = howto_with_module(&app);
    for (kind, _) in TYPES {
        let collection = format!("/resources/cid/{kind}");
        let answer = app.admin("POST", &collection, &body_of(kind, &howto));
        let (location, etag) = (answer.header("location").to_owned(), answer.header("etag").to_owned());
        let mut made = answer.expect(201);
        check_envelope(&made, kind, &app.url);
        assert_eq!(location, text(&made["meta"], "location"));
        assert_eq!((etag.as_str(), &made["meta"]["revision"]), ("\"1\"", &json!(1)));
        made.as_object_mut().unwrap().remove("clientSecret");
        let path = path_of(kind, &made["id"]);

        let read = app.admin("GET", &path, &Value::Null);
        assert_eq!(read.header("etag"), "\"1\"");
        assert_eq!(read.header("content-type"), "application/json");
        assert_eq!(read.expect(200), made, "{kind}: what is read is what was made");
        let page = list(&app, &collection, &[("filter", &format!("id eq \"{}\"", text(&made, "id")))]).expect(200);
        assert_eq!(page["Resources"], json!([made]), "{kind}: a list shows what GET shows");

        app.advance(1);
        let mut changed = made.clone();
        changed[text_member(kind)] = json!("other words");
        let answer = app.admin("PUT", &path, &changed);
        assert_eq!(answer.header("etag"), "\"2\"");
        let replaced = answer.expect(200);
        assert_eq!(replaced[text_member(kind)], "other words");
        assert_eq!(replaced["meta"]["created"], made["meta"]["created"]);
        assert_ne!(replaced["meta"]["lastModified"], made["meta"]["lastModified"]);

        let patch = json!({"Operations": [{"op": "replace", "path": text_member(kind), "value": "third words"}]});
        let patched = app.admin("PATCH", &path, &patch).expect(200);
        assert_eq!((&patched["meta"]["revision"], text(&patched, text_member(kind))), (&json!(3), "third words"));
        assert_eq!(app.admin("GET", &path, &Value::Null).expect(200), patched);

        let deleted = app.admin("DELETE", &path, &Value::Null);
        assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
        for method in ["GET", "DELETE"] {
            assert_eq!(app.admin(method, &path, &Value::Null).status, 404, "{method} {kind}");
        }
        assert_eq!(app.admin("PUT", &path, &changed).status, 404);
        assert_eq!(app.admin("PATCH", &path, &patch).status, 404);
    }
}

#[test]
fn the_defaults_of_each_type() {
    let app = TestApp::start();
    let account = app.create("ServiceAccount", &json!({"userName": "a"}));
    insta::assert_json_snapshot!(account, {".id" => "[id]", ".meta.location" => "[location]"}, @r#"
    {
      "id": "[id]",
      "userName": "a",
      "displayName": "a",
      "active": false,
      "attributes": {},
      "meta": {
        "tenantId": "default",
        "appId": "cid",
        "resourceType": "ServiceAccount",
        "created": "2027-01-15T10:00:00.000Z",
        "lastModified": "2027-01-15T10:00:00.000Z",
        "revision": 1,
        "location": "[location]"
      }
    }
    "#);
    let client = app.create("MachineToMachine", &json!({"displayName": "c", "serviceAccountId": "A"}));
    assert_eq!(client["serviceAccountId"], account["id"], "a reference takes a userName in any case");
    assert_eq!((&client["active"], text(&client, "clientId").len()), (&json!(true), 32));
    assert!(text(&client, "clientId").bytes().all(|b| b.is_ascii_alphanumeric()));
    assert_eq!(client["allowedAuthMethods"], json!(["client_secret_basic", "client_secret_post"]));
    let api = app.create("Api", &json!({"appId": "p", "scopes": [{"identifier": "s"}]}));
    insta::assert_json_snapshot!(api, {".id" => "[id]", ".meta" => "[meta]"}, @r#"
    {
      "id": "[id]",
      "appId": "p",
      "audience": null,
      "displayName": "p",
      "active": true,
      "scopes": [
        {
          "identifier": "s",
          "displayName": "s",
          "description": "",
          "sensitivity": "low",
          "default": false
        }
      ],
      "signingAlg": "RS256",
      "tokenFormat": "jwt",
      "tokenLifetimeSeconds": 3600,
      "claims": {},
      "attributes": {},
      "builtIn": false,
      "meta": "[meta]"
    }
    "#);
    let grant = app.create("Grant", &json!({"serviceAccountId": "a", "apiId": "p", "scopes": ["s"]}));
    assert_eq!((&grant["serviceAccountId"], &grant["apiId"]), (&account["id"], &api["id"]));
    assert_eq!((&grant["notBefore"], &grant["expiresAt"], &grant["reason"]), (&Value::Null, &Value::Null, &json!("")));
}

/// The how-to's curl as it is typed, and what the vendor's own site sends.
#[test]
fn json_is_read_whatever_the_content_type() {
    let app = TestApp::start();
    let bearer = format!("Bearer {}", app.admin_token);
    for (index, content_type) in [
        Some("application/x-www-form-urlencoded"),
        Some("text/plain;charset=UTF-8"),
        Some("application/scim+json"),
        Some("application/json; charset=utf-8"),
        Some("not even a type"),
        None,
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!("\n{{\n  \"userName\": \"cleanup{index}\",\n  \"active\": true\n}}");
        let mut headers = vec![("authorization", bearer.as_str()), ("accept", "*/*")];
        headers.extend(content_type.map(|kind| ("content-type", kind)));
        let answer = app.send("POST", "/api/v1/resources/cid/ServiceAccount", &headers, body.as_bytes());
        assert_eq!(answer.header("content-type"), "application/json", "{content_type:?}");
        let made = answer.expect(201);
        assert_eq!(made["userName"], format!("cleanup{index}"));
        let patch = br#"{"Operations":[{"op":"replace","path":"/active","value":false}],"Revision":1}"#;
        let path = format!("/api/v1/resources/cid/ServiceAccount/{}", text(&made, "id"));
        assert_eq!(app.send("PATCH", &path, &headers, patch).expect(200)["active"], false);
    }
}

#[test]
fn aliases_and_both_slash_forms_lead_to_the_same_thing_without_a_redirect() {
    let app = TestApp::start();
    let howto = howto_with_module(&app);
    for (kind, plural) in TYPES {
        let mut count = 0;
        for (application, name, slash) in [
            ("cid", kind, ""),
            ("cid", kind, "/"),
            ("cid", plural, ""),
            ("cid", plural, "/"),
            ("iam", kind, ""),
            ("iam", plural, "/"),
        ] {
            let collection = format!("/resources/{application}/{name}{slash}");
            let made = app.admin("POST", &collection, &body_of(kind, &howto)).expect(201);
            check_envelope(&made, kind, &app.url);
            let total = &app.admin("GET", &collection, &Value::Null).expect(200)["totalResults"];
            assert!(total.as_i64() > Some(count), "{collection}");
            count = total.as_i64().unwrap() - 1;
            let one = format!("/resources/{application}/{name}/{}{slash}", text(&made, "id"));
            let read = app.admin("GET", &one, &Value::Null).expect(200);
            assert_eq!(read["id"], made["id"]);
            app.admin("PUT", &one, &read).expect(200);
            let patch = json!({"Operations": [{"op": "replace", "path": text_member(kind), "value": "z"}]});
            app.admin("PATCH", &one, &patch).expect(200);
            app.admin("DELETE", &one, &Value::Null).expect(204);
        }
    }
}

#[test]
fn putting_back_what_was_read_changes_nothing() {
    let app = TestApp::start();
    let howto = app.howto();
    let attributes = json!({
        "n": 1, "f": 0.1, "g": 2.5e-8, "big": 9_007_199_254_740_993_i64, "most": u64::MAX,
        "odd": [1.797_693_134_862_315_7e308, 5e-324, 123_456.789_012_345_67, 8.41e-7, 3.3e22, 1.0, -0.0],
        "text": "grüße \u{1F600} \u{0} \\ \" / \u{2028}", "null": null, "nested": {"b": [true, {}], "a": []},
    });
    let account = json!({"userName": "round", "attributes": attributes});
    let mut ids = vec![("ServiceAccount", app.create("ServiceAccount", &account)["id"].clone())];
    let api = json!({
        "appId": "wide", "audience": "https://api.example.com/v1", "tokenLifetimeSeconds": 60, "signingAlg": "EdDSA",
        "scopes": [{"identifier": "z", "default": true}, {"identifier": "a", "sensitivity": "high", "description": "d"}],
        "claims": {"team": {"attribute": "nested.a"}, "env": {"value": {"x": [1, 0.1]}}}, "attributes": attributes,
    });
    let made = app.create("Api", &api);
    assert_eq!(made["scopes"][0]["identifier"], "z", "scopes keep their order");
    ids.push(("Api", made["id"].clone()));
    ids.push(("MachineToMachine", json!(howto.client)));
    let grant = json!({"serviceAccountId": howto.account, "apiId": howto.api, "scopes": ["write", "read"],
        "notBefore": "2027-01-01T00:00:00.123+02:00", "expiresAt": "2028-01-01T00:00:00Z", "reason": "two\nlines"});
    ids.push(("Grant", app.create("Grant", &grant)["id"].clone()));
    let people = [("filter", "actor.type ne \"system\""), ("count", "0")];
    let commits = list(&app, "/audit/commits", &people).expect(200)["totalResults"].clone();
    for (kind, id) in ids {
        let path = path_of(kind, &id);
        app.advance(5);
        let read = app.admin("GET", &path, &Value::Null);
        let etag = read.header("etag").to_owned();
        // As text: what was read is sent byte for byte.
        let bearer = format!("Bearer {}", app.admin_token);
        let headers = [("authorization", bearer.as_str()), ("if-match", etag.as_str())];
        let answer = app.send("PUT", &format!("/api/v1{path}"), &headers, read.text.as_bytes());
        assert_eq!((answer.status, answer.header("etag")), (200, etag.as_str()), "{kind}: {}", answer.text);
        assert_eq!(answer.json(), read.json(), "{kind}");
    }
    assert_eq!(list(&app, "/audit/commits", &people).expect(200)["totalResults"], commits, "no change, no commit");
}

#[test]
fn what_is_fixed_for_life_cannot_be_changed() {
    let app = TestApp::start();
    let howto = app.howto();
    let other = text(&app.create("ServiceAccount", &json!({"userName": "other"})), "id").to_owned();
    for (kind, id, change, wanted) in [
        ("MachineToMachine", &howto.client, json!({"clientId": "another-name"}), "/clientId: a client id is fixed"),
        ("MachineToMachine", &howto.client, json!({"clientSecret": "gsec_x"}), "/clientSecret: secrets of an existing"),
        ("Grant", &howto.grant, json!({"serviceAccountId": other}), "/serviceAccountId: a grant keeps"),
        ("Grant", &howto.grant, json!({"apiId": "grantd"}), "/apiId: a grant keeps"),
        ("ServiceAccount", &howto.account, json!({"id": "0000000000000000000000"}), "/id: is not the id in the path"),
    ] {
        let path = path_of(kind, &json!(id));
        let mut body = app.admin("GET", &path, &Value::Null).expect(200);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = app.admin("PUT", &path, &body).expect(400);
        assert!(validation(&error).iter().any(|line| line.starts_with(wanted)), "{wanted}: {error}");
    }
    // A client may move to another account.
    let path = path_of("MachineToMachine", &json!(howto.client));
    let mut body = app.admin("GET", &path, &Value::Null).expect(200);
    body["serviceAccountId"] = json!("other");
    assert_eq!(app.admin("PUT", &path, &body).expect(200)["serviceAccountId"], other.as_str());
}

#[test]
fn a_clock_that_steps_back_makes_nothing_older_than_it_is() {
    let app = TestApp::start();
    let id = app.create("ServiceAccount", &json!({"userName": "a"}))["id"].clone();
    app.advance(-3600);
    app.set("ServiceAccount", id.as_str().unwrap(), "displayName", &json!("later"));
    let meta = app.admin("GET", &path_of("ServiceAccount", &id), &Value::Null).expect(200)["meta"].clone();
    assert_eq!(Timestamp::parse(text(&meta, "lastModified")), Timestamp::parse(START));
    assert_eq!(meta["revision"], 2);
}
