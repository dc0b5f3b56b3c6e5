//! Who may do what: every route of the admin API, against everyone who may not.
//!
//! The routes below are held against the sources: a route that is added there and not here turns this red.

mod tokens;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::app::{HowTo, TestApp};

/// A path as the sources write it, as a request writes it, and each method with the least role that it takes.
struct Route {
    template: &'static str,
    path: &'static str,
    methods: &'static [(&'static str, &'static str)],
}

const fn route(template: &'static str, path: &'static str, methods: &'static [(&'static str, &'static str)]) -> Route {
    Route { template, path, methods }
}

const RESOURCE: &str = "/resources/{app}/{name}";
const ITEM: &str = "{path}/{{id}}";
const COLLECTION_METHODS: &[(&str, &str)] = &[("GET", "reader"), ("POST", "editor")];
const ITEM_METHODS: &[(&str, &str)] =
    &[("GET", "reader"), ("PUT", "editor"), ("PATCH", "editor"), ("DELETE", "editor")];
const SECRET_METHODS: &[(&str, &str)] = &[("PATCH", "editor"), ("DELETE", "editor")];
const API_TOKEN_METHODS: &[(&str, &str)] = &[("GET", "admin"), ("PATCH", "admin"), ("DELETE", "admin")];
const EVALUATE: &str = "/resources/{app}/{name}/{{id}}/evaluate";
const SECRETS: &str = "/resources/{app}/MachineToMachine{plural}/{{id}}/secrets";

const ROUTES: &[Route] = &[
    route(RESOURCE, "/resources/cid/ServiceAccount", COLLECTION_METHODS),
    route(RESOURCE, "/resources/iam/ServiceAccounts", COLLECTION_METHODS),
    route(ITEM, "/resources/cid/ServiceAccount/{account}", ITEM_METHODS),
    route(ITEM, "/resources/iam/ServiceAccounts/{account}", ITEM_METHODS),
    route(RESOURCE, "/resources/cid/MachineToMachine", COLLECTION_METHODS),
    route(RESOURCE, "/resources/iam/MachineToMachines", COLLECTION_METHODS),
    route(ITEM, "/resources/cid/MachineToMachine/{client}", ITEM_METHODS),
    route(ITEM, "/resources/iam/MachineToMachines/{client}", ITEM_METHODS),
    route(RESOURCE, "/resources/cid/Api", COLLECTION_METHODS),
    route(RESOURCE, "/resources/iam/Apis", COLLECTION_METHODS),
    route(ITEM, "/resources/cid/Api/{api}", ITEM_METHODS),
    route(ITEM, "/resources/iam/Apis/{api}", ITEM_METHODS),
    route(RESOURCE, "/resources/cid/Grant", COLLECTION_METHODS),
    route(RESOURCE, "/resources/iam/Grants", COLLECTION_METHODS),
    route(ITEM, "/resources/cid/Grant/{grant}", ITEM_METHODS),
    route(ITEM, "/resources/iam/Grants/{grant}", ITEM_METHODS),
    route(SECRETS, "/resources/cid/MachineToMachine/{client}/secrets", COLLECTION_METHODS),
    route(SECRETS, "/resources/iam/MachineToMachines/{client}/secrets", COLLECTION_METHODS),
    route("{path}/{{secret}}", "/resources/cid/MachineToMachine/{client}/secrets/x", SECRET_METHODS),
    route("{path}/{{secret}}", "/resources/iam/MachineToMachines/{client}/secrets/x", SECRET_METHODS),
    route("/auth/api-tokens", "/auth/api-tokens", &[("GET", "admin"), ("POST", "admin")]),
    route("/auth/api-tokens/{id}", "/auth/api-tokens/x", API_TOKEN_METHODS),
    route("/keys/{kid}", "/keys/x", &[("GET", "reader"), ("DELETE", "admin")]),
    route("/keys/rotate", "/keys/rotate", &[("POST", "admin")]),
    route("/keys", "/keys", &[("GET", "reader")]),
    route("/audit/commits", "/audit/commits", &[("GET", "reader")]),
    route("/audit/commits/{id}", "/audit/commits/x", &[("GET", "reader")]),
    route(RESOURCE, "/resources/cid/Policy", COLLECTION_METHODS),
    route(RESOURCE, "/resources/iam/Policies", COLLECTION_METHODS),
    route(ITEM, "/resources/cid/Policy/x", ITEM_METHODS),
    route(ITEM, "/resources/iam/Policies/x", ITEM_METHODS),
    route(EVALUATE, "/resources/cid/Policy/x/evaluate", &[("POST", "editor")]),
    route(EVALUATE, "/resources/iam/Policies/x/evaluate", &[("POST", "editor")]),
    route("/policy-modules", "/policy-modules", COLLECTION_METHODS),
    route("/policy-modules/{digest}", "/policy-modules/x", &[("GET", "reader"), ("DELETE", "editor")]),
    route("/policy-modules/{digest}/wasm", "/policy-modules/x/wasm", &[("GET", "reader")]),
    route("/decision-questions", "/decision-questions", &[("GET", "reader")]),
    route("/policy-settings/{digest}", "/policy-settings/x", &[("GET", "reader")]),
    route("/access", "/access", &[("GET", "reader")]),
    route("/policy-requests", "/policy-requests", &[("POST", "reader")]),
    route("/decisions", "/decisions", &[("GET", "reader")]),
    route("/decisions/{id}/replay", "/decisions/x/replay", &[("POST", "editor")]),
    route("/decisions/{id}/grounds", "/decisions/x/grounds", &[("GET", "reader")]),
    route("/decisions/{id}", "/decisions/x", &[("GET", "reader")]),
    route("/apply", "/apply", &[("POST", "editor")]),
    route("/export", "/export", &[("GET", "reader")]),
    route("/audit/verify", "/audit/verify", &[("GET", "reader")]),
    route("/event-logs", "/event-logs", &[("GET", "reader")]),
    route("/event-logs/{id}", "/event-logs/x", &[("GET", "reader")]),
];

