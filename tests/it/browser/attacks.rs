//! What a page of somebody else can do to a console that is open in the same browser: nothing.

use serde_json::{Value, json};

use super::page::Browser;
use crate::app::TestApp;

fn accounts(app: &TestApp) -> Value {
    app.admin("GET", "/resources/cid/ServiceAccount?count=0", &Value::Null).expect(200)["totalResults"].clone()
}

/// Opens a page of another site.
fn elsewhere(browser: &Browser<'_>, page: &str) {
    browser.go_to(&format!(
        "data:text/html,{}",
        percent_encoding::utf8_percent_encode(page, percent_encoding::NON_ALPHANUMERIC)
    ));
}

#[test]
fn another_site_cannot_frame_the_console() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    // A public page may not even try to reach this machine: a neighbour tries.
    let neighbour = TestApp::start();
    browser.go_to(&format!("{}/oauth2/.well-known/jwks.json", neighbour.url));
    for (path, says, is_shown) in
        [("/oauth2/.well-known/jwks.json", "keys", true), ("/console/sign-in", "grantd", false)]
    {
        let script = "const [url, done] = arguments; const frame = document.createElement('iframe');
            frame.onload = () => done(true); frame.src = url; document.body.replaceChildren(frame)";
        browser.script_later(script, vec![json!(format!("{}{path}", app.url))]);
        let text = browser.text_in_frame();
        assert_eq!(text.contains(says), is_shown, "{path}: {text}");
    }
    let complaints = browser.complaints();
    assert!(complaints.iter().any(|told| told.contains("frame-ancestors 'none'")), "{complaints:?}");
}

#[test]
fn another_site_cannot_send_a_form() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    let page = format!(
        "<form method=post action='{}/console/service-accounts/add'><input name=userName value=sly><button>Win</button></form>",
        app.url
    );
    elsewhere(&browser, &page);
    browser.press("Win");
    browser.sees("sent by a page of another site");
    assert_eq!(accounts(&app), 0);
    browser.go("/console");
    browser.sees("From nothing to a token");
}

#[test]
fn a_session_that_somebody_else_laid_out_is_never_used() {
    let app = TestApp::start();
    let Some(browser) = Browser::open(&app) else { return };
    let port = app.url.rsplit(':').next().unwrap();
    let name = format!("grantd_session_{port}");
    for path in ["/", "/console"] {
        let planted = json!({"name": name, "value": "gses_planted", "url": app.url, "path": path});
        browser.devtools("Network.setCookie", planted);
    }
    browser.go("/console/sign-in");
    browser.write("API token", &app.admin_token);
    browser.press("Sign in");
    browser.at("/console");
    let cookies = browser.devtools("Network.getCookies", json!({"urls": [format!("{}/console", app.url)]}));
    let cookies = cookies["cookies"].as_array().unwrap();
    let sent = |cookie: &&Value| cookie["name"] == name.as_str() && cookie["path"] == "/console";
    let session = cookies.iter().find(sent).unwrap();
    assert_ne!(session["value"], "gses_planted", "it is another one");
    assert_eq!((&session["httpOnly"], &session["sameSite"]), (&json!(true), &json!("Strict")));
    browser.devtools("Network.deleteCookies", json!({"name": name, "url": app.url, "path": "/"}));
    assert_eq!(browser.script("return document.cookie"), json!(""), "no script reads it");
    let stolen = app.send("GET", "/console", &[("cookie", &format!("{name}=gses_planted"))], b"");
    assert_eq!(stolen.status, 303);
}

#[test]
fn what_is_slipped_into_a_page_does_not_run() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    // As if an escape had been forgotten somewhere.
    let script = "const script = document.createElement('script');
        try { script.textContent = 'window.pwned = 1'; document.body.append(script); } catch {}
        try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned=1\">'); } catch {}
        return window.pwned ?? null";
    assert_eq!(browser.script(script), Value::Null);
    let complaints = browser.complaints();
    assert!(complaints.iter().any(|told| told.contains("TrustedHTML") || told.contains("Trusted")), "{complaints:?}");
}
