//! Policies of a document: known by name, with modules by path or by name.

use serde_json::{Value, json};

use super::{applied, apply, counts, howto_document, told};
use crate::app::TestApp;
use crate::policy::upload;
use crate::shell::Shell;

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/scope-allowlist/policy.wasm");

fn with_policy(policy: Value) -> Value {
    let mut document = howto_document();
    document["policies"] = Value::Array(vec![policy]);
    document
}

#[test]
fn policies_are_attached_by_name_and_their_settings_must_fit() {
    let app = TestApp::start();
    upload(&app, &std::fs::read(MODULE).unwrap());
    let policy = |attached: Value, allow: Value| json!({"name": "only reads", "module": "scope-allowlist", "settings": {"allow": allow}, "attachedTo": attached});
    let document = with_policy(policy(json!({"api": "myrestapi"}), json!(["read"])));
    assert_eq!(counts(&applied(&app, "", &document)), [5, 0, 0, 0]);
    assert_eq!(counts(&applied(&app, "", &document)), [0, 0, 0, 5]);
    let export = app.admin("GET", "/export", &Value::Null).expect(200);
    assert_eq!(export["policies"][0]["attachedTo"], json!({"api": "myrestapi"}));
    assert_eq!(counts(&applied(&app, "", &export)), [0, 0, 0, 5]);
    let moved = with_policy(policy(json!({"client": "periodic-service"}), json!(["write"])));
    let report = applied(&app, "", &moved);
    assert_eq!(told(&report), ["change Policy only reads"]);
    assert_eq!(report["changes"][0]["members"].as_array().unwrap().len(), 2);
    for (document, path) in [
        (with_policy(policy(json!({"account": "nobody"}), json!([]))), "/policies/0/attachedTo"),
        (with_policy(policy(json!("server"), json!(5))), "/policies/0/settings"),
    ] {
        let error = apply(&app, "", &document).expect(400);
        assert_eq!(error["validation"][0]["propertyPath"], path, "{error}");
    }
    assert_eq!(told(&applied(&app, "?prune=true", &howto_document())), ["delete Policy only reads"]);
}

#[test]
fn a_module_by_its_path_is_handed_in_with_the_file() {
    let app = TestApp::start();
    let shell = Shell::of(&app);
    std::fs::copy(MODULE, shell.dir.path().join("policy.wasm")).unwrap();
    let file = shell.file(
        "access.yaml",
        "policies:\n  - name: only reads\n    module: policy.wasm\n    settings: {allow: [read]}\n    attachedTo: server\n",
    );
    let modules = || app.admin("GET", "/policy-modules", &Value::Null).expect(200)["totalResults"].clone();
    assert!(shell.run(&["apply", "-f", &file, "--dry-run"]).expect(10).contains("+ policy only reads"));
    assert_eq!(modules(), 0, "a dry run hands nothing in");
    assert!(shell.run(&["apply", "-f", &file]).expect(0).contains("1 made"));
    assert_eq!(modules(), 1);
    assert!(shell.run(&["apply", "-f", &file]).expect(0).contains("1 as they should be"));
    shell.file("policy.wasm", "no module");
    let text = shell.run(&["apply", "-f", &file]).refused(1);
    assert!(!text.is_empty() && modules() == 1, "{text}");
}

#[test]
fn an_export_with_its_modules_is_applied_elsewhere() {
    let (here, there) = (TestApp::start(), TestApp::start());
    upload(&here, &std::fs::read(MODULE).unwrap());
    let policy = |name: &str| json!({"name": name, "module": "scope-allowlist", "settings": {"allow": ["read"]}, "attachedTo": "server"});
    let mut document = with_policy(policy("only reads"));
    document["policies"].as_array_mut().unwrap().push(policy("once more"));
    applied(&here, "", &document);
    let shell = Shell::of(&here);
    let export = shell.run(&["export", "--modules", "kept/modules", "--format", "yaml"]).expect(0);
    assert!(export.contains("kept/modules/scope-allowlist-"), "{export}");
    let file = shell.file("access.yaml", &export);
    assert_eq!(std::fs::read_dir(shell.dir.path().join("kept/modules")).unwrap().count(), 1);
    shell.run(&["apply", "-f", &file, "--dry-run"]).expect(0);
    let shell = shell.with("GRANTD_SERVER", &there.url).with("GRANTD_TOKEN", &there.admin_token);
    assert!(shell.run(&["apply", "-f", &file]).expect(0).contains("6 made"));
    shell.run(&["apply", "-f", &file, "--dry-run"]).expect(0);
}
