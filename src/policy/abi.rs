//! The words that cross the sandbox's wall, as plain types: what `policies/wit/policy.wit` says, in Rust and in JSON.
//!
//! The generated bindings stay in this file. Everything else (records, cases, the command line) speaks these types;
//! their JSON is what a decision records and what a case file holds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::model::api::{RESERVED_CLAIMS, SCOPES_MAX};

/// The bindings of the world `policy`, generated from the WIT.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub(super) mod bindings {
    wasmtime::component::bindgen!({ path: "policies/wit", world: "policy" });
}
use bindings::grantd::policy::types as wit;

/// Largest `claims` of one permit, in bytes of JSON text.
pub const CLAIMS_BYTES_MAX: usize = 4 * 1024;
/// Objects and arrays inside one another in `claims`.
const CLAIMS_DEPTH_MAX: usize = 8;
/// Longest `note` and `reason` that are kept, in characters.
pub const TEXT_CHARS_MAX: usize = 1000;
/// Longest `code` of a denial, and longest name of a module.
pub const CODE_CHARS_MAX: usize = 64;
/// Inputs that one manifest may list.
pub const INPUTS_MAX: usize = 32;
/// Parameters that carry credentials: no policy sees them.
const CREDENTIAL_PARAMETERS: &[&str] = &["client_secret", "client_assertion", "assertion", "subject_token", "code"];

/// Who the token is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Account {
    pub id: String,
    pub user_name: String,
    pub display_name: String,
    pub attributes: Map<String, Value>,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Client {
    pub client_id: String,
    pub display_name: String,
    pub auth_method: String,
    pub attributes: Map<String, Value>,
}

/// What the token is for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Api {
    pub app_id: String,
    pub audience: String,
    pub scopes: Vec<String>,
    pub attributes: Map<String, Value>,
}

/// A moment in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Instant {
    pub unix_seconds: u32,
    pub hour: u8,
    pub minute: u8,
    pub weekday: u8,
}

/// The changing inputs, each left out unless the manifest lists it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<(String, String)>,
}

/// What a policy is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Request {
    pub account: Account,
    pub client: Client,
    pub api: Api,
    pub grant_type: String,
    pub requested: Vec<String>,
    pub offered: Vec<String>,
    pub ttl_seconds: u32,
    pub context: Context,
    pub settings: Value,
    pub extra: Map<String, Value>,
}

/// What a policy answers: `{"permit":{…}}` or `{"deny":{…}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// Yes, within bounds.
    Permit(Permit),
    /// No.
    Deny(Denial),
}

/// Yes, within bounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Permit {
    pub scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// No.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Denial {
    pub code: String,
    pub reason: String,
}

/// How far a time is truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum TimeStep {
    Second,
    Minute,
    Hour,
    Day,
}

impl TimeStep {
    fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        }
    }
}

/// A changing input that a policy looks at: `{"time":"minute"}`, `"requestId"`, `{"parameter":"purpose"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the WIT documents them")]
pub enum Input {
    Time(TimeStep),
    RequestId,
    RemoteAddress,
    UserAgent,
    Parameter(String),
}

/// What a module says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub description: String,
    pub settings_schema: Value,
    pub inputs: Vec<Input>,
}

impl Instant {
    /// A moment, truncated to `step`.
    #[must_use]
    pub fn at(time: Timestamp, step: TimeStep) -> Self {
        let seconds = time.unix_seconds() / step.seconds() * step.seconds();
        let of_day = seconds % 86_400;
        // 1970-01-01 was a Thursday. Every figure is bounded by its divisor; years end in 2106 by the WIT.
        Self {
            unix_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
            hour: u8::try_from(of_day / 3600).unwrap_or_default(),
            minute: u8::try_from(of_day % 3600 / 60).unwrap_or_default(),
            weekday: u8::try_from((seconds / 86_400 + 3) % 7 + 1).unwrap_or(1),
        }
    }
}

/// A code of a denial, or the name of a module: `[a-z0-9-]{1,64}`.
#[must_use]
pub fn is_code(text: &str) -> bool {
    (1..=CODE_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// As much of a module's text as is kept, without control characters.
fn kept(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS_MAX).collect()
}

fn text_of(object: &Map<String, Value>) -> String {
    // An object of JSON values always has a text.
    serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned())
}

impl Request {
    /// The request in the form of the bindings, with the settings' own text.
    pub(super) fn to_wit(&self, settings: &str) -> wit::Request {
        wit::Request {
            account: wit::Account {
                id: self.account.id.clone(),
                user_name: self.account.user_name.clone(),
                display_name: self.account.display_name.clone(),
                attributes: text_of(&self.account.attributes),
            },
            client: wit::Client {
                client_id: self.client.client_id.clone(),
                display_name: self.client.display_name.clone(),
                auth_method: self.client.auth_method.clone(),
                attributes: text_of(&self.client.attributes),
            },
            api: wit::Api {
                app_id: self.api.app_id.clone(),
                audience: self.api.audience.clone(),
                scopes: self.api.scopes.clone(),
                attributes: text_of(&self.api.attributes),
            },
            grant_type: self.grant_type.clone(),
            requested: self.requested.clone(),
            offered: self.offered.clone(),
            ttl_seconds: self.ttl_seconds,
            context: self.context.to_wit(),
            settings: settings.to_owned(),
            extra: text_of(&self.extra),
        }
    }
}

