//! Bodies that do not fit: each is refused with words that help, and changes nothing.

use serde_json::{Value, json};

use super::{TYPES, body_of, howto_with_module, list, text, validation};
use crate::app::{Answer, TestApp};

fn post(app: &TestApp, kind: &str, body: &[u8]) -> Answer {
    let bearer = format!("Bearer {}", app.admin_token);
    app.send("POST", &format!("/api/v1/resources/cid/{kind}"), &[("authorization", &bearer)], body)
}

#[test]
fn a_body_that_is_no_object_of_json_is_refused() {
    let app = TestApp::start();
    let deep =
        |open: &str, close: &str| [open.repeat(10_000), "1".to_owned(), close.repeat(10_000)].concat().into_bytes();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"userName=a&active=true".to_vec(), "the body is not JSON"),
        (b"{\"userName\": \"a\"".to_vec(), "EOF while parsing an object at line 1"),
        (b"{\"userName\": \"a\"} x".to_vec(), "trailing characters at line 1 column 19"),
        (b"{\"userName\": \"a\", \"userName\": \"b\"}".to_vec(), "the member \"userName\" stands twice"),
        (b"{\"attributes\": {\"a\": 1, \"a\": 2}}".to_vec(), "the member \"a\" stands twice"),
        (b"{\"userName\": \"\xff\"}".to_vec(), "not JSON"),
        (b"{\"userName\": \"\\ud800\"}".to_vec(), "not JSON"),
        (b"{\"userName\": \"a\nb\"}".to_vec(), "not JSON"),
        (b"{\"attributes\": {\"n\": 1e999}}".to_vec(), "number out of range"),
        (b"{\"attributes\": {\"n\": NaN}}".to_vec(), "not JSON"),
        (b"\0".to_vec(), "not JSON"),
        (deep("[", "]"), "nested more than 32 deep"),
        (deep("{\"a\":", "}"), "nested more than 32 deep"),
    ];
    for (body, wanted) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = post(&app, "ServiceAccount", &body);
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text);
        assert!(text(&answer.json(), "detail").contains(wanted), "{shown}: {}", answer.text);
    }
    for body in ["", "null", "[]", "[{\"userName\":\"a\"}]", "\"a\"", "5", "true"] {
        let error = post(&app, "ServiceAccount", body.as_bytes()).expect(400);
        assert_eq!(validation(&error), [": the body must be a JSON object"], "{body}");
    }
    assert_eq!(list(&app, "/resources/cid/ServiceAccount", &[]).expect(200)["totalResults"], 0);
}

#[test]
fn a_body_is_one_mebibyte_at_most() {
    let app = TestApp::start();
    let padded = |bytes: usize| {
        let body = b"{\"userName\": \"a\"}";
        [vec![b' '; bytes - body.len()], body.to_vec()].concat()
    };
    let answer = post(&app, "ServiceAccount", &padded(1024 * 1024 + 1));
    let error = answer.expect(413);
    assert_eq!((text(&error, "status"), &error["code"]), ("413", &json!(413)));
    post(&app, "ServiceAccount", &padded(1024 * 1024)).expect(201);
}

