//! The OpenAPI document: every route is in it, everything in it is a route, and what it says of them is so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::authz::admin_routes;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Answered by a refusal, whoever asks: there is no sign-in.
const NO_SIGN_IN: &[&str] = &["/oauth2/auth", "/oauth2/userinfo", "/oauth2/logout"];
/// Rooms whose routes are pages for people, not operations of an API.
const ROOMS: &[&str] = &["console", "openapi"];

fn document(app: &TestApp) -> Value {
    app.send("GET", "/openapi.json", &[], b"").expect(200)
}

/// Each path, aliases too, with its methods. What is not fixed in it reads `x`.
fn paths(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let concrete = |path: &str| {
        let parts: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        parts.join("/")
    };
    let mut all = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods: BTreeSet<String> = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| !key.starts_with("x-"))
            .map(|key| key.to_uppercase())
            .collect();
        let aliases = item["x-aliases"].as_array().into_iter().flatten().map(|alias| alias.as_str().unwrap());
        for path in std::iter::once(path.as_str()).chain(aliases) {
            assert!(all.insert(concrete(path), methods.clone()).is_none(), "{path} stands there twice");
        }
    }
    all
}

#[test]
fn everything_in_the_document_is_a_route_with_these_methods_and_no_others() {
    let app = TestApp::dev(tempfile::tempdir().unwrap(), false);
    let bearer = format!("Bearer {}", app.admin_token);
    for (path, methods) in paths(&document(&app)) {
        for method in METHODS {
            let answer = app.send(method, &path, &[("authorization", &bearer)], b"[]");
            assert!(!answer.text.contains("there is nothing at"), "{method} {path}");
            assert_eq!(answer.status != 405, methods.contains(method), "{method} {path}: {}", answer.text);
            if answer.status == 405 {
                let allowed: BTreeSet<&str> =
                    answer.header("allow").split(", ").filter(|method| *method != "HEAD").collect();
                assert_eq!(allowed, methods.iter().map(String::as_str).collect(), "{method} {path}");
            }
        }
    }
}

#[test]
fn every_route_of_the_admin_api_is_in_the_document() {
    let all = paths(&document(&TestApp::start()));
    let mut routes: BTreeSet<String> = BTreeSet::new();
    for (path, methods) in admin_routes() {
        let known = all.get(&path).unwrap_or_else(|| panic!("{path} is not in the document"));
        assert_eq!(known.iter().map(String::as_str).collect::<BTreeSet<_>>(), methods, "{path}");
        routes.insert(path);
    }
    let is_mixed = |path: &str| path.starts_with("/api/v1/resources/") && !routes.contains(path);
    let left: Vec<&String> = all
        .keys()
        .filter(|path| path.starts_with("/api/") && !routes.contains(*path) && !is_mixed(path))
        .filter(|path| !path.starts_with("/api/v1/health/"))
        .collect();
    assert!(left.is_empty(), "not in the table of tests/it/authz.rs: {left:?}");
}

#[test]
fn every_other_route_in_the_sources_is_in_the_document() {
    let all = paths(&document(&TestApp::dev(tempfile::tempdir().unwrap(), false)));
    let http = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut checked = 0;
    for entry in std::fs::read_dir(&http).unwrap() {
        let file = entry.unwrap().path();
        let room = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if file.is_dir() || room == "admin" || (ROOMS.contains(&room.as_str()) && room != "openapi") {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        // What stands in `web::resource`, or in a list of paths that is handed to it.
        let routes = source.split("fn routes(").nth(1).and_then(|rest| rest.split("\n}\n").next()).unwrap_or_default();
        let concrete = |path: &str| path.replace("{id}", "x");
        let literals = routes.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
        for literal in literals {
            let path = match room.as_str() {
                "dev" if literal == "/dev" => continue,
                "dev" => format!("/dev{literal}"),
                "scim" => concrete(&format!("/scim/v2{literal}")),
                _ => literal.to_owned(),
            };
            assert!(all.contains_key(&path), "{path} of {room}.rs is not in the document");
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

/// Every `$ref` in it.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_document_is_whole() {
    for app in [TestApp::start(), TestApp::dev(tempfile::tempdir().unwrap(), false)] {
        let document = document(&app);
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["servers"][0]["url"], app.url.as_str());
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in &found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        // Nothing stands in the components that no operation leads to.
        for kind in ["parameters", "headers", "responses", "schemas"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let path = format!("#/components/{kind}/{name}");
                assert!(found.contains(path.as_str()), "{path} is used by nobody");
            }
        }
        let mut ids = BTreeSet::new();
        let tags: BTreeSet<&str> =
            document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| !name.starts_with("x-")) {
                let name = format!("{method} {path}");
                assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}: its operationId is taken");
                assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{name}");
                assert!(!operation["summary"].as_str().unwrap().is_empty(), "{name}");
                let placeholders = path.matches('{').count();
                let in_path = operation["parameters"].as_array().into_iter().flatten();
                assert_eq!(in_path.filter(|parameter| parameter["in"] == "path").count(), placeholders, "{name}");
                let answers = operation["responses"].as_object().unwrap();
                assert!(
                    answers.keys().any(|status| status.starts_with('2')) || NO_SIGN_IN.contains(&path.as_str()),
                    "{name}"
                );
                let takes_a_role = ["/api/v1/", "/scim/v2/"].iter().any(|base| path.starts_with(base))
                    && !path.starts_with("/api/v1/health/");
                assert_eq!(operation["security"] == json!([{"bearer": []}]), takes_a_role, "{name}");
            }
        }
    }
}