impl Context {
    /// Only what the manifest lists, out of everything that is known of a request.
    #[must_use]
    pub fn restricted_to(inputs: &[Input], now: Timestamp, known: &Circumstances) -> Self {
        let mut context = Self::default();
        for input in inputs {
            match input {
                Input::Time(step) => context.time = Some(Instant::at(now, *step)),
                Input::RequestId => context.request_id = Some(known.request_id.clone()),
                Input::RemoteAddress => context.remote_address.clone_from(&known.remote_address),
                Input::UserAgent => context.user_agent.clone_from(&known.user_agent),
                Input::Parameter(name) => {
                    let sent = known.parameters.iter().find(|(sent, _)| sent == name);
                    context.parameters.extend(sent.cloned());
                }
            }
        }
        context
    }

    /// Drops what the manifest does not list.
    pub(crate) fn keep(&mut self, inputs: &[Input]) {
        let lists = |input: &Input| inputs.contains(input);
        if !inputs.iter().any(|input| matches!(input, Input::Time(_))) {
            self.time = None;
        }
        self.request_id.take_if(|_| !lists(&Input::RequestId));
        self.remote_address.take_if(|_| !lists(&Input::RemoteAddress));
        self.user_agent.take_if(|_| !lists(&Input::UserAgent));
        self.parameters.retain(|(name, _)| lists(&Input::Parameter(name.clone())));
    }

    fn to_wit(&self) -> wit::Context {
        wit::Context {
            time: self.time.map(|time| wit::Instant {
                unix_seconds: time.unix_seconds,
                hour: time.hour,
                minute: time.minute,
                weekday: time.weekday,
            }),
            request_id: self.request_id.clone(),
            remote_address: self.remote_address.clone(),
            user_agent: self.user_agent.clone(),
            parameters: self.parameters.clone(),
        }
    }
}

/// What is known of a token request beside its parameters' meaning: where the changing inputs come from.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// The `X-Request-Id`, sent or given.
    pub request_id: String,
    /// The caller's IP address.
    pub remote_address: Option<String>,
    /// The caller's `User-Agent`, bounded.
    pub user_agent: Option<String>,
    /// The parameters of the request but for its credentials.
    pub parameters: Vec<(String, String)>,
}

/// Whether a parameter must be kept from policies and records.
#[must_use]
pub fn is_credential(parameter: &str) -> bool {
    CREDENTIAL_PARAMETERS.contains(&parameter)
}

impl Decision {
    /// What a module answered, checked for form. `Err` says what does not fit.
    pub(super) fn from_wit(answer: wit::Decision) -> Result<Self, String> {
        match answer {
            wit::Decision::Permit(permit) if permit.scopes.len() > SCOPES_MAX => {
                Err(format!("a permit has {} scopes, and no API has more than {SCOPES_MAX}", permit.scopes.len()))
            }
            wit::Decision::Permit(permit) => Ok(Self::Permit(Permit {
                scopes: permit.scopes,
                ttl_seconds: permit.ttl_seconds,
                claims: permit.claims.as_deref().map_or_else(|| Ok(Map::new()), claims_from)?,
                note: permit.note.as_deref().map(kept),
            })),
            wit::Decision::Deny(denial) if is_code(&denial.code) => {
                Ok(Self::Deny(Denial { code: denial.code, reason: kept(&denial.reason) }))
            }
            wit::Decision::Deny(denial) => {
                Err(format!("the code of a denial is [a-z0-9-]{{1,{CODE_CHARS_MAX}}}, not {:?}", kept(&denial.code)))
            }
        }
    }
}