#[test]
fn wrong_types_are_named_member_by_member() {
    let app = TestApp::start();
    let howto = app.howto();
    for (kind, body, wanted) in [
        (
            "ServiceAccount",
            json!({"userName": 5, "displayName": [], "active": "true", "attributes": "x"}),
            vec![
                "/userName: must be a string",
                "/displayName: must be a string",
                "/active: must be true or false",
                "/attributes: must be an object",
            ],
        ),
        (
            "ServiceAccount",
            json!({"username": "a"}),
            vec!["/userName: this member is required", "/username: there is no such member; did you mean userName?"],
        ),
        ("ServiceAccount", json!({"userName": " a"}), vec!["/userName: must not begin or end with a blank"]),
        ("ServiceAccount", json!({"userName": "a\u{0}b"}), vec!["/userName: must not contain control characters"]),
        (
            "ServiceAccount",
            json!({"userName": "", "displayName": " "}),
            vec!["/userName: must not be empty", "/displayName: must not be empty"],
        ),
        ("ServiceAccount", json!({"userName": "x".repeat(201)}), vec!["/userName: must have at most 200 characters"]),
        (
            "ServiceAccount",
            json!({"userName": "a", "attributes": {"x": "y".repeat(17_000)}}),
            vec!["/attributes: must be at most 16384 bytes of JSON"],
        ),
        (
            "MachineToMachine",
            json!({}),
            vec!["/displayName: this member is required", "/serviceAccountId: this member is required"],
        ),
        (
            "MachineToMachine",
            json!({"displayName": "c", "serviceAccountId": howto.account, "clientId": "two words"}),
            vec!["/clientId: must be printable ASCII without blanks"],
        ),
        (
            "MachineToMachine",
            json!({"displayName": "c", "serviceAccountId": howto.account, "allowedAuthMethods": ["none", "none"]}),
            vec![
                "/allowedAuthMethods/0: must be client_secret_basic or client_secret_post",
                "/allowedAuthMethods/1: must be client_secret_basic or client_secret_post",
            ],
        ),
        (
            "Api",
            json!({"appId": "p", "scopes": [{"identifier": "a b"}, {"identifier": "r"}, {"identifier": "r"}, 5, {"identifer": "x"}]}),
            vec![
                "/scopes/0/identifier: ",
                "/scopes/2/identifier: this scope stands here twice",
                "/scopes/3: must be an object",
                "/scopes/4/identifier: this member is required",
                "/scopes/4/identifer: there is no such member; did you mean identifier?",
            ],
        ),
        (
            "Api",
            json!({"appId": "p", "signingAlg": "HS256", "tokenLifetimeSeconds": 59, "tokenFormat": "paseto"}),
            vec![
                "/tokenFormat: must be one of jwt",
                "/signingAlg: must be one of RS256, ES256, EdDSA",
                "/tokenLifetimeSeconds: must be from 60 to 86400",
            ],
        ),
        (
            "Api",
            json!({"appId": "p", "tokenLifetimeSeconds": 60.5}),
            vec!["/tokenLifetimeSeconds: must be a whole number"],
        ),
        ("Api", json!({"appId": "p", "audience": "no uri"}), vec!["/audience: "]),
        ("Api", json!({"appId": "p", "audience": "https://a.example/#x"}), vec!["/audience: must not have a fragment"]),
        (
            "Api",
            json!({"appId": "p", "claims": {"sub": {"value": 1}, "a/b": 5}}),
            vec!["/claims/sub: grantd writes this claim itself", "/claims/a~1b: must be {\"value\""],
        ),
        (
            "Grant",
            json!({"scopes": []}),
            vec![
                "/serviceAccountId: this member is required",
                "/apiId: this member is required",
                "/scopes: name at least one scope",
            ],
        ),
        (
            "Grant",
            json!({"serviceAccountId": howto.account, "apiId": howto.api, "scopes": "write"}),
            vec!["/scopes: must be an array"],
        ),
        (
            "Grant",
            json!({"serviceAccountId": howto.account, "apiId": howto.api, "scopes": ["write"], "notBefore": "2027-02-01T00:00:00Z", "expiresAt": "2027-01-01T00:00:00Z"}),
            vec!["/expiresAt: must be later than notBefore"],
        ),
        (
            "Grant",
            json!({"serviceAccountId": howto.account, "apiId": howto.api, "scopes": ["write"], "expiresAt": 1_800_000_000}),
            vec!["/expiresAt: must be a date-time in a string"],
        ),
    ] {
        let error = post(&app, kind, body.to_string().as_bytes()).expect(400);
        let lines = validation(&error);
        assert_eq!(lines.len(), wanted.len(), "{kind} {body}: {lines:#?}");
        for wanted in wanted {
            assert!(lines.iter().any(|line| line.starts_with(wanted)), "{kind} {body}: {wanted} in {lines:#?}");
        }
    }
}

