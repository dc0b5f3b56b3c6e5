//! The words that cross the sandbox's wall, as plain types: what `policies/wit/policy.wit` says, in Rust and in JSON.
//!
//! The generated bindings stay in this room. Everything else (records, cases, the command line) speaks these types;
//! their JSON is what a decision records and what a case file holds.

mod inputs;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::api::{RESERVED_CLAIMS, SCOPES_MAX};

/// The bindings of the world `policy`, generated from the WIT.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub(super) mod bindings {
    wasmtime::component::bindgen!({
        path: "policies/wit",
        world: "policy",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}
use bindings::grantd::policy::types as wit;
pub use inputs::{Circumstances, Context, Input, Instant, RemoteAddress, TimeStep, is_credential};

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

fn texts_of(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

impl Request {
    /// Lends the request in the form of the bindings, with the settings' own text.
    pub(super) fn lend<T>(&self, settings: &str, to: impl FnOnce(wit::Request<'_>) -> T) -> T {
        let [account, client, api, extra] =
            [&self.account.attributes, &self.client.attributes, &self.api.attributes, &self.extra].map(text_of);
        let [scopes, requested, offered] = [&self.api.scopes, &self.requested, &self.offered].map(|all| texts_of(all));
        let parameters: Vec<(&str, &str)> =
            self.context.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        to(wit::Request {
            account: wit::Account {
                id: &self.account.id,
                user_name: &self.account.user_name,
                display_name: &self.account.display_name,
                attributes: &account,
            },
            client: wit::Client {
                client_id: &self.client.client_id,
                display_name: &self.client.display_name,
                auth_method: &self.client.auth_method,
                attributes: &client,
            },
            api: wit::Api { app_id: &self.api.app_id, audience: &self.api.audience, scopes: &scopes, attributes: &api },
            grant_type: &self.grant_type,
            requested: &requested,
            offered: &offered,
            ttl_seconds: self.ttl_seconds,
            context: self.context.lent(&parameters),
            // What the WIT calls `json` the bindings lend as a `String`.
            settings: &settings.to_owned(),
            extra: &extra,
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
