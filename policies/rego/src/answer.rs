//! From what the rules give to a decision.
//!
//! | rule | what it gives | what becomes of it |
//! |---|---|---|
//! | `allow` | true or false | false or undefined denies; so does having neither this rule nor `scopes` nor `deny` |
//! | `deny` | a set of reasons, as texts or as `{"code": …, "reason": …}` | any of them denies |
//! | `scopes` | a set of scopes | those remain; undefined denies; without the rule, all that were offered |
//! | `ttl_seconds` | a number of seconds | a shorter lifetime |
//! | `claims` | an object | claims of the token |
//! | `note` | a text | a remark for the decision record |
//!
//! What has another form denies, `null` too: a policy that is not understood must not permit.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use grantd_policy::{Decision, Permit, Request, Value};

/// What the entrypoint gave.
pub struct Given {
    /// As JSON; `Null` where it is undefined.
    pub value: Value,
    /// Whether its `deny` is a set: as JSON, an array looks the same.
    pub deny_is_set: bool,
}

/// Which rules the text has, whatever became of them.
#[derive(Clone, Copy)]
pub struct Declared {
    pub allow: bool,
    pub scopes: bool,
}

/// What the entrypoint gave, as a decision.
pub fn decision(request: &Request, given: Given, declared: Declared) -> Decision {
    let rules = match given.value {
        Value::Object(rules) => rules,
        Value::Bool(true) => return Decision::permit_all(request),
        Value::Bool(false) => return Decision::deny("not-allowed", "the policy does not allow this"),
        Value::Null => return Decision::deny("not-allowed", "the policy says nothing of this: its rule is undefined"),
        other => return misunderstood("the entrypoint", "true, false or an object", &other),
    };
    if let Some(denial) = rules.get("deny").and_then(|value| denial(value, given.deny_is_set)) {
        return denial;
    }
    // Of these two, null is as good as undefined: either denies.
    let rule = |name: &str| rules.get(name).filter(|value| !value.is_null());
    match rule("allow") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Decision::deny("not-allowed", "the policy does not allow this"),
        None if !declared.allow
            && !rules.contains_key("allow")
            && (rule("scopes").is_some() || rules.contains_key("deny")) => {}
        None => return Decision::deny("not-allowed", "the policy says nothing of this: allow is undefined"),
        Some(other) => return misunderstood("allow", "true or false", other),
    }
    let mut permit = match rule("scopes").map(texts) {
        None if declared.scopes || rules.contains_key("scopes") => {
            return Decision::deny("not-allowed", "the policy says nothing of this: scopes is undefined");
        }
        None => Permit::all(request),
        Some(Some(scopes)) => Permit::scopes(request.offered.iter().filter(|scope| scopes.contains(scope)).cloned()),
        Some(None) => return misunderstood("scopes", "a set of texts", &rules["scopes"]),
    };
    if let Some(value) = rules.get("ttl_seconds") {
        match value.as_u64().map(u32::try_from) {
            Some(Ok(seconds)) => permit = permit.ttl_seconds(seconds),
            _ => return misunderstood("ttl_seconds", "a whole number of seconds", value),
        }
    }
    match rules.get("claims") {
        None => {}
        Some(Value::Object(claims)) => permit.claims = claims.clone(),
        Some(other) => return misunderstood("claims", "an object", other),
    }
    match rules.get("note") {
        None => permit.into(),
        Some(Value::String(note)) => permit.note(note.as_str()).into(),
        Some(other) => misunderstood("note", "a text", other),
    }
}

/// The denial that a rule `deny` asks for, if it asks for one. Only an empty set says that nothing denies.
fn denial(value: &Value, is_set: bool) -> Option<Decision> {
    let reasons = match value {
        Value::Array(reasons) if is_set => reasons,
        Value::Array(_) => return Some(misunderstood("deny", "a set, not an array", value)),
        _ => return Some(misunderstood("deny", "a set of texts or of {code, reason}", value)),
    };
    if reasons.is_empty() {
        return None;
    }
    let mut code = None;
    let mut told: Vec<String> = Vec::new();
    for reason in reasons {
        match reason {
            Value::String(text) => told.push(text.clone()),
            Value::Object(members) => match (members.get("code"), members.get("reason")) {
                (Some(Value::String(its)), Some(Value::String(text))) => {
                    code.get_or_insert_with(|| its.clone());
                    told.push(text.clone());
                }
                _ => return Some(misunderstood("deny", "a set of texts or of {code, reason}", reason)),
            },
            other => return Some(misunderstood("deny", "a set of texts or of {code, reason}", other)),
        }
    }
    Some(Decision::deny(code.unwrap_or_else(|| "denied".into()), told.join("; ")))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(String::from)).collect()
}

fn misunderstood(rule: &str, expected: &str, value: &Value) -> Decision {
    Decision::deny("rego-answer", format!("{rule} must give {expected}, and gave {value}"))
}