#[test]
fn a_value_that_does_not_fit_is_shown_where_it_stood() {
    let app = TestApp::start();
    let error = post(&app, "ServiceAccount", br#"{"userName": 5}"#).expect(400);
    insta::assert_json_snapshot!(error, @r#"
    {
      "schemas": [
        "urn:ietf:params:scim:api:messages:2.0:Error"
      ],
      "status": "400",
      "code": 400,
      "message": "a member of the request does not fit",
      "detail": "/userName: must be a string",
      "type": "invalidValue",
      "validation": [
        {
          "propertyPath": "/userName",
          "invalidValue": 5,
          "message": "must be a string"
        }
      ]
    }
    "#);
}

#[test]
fn references_take_an_id_or_a_unique_name_and_nothing_else() {
    let app = TestApp::start();
    let howto = app.howto();
    for (account, api) in [
        (howto.account.as_str(), howto.api.as_str()),
        ("periodicCleanup", "myrestapi"),
        ("PERIODICcleanup", "myrestapi"),
    ] {
        let grant = app.create("Grant", &json!({"serviceAccountId": account, "apiId": api, "scopes": ["read"]}));
        assert_eq!(
            (text(&grant, "serviceAccountId"), text(&grant, "apiId")),
            (howto.account.as_str(), howto.api.as_str())
        );
    }
    let unknown = json!({"serviceAccountId": "nobody", "apiId": "MyRestApi", "scopes": ["read"]});
    let error = post(&app, "Grant", unknown.to_string().as_bytes()).expect(400);
    assert_eq!(
        validation(&error),
        [
            "/serviceAccountId: there is no ServiceAccount with this id or userName",
            "/apiId: there is no Api with this id or appId",
        ]
    );
    let unknown = json!({"displayName": "c", "serviceAccountId": howto.api});
    let error = post(&app, "MachineToMachine", unknown.to_string().as_bytes()).expect(400);
    assert_eq!(error["validation"][0]["invalidValue"], howto.api.as_str());
    let unknown = json!({"serviceAccountId": howto.account, "apiId": howto.api, "scopes": ["write", "raed", "x"]});
    let error = post(&app, "Grant", unknown.to_string().as_bytes()).expect(400);
    assert_eq!(
        validation(&error),
        [
            "/scopes/1: the API myrestapi does not define this scope; did you mean read?",
            "/scopes/2: the API myrestapi does not define this scope",
        ]
    );
}

#[test]
fn an_account_that_is_named_like_an_id_does_not_take_its_place() {
    let app = TestApp::start();
    let howto = app.howto();
    let impostor = app.create("ServiceAccount", &json!({"userName": howto.account, "active": true}));
    let client = app.create("MachineToMachine", &json!({"displayName": "c", "serviceAccountId": howto.account}));
    assert_eq!(client["serviceAccountId"], howto.account.as_str());
    assert_ne!(client["serviceAccountId"], impostor["id"]);
}

#[test]
fn taken_names_are_told_with_their_member() {
    let app = TestApp::start();
    let howto = app.howto();
    app.create("Api", &json!({"appId": "p", "audience": "https://p.example"}));
    for (kind, body, member) in [
        ("ServiceAccount", json!({"userName": "periodicCleanup"}), "userName"),
        ("ServiceAccount", json!({"userName": "PERIODICCLEANUP"}), "userName"),
        (
            "MachineToMachine",
            json!({"displayName": "c", "serviceAccountId": howto.account, "clientId": howto.client_id}),
            "clientId",
        ),
        ("Api", json!({"appId": "myrestapi"}), "appId"),
        ("Api", json!({"appId": "grantd"}), "appId"),
        ("Api", json!({"appId": "q", "audience": "https://p.example"}), "audience"),
        // Nor may one API be called what another's tokens say: it would make tokens for it.
        ("Api", json!({"appId": "https://p.example"}), "appId"),
        ("Api", json!({"appId": "https://p.example", "audience": "https://other.example"}), "appId"),
    ] {
        let error = post(&app, kind, body.to_string().as_bytes()).expect(409);
        assert_eq!((text(&error, "status"), &error["code"], text(&error, "type")), ("409", &json!(409), "uniqueness"));
        let violation = &error["validation"][0];
        assert_eq!(
            (text(violation, "propertyPath"), &violation["invalidValue"]),
            (format!("/{member}").as_str(), &body[member])
        );
    }
    // The same through PUT and PATCH.
    let other = app.create("ServiceAccount", &json!({"userName": "other"}));
    let path = super::path_of("ServiceAccount", &other["id"]);
    let patch = json!({"Operations": [{"op": "replace", "path": "userName", "value": "periodiccleanup"}]});
    let error = app.admin("PATCH", &path, &patch).expect(409);
    assert_eq!(error["validation"][0]["invalidValue"], "periodiccleanup");
    app.admin("PUT", &path, &json!({"userName": "periodicCleanup"})).expect(409);
    // Another spelling of its own name is its own.
    app.admin("PUT", &path, &json!({"userName": "OTHER"})).expect(200);
    let api = app.create("Api", &json!({"appId": "urn:one", "audience": "urn:one"}));
    let path = super::path_of("Api", &api["id"]);
    app.create("Api", &json!({"appId": "urn:two"}));
    for (member, value, status) in [
        ("audience", "urn:two", 409),
        ("appId", "https://p.example", 409),
        ("audience", "urn:three", 200),
        ("appId", "urn:four", 200),
    ] {
        let patch = json!({"Operations": [{"op": "replace", "path": member, "value": value}]});
        let answer = app.admin("PATCH", &path, &patch).expect(status);
        if status == 409 {
            assert_eq!(answer["validation"][0]["propertyPath"], format!("/{member}"));
        }
    }
    app.create("Api", &json!({"appId": "urn:one"}));
}

#[test]
fn an_id_in_a_new_body_is_not_obeyed() {
    let app = TestApp::start();
    let howto = howto_with_module(&app);
    for (kind, _) in TYPES {
        let mut body = body_of(kind, &howto);
        body["id"] = json!("0000000000000000000000");
        assert_ne!(app.create(kind, &body)["id"], "0000000000000000000000");
    }
    assert_eq!(app.admin("GET", "/resources/cid/Api/0000000000000000000000", &Value::Null).status, 404);
}