const READ: &[(&str, &str)] = &[("GET", "reader")];
const SEARCH: &[(&str, &str)] = &[("POST", "reader")];

/// The routes of `/scim/v2`: the same bearers with the same roles.
const SCIM_ROUTES: &[Route] = &[
    route("/ServiceProviderConfig", "/ServiceProviderConfig", READ),
    route("/ResourceTypes", "/ResourceTypes", READ),
    route("/ResourceTypes/{id}", "/ResourceTypes/x", READ),
    route("/Schemas", "/Schemas", READ),
    route("/Schemas/{id}", "/Schemas/x", READ),
    route("/.search", "/.search", SEARCH),
    route("/ServiceAccounts/.search", "/ServiceAccounts/.search", SEARCH),
    route("/ServiceAccounts", "/ServiceAccounts", COLLECTION_METHODS),
    route("/ServiceAccounts/{id}", "/ServiceAccounts/{account}", ITEM_METHODS),
];

/// Every route that takes a role, with what stands before its path.
fn routes() -> impl Iterator<Item = (&'static str, &'static Route)> {
    let admin = ROUTES.iter().map(|route| ("/api/v1", route));
    admin.chain(SCIM_ROUTES.iter().map(|route| ("/scim/v2", route)))
}

/// Paths under `/api/v1` that take no token, and the file that has them.
const OPEN: &[&str] = &["/api/v1/health/alive", "/api/v1/health/ready"];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const ROLES: [&str; 3] = ["reader", "editor", "admin"];

