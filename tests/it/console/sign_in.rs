//! Getting in, staying in, and getting out.

use grantd::clock::{Clock, Timestamp};
use serde_json::{Value, json};

use super::Person;
use crate::app::{START, TestApp};

const HOUR: i64 = 3600;

#[test]
fn a_token_is_exchanged_for_a_cookie_that_no_script_and_no_other_site_gets() {
    let app = TestApp::start();
    let person = Person::new(&app);
    let answer = person.post("/console/sign-in", &[("token", &app.admin_token), ("next", "/console/keys")]);
    assert_eq!((answer.status, answer.header("location")), (303, "/console/keys"));
    let cookie = answer.header("set-cookie");
    for part in ["=gses_", "; Path=/console", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "it is plain http");
    assert_eq!(person.get("/console/keys").status, 200);
    assert!(!app.admin_token.contains(&person.cookies.borrow()[0].1), "the cookie is not the token");
}

#[test]
fn under_https_the_cookie_is_secure_and_tied_to_the_host() {
    let app = TestApp::with(|config| config.public_url = Some("https://id.example.com".to_owned()));
    let answer = Person::new(&app).post("/console/sign-in", &[("token", &app.admin_token)]);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-grantd_session=gses_"), "{cookie}");
    assert!(cookie.contains("; Path=/;") && cookie.contains("; Secure") && !cookie.contains("Domain"), "{cookie}");
}

#[test]
fn what_is_no_token_is_told_so_and_opens_nothing() {
    let app = TestApp::start();
    let howto = app.howto();
    let inactive =
        app.admin("POST", "/auth/api-tokens", &json!({"displayName": "x", "role": "admin", "active": false}));
    let inactive = inactive.expect(201)["signedToken"].as_str().unwrap().to_owned();
    for token in ["", "gapi_x", &howto.client_secret, &inactive, "<script>alert(1)</script>"] {
        let person = Person::new(&app);
        let answer = person.post("/console/sign-in", &[("token", token), ("next", "/console/audit")]);
        assert_eq!(answer.status, 401, "{token}");
        assert!(answer.text.contains("This is no API token that is valid now"), "{token}");
        assert!(answer.text.contains("name=\"next\" value=\"/console/audit\""), "the way on is kept");
        assert!(token.is_empty() || !answer.text.contains(token), "it is not shown again");
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[test]
fn a_sign_in_link_works_once_and_not_for_those_who_only_look_ahead() {
    let app = TestApp::start();
    let ahead = app.send("GET", &app.sign_in_path, &[("sec-purpose", "prefetch;prerender")], b"");
    assert_eq!((ahead.status, ahead.header("set-cookie")), (503, ""));
    let first = Person::new(&app);
    let answer = first.get(&app.sign_in_path);
    assert_eq!((answer.status, answer.header("location")), (303, "/console"));
    assert_eq!(first.get("/console").status, 200);
    let second = Person::new(&app).get(&app.sign_in_path);
    assert_eq!((second.status, second.header("set-cookie")), (401, ""));
    assert!(second.text.contains("used already"));
    // Whoever is in already is not troubled.
    assert_eq!(first.get(&app.sign_in_path).header("location"), "/console");
}

#[test]
fn a_sign_in_link_ends_after_a_day_and_with_its_token() {
    let app = TestApp::start();
    app.advance(24 * HOUR);
    assert_eq!(Person::new(&app).get(&app.sign_in_path).status, 401);
    let app = TestApp::start();
    let tokens = app.admin("GET", "/auth/api-tokens", &Value::Null).expect(200);
    let id = tokens["Resources"][0]["id"].as_str().unwrap().to_owned();
    app.admin("DELETE", &format!("/auth/api-tokens/{id}"), &Value::Null).expect(204);
    assert_eq!(Person::new(&app).get(&app.sign_in_path).status, 401);
}

#[test]
fn a_session_rests_for_an_hour_and_lives_for_twelve() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    app.advance(HOUR);
    assert_eq!(person.get("/console").header("location"), "/console/sign-in?next=/console");
    let person = Person::signed_in(&app);
    for _ in 0..12 {
        assert_eq!(person.get("/console").status, 200);
        // The last use is written down behind the requests, once a minute at most.
        wait_for_use(&app);
        app.advance(HOUR - 60);
    }
    app.advance(12 * 60);
    assert_eq!(person.get("/console").status, 303, "twelve hours are over");
}

/// Until the database says that the session was just used.
fn wait_for_use(app: &TestApp) {
    let now = app.clock.now().ms();
    let database = rusqlite::Connection::open(app.database()).unwrap();
    crate::app::eventually("the use is written", || {
        let sql = "SELECT MAX(last_used_at_ms) FROM console_session";
        let last: i64 = database.query_row(sql, [], |row| row.get(0)).unwrap();
        (last == now).then_some(())
    });
}

#[test]
fn signing_out_ends_the_session_on_the_server() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let stolen = Person::new(&app);
    stolen.cookies.replace(person.cookies.borrow().clone());
    assert_eq!(stolen.get("/console").status, 200);
    let answer = person.fill("/console/sign-out", &[]);
    assert_eq!(answer.header("location"), "/console/sign-in");
    assert!(person.cookies.borrow().is_empty(), "the browser forgets it");
    assert_eq!(stolen.get("/console").status, 303, "and so does the server");
}

