//! The admin API, through the real router: resources, lists, PATCH, bad bodies, secrets, API tokens, the audit trail.

mod api_tokens;
mod audit;
mod bodies;
mod chain;
mod concurrency;
mod deletes;
mod errors;
mod lists;
mod pages;
mod patch;
mod resources;
mod search;
mod secrets;

use serde_json::{Value, json};

use crate::app::{Answer, HowTo, TestApp};

/// The types, singular and plural.
const TYPES: [(&str, &str); 5] = [
    ("ServiceAccount", "ServiceAccounts"),
    ("MachineToMachine", "MachineToMachines"),
    ("Api", "Apis"),
    ("Grant", "Grants"),
    ("Policy", "Policies"),
];

/// What the how-to makes, and a policy module.
fn howto_with_module(app: &TestApp) -> HowTo {
    crate::policy::upload(app, &crate::policy::modules::harmless("nod"));
    app.howto()
}

/// A body that makes one more resource of a type, beside what the how-to made.
fn body_of(resource_type: &str, howto: &HowTo) -> Value {
    match resource_type {
        "ServiceAccount" => json!({"userName": "second", "displayName": "Second", "attributes": {"team": "ops"}}),
        "MachineToMachine" => json!({"displayName": "second", "serviceAccountId": howto.account}),
        "Api" => json!({"appId": "second", "displayName": "Second", "scopes": [{"identifier": "x"}]}),
        "Policy" => {
            json!({"name": "second", "moduleDigest": "nod", "attachedTo": {"type": "account", "id": howto.account}})
        }
        _ => json!({"serviceAccountId": howto.account, "apiId": howto.api, "scopes": ["read"], "reason": "second"}),
    }
}

/// The member of a type that people may write what they like into.
fn text_member(resource_type: &str) -> &'static str {
    match resource_type {
        "Grant" => "reason",
        "Policy" => "name",
        _ => "displayName",
    }
}

fn path_of(resource_type: &str, id: &Value) -> String {
    format!("/resources/cid/{resource_type}/{}", id.as_str().unwrap())
}

/// A list with these parameters.
pub fn list(app: &TestApp, path: &str, parameters: &[(&str, &str)]) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    app.admin("GET", &format!("{path}?{query}"), &Value::Null)
}

/// The `validation` of a refusal, as `path: message` lines.
fn validation(error: &Value) -> Vec<String> {
    let all = error["validation"].as_array().expect("validation is an array").iter();
    all.map(|v| format!("{}: {}", v["propertyPath"].as_str().unwrap(), v["message"].as_str().unwrap())).collect()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{member} of {value} is no text"))
}

#[test]
fn an_editor_cannot_make_itself_an_administrator() {
    let app = TestApp::start();
    let howto = app.howto();
    let token = json!({"displayName": "editor", "role": "editor"});
    let editor = app.admin("POST", "/auth/api-tokens", &token).expect(201);
    let editor = editor["signedToken"].as_str().unwrap();
    let grant = json!({"serviceAccountId": howto.account, "apiId": "grantd", "scopes": ["admin"]});
    assert_eq!(app.admin_as(editor, "POST", "/resources/cid/Grant", &grant).status, 403);
    app.create("Grant", &grant);
    let secrets = format!("/resources/cid/MachineToMachine/{}/secrets", howto.client);
    assert_eq!(app.admin_as(editor, "POST", &secrets, &json!({})).status, 403);
}
