//! What forms say to those who err: beside the field, with everything that was typed still there.

use super::page::Browser;
use super::scene::Scene;
use crate::app::TestApp;

/// A form that is filled in wrong: where, what, the button, and the field with what is said of it.
struct Case<'a> {
    path: &'a str,
    typed: &'a [(&'a str, &'a str)],
    button: &'a str,
    field: &'a str,
    told: &'a str,
}

const fn case<'a>(
    path: &'a str,
    typed: &'a [(&'a str, &'a str)],
    button: &'a str,
    field: &'a str,
    told: &'a str,
) -> Case<'a> {
    Case { path, typed, button, field, told }
}

/// A box, in place of what is typed.
const TICKED: &str = "\u{2713}";
const LONG: &str = "a-name-of-more-than-two-hundred-characters-a-name-of-more-than-two-hundred-characters-a-name-of-\
    more-than-two-hundred-characters-a-name-of-more-than-two-hundred-characters-a-name-of-more-than-two-hundred";

const CASES: &[Case<'_>] = &[
    case(
        "/service-accounts/add",
        &[("User Name", "ORDER-intake"), ("Display Name", "D")],
        "Save",
        "User Name",
        "is taken",
    ),
    case("/service-accounts/add", &[("User Name", LONG)], "Save", "User Name", "at most 200 characters"),
    case(
        "{account}/edit",
        &[("Display Name", "Kept"), ("Attributes", "{\"team\": ops}")],
        "Save",
        "Attributes",
        "not JSON",
    ),
    case(
        "/marketplace/machine-to-machine/add",
        &[("Service Name", "s"), ("Service Account", "nobody")],
        "Add integration",
        "Service Account",
        "there is no ServiceAccount",
    ),
    case("{client}/secrets/add", &[("Ends at (UTC)", "2020-01-01T00:00")], "Make a secret", "Ends at (UTC)", "future"),
    case(
        "/marketplace/api/add",
        &[("API ID", "two words"), ("Audience", "https://a.example")],
        "Add integration",
        "API ID",
        "printable ASCII",
    ),
    case(
        "/marketplace/api/add",
        &[("API ID", "x"), ("Audience", "nope")],
        "Add integration",
        "Audience",
        "absolute URI",
    ),
    case("/marketplace/api/add", &[("API ID", "x"), ("Scope", "a b")], "Add integration", "Scope", "a scope"),
    case("{api}/edit", &[("API Name", "Kept"), ("Audience", "nope")], "Save", "Audience", "absolute URI"),
    case(
        "{api}/scopes/add",
        &[("Identifier", "orders:read"), ("Description", "Kept\nin two lines")],
        "Save",
        "Identifier",
        "twice",
    ),
    case(
        "{api}/scopes/edit?scope=orders:write",
        &[("Identifier", "orders:read"), ("Display Name", "Kept")],
        "Save",
        "Identifier",
        "twice",
    ),
    case("{api}/tokens/edit", &[("Claims", "{\"tier\": gold}")], "Save", "Claims", "not JSON"),
    case(
        "{grant}/edit",
        &[("From when (UTC)", "2028-01-01T00:00"), ("Until when (UTC)", "2027-06-01T00:00")],
        "Save",
        "Until when (UTC)",
        "later than",
    ),
    case(
        "/grants/add?api={api-id}",
        &[("orders:write", TICKED), ("Service Account", "nobody"), ("Why", "kept")],
        "Grant access",
        "Service Account",
        "there is no ServiceAccount",
    ),
    case(
        "/grants/add?api={api-id}",
        &[
            ("orders:write", TICKED),
            ("Service Account", "load-test"),
            ("From when (UTC)", "2028-01-01T00:00"),
            ("Until when (UTC)", "2027-06-01T00:00"),
        ],
        "Grant access",
        "Until when (UTC)",
        "later than",
    ),
    case(
        "/api-tokens/add",
        &[("Name", "t"), ("Ends at (UTC)", "2020-01-01T00:00")],
        "Make the token",
        "Ends at (UTC)",
        "future",
    ),
    case(
        "/policies/add?module={module}",
        &[("Name", "No cancelling by robots"), ("Allow", "orders:*")],
        "Attach the policy",
        "Name",
        "is taken",
    ),
    case("{policy}/edit", &[("Name", "Exports in office hours")], "Save", "Name", "is taken"),
    case(
        "{policy}/playground",
        &[("Integration", "nobody"), ("Scopes", "orders:read")],
        "Run",
        "Integration",
        "there is no MachineToMachine",
    ),
];

#[test]
fn every_form_says_what_is_wrong_beside_the_field_and_keeps_the_rest() {
    let app = TestApp::start();
    let scene = Scene::make(&app);
    let Some(browser) = Browser::signed_in(&app) else { return };
    for case in CASES {
        let path = scene.fill(case.path);
        browser.go(&path);
        for (label, text) in case.typed {
            if *text == TICKED {
                browser.tick(label);
            } else {
                browser.write(label, text);
            }
        }
        browser.press_beside_suggestions(case.button);
        browser.until(&format!("{path}: {} is told", case.field), || browser.problem(case.field).contains(case.told));
        for (label, text) in case.typed {
            let is_kept = if *text == TICKED { browser.is_ticked(label) } else { browser.value(label) == *text };
            assert!(is_kept, "{path}: {label} is kept");
        }
        assert!(browser.is_focused("[aria-invalid='true']"), "{path}: one goes on where it is wrong");
    }
}

#[test]
fn what_is_missing_is_asked_for_before_anything_is_sent() {
    let app = TestApp::start();
    let scene = Scene::make(&app);
    let Some(browser) = Browser::signed_in(&app) else { return };
    for (path, button, field) in [
        ("/service-accounts/add", "Save", "User Name"),
        ("/marketplace/machine-to-machine/add", "Add integration", "Service Name"),
        ("/marketplace/api/add", "Add integration", "API ID"),
        ("{api}/scopes/add", "Save", "Identifier"),
        ("/api-tokens/add", "Make the token", "Name"),
        ("/policies/modules/add", "Upload", "Module"),
    ] {
        let path = scene.fill(path);
        browser.go(&path);
        let field = browser.field(field);
        browser.press(button);
        assert!(browser.is_invalid(&field), "{path}");
        assert_eq!(browser.place(), path, "nothing was sent");
    }
}
