//! The audit trail and the event log: who changed what, when and why.

use serde_json::{Value, json};

use super::{list, path_of, text, validation};
use crate::app::{Answer, TestApp};
use crate::console::Person;
use crate::keys::with_next_keys;

/// A write with a request id, a program's name and a query.
fn write(app: &TestApp, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {}", app.admin_token);
    let headers = [("authorization", bearer.as_str()), ("x-request-id", "req-1.A_b"), ("user-agent", "tests/1.0 (x)")];
    app.send(method, &format!("/api/v1{path}"), &headers, body.to_string().as_bytes())
}

/// What people did: the server makes signing keys on its own, at a time of its own.
const BY_PEOPLE: (&str, &str) = ("filter", "actor.type ne \"system\"");

fn newest(app: &TestApp, path: &str) -> Value {
    let order = [BY_PEOPLE, ("sortBy", "createdAt"), ("sortOrder", "descending"), ("count", "1")];
    let page = list(app, path, &order).expect(200);
    page["Resources"][0].clone()
}

#[test]
fn a_write_leaves_a_commit_with_who_why_before_and_after() {
    let app = TestApp::start();
    app.advance(1);
    let query = "?reason=ticket%20%2342%3A%20gr%C3%BC%C3%9Fe&correlation=corr-7";
    let answer = write(&app, "POST", &format!("/resources/cid/ServiceAccount{query}"), &json!({"userName": "a"}));
    assert_eq!(answer.header("x-request-id"), "req-1.A_b");
    let id = answer.expect(201)["id"].clone();
    let commit = newest(&app, "/audit/commits");
    insta::assert_json_snapshot!(commit, {
        ".by" => "[id]", ".actor.identifier" => "[id]", ".id" => "[id]", ".changes[].id" => "[id]", ".changes[].after.id" => "[id]",
        ".sequence" => "[number]", ".sealed" => "[flag]",
    }, @r##"
    {
      "by": "[id]",
      "actor": {
        "identifier": "[id]",
        "displayName": "first",
        "type": "apiToken"
      },
      "createdAt": "2027-01-15T10:00:01.000Z",
      "reason": "ticket #42: grüße",
      "correlation": "corr-7",
      "requestId": "req-1.A_b",
      "changes": [
        {
          "resourceType": "ServiceAccount",
          "id": "[id]",
          "before": null,
          "after": {
            "id": "[id]",
            "userName": "a",
            "displayName": "a",
            "active": false,
            "attributes": {},
            "revision": 1
          }
        }
      ],
      "sequence": "[number]",
      "sealed": "[flag]",
      "meta": {
        "resourceType": "Commit",
        "created": "2027-01-15T10:00:01.000Z",
        "revision": 1
      },
      "id": "[id]"
    }
    "##);
    let token = &list(&app, "/auth/api-tokens", &[]).expect(200)["Resources"][0]["id"];
    assert_eq!((&commit["by"], &commit["changes"][0]["id"]), (token, &id));
    let read = app.admin("GET", &format!("/audit/commits/{}", text(&commit, "id")), &Value::Null).expect(200);
    assert_eq!(read["changes"], commit["changes"]);

    app.advance(1);
    let patch = json!({"Operations": [{"op": "replace", "path": "active", "value": true}]});
    write(&app, "PATCH", &path_of("ServiceAccount", &id), &patch).expect(200);
    let commit = newest(&app, "/audit/commits");
    assert_eq!((&commit["reason"], &commit["correlation"]), (&Value::Null, &Value::Null));
    let change = &commit["changes"][0];
    assert_eq!((&change["before"]["active"], &change["after"]["active"]), (&json!(false), &json!(true)));
    assert_eq!((&change["before"]["revision"], &change["after"]["revision"]), (&json!(1), &json!(2)));
    app.advance(1);
    write(&app, "DELETE", &path_of("ServiceAccount", &id), &Value::Null).expect(204);
    let change = &newest(&app, "/audit/commits")["changes"][0];
    assert_eq!((&change["before"]["revision"], &change["after"]), (&json!(2), &Value::Null));
}

#[test]
fn every_kind_of_write_leaves_one_commit_and_one_event() {
    let app = TestApp::start();
    let howto = app.howto();
    let secrets = format!("/resources/cid/MachineToMachine/{}/secrets", howto.client);
    let secret = text(&app.admin("GET", &secrets, &Value::Null).expect(200)["Resources"][0], "id").to_owned();
    let token = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "t", "role": "reader"})).expect(201);
    let token = format!("/auth/api-tokens/{}", text(&token, "id"));
    let patch = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    let mut body = app.admin("GET", &path_of("Grant", &json!(howto.grant)), &Value::Null).expect(200);
    body["scopes"] = json!(["read"]);
    let api_tokens = json!({"displayName": "u", "role": "reader"});
    let writes: Vec<(&str, String, Value, &str)> = vec![
        ("POST", "/resources/cid/ServiceAccount".to_owned(), json!({"userName": "a"}), "ServiceAccount.Created"),
        ("PATCH", path_of("Api", &json!(howto.api)), patch.clone(), "Api.Changed"),
        ("PUT", path_of("Grant", &json!(howto.grant)), body, "Grant.Changed"),
        ("POST", secrets.clone(), json!({}), "Credential.Created"),
        ("DELETE", format!("{secrets}/{secret}"), Value::Null, "Credential.Deleted"),
        ("POST", "/auth/api-tokens".to_owned(), api_tokens, "ApiToken.Created"),
        ("PATCH", token.clone(), patch.clone(), "ApiToken.Changed"),
        ("DELETE", token, Value::Null, "ApiToken.Deleted"),
        ("DELETE", path_of("MachineToMachine", &json!(howto.client)), Value::Null, "MachineToMachine.Deleted"),
    ];
    let total = |path: &str| list(&app, path, &[BY_PEOPLE]).expect(200)["totalResults"].as_i64().unwrap();
    for (method, path, body, event) in writes {
        let before = (total("/audit/commits"), total("/event-logs"));
        app.advance(1);
        let answer = write(&app, method, &format!("{path}?reason=why"), &body);
        assert!(answer.status < 300, "{method} {path}: {}", answer.text);
        assert_eq!((total("/audit/commits"), total("/event-logs")), (before.0 + 1, before.1 + 1), "{method} {path}");
        let commit = newest(&app, "/audit/commits");
        assert_eq!((text(&commit, "reason"), text(&commit, "requestId")), ("why", "req-1.A_b"));
        assert_eq!(newest(&app, "/event-logs")["type"], event, "{method} {path}");
        let refused = write(&app, method, &format!("{path}?reason=%00"), &body);
        assert_eq!(refused.status, 400, "{method} {path}");
        assert_eq!(validation(&refused.json()), ["/reason: must not contain control characters"]);
        assert_eq!(total("/audit/commits"), before.0 + 1, "a refused write leaves nothing");
    }
    let long = format!("/resources/cid/ServiceAccount?correlation={}", "x".repeat(201));
    let error = write(&app, "POST", &long, &json!({"userName": "b"})).expect(400);
    assert_eq!(validation(&error), ["/correlation: must have at most 200 characters"]);
}

