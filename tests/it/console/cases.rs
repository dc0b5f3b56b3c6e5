//! What was tried in the playground, kept as a case file that the command runs.

use serde_json::{Value, json};

use super::{Person, encoded};
use crate::app::TestApp;
use crate::policy::upload;
use crate::shell::Shell;

fn wasm(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(name).join("policy.wasm")
}

#[test]
fn what_was_tried_is_saved_as_a_case_that_the_command_runs() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let shell = Shell::new();
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let hours = json!({"timeZone": "Europe/Berlin", "windows": [{"days": days, "from": "08:00", "to": "09:00"}]});
    let ask = |more: &'static [(&str, &str)]| {
        [&[("client", howto.client_id.as_str()), ("api", "myrestapi"), ("scopes", "write")], more].concat()
    };
    for (module, settings, question, verdict) in [
        ("scope-allowlist", json!({"allow": ["w*"]}), ask(&[]), "permit"),
        ("scope-allowlist", json!({"allow": ["read"]}), ask(&[]), "deny"),
        ("max-ttl", json!({"otherwise": 60}), ask(&[]), "permit"),
        ("ip-allowlist", json!({"allow": ["10.0.0.0/8"]}), ask(&[("remoteAddress", "192.0.2.1")]), "deny"),
        ("business-hours", hours, ask(&[("at", "2027-01-15T07:30")]), "permit"),
    ] {
        let digest = upload(&app, &std::fs::read(wasm(module)).unwrap())["digest"].clone();
        let name = format!("{module} that says {verdict}!");
        let policy =
            json!({"name": name, "moduleDigest": digest, "settings": settings, "attachedTo": {"type": "server"}});
        let policy = app.create("Policy", &policy);
        let playground = format!("/console/policies/{}/playground", policy["id"].as_str().unwrap());
        let query = encoded(&question);
        let page = person.get(&format!("{playground}?{query}")).text;
        assert!(page.contains("Save as a test case"), "{name}: {page}");
        let link = page.split("href=\"").find(|rest| rest.starts_with(&format!("{playground}/cases?"))).unwrap();
        let file = person.get(&link.split('"').next().unwrap().replace("&amp;", "&"));
        assert_eq!(file.status, 200);
        assert_eq!(
            file.header("content-disposition"),
            format!("attachment; filename=\"{module}-that-says-{verdict}.json\"")
        );
        assert!(file.json()["cases"][0]["expect"][verdict].is_object(), "{name}: {}", file.text);
        let kept = shell.file("case.json", &file.text);
        let said = shell.run(&["policy", "test", wasm(module).to_str().unwrap(), &kept]).expect(0);
        assert!(said.contains("1 passed, 0 failed"), "{name}: {said}");
        app.admin("DELETE", &format!("/resources/cid/Policy/{}", policy["id"].as_str().unwrap()), &Value::Null)
            .expect(204);
    }
}

#[test]
fn what_cannot_be_asked_is_no_case() {
    let app = TestApp::start();
    let person = Person::signed_in(&app);
    let digest = upload(&app, &std::fs::read(wasm("max-ttl")).unwrap())["digest"].clone();
    let policy = json!({"name": "short", "moduleDigest": digest, "settings": {"otherwise": 60}, "attachedTo": {"type": "server"}});
    let playground = format!("/console/policies/{}/playground", app.create("Policy", &policy)["id"].as_str().unwrap());
    let answer = person.get(&format!("{playground}/cases?client=nobody"));
    assert_eq!((answer.status, answer.header("location")), (303, format!("{playground}?client=nobody").as_str()));
    let reader = Person::with_role(&app, "reader");
    assert_eq!(reader.get(&format!("{playground}/cases?client=nobody")).status, 403);
}
