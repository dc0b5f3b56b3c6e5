//! `kill -9` in the middle of admin writes: what was acknowledged is there, and nothing is half there.

use std::collections::BTreeSet;
use std::sync::Mutex;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::app::eventually;
use crate::program::{Program, run, told};

const ROUNDS: usize = 10;
const WRITERS: usize = 4;
const WRITES_EACH: usize = 250;

/// Every item of a list, page by page.
fn all(program: &Program, path: &str) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    loop {
        let path =
            format!("{path}{}count=1000&startIndex={}", if path.contains('?') { '&' } else { '?' }, items.len() + 1);
        let page = program.admin("GET", &path, &Value::Null).expect(200);
        items.extend(page["Resources"].as_array().unwrap().iter().cloned());
        if page["totalResults"] == items.len() {
            return items;
        }
    }
}

fn names(items: &[Value], pointer: &str) -> BTreeSet<String> {
    let names = items.iter().filter_map(|item| item.pointer(pointer)?.as_str());
    names.filter(|name| name.starts_with("round")).map(str::to_owned).collect()
}

/// The client and its account are written by one request: each with its commit and its event, or none of them.
fn check(program: &Program, acknowledged: &BTreeSet<String>) {
    let accounts = names(&all(program, "/resources/cid/ServiceAccount"), "/userName");
    let lost: Vec<_> = acknowledged.difference(&accounts).collect();
    assert!(lost.is_empty(), "acknowledged, and gone: {lost:?}");
    let commits =
        names(&all(program, "/audit/commits?filter=actor.type%20eq%20%22apiToken%22"), "/changes/0/after/userName");
    assert_eq!(accounts, commits, "an account without its commit, or a commit without its account");
    let events = all(program, "/event-logs?filter=type%20eq%20%22ServiceAccount.Created%22");
    let events =
        events.iter().filter_map(|event| event["displayName"].as_str()?.strip_prefix("Created ServiceAccount "));
    let events: BTreeSet<String> = events.filter(|name| name.starts_with("round")).map(str::to_owned).collect();
    assert_eq!(accounts, events, "an account without its event, or an event without its account");
}

/// Writes until the server is killed after `kill_after` acknowledgements; answers what it acknowledged.
fn write_until_killed(program: &Program, round: usize, kill_after: usize) -> BTreeSet<String> {
    let acknowledged = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let acknowledged = &acknowledged;
            scope.spawn(move || {
                for number in 0..WRITES_EACH {
                    let name = format!("round{round}-{writer}-{number}");
                    let body = json!({"userName": name, "active": true, "attributes": {"filler": "x".repeat(number)}});
                    match program.try_admin(program.of("api_token"), "POST", "/resources/cid/ServiceAccount", &body) {
                        Ok(answer) => {
                            answer.expect(201);
                            acknowledged.lock().unwrap().insert(name);
                        }
                        // The server is gone: whether this one was kept, it never said.
                        Err(_) => return,
                    }
                }
            });
        }
        eventually("the acknowledgements", || (acknowledged.lock().unwrap().len() >= kill_after).then_some(()));
        program.signal(Signal::KILL);
    });
    acknowledged.into_inner().unwrap()
}

#[test]
fn every_acknowledged_write_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    let mut keys = None;
    for round in 0..ROUNDS {
        let program = Program::dev(dir.path(), &[]);
        check(&program, &acknowledged);
        let found = program.try_send("GET", "/oauth2/.well-known/jwks.json", &[], b"").unwrap().expect(200);
        let active = found["keys"][0].clone();
        assert_eq!(keys.get_or_insert_with(|| active.clone()), &active, "another signing key");
        let kept = write_until_killed(&program, round, 1 + round * 53 % 400);
        assert!(kept.len() < WRITERS * WRITES_EACH, "it was killed in the middle");
        acknowledged.extend(kept);
        drop(program);
        let found = told(&run(dir.path(), &["doctor"]));
        assert!(found.contains("the audit chain holds"), "{found}");
    }
    let program = Program::dev(dir.path(), &[]);
    check(&program, &acknowledged);
    assert!(acknowledged.len() >= ROUNDS, "{}", acknowledged.len());
    program.sample_token().expect(200);
    program.stop();
    told(&run(dir.path(), &["doctor"]));
}