/// The paths in a source file's string literals.
fn templates_in(file: &Path) -> BTreeSet<String> {
    let source = std::fs::read_to_string(file).unwrap();
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let literals = code.split('"').skip(1).step_by(2);
    literals
        .filter(|text| text.len() > 1 && (text.starts_with('/') || text.starts_with("{path}")))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_route_in_the_sources_is_in_the_table() {
    let http = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut found = templates_in(&http.join("admin.rs"));
    for entry in std::fs::read_dir(http.join("admin")).unwrap() {
        let file = entry.unwrap().path();
        if file.file_name().is_some_and(|name| name != "query.rs") {
            found.extend(templates_in(&file));
        }
    }
    // What authorization itself is decided by, and the scope of all of it.
    for other in ["/api/v1", "/api/v1/auth", "/api/v1/keys", "/scim/", "/.search"] {
        found.remove(other);
    }
    let known: BTreeSet<String> = ROUTES.iter().map(|route| route.template.to_owned()).collect();
    assert_eq!(found, known, "src/http/admin and the table of this test differ");
    let scim: BTreeSet<String> = SCIM_ROUTES.iter().map(|route| route.template.to_owned()).collect();
    let source = std::fs::read_to_string(http.join("scim.rs")).unwrap();
    let table = source.split("fn routes(").nth(1).and_then(|rest| rest.split("\n}\n").next()).unwrap();
    let literals = table.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
    assert_eq!(literals.map(str::to_owned).collect::<BTreeSet<_>>(), scim, "src/http/scim.rs and the table differ");
    // Nothing under /api/v1 is served from elsewhere, but health.
    for entry in std::fs::read_dir(&http).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file()
            && file.file_name().is_some_and(|name| {
                !["admin.rs", "health.rs", "error.rs", "openapi.rs"].iter().any(|other| name == *other)
            })
        {
            let stray: Vec<_> =
                templates_in(&file).into_iter().filter(|path| path == "/api" || path.starts_with("/api/")).collect();
            assert!(stray.is_empty(), "{}: {stray:?}", file.display());
        }
    }
    assert_eq!(templates_in(&http.join("health.rs")), OPEN.iter().map(|path| (*path).to_owned()).collect());
}

/// Each path of the admin API under `/api/v1`, with its methods. What is not fixed in it reads `x`.
pub(crate) fn admin_routes() -> impl Iterator<Item = (String, BTreeSet<&'static str>)> {
    ROUTES.iter().map(|route| {
        let parts: Vec<&str> =
            route.path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        (format!("/api/v1{}", parts.join("/")), route.methods.iter().map(|(method, _)| *method).collect())
    })
}

/// Paths elsewhere that take no token, since what they tell is nobody's secret.
const PUBLIC: &[&str] = &["/openapi.json", "/docs", "/metrics"];

#[test]
fn what_is_public_needs_no_token_and_minds_none() {
    let app = TestApp::start();
    for path in PUBLIC {
        assert_eq!(app.send("GET", path, &[], b"").status, 200, "{path}");
        let answer = app.send("GET", path, &[("authorization", "Bearer garbage")], b"");
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.contains(&app.admin_token), "{path}");
        assert_eq!(app.send("POST", path, &[], b"").status, 405, "{path}");
    }
}

/// The handles of `grantd dev`: open there, and nowhere else.
const HANDLES: &[&str] = &["/dev/clock", "/dev/faults"];

#[test]
fn the_handles_of_dev_are_open_under_dev_alone() {
    let (dev, other) = (TestApp::dev(tempfile::tempdir().unwrap(), false), TestApp::start());
    for path in HANDLES {
        assert_eq!(dev.send("GET", path, &[], b"").status, 200, "{path}");
        let bearer = format!("Bearer {}", other.admin_token);
        for headers in [&[][..], &[("authorization", bearer.as_str())]] {
            assert_eq!(other.send("GET", path, headers, b"").status, 404, "{path}");
        }
    }
}

fn path_of(route: &Route, howto: &HowTo) -> String {
    let names =
        [("{account}", &howto.account), ("{client}", &howto.client), ("{api}", &howto.api), ("{grant}", &howto.grant)];
    names.iter().fold(route.path.to_owned(), |path, (name, id)| path.replace(name, id))
}

