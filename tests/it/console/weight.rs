//! How much a page weighs, with lists that are full.

use serde_json::{Value, json};

use super::Person;
use crate::app::TestApp;
use crate::browser::scene::{Scene, pages};

/// The largest page, in bytes.
const PAGE_BYTES_MAX: usize = 60 * 1024;

#[test]
fn no_page_is_larger_than_sixty_kilobytes() {
    let app = TestApp::start();
    let scene = Scene::make(&app);
    let clients = app.admin("GET", "/resources/cid/MachineToMachine?count=100", &Value::Null).expect(200);
    let clients = clients["Resources"].as_array().unwrap();
    for number in 0..30 {
        let name = format!("Something with a name as people give it, number {number}");
        app.create("ServiceAccount", &json!({"userName": format!("worker-{number}"), "displayName": name}));
        let id = clients[number % clients.len()]["clientId"].as_str().unwrap();
        app.token(&[("grant_type", "client_credentials"), ("client_id", id), ("client_secret", "wrong")]);
    }
    let person = Person::signed_in(&app);
    for (name, path) in pages(&app, &scene) {
        let page = person.get(&path);
        assert!(page.text.len() < PAGE_BYTES_MAX, "{name} has {} bytes", page.text.len());
        assert!(page.text.len() > 1000, "{name}: {} {}", page.status, page.text);
    }
}
