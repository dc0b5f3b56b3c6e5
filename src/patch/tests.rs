use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{OPERATIONS_MAX, Operation, PATH_BYTES_MAX, PATH_SEGMENTS_MAX, Patch, PatchError, VALUE_DEPTH_MAX};

const KNOWN: [&str; 4] = ["userName", "displayName", "active", "scopes"];

fn document() -> Map<String, Value> {
    let document = json!({
        "userName": "ci", "active": true,
        "attributes": {"team": "core", "a/b": 1, "a.b": 2, "m~n": 3, "0": "zero"},
        "tags": ["a", "b"],
        "scopes": [
            {"identifier": "read", "displayName": "Read"},
            {"identifier": "READ"},
            {"identifier": "a/b].c"},
        ],
    });
    document.as_object().unwrap().clone()
}

/// The document after one operation, or the error; on an error the document must be untouched.
fn patched(operation: &Value) -> Result<Value, PatchError> {
    let mut patched = document();
    let patch = Patch::parse(&json!({"Operations": [operation]}))?;
    let result = patch.apply(&mut patched, &KNOWN);
    if result.is_err() {
        assert_eq!(patched, document());
    }
    result.map(|()| Value::Object(patched))
}

/// What stands at `pointer` after one operation on `path`.
fn after(op: &str, path: &str, value: &Value, pointer: &str) -> Value {
    let operation = match op {
        "remove" => json!({"op": op, "path": path}),
        _ => json!({"op": op, "path": path, "value": value}),
    };
    let patched = patched(&operation).unwrap_or_else(|error| panic!("{operation}: {error}"));
    patched.pointer(pointer).cloned().unwrap_or(Value::Null)
}

fn message(operation: &Value) -> String {
    patched(operation).expect_err("an error").to_string()
}

fn parse_error(body: &Value) -> String {
    Patch::parse(body).expect_err("an error").to_string()
}

#[test]
fn bodies() {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "operations": [
            {"op": "Replace", "path": "/active", "value": false, "oldValue": true},
            {"OP": "REMOVE", "Path": "displayName", "value": null},
            {"op": "add", "path": null, "value": {"a": 1}},
        ], "revision": 7,
    });
    let patch = Patch::parse(&body).unwrap();
    assert_eq!(patch.revision, Some(7));
    let [Operation::Replace { path, value }, Operation::Remove { .. }, Operation::Add { path: None, .. }] =
        patch.operations.as_slice()
    else {
        panic!("{patch:?}");
    };
    assert_eq!((path.as_ref().unwrap().text(), value), ("/active", &json!(false)));
    let without = json!({"Operations": [{"op": "add", "value": {}}]});
    assert_eq!(Patch::parse(&without).unwrap().revision, None);
}

#[test]
fn body_errors_name_the_member() {
    let with = |operation: Value| json!({"Operations": [operation]});
    for (body, start) in [
        (json!([]), ": send a JSON object with \"Operations\""),
        (json!({}), "/Operations: add \"Operations\""),
        (json!({"Operations": {}}), "/Operations: send an array of operations, not an object"),
        (json!({"Operations": []}), "/Operations: send 1 to 100 operations, not 0"),
        (json!({"Operations": [], "operations": []}), "/operations: send \"Operations\" only once"),
        (
            json!({"Operations": [], "a/b": 1}),
            "/a~1b: remove the unknown member \"a/b\"; allowed are \"Operations\", \"Revision\"",
        ),
        (with(json!("x")), "/Operations/0: send an object with \"op\""),
        (with(json!({"op": "test"})), "/Operations/0/op: send \"add\", \"replace\" or \"remove\""),
        (with(json!({"value": {}})), "/Operations/0/op: send \"add\""),
        (
            with(json!({"op": "add", "value": {}, "oldvalues": 1})),
            "/Operations/0/oldvalues: remove the unknown member \"oldvalues\"",
        ),
        (with(json!({"op": "add", "path": "a"})), "/Operations/0/value: add \"value\""),
        (with(json!({"op": "add", "value": 1})), "/Operations/0/value: send an object of attributes"),
        (with(json!({"op": "remove"})), "/Operations/0/path: add \"path\""),
        (with(json!({"op": "remove", "path": "tags", "value": ["a"]})), "/Operations/0/value: leave \"value\" out"),
        (with(json!({"op": "add", "path": 1, "value": 1})), "/Operations/0/path: send the path as a string"),
    ] {
        let message = parse_error(&body);
        assert!(message.starts_with(start), "{message}");
    }
    for revision in [json!("1"), json!(1.0), json!(null), json!(true), json!(u64::MAX)] {
        let body = json!({"Operations": [{"op": "add", "value": {}}], "Revision": revision.clone()});
        let error = Patch::parse(&body).unwrap_err();
        assert_eq!(error.property_path, "/Revision");
        assert_eq!(error.invalid_value, Some(revision));
    }
}