/// A bearer with a role; what it is made with goes into the body too.
fn bearer(app: &TestApp, role: &str, more: &Value) -> (String, String) {
    let mut body = json!({"displayName": role, "role": role});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = app.admin("POST", "/auth/api-tokens", &body).expect(201);
    (made["id"].as_str().unwrap().to_owned(), made["signedToken"].as_str().unwrap().to_owned())
}

/// How many commits there are, but for those of the server's own keys.
fn commits(app: &TestApp) -> Value {
    let path = "/audit/commits?count=0&filter=actor.type%20ne%20%22system%22";
    app.admin("GET", path, &Value::Null).expect(200)["totalResults"].clone()
}

#[test]
fn every_route_and_method_refuses_strangers() {
    let app = TestApp::start();
    let howto = app.howto();
    let (_, expired) = bearer(&app, "admin", &json!({"expiresAt": "2027-01-15T10:00:30Z"}));
    let (_, inactive) = bearer(&app, "admin", &json!({"active": false}));
    let (id, deleted) = bearer(&app, "admin", &json!({}));
    assert_eq!(app.admin_as(&deleted, "GET", "/keys", &Value::Null).status, 200);
    app.advance(30);
    app.admin("DELETE", &format!("/auth/api-tokens/{id}"), &Value::Null).expect(204);
    let basic = "Basic Zmlyc3Q6c2VjcmV0".to_owned();
    let mut strangers: Vec<Option<String>> =
        vec![None, Some(basic), Some("Bearer".to_owned()), Some(app.admin_token.clone())];
    let changed = format!("{}x", &app.admin_token[..app.admin_token.len() - 1]);
    for token in
        ["", "garbage", "a.b.c", &expired, &inactive, &deleted, &changed, &howto.client_secret, &"x".repeat(9000)]
    {
        strangers.push(Some(format!("Bearer {token}")));
    }
    let before = commits(&app);
    for (base, route) in routes() {
        let path = format!("{base}{}", path_of(route, &howto));
        for method in METHODS {
            for stranger in &strangers {
                let headers: Vec<(&str, &str)> =
                    stranger.iter().map(|value| ("authorization", value.as_str())).collect();
                let answer = app.send(method, &path, &headers, b"");
                assert_eq!(answer.status, 401, "{method} {path} as {stranger:?}");
                assert!(answer.header("www-authenticate").starts_with("Bearer "), "{method} {path}");
            }
        }
    }
    assert_eq!(commits(&app), before, "nothing was written");
}