#[test]
fn a_session_ends_with_its_token_and_has_its_role() {
    let app = TestApp::start();
    let made = app.admin(
        "POST",
        "/auth/api-tokens",
        &json!({"displayName": "short", "role": "reader", "expiresAt": "2027-01-15T10:10:00Z"}),
    );
    let made = made.expect(201);
    let person = Person::with_token(&app, made["signedToken"].as_str().unwrap());
    assert!(person.get("/console").text.contains("reader"));
    app.advance(600);
    assert_eq!(person.get("/console").status, 303, "the token has ended");
    let made = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "gone", "role": "reader"})).expect(201);
    let person = Person::with_token(&app, made["signedToken"].as_str().unwrap());
    app.admin("DELETE", &format!("/auth/api-tokens/{}", made["id"].as_str().unwrap()), &Value::Null).expect(204);
    assert_eq!(person.get("/console").status, 303, "the token is gone");
}

#[test]
fn a_session_is_always_a_new_one() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let before = person.cookies.borrow().clone();
    // Whoever plants a cookie, or knows an old one, gains nothing by a sign-in.
    person.post("/console/sign-in", &[("token", &app.admin_token)]);
    let after = person.cookies.borrow().clone();
    assert_ne!(before, after);
    let old = Person::new(&app);
    old.cookies.replace(before);
    assert_eq!(old.get("/console").status, 303, "the old one has ended");
    let planted = Person::new(&app);
    let name = after[0].0.clone();
    planted.cookies.replace(vec![(name, "gses_planted".to_owned())]);
    planted.post("/console/sign-in", &[("token", &app.admin_token)]);
    assert_ne!(planted.cookies.borrow()[0].1, "gses_planted");
}

#[test]
fn sessions_are_listed_and_ended_by_those_who_may() {
    let app = TestApp::start();
    let reader = Person::with_role(&app, "reader");
    let admin = Person::signed_in(&app);
    let own = reader.get("/console/sessions").text;
    assert_eq!(own.matches("End the session of").count(), 1, "a reader sees its own");
    let page = admin.get("/console/sessions").text;
    assert_eq!(page.matches("End the session of").count(), 2);
    let ends: Vec<&str> = page.split("href=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
    let ends: Vec<&str> = ends.into_iter().filter(|path| path.ends_with("/end")).collect();
    // A reader cannot end the administrator's.
    let (first, second) = (ends[0], ends[1]);
    let foreign = if own.contains(first) { second } else { first };
    let refused = reader.fill(foreign, &[]);
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("needs the role admin"));
    assert_eq!(admin.get("/console").status, 200);
    let readers = if own.contains(first) { first } else { second };
    assert_eq!(admin.fill(readers, &[]).header("location"), "/console/sessions");
    assert_eq!(reader.get("/console").status, 303);
}

