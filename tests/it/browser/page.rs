//! What a person sees and does in a browser. Everything waits for what it needs, and nothing waits for time to pass.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use super::driver::{Driver, Turn, driver};
use crate::app::{TestApp, eventually};

/// What a command may take on a machine that does other things too.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);
/// Steps with the Tab key that lead through the largest page.
const TABS_MAX: usize = 120;

/// A browser with one window, on the console of one server.
pub struct Browser<'a> {
    pub app: &'a TestApp,
    runtime: tokio::runtime::Runtime,
    session: Option<WebDriver>,
    // Dropped in this order: the session ends first.
    _driver: Arc<Driver>,
    _turn: Turn,
}

impl<'a> Browser<'a> {
    /// An empty window; nothing where no browser is installed.
    pub fn open(app: &'a TestApp) -> Option<Self> {
        let (turn, driver) = driver()?;
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"];
        let Value::Object(capabilities) = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": driver.browser, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }) else {
            unreachable!("an object")
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let capabilities = Capabilities::from(capabilities);
        let connecting = WebDriver::builder(driver.url.as_str(), capabilities).request_timeout(COMMAND_TIMEOUT);
        let session = runtime.block_on(connecting.connect()).unwrap();
        let browser = Self { app, runtime, session: Some(session), _driver: driver, _turn: turn };
        browser.emulate("prefers-reduced-motion", "reduce");
        browser.size(1280, 900);
        Some(browser)
    }

    /// Signed in as the first administrator, by the link that signs in once.
    pub fn signed_in(app: &'a TestApp) -> Option<Self> {
        let browser = Self::open(app)?;
        browser.go(&app.sign_in_path);
        browser.at("/console");
        Some(browser)
    }

    fn wait<T>(&self, command: impl Future<Output = WebDriverResult<T>>) -> WebDriverResult<T> {
        self.runtime.block_on(command)
    }

    fn session(&self) -> &WebDriver {
        self.session.as_ref().unwrap()
    }

    /// A command of the browser's own protocol.
    pub fn devtools(&self, method: &str, parameters: Value) -> Value {
        self.wait(self.session().cdp().send_raw(method, parameters)).unwrap()
    }