#[test]
fn every_path_form_reaches_its_target() {
    for (path, pointer) in [
        ("active", "/active"),
        ("/active", "/active"),
        ("ACTIVE", "/active"),
        ("DisplayName", "/displayName"),
        ("unKnown", "/unKnown"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:active", "/active"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:attributes.team", "/attributes/team"),
        ("attributes.team", "/attributes/team"),
        ("attributes/team", "/attributes/team"),
        ("/Attributes/Team", "/attributes/team"),
        ("/attributes/a~1b", "/attributes/a~1b"),
        ("/attributes/a.b", "/attributes/a.b"),
        ("/attributes/m~0n", "/attributes/m~0n"),
        ("attributes.m~n", "/attributes/m~0n"),
        ("/attributes/~01", "/attributes/~01"),
        ("/attributes/0", "/attributes/0"),
        ("/scopes/0", "/scopes/0"),
        ("scopes.0", "/scopes/0"),
        ("scopes/0/displayName", "/scopes/0/displayName"),
        ("SCOPES[identifier eq \"read\"]", "/scopes/0"),
        ("scopes[identifier eq \"read\"].displayName", "/scopes/0/displayName"),
        ("/scopes[identifier eq \"read\"]/displayName", "/scopes/0/displayName"),
        ("scopes[identifier in [\"a/b].c\"]].new", "/scopes/2/new"),
        ("scopes[identifier eq \"read\"]/a.b/c", "/scopes/0/a.b/c"),
        ("tags[value eq \"b\"]", "/tags/1"),
        ("new.deep.er", "/new/deep/er"),
        ("/new/0", "/new/0"),
    ] {
        for op in ["add", "replace"] {
            if (op, path) != ("add", "/scopes/0") && !(op == "replace" && path == "/new/0") {
                assert_eq!(after(op, path, &json!(false), pointer), false, "{op} {path}");
            }
        }
    }
}

#[test]
fn path_errors() {
    let operation = |path: &str| json!({"op": "replace", "path": path, "value": 1});
    for (path, part) in [
        ("", "name an attribute"),
        ("/", "name an attribute"),
        ("a..b", "name an attribute"),
        ("/a/", "name an attribute"),
        ("[a pr]", "name an attribute"),
        ("/a/~2", "write \"~\" as \"~0\""),
        ("/a/b~", "write \"~\" as \"~0\""),
        ("scopes[a pr", "close the value filter"),
        ("scopes[a eq \"]", "close the value filter"),
        ("scopes[a pr]b", "between \"]\" and what follows"),
        ("scopes[a pr][b pr]", "between \"]\" and what follows"),
        ("scöpes[a foo]", "at character 10: expected an operator (eq,"),
    ] {
        let message = message(&operation(path));
        assert!(message.starts_with("/Operations/0/path: ") && message.contains(part), "{message}");
    }
}

