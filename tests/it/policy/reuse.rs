//! A reused answer equals a fresh one: two servers live through the same random history, one of which reuses no
//! answer, and give the same tokens and the same refusals throughout.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::modules::Twist;
use super::{SCOPE_ALLOWLIST, attach, upload};
use crate::app::{HowTo, TestApp, claims, eventually};

const CLAIMS_FROM_ATTRIBUTES: &[u8] = include_bytes!("../../../policies/claims-from-attributes/policy.wasm");

/// One thing that happens. Small numbers, so that the same thing happens again.
#[derive(Clone, Debug)]
enum Event {
    /// A token request with these scopes, this purpose and this program.
    Token { scopes: usize, purpose: u8, agent: u8 },
    /// Time passes.
    Wait(u8),
    /// The account's team becomes another.
    Team(u8),
    /// The client is called otherwise.
    Rename(u8),
    /// The API lets its tokens live for another time.
    Lifetime(u8),
    /// The allow-list becomes another.
    Allow(usize),
    /// The curious policy is switched to another mode.
    Mode(usize),
    /// The grant becomes another.
    Grant(usize),
}

const SCOPES: &[&str] = &["", "read", "write", "read write", "write read", "delete"];
const ALLOWED: &[&[&str]] = &[&["*"], &["read"], &["write", "delete"], &["nothing"]];
const MODES: &[&str] = &["enforce", "shadow", "off"];
const GRANTED: &[&[&str]] = &[&["read", "write"], &["write"], &["read", "write", "delete"]];

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..SCOPES.len(), 0..3_u8, 0..2_u8).prop_map(|(scopes, purpose, agent)| Event::Token { scopes, purpose, agent }),
        1 => (1..90_u8).prop_map(Event::Wait),
        1 => (0..2_u8).prop_map(Event::Team),
        1 => (0..2_u8).prop_map(Event::Rename),
        1 => (0..2_u8).prop_map(Event::Lifetime),
        1 => (0..ALLOWED.len()).prop_map(Event::Allow),
        1 => (0..MODES.len()).prop_map(Event::Mode),
        1 => (0..GRANTED.len()).prop_map(Event::Grant),
    ]
}

/// A server with three policies: an allow-list, one that adds the account's team, and one that looks at the minute, at
/// the caller's program and at a parameter, and answers with a lifetime that follows from all bytes of its request.
struct World {
    app: TestApp,
    howto: HowTo,
    allow: String,
    curious: String,
}

impl World {
    fn new(reuse: bool) -> Self {
        let app = TestApp::with(|config| config.policies.reuse = reuse);
        // Ids are drawn from what the server draws its next keys from, in the background. Asked over HTTP, it would
        // draw an id for each look.
        let database = rusqlite::Connection::open(app.database()).unwrap();
        let next_keys = "SELECT count(*) FROM signing_key WHERE state = 'next'";
        eventually("the next keys", || {
            let count: i64 = database.query_row(next_keys, [], |row| row.get(0)).unwrap();
            (count == 3).then_some(())
        });
        let howto = app.howto();
        let scopes =
            json!([{"identifier": "read", "default": true}, {"identifier": "write"}, {"identifier": "delete"}]);
        app.set("Api", &howto.api, "scopes", &scopes);
        let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
        for module in [SCOPE_ALLOWLIST, CLAIMS_FROM_ATTRIBUTES, &curious()] {
            upload(&app, module);
        }
        // Each with a place of its own: under a clock that stands still, ids do not say which was made first.
        let policy = |order: u8, name: &str, module: &str, settings: Value| {
            let more = json!({"settings": settings, "order": order});
            text(&attach(&app, name, module, &json!({"type": "server"}), &more))
        };
        let allow = policy(0, "allow", "scope-allowlist", json!({"allow": ["*"]}));
        policy(1, "team", "claims-from-attributes", json!({"claims": {"team": {"from": "account.attributes.team"}}}));
        let curious = policy(2, "curious", "curious", json!({}));
        Self { app, howto, allow, curious }
    }

