//! Service accounts through SCIM 2.0: the same accounts, under SCIM's names and with its refusals.

use serde_json::{Value, json};

use crate::app::{Answer, TestApp, texts};

const ACCOUNT: &str = "urn:ietf:params:scim:schemas:grantd:1.0:ServiceAccount";
const CUSTOM: &str = "urn:ietf:params:scim:schemas:extension:grantd:1.0:Attributes";

fn scim_with(app: &TestApp, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let bearer = format!("Bearer {}", app.admin_token);
    let mut all = vec![("authorization", bearer.as_str()), ("content-type", "application/scim+json")];
    all.extend(headers);
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    app.send(method, &format!("/scim/v2{path}"), &all, &bytes)
}

fn scim(app: &TestApp, method: &str, path: &str, body: &Value) -> Answer {
    scim_with(app, method, path, &[], body)
}

fn made(app: &TestApp, body: &Value) -> Value {
    scim(app, "POST", "/ServiceAccounts", body).expect(201)
}

fn one(account: &Value) -> String {
    format!("/ServiceAccounts/{}", account["id"].as_str().unwrap())
}

fn patched(app: &TestApp, account: &Value, operations: &Value) -> Answer {
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    scim(app, "PATCH", &one(account), &body)
}

/// The commits about one account.
fn commits(app: &TestApp, id: &str) -> Vec<Value> {
    let all = app.admin("GET", "/audit/commits?count=1000", &Value::Null).expect(200);
    let about = |commit: &&Value| commit["changes"].as_array().unwrap().iter().any(|change| change["id"] == id);
    all["Resources"].as_array().unwrap().iter().filter(about).cloned().collect()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, scim_type: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/scim+json");
    let body = answer.json();
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(body["status"], status.to_string());
    assert_eq!(body["scimType"].as_str().unwrap_or_default(), scim_type, "{body}");
    body["detail"].as_str().unwrap().to_owned()
}

#[test]
fn an_account_lives_its_life_and_is_the_admin_apis_own() {
    let app = TestApp::start();
    let body = json!({
        "schemas": [ACCOUNT, CUSTOM], "externalId": "hr-4711", "userName": "cleaner", "displayName": "Cleaner",
        "active": true, CUSTOM: {"team": "ops", "level": 3},
    });
    let answer = scim(&app, "POST", "/ServiceAccounts", &body);
    assert_eq!((answer.header("content-type"), answer.header("etag")), ("application/scim+json", "W/\"1\""));
    let (location, account) = (answer.header("location").to_owned(), answer.expect(201));
    let id = account["id"].as_str().unwrap();
    assert_eq!(location, format!("{}/scim/v2/ServiceAccounts/{id}", app.url));
    assert_eq!(
        account,
        json!({
            "schemas": [ACCOUNT, CUSTOM], "id": id, "externalId": "hr-4711", "userName": "cleaner",
            "displayName": "Cleaner", "active": true, CUSTOM: {"team": "ops", "level": 3},
            "meta": {
                "resourceType": "ServiceAccount", "created": "2027-01-15T10:00:00.000Z",
                "lastModified": "2027-01-15T10:00:00.000Z", "location": location, "version": "W/\"1\"",
            },
        })
    );
    let admin = format!("/resources/cid/ServiceAccount/{id}");
    let attributes = json!({"team": "ops", "level": 3, "externalId": "hr-4711"});
    assert_eq!(app.admin("GET", &admin, &Value::Null).expect(200)["attributes"], attributes);
    assert!(commits(&app, id).iter().any(|commit| commit["changes"][0]["after"]["userName"] == "cleaner"));

    // A PUT replaces all of it; what only the server writes is ignored.
    let mut next = account.clone();
    next["displayName"] = json!("Sweeper");
    next.as_object_mut().unwrap().remove(CUSTOM);
    next["meta"] = json!({"version": "W/\"77\""});
    let path = format!("{}?reason=rename", one(&account));
    let replaced = scim(&app, "PUT", &path, &next).expect(200);
    assert_eq!((&replaced["displayName"], &replaced["schemas"]), (&json!("Sweeper"), &json!([ACCOUNT])));
    assert_eq!((&replaced["externalId"], &replaced["meta"]["version"]), (&json!("hr-4711"), &json!("W/\"2\"")));
    assert!(commits(&app, id).iter().any(|commit| commit["reason"] == "rename"));
    // The same again changes nothing.
    assert_eq!(scim(&app, "PUT", &path, &next).expect(200)["meta"]["version"], "W/\"2\"");
    assert_eq!(commits(&app, id).len(), 2);

    scim(&app, "DELETE", &one(&account), &Value::Null).expect(204);
    let detail = refused(&scim(&app, "GET", &one(&account), &Value::Null), 404, "");
    assert!(detail.contains(id), "{detail}");
}