    /// What a style sheet may ask for.
    pub fn emulate(&self, feature: &str, value: &str) {
        let motion = json!({"name": "prefers-reduced-motion", "value": "reduce"});
        let features = json!([motion, {"name": feature, "value": value}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// The size of the window's inside.
    pub fn size(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700});
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    pub fn go(&self, path: &str) {
        self.go_to(&format!("{}{path}", self.app.url));
    }

    pub fn go_to(&self, url: &str) {
        self.wait(self.session().goto(url)).unwrap();
    }

    pub fn back(&self) {
        self.wait(self.session().back()).unwrap();
    }

    pub fn reload(&self) {
        self.wait(self.session().refresh()).unwrap();
    }

    /// The path, with its query.
    pub fn place(&self) -> String {
        let url = self.wait(self.session().current_url()).unwrap();
        url.as_str().strip_prefix(self.app.url.as_str()).unwrap_or(url.as_str()).to_owned()
    }

    /// Waits until the path, without its query, is this one.
    #[track_caller]
    pub fn at(&self, path: &str) {
        eventually(&format!("coming to {path}"), || (self.place().split('?').next() == Some(path)).then_some(()));
    }

    /// Runs a script; `arguments` are its own.
    pub fn try_script(&self, script: &str, arguments: Vec<Value>) -> WebDriverResult<Value> {
        Ok(self.wait(self.session().execute(script, arguments))?.json().clone())
    }

    #[track_caller]
    pub fn script(&self, script: &str) -> Value {
        self.try_script(script, Vec::new()).unwrap()
    }

    /// Runs a script that answers later, through the function that is its last argument.
    #[track_caller]
    pub fn script_later(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.wait(self.session().execute_async(script, arguments)).unwrap().json().clone()
    }

    /// The text that one sees, as it is written.
    pub fn text(&self) -> String {
        let text = self.try_script("return document.body?.innerText ?? ''", Vec::new());
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The text of the one frame within the page.
    pub fn text_in_frame(&self) -> String {
        let frame = self.wait(self.session().find(By::Tag("iframe"))).unwrap();
        self.wait(frame.enter_frame()).unwrap();
        let text = self.text();
        self.wait(self.session().enter_default_frame()).unwrap();
        text
    }

    /// Waits until the page says this.
    #[track_caller]
    pub fn sees(&self, text: &str) {
        for _ in 0..1200 {
            if self.text().contains(text) {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("{} does not say {text:?} but:\n{}", self.place(), self.text());
    }

    #[track_caller]
    pub fn sees_not(&self, text: &str) {
        let whole = self.text();
        assert!(!whole.contains(text), "{} says {text:?}:\n{whole}", self.place());
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..1200 {
            if is_so() {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("{what}: not so on {}:\n{}", self.place(), self.text());
    }

    fn look(&self, xpath: &str) -> Option<WebElement> {
        // What a dialog covers is out of reach.
        let inside = self.wait(self.session().find_all(By::XPath(format!("//dialog[@open]{xpath}")))).ok()?;
        let found = if inside.is_empty() { self.wait(self.session().find_all(By::XPath(xpath))).ok()? } else { inside };
        found.into_iter().find(|element| self.wait(element.is_displayed()).unwrap_or(false))
    }

    /// Presses the link or the button of that name.
    #[track_caller]
    pub fn press(&self, name: &str) {
        let same = format!("normalize-space(.)={0} or @aria-label={0}", quoted(name));
        let xpath = format!("//*[(self::a or self::button or self::summary) and ({same})]");
        for _ in 0..1200 {
            if let Some(element) = self.look(&xpath)
                && self.wait(element.click()).is_ok()
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("{} has no {name:?} to press:\n{}", self.place(), self.text());
    }

    /// As [`Browser::press`], after putting away what covers it.
    #[track_caller]
    pub fn press_beside_suggestions(&self, name: &str) {
        self.script("document.activeElement.blur()");
        self.press(name);
    }

    /// Whether the browser itself says that something is missing.
    pub fn is_invalid(&self, field: &WebElement) -> bool {
        let arguments = vec![field.to_json().unwrap()];
        self.try_script("return arguments[0].matches(':invalid')", arguments).unwrap() == true
    }

    /// The field with that label.
    #[track_caller]
    pub fn field(&self, label: &str) -> WebElement {
        let label = quoted(label);
        let named = format!("normalize-space(text()[1])={label} or normalize-space(.)={label}");
        let xpath = format!("//*[@id = //label[{named}]/@for or self::input[@aria-label={label}]]");
        eventually(&format!("a field {label}"), || self.look(&xpath))
    }

    /// What stands in a field.
    #[track_caller]
    pub fn value(&self, label: &str) -> String {
        eventually(&format!("the value of {label}"), || self.wait(self.field(label).prop("value")).ok())
            .unwrap_or_default()
    }

    #[track_caller]
    pub fn is_ticked(&self, label: &str) -> bool {
        let field = self.field(label);
        self.wait(field.is_selected()).unwrap()
    }

    /// Writes into a field, in place of what stands there.
    #[track_caller]
    pub fn write(&self, label: &str, text: &str) {
        let field = self.field(label);
        if self.wait(field.attr("type")).unwrap().as_deref() == Some("datetime-local") {
            // How a moment is typed depends on the language of the browser.
            let script = "document.getElementById(arguments[0]).value = arguments[1]";
            let id = self.wait(field.attr("id")).unwrap();
            self.try_script(script, vec![json!(id), json!(text)]).unwrap();
            return;
        }
        // The field may be made anew between the look and the keys.
        eventually(&format!("writing into {label}"), || {
            let field = self.field(label);
            self.wait(field.clear()).ok()?;
            self.wait(field.send_keys(text)).ok()
        });
    }

    /// Takes one of the names that are suggested.
    #[track_caller]
    pub fn take(&self, suggestion: &str) {
        let xpath = format!("//li[@role='option' and contains(., {})]", quoted(suggestion));
        // The list may be made anew between the look and the click.
        eventually(&format!("the suggestion {suggestion}"), || self.wait(self.look(&xpath)?.click()).ok());
    }

    /// Ticks or chooses what has that label.
    #[track_caller]
    pub fn tick(&self, label: &str) {
        let label = quoted(label);
        let xpath = format!("//label[normalize-space(text()[1])={label} or normalize-space(.)={label}]");
        eventually(&format!("ticking {label}"), || self.wait(self.look(&xpath)?.click()).ok());
    }

    /// Types to a field, after what stands there.
    #[track_caller]
    pub fn field_keys(&self, label: &str, keys: impl Into<TypingData>) {
        let field = self.field(label);
        self.wait(field.send_keys(keys)).unwrap();
    }

    /// What is said to be wrong with a field; nothing where nothing is, and while the page is on its way.
    pub fn problem(&self, label: &str) -> String {
        let script = "const label = [...document.querySelectorAll('label')].find((one) => one.firstChild?.textContent.trim() === arguments[0]);
            return document.getElementById(`${label?.htmlFor}-problem`)?.innerText ?? ''";
        let told = self.try_script(script, vec![json!(label)]).unwrap_or_default();
        told.as_str().unwrap_or_default().to_owned()
    }

    /// Types on the keyboard, to whatever has the focus.
    pub fn keys(&self, keys: impl Into<TypingData>) {
        let keys: TypingData = keys.into();
        let text: String = keys.as_vec().iter().collect();
        self.wait(self.session().action_chain().send_keys(text.as_str()).perform()).unwrap();
    }

    /// The name of what has the focus.
    pub fn focused(&self) -> String {
        let script = "const e = document.activeElement;
            const label = e.labels?.[0]?.firstChild?.textContent;
            return (e.getAttribute('aria-label') ?? label ?? e.innerText ?? '').trim()";
        self.try_script(script, Vec::new()).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Goes on with the Tab key until something of that name has the focus, which must be seen.
    #[track_caller]
    pub fn tab_to(&self, name: &str) {
        let mut passed = Vec::new();
        for _ in 0..TABS_MAX {
            if self.focused() == name {
                let ring = self.script("return getComputedStyle(document.activeElement).outlineStyle");
                assert_eq!(ring, "solid", "the focus on {name} is seen");
                return;
            }
            self.keys(Key::Tab);
            passed.push(self.focused());
        }
        panic!("Tab does not lead to {name:?} on {}, but to {passed:?}", self.place());
    }

    /// Whether what has the focus fits a selector.
    pub fn is_focused(&self, selector: &str) -> bool {
        self.try_script("return document.activeElement.matches(arguments[0])", vec![json!(selector)])
            .is_ok_and(|answer| answer == true)
    }

    /// A picture of the window.
    pub fn picture(&self) -> Vec<u8> {
        // The browser's own command compresses less, and takes half the time.
        let taken = self.devtools("Page.captureScreenshot", json!({"format": "png", "optimizeForSpeed": true}));
        base64::prelude::BASE64_STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
    }

    /// What the browser complained of since it was last asked. That a page was answered with a refusal is none.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.wait(self.session().browser_log()).unwrap();
        let told = log.into_iter().filter(|entry| entry.level == "SEVERE" || entry.level == "WARNING");
        let is_answer = |message: &str| {
            message.contains("Failed to load resource: the server responded with a status of 4")
                || message.contains("Failed to load resource: the server responded with a status of 503")
        };
        told.map(|entry| entry.message).filter(|message| !is_answer(message)).collect()
    }
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        let complaints = if std::thread::panicking() { Vec::new() } else { self.complaints() };
        if let Some(session) = self.session.take() {
            let _ = self.runtime.block_on(session.quit());
        }
        assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
    }
}

/// A text as XPath writes it.
fn quoted(text: &str) -> String {
    if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") }
}