#[test]
fn an_event_has_the_shape_that_clients_know() {
    let app = TestApp::start();
    app.advance(1);
    write(&app, "POST", "/resources/cid/ServiceAccount", &json!({"userName": "a"})).expect(201);
    let event = newest(&app, "/event-logs");
    insta::assert_json_snapshot!(event, {".id" => "[id]", ".actor.identifier" => "[id]"}, @r#"
    {
      "id": "[id]",
      "createdAt": "2027-01-15T10:00:01.000Z",
      "type": "ServiceAccount.Created",
      "displayName": "Created ServiceAccount a",
      "severity": "info",
      "requestId": "req-1.A_b",
      "result": {
        "status": "success"
      },
      "actor": {
        "identifier": "[id]",
        "displayName": "first",
        "type": "apiToken"
      },
      "client": {
        "ip": "127.0.0.1",
        "ips": [
          "127.0.0.1"
        ],
        "userAgent": {
          "raw": "tests/1.0 (x)"
        }
      }
    }
    "#);
    let read = app.admin("GET", &format!("/event-logs/{}", text(&event, "id")), &Value::Null).expect(200);
    assert_eq!(read, event);
}

#[test]
fn the_trail_can_be_searched() {
    let app = TestApp::start();
    let howto = app.howto();
    write(&app, "POST", "/resources/cid/ServiceAccount?reason=Audit%20me&correlation=c1", &json!({"userName": "a"}))
        .expect(201);
    for (path, filter, wanted) in [
        ("/audit/commits", "reason eq \"audit ME\"".to_owned(), 1),
        ("/audit/commits", "correlation eq \"c1\"".to_owned(), 1),
        ("/audit/commits", "requestId eq \"req-1.A_b\"".to_owned(), 1),
        ("/audit/commits", format!("changes.id eq \"{}\"", howto.account), 1),
        ("/audit/commits", format!("changes[resourceType eq \"Grant\" and id eq \"{}\"]", howto.grant), 1),
        ("/audit/commits", format!("changes[resourceType eq \"Api\" and id eq \"{}\"]", howto.grant), 0),
        ("/event-logs", "type eq \"Grant.Created\"".to_owned(), 1),
        ("/event-logs", "actor.type eq \"apiToken\" and client.ip eq \"127.0.0.1\"".to_owned(), 5),
        ("/event-logs", "displayName co \"periodicCLEANUP\"".to_owned(), 1),
        ("/event-logs", "createdAt gt \"2027-01-15T10:00:00Z\"".to_owned(), 0),
    ] {
        let page = list(&app, path, &[("filter", &filter)]).expect(200);
        assert_eq!(page["totalResults"], wanted, "{path} {filter}");
    }
}

#[test]
fn a_request_id_is_passed_through_only_when_it_is_fit_to_be_logged() {
    let app = TestApp::start();
    let answered = |sent: &str| {
        let answer = app.send("GET", "/api/v1/health/alive", &[("x-request-id", sent)], b"");
        answer.header("x-request-id").to_owned()
    };
    for fit in ["a", "0af7651916cd43dd8448eb211c80319c", "A.b-c_D"] {
        assert_eq!(answered(fit), fit);
    }
    for unfit in ["two words", "a;b", "<script>", "{\"a\":1}", &"x".repeat(65)] {
        let id = answered(unfit);
        assert!(id.len() == 22 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{unfit}: {id}");
    }
    assert_eq!(app.send("GET", "/api/v1/health/alive", &[], b"").header("x-request-id").len(), 22);
}

/// Commits of large writes: a page of many of them would be a gigabyte in memory.
#[test]
fn a_page_with_too_many_bytes_says_to_ask_for_fewer() {
    // What the server does on its own comes before them, and not among the newest.
    let app = with_next_keys(TestApp::start());
    let database = rusqlite::Connection::open(app.database()).unwrap();
    let large = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5) INSERT INTO audit_commit \
        SELECT NULL, printf('zz%020d', i), at_ms, actor_id, actor_name, actor_type, reason, correlation, 'large', \
        json_array(json_object('id', 'w', 'resourceType', 'Api', 'after', printf('%.10000000c', 'x')), \
        json_object('id', 'x', 'resourceType', 'Api', 'after', json_object('displayName', 'Last'))), guard \
        FROM n, (SELECT * FROM audit_commit LIMIT 1)";
    assert_eq!(database.execute(large, []).unwrap(), 5);
    let large = [("filter", "requestId eq \"large\""), ("attributes", "id")];
    let page = |count| list(&app, "/audit/commits", &[large[0], large[1], ("count", count)]);
    assert_eq!(
        validation(&page("1000").expect(400)),
        ["/count: this page has more than 32 MiB: ask for fewer items with count"]
    );
    assert_eq!(page("3").expect(200)["totalResults"], 5);
    // The console tells of each in a line, however large they are.
    let person = Person::signed_in(&app);
    for path in ["/console", "/console/audit"] {
        let shown = person.get(path);
        assert_eq!((shown.status, shown.text.matches("Created API Last and 1 more").count()), (200, 5), "{path}");
    }
}

/// To the millisecond, on both sides of it.
#[test]
fn the_trail_is_filtered_by_time() {
    let app = TestApp::start();
    for name in ["before", "at", "after"] {
        app.advance(1);
        write(&app, "POST", &format!("/resources/cid/ServiceAccount?reason={name}"), &json!({"userName": name}))
            .expect(201);
    }
    let commits = list(&app, "/audit/commits", &[("filter", "reason eq \"at\"")]).expect(200);
    let at = text(&commits["Resources"][0], "createdAt");
    for (op, expected) in [
        ("lt", vec!["before"]),
        ("le", vec!["before", "at"]),
        ("eq", vec!["at"]),
        ("ne", vec!["before", "after"]),
        ("ge", vec!["at", "after"]),
        ("gt", vec!["after"]),
    ] {
        let filter = format!("reason in [\"before\", \"at\", \"after\"] and createdAt {op} \"{at}\"");
        let found = list(&app, "/audit/commits", &[("filter", &filter), ("sortBy", "createdAt")]).expect(200);
        let reasons: Vec<&str> = found["Resources"].as_array().unwrap().iter().map(|one| text(one, "reason")).collect();
        assert_eq!(reasons, expected, "commits: {op}");
        let filter = format!("type eq \"ServiceAccount.Created\" and createdAt {op} \"{at}\"");
        let found = list(&app, "/event-logs", &[("filter", &filter), ("sortBy", "createdAt")]).expect(200);
        let names = found["Resources"].as_array().unwrap().iter().map(|one| text(one, "displayName"));
        let names: Vec<&str> = names.filter_map(|name| name.strip_prefix("Created ServiceAccount ")).collect();
        assert_eq!(names, expected, "events: {op}");
    }
    let not_a_time = list(&app, "/audit/commits", &[("filter", "createdAt gt 5")]).expect(400);
    assert!(not_a_time.to_string().contains("date-time in quotes"), "{not_a_time}");
}
