//! Who may open which page. The routes are read from the source: one that is added there is tested here.

use std::path::Path;

use super::Person;
use crate::app::TestApp;

/// A route as the source has it: its path below `/console`, and the least role that it takes.
pub struct Route {
    pub path: String,
    pub needs: String,
    pub is_form: bool,
}

/// Every one of them.
pub fn routes() -> Vec<Route> {
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/console.rs")).unwrap();
    let table = source.split("const ROUTES: &[Route] = &[").nth(1).unwrap().split("];").next().unwrap();
    // One call of `page` or `form` after another, however it is broken into lines.
    let flat = table.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for (kind, is_form) in [("page(", false), ("form(", true)] {
        for call in flat.split(kind).skip(1) {
            let path = call.split('"').nth(1).unwrap().to_owned();
            let role = call.split("Role::").nth(1).and_then(|rest| rest.split([',', ' ']).next()).unwrap_or("Reader");
            let needs = if is_form { role.to_lowercase() } else { "reader".to_owned() };
            found.push(Route { path, needs, is_form });
        }
    }
    // A page that takes more than a reader says so around it.
    for special in flat.split("Route { needs: Role::").skip(1) {
        let role = special.split(',').next().unwrap().to_lowercase();
        let path = special.split('"').nth(1).unwrap();
        found.iter_mut().find(|route| route.path == path && !route.is_form).unwrap().needs = role;
    }
    found
}

fn path_of(route: &Route, app: &TestApp, howto: &crate::app::HowTo) -> String {
    let path = &route.path;
    let id = match path.split('/').nth(1).unwrap_or_default() {
        "service-accounts" => howto.account.as_str(),
        "grants" => howto.grant.as_str(),
        "marketplace" if path.contains("machine") => howto.client.as_str(),
        "marketplace" => howto.api.as_str(),
        _ => "0000000000000000000000",
    };
    let _ = app;
    let query = if path.contains("/scopes/") { "?scope=read" } else { "" };
    format!("/console{}{query}", path.replace("{id}", id).replace("{secret}", "x"))
}

fn commits(app: &TestApp) -> serde_json::Value {
    let path = "/audit/commits?count=0&filter=actor.type%20ne%20%22system%22";
    app.admin("GET", path, &serde_json::Value::Null).expect(200)["totalResults"].clone()
}

#[test]
fn the_table_is_read_whole() {
    let routes = routes();
    assert!(routes.len() > 50, "{}", routes.len());
    assert!(routes.iter().any(|route| route.path == "/api-tokens" && route.needs == "admin"));
    assert!(routes.iter().any(|route| route.path == "/keys/rotate" && route.needs == "admin" && route.is_form));
    assert!(routes.iter().any(|route| route.path == "/grants/{id}/edit" && route.needs == "editor"));
}

#[test]
fn nothing_opens_without_a_session() {
    let app = TestApp::start();
    let howto = app.howto();
    let before = commits(&app);
    for route in routes() {
        let path = path_of(&route, &app, &howto);
        for cookie in ["", "grantd_session=gses_x", "grantd_session_1=x; grantd_session=y"] {
            let answer = app.send("GET", &path, &[("cookie", cookie)], b"");
            assert_eq!(answer.status, 303, "GET {path}");
            assert!(answer.header("location").starts_with("/console/sign-in?next=/console"), "GET {path}");
            assert_eq!(answer.text, "", "GET {path}");
            let answer = app.send("POST", &path, &[("cookie", cookie)], b"userName=x&displayName=x");
            let expected = if route.is_form { 401 } else { 405 };
            assert_eq!(answer.status, expected, "POST {path}");
        }
        // A bearer of the admin API is no session.
        let bearer = format!("Bearer {}", app.admin_token);
        assert_eq!(app.send("GET", &path, &[("authorization", &bearer)], b"").status, 303, "GET {path}");
    }
    let unknown = app.send("GET", "/console/none", &[], b"");
    assert_eq!(unknown.status, 303, "what is there is not told to strangers");
    assert_eq!(commits(&app), before);
}

#[test]
fn every_route_takes_its_role_and_nobody_is_offered_more() {
    let app = TestApp::start();
    let howto = app.howto();
    let roles = ["reader", "editor", "admin"];
    for (rank, role) in roles.iter().enumerate() {
        let person = Person::with_role(&app, role);
        let before = commits(&app);
        for route in routes() {
            let path = path_of(&route, &app, &howto);
            let may = rank >= roles.iter().position(|known| *known == route.needs).unwrap();
            let answer = person.get(&path);
            assert_eq!(answer.status == 403, !may, "{role} GET {path}: {}", answer.status);
            assert!(!answer.text.contains("the server failed"), "{role} GET {path}");
            if route.is_form && !route.path.starts_with("/sign-out") && !route.path.starts_with("/theme") {
                // A token of another session: what is let in is drawn again, and changes nothing.
                let answer = person.post(&path, &[("_form", "x"), ("userName", "sly")]);
                assert_eq!(answer.status == 403, !may, "{role} POST {path}: {}", answer.status);
            }
            if !may {
                assert!(answer.text.contains(&format!("role {}", route.needs)), "{role} GET {path}");
            }
        }
        assert_eq!(commits(&app), before, "{role} wrote something");
        offered(&person, &app, &howto, rank);
    }
}

/// Links to what a role may not do are not there.
fn offered(person: &Person, app: &TestApp, howto: &crate::app::HowTo, rank: usize) {
    let roles = ["reader", "editor", "admin"];
    let routes = routes();
    for route in routes.iter().filter(|route| !route.is_form && !route.path.contains("suggest")) {
        let page = person.get(&path_of(route, app, howto));
        if page.status != 200 {
            continue;
        }
        for link in page.text.split("href=\"/console").skip(1).map(|rest| rest.split(['"', '?']).next().unwrap()) {
            let target = routes.iter().find(|route| fits(&route.path, link));
            let Some(target) = target else { continue };
            let needs = roles.iter().position(|role| *role == target.needs).unwrap();
            assert!(needs <= rank, "{} is offered /console{link} on {}", roles[rank], route.path);
        }
    }
}

/// Whether a link leads to a route.
fn fits(template: &str, link: &str) -> bool {
    let (template, link): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), link.split('/').collect());
    // A word that stands there beats an id.
    template.len() == link.len()
        && template.iter().zip(&link).all(|(part, word)| part == word || (part.starts_with('{') && *word != "add"))
}