/// More sessions than a list shows, all newer, of somebody else.
#[test]
fn ones_own_sessions_are_listed_however_many_others_there_are() {
    let app = TestApp::start();
    let reader = Person::with_role(&app, "reader");
    let admin = Person::signed_in(&app);
    let database = rusqlite::Connection::open(app.database()).unwrap();
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 600) INSERT INTO console_session \
        SELECT printf('zz%020d', i), randomblob(32), api_token_id, client_ip, user_agent, created_at_ms, expires_at_ms, \
        last_used_at_ms FROM n, (SELECT * FROM console_session ORDER BY id DESC LIMIT 1)";
    assert_eq!(database.execute(many, []).unwrap(), 600);
    let listed = |person: &Person<'_>| person.get("/console/sessions").text.matches("End the session of").count();
    assert_eq!(listed(&reader), 1);
    // Those that rested too long take no places either.
    assert_eq!(listed(&admin), 500);
    database.execute("UPDATE console_session SET last_used_at_ms = 0 WHERE id LIKE 'zz%'", []).unwrap();
    assert_eq!(listed(&admin), 2);
}

#[test]
fn no_cookie_and_no_sign_in_code_is_in_the_database_or_the_audit_trail() {
    let app = TestApp::start();
    let person = Person::new(&app);
    let code = app.sign_in_path.split("code=").nth(1).unwrap().to_owned();
    person.get(&app.sign_in_path);
    let cookie = person.cookies.borrow()[0].1.clone();
    let commits = app.admin("GET", "/audit/commits?count=100", &Value::Null).expect(200).to_string();
    assert!(commits.contains("signed in to the console") && commits.contains("ConsoleSession"));
    assert!(!commits.contains(&cookie) && !commits.contains(&code));
    let dir = app.into_dir();
    for (name, bytes) in crate::app::files_in(dir.path()) {
        let has = |secret: &str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!has(&cookie) && !has(&code), "{name}");
    }
}

#[test]
fn a_session_outlives_a_restart_and_a_link_does_not() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let cookies = person.cookies.borrow().clone();
    let link = app.sign_in_path.clone();
    let app = app.restart();
    // Another port has another cookie: the name tells servers on one machine apart.
    let port = app.url.rsplit(':').next().unwrap().to_owned();
    let person = Person::new(&app);
    person.cookies.replace(vec![(format!("grantd_session_{port}"), cookies[0].1.clone())]);
    assert_eq!(person.get("/console").status, 200);
    assert_eq!(Person::new(&app).get(&link).status, 401);
}

#[test]
fn a_link_from_another_site_leads_in_although_the_cookie_is_strict() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    // The browser withholds the cookie on this one.
    let answer = app.send("GET", "/console/audit?q=x", &[("sec-fetch-site", "cross-site")], b"");
    let place = answer.header("location").to_owned();
    assert_eq!(place, "/console/sign-in?next=/console/audit%3Fq%3Dx");
    let bounce = app.send("GET", &place, &[("sec-fetch-site", "cross-site")], b"");
    assert_eq!((bounce.status, bounce.header("refresh")), (200, "0; url=/console/audit?q=x"));
    assert_eq!(person.send("GET", "/console/audit?q=x", &[("sec-fetch-site", "same-origin")], b"").status, 200);
    // And whoever is not in is asked to sign in, not sent in circles.
    let asked = app.send("GET", &place, &[("sec-fetch-site", "same-origin")], b"");
    assert!(asked.header("refresh").is_empty() && asked.text.contains("name=\"token\""));
}

#[test]
fn signing_in_leads_to_the_console_and_nowhere_else() {
    let app = TestApp::start();
    for next in ["https://evil.example/", "//evil.example", "/\\evil.example", "/api/v1/keys", "javascript:alert(1)"] {
        let answer = Person::new(&app).post("/console/sign-in", &[("token", &app.admin_token), ("next", next)]);
        assert_eq!(answer.header("location"), "/console", "{next}");
    }
}

#[test]
fn there_is_no_console_where_it_is_switched_off() {
    let app = TestApp::with(|config| config.console.enabled = false);
    for path in ["/console", "/console/sign-in", "/console/assets/x/console.css", "/"] {
        assert_eq!(app.send("GET", path, &[], b"").status, 404, "{path}");
    }
    assert_eq!(app.sign_in_path, "");
}

#[test]
fn too_many_sessions_of_one_token_end_the_oldest() {
    let clock = Clock::manual(Timestamp::parse(START).unwrap(), 1);
    let app = TestApp::on(tempfile::tempdir().unwrap(), clock, |_| {});
    let people: Vec<Person> = (0..21)
        .map(|_| {
            app.advance(1);
            Person::signed_in(&app)
        })
        .collect();
    assert_eq!(people[0].get("/console").status, 303);
    assert!(people[1..].iter().all(|person| person.get("/console").status == 200));
}
