//! Sessions, roles and forms that cross: what was typed is never lost, and what was not meant is never done.

use serde_json::{Value, json};

use super::page::Browser;
use crate::app::TestApp;
use crate::console::Person;

const ADD: &str = "/console/service-accounts/add";

fn accounts(app: &TestApp) -> Value {
    app.admin("GET", "/resources/cid/ServiceAccount?count=0", &Value::Null).expect(200)["totalResults"].clone()
}

/// Signs in by the form.
fn sign_in(browser: &Browser<'_>, token: &str) {
    browser.write("API token", token);
    browser.press("Sign in");
}

#[test]
fn what_was_typed_survives_a_session_that_ends_in_the_middle_of_a_form() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    browser.go(ADD);
    browser.write("User Name", "patient & \"odd\"");
    browser.write("Display Name", "خدمة التنظيف");
    browser.tick("Active");
    app.advance(2 * 3600);
    browser.press("Save");
    browser.sees("Your session has ended");
    sign_in(&browser, "gapi_wrong");
    browser.sees("This is no API token that is valid now");
    sign_in(&browser, &app.admin_token);
    browser.sees("nothing was changed");
    assert_eq!(browser.value("User Name"), "patient & \"odd\"");
    assert_eq!(browser.value("Display Name"), "خدمة التنظيف");
    assert!(browser.is_ticked("Active"));
    assert_eq!(accounts(&app), 0, "nothing is done before it is looked at");
    browser.press("Save");
    browser.sees("Created user خدمة التنظيف successfully");
    assert_eq!(accounts(&app), 1);
}

#[test]
fn who_signs_out_is_out_and_going_back_shows_nothing() {
    let app = TestApp::start();
    let howto = app.howto();
    let Some(browser) = Browser::signed_in(&app) else { return };
    let account = format!("/console/service-accounts/{}", howto.account);
    browser.go(&account);
    browser.sees("Periodic Cleanup Account");
    browser.press("Sign out");
    browser.at("/console/sign-in");
    browser.back();
    browser.at("/console/sign-in");
    browser.sees_not("Periodic Cleanup Account");
    sign_in(&browser, &app.admin_token);
    browser.at(&account);
}

#[test]
fn a_form_with_a_stale_token_is_shown_again_and_then_sent() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    browser.go(ADD);
    browser.write("User Name", "kept");
    browser.script("document.querySelector('dialog [name=_form]').value = 'stale'");
    browser.press("Save");
    browser.sees("nothing was changed");
    assert_eq!((browser.value("User Name").as_str(), accounts(&app)), ("kept", json!(0)));
    browser.press("Save");
    browser.sees("Created user kept successfully");
}

#[test]
fn back_and_reload_after_a_form_do_nothing_twice() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    browser.go("/console/service-accounts");
    browser.press("Actions");
    browser.press("Add");
    browser.write("User Name", "once");
    browser.press("Save");
    browser.sees("Created user once successfully");
    browser.reload();
    browser.sees("once");
    browser.sees_not("successfully");
    browser.back();
    browser.at(ADD);
    browser.write("User Name", "twice");
    browser.write("User Name", "once");
    browser.press("Save");
    browser.until("an answer", || browser.text().contains("sent twice") || browser.text().contains("is taken"));
    assert_eq!(accounts(&app), 1);
}

#[test]
fn the_second_of_two_people_sees_what_the_first_changed_and_keeps_what_was_typed() {
    let app = TestApp::start();
    let howto = app.howto();
    let Some(browser) = Browser::signed_in(&app) else { return };
    let edit = format!("/console/service-accounts/{}/edit", howto.account);
    browser.go(&edit);
    browser.write("Display Name", "Mine");
    let other = Person::with_role(&app, "editor");
    let theirs =
        [("userName", "periodicCleanup"), ("displayName", "Theirs"), ("active", "true"), ("_reason", "renamed")];
    assert_eq!(other.fill(&edit, &theirs).status, 303);
    browser.press("Save");
    browser.sees("editor changed this");
    browser.sees("renamed");
    browser.sees("Theirs: Theirs");
    assert_eq!(browser.value("Display Name"), "Mine");
    browser.press("Save");
    browser.sees("Saved Mine");
}

#[test]
fn what_a_role_may_not_do_is_not_offered() {
    let app = TestApp::start();
    let howto = app.howto();
    let made = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "looker", "role": "reader"})).expect(201);
    let Some(browser) = Browser::open(&app) else { return };
    browser.go("/console/service-accounts");
    browser.at("/console/sign-in");
    sign_in(&browser, made["signedToken"].as_str().unwrap());
    browser.at("/console/service-accounts");
    browser.sees("Periodic Cleanup Account");
    let offers = "return [...document.querySelectorAll('main a, main button')].filter((e) => e.checkVisibility()).map((e) => e.innerText.trim())";
    for path in [
        "/console/service-accounts".to_owned(),
        format!("/console/service-accounts/{}", howto.account),
        format!("/console/marketplace/machine-to-machine/{}", howto.client),
        format!("/console/marketplace/api/{}", howto.api),
        format!("/console/grants/{}", howto.grant),
        "/console/grants".to_owned(),
        "/console/policies".to_owned(),
        "/console/keys".to_owned(),
    ] {
        browser.go(&path);
        browser.sees("Sign out");
        let offered = browser.script(offers).to_string();
        for wanted in
            ["Actions", "\"Add", "Edit", "Delete", "Revoke", "End", "Grant access", "Rotate", "Attach", "Upload"]
        {
            assert!(!offered.contains(wanted), "{path} offers {wanted}: {offered}");
        }
        browser.sees_not("API Tokens");
    }
    for path in [ADD, "/console/keys/rotate", "/console/api-tokens"] {
        browser.go(path);
        browser.sees("This needs the role");
        assert_eq!(browser.script("return document.querySelector('main form')"), Value::Null);
    }
}
