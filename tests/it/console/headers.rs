//! What every answer of the console carries, and what no page of it holds.

use serde_json::json;

use super::Person;
use crate::app::TestApp;

/// A page of every kind.
pub fn pages(app: &TestApp) -> Vec<String> {
    let howto = app.howto();
    let account = format!("/console/service-accounts/{}", howto.account);
    let client = format!("/console/marketplace/machine-to-machine/{}", howto.client);
    let api = format!("/console/marketplace/api/{}", howto.api);
    let grant = format!("/console/grants/{}", howto.grant);
    let commits = app.admin("GET", "/audit/commits?count=1", &json!(null)).expect(200);
    let commit = commits["Resources"][0]["id"].as_str().unwrap().to_owned();
    let mut all: Vec<String> = [
        "/console",
        "/console/service-accounts",
        "/console/service-accounts/add",
        "/console/service-accounts?q=nobody",
        "/console/marketplace",
        "/console/marketplace/machine-to-machine",
        "/console/marketplace/machine-to-machine/add",
        "/console/marketplace/api",
        "/console/marketplace/api/add",
        "/console/grants",
        "/console/grants/add",
        "/console/policies",
        "/console/policies/add",
        "/console/policies/modules",
        "/console/policies/modules/add",
        "/console/decisions",
        "/console/audit",
        "/console/keys",
        "/console/keys/rotate",
        "/console/api-tokens",
        "/console/api-tokens/add",
        "/console/sessions",
        "/console/about?check=1",
        "/console/sign-out",
        "/console/nowhere",
    ]
    .map(str::to_owned)
    .to_vec();
    for (path, ends) in [
        (&account, &["", "/edit", "/delete", "/integrations", "/access", "/decisions", "/history", "/json"][..]),
        (&client, &["", "/edit", "/delete", "/use", "/history", "/json", "/secrets/add"]),
        (&api, &["", "/edit", "/delete", "/access", "/tokens", "/tokens/edit", "/history", "/json", "/scopes/add"]),
        (&grant, &["", "/edit", "/delete", "/history", "/json"]),
    ] {
        all.extend(ends.iter().map(|end| format!("{path}{end}")));
    }
    all.push(format!("{api}/scopes/edit?scope=read"));
    all.push(format!("{api}/scopes/remove?scope=read"));
    all.push(format!("/console/grants/add?account={}&api={}", howto.account, howto.api));
    all.push(format!("/console/audit/{commit}"));
    all
}

#[test]
fn every_page_is_closed_to_other_sites_and_holds_nothing_inline() {
    let app = TestApp::start();
    let paths = pages(&app);
    let person = Person::signed_in(&app);
    for path in &paths {
        let answer = person.get(path);
        let expected = if path.ends_with("/nowhere") { 404 } else { 200 };
        assert_eq!(answer.status, expected, "{path}: {}", answer.text);
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        let text = &answer.text;
        assert!(text.len() < 60 * 1024, "{path} has {} bytes", text.len());
        for inline in ["<style", " style=\"", " onclick=", " onload=", "javascript:", "<iframe", "<base"] {
            assert!(!text.contains(inline), "{path} holds {inline}");
        }
        for script in text.split("<script").skip(1) {
            assert!(script.starts_with(" type=\"module\" src=\"/console/assets/"), "{path}");
        }
        for mark in ["src=\"", "<link rel=\"stylesheet\" href=\"", "<link rel=\"icon\" type=\"image/svg+xml\" href=\""]
        {
            let all = text.split(mark).skip(1);
            assert!(
                all.clone().count() > 0 && all.into_iter().all(|rest| rest.starts_with("/console/assets/")),
                "{path}"
            );
        }
        assert!(text.contains("<html lang=\"en\"") && text.contains("<main id=\"main\""), "{path}");
        assert_eq!(text.matches("<h1").count(), 1, "{path}");
    }
}