#[test]
fn add_appends_merges_or_sets() {
    let tags = |path, value: Value| after("add", path, &value, "/tags");
    assert_eq!(tags("tags", json!("c")), json!(["a", "b", "c"]));
    assert_eq!(tags("tags", json!(["c", "d"])), json!(["a", "b", "c", "d"]));
    // What the array holds already is not added again, unless the path says where.
    assert_eq!(tags("tags", json!(["b", "c"])), json!(["a", "b", "c"]));
    assert_eq!(tags("/tags/-", json!("a")), json!(["a", "b", "a"]));
    assert_eq!(tags("/tags/0", json!("c")), json!(["c", "a", "b"]));
    assert_eq!(tags("/tags/2", json!("c")), json!(["a", "b", "c"]));
    assert_eq!(after("add", "/new/-", &json!("x"), "/new"), json!(["x"]));

    let merged =
        after("add", "scopes[identifier eq \"read\"]", &json!({"DisplayName": "R", "n": {"x": 1}}), "/scopes/0");
    assert_eq!(merged, json!({"identifier": "read", "displayName": "R", "n": {"x": 1}}));
    let all = after("add", "scopes[identifier pr].n", &json!(1), "/scopes");
    assert!(all.as_array().unwrap().iter().all(|scope| scope["n"] == json!(1)));
    assert_eq!(after("add", "userName", &json!("x"), "/userName"), "x");
}

#[test]
fn replace_sets_the_whole_value() {
    let set = |path, value: Value, pointer| after("replace", path, &value, pointer);
    assert_eq!(set("tags", json!("c"), "/tags"), "c");
    assert_eq!(set("attributes", json!({"x": 1}), "/attributes"), json!({"x": 1}));
    assert_eq!(set("/tags/1", json!("c"), "/tags"), json!(["a", "c"]));
    assert_eq!(set("scopes[identifier eq \"READ\"]", json!({}), "/scopes/1"), json!({}));
    // RFC 7644 section 3.5.2.3: an absent attribute is added.
    assert_eq!(set("displayName", json!("CI"), "/displayName"), "CI");
}

#[test]
fn remove_takes_away() {
    let gone = |path, pointer| after("remove", path, &Value::Null, pointer);
    assert_eq!(gone("/Active", "/active"), Value::Null);
    assert_eq!(gone("tags/0", "/tags"), json!(["b"]));
    assert_eq!(gone("tags[value pr]", "/tags"), json!([]));
    // Exact case: READ stays.
    let left = gone("scopes[identifier eq \"read\"]", "/scopes");
    assert_eq!(left[0]["identifier"], "READ");
    assert_eq!(left.as_array().unwrap().len(), 2);
    assert_eq!(gone("scopes[displayName pr].displayName", "/scopes/0"), json!({"identifier": "read"}));
}

#[test]
fn without_a_path_the_members_merge() {
    let value = json!({"ACTIVE": false, "displayname": "CI", "tags": ["c"], "Other": {"x": 1}});
    let added = patched(&json!({"op": "add", "value": value})).unwrap();
    assert_eq!(added["active"], false);
    assert_eq!(added["displayName"], "CI");
    assert_eq!(added["tags"], json!(["a", "b", "c"]));
    assert_eq!(added["Other"], json!({"x": 1}));
    assert_eq!(added["userName"], "ci");
    let replaced = patched(&json!({"op": "replace", "value": value})).unwrap();
    assert_eq!(replaced["tags"], json!(["c"]));
    assert_eq!(replaced["userName"], "ci");
}

#[test]
fn operations_that_do_not_fit_the_document() {
    let set = |path: &str| json!({"op": "replace", "path": path, "value": 1});
    let add = |path: &str| json!({"op": "add", "path": path, "value": 1});
    let remove = |path: &str| json!({"op": "remove", "path": path});
    for (operation, part) in [
        (remove("displayName"), "there is no \"displayName\""),
        (remove("missing.name"), "there is no \"missing\""),
        (remove("attributes.missing"), "there is no \"missing\""),
        (remove("/tags/2"), "change the index \"2\": the array has 2 items"),
        (remove("/tags/-"), "change the index \"-\""),
        (set("/tags/2"), "change the index \"2\""),
        (set("/tags/-"), "change the index \"-\""),
        (set("/scopes/3/displayName"), "change the index \"3\""),
        (set("/scopes/-/displayName"), "change the index \"-\""),
        (add("/tags/3"), "change the index \"3\""),
        (add("/new/1"), "change the index \"1\": the array has 0 items"),
        (add("/tags/99999999999999999999"), "to an index"),
        (add("/tags/01"), "change \"01\" to an index"),
        (set("scopes.displayName"), "change \"displayName\" to an index"),
        (set("userName.x"), "\"x\" stands below a string, which has no members"),
        (set("attributes[team pr]"), "selects from an array, and this is an object"),
        (set("missing[a pr]"), "there is no \"missing\""),
    ] {
        let message = message(&operation);
        assert!(message.contains(part), "{operation}: {message}");
    }
    for op in ["add", "replace", "remove"] {
        let path = "scopes[identifier eq \"none\"]";
        let operation = match op {
            "remove" => remove(path),
            _ => json!({"op": op, "path": path, "value": 1}),
        };
        let error = patched(&operation).unwrap_err();
        assert_eq!(error.property_path, "/Operations/0/path");
        assert_eq!(error.invalid_value, Some(json!(path)));
        assert_eq!(error.message, "change the value filter: none of the 3 items matches identifier eq \"none\"");
    }
}

