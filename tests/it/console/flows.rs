//! The how-to in the console, from an empty database to a token, and what forms say to those who err.

use serde_json::{Value, json};

use super::{Page, Person, attribute, typed};
use crate::app::{TestApp, claims};

/// The value that a button copies.
fn copied(page: &str, label: &str) -> String {
    let button = page.split("<button").find(|button| button.contains(&format!("aria-label=\"Copy {label}\"")));
    attribute(button.unwrap_or_else(|| panic!("no button copies {label}")), "data-copy")
}

fn add_account(person: &Person) -> Page {
    person.fill_and_follow(
        "/console/service-accounts/add",
        &[("userName", "periodicCleanup"), ("displayName", "Periodic Cleanup Account"), ("active", "true")],
    )
}

#[test]
fn the_how_to_leads_to_a_token() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    assert!(person.get("/console").text.contains("From nothing to a token"));
    let account = add_account(&person);
    assert!(account.text.contains("Created user Periodic Cleanup Account successfully"));
    assert!(account.text.contains("Before it can get a token"), "the next steps are shown");
    let client = person.fill_and_follow(
        "/console/marketplace/machine-to-machine/add",
        &[("displayName", "periodicService"), ("serviceAccountId", "periodicCleanup")],
    );
    let (id, secret) = (copied(&client.text, "the Client ID"), copied(&client.text, "the Client Secret"));
    assert!(secret.starts_with("gsec_"));
    let api = person.fill_and_follow(
        "/console/marketplace/api/add",
        &[
            ("appId", "myrestapi"),
            ("displayName", "My REST API"),
            ("scopes/0/identifier", "read"),
            ("scopes/0/displayName", "Read"),
            ("scopes/2/identifier", "write"),
            ("scopes/2/sensitivity", "medium"),
            ("signingAlg", "EdDSA"),
            ("tokenLifetimeSeconds", "600"),
        ],
    );
    assert!(api.text.contains("Added the API My REST API"));
    let add_grant = format!("/console/grants/add?api={}&account={}", api.id(), account.id());
    let page = person.get(&add_grant).text;
    assert_eq!(typed(&page, "serviceAccountId"), "periodicCleanup", "it is filled in from where one came");
    let answer = person.fill_page(
        &page,
        "/console/grants/add",
        &[("serviceAccountId", "periodicCleanup"), ("scopes", "write"), ("reason", "the how-to")],
    );
    let grant = person.follow(&answer);
    assert!(grant.text.contains("Granted write") && grant.text.contains("the how-to"));
    let token = app.token(&[
        ("grant_type", "client_credentials"),
        ("client_id", &id),
        ("client_secret", &secret),
        ("scope", "write"),
    ]);
    let token = token.expect(200);
    let claims = claims(token["access_token"].as_str().unwrap());
    assert_eq!((claims["aud"].as_str(), claims["sub"].as_str()), (Some("myrestapi"), Some(account.id())));
    assert_eq!(token["expires_in"], 600);
    let access = person.get(&format!("/console/service-accounts/{}/access", account.id())).text;
    assert!(access.contains("My REST API") && access.contains("<code>write</code>") && access.contains("Medium"));
    // Every step is in the audit trail, in the name of whoever is signed in.
    let commits =
        app.admin("GET", "/audit/commits?count=100&filter=reason%20eq%20%22the%20how-to%22", &Value::Null).expect(200);
    assert_eq!(commits["Resources"][0]["actor"]["displayName"], "first");
}