fn claims_from(text: &str) -> Result<Map<String, Value>, String> {
    if text.len() > CLAIMS_BYTES_MAX {
        return Err(format!("claims have {} bytes, and may have {CLAIMS_BYTES_MAX}", text.len()));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("claims are not JSON: {error}"))?;
    let Value::Object(claims) = value else { return Err("claims are not a JSON object".to_owned()) };
    if claims.values().any(|value| depth(value) > CLAIMS_DEPTH_MAX) {
        return Err(format!("claims are nested more than {CLAIMS_DEPTH_MAX} deep"));
    }
    match claims.keys().find(|name| RESERVED_CLAIMS.contains(&name.as_str()) || name.is_empty()) {
        Some(name) => Err(format!("the claim {name:?} is reserved: the server alone sets it")),
        None => Ok(claims),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

impl Manifest {
    /// What a module said of itself, checked for form. `Err` says what does not fit.
    pub(super) fn from_wit(said: wit::Manifest) -> Result<Self, String> {
        if !is_code(&said.name) {
            return Err(format!("the name of a module is [a-z0-9-]{{1,{CODE_CHARS_MAX}}}, not {:?}", kept(&said.name)));
        }
        let version_fits = (1..=CODE_CHARS_MAX).contains(&said.version.len())
            && said.version.split(['.', '-', '+']).count() >= 3
            && said.version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'));
        if !version_fits {
            return Err(format!("the version is a semantic one like 1.0.0, not {:?}", kept(&said.version)));
        }
        let settings_schema: Value = serde_json::from_str(&said.settings_schema)
            .map_err(|error| format!("settings-schema is not JSON: {error}"))?;
        if !settings_schema.is_object() {
            return Err("settings-schema is not a JSON object".to_owned());
        }
        if said.inputs.len() > INPUTS_MAX {
            return Err(format!("a manifest lists at most {INPUTS_MAX} inputs, and this one {}", said.inputs.len()));
        }
        let mut inputs = Vec::with_capacity(said.inputs.len());
        for input in said.inputs {
            let input = Input::from_wit(input)?;
            let is_time = |input: &Input| matches!(input, Input::Time(_));
            if inputs.iter().any(|known| *known == input || (is_time(known) && is_time(&input))) {
                return Err(format!("the input {input:?} is listed twice"));
            }
            inputs.push(input);
        }
        let description = kept(&said.description);
        Ok(Self { name: said.name, version: said.version, description, settings_schema, inputs })
    }
}

impl Input {
    fn from_wit(input: wit::Input) -> Result<Self, String> {
        Ok(match input {
            wit::Input::Time(step) => Self::Time(match step {
                wit::TimeStep::Second => TimeStep::Second,
                wit::TimeStep::Minute => TimeStep::Minute,
                wit::TimeStep::Hour => TimeStep::Hour,
                wit::TimeStep::Day => TimeStep::Day,
            }),
            wit::Input::RequestId => Self::RequestId,
            wit::Input::RemoteAddress => Self::RemoteAddress,
            wit::Input::UserAgent => Self::UserAgent,
            wit::Input::Parameter(name) if is_credential(&name) => {
                return Err(format!("the parameter {name} is a credential: no policy may see it"));
            }
            wit::Input::Parameter(name) if name.is_empty() || name.len() > CODE_CHARS_MAX => {
                return Err(format!("the name of a parameter has 1 to {CODE_CHARS_MAX} characters"));
            }
            wit::Input::Parameter(name) => Self::Parameter(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_truncated_to_its_step() {
        let time = Timestamp::parse("2026-11-24T13:45:59Z").unwrap();
        let at = |step| Instant::at(time, step);
        let minute = Instant { unix_seconds: 1_795_527_900, hour: 13, minute: 45, weekday: 2 };
        assert_eq!(at(TimeStep::Minute), minute);
        assert_eq!(at(TimeStep::Second).unix_seconds, minute.unix_seconds + 59);
        assert_eq!((at(TimeStep::Hour).hour, at(TimeStep::Hour).minute), (13, 0));
        assert_eq!((at(TimeStep::Day).hour, at(TimeStep::Day).weekday), (0, 2));
        let sunday = Timestamp::parse("2026-11-29T00:00:00Z").unwrap();
        assert_eq!(Instant::at(sunday, TimeStep::Day).weekday, 7);
    }

    #[test]
    fn a_policy_gets_what_it_lists_and_no_more() {
        let known = Circumstances {
            request_id: "r".into(),
            remote_address: Some("127.0.0.1".into()),
            user_agent: Some("curl".into()),
            parameters: vec![("purpose".into(), "x".into()), ("other".into(), "y".into())],
        };
        let now = Timestamp::from_ms(0);
        assert_eq!(Context::restricted_to(&[], now, &known), Context::default());
        let some = Context::restricted_to(&[Input::UserAgent, Input::Parameter("purpose".into())], now, &known);
        assert_eq!(some.user_agent.as_deref(), Some("curl"));
        assert_eq!(some.parameters, [("purpose".to_owned(), "x".to_owned())]);
        assert_eq!((some.time, some.request_id, some.remote_address), (None, None, None));
    }

    #[test]
    fn claims_that_do_not_fit_are_named() {
        for (text, why) in [
            ("[1]", "not a JSON object"),
            ("{", "not JSON"),
            (r#"{"sub":"x"}"#, "reserved"),
            (r#"{"scope":"x"}"#, "reserved"),
            (r#"{"a":[[[[[[[[[1]]]]]]]]]}"#, "deep"),
        ] {
            assert!(claims_from(text).unwrap_err().contains(why), "{text}");
        }
        assert!(claims_from(&format!(r#"{{"a":"{}"}}"#, "x".repeat(CLAIMS_BYTES_MAX))).unwrap_err().contains("bytes"));
        assert_eq!(claims_from(r#"{"team":"a"}"#).unwrap()["team"], "a");
    }
}