#[test]
fn all_or_nothing() {
    let body = json!({"Operations": [
        {"op": "replace", "path": "active", "value": false},
        {"op": "remove", "path": "/tags/5"},
    ]});
    let mut patched = document();
    let error = Patch::parse(&body).unwrap().apply(&mut patched, &KNOWN).unwrap_err();
    assert_eq!(error.property_path, "/Operations/1/path");
    assert_eq!(patched, document());
}

#[test]
fn bounds() {
    let operations = |count| json!({"Operations": vec![json!({"op": "add", "value": {}}); count]});
    assert!(Patch::parse(&operations(OPERATIONS_MAX)).is_ok());
    assert!(parse_error(&operations(OPERATIONS_MAX + 1)).contains("1 to 100 operations, not 101"));

    let at = |path: String| patched(&json!({"op": "add", "path": path, "value": 1}));
    assert!(at("a".repeat(PATH_BYTES_MAX)).is_ok());
    let error = at("a".repeat(PATH_BYTES_MAX + 1)).unwrap_err();
    assert!(error.message.contains("at most 1024 bytes") && error.invalid_value.is_none());
    assert!(at(vec!["a"; PATH_SEGMENTS_MAX].join(".")).is_ok());
    let error = at(vec!["a"; PATH_SEGMENTS_MAX + 1].join(".")).unwrap_err();
    assert!(error.message.contains("at most 16 segments"));
    assert!(at(format!("scopes[{}a pr", "(".repeat(1000))).is_err());

    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let with = |depth| patched(&json!({"op": "add", "path": "a", "value": nested(depth)}));
    assert!(with(VALUE_DEPTH_MAX).is_ok());
    assert!(with(VALUE_DEPTH_MAX + 1).is_err());
}

#[test]
fn a_value_filter_cannot_multiply_without_end() {
    let mut wide = Map::new();
    wide.insert("items".to_owned(), json!(vec![json!({"a": 1}); 1000]));
    let value = "x".repeat(10_000);
    let body = json!({"Operations": [{"op": "add", "path": "items[a pr].b", "value": value}]});
    let error = Patch::parse(&body).unwrap().apply(&mut wide, &[]);
    assert!(error.unwrap_err().message.starts_with("write less at once"));
}

#[test]
fn value_filters_cannot_compare_without_end() {
    let paths = |operations: Vec<Value>| Patch::parse(&json!({"Operations": operations})).unwrap();
    let select = format!("a[value in [{}]]", vec!["2"; 490].join(","));
    let refusal = |items: Value, count: usize| {
        let replace = json!({"op": "replace", "path": select, "value": 2});
        let mut document = json!({"a": items}).as_object().unwrap().clone();
        paths(vec![replace; count]).apply(&mut document, &[]).unwrap_err()
    };
    let numbers = |count: i32| (0..count).collect::<Vec<_>>();
    let error = refusal(json!(numbers(8000)), 3);
    assert_eq!(error.property_path, "/Operations/2/path");
    assert!(error.message.starts_with("select less at once"), "{error}");
    // What lies deep in an item counts, and so does the length of a text.
    for item in [json!([numbers(24_000)]), json!("x".repeat(64 * 24_000))] {
        let error = refusal(json!([item]), 1);
        assert!(error.message.starts_with("select less at once"), "{error}");
    }
    // Every scope of a full API, one by one.
    let scopes: Vec<Value> =
        (0..500).map(|n| json!({"identifier": n.to_string(), "displayName": "x".repeat(256)})).collect();
    let mut api = json!({"scopes": scopes}).as_object().unwrap().clone();
    let removal = |n| json!({"op": "remove", "path": format!("scopes[identifier eq \"{n}\"]")});
    let each = (0..OPERATIONS_MAX).map(removal).collect();
    paths(each).apply(&mut api, &[]).unwrap();
}