    /// What came of it, without what differs between any two requests.
    fn live(&self, event: &Event) -> Value {
        let Self { app, howto, .. } = self;
        match event {
            Event::Token { scopes, purpose, agent } => {
                let mut form = format!(
                    "grant_type=client_credentials&client_id={}&client_secret={}&purpose={purpose}",
                    howto.client_id, howto.client_secret
                );
                if !SCOPES[*scopes].is_empty() {
                    form.push_str(&format!("&scope={}", SCOPES[*scopes].replace(' ', "+")));
                }
                let agent = format!("agent-{agent}");
                let headers = [("content-type", "application/x-www-form-urlencoded"), ("user-agent", agent.as_str())];
                let answer = app.send("POST", "/oauth2/token", &headers, form.as_bytes());
                let body = answer.json();
                match body["access_token"].as_str() {
                    Some(token) => {
                        let claims = claims(token);
                        json!([body["scope"], body["expires_in"], claims["team"], claims["scp"], claims["exp"]])
                    }
                    None => {
                        let text = body["error_description"].as_str().unwrap().split("; decision").next().unwrap();
                        json!([answer.status, body["error"], text])
                    }
                }
            }
            Event::Wait(seconds) => {
                app.advance(i64::from(*seconds));
                Value::Null
            }
            Event::Team(team) => {
                self.set("ServiceAccount", &howto.account, "attributes", &json!({"team": format!("team-{team}")}))
            }
            Event::Rename(name) => {
                self.set("MachineToMachine", &howto.client, "displayName", &json!(format!("service {name}")))
            }
            Event::Lifetime(minutes) => {
                self.set("Api", &howto.api, "tokenLifetimeSeconds", &json!(600 + 60 * u32::from(*minutes)))
            }
            Event::Allow(list) => self.set("Policy", &self.allow, "settings", &json!({"allow": ALLOWED[*list]})),
            Event::Mode(mode) => self.set("Policy", &self.curious, "mode", &json!(MODES[*mode])),
            Event::Grant(scopes) => self.set("Grant", &howto.grant, "scopes", &json!(GRANTED[*scopes])),
        }
    }

    fn set(&self, resource_type: &str, id: &str, member: &str, value: &Value) -> Value {
        self.app.set(resource_type, id, member, value);
        Value::Null
    }
}

/// Its answer is a lifetime made from a checksum over everything that lies in its memory after the request came in.
fn curious() -> Vec<u8> {
    Twist {
        name: "curious".to_owned(),
        text: "purpose".to_owned(),
        // time(minute), user-agent, parameter "purpose"
        more: "(data (i32.const 16384) \"\\00\\00\\00\\00\\01\\00\\00\\00\\00\\00\\00\\00\\03\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\04\\00\\00\\00\\00\\10\\00\\00\\07\\00\\00\\00\")"
            .to_owned(),
        describe: "(drop (call $manifest))
            (i32.store (i32.const 1056) (i32.const 16384)) (i32.store (i32.const 1060) (i32.const 3))
            (i32.const 1024)",
        evaluate: "(local.set $count (i32.const 0))
            (block $done (loop $again
              (br_if $done (i32.ge_u (local.get $request) (global.get $heap)))
              (local.set $count (i32.add (i32.mul (local.get $count) (i32.const 31)) (i32.load8_u (local.get $request))))
              (local.set $request (i32.add (local.get $request) (i32.const 1)))
              (br $again)))
            (drop (call $permit (i32.const 32768)))
            (i32.store8 (i32.const 2060) (i32.const 1))
            (i32.store (i32.const 2064) (i32.add (i32.const 300) (i32.rem_u (local.get $count) (i32.const 299))))
            (i32.const 2048)",
        ..Twist::default()
    }
    .component()
}

#[test]
fn a_reused_answer_equals_a_fresh_one() {
    let (reusing, forgetful) = (World::new(true), World::new(false));
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let histories = proptest::collection::vec(event(), 40);
    runner
        .run(&histories, |history| {
            for event in history {
                prop_assert_eq!(reusing.live(&event), forgetful.live(&event), "{:?}", event);
            }
            Ok(())
        })
        .unwrap();
    let reused = |world: &World| {
        let list = world.app.admin("GET", "/decisions?count=1000", &Value::Null).expect(200);
        let decisions = list["Resources"].as_array().unwrap().clone();
        let steps = decisions.iter().filter_map(|decision| decision["steps"].as_array()).flatten();
        steps.filter(|step| step["reused"] == true).count()
    };
    assert!(reused(&reusing) > 50, "nothing was reused, so nothing was compared");
    assert_eq!(reused(&forgetful), 0, "the other server reused answers");
}