#[test]
fn names_are_read_in_any_case_and_those_of_the_schema_too() {
    let app = TestApp::start();
    let body = json!({
        "USERNAME": "a", format!("{ACCOUNT}:displayName"): "A", CUSTOM.to_uppercase(): {"x": 1}, "EXTERNALID": "e",
    });
    let account = made(&app, &body);
    assert_eq!((&account["userName"], &account["displayName"]), (&json!("a"), &json!("A")));
    assert_eq!((&account[CUSTOM]["x"], &account["externalId"]), (&json!(1), &json!("e")));
    let twice = json!({"userName": "b", "username": "c"});
    refused(&scim(&app, "POST", "/ServiceAccounts", &twice), 400, "invalidSyntax");
}

#[test]
fn patches_reach_core_and_custom_attributes() {
    let app = TestApp::start();
    let account = made(&app, &json!({"userName": "a", "externalId": "e", CUSTOM: {"team": "ops", "tags": ["x"]}}));
    let custom = |operation: Value| patched(&app, &account, &json!([operation])).expect(200)[CUSTOM].clone();
    let at = |name: &str| format!("{CUSTOM}:{name}");
    assert_eq!(
        custom(json!({"op": "Replace", "path": at("team"), "value": "pay"})),
        json!({"team": "pay", "tags": ["x"]})
    );
    assert_eq!(custom(json!({"op": "add", "path": at("tags"), "value": ["y"]}))["tags"], json!(["x", "y"]));
    assert_eq!(
        custom(json!({"op": "remove", "path": format!("{}[value eq \"x\"]", at("tags"))}))["tags"],
        json!(["y"])
    );
    assert_eq!(custom(json!({"op": "add", "path": at("a.b"), "value": 1}))["a"], json!({"b": 1}));
    let all = custom(
        json!({"op": "add", "value": {CUSTOM: {"z": 1}, "displayName": "Z", format!("{ACCOUNT}:active"): true}}),
    );
    assert_eq!(all, json!({"team": "pay", "tags": ["y"], "a": {"b": 1}, "z": 1}));
    let after = scim(&app, "GET", &one(&account), &Value::Null).expect(200);
    assert_eq!((&after["displayName"], &after["active"]), (&json!("Z"), &json!(true)));
    // What a replace of the whole does not name stays (RFC 7644 3.5.2.3).
    let some = json!({"team": "ops", "a": {"c": 2}});
    for replace in [
        json!({"op": "replace", "value": {CUSTOM: some}}),
        json!({"op": "replace", "path": CUSTOM, "value": {"tags": ["z"]}}),
    ] {
        let all = custom(replace);
        assert_eq!((&all["team"], &all["a"], &all["z"]), (&json!("ops"), &json!({"b": 1, "c": 2}), &json!(1)));
    }
    // Taking the extension away leaves the provisioner's own identifier.
    let bare = patched(&app, &account, &json!([{"op": "remove", "path": CUSTOM}])).expect(200);
    assert_eq!((&bare[CUSTOM], &bare["externalId"], &bare["schemas"]), (&Value::Null, &json!("e"), &json!([ACCOUNT])));
    let bare = patched(&app, &account, &json!([{"op": "remove", "path": "externalId"}])).expect(200);
    assert_eq!(bare["externalId"], Value::Null);
    let named = patched(&app, &account, &json!([{"op": "add", "path": "externalId", "value": "f"}])).expect(200);
    assert_eq!(named["externalId"], "f");
}

#[test]
fn provisioners_may_write_booleans_as_texts() {
    let app = TestApp::start();
    let account = made(&app, &json!({"schemas": [ACCOUNT], "userName": "a", "active": "True"}));
    assert_eq!(account["active"], true);
    let off = patched(&app, &account, &json!([{"op": "Replace", "path": "active", "value": "False"}])).expect(200);
    assert_eq!(off["active"], false);
    let on = patched(&app, &account, &json!([{"op": "replace", "value": {"active": "true"}}])).expect(200);
    assert_eq!(on["active"], true);
    refused(
        &patched(&app, &account, &json!([{"op": "replace", "path": "active", "value": "yes"}])),
        400,
        "invalidValue",
    );
}

