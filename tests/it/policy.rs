//! Policies: the sandbox, and what it is attacked with; modules, attachments, and what they do to tokens.

mod access;
mod attach;
mod brief;
mod evaluate;
mod hostile;
mod isolation;
pub mod modules;
mod proxies;
mod replay;
mod reuse;
mod sandbox;
mod settings;
mod trust;
mod upload;

use serde_json::{Value, json};

use crate::app::{HowTo, TestApp, texts};

/// A policy that keeps scopes which match a pattern, as it is shipped.
const SCOPE_ALLOWLIST: &[u8] = include_bytes!("../../policies/scope-allowlist/policy.wasm");

/// Hands a module in, and answers what is shown of it.
#[track_caller]
pub fn upload(app: &TestApp, bytes: &[u8]) -> Value {
    let answer = upload_as(app, &app.admin_token, bytes);
    assert!([200, 201].contains(&answer.status), "{}", answer.text);
    answer.json()
}

fn upload_as(app: &TestApp, bearer: &str, bytes: &[u8]) -> crate::app::Answer {
    let authorization = format!("Bearer {bearer}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/wasm")];
    app.send("POST", "/api/v1/policy-modules", &headers, bytes)
}

/// Attaches a module, and answers the policy.
#[track_caller]
fn attach(app: &TestApp, name: &str, module: &str, to: &Value, more: &Value) -> Value {
    app.create("Policy", &body(name, module, to, more))
}

fn body(name: &str, module: &str, to: &Value, more: &Value) -> Value {
    let mut body = json!({"name": name, "moduleDigest": module, "attachedTo": to});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    body
}

/// The how-to with both scopes granted.
fn howto_with_both_scopes(app: &TestApp) -> HowTo {
    let howto = app.howto();
    app.set("Grant", &howto.grant, "scopes", &json!(["read", "write"]));
    howto
}

/// The scopes that a request for both gets, or why it gets none.
fn scopes(app: &TestApp, howto: &HowTo) -> Result<Vec<String>, String> {
    let answer = app.token_for(howto, &[("scope", "read write")]);
    let json = answer.json();
    match answer.status {
        200 => {
            let claims = crate::app::claims(json["access_token"].as_str().unwrap());
            Ok(texts(&claims["scp"]).into_iter().map(str::to_owned).collect())
        }
        _ => Err(json["error_description"].as_str().unwrap().to_owned()),
    }
}
