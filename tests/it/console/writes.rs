//! Forms: where they may come from, that they are obeyed once, and that nothing typed is lost.

use serde_json::Value;

use super::{Person, encoded, hidden_fields, typed};
use crate::app::TestApp;

const ADD: &str = "/console/service-accounts/add";

fn accounts(app: &TestApp) -> i64 {
    app.admin("GET", "/resources/cid/ServiceAccount?count=0", &Value::Null).expect(200)["totalResults"]
        .as_i64()
        .unwrap()
}

#[test]
fn a_form_without_the_sessions_token_changes_nothing_and_is_shown_again() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let other = Person::with_role(&app, "admin");
    let foreign = hidden_fields(&other.get(ADD).text, ADD);
    let foreign = foreign.iter().find(|(name, _)| name == "_form").unwrap().1.clone();
    for token in [None, Some(""), Some("x"), Some(foreign.as_str())] {
        let mut fields = vec![("userName", "kept-name"), ("displayName", "Kept <b>")];
        fields.extend(token.map(|token| ("_form", token)));
        let answer = person.post(ADD, &fields);
        assert_eq!(answer.status, 200, "{token:?}");
        assert_eq!(typed(&answer.text, "userName"), "kept-name");
        assert_eq!(typed(&answer.text, "displayName"), "Kept <b>");
        assert!(answer.text.contains("nothing was changed"), "{token:?}");
        assert_eq!(accounts(&app), 0);
        // What is shown again can be sent as it is.
        if token.is_none() {
            continue;
        }
    }
    let answer = person.post(ADD, &[("userName", "kept-name")]);
    let sent = person.fill_page(&answer.text, ADD, &[("userName", "kept-name")]);
    assert_eq!(sent.status, 303);
    assert_eq!(accounts(&app), 1);
}

#[test]
fn a_form_of_another_site_is_refused() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let mut fields = hidden_fields(&person.get(ADD).text, ADD);
    fields.push(("userName".to_owned(), "evil".to_owned()));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = encoded(&fields);
    let kind = ("content-type", "application/x-www-form-urlencoded");
    for header in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        for path in [ADD, "/console/sign-in", "/console/sign-out"] {
            let answer = person.send("POST", path, &[kind, header], body.as_bytes());
            assert_eq!(answer.status, 403, "{header:?} {path}");
            assert!(answer.text.contains("another site"));
            assert_eq!(answer.header("set-cookie"), "");
        }
    }
    assert_eq!(accounts(&app), 0);
    let own = [kind, ("origin", app.url.as_str())];
    assert_eq!(person.send("POST", ADD, &own, body.as_bytes()).status, 303);
    assert_eq!(accounts(&app), 1);
}

#[test]
fn what_was_typed_survives_the_end_of_the_session() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let open = person.get(ADD);
    app.advance(2 * 3600);
    let name = "nightly & <odd> \"name\" 50% +1";
    let fields = [("userName", name), ("displayName", "خدمة"), ("active", "true")];
    let asked = person.fill_page(&open.text, ADD, &fields);
    assert_eq!(asked.status, 401);
    assert!(asked.text.contains("what you typed is there again"));
    assert_eq!(accounts(&app), 0);
    // A wrong token first: it is still there.
    let kept = hidden_fields(&asked.text, "/console/sign-in");
    let with = |token: &'static str| {
        let mut all: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.push(("token", token));
        person.post("/console/sign-in", &all)
    };
    let wrong = with("gapi_wrong");
    assert_eq!(hidden_fields(&wrong.text, "/console/sign-in"), kept);
    let mut all: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.push(("token", &app.admin_token));
    let answer = person.post("/console/sign-in", &all);
    // 307: the browser sends the same form again, to the page that waits for it.
    assert_eq!((answer.status, answer.header("location")), (307, ADD));
    let shown = person.post(ADD, &all);
    assert_eq!(shown.status, 200);
    assert_eq!(typed(&shown.text, "userName"), name);
    assert_eq!(typed(&shown.text, "displayName"), "خدمة");
    assert!(super::is_ticked(&shown.text, "active", "true"));
    assert!(!shown.text.contains(&app.admin_token), "the token went with it, and is not shown");
    assert_eq!(accounts(&app), 0, "nothing is done before it is looked at");
    assert_eq!(person.fill_page(&shown.text, ADD, &fields).status, 303);
    assert_eq!(accounts(&app), 1);
}