#[test]
fn what_does_not_fit_is_told_beside_its_field_and_kept() {
    let app = TestApp::start();
    app.howto();
    let person = Person::signed_in(&app);
    let long = "x".repeat(201);
    for (path, fields, field, message) in [
        (
            "/console/service-accounts/add",
            vec![("userName", ""), ("displayName", "D")],
            "userName",
            "this member is required",
        ),
        ("/console/service-accounts/add", vec![("userName", "PERIODICcleanup")], "userName", "this userName is taken"),
        ("/console/service-accounts/add", vec![("userName", long.as_str())], "userName", "at most 200 characters"),
        (
            "/console/marketplace/machine-to-machine/add",
            vec![("displayName", "s"), ("serviceAccountId", "nobody")],
            "serviceAccountId",
            "there is no ServiceAccount",
        ),
        (
            "/console/marketplace/api/add",
            vec![("appId", "two words"), ("tokenLifetimeSeconds", "600")],
            "appId",
            "printable ASCII without blanks",
        ),
        (
            "/console/marketplace/api/add",
            vec![("appId", "x"), ("audience", "nope")],
            "audience",
            "must be an absolute URI",
        ),
        (
            "/console/marketplace/api/add",
            vec![("appId", "x"), ("tokenLifetimeSeconds", "5")],
            "tokenLifetimeSeconds",
            "must be from 60 to 86400",
        ),
        (
            "/console/marketplace/api/add",
            vec![("appId", "x"), ("tokenLifetimeSeconds", "soon")],
            "tokenLifetimeSeconds",
            "must be a whole number",
        ),
        (
            "/console/marketplace/api/add",
            vec![("appId", "x"), ("scopes/1/identifier", "a b")],
            "scopes/1/identifier",
            "a scope",
        ),
        (
            "/console/marketplace/api/add",
            vec![("appId", "x"), ("scopes/0/identifier", "a"), ("scopes/2/identifier", "a")],
            "scopes/2/identifier",
            "stands here twice",
        ),
        (
            "/console/api-tokens/add",
            vec![("displayName", "t"), ("role", "reader"), ("expiresAt", "2020-01-01T00:00")],
            "expiresAt",
            "must lie in the future",
        ),
    ] {
        let answer = person.fill(path, &fields);
        assert!([400, 409].contains(&answer.status), "{path} {field}: {}", answer.status);
        let id = format!("f-{}-problem", field.replace('/', "-"));
        let told = answer.text.split(&format!("id=\"{id}\"")).nth(1);
        let told = told.unwrap_or_else(|| panic!("{path}: nothing beside {field}: {}", answer.text));
        assert!(told.split("</p>").next().unwrap().contains(message), "{path} {field}: {told}");
        for (name, value) in &fields {
            assert_eq!(typed(&answer.text, name), *value, "{path}: {name} is kept");
        }
        assert!(answer.text.contains(&format!("aria-describedby=\"{id}")), "{path} {field}");
    }
    let all = app.admin("GET", "/resources/cid/Api?count=0", &Value::Null).expect(200);
    assert_eq!(all["totalResults"], 2, "the built-in one and the how-to's");
}