#[test]
fn answers_that_are_no_pages_carry_the_same() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let asset = person
        .get("/console")
        .text
        .split("href=\"/console/assets/")
        .nth(2)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let asset = format!("/console/assets/{asset}");
    for (path, status) in [("/console/audit", 303), ("/console/sign-in", 200), (asset.as_str(), 200), ("/", 303)] {
        let answer = app.send("GET", path, &[], b"");
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
    }
    let kept = app.send("GET", &asset, &[], b"");
    assert_eq!(kept.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(kept.header("content-type"), "text/css; charset=utf-8");
    let older = app.send("GET", "/console/assets/00000000/console.js", &[], b"");
    assert_eq!((older.status, older.header("cache-control")), (200, "no-store"));
    assert_eq!(app.send("GET", "/console/assets/x/../../grantd.db", &[], b"").status, 303, "nothing but its own files");
    assert_eq!(app.send("GET", "/console/assets/x/none.css", &[], b"").status, 404);
    // The style and the script together weigh less than one page may.
    let weight: usize = ["console.css", "console.js"]
        .map(|name| app.send("GET", &format!("/console/assets/x/{name}"), &[], b"").text.len())
        .iter()
        .sum();
    assert!(weight < 60 * 1024, "{weight}");
}

#[test]
fn what_people_write_is_text_and_nothing_else() {
    let app = TestApp::start();
    let evil = r#""><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"#;
    let name = |what: &str| format!("{what}{evil}");
    let account = app.create(
        "ServiceAccount",
        &json!({"userName": name("u"), "displayName": name("d"), "active": true, "attributes": {"k": evil}}),
    );
    let account = account["id"].as_str().unwrap().to_owned();
    let client = app.create(
        "MachineToMachine",
        &json!({"displayName": name("c"), "serviceAccountId": account, "clientId": "a\"b'c<d>"}),
    );
    let client = client["id"].as_str().unwrap().to_owned();
    let scope = "s<x>'&;";
    let api = app.create("Api", &json!({"appId": "i<j>'\"", "displayName": name("a"), "scopes": [{"identifier": scope, "displayName": name("s"), "description": evil}]}));
    let api = api["id"].as_str().unwrap().to_owned();
    let grant =
        app.create("Grant", &json!({"serviceAccountId": account, "apiId": api, "scopes": [scope], "reason": evil}));
    let grant = grant["id"].as_str().unwrap().to_owned();
    let person = Person::signed_in(&app);
    let query = super::encoded(&[("q", evil)]);
    let scope_query = super::encoded(&[("scope", scope)]);
    for path in [
        "/console".to_owned(),
        format!("/console/service-accounts?{query}"),
        format!("/console/service-accounts?status={}", super::encoded(&[("", evil)])),
        format!("/console/service-accounts/{account}"),
        format!("/console/service-accounts/{account}/edit"),
        format!("/console/service-accounts/{account}/access"),
        format!("/console/service-accounts/{account}/history"),
        format!("/console/service-accounts/{account}/json"),
        format!("/console/service-accounts/{account}/delete"),
        format!("/console/marketplace/machine-to-machine/{client}/use"),
        format!("/console/marketplace/machine-to-machine?{query}"),
        format!("/console/marketplace/api/{api}"),
        format!("/console/marketplace/api/{api}/access"),
        format!("/console/marketplace/api/{api}/scopes/edit?{scope_query}"),
        format!("/console/grants?{query}"),
        format!("/console/grants/{grant}/edit"),
        format!("/console/audit?{query}"),
        format!("/console/nowhere/{}", super::encoded(&[("x", evil)])),
        format!("/console/sign-out?{query}"),
    ] {
        let answer = person.get(&path);
        assert!([200, 404].contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
        for raw in ["<script>alert", "<img src=x", "onerror=alert(1)>"] {
            assert!(!answer.text.contains(raw), "{path} holds {raw}");
        }
    }
    // A message about a thing carries its name too.
    let answer = person.fill(
        &format!("/console/service-accounts/{account}/edit"),
        &[("userName", &name("u")), ("displayName", &name("d"))],
    );
    let page = person.follow(&answer);
    assert!(page.text.contains("Saved d&quot;&gt;&lt;script&gt;") && !page.text.contains("<script>alert"));
}

#[test]
fn the_suggestions_are_data() {
    let app = TestApp::start();
    app.howto();
    let person = Person::signed_in(&app);
    let answer = person.get("/console/suggest/service-accounts?q=PERIODIC");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json(), json!([{"value": "periodicCleanup", "label": "Periodic Cleanup Account", "note": ""}]));
    assert_eq!(person.get("/console/suggest/service-accounts?q=none").json(), json!([]));
}
