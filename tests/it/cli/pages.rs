//! Lists that are longer than a page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{scene, text};

/// More than two of the largest pages.
const ACCOUNTS: usize = 2500;

#[test]
fn a_list_of_several_pages_has_everything_once() {
    let (app, shell) = scene();
    let names: BTreeSet<String> = (0..ACCOUNTS).map(|number| format!("a{number}")).collect();
    let accounts: Vec<Value> = names.iter().map(|name| json!({"userName": name})).collect();
    // All of one millisecond: their ids are in no order that says which was made first.
    app.admin("POST", "/apply", &json!({"accounts": accounts})).expect(200);
    let list = shell.run(&["account", "list", "--all", "--output", "json"]).json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), ACCOUNTS);
    assert_eq!(list.iter().map(|account| text(account, "userName").to_owned()).collect::<BTreeSet<_>>(), names);
    let some = shell.run(&["account", "list", "--all", "--filter", "userName sw \"a1\"", "--output", "json"]).json();
    assert_eq!(some.as_array().unwrap().len(), names.iter().filter(|name| name.starts_with("a1")).count());
}

#[test]
fn every_list_can_be_had_whole() {
    let (app, shell) = scene();
    app.howto();
    for list in ["account", "m2m", "api", "grant", "policy", "policy module", "api-token", "audit", "decision"] {
        let words: Vec<&str> = list.split(' ').chain(["list", "--all", "--output", "json"]).collect();
        let all = shell.run(&words).json();
        let expected = if ["policy", "policy module", "decision"].contains(&list) { 0 } else { 1 };
        assert!(all.as_array().unwrap().len() >= expected, "{list}: {all}");
    }
}
