//! Who would get what, compared with what token requests get.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{SCOPE_ALLOWLIST, attach, upload};
use crate::app::{START, TestApp, claims, texts};

const MAX_TTL: &[u8] = include_bytes!("../../../policies/max-ttl/policy.wasm");
const CLAIMS: &[u8] = include_bytes!("../../../policies/claims-from-attributes/policy.wasm");
const ADDRESSES: &[u8] = include_bytes!("../../../policies/ip-allowlist/policy.wasm");

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

/// A client, with all that a token request needs.
struct Client {
    account: String,
    id: String,
    secret: String,
}

/// Accounts of every kind, and policies at every place.
fn scene(app: &TestApp) -> (String, Vec<Client>) {
    for module in [SCOPE_ALLOWLIST, MAX_TTL, CLAIMS] {
        upload(app, module);
    }
    let scopes = json!([{"identifier": "read", "displayName": "R"}, {"identifier": "write", "displayName": "W"},
        {"identifier": "admin", "displayName": "A"}]);
    let api = id(&app.create("Api", &json!({"appId": "orders", "displayName": "O", "scopes": scopes})));
    let other = json!([{"identifier": "read", "displayName": "R"}]);
    let other = id(&app.create("Api", &json!({"appId": "other", "displayName": "O", "scopes": other})));
    attach(
        app,
        "no admin",
        "scope-allowlist",
        &json!({"type": "server"}),
        &json!({"settings": {"allow": ["*"], "except": ["admin"]}}),
    );
    let silent = json!({"settings": {"allow": []}, "mode": "shadow"});
    attach(app, "shadow", "scope-allowlist", &json!({"type": "server"}), &silent);
    attach(
        app,
        "elsewhere",
        "scope-allowlist",
        &json!({"type": "api", "id": other}),
        &json!({"settings": {"allow": []}}),
    );
    let team = json!({"settings": {"claims": {"team": {"from": "account.attributes.team", "required": true}}}});
    attach(app, "team", "claims-from-attributes", &json!({"type": "api", "id": api}), &team);
    let mut clients = Vec::new();
    for n in 0..24 {
        let mut account = json!({"userName": format!("a{n}"), "displayName": "A", "active": n % 7 != 6});
        if n % 5 != 4 {
            account["attributes"] = json!({"team": format!("t{}", n % 3)});
        }
        let account = id(&app.create("ServiceAccount", &account));
        let held = match n % 4 {
            0 => json!(["read"]),
            1 => json!(["read", "write"]),
            2 => json!(["read", "write", "admin"]),
            _ => json!(["admin"]),
        };
        let mut grant = json!({"serviceAccountId": account, "apiId": api, "scopes": held});
        match n % 6 {
            3 => grant["expiresAt"] = json!("2027-01-15T10:10:00Z"),
            4 => grant["notBefore"] = json!("2027-01-15T11:00:00Z"),
            5 => {
                app.create("Grant", &json!({"serviceAccountId": account, "apiId": other, "scopes": ["read"]}));
            }
            _ => {}
        }
        app.create("Grant", &grant);
        for m in 0..n % 3 {
            let client = json!({"displayName": format!("c{n}-{m}"), "serviceAccountId": account, "active": n % 8 != 7});
            let client = app.create("MachineToMachine", &client);
            if n % 3 == 2 && m == 1 {
                let short = json!({"settings": {"rules": [{"scopes": ["*"], "seconds": 120}]}});
                attach(app, &format!("short {n}"), "max-ttl", &json!({"type": "client", "id": id(&client)}), &short);
            }
            clients.push(Client {
                account: format!("a{n}"),
                id: client["clientId"].as_str().unwrap().to_owned(),
                secret: client["clientSecret"].as_str().unwrap().to_owned(),
            });
        }
        if n % 9 == 1 {
            let only = json!({"settings": {"allow": ["read"], "otherwise": "deny"}});
            attach(app, &format!("only {n}"), "scope-allowlist", &json!({"type": "account", "id": account}), &only);
        }
    }
    (api, clients)
}

/// Every page, `count` accounts at a time, by client.
fn who_can(app: &TestApp, scope: &str, count: usize) -> BTreeMap<String, Value> {
    let mut rows = BTreeMap::new();
    let mut after = String::new();
    loop {
        let path = format!("/access?api=orders&scope={scope}&count={count}&after={after}");
        let page = app.admin("GET", &path, &Value::Null).expect(200);
        for row in page["Resources"].as_array().unwrap() {
            let name =
                row["client"]["clientId"].as_str().unwrap_or_else(|| row["account"]["userName"].as_str().unwrap());
            assert!(rows.insert(name.to_owned(), row.clone()).is_none(), "{row} stands twice");
        }
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return rows,
        }
    }
}

/// What a token request gets: scopes, lifetime and the team in the token.
fn truth(app: &TestApp, client: &Client, scope: &str) -> (Vec<String>, i64, Value) {
    let credentials = [("client_id", client.id.as_str()), ("client_secret", client.secret.as_str())];
    let request = [("grant_type", "client_credentials"), ("resource", "orders"), ("scope", scope)];
    let answer = app.token(&[&credentials[..], &request].concat());
    if answer.status != 200 {
        return (Vec::new(), 0, Value::Null);
    }
    let json = answer.json();
    let claims = claims(json["access_token"].as_str().unwrap());
    let scopes = texts(&claims["scp"]).into_iter().map(str::to_owned).collect();
    (scopes, json["expires_in"].as_i64().unwrap(), claims["team"].clone())
}