#[test]
fn value_filters_are_seen_in_a_body() {
    let with = |path: Value| json!({"operations": [{"op": "add", "Path": path, "value": "[]"}]});
    assert!(Patch::has_value_filter(&with(json!("scopes[identifier pr].x"))));
    for body in [with(json!("scopes/0")), with(json!(null)), json!({"Operations": "["}), json!("["), json!([])] {
        assert!(!Patch::has_value_filter(&body), "{body}");
    }
}

#[test]
fn an_object_replaces_the_members_that_it_names() {
    let named = |operation: Value| {
        let mut document = document();
        Patch::parse(&json!({"Operations": [operation]})).unwrap().apply_to_named(&mut document, &KNOWN).unwrap();
        Value::Object(document)
    };
    let mut kept = Value::Object(document())["attributes"].clone();
    kept["team"] = json!("pay");
    for operation in [
        json!({"op": "replace", "path": "attributes", "value": {"Team": "pay"}}),
        json!({"op": "replace", "value": {"Attributes": {"TEAM": "pay"}}}),
    ] {
        assert_eq!(named(operation)["attributes"], kept);
    }
    let set = |path: &str, value: Value| json!({"op": "replace", "path": path, "value": value});
    assert_eq!(named(set("tags", json!(["c"])))["tags"], json!(["c"]));
    assert_eq!(named(set("attributes", json!("x")))["attributes"], "x");
    // A selected item is replaced whole.
    let scope = json!({"identifier": "new"});
    assert_eq!(named(set("scopes[identifier eq \"read\"]", scope.clone()))["scopes"][0], scope);
    assert_eq!(named(set("scopes/0", scope.clone()))["scopes"][0], scope);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn any_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "tags",
        "scopes",
        "attributes",
        "team",
        "0",
        "1",
        "-",
        "/",
        ".",
        "~0",
        "~",
        "[a pr]",
        "[identifier pr]",
        "[",
        "]",
        "\"",
        "é",
        "urn:a:b",
    ]);
    prop_oneof![any::<String>(), prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat()),]
}

fn any_body() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "replace", "remove", "Add"]);
    let operation = (op, prop::option::of(any_path()), prop::option::of(any_json())).prop_map(|(op, path, value)| {
        let mut operation = Map::new();
        operation.insert("op".to_owned(), op.into());
        operation.extend(path.map(|path| ("path".to_owned(), path.into())));
        operation.extend(value.map(|value| ("value".to_owned(), value)));
        Value::Object(operation)
    });
    prop_oneof![any_json(), prop::collection::vec(operation, 1..4).prop_map(|all| json!({"Operations": all})),]
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic(body in any_body(), target in any_json()) {
        for mut target in [document(), target.as_object().cloned().unwrap_or_default()] {
            let before = target.clone();
            if let Ok(patch) = Patch::parse(&body)
                && patch.apply(&mut target, &KNOWN).is_err()
            {
                prop_assert_eq!(target, before);
            }
        }
    }

    #[test]
    fn an_added_member_is_there(name in "[a-z/~.]{1,8}", value in any_json()) {
        let pointer = format!("/attributes/{}", name.replace('~', "~0").replace('/', "~1"));
        let body = json!({"Operations": [{"op": "replace", "path": pointer, "value": value}]});
        let mut target = document();
        Patch::parse(&body).unwrap().apply(&mut target, &KNOWN).unwrap();
        let target = Value::Object(target);
        prop_assert_eq!(target.pointer(&pointer), Some(&value));
    }
}
