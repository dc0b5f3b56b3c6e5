//! The list grammar: filters, sorting, projections, and what is refused.

use serde_json::{Value, json};

use super::{list, text, validation};
use crate::app::TestApp;

/// Five accounts, one second apart.
fn accounts(app: &TestApp) -> Vec<Value> {
    let bodies = [
        json!({"userName": "Alpha", "displayName": "Build bot", "active": true, "attributes": {"team": "ops", "level": 3}}),
        json!({"userName": "beta", "displayName": "build helper", "active": false, "attributes": {"team": "Ops"}}),
        json!({"userName": "gamma", "displayName": "Deploy", "active": true, "attributes": {"team": "dev", "level": 10}}),
        json!({"userName": "delta \"q\"", "displayName": "Ünïcode", "active": true, "attributes": {"on": true, "a": {"b": "c"}}}),
        json!({"userName": "epsilon_%", "displayName": "100%", "attributes": {"level": "high", "n": null}}),
    ];
    let make = |body| {
        app.advance(1);
        app.create("ServiceAccount", body)
    };
    bodies.iter().map(make).collect()
}

fn names(page: &Value) -> Vec<&str> {
    page["Resources"].as_array().unwrap().iter().map(|item| text(item, "userName")).collect()
}

const ACCOUNTS: &str = "/resources/cid/ServiceAccount";
const ALL: [&str; 5] = ["Alpha", "beta", "gamma", "delta \"q\"", "epsilon_%"];

