//! Cases: what a policy is expected to answer, in JSON or YAML files beside it. One harness for the command line, for
//! the server and for `cargo test`; what runs the policy is the caller's ([`Subject`]).
//!
//! The format is described in `policies/README.md`; the types that read it are in `cases/file.rs`. Nothing here knows
//! wasmtime, a database or a file's name.

mod file;
#[cfg(test)]
mod tests;
mod update;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use similar::TextDiff;

use super::abi::{Circumstances, Context, Decision, Denial, Input, Permit, Request};
use crate::clock::Timestamp;
use crate::json;
use crate::model::scope::intersect;
pub use update::{expecting, update};

/// Largest case file, in bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Cases that one file may hold.
pub const CASES_MAX: usize = 10_000;

/// What is wrong with a case file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseError {
    /// From 1 on; 0 where there is no place.
    pub line: u64,
    /// From 1 on; 0 where there is no place.
    pub column: u64,
    /// What is wrong, and what to change.
    pub what: String,
}

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.what),
            line => write!(f, "line {line}, column {}: {}", self.column, self.what),
        }
    }
}

/// One case, its defaults filled in.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the case says, as a sentence.
    pub name: String,
    /// The line on which it begins.
    pub line: u64,
    /// The settings of the policy.
    pub settings: Value,
    /// The request, without the inputs that change from request to request.
    pub request: Request,
    /// When the request is made.
    pub time: Timestamp,
    /// The other changing inputs that the case gives.
    pub circumstances: Circumstances,
    /// Inputs that the case names itself: a policy that does not list them would not get them.
    given: Vec<Input>,
    /// What must come out.
    pub expect: Expect,
    /// Line and column of what must come out.
    expect_at: (u64, u64),
}

/// What must come out of a policy. What a policy may not do (widen) is cut off before it is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expect {
    /// Yes: these scopes, this lifetime, these claims.
    Permit(ExpectPermit),
    /// No: this code, and this reason where one is given.
    Deny(ExpectDenial),
    /// The settings are refused, and the error holds this text.
    SettingsError(String),
}

/// What a permit must be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectPermit {
    /// The scopes that remain; all that were offered where none are given. Their order means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// A lifetime below the one offered; none where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    /// The claims to add; none where none are given.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// The remark. It is not compared where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a denial must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectDenial {
    /// Its code.
    pub code: String,
    /// Its whole reason. It is not compared where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A policy that can be asked: a component, or the same crate compiled natively.
pub trait Subject {
    /// The inputs that its manifest lists.
    fn inputs(&self) -> &[Input];

    /// Whether settings fit; the inner error is the policy's own.
    ///
    /// # Errors
    /// How the policy failed.
    fn validate_settings(&self, settings: &str) -> Result<Result<(), String>, String>;

    /// What it decides.
    ///
    /// # Errors
    /// How the policy failed.
    fn evaluate(&self, request: &Request, settings: &str) -> Result<Decision, String>;
}

/// Reads a case file; YAML and JSON alike, since JSON is YAML.
///
/// # Errors
/// The first thing that is wrong, with line and column.
pub fn parse(text: &str) -> Result<Vec<Case>, CaseError> {
    parse_with_files(text, &|name| Err(format!("{name:?} cannot be read here: write the text itself")))
}

/// Reads a case file whose settings may name files: `{"policy": {"$file": "policy.rego"}}` is the text of that file.
/// `read` knows where files are, and which may be read.
///
/// # Errors
/// The first thing that is wrong, with line and column.
pub fn parse_with_files(text: &str, read: &dyn Fn(&str) -> Result<String, String>) -> Result<Vec<Case>, CaseError> {
    file::parse(text, read)
}

/// Reads a request alone, with the members and the defaults of a case's request.
///
/// # Errors
/// The first thing that is wrong, with line and column.
pub fn parse_request(text: &str) -> Result<Case, CaseError> {
    file::parse_request(text)
}