#[test]
fn patches_that_do_not_fit_say_why_in_scims_words() {
    let app = TestApp::start();
    let account = made(&app, &json!({"userName": "a"}));
    for (operation, scim_type) in [
        (json!({"op": "remove", "path": "displayName"}), "mutability"),
        (json!({"op": "remove", "path": format!("{ACCOUNT}:active")}), "mutability"),
        (json!({"op": "remove", "path": format!("{CUSTOM}:none")}), "noTarget"),
        (json!({"op": "replace", "path": "tags[value eq 1]", "value": 1}), "noTarget"),
        (json!({"op": "replace", "path": "userName[", "value": "b"}), "invalidPath"),
        (json!({"op": "replace", "path": "userName"}), "invalidValue"),
        (json!({"op": "replace", "path": "userName", "value": 5}), "invalidValue"),
        (json!({"op": "replace", "path": "nickName", "value": "b"}), "invalidValue"),
        (json!({"op": "replace", "path": "externalId", "value": {}}), "invalidValue"),
        (json!({"op": "replace", "path": "id", "value": "b"}), "invalidValue"),
        (json!({"op": "copy", "path": "userName"}), "invalidSyntax"),
        (json!("replace"), "invalidSyntax"),
    ] {
        refused(&patched(&app, &account, &json!([operation])), 400, scim_type);
    }
    // An operation without a path counts as one, however many attributes it names.
    let many = json!({"op": "replace", "value": {"userName": "b", "displayName": "B", "active": false}});
    for (bad, told) in [
        (json!({"op": "remove", "path": "displayName"}), "/Operations/1/path"),
        (json!({"op": "replace", "path": "userName[", "value": "b"}), "/Operations/1/path"),
        (json!({"op": "replace", "path": "userName"}), "/Operations/1/value"),
        (json!({"op": "remove", "path": format!("{CUSTOM}:none")}), "/Operations/1/path"),
        (json!("replace"), "/Operations/1: "),
    ] {
        let answer = patched(&app, &account, &json!([many, bad]));
        assert!(answer.status == 400 && answer.text.contains(told), "{told}: {}", answer.text);
    }
    for body in [json!(null), json!([]), json!({}), json!({"Operations": {}}), json!({"Operations": []})] {
        refused(&scim(&app, "PATCH", &one(&account), &body), 400, "invalidSyntax");
    }
    assert_eq!(scim(&app, "GET", &one(&account), &Value::Null).expect(200), account, "nothing changed");
}

#[test]
fn versions_guard_writes_and_spare_reads() {
    let app = TestApp::start();
    let account = made(&app, &json!({"userName": "a"}));
    let etag = account["meta"]["version"].as_str().unwrap().to_owned();
    let path = one(&account);
    let known = scim_with(&app, "GET", &path, &[("if-none-match", &format!("W/\"7\", {etag}"))], &Value::Null);
    assert_eq!((known.status, known.text.as_str(), known.header("etag")), (304, "", etag.as_str()));
    let change = json!({"Operations": [{"op": "replace", "path": "displayName", "value": "B"}]});
    scim_with(&app, "PATCH", &path, &[("if-match", &etag)], &change).expect(200);
    assert_eq!(scim_with(&app, "GET", &path, &[("if-none-match", &etag)], &Value::Null).status, 200);
    for (method, body) in [("PATCH", change), ("PUT", json!({"userName": "a"})), ("DELETE", Value::Null)] {
        refused(&scim_with(&app, method, &path, &[("if-match", &etag)], &body), 412, "");
    }
    refused(&scim_with(&app, "DELETE", &path, &[("if-match", "soon")], &Value::Null), 400, "invalidSyntax");
    scim_with(&app, "DELETE", &path, &[("if-match", "W/\"2\"")], &Value::Null).expect(204);
}