fn told(row: &Value) -> (Vec<String>, i64, Value) {
    let scopes = texts(&row["gets"]).into_iter().map(str::to_owned).collect();
    (scopes, row["lifetimeSeconds"].as_i64().unwrap(), row["claims"]["team"].clone())
}

#[test]
fn who_can_is_what_token_requests_get() {
    let app = TestApp::start();
    let (_, clients) = scene(&app);
    let (mut some, mut none) = (0, 0);
    for scope in ["read", "write", "admin"] {
        let rows = who_can(&app, scope, 5);
        assert_eq!(rows, who_can(&app, scope, 1000), "pages say the same as one");
        for client in &clients {
            let truth = truth(&app, client, scope);
            match rows.get(&client.id) {
                Some(row) => {
                    assert_eq!(told(row), truth, "{} {scope}: {row}", client.account);
                    let is_kept_back = row["inTheWay"].as_array().is_some_and(|all| !all.is_empty());
                    assert_eq!(is_kept_back, truth.0.is_empty(), "{row}");
                }
                // It holds no such scope.
                None => assert_eq!(truth.0, [""; 0], "{} {scope}", client.account),
            }
            if truth.0.is_empty() { none += 1 } else { some += 1 }
        }
    }
    assert!(some >= 10 && none >= 10, "{some} {none}");
}

#[test]
fn can_is_what_token_requests_get() {
    let app = TestApp::start();
    let (_, clients) = scene(&app);
    for client in &clients {
        let path = format!("/access?api=orders&account={}", client.account);
        let page = app.admin("GET", &path, &Value::Null).expect(200);
        let own = page["Resources"].as_array().unwrap().iter();
        for row in own.filter(|row| row["client"]["clientId"] == client.id.as_str()) {
            let truth = truth(&app, client, &texts(&row["asked"]).join(" "));
            assert_eq!(told(row), truth, "{}: {row}", client.account);
        }
    }
}

#[test]
fn what_stands_in_the_way_is_named() {
    let app = TestApp::start();
    let (api, _) = scene(&app);
    let rows = who_can(&app, "admin", 1000);
    let reason = |account: &str| {
        let mut all = rows.values().filter(|row| row["account"]["userName"] == account);
        all.next().unwrap_or_else(|| panic!("{account}: {rows:?}"))["inTheWay"][0].clone()
    };
    let kept = reason("a2");
    assert_eq!((&kept["policy"], &kept["code"]), (&json!("no admin"), &json!("scope-not-allowed")), "{kept}");
    assert_eq!(reason("a3")["reason"], "the account has no client to ask with");
    assert_eq!(reason("a22")["reason"], "its grant begins at 2027-01-15T11:00:00.000Z");
    let path = format!("/access?api={api}&scope=admin&at=2027-01-15T12:00:00Z");
    let later = app.admin("GET", &path, &Value::Null).expect(200);
    assert_eq!(later["at"], "2027-01-15T12:00:00.000Z");
    assert!(!later["Resources"].to_string().contains("its grant begins"), "{later}");
    assert!(START < "2027-01-15T11:00:00Z");
}

#[test]
fn a_client_without_a_valid_secret_gets_nothing() {
    let app = TestApp::start();
    let howto = app.howto();
    let row = |more: &str| {
        let page = app.admin("GET", &format!("/access?api=myrestapi&scope=write{more}"), &Value::Null).expect(200);
        let row = page["Resources"][0].clone();
        (row["gets"].clone(), row["inTheWay"][0]["reason"].clone())
    };
    let nothing = (json!([]), json!("the client has no secret that is valid then"));
    let something = (json!(["write"]), Value::Null);
    let secrets = format!("/resources/cid/MachineToMachine/{}/secrets", howto.client);
    let first = id(&app.admin("GET", &secrets, &Value::Null).expect(200)["Resources"][0]);
    assert_eq!(row(""), something);
    let window = json!({"notBefore": "2027-01-15T10:01:00Z", "expiresAt": "2027-01-15T10:02:00Z"});
    app.admin("POST", &secrets, &window).expect(201);
    app.admin("DELETE", &format!("{secrets}/{first}"), &Value::Null).expect(204);
    let refused = app.token_for(&howto, &[("scope", "write")]).expect(401);
    assert_eq!(refused["error"], "invalid_client");
    assert_eq!(row(""), nothing, "it begins later");
    assert_eq!(row("&at=2027-01-15T10:01:00Z"), something);
    assert_eq!(row("&at=2027-01-15T10:01:59.999Z"), something);
    assert_eq!(row("&at=2027-01-15T10:02:00Z"), nothing, "it is over");
}