/// Reads settings as a server does, where no member may stand twice: JSON where they begin like an object, and YAML
/// otherwise.
///
/// # Errors
/// What is wrong, and where.
pub fn parse_settings(text: &str) -> Result<Value, String> {
    // JSON is YAML too, but its own reader names its mistakes better.
    if text.trim_start().starts_with('{') {
        return json::parse(text.as_bytes()).map_err(|error| format!("this is not JSON as it should be: {error}"));
    }
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

/// Puts the text of a file in the place of every `{"$file": "NAME"}` of settings.
///
/// # Errors
/// Which file cannot be read.
pub fn put_files(settings: &mut Value, read: &dyn Fn(&str) -> Result<String, String>) -> Result<(), String> {
    match settings {
        Value::Object(members) => match members.get("$file") {
            Some(Value::String(name)) if members.len() == 1 => *settings = Value::String(read(name)?),
            _ => members.values_mut().try_for_each(|member| put_files(member, read))?,
        },
        Value::Array(items) => items.iter_mut().try_for_each(|item| put_files(item, read))?,
        _ => {}
    }
    Ok(())
}

/// Asks a policy, and compares. `None` when it answered as expected, otherwise what was different.
pub fn run(case: &Case, subject: &impl Subject) -> Option<String> {
    match observe(case, subject) {
        Ok(observed) => difference(case, &observed),
        Err(failure) => Some(failure),
    }
}

/// What a policy answers to a case, in the form of an expectation.
///
/// # Errors
/// How the policy failed, or why the case cannot be asked.
pub fn observe(case: &Case, subject: &impl Subject) -> Result<Expect, String> {
    let settings = case.settings.to_string();
    if let Err(error) = subject.validate_settings(&settings)? {
        return Ok(Expect::SettingsError(error));
    }
    let inputs = subject.inputs();
    if let Some(unlisted) = unlisted(case, inputs) {
        return Err(format!("the case {unlisted}"));
    }
    let request = asked(case, inputs);
    let decision = subject.evaluate(&request, &settings)?;
    Ok(match effect(&request, decision) {
        Decision::Permit(permit) => Expect::Permit(ExpectPermit {
            scopes: Some(permit.scopes),
            ttl_seconds: permit.ttl_seconds,
            claims: permit.claims,
            note: permit.note,
        }),
        Decision::Deny(denial) => Expect::Deny(ExpectDenial { code: denial.code, reason: Some(denial.reason) }),
    })
}

/// What a case gives and a policy with these inputs would not get, if there is such a thing.
#[must_use]
pub fn unlisted(case: &Case, inputs: &[Input]) -> Option<String> {
    let given = case.given.iter().find(|given| !listed(inputs, given))?;
    let what = describe(given);
    Some(format!("gives {what}, and the policy does not list it among its inputs: it would not get it"))
}

/// Whether a case says what an input is.
#[must_use]
pub fn gives(case: &Case, input: &Input) -> bool {
    case.given.iter().any(|given| listed(std::slice::from_ref(input), given))
}

/// The request of a case as a policy with these inputs gets it.
#[must_use]
pub fn asked(case: &Case, inputs: &[Input]) -> Request {
    let context = Context::restricted_to(inputs, case.time, &case.circumstances);
    Request { context, settings: case.settings.clone(), ..case.request.clone() }
}

/// A decision held against its request, as the server does it: never more than was offered.
#[must_use]
pub fn effect(request: &Request, decision: Decision) -> Decision {
    let Decision::Permit(permit) = decision else { return decision };
    let deny = |code: &str, reason: &str| Decision::Deny(Denial { code: code.to_owned(), reason: reason.to_owned() });
    let scopes: Vec<String> = intersect(&request.offered, &permit.scopes).into_iter().cloned().collect();
    if scopes.is_empty() {
        return deny("no-scope-left", "it leaves none of the scopes");
    }
    let ttl_seconds = permit.ttl_seconds.filter(|seconds| *seconds < request.ttl_seconds);
    if ttl_seconds == Some(0) {
        return deny("no-lifetime-left", "it leaves no lifetime");
    }
    Decision::Permit(Permit { scopes, ttl_seconds, ..permit })
}

/// How an answer differs from what was expected, as a diff of JSON; `None` when it does not.
#[must_use]
pub fn difference(case: &Case, observed: &Expect) -> Option<String> {
    let (expected, observed) = comparable(case, observed);
    if expected == observed {
        return None;
    }
    let pretty = |expect: &Expect| serde_json::to_string_pretty(expect).unwrap_or_default() + "\n";
    let (expected, observed) = (pretty(&expected), pretty(&observed));
    let diff = TextDiff::from_lines(&expected, &observed);
    let mut text = String::from("- expected\n+ answered\n");
    for change in diff.iter_all_changes() {
        let sign = match change.tag() {
            similar::ChangeTag::Delete => '-',
            similar::ChangeTag::Insert => '+',
            similar::ChangeTag::Equal => ' ',
        };
        text.push_str(&format!("{sign} {}", change.value()));
    }
    Some(text.trim_end().to_owned())
}

/// Both sides in one form: defaults filled in, and without what the case does not speak of.
fn comparable(case: &Case, observed: &Expect) -> (Expect, Expect) {
    let (mut expected, mut observed) = (case.expect.clone(), observed.clone());
    match (&mut expected, &mut observed) {
        (Expect::Permit(expected), Expect::Permit(observed)) => {
            let scopes = expected.scopes.as_ref().unwrap_or(&case.request.offered);
            expected.scopes = Some(intersect(&case.request.offered, scopes).into_iter().cloned().collect());
            if expected.note.is_none() {
                observed.note = None;
            }
        }
        (Expect::Deny(expected), Expect::Deny(observed)) if expected.reason.is_none() => observed.reason = None,
        (Expect::SettingsError(expected), Expect::SettingsError(observed)) if observed.contains(&*expected) => {
            expected.clone_from(observed);
        }
        _ => {}
    }
    (expected, observed)
}

/// Whether a manifest lists an input, whatever the step of its time.
fn listed(inputs: &[Input], given: &Input) -> bool {
    inputs.iter().any(|input| match (input, given) {
        (Input::Time(_), Input::Time(_)) => true,
        _ => input == given,
    })
}

/// An input, as a sentence about a case names it.
fn describe(input: &Input) -> String {
    match input {
        Input::Time(_) => "a time".to_owned(),
        Input::RequestId => "a requestId".to_owned(),
        Input::RemoteAddress => "a remoteAddress".to_owned(),
        Input::UserAgent => "a userAgent".to_owned(),
        Input::Parameter(name) => format!("the parameter {name:?}"),
    }
}