#[test]
fn a_form_that_is_sent_twice_is_obeyed_once() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let path = "/console/marketplace/machine-to-machine/add";
    let open = person.get(path);
    let fields = [("displayName", "twice"), ("serviceAccountId", howto.account.as_str())];
    let first = person.fill_page(&open.text, path, &fields);
    let again = person.fill_page(&open.text, path, &fields);
    assert_eq!((first.status, again.status), (303, 303));
    let place = |answer: &crate::app::Answer| answer.header("location").split('?').next().unwrap().to_owned();
    assert_eq!(place(&first), place(&again));
    assert!(!again.header("location").contains("shown="), "the secret is not shown twice");
    let page = person.follow(&again);
    assert!(page.text.contains("the form was sent twice"), "{}", page.text);
    let all = app.admin("GET", "/resources/cid/MachineToMachine?count=0", &Value::Null).expect(200);
    assert_eq!(all["totalResults"], 2, "the how-to's and this one");
    // Another form of the same kind is another matter.
    assert_eq!(person.fill(path, &fields).status, 303);
    // Going back to the page and reloading it is no write.
    assert_eq!(person.get(&place(&first)).status, 200);
}

#[test]
fn two_clicks_at_once_are_one() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let path = "/console/marketplace/machine-to-machine/add";
    let hidden = hidden_fields(&person.get(path).text, path);
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.extend([("displayName", "clicked"), ("serviceAccountId", howto.account.as_str())]);
    let body = encoded(&fields);
    let cookie = person.cookie_header();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let headers = [("cookie", cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
                assert_eq!(app.send("POST", path, &headers, body.as_bytes()).status, 303);
            });
        }
    });
    let filter = "/resources/cid/MachineToMachine?count=0&filter=displayName%20eq%20%22clicked%22";
    assert_eq!(app.admin("GET", filter, &Value::Null).expect(200)["totalResults"], 1);
}

#[test]
fn a_secret_is_shown_once_and_to_its_maker_alone() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let answer = person.fill(
        "/console/marketplace/machine-to-machine/add",
        &[("displayName", "secretive"), ("serviceAccountId", &howto.account)],
    );
    let place = answer.header("location").to_owned();
    assert!(!place.contains("gsec_"));
    // Somebody else who gets hold of the address uses it up without seeing anything.
    let shown = person.get(&place).text;
    assert!(shown.contains("gsec_") && shown.contains("shown this once"));
    let secret = shown.split("gsec_").nth(1).unwrap().split(['"', '<']).next().unwrap().to_owned();
    let again = person.get(&place).text;
    assert!(!again.contains(&secret) && again.contains("was shown once"));
    let other = Person::with_role(&app, "admin");
    let answer = person.fill(
        "/console/marketplace/machine-to-machine/add",
        &[("displayName", "secretive"), ("serviceAccountId", &howto.account)],
    );
    assert!(!other.get(answer.header("location")).text.contains("gsec_"));
}

#[test]
fn a_body_that_is_no_form_or_too_large_is_refused() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let large = format!("userName={}", "x".repeat(1024 * 1024));
    assert_eq!(person.send("POST", ADD, &[], large.as_bytes()).status, 413);
    assert_eq!(person.send("POST", ADD, &[], b"\xff\xfe").status, 400);
    assert_eq!(person.send("DELETE", ADD, &[], b"").status, 405);
    assert_eq!(accounts(&app), 0);
}

#[test]
fn a_database_that_cannot_be_written_loses_nothing_that_was_typed() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let open = person.get(ADD);
    // Another program holds the database for longer than anyone waits.
    let other = rusqlite::Connection::open(app.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = person.fill_page(&open.text, ADD, &[("userName", "patient"), ("active", "true")]);
    assert_eq!(answer.status, 503);
    assert_eq!(typed(&answer.text, "userName"), "patient");
    assert!(answer.text.contains("nothing was changed"), "{}", answer.text);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(person.fill_page(&answer.text, ADD, &[("userName", "patient")]).status, 303);
    assert_eq!(accounts(&app), 1);
}
