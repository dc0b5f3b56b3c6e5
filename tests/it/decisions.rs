//! Decisions: every token request leaves a record that says why it ended as it did.

mod strangers;

use grantd::clock::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::app::{HowTo, TestApp, claims, texts};

/// A page of decisions with these parameters.
fn page(app: &TestApp, parameters: &[(&str, &str)]) -> Value {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    app.admin("GET", &format!("/decisions?{query}"), &Value::Null).expect(200)
}

fn decision(app: &TestApp, id: &str) -> Value {
    app.admin("GET", &format!("/decisions/{id}"), &Value::Null).expect(200)
}

/// The `jti` of a new token.
fn token(app: &TestApp, howto: &HowTo) -> String {
    let answer = app.token_for(howto, &[("scope", "write")]).expect(200);
    claims(answer["access_token"].as_str().unwrap())["jti"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_is_explained_by_the_decision_with_its_jti() {
    let app = TestApp::start();
    let howto = app.howto();
    let jti = token(&app, &howto);
    let found = decision(&app, &jti);
    assert_eq!(found["outcome"], "issued");
    assert_eq!(found["jti"], json!(jti));
    assert_eq!(found["clientId"], json!(howto.client_id));
    assert_eq!(found["serviceAccountId"], json!(howto.account));
    assert_eq!(found["apiId"], json!(howto.api));
    assert_eq!(found["requested"], json!(["write"]));
    assert_eq!(found["granted"], json!(["write"]));
    assert_eq!(found["issued"], json!(["write"]));
    assert_eq!(found["lifetimeSeconds"], 3600);
    assert_eq!(found["at"], "2027-01-15T10:00:00.000Z");
}

#[test]
fn a_refusal_tells_its_caller_which_decision_explains_it() {
    let app = TestApp::start();
    let howto = app.howto();
    let refused = app.token_for(&howto, &[("scope", "read")]).expect(400);
    let description = refused["error_description"].as_str().unwrap();
    let id = description.rsplit(' ').next().unwrap();
    let found = decision(&app, id);
    assert_eq!((&found["outcome"], &found["error"]), (&json!("refused"), &json!("invalid_scope")));
    assert_eq!(found["requested"], json!(["read"]));
    assert!(description.starts_with(found["reason"].as_str().unwrap()), "{description}");
    assert_eq!(found["jti"], Value::Null);
}

#[test]
fn a_client_that_proved_itself_is_named_in_what_it_is_refused() {
    let app = TestApp::start();
    let howto = app.howto();
    for (kind, id, member, value, status) in [
        ("ServiceAccount", &howto.account, "active", json!(false), 400),
        ("MachineToMachine", &howto.client, "active", json!(false), 400),
        ("MachineToMachine", &howto.client, "allowedAuthMethods", json!(["client_secret_post"]), 401),
    ] {
        app.set(kind, id, member, &value);
        let refused =
            app.token_by_basic(&howto.client_id, &howto.client_secret, &[("grant_type", "client_credentials")]);
        let refused = refused.expect(status);
        let description = refused["error_description"].as_str().unwrap();
        let found = decision(&app, description.rsplit(' ').next().unwrap());
        assert_eq!((&found["outcome"], &found["error"]), (&json!("refused"), &refused["error"]));
        assert_eq!(found["serviceAccountId"], howto.account.as_str(), "{member}");
        assert_eq!(found["authMethod"], "client_secret_basic");
        app.set("ServiceAccount", &howto.account, "active", &json!(true));
        app.set("MachineToMachine", &howto.client, "active", &json!(true));
    }
}

#[test]
fn decisions_are_found_by_what_they_are_about() {
    let app = TestApp::start();
    let howto = app.howto();
    let first = token(&app, &howto);
    app.advance(60);
    app.token_for(&howto, &[("scope", "read")]).expect(400);
    app.token_for(&howto, &[("resource", "nowhere")]).expect(400);
    app.advance(60);
    let last = token(&app, &howto);
    let total = |filter: &str| page(&app, &[("filter", filter)])["totalResults"].as_u64().unwrap();
    assert_eq!(total("outcome eq \"issued\""), 2);
    assert_eq!(total("outcome ne \"issued\""), 2);
    assert_eq!(total("error eq \"invalid_target\""), 1);
    assert_eq!(total(&format!("clientId eq \"{}\" and outcome eq \"issued\"", howto.client_id)), 2);
    assert_eq!(total(&format!("serviceAccountId eq \"{}\"", howto.account)), 4);
    assert_eq!(total(&format!("apiId eq \"{}\"", howto.api)), 2, "a refused request got to no API");
    assert_eq!(total(&format!("jti eq \"{first}\"")), 1);
    assert_eq!(total("at ge \"2027-01-15T10:01:00Z\" and at lt \"2027-01-15T10:02:00Z\""), 2);
    assert_eq!(total("clientId eq \"nobody\""), 0);
    assert_eq!(total("steps.policyId eq \"none\""), 0);
    let newest = page(&app, &[("count", "1")]);
    assert_eq!(newest["Resources"][0]["id"], json!(last), "newest first");
    assert_eq!(newest["totalResults"], 4);
    let oldest = page(&app, &[("sortOrder", "ascending"), ("count", "1")]);
    assert_eq!(oldest["Resources"][0]["id"], json!(first));
    let by_error = page(&app, &[("sortBy", "error"), ("filter", "error pr")]);
    assert_eq!(by_error["Resources"][0]["error"], "invalid_scope");
    let unknown = app.admin("GET", "/decisions?filter=colour%20eq%20%22red%22", &Value::Null).expect(400);
    assert!(unknown["detail"].as_str().unwrap().contains("there is no attribute colour"), "{unknown}");
}

#[test]
fn pages_are_turned_without_gaps_and_repeats() {
    let app = TestApp::start();
    let howto = app.howto();
    let mut made: Vec<String> = (0..25)
        .map(|_| {
            app.advance(1);
            token(&app, &howto)
        })
        .collect();
    let own = format!("clientId eq \"{}\"", howto.client_id);
    for (order, filter) in [
        ("descending", ""),
        ("descending", "outcome eq \"issued\""),
        ("descending", own.as_str()),
        ("ascending", own.as_str()),
        ("ascending", ""),
    ] {
        made.sort();
        if order == "descending" {
            made.reverse();
        }
        let mut seen = Vec::new();
        for start in (1..=31).step_by(10) {
            let page = page(
                &app,
                &[("startIndex", &start.to_string()), ("count", "10"), ("sortOrder", order), ("filter", filter)],
            );
            assert_eq!(page["totalResults"], 25, "{order} {filter}");
            seen.extend(page["Resources"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        }
        assert_eq!(seen, made, "{order} {filter}");
    }
    let none = page(&app, &[("count", "0")]);
    assert_eq!((none["totalResults"].as_u64(), texts(&none["Resources"]).len()), (Some(25), 0));
}

#[test]
fn an_empty_list_is_one_too() {
    let app = TestApp::start();
    assert_eq!(page(&app, &[])["totalResults"], 0);
    assert_eq!(page(&app, &[("sortOrder", "ascending"), ("startIndex", "5")])["totalResults"], 0);
    let missing = app.admin("GET", "/decisions/0000000000000000000000", &Value::Null).expect(404);
    assert!(missing["detail"].as_str().unwrap().contains("decisions.keep_days"), "{missing}");
}

#[test]
fn what_waits_when_the_server_stops_is_written() {
    let app = TestApp::start();
    let howto = app.howto();
    let tokens: Vec<String> = (0..20).map(|_| token(&app, &howto)).collect();
    let app = app.restart();
    for jti in &tokens {
        assert_eq!(decision(&app, jti)["outcome"], "issued");
    }
}

#[test]
fn a_durable_record_is_on_the_disk_before_its_token_is_given_out() {
    let app = TestApp::with(|config| config.decisions.durable = true);
    let howto = app.howto();
    let jti = token(&app, &howto);
    // Past the server and whatever it may hold back: the file itself.
    let database = rusqlite::Connection::open(app.database()).unwrap();
    let found: String =
        database.query_row("SELECT client_id FROM decision WHERE id = ?1", [&jti], |row| row.get(0)).unwrap();
    assert!(found.contains(&howto.client_id));
}

#[test]
fn old_and_surplus_records_are_removed_from_the_oldest_end() {
    let app = TestApp::with(|config| {
        config.decisions.keep_days = 2;
        config.decisions.keep_rows = 10;
    });
    let howto = app.howto();
    let first = token(&app, &howto);
    app.advance(86_400);
    let tokens: Vec<String> = (0..5).map(|_| token(&app, &howto)).collect();
    app.advance(86_401);
    let gone = |id: &str| {
        crate::app::eventually("removal", || {
            (app.admin("GET", &format!("/decisions/{id}"), &Value::Null).status == 404).then_some(())
        });
    };
    gone(&first);
    assert_eq!(page(&app, &[])["totalResults"], 5);
    let more: Vec<String> = (0..8).map(|_| token(&app, &howto)).collect();
    gone(&tokens[2]);
    assert_eq!(page(&app, &[])["totalResults"], 10);
    assert_eq!(decision(&app, &tokens[3])["id"], json!(tokens[3]));
    assert_eq!(decision(&app, &more[7])["id"], json!(more[7]));
    let rows: i64 = rusqlite::Connection::open(app.database())
        .unwrap()
        .query_row("SELECT COUNT(*) FROM decision", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 10);
}

/// What an expression of SQL is in the database of a server.
fn looked_up<T: rusqlite::types::FromSql>(app: &TestApp, expression: &str) -> T {
    let database = rusqlite::Connection::open(app.database()).unwrap();
    database.query_row(&format!("SELECT {expression}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn what_decisions_say_alike_is_kept_once() {
    let app = TestApp::start();
    let howto = app.howto();
    let same: Vec<String> = (0..10).map(|_| token(&app, &howto)).collect();
    let refused = app.token_for(&howto, &[("scope", "read")]).expect(400);
    let refused = decision(&app, refused["error_description"].as_str().unwrap().rsplit(' ').next().unwrap());
    let shown = |jti: &String| {
        let mut shown = decision(&app, jti);
        for own in ["id", "jti", "at", "requestId"] {
            shown.as_object_mut().unwrap().remove(own);
        }
        shown
    };
    assert!(same.iter().all(|jti| shown(jti) == shown(&same[0])));
    assert_eq!((&refused["requested"], &refused["granted"]), (&json!(["read"]), &json!([])));
    assert_eq!(looked_up::<i64>(&app, "COUNT(*) FROM decision_content"), 2);
    // After a restart nothing is known of what was said before: it is said anew, and all of it stands.
    let app = app.restart();
    let again = token(&app, &howto);
    assert_eq!(decision(&app, &again)["issued"], decision(&app, &same[9])["issued"]);
    assert_eq!(looked_up::<i64>(&app, "COUNT(*) FROM decision_content"), 3);
    assert_eq!(looked_up::<i64>(&app, "COUNT(DISTINCT seq) = 12 AND max(seq) = 12 FROM decision"), 1);
}

#[test]
fn what_no_decision_says_any_more_is_removed() {
    let app = TestApp::with(|config| config.decisions.keep_rows = 10);
    let howto = app.howto();
    let dir = app.into_dir();
    let database = rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap();
    let fill = "WITH c (seq) AS (VALUES (1), (90000), (400001), (419000))
            INSERT INTO decision_content (seq, explanation, rest) SELECT seq, randomblob(32), '{}' FROM c;
        INSERT INTO decision_explanation (digest, seq, policies, explanation)
            SELECT explanation, seq, '[]', '{}' FROM decision_content;
        WITH d (seq, content) AS (VALUES (1, 1), (90000, 90000), (400000, 1), (400001, 400001), (410000, 90000), (419000, 419000))
            INSERT INTO decision SELECT seq, printf('%022d', seq), unixepoch('now') * 1000, 'issued', 'c', '', content FROM d;";
    database.execute_batch(fill).unwrap();
    drop(database);
    // The clock was set back since: their order counts, not their times.
    let clock = Clock::manual(Timestamp::parse("2020-01-01T00:00:00Z").unwrap(), 1);
    let app = TestApp::on(dir, clock, |config| config.decisions.keep_rows = 10);
    let jti = token(&app, &howto);
    assert_eq!(decision(&app, &jti)["outcome"], "issued");
    assert_eq!(looked_up::<i64>(&app, &format!("seq FROM decision WHERE id = '{jti}'")), 419_001);
    crate::app::eventually("removal", || (looked_up::<i64>(&app, "COUNT(*) FROM decision") == 2).then_some(()));
    for table in ["decision_content", "decision_explanation"] {
        let left: String = looked_up(&app, &format!("group_concat(seq, ' ') FROM {table} WHERE seq < 419001"));
        assert_eq!(
            left, "90000 400001 419000",
            "{table}: the decisions from 419,000 on can refer to those from 19,001 on"
        );
    }
}

#[test]
fn a_body_full_of_scopes_makes_a_short_record() {
    let app = TestApp::start();
    let howto = app.howto();
    let scopes: Vec<String> = (0..200).map(|n| format!("{n:0>200}")).collect();
    let refused = app.token_for(&howto, &[("scope", &scopes.join(" "))]).expect(400);
    let id = refused["error_description"].as_str().unwrap().rsplit(' ').next().unwrap().to_owned();
    let found = decision(&app, &id);
    assert_eq!(found["requested"].as_array().unwrap().len(), 20);
    assert_eq!(found["requestedLeftOut"], 180);
    assert!(found.to_string().len() < 10_000);
}

/// What the server counts under this name.
fn counted(app: &TestApp, sample: &str) -> u64 {
    let text = app.send("GET", "/metrics", &[], b"").text;
    text.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok()).unwrap()
}

#[test]
fn a_token_whose_durable_record_cannot_be_written_is_not_given_out() {
    let app = TestApp::with(|config| config.decisions.durable = true);
    let howto = app.howto();
    let database = rusqlite::Connection::open(app.database()).unwrap();
    database.execute_batch("ALTER TABLE decision RENAME TO elsewhere").unwrap();
    let refused = app.token_for(&howto, &[("scope", "write")]).expect(503);
    assert_eq!(refused["error"], "temporarily_unavailable");
    assert!(refused.get("access_token").is_none());
    database.execute_batch("ALTER TABLE elsewhere RENAME TO decision").unwrap();
    let jti = token(&app, &howto);
    assert_eq!(decision(&app, &jti)["outcome"], "issued");
}

#[test]
fn a_record_that_cannot_be_written_costs_no_token_unless_it_must_be_durable() {
    let app = TestApp::start();
    let howto = app.howto();
    let database = rusqlite::Connection::open(app.database()).unwrap();
    database.execute_batch("ALTER TABLE decision RENAME TO elsewhere").unwrap();
    let lost = token(&app, &howto);
    // The record is tried again for a while before it is given up.
    let missing = "grantd_decisions_not_written_total{reason=\"database\"}";
    crate::app::eventually("the loss", || (counted(&app, missing) == 1).then_some(()));
    database.execute_batch("ALTER TABLE elsewhere RENAME TO decision").unwrap();
    let kept = token(&app, &howto);
    assert_eq!(decision(&app, &kept)["outcome"], "issued");
    app.admin("GET", &format!("/decisions/{lost}"), &Value::Null).expect(404);
}

#[test]
fn many_at_a_time_lose_no_record() {
    for durable in [false, true] {
        let app = TestApp::with(|config| config.decisions.durable = durable);
        let howto = app.howto();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..25).for_each(|_| drop(token(&app, &howto))));
            }
        });
        assert_eq!(page(&app, &[("filter", "outcome eq \"issued\"")])["totalResults"], 200, "durable: {durable}");
        assert_eq!(counted(&app, "grantd_decisions_written_total"), 200);
    }
}
