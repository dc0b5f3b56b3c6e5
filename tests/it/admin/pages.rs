//! Turning pages: whatever the size and the order, each item comes once.

use serde_json::{Value, json};

use super::{list, text};
use crate::app::TestApp;

const ACCOUNTS: &str = "/resources/cid/ServiceAccount";

#[test]
fn the_envelope_says_what_was_asked_and_what_there_is() {
    let app = TestApp::start();
    for number in 0..12 {
        app.create("ServiceAccount", &json!({"userName": format!("a{number:02}")}));
    }
    for (query, page_size, start, shown) in [
        ("", 10, 1, 10),
        ("count=0", 0, 1, 0),
        ("count=-5", 0, 1, 0),
        ("count=1000", 1000, 1, 12),
        ("startIndex=0", 10, 1, 10),
        ("startIndex=-7&count=3", 3, 1, 3),
        ("startIndex=11", 10, 11, 2),
        ("startIndex=13", 10, 13, 0),
        ("startIndex=99999999999999", 10, i64::from(u32::MAX), 0),
        ("count=&startIndex=&filter=&sortBy=&sortOrder=", 10, 1, 10),
    ] {
        let page = app.admin("GET", &format!("{ACCOUNTS}?{query}"), &Value::Null).expect(200);
        let sizes = (page["totalResults"].as_i64(), page["itemsPerPage"].as_i64(), page["startIndex"].as_i64());
        assert_eq!(sizes, (Some(12), Some(page_size), Some(start)), "{query}");
        assert_eq!(page["Resources"].as_array().unwrap().len(), shown, "{query}");
    }
}

#[test]
fn pages_of_any_size_show_each_item_once_and_in_order() {
    const COUNT: usize = 17;
    let app = TestApp::start();
    for number in 0..COUNT {
        // Few distinct values, and none at all for some: ties must not make a page boundary leak.
        let mut attributes = json!({"group": number % 3});
        if number % 4 == 0 {
            attributes = json!({});
        }
        let name = format!("Name {}", number % 5);
        app.create(
            "ServiceAccount",
            &json!({"userName": format!("u{number}"), "displayName": name,
            "active": number % 2 == 0, "attributes": attributes}),
        );
    }
    let ids = |page: &Value| -> Vec<String> {
        page["Resources"].as_array().unwrap().iter().map(|item| text(item, "id").to_owned()).collect()
    };
    for sort_by in ["", "id", "displayName", "active", "attributes.group", "meta.created"] {
        for order in ["ascending", "descending"] {
            let common = [("sortBy", sort_by), ("sortOrder", order)];
            let mut whole = ids(&list(&app, ACCOUNTS, &[&common[..], &[("count", "1000")]].concat()).expect(200));
            for size in [1, 2, 3, 5, 7, 16, 17, 18] {
                let mut turned = Vec::new();
                for start in (1..=COUNT).step_by(size) {
                    let (start, size) = (start.to_string(), size.to_string());
                    let parameters = [&common[..], &[("startIndex", &start), ("count", &size)]].concat();
                    turned.extend(ids(&list(&app, ACCOUNTS, &parameters).expect(200)));
                }
                assert_eq!(turned, whole, "{sort_by} {order} by {size}");
            }
            whole.sort();
            whole.dedup();
            assert_eq!(whole.len(), COUNT, "{sort_by} {order}");
        }
    }
}
