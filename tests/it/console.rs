//! The console, page by page over HTTP: what every browser sees, with and without script. `browser.rs` does the
//! rest in a real one.

mod cases;
mod conflicts;
mod flows;
mod headers;
mod policies;
pub mod routes;
mod sign_in;
mod weight;
mod writes;

use serde_json::json;

use crate::app::{Answer, TestApp};

/// Somebody with a browser: cookies are kept, redirects are followed on request.
pub struct Person<'a> {
    pub app: &'a TestApp,
    pub cookies: std::cell::RefCell<Vec<(String, String)>>,
}

impl<'a> Person<'a> {
    /// With a fresh browser.
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, cookies: std::cell::RefCell::default() }
    }

    /// Signed in as the first administrator.
    #[track_caller]
    pub fn signed_in(app: &'a TestApp) -> Self {
        Self::with_token(app, &app.admin_token)
    }

    /// Signed in with a token.
    #[track_caller]
    pub fn with_token(app: &'a TestApp, token: &str) -> Self {
        let person = Self::new(app);
        let answer = person.post("/console/sign-in", &[("token", token)]);
        assert_eq!(answer.status, 303, "{}", answer.text);
        person
    }

    /// Signed in with a new token of that role.
    #[track_caller]
    pub fn with_role(app: &'a TestApp, role: &str) -> Self {
        let made = app.admin("POST", "/auth/api-tokens", &json!({"displayName": role, "role": role})).expect(201);
        Self::with_token(app, made["signedToken"].as_str().unwrap())
    }

    fn cookie_header(&self) -> String {
        let cookies = self.cookies.borrow();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&self, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').unwrap();
            let mut cookies = self.cookies.borrow_mut();
            cookies.retain(|(known, _)| known != name);
            if !attributes.contains("Max-Age=0") {
                cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// A request with these headers beside the cookies.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let cookie = self.cookie_header();
        let mut all = vec![("cookie", cookie.as_str())];
        all.extend_from_slice(headers);
        let answer = self.app.send(method, path, &all, body);
        self.keep_cookies(&answer);
        answer
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// A form, sent as it stands.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = encoded(fields);
        self.send("POST", path, &[("content-type", "application/x-www-form-urlencoded")], body.as_bytes())
    }

    /// The form at `path`, opened, filled in with `fields` and sent. Fields that are hidden go along.
    #[track_caller]
    pub fn fill(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(path);
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        self.fill_page(&page.text, path, fields)
    }

    /// A form that is open already.
    #[track_caller]
    pub fn fill_page(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let hidden = hidden_fields(page, path);
        let mut all: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.extend_from_slice(fields);
        self.post(path, &all)
    }

    /// As [`Person::fill`], and on to where it leads.
    #[track_caller]
    pub fn fill_and_follow(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let answer = self.fill(path, fields);
        self.follow(&answer)
    }

    /// On to where an answer leads.
    #[track_caller]
    pub fn follow(&self, answer: &Answer) -> Page {
        assert_eq!(answer.status, 303, "{}", answer.text);
        let place = answer.header("location").to_owned();
        let page = self.get(&place);
        assert_eq!(page.status, 200, "{place}: {}", page.text);
        Page { place, text: page.text }
    }
}

/// A page and where it is.
pub struct Page {
    pub place: String,
    pub text: String,
}

impl Page {
    /// The last part of its path, without the query.
    pub fn id(&self) -> &str {
        self.place.split('?').next().unwrap().rsplit('/').next().unwrap()
    }
}

pub fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The hidden fields of the form that is sent to `action`.
#[track_caller]
pub fn hidden_fields(page: &str, action: &str) -> Vec<(String, String)> {
    let start = format!("<form method=\"post\" action=\"{}\"", action.replace('&', "&amp;"));
    let form = page.split(&start).nth(1).unwrap_or_else(|| panic!("no form for {action} in {page}"));
    let form = form.split("</form>").next().unwrap();
    let fields = form.split("<input type=\"hidden\"").skip(1).map(|input| {
        let input = input.split('>').next().unwrap();
        (attribute(input, "name"), attribute(input, "value"))
    });
    fields.collect()
}

/// An attribute of an element, unescaped.
pub fn attribute(element: &str, name: &str) -> String {
    let value = element.split(&format!("{name}=\"")).nth(1).map_or("", |rest| rest.split('"').next().unwrap());
    value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// What stands in the field of that name.
#[track_caller]
pub fn typed(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\"");
    let element = page.split('<').find(|element| element.contains(&mark)).unwrap_or_else(|| panic!("no {name}"));
    if element.starts_with("textarea") {
        let text = element.split_once('>').unwrap().1.trim_start_matches('\n');
        return text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    }
    attribute(element, "value")
}

/// Whether the box of that name is ticked.
#[track_caller]
pub fn is_ticked(page: &str, name: &str, value: &str) -> bool {
    let mark = format!("name=\"{name}\" value=\"{value}\"");
    let element = page.split('<').find(|element| element.contains(&mark)).unwrap_or_else(|| panic!("no {name}"));
    element.split('>').next().unwrap().contains(" checked")
}
