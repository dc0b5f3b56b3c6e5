//! Signing keys: their life, what verifiers see of it, the master key that seals them, and discovery.

mod discovery;
mod life;
mod master_key;

use serde_json::Value;

use crate::app::{TestApp, eventually};

/// The keys that the admin API lists, in one state.
fn in_state(app: &TestApp, state: &str) -> Vec<Value> {
    let keys = app.admin("GET", "/keys", &Value::Null).expect(200);
    keys["Resources"].as_array().unwrap().iter().filter(|key| key["state"] == state).cloned().collect()
}

/// Waits until the background thread has made the keys to come.
pub(crate) fn with_next_keys(app: TestApp) -> TestApp {
    eventually("the next keys", || (in_state(&app, "next").len() == 3).then_some(()));
    app
}

fn kid_of(keys: &[Value], alg: &str) -> String {
    let mut of_alg = keys.iter().filter(|key| key["alg"] == alg);
    let kid = of_alg.next().unwrap_or_else(|| panic!("no {alg} key"))["kid"].as_str().unwrap().to_owned();
    assert!(of_alg.next().is_none(), "one {alg} key at a time");
    kid
}
