//! `rego`: a policy in Rego, the language of Open Policy Agent. The settings hold its text; regorus runs it.
//!
//! `input` is the request as JSON ([`Request::to_json`]); `answer.rs` says what becomes of the rules. There are no
//! builtins for time, randomness, HTTP or the environment: a policy is a pure function of its request.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod answer;
mod builtin;

use alloc::format;
use alloc::string::{String, ToString};

use grantd_policy::{
    Decision, Input, Manifest, Map, Policy, Request, TimeStep, Value, export_policy, manifest, settings,
};
use regorus::Engine;

use answer::{Declared, Given};

/// What the text is called in messages, where no name is needed.
const SOURCE: &str = "policy";

/// The policy.
pub struct Rego;

/// A policy in Rego.
#[settings]
pub struct Settings {
    /// The text of the policy. It has the rules `allow`, `deny`, `scopes`, `ttl_seconds`, `claims`, `note`, or some of
    /// them.
    pub policy: String,
    /// What `data` holds, beside the rules.
    #[serde(default)]
    pub data: Map<String, Value>,
    /// The package with these rules, or one rule that gives an object with them.
    #[serde(default = "package")]
    pub entrypoint: String,
}

fn package() -> String {
    String::from("data.grantd")
}

impl Policy for Rego {
    type Settings = Settings;
    const MANIFEST: Manifest = manifest!(Input::Time(TimeStep::Minute), Input::RemoteAddress);

    fn validate(settings: &Settings) -> Result<(), String> {
        let (mut engine, package) = engine(settings)?;
        let declares = |path: &str| engine.has_declared_rule_rooted_at(SOURCE, path).unwrap_or(false);
        let known = match settings.entrypoint.strip_prefix(&package) {
            Some("") => {
                if !["allow", "deny", "scopes"].into_iter().any(declares) {
                    return Err(format!("settings.policy: {package} has none of the rules allow, deny and scopes"));
                }
                true
            }
            Some(rule) => rule.strip_prefix('.').is_some_and(declares),
            None => false,
        };
        if !known {
            return Err(format!(
                "settings.entrypoint: {} is no package and no rule of the policy; its package is {package}",
                settings.entrypoint
            ));
        }
        // Some mistakes show only when the rules are run: unknown functions, recursion, two values for one rule.
        run(&mut engine, &Request::sample(), settings).map(|_| ())
    }

    fn evaluate(request: &Request, settings: &Settings) -> Decision {
        let answer = engine(settings).and_then(|(mut engine, package)| {
            let declares = |rule| declares(&engine, &package, &settings.entrypoint, rule);
            let declared = Declared { allow: declares("allow")?, scopes: declares("scopes")? };
            Ok((run(&mut engine, request, settings)?, declared))
        });
        match answer {
            Ok((given, declared)) => answer::decision(request, given, declared),
            Err(error) => Decision::deny("rego-error", error),
        }
    }
}

export_policy!(Rego);

/// An engine with the policy and its data, and the name of the policy's package.
fn engine(settings: &Settings) -> Result<(Engine, String), String> {
    let mut engine = Engine::new();
    builtin::add(&mut engine).map_err(|error| error.to_string())?;
    let package =
        engine.add_policy(SOURCE.into(), settings.policy.clone()).map_err(|error| located(&error.to_string()))?;
    let data = Value::Object(settings.data.clone()).to_string();
    engine.add_data_json(&data).map_err(|error| format!("settings.data: {error}"))?;
    Ok((engine, package))
}

/// Whether the text has a rule of that name at the entrypoint. What is undefined is missing from the answer, as a rule that
/// was never written is.
fn declares(engine: &Engine, package: &str, entrypoint: &str, rule: &str) -> Result<bool, String> {
    let path = match entrypoint.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')) {
        Some(whole) => format!("{whole}.{rule}"),
        None => String::from(rule),
    };
    engine.has_declared_rule_rooted_at(SOURCE, &path).map_err(|error| located(&error.to_string()))
}

/// What the entrypoint gives for a request.
fn run(engine: &mut Engine, request: &Request, settings: &Settings) -> Result<Given, String> {
    let failed = |error: &dyn core::fmt::Display| located(&error.to_string());
    engine.set_input_json(&request.to_json().to_string()).map_err(|error| failed(&error))?;
    let results = engine.eval_query(settings.entrypoint.clone(), false).map_err(|error| failed(&error))?;
    let expression = results.result.first().and_then(|result| result.expressions.first());
    let value = match expression.map(|expression| &expression.value) {
        None | Some(regorus::Value::Undefined) => return Ok(Given { value: Value::Null, deny_is_set: false }),
        Some(value) => value,
    };
    let deny_is_set = matches!(value["deny"], regorus::Value::Set(_));
    let text = value.to_json_str().map_err(|error| failed(&error))?;
    let value = grantd_policy::serde_json::from_str(&text).map_err(|error| failed(&error))?;
    Ok(Given { value, deny_is_set })
}

/// regorus draws a picture of the place (`--> policy:3:5`, an excerpt, `error: …`); here it is one line.
fn located(text: &str) -> String {
    let place = text.lines().find_map(|line| line.trim().strip_prefix("--> ")).and_then(|place| {
        let mut numbers = place.rsplit(':');
        let (column, line) = (numbers.next()?, numbers.next()?);
        Some(format!("settings.policy: line {line}, column {column}: "))
    });
    let what = text.lines().rev().find_map(|line| line.trim().strip_prefix("error: "));
    match (place, what) {
        (Some(place), Some(what)) => place + what,
        _ => format!("settings.policy: {}", text.split_whitespace().collect::<alloc::vec::Vec<_>>().join(" ")),
    }
}