#[test]
fn an_edit_says_what_is_wrong_inside_of_json() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let path = format!("/console/service-accounts/{}/edit", howto.account);
    let answer = person.fill(&path, &[("userName", "periodicCleanup"), ("attributes", "{\"team\": ops}")]);
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("this is not JSON"), "{}", answer.text);
    assert_eq!(typed(&answer.text, "attributes"), "{\"team\": ops}");
    let path = format!("/console/marketplace/api/{}/tokens/edit", howto.api);
    let fields = [("signingAlg", "ES256"), ("tokenLifetimeSeconds", "900"), ("claims", r#"{"sub": {"value": 1}}"#)];
    let answer = person.fill(&path, &fields);
    assert_eq!(answer.status, 400);
    let told = answer.text.split("id=\"f-claims-problem\"").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(told.contains("sub: grantd writes this claim itself"), "{told}");
    let fixed =
        [("signingAlg", "ES256"), ("tokenLifetimeSeconds", "900"), ("claims", r#"{"tier": {"value": "gold"}}"#)];
    let page = person.follow(&person.fill_page(&answer.text, &path, &fixed));
    assert!(page.text.contains("ES256") && page.text.contains("15 minutes") && page.text.contains("tier"));
}

#[test]
fn scopes_are_added_changed_and_removed_one_at_a_time() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let api = format!("/console/marketplace/api/{}", howto.api);
    let page = person.fill_and_follow(
        &format!("{api}/scopes/add"),
        &[
            ("identifier", "purge:all"),
            ("description", "Line one\r\nline two"),
            ("sensitivity", "high"),
            ("default", "true"),
        ],
    );
    assert!(page.text.contains("purge:all") && page.text.contains("High"));
    let edit = format!("{api}/scopes/edit?scope=purge%3Aall");
    let open = person.get(&edit).text;
    assert_eq!(typed(&open, "description"), "Line one\nline two");
    let taken = person.fill_page(&open, &edit, &[("identifier", "read"), ("sensitivity", "low")]);
    assert_eq!(taken.status, 400);
    assert!(
        taken.text.contains("id=\"f-identifier-problem\"") && taken.text.contains("stands here twice"),
        "{}",
        taken.text
    );
    let page = person.follow(&person.fill_page(
        &open,
        &edit,
        &[("identifier", "purge:all"), ("displayName", "Purge"), ("sensitivity", "medium")],
    ));
    assert!(page.text.contains("Purge") && page.text.contains("Medium"));
    // One that is in use stays, and the page says what uses it.
    let remove = format!("{api}/scopes/remove?scope=write");
    let open = person.get(&remove).text;
    assert!(open.contains("1 grant holds it"));
    let refused = person.fill_page(&open, &remove, &[]);
    assert_eq!(refused.status, 409, "{}", refused.text);
    let page = person.fill_and_follow(&format!("{api}/scopes/remove?scope=read"), &[]);
    assert!(page.text.contains("Removed the scope read") && !page.text.contains("<code>read</code>"));
    assert_eq!(person.get(&format!("{api}/scopes/edit?scope=read")).status, 404);
}

#[test]
fn deleting_names_what_it_breaks() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let path = format!("/console/service-accounts/{}/delete", howto.account);
    let open = person.get(&path).text;
    for named in ["Periodic Cleanup Account", "1 integration", "periodicService", "1 grant"] {
        assert!(open.contains(named), "{named}");
    }
    let page = person.follow(&person.fill_page(&open, &path, &[("_reason", "it is retired")]));
    assert!(page.text.contains("Deleted Periodic Cleanup Account"));
    assert_eq!(app.token_for(&howto, &[]).status, 401);
    let found = person.get("/console/audit?q=retired").text;
    assert!(found.contains("Deleted service account Periodic Cleanup Account and 2 more"), "{found}");
}

#[test]
fn secrets_are_added_and_ended() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let client = format!("/console/marketplace/machine-to-machine/{}", howto.client);
    let page = person.fill_and_follow(&format!("{client}/secrets/add"), &[("expiresAt", "2027-01-20T10:00")]);
    let second = copied(&page.text, "the Client Secret");
    assert!(page.text.contains("Ends soon") && page.text.contains("in 5 days"));
    assert!(person.get("/console").text.contains("of <bdi>periodicService</bdi>"), "the overview warns of it");
    let with = |secret: &str| {
        app.token(&[
            ("grant_type", "client_credentials"),
            ("client_id", &howto.client_id),
            ("client_secret", secret),
            ("scope", "write"),
        ])
        .status
    };
    assert_eq!((with(&howto.client_secret), with(&second)), (200, 200));
    let ends: Vec<String> = page
        .text
        .split("href=\"")
        .filter(|rest| rest.contains("/end\""))
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    assert_eq!(ends.len(), 2);
    let page = person.fill_and_follow(&ends[0], &[]);
    assert!(page.text.contains("Ended the secret"));
    assert_eq!((with(&howto.client_secret), with(&second)), (401, 200));
    let last = person.get(&ends[1]).text;
    assert!(last.contains("It is the last valid one"));
}

