//! Every page, as it looks: an accessibility checker over each in light and dark, nothing wider than the screen, and
//! pictures at two widths, kept under `target/screenshots`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::driver::skipped;
use super::page::Browser;
use super::scene::{Scene, pages};
use crate::app::TestApp;

/// Where the checker is: the file axe.min.js of axe-core.
const AXE: &str = "AXE_JS";
/// The narrowest screen that every page works on.
const NARROW: u32 = 360;
/// A page is pictured whole, up to this.
const HEIGHT_MAX: u64 = 2400;

/// Half of the pages, so that two browsers share the work.
fn half(pages: Vec<(String, String)>, which: usize) -> impl Iterator<Item = (String, String)> {
    pages.into_iter().enumerate().filter(move |(index, _)| index % 2 == which).map(|(_, page)| page)
}

/// The checker's source.
fn axe() -> Option<String> {
    match std::env::var_os(AXE) {
        Some(path) => Some(
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", Path::new(&path).display())),
        ),
        None => skipped(&format!("{AXE} names no axe.min.js")),
    }
}

/// What is not accessible.
fn violations(browser: &Browser<'_>, only: &Value) -> Vec<String> {
    let script = "const [options, done] = arguments;
        axe.run(document, options).then(
            (found) => done(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html + ' ' + n.failureSummary).join('; ')}`)),
            (error) => done([String(error)]))";
    let found = browser.script_later(script, vec![only.clone()]);
    found.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn accessible(which: usize) {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    let Some(axe) = axe() else { return };
    let scene = Scene::make(&app);
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": axe}));
    let mut wrong = Vec::new();
    for (name, path) in half(pages(&app, &scene), which) {
        browser.emulate("prefers-color-scheme", "light");
        browser.go(&path);
        let rules = json!({"resultTypes": ["violations"]});
        wrong.extend(violations(&browser, &rules).into_iter().map(|told| format!("{name} in light: {told}")));
        browser.emulate("prefers-color-scheme", "dark");
        let contrast = json!({"resultTypes": ["violations"], "runOnly": ["color-contrast"]});
        wrong.extend(violations(&browser, &contrast).into_iter().map(|told| format!("{name} in dark: {told}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_page_is_accessible_in_light_and_dark() {
    accessible(0);
}

#[test]
fn every_other_page_is_accessible_too() {
    accessible(1);
}

#[test]
fn whoever_is_not_in_finds_an_accessible_door() {
    let app = TestApp::start();
    let Some(browser) = Browser::open(&app) else { return };
    let Some(axe) = axe() else { return };
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": axe}));
    for scheme in ["light", "dark"] {
        browser.emulate("prefers-color-scheme", scheme);
        for path in ["/console/sign-in", "/console/sign-in?code=gonc_used"] {
            browser.go(path);
            assert_eq!(violations(&browser, &json!({})), [""; 0], "{path} in {scheme}");
        }
    }
}

fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// For people to look at: `cargo test --test it pictured -- --ignored`.
#[test]
#[ignore = "makes pictures, and checks nothing"]
fn every_page_is_pictured() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    let scene = Scene::make(&app);
    let directory = directory();
    for (name, path) in pages(&app, &scene) {
        browser.size(1280, 900);
        browser.go(&path);
        for width in [1280, 390] {
            browser.size(width, 900);
            let height = browser.script("return document.documentElement.scrollHeight").as_u64().unwrap();
            browser.size(width, u32::try_from(height.clamp(600, HEIGHT_MAX)).unwrap());
            for scheme in ["light", "dark"] {
                browser.emulate("prefers-color-scheme", scheme);
                std::fs::write(directory.join(format!("{name}-{width}-{scheme}.png")), browser.picture()).unwrap();
            }
        }
    }
}

#[test]
fn names_of_script_and_of_two_hundred_letters_are_shown_as_they_are_and_fit_the_narrowest_screen() {
    let app = TestApp::start();
    let Some(browser) = Browser::signed_in(&app) else { return };
    let scene = Scene::hostile(&app);
    let mut wrong = Vec::new();
    browser.size(NARROW, 740);
    for (name, path) in pages(&app, &scene) {
        browser.go(&path);
        if browser.script("return window.pwned ?? null") != Value::Null {
            wrong.push(format!("{name} runs what somebody is called"));
        }
        let width = browser.script("return document.documentElement.scrollWidth").as_u64().unwrap();
        if width > u64::from(NARROW) {
            wrong.push(format!("{name} is {width} px wide at {NARROW}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    browser.go(&scene.fill("{account}"));
    browser.sees("<script>window.pwned=1</script>");
}
