//! Grants are the ceiling: whatever is granted and whatever is asked for, no token holds more.

use grantd::config::ExcessScope;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, claims, texts};

const APIS: [&str; 3] = ["alpha", "beta", "gamma"];
const SCOPES: [&str; 4] = ["a", "b", "c", "d"];

/// A grant in a case: which API, which scopes, from and until when (seconds from now).
#[derive(Clone, Debug)]
struct Given {
    api: usize,
    scopes: Vec<&'static str>,
    not_before: Option<i64>,
    expires_at: Option<i64>,
}

impl Given {
    fn holds(&self) -> bool {
        self.not_before.is_none_or(|start| start <= 0) && self.expires_at.is_none_or(|end| end > 0)
    }
}

#[derive(Clone, Debug)]
struct Case {
    given: Vec<Given>,
    asked: Vec<&'static str>,
    target: Option<usize>,
}

fn case() -> impl Strategy<Value = Case> {
    let scopes = || proptest::sample::subsequence(SCOPES.to_vec(), 1..=SCOPES.len());
    let start = proptest::option::of(-7200_i64..3600);
    let given = (0..APIS.len(), scopes(), start, proptest::option::of(1_i64..7200)).prop_map(
        |(api, scopes, not_before, length)| {
            let expires_at = length.map(|length| not_before.unwrap_or(-3600) + length);
            Given { api, scopes, not_before, expires_at }
        },
    );
    let asked = proptest::sample::subsequence(["a", "b", "c", "d", "never"].to_vec(), 0..=3).prop_shuffle();
    (proptest::collection::vec(given, 0..5), asked, proptest::option::of(0..APIS.len()))
        .prop_map(|(given, asked, target)| Case { given, asked, target })
}

/// Makes what the case gives to an account and client of their own, and asks.
fn ask(app: &TestApp, number: usize, case: &Case) -> Answer {
    let name = format!("account{number}");
    app.create("ServiceAccount", &json!({"userName": name, "displayName": name, "active": true}));
    let client = app.create("MachineToMachine", &json!({"displayName": name, "serviceAccountId": name}));
    let at = |seconds: Option<i64>| seconds.map(|seconds| app.clock.now().plus_seconds(seconds).to_string());
    for given in &case.given {
        app.create(
            "Grant",
            &json!({
                "serviceAccountId": name, "apiId": APIS[given.api], "scopes": given.scopes,
                "notBefore": at(given.not_before), "expiresAt": at(given.expires_at),
            }),
        );
    }
    let scope = case.asked.join(" ");
    let mut parameters = vec![
        ("grant_type", "client_credentials"),
        ("client_id", client["clientId"].as_str().unwrap()),
        ("client_secret", client["clientSecret"].as_str().unwrap()),
        ("scope", scope.as_str()),
    ];
    parameters.extend(case.target.map(|target| ("resource", APIS[target])));
    app.token(&parameters)
}

/// What an issued token must fulfil.
fn within_the_ceiling(case: &Case, body: &Value) -> Result<(), TestCaseError> {
    let claims = claims(body["access_token"].as_str().unwrap());
    let api = APIS.iter().position(|name| claims["aud"] == *name);
    let at_api: Vec<&Given> = case.given.iter().filter(|given| given.holds() && Some(given.api) == api).collect();
    prop_assert!(case.target.is_none() || case.target == api);
    let scopes = texts(&claims["scp"]);
    prop_assert!(!scopes.is_empty());
    prop_assert_eq!(scopes.join(" "), claims["scope"].as_str().unwrap());
    prop_assert_eq!(&claims["scope"], &body["scope"]);
    let now = claims["iat"].as_i64().unwrap();
    for scope in scopes {
        let holding: Vec<_> = at_api.iter().filter(|given| given.scopes.contains(&scope)).collect();
        prop_assert!(!holding.is_empty(), "{scope} is not granted");
        prop_assert!(case.asked.is_empty() || case.asked.contains(&scope), "{scope} was not asked for");
        let longest = holding.iter().map(|given| given.expires_at.unwrap_or(i64::MAX - now)).max().unwrap_or(0);
        prop_assert!(claims["exp"].as_i64().unwrap() <= now + longest, "it outlives the grants of {scope}");
    }
    Ok(())
}

/// Whether a request must succeed: one API is named, and everything asked for is granted there.
fn must_succeed(case: &Case) -> bool {
    let granted = |scope: &&str| {
        case.given.iter().any(|given| given.holds() && Some(given.api) == case.target && given.scopes.contains(scope))
    };
    !case.asked.is_empty() && case.asked.iter().all(granted)
}

fn no_token_holds_more_than_was_granted(excess: ExcessScope) {
    let app = TestApp::with(|config| config.token.excess_scope = excess);
    for (index, name) in APIS.iter().enumerate() {
        let scope = |(at, scope): (usize, &&str)| json!({"identifier": scope, "default": at == index});
        let scopes: Vec<Value> = SCOPES.iter().enumerate().map(scope).collect();
        app.create("Api", &json!({"appId": name, "scopes": scopes, "signingAlg": "EdDSA"}));
    }
    let number = std::cell::Cell::new(0);
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&case(), |case| {
        number.set(number.get() + 1);
        let answer = ask(&app, number.get(), &case);
        match answer.status {
            200 => within_the_ceiling(&case, &answer.json()),
            400 => {
                prop_assert!(!must_succeed(&case), "refused: {}", answer.text);
                let error = answer.json()["error"].clone();
                prop_assert!(error == "invalid_scope" || error == "invalid_target", "{}", answer.text);
                Ok(())
            }
            other => Err(TestCaseError::fail(format!("{other}: {}", answer.text))),
        }
    });
    outcome.unwrap();
}

#[test]
fn no_token_holds_more_than_was_granted_when_excess_is_refused() {
    no_token_holds_more_than_was_granted(ExcessScope::Reject);
}

#[test]
fn no_token_holds_more_than_was_granted_when_excess_is_left_out() {
    no_token_holds_more_than_was_granted(ExcessScope::Narrow);
}
