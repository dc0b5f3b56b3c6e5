//! `claims-from-attributes`: what is known of the account, the client or the API goes into the token as claims.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

use grantd_policy::{
    Decision, Json, Manifest, Map, Permit, Policy, RESERVED_CLAIMS, Request, Value, export_policy, manifest, settings,
};

/// Largest claims of one permit, in bytes of JSON (`policy.wit`). grantd fails a request for which there are more.
const CLAIMS_BYTES_MAX: usize = 4 * 1024;

/// The policy.
pub struct ClaimsFromAttributes;

/// Which claims a token gets.
#[settings]
pub struct Settings {
    /// The claims, by the name that they have in the token.
    pub claims: BTreeMap<String, Claim>,
}

/// Where the value of a claim comes from.
#[settings]
pub struct Claim {
    /// `account.userName`, `client.displayName`, `account.attributes.team`; dots go on into objects.
    pub from: Source,
    /// Whether a request is denied when there is no such value. Otherwise the claim is left out.
    #[serde(default)]
    pub required: bool,
    /// The value of the claim when there is none.
    #[serde(default)]
    pub otherwise: Option<Value>,
}

/// A place in a request, with dots.
#[settings]
#[serde(try_from = "String")]
pub struct Source {
    path: String,
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        let known = match path.split_once('.') {
            Some(("account", rest)) => is_member(rest, &["id", "userName", "displayName"]),
            Some(("client", rest)) => is_member(rest, &["clientId", "displayName", "authMethod"]),
            Some(("api", rest)) => is_member(rest, &["appId", "audience"]),
            _ => false,
        };
        if known {
            return Ok(Self { path });
        }
        Err(format!(
            "{path:?} is no place in a request: account.id, account.userName, account.displayName, client.clientId, \
             client.displayName, client.authMethod, api.appId, api.audience, or \
             account.attributes.NAME, client.attributes.NAME, api.attributes.NAME"
        ))
    }
}

/// Whether this is one of the members, or a path into `attributes` without empty steps.
fn is_member(rest: &str, members: &[&str]) -> bool {
    match rest.strip_prefix("attributes.") {
        Some(path) => path.split('.').all(|step| !step.is_empty()),
        None => members.contains(&rest),
    }
}

impl Source {
    /// The value there; `null` counts as none.
    fn value(&self, request: &Request) -> Option<Value> {
        let text = |text: &String| Some(Value::from(text.as_str()));
        match self.path.split_once('.')? {
            ("account", "id") => text(&request.account.id),
            ("account", "userName") => text(&request.account.user_name),
            ("account", "displayName") => text(&request.account.display_name),
            ("client", "clientId") => text(&request.client.client_id),
            ("client", "displayName") => text(&request.client.display_name),
            ("client", "authMethod") => text(&request.client.auth_method),
            ("api", "appId") => text(&request.api.app_id),
            ("api", "audience") => text(&request.api.audience),
            ("account", rest) => attribute(&request.account.attributes, rest),
            ("client", rest) => attribute(&request.client.attributes, rest),
            ("api", rest) => attribute(&request.api.attributes, rest),
            _ => None,
        }
    }
}

fn attribute(attributes: &Json, path: &str) -> Option<Value> {
    let mut value = Value::Object(attributes.members());
    for step in path.split('.').skip(1) {
        value = value.as_object_mut()?.remove(step)?;
    }
    (!value.is_null()).then_some(value)
}

impl Policy for ClaimsFromAttributes {
    type Settings = Settings;
    const MANIFEST: Manifest = manifest!();

    fn validate(settings: &Settings) -> Result<(), String> {
        for (name, claim) in &settings.claims {
            if name.is_empty() || RESERVED_CLAIMS.contains(&name.as_str()) {
                return Err(format!("settings.claims.{name}: grantd alone sets this claim; choose another name"));
            }
            if claim.required && claim.otherwise.is_some() {
                return Err(format!("settings.claims.{name}: it cannot be required and have another value as well"));
            }
            let bytes = claim.otherwise.as_ref().map_or(0, |value| bytes(name, value));
            if bytes > CLAIMS_BYTES_MAX {
                return Err(format!(
                    "settings.claims.{name}.otherwise: this claim alone has {bytes} bytes of JSON, and all of a permit \
                     may have {CLAIMS_BYTES_MAX}; choose a shorter value"
                ));
            }
        }
        Ok(())
    }

    fn evaluate(request: &Request, settings: &Settings) -> Decision {
        let mut permit = Permit::all(request);
        for (name, claim) in &settings.claims {
            match claim.from.value(request).or_else(|| claim.otherwise.clone()) {
                Some(value) => permit = permit.claim(name.as_str(), value),
                None if claim.required => {
                    let reason = format!("{} has no value, and the claim {name} needs one", claim.from.path);
                    return Decision::deny("attribute-missing", reason);
                }
                None => {}
            }
        }
        permit.into()
    }
}

export_policy!(ClaimsFromAttributes);

/// How many bytes of JSON claims have that are this one alone.
fn bytes(name: &str, value: &Value) -> usize {
    Value::Object(Map::from_iter([(String::from(name), value.clone())])).to_string().len()
}