#[test]
fn lists_are_searched_narrowed_sorted_and_paged() {
    let app = TestApp::start();
    for number in 0..60 {
        let body = json!({"userName": format!("worker-{number:02}"), "displayName": format!("Worker {number}"), "active": number % 3 == 0});
        app.create("ServiceAccount", &body);
        app.advance(1);
    }
    let person = Person::signed_in(&app);
    let names = |path: &str| -> Vec<String> {
        let page = person.get(path).text;
        let rows = page.split("<a class=\"name\"").skip(1);
        rows.map(|row| row.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/console/service-accounts")[..2], ["Worker 59", "Worker 58"], "newest first");
    assert_eq!(names("/console/service-accounts?page=3").len(), 10);
    assert_eq!(names("/console/service-accounts?sort=userName")[..2], ["Worker 0", "Worker 1"]);
    assert_eq!(names("/console/service-accounts?sort=-userName")[0], "Worker 59");
    assert_eq!(
        names("/console/service-accounts?q=WORKER-0&status=active&sort=userName"),
        ["Worker 0", "Worker 3", "Worker 6", "Worker 9"]
    );
    let page = person.get("/console/service-accounts?status=active").text;
    assert!(page.contains("Total of 20, no more") && page.contains("Inactive<span class=\"count\">40</span>"));
    let second = person.get("/console/service-accounts?q=worker&page=2").text;
    assert!(second.contains("26–50 of 60"));
    assert!(
        second.contains("href=\"/console/service-accounts?q=worker\"")
            && second.contains("href=\"/console/service-accounts?q=worker&amp;page=3\"")
    );
    // An address that makes no sense still shows something.
    for odd in ["page=0", "page=x", "page=99", "sort=none", "status=odd", "q=%22%20or%20%22", "q=%"] {
        assert_eq!(person.get(&format!("/console/service-accounts?{odd}")).status, 200, "{odd}");
    }
}

#[test]
fn the_matrix_shows_who_may_do_what() {
    let app = TestApp::start();
    let howto = app.howto();
    app.create("ServiceAccount", &json!({"userName": "idle", "displayName": "Idle"}));
    let person = Person::signed_in(&app);
    let page = person.get("/console/grants").text;
    assert!(
        page.contains("<code class=\"chip\">write</code>")
            && page.contains(&format!("/console/grants/{}", howto.grant))
    );
    assert!(page.contains("aria-label=\"Grant Idle access to My REST API\""));
    assert!(page.contains("grantd admin API"), "an administrator sees grantd itself");
    let editor = Person::with_role(&app, "editor").get("/console/grants").text;
    assert!(!editor.contains("access to grantd admin API"), "an editor is not offered it");
    let one = person.get("/console/grants?q=idle&api=myrest").text;
    assert!(!one.contains("Periodic Cleanup Account") && !one.contains("grantd admin API") && one.contains("Idle"));
}

#[test]
fn keys_are_rotated_and_say_when_it_is_too_early() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let answer = person.fill("/console/keys/rotate", &[("alg", "EdDSA")]);
    assert_eq!(answer.status, 409);
    assert!(answer.text.contains("may not know it before"), "{}", answer.text);
    let page =
        person.fill_and_follow("/console/keys/rotate", &[("alg", "EdDSA"), ("force", "true"), ("_reason", "leaked")]);
    assert!(page.text.contains("Rotated the keys") && page.text.contains("Retired"));
    assert_eq!(page.text.matches(">Retired<").count(), 1);
}

#[test]
fn api_tokens_are_made_shown_once_and_revoked() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let page = person.fill_and_follow("/console/api-tokens/add", &[("displayName", "Terraform"), ("role", "editor")]);
    let token = copied(&page.text, "the API token");
    assert_eq!(app.admin_as(&token, "GET", "/resources/cid/Api", &Value::Null).status, 200);
    assert_eq!(app.admin_as(&token, "GET", "/auth/api-tokens", &Value::Null).status, 403);
    assert!(!person.get("/console/api-tokens").text.contains(&token));
    let revoke = person.get("/console/api-tokens").text;
    let revoke = revoke
        .split("aria-label=\"Revoke Terraform\"")
        .next()
        .unwrap()
        .rsplit("href=\"")
        .next()
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    person.fill_and_follow(&revoke, &[]);
    assert_eq!(app.admin_as(&token, "GET", "/resources/cid/Api", &Value::Null).status, 401);
}

#[test]
fn the_look_is_remembered() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let page = person.get("/console/audit?by=system").text;
    assert!(!page.contains("data-theme"));
    let page = person.follow(&person.fill_page(&page, "/console/theme", &[("theme", "dark")]));
    assert_eq!(page.place, "/console/audit?by=system");
    assert!(page.text.contains("data-theme=\"dark\""));
    let page = person.follow(&person.fill_page(&page.text, "/console/theme", &[("theme", "")]));
    assert!(!page.text.contains("data-theme"));
}