#[test]
fn ways_to_authenticate_that_end_differently_are_told_apart() {
    let app = TestApp::start();
    let howto = app.howto();
    let rows = || {
        let page = app.admin("GET", "/access?api=myrestapi&scope=write", &Value::Null).expect(200);
        let told = |row: &Value| (row["authMethod"].clone(), row["gets"].clone(), row["claims"].clone());
        page["Resources"].as_array().unwrap().iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(rows(), [(Value::Null, json!(["write"]), json!({}))]);
    upload(&app, CLAIMS);
    upload(&app, SCOPE_ALLOWLIST);
    let all = json!({"settings": {"allow": ["*"]}});
    attach(&app, "all", "scope-allowlist", &json!({"type": "server"}), &all);
    assert_eq!(rows(), [(Value::Null, json!(["write"]), json!({}))], "alike, whatever the method");
    let method = json!({"settings": {"claims": {"method": {"from": "client.authMethod"}}}});
    attach(&app, "method", "claims-from-attributes", &json!({"type": "server"}), &method);
    let by = |method: &str| (json!(method), json!(["write"]), json!({"method": method}));
    assert_eq!(rows(), [by("client_secret_basic"), by("client_secret_post")]);
    let shell = crate::shell::Shell::of(&app);
    let told = shell.run(&["can", "periodicCleanup", "--api", "myrestapi"]).expect(0);
    assert!(told.contains("(client_secret_basic)") && told.contains("(client_secret_post)"), "{told}");
    app.set("MachineToMachine", &howto.client, "allowedAuthMethods", &json!(["client_secret_post"]));
    assert_eq!(rows(), [(Value::Null, json!(["write"]), json!({"method": "client_secret_post"}))]);
}

#[test]
fn an_address_is_given_or_missed() {
    let app = TestApp::start();
    let howto = app.howto();
    upload(&app, ADDRESSES);
    let near = json!({"settings": {"allow": ["10.0.0.0/8"]}});
    attach(&app, "near", "ip-allowlist", &json!({"type": "api", "id": howto.api}), &near);
    let path = "/access?api=myrestapi&scope=write";
    let page = app.admin("GET", path, &Value::Null).expect(200);
    assert_eq!((&page["unknownInputs"], &page["total"]), (&json!(["remoteAddress"]), &json!(1)));
    assert_eq!(page["Resources"][0]["gets"], json!([]));
    let page = app.admin("GET", &format!("{path}&remoteAddress=10.1.2.3"), &Value::Null).expect(200);
    assert_eq!((&page["unknownInputs"], &page["Resources"][0]["gets"]), (&json!([]), &json!(["write"])));
    assert_eq!(app.admin("GET", "/decisions", &Value::Null).expect(200)["totalResults"], 0, "nothing is recorded");
    for (query, what) in [
        ("scope=write", "name the API"),
        ("api=none&scope=write", "there is no Api"),
        ("api=myrestapi", "name a scope, or an account"),
        ("api=myrestapi&scope=none", "defines no such scope"),
        ("api=myrestapi&account=nobody", "there is no ServiceAccount"),
        ("api=myrestapi&scope=write&at=noon", "must be a date-time"),
        ("api=myrestapi&scope=write&count=few", "must be a whole number"),
    ] {
        let refused = app.admin("GET", &format!("/access?{query}"), &Value::Null);
        assert_eq!(refused.status, 400, "{query}: {}", refused.text);
        assert!(refused.text.contains(what), "{query}: {}", refused.text);
    }
}

#[test]
fn one_account_costs_a_bounded_number_of_answers() {
    let app = TestApp::start();
    upload(&app, MAX_TTL);
    let names: Vec<Value> = (0..20).map(|n| json!({"identifier": format!("s{n}"), "displayName": "S"})).collect();
    let held: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    let api = id(&app.create("Api", &json!({"appId": "orders", "displayName": "O", "scopes": names})));
    let account = id(&app.create("ServiceAccount", &json!({"userName": "a", "displayName": "A", "active": true})));
    app.create("Grant", &json!({"serviceAccountId": account, "apiId": api, "scopes": held}));
    for _ in 0..30 {
        app.create("MachineToMachine", &json!({"displayName": "c", "serviceAccountId": account}));
    }
    let settings = json!({"settings": {"rules": [{"scopes": ["*"], "seconds": 120}]}});
    for name in ["one", "two"] {
        attach(&app, name, "max-ttl", &json!({"type": "server"}), &settings);
    }
    // 30 clients, each scope alone and all together, two policies.
    let page = app.admin("GET", "/access?api=orders&account=a", &Value::Null).expect(200);
    let asked = page["Resources"].as_array().unwrap().len() as u64;
    assert!((1..=500).contains(&asked), "{asked}");
    assert_eq!(page["unasked"], 30 * 21 - asked);
    let page = app.admin("GET", "/access?api=orders&account=a&scope=s3", &Value::Null).expect(200);
    assert_eq!((page["Resources"].as_array().unwrap().len(), &page["unasked"]), (30, &json!(0)));
    let shell = crate::shell::Shell::of(&app);
    let ran = shell.run(&["can", "a", "--api", "orders"]);
    assert!(ran.err.contains("questions of accounts with very many clients and scopes were not asked"), "{}", ran.err);
    ran.expect(0);
}
