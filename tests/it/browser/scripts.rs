//! What the script adds: copying, suggestions, lists that follow, keys, rows, and dialogs that close.

use serde_json::{Value, json};
use thirtyfour::Key;

use super::page::Browser;
use crate::app::TestApp;

fn workers(app: &TestApp) {
    for number in 0..30 {
        app.create(
            "ServiceAccount",
            &json!({"userName": format!("worker-{number:02}"), "displayName": format!("Worker {number}")}),
        );
    }
}

#[test]
fn a_value_is_copied_and_that_is_said() {
    let app = TestApp::start();
    let howto = app.howto();
    let Some(browser) = Browser::signed_in(&app) else { return };
    let allowed = json!({"permission": {"name": "clipboard-write"}, "setting": "granted", "origin": app.url});
    browser.devtools("Browser.setPermission", allowed);
    let allowed = json!({"permission": {"name": "clipboard-read"}, "setting": "granted", "origin": app.url});
    browser.devtools("Browser.setPermission", allowed);
    browser.go(&format!("/console/marketplace/machine-to-machine/{}", howto.client));
    browser.press("Copy the Client ID");
    browser
        .until("it is said", || browser.script("return document.getElementById('announced')?.textContent") == "Copied");
    let script = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(String(error)))";
    assert_eq!(browser.script_later(script, Vec::new()), json!(howto.client_id));
}

#[test]
fn a_list_follows_what_is_typed_and_its_address_can_be_shared() {
    let app = TestApp::start();
    workers(&app);
    let Some(browser) = Browser::signed_in(&app) else { return };
    browser.go("/console/service-accounts?sort=userName");
    browser.sees("1–25 of 30");
    browser.script("window.same = true");
    browser.keys("/");
    browser.until("the search has the focus", || browser.is_focused("[data-search]"));
    browser.keys("worker-2");
    browser.sees("Total of 10, no more");
    assert_eq!(browser.place(), "/console/service-accounts?q=worker-2&sort=userName");
    assert_eq!(browser.script("return window.same"), json!(true), "the page stays, and so does the focus");
    assert!(browser.is_focused("[data-search]"));
    assert_eq!(browser.value("Search by name"), "worker-2", "a slash that is typed is none that was pressed");
    browser.reload();
    browser.sees("Total of 10, no more");
    browser.write("Search by name", "nobody");
    browser.sees("Nothing fits");
    browser.press("Show all");
    browser.sees("1–25 of 30");
}

#[test]
fn names_are_suggested_chosen_by_keys_and_put_away() {
    let app = TestApp::start();
    workers(&app);
    let Some(browser) = Browser::signed_in(&app) else { return };
    browser.go("/console/marketplace/machine-to-machine/add");
    let open = || browser.script("return !!document.querySelector('.suggestions:not([hidden])')") == true;
    let field = "Service Account";
    browser.write(field, "worker-1");
    browser.until("names are suggested", open);
    browser.keys(Key::Escape);
    browser.until("Esc puts them away", || !open());
    browser.at("/console/marketplace/machine-to-machine/add");
    assert_eq!(browser.value(field), "worker-1");
    browser.keys(Key::Down);
    browser.until("they come back", open);
    browser.keys(Key::Up);
    let marked =
        "return document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))?.dataset.value";
    browser.until("the last is marked", || browser.script(marked).is_string());
    let last = browser.script(marked);
    browser.keys(Key::Down);
    let first = browser.script(marked);
    assert_ne!(first, last);
    browser.keys(Key::Enter);
    assert_eq!(json!(browser.value(field)), first);
    assert!(!open());
}

#[test]
fn esc_closes_what_is_open_and_the_focus_goes_back() {
    let app = TestApp::start();
    let howto = app.howto();
    let Some(browser) = Browser::signed_in(&app) else { return };
    let account = format!("/console/service-accounts/{}", howto.account);
    browser.go(&account);
    browser.press("Actions");
    let open = || browser.script("return !!document.querySelector('details.menu-button[open]')") == true;
    assert!(open());
    browser.keys(Key::Escape);
    browser.until("the menu is closed", || !open());
    assert_eq!(browser.focused(), "Actions");
    browser.press("Actions");
    browser.press("Delete");
    browser.sees("Delete this service account?");
    browser.sees("1 integration");
    browser.keys(Key::Escape);
    browser.at(&account);
    // The focus stays within a dialog.
    browser.press("Edit");
    browser.until("the first field has the focus", || browser.focused() == "User Name");
    for _ in 0..20 {
        browser.keys(Key::Tab);
        let inside = "return !!document.activeElement.closest('dialog') || document.activeElement === document.body";
        assert_eq!(browser.script(inside), json!(true));
    }
    browser.press("Cancel");
    browser.at(&account);
    assert_eq!(app.admin("GET", "/resources/cid/ServiceAccount?count=0", &Value::Null).expect(200)["totalResults"], 1);
}

#[test]
fn on_a_phone_the_navigation_opens_and_closes() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    browser.size(360, 740);
    browser.go("/console");
    browser.sees_not("Decisions");
    browser.press("Menu");
    browser.sees("Decisions");
    browser.keys(Key::Escape);
    browser.until("it is closed", || !browser.text().contains("Sessions"));
    browser.press("Menu");
    browser.press("Keys");
    browser.at("/console/keys");
}

#[test]
fn rows_are_added_where_there_are_more_scopes() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    browser.go("/console/marketplace/api/add");
    browser.write("API ID", "many");
    for _ in 0..2 {
        browser.press("Add another scope");
    }
    assert!(browser.is_focused("[name='scopes/4/identifier']"), "one goes on in the new row");
    browser.keys("fifth");
    browser.press("Add integration");
    browser.sees("Added the API many");
    browser.sees("fifth");
}
