//! Two people who edit one thing: the second sees what the first changed, and loses nothing.

use serde_json::json;

use super::{Person, is_ticked, typed};
use crate::app::TestApp;

#[test]
fn the_second_sees_what_the_first_changed_and_decides() {
    let app = TestApp::start();
    let howto = app.howto();
    let (first, second) = (Person::with_role(&app, "editor"), Person::signed_in(&app));
    let path = format!("/console/service-accounts/{}/edit", howto.account);
    let open = second.get(&path);
    // The first renames it, and switches it off.
    let renamed = [("userName", "periodicCleanup"), ("displayName", "Theirs"), ("_reason", "rename it")];
    assert_eq!(first.fill(&path, &renamed).status, 303);
    // The second gives it another name and attributes, and had it active.
    let mine = [
        ("userName", "periodicCleanup"),
        ("displayName", "Mine"),
        ("active", "true"),
        ("attributes", r#"{"team": "ops"}"#),
        ("_reason", "mine"),
    ];
    let answer = second.fill_page(&open.text, &path, &mine);
    assert_eq!(answer.status, 412);
    let page = answer.text;
    assert!(page.contains("editor") && page.contains("rename it"), "who and why");
    assert!(
        page.contains("<del dir=\"auto\">Periodic Cleanup Account</del>")
            && page.contains("<ins dir=\"auto\">Theirs</ins>")
    );
    assert_eq!(typed(&page, "displayName"), "Mine", "what both changed shows mine");
    assert!(page.contains("Theirs: <bdi>Theirs</bdi>"), "with theirs beside it");
    assert_eq!(typed(&page, "attributes"), r#"{"team": "ops"}"#, "what only I changed is kept");
    assert!(!is_ticked(&page, "active", "true"), "what only they changed is taken over");
    assert_eq!(typed(&page, "_reason"), "mine");
    let now = app.admin("GET", &format!("/resources/cid/ServiceAccount/{}", howto.account), &json!(null)).expect(200);
    assert_eq!(
        (now["displayName"].as_str(), now["active"].as_bool()),
        (Some("Theirs"), Some(false)),
        "nothing is saved yet"
    );
    // Sent again, it is a choice.
    let again = [("userName", "periodicCleanup"), ("displayName", "Mine"), ("attributes", r#"{"team": "ops"}"#)];
    assert_eq!(second.fill_page(&page, &path, &again).status, 303);
    let now = app.admin("GET", &format!("/resources/cid/ServiceAccount/{}", howto.account), &json!(null)).expect(200);
    assert_eq!((now["displayName"].as_str(), now["active"].as_bool()), (Some("Mine"), Some(false)));
}

/// What belongs to a thing fills its history, and hides no change of the thing itself.
#[test]
fn what_the_first_changed_is_seen_however_much_came_after() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let path = format!("/console/service-accounts/{}/edit", howto.account);
    let open = person.get(&path);
    let account = format!("/resources/cid/ServiceAccount/{}", howto.account);
    let rename = |name: &str| json!({"Operations": [{"op": "replace", "path": "displayName", "value": name}]});
    app.admin("PATCH", &account, &rename("Theirs")).expect(200);
    app.admin("PATCH", &account, &rename("Theirs again")).expect(200);
    for number in 0..110 {
        let client = json!({"displayName": format!("c{number}"), "serviceAccountId": howto.account});
        app.create("MachineToMachine", &client);
    }
    let mine = [("userName", "periodicCleanup"), ("displayName", "Mine"), ("active", "true")];
    let answer = person.fill_page(&open.text, &path, &mine);
    assert_eq!(answer.status, 412);
    assert!(answer.text.contains("Theirs: <bdi>Theirs again</bdi>"), "{}", answer.text);
    assert!(answer.text.contains("<del dir=\"auto\">Periodic Cleanup Account</del>"));
    assert_eq!(person.fill_page(&answer.text, &path, &mine).status, 303);
}

/// A form that says it was made from a revision of which nothing is recorded.
#[test]
fn a_form_made_from_what_is_not_known_is_refused_again() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let path = format!("/console/service-accounts/{}/edit", howto.account);
    let mut page = person.get(&path).text;
    let mine = [("userName", "periodicCleanup"), ("displayName", "Mine"), ("active", "true")];
    page = page.replace("name=\"_revision\" value=\"1\"", "name=\"_revision\" value=\"0\"");
    for _again in 0..2 {
        let answer = person.fill_page(&page, &path, &mine);
        assert_eq!(answer.status, 412);
        assert!(answer.text.contains("is not known any more"));
        assert!(answer.text.contains(&format!("<a href=\"{path}\">Open it anew</a>")));
        page = answer.text;
    }
}

#[test]
fn scopes_that_two_people_tick_are_all_ticked() {
    let app = TestApp::start();
    let howto = app.howto();
    app.admin(
        "PATCH",
        &format!("/resources/cid/Api/{}", howto.api),
        &json!({"Operations": [{"op": "add", "path": "scopes", "value": [{"identifier": "purge"}]}]}),
    )
    .expect(200);
    let (first, second) = (Person::signed_in(&app), Person::signed_in(&app));
    let path = format!("/console/grants/{}/edit", howto.grant);
    let open = second.get(&path);
    assert_eq!(first.fill(&path, &[("scopes", "read"), ("scopes", "write")]).status, 303);
    let answer = second.fill_page(&open.text, &path, &[("scopes", "write"), ("scopes", "purge")]);
    assert_eq!(answer.status, 412);
    for scope in ["read", "write", "purge"] {
        assert!(is_ticked(&answer.text, "scopes", scope), "{scope}");
    }
}

#[test]
fn a_thing_that_is_gone_is_said_to_be() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let path = format!("/console/grants/{}/edit", howto.grant);
    let open = person.get(&path);
    app.admin("DELETE", &format!("/resources/cid/Grant/{}", howto.grant), &json!(null)).expect(204);
    let answer = person.fill_page(&open.text, &path, &[("scopes", "read")]);
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("There is no Grant with the id"));
}