#[test]
fn every_route_and_method_needs_its_role() {
    let app = TestApp::start();
    let howto = app.howto();
    for (rank, role) in ROLES.iter().enumerate() {
        let (_, token) = bearer(&app, role, &json!({}));
        let before = commits(&app);
        for (base, route) in routes() {
            let path = format!("{base}{}", path_of(route, &howto));
            for (method, needed) in route.methods {
                let is_enough = rank >= ROLES.iter().position(|role| role == needed).unwrap();
                if is_enough && *method == "DELETE" && !path.ends_with("/x") {
                    // It would be obeyed.
                    continue;
                }
                for path in [path.clone(), format!("{path}/"), disguised(&path)] {
                    // A body that no route takes: what is let in is refused for that, and changes nothing.
                    let bearer = format!("Bearer {token}");
                    let answer = app.send(method, &path, &[("authorization", &bearer)], br#"["unfit"]"#);
                    assert_eq!(answer.status == 403, !is_enough, "{role}: {method} {path}: {}", answer.text);
                    assert_ne!(answer.status, 401, "{role}: {method} {path}");
                    assert!(
                        answer.status != 403 || answer.text.contains(&format!("this needs the role {needed}")),
                        "{}",
                        answer.text
                    );
                }
            }
        }
        let after = commits(&app);
        assert_eq!(before, after, "{role} wrote something");
    }
}

/// The same path with a letter of each part in percent-encoding: it leads to the same route, and so must
/// need the same role.
fn disguised(path: &str) -> String {
    let part = |part: &str| match part.chars().next() {
        Some(first) => format!("%{:02x}{}", u32::from(first), &part[1..]),
        None => String::new(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[test]
fn no_spelling_of_a_path_lowers_what_it_takes() {
    let app = TestApp::start();
    let (_, editor) = bearer(&app, "editor", &json!({}));
    let (_, reader) = bearer(&app, "reader", &json!({}));
    let wanted = json!({"displayName": "mine", "role": "admin"});
    let authorization = [("authorization", format!("Bearer {editor}"))];
    for path in [
        "/api/v1/%61uth/api-tokens",
        "/api/v1/a%75th/api-tokens",
        "/api/v1//auth/api-tokens",
        "//api/v1/auth//api-tokens/",
        "/api/%761/auth/api-tokens",
        "/%61pi/v1/auth/api-tokens",
        "/api/v1/x/../auth/api-tokens",
        "/api/v1/./auth/api-tokens",
        "/api/v1/auth%2fapi-tokens",
        "/api/v1/AUTH/api-tokens",
        "/api/v1/auth/api-tokens;x",
        "/api/v1/auth/api-tokens?x=/api/v1/resources",
        "/api/v1/%6beys/rotate",
        "/api/v1/k%65ys/rotate/",
    ] {
        let headers: Vec<(&str, &str)> = authorization.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = app.send("POST", path, &headers, wanted.to_string().as_bytes());
        assert!([403, 404].contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
    }
    let page = app.admin("GET", "/auth/api-tokens", &Value::Null).expect(200);
    assert_eq!(page["totalResults"], 3, "nobody made a token");
    // Headers that some servers obey change nothing.
    let bearer = format!("Bearer {reader}");
    for header in ["x-http-method-override", "x-original-url", "x-rewrite-url", "x-forwarded-prefix"] {
        let headers = [("authorization", bearer.as_str()), (header, "GET"), ("x-real-ip", "127.0.0.1")];
        assert_eq!(app.send("POST", "/api/v1/resources/cid/Api", &headers, b"{}").status, 403, "{header}");
    }
}

#[test]
fn unknown_paths_say_nothing_to_strangers() {
    let app = TestApp::start();
    for path in [
        "",
        "/",
        "/none",
        "/resources",
        "/resources/cid",
        "/resources/cid/None",
        "/health",
        "/health/none",
        "/auth",
        "/resources/cid/Api/a/b/c",
    ] {
        let path = format!("/api/v1{path}");
        assert_eq!(app.send("GET", &path, &[], b"").status, 401, "{path}");
        let bearer = format!("Bearer {}", app.admin_token);
        assert_eq!(app.send("GET", &path, &[("authorization", &bearer)], b"").status, 404, "{path}");
    }
}

#[test]
fn health_needs_no_token_and_minds_none() {
    let app = TestApp::start();
    for path in OPEN {
        assert_eq!(app.send("GET", path, &[], b"").status, 200);
        assert_eq!(app.send("GET", path, &[("authorization", "Bearer garbage")], b"").status, 200);
    }
}

/// The OAuth endpoints: none answers anything of a token before it knows who asks.
const OAUTH: &[&str] = &["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"];

#[test]
fn every_oauth_endpoint_refuses_strangers() {
    let app = TestApp::start();
    let howto = app.howto();
    let token = app.access_token(&howto, &[("scope", "write")]);
    let form = [("grant_type", "client_credentials"), ("scope", "write"), ("token", token.as_str())];
    let wrong = howto.basic().replace("Basic ", "Basic x");
    for path in OAUTH {
        let bearers = ["garbage", &token, &howto.client_secret, "", "a b"].map(|token| format!("Bearer {token}"));
        for authorization in
            ["", "Basic", "Basic e30=", "Digest x", &wrong].into_iter().chain(bearers.iter().map(String::as_str))
        {
            let answer = app.form(path, authorization, &form);
            assert_eq!(answer.status, 401, "{path} as {authorization:?}: {}", answer.text);
            assert!(!answer.header("www-authenticate").is_empty(), "{path} as {authorization:?}");
        }
    }
}