#[test]
fn lists_are_filtered_sorted_and_paged_by_query_or_body() {
    let app = TestApp::start();
    for (name, team, level) in [("a", "ops", 1), ("b", "pay", 2), ("c", "ops", 3)] {
        made(
            &app,
            &json!({"userName": name, "externalId": format!("id-{name}"), CUSTOM: {"team": team, "level": level}}),
        );
    }
    let names = |list: &Value| {
        list["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["userName"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    for (filter, expected) in [
        (r#"userName eq "B""#.to_owned(), &["b"][..]),
        (format!(r#"{CUSTOM}:team eq "ops""#), &["a", "c"]),
        (format!(r#"{ACCOUNT}:userName eq "a" or externalId eq "id-c""#), &["a", "c"]),
        (format!(r#"not ({CUSTOM}:team eq "ops") and meta.created pr"#), &["b"]),
        (r#"externalId co "externalId""#.to_owned(), &[]),
    ] {
        let query = format!("/ServiceAccounts?sortBy=userName&filter={}", encode(&filter));
        let list = scim(&app, "GET", &query, &Value::Null).expect(200);
        assert_eq!(names(&list), expected, "{filter}");
        assert_eq!((&list["totalResults"], &list["itemsPerPage"]), (&json!(expected.len()), &json!(expected.len())));
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter, "sortBy": "userName"});
        for path in ["/.search", "/ServiceAccounts/.search"] {
            assert_eq!(scim(&app, "POST", path, &body).expect(200), list, "{path} {filter}");
        }
    }
    let page = json!({"sortBy": format!("{CUSTOM}:level"), "sortOrder": "descending", "startIndex": 2, "count": 2});
    let list = scim(&app, "POST", "/.search", &page).expect(200);
    assert_eq!(names(&list), ["b", "a"]);
    assert_eq!((&list["totalResults"], &list["itemsPerPage"], &list["startIndex"]), (&json!(3), &json!(2), &json!(2)));
    let none = scim(&app, "GET", "/ServiceAccounts?count=0", &Value::Null).expect(200);
    assert_eq!((&none["totalResults"], &none["Resources"]), (&json!(3), &json!([])));
    // More than a page holds is a page, not an error.
    assert_eq!(names(&scim(&app, "GET", "/ServiceAccounts?count=5000", &Value::Null).expect(200)).len(), 3);
    for filter in ["(", "nickName eq 1", "userName like \"a\""] {
        refused(
            &scim(&app, "GET", &format!("/ServiceAccounts?filter={}", encode(filter)), &Value::Null),
            400,
            "invalidFilter",
        );
        refused(&scim(&app, "POST", "/.search", &json!({"filter": filter})), 400, "invalidFilter");
    }
    for body in [json!({"filters": "a"}), json!({"count": "many"}), json!({"attributes": [1]}), json!({"count": 1.5})] {
        refused(&scim(&app, "POST", "/.search", &body), 400, "invalidValue");
    }
}

#[test]
fn answers_hold_the_attributes_that_were_asked_for() {
    let app = TestApp::start();
    let account = made(&app, &json!({"userName": "a", "externalId": "e", CUSTOM: {"team": "ops", "level": 3}}));
    let members = |query: &str| {
        let shown = scim(&app, "GET", &format!("{}?{query}", one(&account)), &Value::Null).expect(200);
        let mut names: Vec<String> = shown.as_object().unwrap().keys().cloned().collect();
        names.sort();
        (names.join(" "), shown)
    };
    assert_eq!(members("attributes=username,meta.version").0, "id meta schemas userName");
    assert_eq!(members(&format!("attributes={ACCOUNT}:active")).0, "active id schemas");
    let (names, shown) = members(&format!("attributes={CUSTOM}:team"));
    assert_eq!((names, &shown[CUSTOM]), (format!("id schemas {CUSTOM}"), &json!({"team": "ops"})));
    let (_, shown) = members(&format!("excludedAttributes=meta,{CUSTOM}:team,schemas,id"));
    assert_eq!((&shown[CUSTOM], &shown["meta"]), (&json!({"level": 3}), &Value::Null));
    assert!(shown["id"].is_string() && shown["schemas"].is_array());
}

#[test]
fn a_server_tells_what_it_is_like() {
    let app = TestApp::start();
    let get = |path: &str| scim(&app, "GET", path, &Value::Null).expect(200);
    let config = get("/ServiceProviderConfig");
    assert_eq!((&config["patch"]["supported"], &config["bulk"]["supported"]), (&json!(true), &json!(false)));
    let types = get("/ResourceTypes");
    assert_eq!(types["Resources"][0], get("/ResourceTypes/ServiceAccount"));
    assert_eq!(types["Resources"][0]["schema"], ACCOUNT);
    let schemas = get("/Schemas");
    for schema in schemas["Resources"].as_array().unwrap() {
        assert_eq!(&get(&format!("/Schemas/{}", schema["id"].as_str().unwrap())), schema);
    }
    // Every attribute of the schema is there, and nothing but those that every resource has.
    let named: Vec<&str> = schemas["Resources"][0]["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    let account = made(&app, &json!({"userName": "a"}));
    let common = ["schemas", "id", "meta"];
    let shown: Vec<&String> =
        account.as_object().unwrap().keys().filter(|name| !common.contains(&name.as_str())).collect();
    assert_eq!(named, shown);
    refused(&scim(&app, "GET", "/Schemas?filter=id%20pr", &Value::Null), 403, "");
    refused(&scim(&app, "GET", "/Schemas/none", &Value::Null), 404, "");
}

#[test]
fn refusals_have_scims_form_and_say_what_to_change() {
    let app = TestApp::start();
    let howto = app.howto();
    let stranger = app.send("GET", "/scim/v2/ServiceAccounts", &[], b"");
    refused(&stranger, 401, "");
    assert!(stranger.header("www-authenticate").starts_with("Bearer"));
    let reader = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "r", "role": "reader"})).expect(201);
    let bearer = format!("Bearer {}", reader["signedToken"].as_str().unwrap());
    let weak = app.send("POST", "/scim/v2/ServiceAccounts", &[("authorization", &bearer)], br#"{"userName":"x"}"#);
    assert!(refused(&weak, 403, "").contains("role editor"));
    assert_eq!(app.send("POST", "/scim/v2/.search", &[("authorization", &bearer)], b"{}").status, 200);

    let taken =
        refused(&scim(&app, "POST", "/ServiceAccounts", &json!({"userName": "PERIODICcleanup"})), 409, "uniqueness");
    assert!(taken.contains("/userName"), "{taken}");
    let used = refused(&scim(&app, "DELETE", &format!("/ServiceAccounts/{}", howto.account), &Value::Null), 409, "");
    assert!(used.contains("cascade=true"), "{used}");
    refused(&scim(&app, "POST", "/ServiceAccounts", &json!({"displayName": "x"})), 400, "invalidValue");
    let unknown =
        refused(&scim(&app, "POST", "/ServiceAccounts", &json!({"userName": "x", "activ": true})), 400, "invalidValue");
    assert!(unknown.contains("did you mean active?"), "{unknown}");
    refused(&scim(&app, "POST", "/ServiceAccounts", &json!([])), 400, "invalidValue");
    let bearer = format!("Bearer {}", app.admin_token);
    refused(&app.send("POST", "/scim/v2/ServiceAccounts", &[("authorization", &bearer)], b"{"), 400, "invalidSyntax");
    let huge = vec![b' '; 2 << 20];
    refused(&app.send("POST", "/scim/v2/ServiceAccounts", &[("authorization", &bearer)], &huge), 413, "");
    for path in ["/Users", "/ServiceAccounts/a/b", "/", "/me"] {
        refused(&scim(&app, "GET", path, &Value::Null), 404, "");
    }
    for (method, path) in [("GET", "/Me"), ("POST", "/Bulk")] {
        refused(&scim(&app, method, path, &Value::Null), 501, "");
    }
    let wrong = scim(&app, "POST", &format!("/ServiceAccounts/{}", howto.account), &Value::Null);
    refused(&wrong, 405, "");
    assert_eq!(wrong.header("allow"), "GET, PUT, PATCH, DELETE");
}

#[test]
fn an_account_that_was_provisioned_gets_tokens_until_it_is_switched_off() {
    let app = TestApp::start();
    let howto = app.howto();
    let account = json!({"id": howto.account});
    let status = || app.token_for(&howto, &[("scope", "write")]).status;
    assert_eq!(status(), 200);
    patched(&app, &account, &json!([{"op": "replace", "path": "active", "value": false}])).expect(200);
    assert_ne!(status(), 200);
    patched(&app, &account, &json!([{"op": "replace", "value": {"active": true}}])).expect(200);
    assert_eq!(status(), 200);
    let list = scim(&app, "GET", "/ServiceAccounts", &Value::Null).expect(200);
    assert_eq!(texts(&list["Resources"][0]["schemas"]), [ACCOUNT]);
}
