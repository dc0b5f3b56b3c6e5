//! The how-to in a browser, from an empty database to a token: by mouse, by keyboard alone, and without script.

use serde_json::{Value, json};
use thirtyfour::Key;

use super::page::Browser;
use crate::app::{TestApp, claims};

/// What a button would copy.
fn copied(browser: &Browser<'_>, label: &str) -> String {
    let script = format!("return document.querySelector(`[aria-label='Copy {label}']`).dataset.copy");
    browser.script(&script).as_str().unwrap().to_owned()
}

/// The token that the how-to leads to.
#[track_caller]
fn leads_to_a_token(app: &TestApp, client_id: &str, secret: &str) {
    let parameters =
        [("grant_type", "client_credentials"), ("client_id", client_id), ("client_secret", secret), ("scope", "write")];
    let token = app.token(&parameters).expect(200);
    let claims = claims(token["access_token"].as_str().unwrap());
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!("myrestapi"), &json!("write")));
}

#[test]
fn the_how_to_is_done_by_mouse() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    browser.sees("From nothing to a token");
    browser.press("Service Accounts");
    browser.sees("No service accounts yet");
    browser.press("Actions");
    browser.press("Add");
    browser.write("User Name", "periodicCleanup");
    browser.write("Display Name", "Periodic Cleanup Account");
    browser.tick("Active");
    browser.press("Save");
    browser.sees("Created user Periodic Cleanup Account successfully");
    browser.press("Machine to Machine");
    browser.press("Add Integration");
    browser.write("Service Name", "periodicService");
    browser.write("Service Account", "clean");
    browser.take("Periodic Cleanup Account");
    assert_eq!(browser.value("Service Account"), "periodicCleanup");
    browser.press("Add integration");
    browser.sees("Copy the Client Secret now");
    let (id, secret) = (copied(&browser, "the Client ID"), copied(&browser, "the Client Secret"));
    for language in ["Python", "Node", "Go", "Rust", "curl"] {
        browser.tick(language);
        browser.sees(&id);
    }
    browser.press("API");
    browser.press("Add Integration");
    browser.write("API ID", "myrestapi");
    browser.write("API Name", "My REST API");
    browser.write("Scope", "write");
    browser.tick("EdDSA");
    browser.press("Add integration");
    browser.sees("Added the API My REST API");
    browser.press("Actions");
    browser.press("Grant access");
    browser.write("Service Account", "period");
    browser.take("Periodic Cleanup Account");
    browser.tick("write");
    browser.write("Why", "the how-to");
    browser.press("Grant access");
    browser.sees("Granted write");
    leads_to_a_token(&app, &id, &secret);
    browser.press("Decisions");
    browser.at("/console/decisions");
    browser.sees("Periodic Cleanup Account");
    browser.press("just now");
    browser.sees("Periodic Cleanup Account got a token");
}

#[test]
fn the_how_to_is_done_by_keyboard_alone() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    let on = |name: &str| {
        browser.tab_to(name);
        browser.keys(Key::Enter);
    };
    // What the eye skips, the keyboard can.
    browser.keys(Key::Tab);
    assert_eq!(browser.focused(), "Skip to content");
    browser.keys(Key::Enter);
    browser.until("main has the focus", || browser.is_focused("main"));
    on("Start");
    browser.sees("Add a service account");
    browser.until("the first field has the focus", || browser.focused() == "User Name");
    browser.keys("periodicCleanup");
    browser.tab_to("Active");
    browser.keys(" ");
    on("Save");
    browser.sees("Created user periodicCleanup successfully");
    on("Overview");
    browser.at("/console");
    on("Start");
    browser.sees("Add a machine-to-machine integration");
    browser.until("the first field has the focus", || browser.focused() == "Service Name");
    browser.keys("periodicService");
    browser.tab_to("Service Account");
    browser.keys("period");
    browser.until("one is suggested", || browser.script("return !!document.querySelector('[role=option]')") == true);
    browser.keys(Key::Down);
    browser.keys(Key::Enter);
    browser.until("it is taken", || browser.value("Service Account") == "periodicCleanup");
    on("Add integration");
    browser.sees("Copy the Client Secret now");
    let (id, secret) = (copied(&browser, "the Client ID"), copied(&browser, "the Client Secret"));
    on("Overview");
    browser.at("/console");
    on("Start");
    browser.sees("Add an API");
    browser.until("the first field has the focus", || browser.focused() == "API ID");
    browser.keys("myrestapi");
    browser.tab_to("Scope");
    browser.keys("write");
    // Pressed in a field, Enter sends the form.
    browser.keys(Key::Enter);
    browser.sees("Added the API myrestapi");
    on("Overview");
    browser.at("/console");
    on("Start");
    browser.sees("Which API?");
    browser.tab_to("myrestapi\nmyrestapi\n1 scope");
    browser.keys(Key::Enter);
    browser.until("the first field has the focus", || browser.focused() == "Service Account");
    browser.keys("periodicCleanup");
    browser.tab_to("write");
    browser.keys(" ");
    on("Grant access");
    browser.sees("Granted write");
    leads_to_a_token(&app, &id, &secret);
}

#[test]
fn forms_and_lists_work_without_script() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.go("/console/service-accounts");
    browser.press("Actions");
    browser.press("Add");
    browser.write("User Name", "plain");
    browser.press("Save");
    browser.until("the account's page", || browser.place().len() > "/console/service-accounts/add".len());
    browser.go("/console/service-accounts?q=pla");
    browser.write("Search by name", "nobody");
    browser.field_keys("Search by name", Key::Enter);
    browser.until("what was searched for is in the address", || browser.place().ends_with("?q=nobody"));
    let all = app.admin("GET", "/resources/cid/ServiceAccount?count=0", &Value::Null).expect(200);
    assert_eq!(all["totalResults"], 1);
}
