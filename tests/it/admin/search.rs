//! Filters that an index of names answers give exactly what a walk over all names would.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::console::Person;

const NAMES: &[&str] = &[
    "periodicCleanup",
    "periodic-cleanup",
    "PERIODIC",
    "p",
    "per",
    "abcabcabd",
    "aaa",
    "aaaa",
    "a\"b\"c",
    "it's",
    "100%_sure",
    "a*b OR c",
    "NEAR(a b)",
    "Straße",
    "STRASSE",
    "Ünïcode",
    "ünïcode",
    "İstanbul",
    "ﬁne",
    "日本語テスト",
    "شريك نور",
    "👩‍🔧 robot",
    "e\u{301}clair",
    "\u{1d504}\u{1d505}\u{1d506}",
];

const TERMS: &[&str] = &[
    "per",
    "PER",
    "periodic",
    "odic-",
    "c",
    "ab",
    "abc",
    "abcabd",
    "bcabca",
    "aaaaa",
    "a\"b",
    "\"b\"",
    "t's",
    "%_s",
    "_sure",
    "a*b",
    " OR ",
    "(a b",
    "straße",
    "STRASSE",
    "ASSE",
    "ünï",
    "Ünï",
    "ÜNÏ",
    "i\u{307}stanbul",
    "İst",
    "ﬁn",
    "fine",
    "日本",
    "日本語",
    "本語テ",
    "نور",
    "شريك",
    "👩‍🔧",
    "‍🔧 r",
    "e\u{301}c",
    "éc",
    "\u{1d504}\u{1d505}\u{1d506}",
    "zzz",
    "nowhere",
];

/// What SQLite's `lower` does.
fn folded(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn fits(op: &str, name: &str, term: &str) -> bool {
    let (name, term) = (folded(name), folded(term));
    match op {
        "co" => name.contains(&term),
        "sw" => name.starts_with(&term),
        "ew" => name.ends_with(&term),
        _ => name == term,
    }
}

fn found(app: &TestApp, filter: &str) -> Vec<String> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("filter", filter)
        .append_pair("count", "1000")
        .finish();
    let list = app.admin("GET", &format!("/resources/cid/ServiceAccount?{query}"), &Value::Null).expect(200);
    let resources = list["Resources"].as_array().unwrap();
    assert_eq!(list["totalResults"], resources.len(), "{filter}");
    let mut names: Vec<String> =
        resources.iter().map(|account| account["displayName"].as_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

/// Every term, alone and beside other conditions.
fn every_term_is_answered(app: &TestApp) {
    for op in ["co", "sw", "ew", "eq"] {
        for term in TERMS {
            let filter = format!("displayName {op} {}", json!(term));
            let expect = |also: fn(usize) -> bool| {
                let all = NAMES.iter().enumerate().filter(|(number, name)| fits(op, name, term) && also(*number));
                let mut names: Vec<String> = all.map(|(_, name)| (*name).to_owned()).collect();
                names.sort_unstable();
                names
            };
            assert_eq!(found(app, &filter), expect(|_| true), "{filter}");
            let both = format!("({filter} or userName co \"nothing\") and active eq true");
            assert_eq!(found(app, &both), expect(|number| number % 2 == 0), "{both}");
            let none = format!("not ({filter}) and {filter}");
            assert_eq!(found(app, &none), Vec::<String>::new(), "{none}");
        }
    }
}

/// Names that were, and accounts that are gone, are not found.
fn something_changes(app: &TestApp, account: &str, unused: &str) {
    app.set("ServiceAccount", account, "displayName", &json!("nowhere"));
    app.set("ServiceAccount", account, "displayName", &json!(NAMES[0]));
    let gone = app.create("ServiceAccount", &json!({"userName": "gone", "displayName": "zzz"}));
    all_is_indexed(app, unused);
    app.admin("DELETE", &format!("/resources/cid/ServiceAccount/{}", gone["id"].as_str().unwrap()), &Value::Null)
        .expect(204);
}

/// As a moment later: an apply that makes something indexes all that is not indexed yet.
fn all_is_indexed(app: &TestApp, unused: &str) {
    app.admin("POST", "/apply", &json!({"accounts": [{"userName": unused}]})).expect(200);
    let database = rusqlite::Connection::open(app.database()).unwrap();
    let border = "SELECT accounts_indexed = (SELECT max(seq) FROM service_account) FROM generation";
    assert!(database.query_row(border, [], |row| row.get::<_, bool>(0)).unwrap());
}

#[test]
fn an_index_of_names_changes_no_answer() {
    let app = TestApp::start();
    let mut accounts = Vec::new();
    for (number, name) in NAMES.iter().enumerate() {
        let body = json!({"userName": format!("n{number}"), "displayName": name, "active": number % 2 == 0});
        accounts.push(app.create("ServiceAccount", &body)["id"].as_str().unwrap().to_owned());
    }
    every_term_is_answered(&app);
    something_changes(&app, &accounts[0], "x");
    every_term_is_answered(&app);
    something_changes(&app, &accounts[0], "y");
    every_term_is_answered(&app);
}

#[test]
fn a_common_word_is_counted_whole_and_turned_page_by_page() {
    const COUNT: usize = 1100;
    let app = TestApp::start();
    let accounts: Vec<Value> = (0..COUNT)
        .map(|number| json!({"userName": format!("worker-{number:04}"), "active": number % 2 == 0}))
        .collect();
    app.admin("POST", "/apply", &json!({"accounts": accounts})).expect(200);
    let list =
        |query: &str| app.admin("GET", &format!("/resources/cid/ServiceAccount?{query}"), &Value::Null).expect(200);
    let common = list("filter=userName%20co%20%22worker%22&startIndex=1099&count=10");
    assert_eq!((&common["totalResults"], common["Resources"].as_array().unwrap().len()), (&json!(COUNT), 2));
    let rare = list("filter=userName%20co%20%22ker-109%22&sortBy=userName&sortOrder=descending");
    assert_eq!((&rare["totalResults"], &rare["Resources"][0]["userName"]), (&json!(10), &json!("worker-1099")));

    // The console stops counting, and says so.
    let person = Person::signed_in(&app);
    let page = person.get("/console/service-accounts?q=worker").text;
    assert!(page.contains("1–25 of 1,000") && page.contains("Only the newest 1,000"), "{page}");
    let narrower = person.get("/console/service-accounts?q=worker-10").text;
    assert!(narrower.contains("1–25 of 100") && !narrower.contains("Only the newest"), "{narrower}");
    let all = person.get("/console/service-accounts").text;
    assert!(all.contains("1–25 of 1,100"), "{all}");
    let inactive = person.get("/console/service-accounts?status=inactive").text;
    assert!(inactive.contains("1–25 of 550"), "{inactive}");
}