#[test]
fn every_operator_finds_what_it_says() {
    let app = TestApp::start();
    let made = accounts(&app);
    let id = text(&made[1], "id").to_owned();
    let created = text(&made[2]["meta"], "created").to_owned();
    let cases: &[(&str, &[usize])] = &[
        (r#"userName eq "alpha""#, &[0]),
        (r#"USERNAME EQ "ALPHA""#, &[0]),
        (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "beta""#, &[1]),
        (r#"userName ne "alpha""#, &[1, 2, 3, 4]),
        (r#"displayName co "BUILD""#, &[0, 1]),
        (r#"displayName sw "build h""#, &[1]),
        (r#"displayName ew "bot""#, &[0]),
        (r#"displayName co "%""#, &[4]),
        (r#"userName co "_""#, &[4]),
        (r#"userName eq "delta \"q\"""#, &[3]),
        (r#"displayName eq "Ünïcode""#, &[3]),
        (r#"userName gt "c""#, &[2, 3, 4]),
        (r#"userName ge "gamma""#, &[2]),
        (r#"userName lt "beta""#, &[0]),
        (r#"userName le "beta""#, &[0, 1]),
        ("active eq true", &[0, 2, 3]),
        ("active ne true", &[1, 4]),
        ("not (active eq true)", &[1, 4]),
        (r#"userName in ["alpha","GAMMA","nobody"]"#, &[0, 2]),
        (r#"active eq true and displayName co "build""#, &[0]),
        (r#"active eq true and displayName co "build" or userName eq "beta""#, &[0, 1]),
        (r#"active eq true and (displayName co "build" or userName eq "gamma")"#, &[0, 2]),
        ("displayName pr", &[0, 1, 2, 3, 4]),
        ("attributes.team pr", &[0, 1, 2]),
        ("not (attributes.team pr)", &[3, 4]),
        (r#"attributes.team eq "ops""#, &[0]),
        (r#"attributes.team ne "ops""#, &[1, 2, 3, 4]),
        (r#"not (attributes.team eq "ops")"#, &[1, 2, 3, 4]),
        ("attributes.level ge 3", &[0, 2]),
        ("attributes.level eq 10", &[2]),
        ("attributes.level lt 10", &[0]),
        (r#"attributes.level gt "a""#, &[4]),
        ("attributes.on eq true", &[3]),
        ("attributes.on eq 1", &[]),
        (r#"attributes.a.b eq "c""#, &[3]),
        ("attributes.n eq null", &[0, 1, 2, 3, 4]),
        ("meta.revision eq 1", &[0, 1, 2, 3, 4]),
        ("meta.revision gt 1", &[]),
    ];
    for (filter, wanted) in cases {
        let page = list(&app, ACCOUNTS, &[("filter", filter)]).expect(200);
        let wanted: Vec<&str> = wanted.iter().map(|&at| ALL[at]).collect();
        assert_eq!(names(&page), wanted, "{filter}");
        assert_eq!(page["totalResults"], wanted.len(), "{filter}");
    }
    for (filter, wanted) in [
        (format!(r#"id eq "{id}""#), &ALL[1..2]),
        (format!(r#"meta.created ge "{created}""#), &ALL[2..]),
        (format!(r#"meta.created lt "{created}" and meta.lastModified pr"#), &ALL[..2]),
        (format!(r#"meta.created eq "{}""#, created.replace('Z', "+00:00")), &ALL[2..3]),
    ] {
        assert_eq!(names(&list(&app, ACCOUNTS, &[("filter", &filter)]).expect(200)), wanted, "{filter}");
    }
}

#[test]
fn filters_reach_into_scopes_credentials_and_references() {
    let app = TestApp::start();
    let howto = app.howto();
    let second = json!({"appId": "other", "scopes": [{"identifier": "read", "sensitivity": "high", "default": true}]});
    app.create("Api", &second);
    let secret = json!({"expiresAt": "2027-06-01T00:00:00Z"});
    let secrets = format!("/resources/cid/MachineToMachine/{}/secrets", howto.client);
    let last4 = text(&app.admin("POST", &secrets, &secret).expect(201), "last4").to_owned();
    let (account, client) = (&howto.account, &howto.client_id);
    for (kind, filter, wanted) in [
        ("Api", r#"scopes.identifier eq "write""#.to_owned(), 1),
        ("Api", r#"scopes[identifier eq "read" and sensitivity eq "high"]"#.to_owned(), 1),
        ("Api", r#"scopes[identifier eq "write" and sensitivity eq "high"]"#.to_owned(), 0),
        ("Api", r#"scopes.value eq "read""#.to_owned(), 3),
        ("Api", r#"scopes eq "read" and builtIn eq false"#.to_owned(), 2),
        ("Api", r#"signingAlg eq "EdDSA""#.to_owned(), 1),
        ("Api", "tokenLifetimeSeconds lt 3600".to_owned(), 1),
        ("Api", r#"appId in ["other","grantd"]"#.to_owned(), 2),
        ("Api", "audience eq null".to_owned(), 3),
        ("Grant", r#"scopes eq "write""#.to_owned(), 1),
        ("Grant", r#"scopes eq "WRITE""#.to_owned(), 0),
        ("Grant", r#"scopes co "rit""#.to_owned(), 1),
        ("Grant", format!(r#"serviceAccountId eq "{account}" and apiId eq "{}""#, howto.api), 1),
        ("Grant", "expiresAt pr".to_owned(), 0),
        ("Grant", "not (expiresAt pr)".to_owned(), 1),
        ("MachineToMachine", format!(r#"serviceAccountId eq "{account}""#), 1),
        ("MachineToMachine", format!(r#"clientId eq "{client}""#), 1),
        ("MachineToMachine", format!(r#"credentials.last4 eq "{last4}""#), 1),
        ("MachineToMachine", r#"credentials[expiresAt lt "2027-07-01T00:00:00Z"]"#.to_owned(), 1),
        ("MachineToMachine", r#"credentials[expiresAt lt "2027-05-01T00:00:00Z"]"#.to_owned(), 0),
        ("MachineToMachine", r#"allowedAuthMethods eq "client_secret_post""#.to_owned(), 1),
    ] {
        let page = list(&app, &format!("/resources/cid/{kind}"), &[("filter", &filter)]).expect(200);
        assert_eq!(page["totalResults"], wanted, "{kind} {filter}");
    }
}

#[test]
fn a_filter_may_be_as_large_as_its_bounds_say() {
    let app = TestApp::start();
    accounts(&app);
    let many = vec!["\"x\""; 999].join(",");
    let page = list(&app, ACCOUNTS, &[("filter", &format!(r#"userName in [{many},"beta"]"#))]).expect(200);
    assert_eq!(names(&page), ["beta"]);
    for joined in [" or ", " and "] {
        let terms = vec![r#"userName eq "beta""#; 100].join(joined);
        assert_eq!(names(&list(&app, ACCOUNTS, &[("filter", &terms)]).expect(200)), ["beta"]);
    }
    let deep = format!("{}active pr{}", "not (".repeat(16), ")".repeat(16));
    assert_eq!(list(&app, ACCOUNTS, &[("filter", &deep)]).expect(200)["totalResults"], 5);
}

#[test]
fn a_filter_that_does_not_parse_is_refused_with_the_position() {
    let app = TestApp::start();
    for (filter, wanted) in [
        ("userName eq", "/filter: at character 12: "),
        (r#"userName equals "a""#, "/filter: at character 10: "),
        (r#"(userName eq "a""#, "/filter: at character 17: "),
        (r#"userName eq "a"#, "/filter: at character 13: "),
        (r#"userName eq "a" und active eq true"#, "/filter: at character 17: "),
        (r#"ünï eq "a""#, "/filter: at character 1: "),
        (r#"userNam eq "a""#, "/filter: there is no attribute userNam to filter or sort by; did you mean userName?"),
        ("active eq \"yes\"", "/filter: active is compared by eq or ne with true or false"),
        ("meta.created gt \"soon\"", "/filter: meta.created is compared with a date-time"),
        ("meta.revision co \"1\"", "/filter: meta.revision is compared by"),
        ("attributes eq \"x\"", "/filter: name a member of attributes, like attributes.team"),
        ("userName eq 5", "/filter: userName is compared with a text in quotes"),
        ("userName[value eq \"a\"]", "/filter: userName has no members to filter by in brackets"),
    ] {
        let error = list(&app, ACCOUNTS, &[("filter", filter)]).expect(400);
        let lines = validation(&error);
        assert!(lines.len() == 1 && lines[0].starts_with(wanted), "{filter}: {lines:?}");
    }
}

#[test]
fn the_other_parameters_are_checked_too() {
    let app = TestApp::start();
    for (parameters, wanted) in [
        ([("count", "many")], "/count: must be a whole number"),
        ([("count", "1001")], "/count: a page has at most 1000 items"),
        ([("startIndex", "x")], "/startIndex: must be a whole number"),
        ([("sortOrder", "down")], "/sortOrder: must be ascending or descending"),
        (
            [("sortBy", "userNme")],
            "/sortBy: there is no attribute userNme to filter or sort by; did you mean userName?",
        ),
        ([("sortBy", "attributes")], "/sortBy: name a member of attributes"),
        ([("sortBy", "a b")], "/sortBy: "),
    ] {
        let error = list(&app, ACCOUNTS, &parameters).expect(400);
        assert!(validation(&error)[0].starts_with(wanted), "{parameters:?}: {error}");
    }
    assert!(
        validation(&list(&app, "/resources/cid/Api", &[("sortBy", "scopes")]).expect(400))[0]
            .contains("several values")
    );
    app.admin("GET", "/resources/cid/Api?filter=%ff%fe", &Value::Null).expect(400);
}

#[test]
fn sorting_folds_case_and_puts_age_last() {
    let app = TestApp::start();
    accounts(&app);
    let sorted = |by: &str, order: &str| {
        let page = list(&app, ACCOUNTS, &[("sortBy", by), ("sortOrder", order)]).expect(200);
        names(&page).iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sorted("userName", "ascending"), ["Alpha", "beta", "delta \"q\"", "epsilon_%", "gamma"]);
    assert_eq!(sorted("username", "descending"), ["gamma", "epsilon_%", "delta \"q\"", "beta", "Alpha"]);
    assert_eq!(sorted("meta.created", "descending"), ["epsilon_%", "delta \"q\"", "gamma", "beta", "Alpha"]);
    assert_eq!(sorted("attributes.team", "ascending"), ["delta \"q\"", "epsilon_%", "beta", "gamma", "Alpha"]);
    assert_eq!(sorted("active", ""), ["beta", "epsilon_%", "Alpha", "gamma", "delta \"q\""]);
}

#[test]
fn projections_take_commas_and_repeats_and_keep_the_id() {
    let app = TestApp::start();
    let id = text(&accounts(&app)[0], "id").to_owned();
    let members = |query: &str| {
        let one = app.admin("GET", &format!("{ACCOUNTS}/{id}?{query}"), &Value::Null).expect(200);
        let page = app.admin("GET", &format!("{ACCOUNTS}?count=1&{query}"), &Value::Null).expect(200);
        assert_eq!(page["Resources"][0], one, "{query}");
        one
    };
    let both = json!({"id": id, "userName": "Alpha", "active": true});
    for query in
        ["attributes=userName,active", "attributes=userName&attributes=active", "attributes=username,%20ACTIVE"]
    {
        assert_eq!(members(query), both, "{query}");
    }
    assert_eq!(members("attributes=meta.revision"), json!({"id": id, "meta": {"revision": 1}}));
    assert_eq!(members("attributes=attributes.team"), json!({"id": id, "attributes": {"team": "ops"}}));
    for query in [
        "excludedAttributes=meta,attributes,displayName",
        "excludedAttributes=meta&excludedAttributes=attributes,displayName&excludedAttributes=id",
    ] {
        assert_eq!(members(query), both, "{query}");
    }
    let without = members("excludedAttributes=attributes.level,meta");
    assert_eq!(without["attributes"], json!({"team": "ops"}));
    // A write's answer can be projected as well.
    let patch = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    let answer = app.admin("PATCH", &format!("{ACCOUNTS}/{id}?attributes=active"), &patch).expect(200);
    assert_eq!(answer, json!({"id": id, "active": false}));
}