#[test]
fn the_document_is_what_it_was() {
    let mut document = document(&TestApp::start());
    document["servers"] = json!([]);
    insta::assert_json_snapshot!(document);
}

/// The example body of a type.
fn example(document: &Value, path: &str) -> Value {
    document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"].clone()
}

#[test]
fn the_examples_work_as_they_stand_and_answers_look_as_they_say() {
    let app = TestApp::start();
    let document = document(&app);
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    for kind in ["ServiceAccount", "MachineToMachine", "Api", "Grant"] {
        let path = format!("/api/v1/resources/cid/{kind}");
        let made = app.create(kind, &example(&document, &path));
        assert_eq!(members(&made), members(&schema(&format!("{kind}Created"))["properties"]), "{kind}");
        let one = format!("/resources/cid/{kind}/{}", made["id"].as_str().unwrap());
        let read = app.admin("GET", &one, &Value::Null).expect(200);
        assert_eq!(members(&read), members(&schema(kind)["properties"]), "{kind}");
        assert_eq!(members(&read["meta"]), members(&schema("Meta")["properties"]));
        let written = schema(&format!("{kind}Write"));
        for (name, property) in written["properties"].as_object().unwrap() {
            let Some(default) = property.get("default") else { continue };
            if example(&document, &path).get(name).is_none() {
                assert_eq!(&read[name], default, "{kind}.{name}");
            }
        }
        for name in written["required"].as_array().unwrap() {
            let mut body = example(&document, &path);
            body.as_object_mut().unwrap().remove(name.as_str().unwrap());
            assert_eq!(
                app.admin("POST", &format!("/resources/cid/{kind}"), &body).status,
                400,
                "{kind} without {name}"
            );
        }
        let list = app.admin("GET", &format!("/resources/cid/{kind}"), &Value::Null).expect(200);
        assert_eq!(members(&list), members(&schema(&format!("{kind}List"))["properties"]));
    }
    let other = TestApp::start();
    let report = other.admin("POST", "/apply", &example(&document, "/api/v1/apply")).expect(200);
    assert_eq!(members(&report), members(&schema("ApplyReport")["properties"]));
    for path in ["/properties/changes/items", "/properties/secrets/items"] {
        let (schema, member) = (schema("ApplyReport"), path.split('/').nth(2).unwrap());
        assert_eq!(members(&report[member][0]), members(&schema.pointer(path).unwrap()["properties"]), "{path}");
    }
    let exported = other.admin("GET", "/export", &Value::Null).expect(200);
    assert!(members(&schema("Document")["properties"]).is_superset(&members(&exported)), "{exported}");
    assert_eq!(other.admin("POST", "/apply", &exported).expect(200)["different"], false);
    let error = app.admin("POST", "/resources/cid/Api", &json!({})).expect(400);
    assert_eq!(members(&error), members(&schema("Error")["properties"]));
    assert_eq!(members(&error["validation"][0]), members(&schema("Violation")["properties"]));
    let api_token = app.admin("POST", "/auth/api-tokens", &example(&document, "/api/v1/auth/api-tokens")).expect(201);
    assert_eq!(members(&api_token), members(&schema("ApiTokenCreated")["properties"]));
    for (path, name) in [
        ("/keys", "SigningKey"),
        ("/audit/commits", "Commit"),
        ("/event-logs", "Event"),
        ("/auth/api-tokens", "ApiToken"),
    ] {
        let list = app.admin("GET", path, &Value::Null).expect(200);
        assert_eq!(members(&list["Resources"][0]), members(&schema(name)["properties"]), "{path}");
    }
    let verdict = app.admin("GET", "/audit/verify", &Value::Null).expect(200);
    assert_eq!(members(&verdict), members(&schema("AuditVerdict")["properties"]));
}

#[test]
fn the_page_shows_every_operation_and_needs_nothing_from_elsewhere() {
    let app = TestApp::start();
    let document = document(&app);
    let page = app.send("GET", "/docs", &[], b"");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    // The hash is that of the one style sheet in the page.
    let style = page.text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let hash = {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD.encode(hash)
    };
    assert!(policy.contains(&hash), "{policy}");
    for word in ["<script", "javascript:", " onclick", "<img", "<link", "<iframe", "style=", "src="] {
        assert!(!page.text.contains(word), "{word}");
    }
    for link in page.text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(link.starts_with('#') || link == "/openapi.json", "{link}");
        assert!(
            link == "/openapi.json" || page.text.contains(&format!("id=\"{}\"", &link[1..])),
            "{link} leads nowhere"
        );
    }
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values().filter(|operation| operation.is_object()) {
            let id = operation["operationId"].as_str().unwrap();
            assert!(page.text.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
}
