//! Api: an OAuth resource server, its scopes, and how its tokens are made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Resource;
use super::fields::{Fields, display_name, free_text, pointer_escape, reference_name, token_name};
use crate::model::scope::check_scope_token;

/// Scopes that one API may define.
pub const SCOPES_MAX: usize = 500;
/// Extra claims that one API may add.
pub const CLAIMS_MAX: usize = 50;
/// Shortest and longest access token, in seconds.
pub const TOKEN_LIFETIME_SECONDS: std::ops::RangeInclusive<i64> = 60..=86_400;
/// What a token lives unless its API says otherwise.
pub const TOKEN_LIFETIME_SECONDS_DEFAULT: i64 = 3600;
/// The API that guards grantd's own admin API; it is made with the database and cannot be removed.
pub const BUILT_IN_APP_ID: &str = "grantd";

/// Claims that grantd writes itself, or that mean something to a verifier which an API must not say
/// (RFC 7519 4.1, RFC 9068 2.2, RFC 8693 4, RFC 7800 3.1).
pub const RESERVED_CLAIMS: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "scp",
    "cnf",
    "act",
    "may_act",
    "azp",
    "auth_time",
    "acr",
    "amr",
    "nonce",
    "sid",
    "typ",
    "events",
];

/// The signature of an API's tokens (RFC 7518 3.1, RFC 8037 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SigningAlg {
    /// RSA 2048 with SHA-256. Every verifier speaks it; the slowest to sign.
    Rs256,
    /// ECDSA on P-256. Some 35 times faster to sign.
    Es256,
    /// Ed25519. Some 60 times faster to sign; older verifiers do not know it.
    EdDsa,
}

impl SigningAlg {
    /// Every algorithm, the default first.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];
    pub(crate) const WORDS: &'static [(&'static str, Self)] =
        &[("RS256", Self::Rs256), ("ES256", Self::Es256), ("EdDSA", Self::EdDsa)];

    /// The `alg` of RFC 7518.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == text)
    }
}

/// How much harm a scope can do, for those who grant it.
const SENSITIVITIES: &[(&str, &str)] = &[("low", "low"), ("medium", "medium"), ("high", "high")];

/// A scope that an API defines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiScope {
    /// The scope-token of RFC 6749 3.3.
    pub identifier: String,
    /// For people.
    pub display_name: String,
    /// What it allows.
    pub description: String,
    /// `low`, `medium` or `high`.
    pub sensitivity: String,
    /// Whether a request that names no scope gets it (when it is granted).
    pub default: bool,
}

/// Where an extra claim's value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClaimSource {
    /// Always this.
    Value(Value),
    /// The account's attribute at this dotted path; the claim is left out where there is none.
    Attribute(String),
}

/// An OAuth resource server.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Names it in requests, and in `aud` unless it has an `audience`.
    pub app_id: String,
    /// A URI that names it instead.
    pub audience: Option<String>,
    /// For people.
    pub display_name: String,
    /// Nobody gets a token for an inactive API.
    pub active: bool,
    /// Its scopes, in the order in which they were written.
    pub scopes: Vec<ApiScope>,
    /// How its tokens are signed.
    pub signing_alg: SigningAlg,
    /// How long its tokens live.
    pub token_lifetime_seconds: i64,
    /// Claims added to its tokens, by name.
    pub claims: BTreeMap<String, ClaimSource>,
    /// Free members; policies see them.
    pub attributes: Map<String, Value>,
    /// Whether it is the one that guards the admin API.
    pub built_in: bool,
}

impl Resource for Api {
    const TYPE: &'static str = "Api";
    const PLURAL: &'static str = "Apis";
    const WRITABLE: &'static [&'static str] = &[
        "appId",
        "audience",
        "displayName",
        "active",
        "scopes",
        "signingAlg",
        "tokenFormat",
        "tokenLifetimeSeconds",
        "claims",
        "attributes",
    ];

    fn parse(fields: &mut Fields<'_>, current: Option<&Self>) -> Self {
        let app_id = fields.text("appId", token_name);
        let built_in = current.is_some_and(|current| current.built_in);
        if built_in && app_id != BUILT_IN_APP_ID {
            fields.violate("appId", "the built-in API keeps its name");
        }
        fields.raw("builtIn");
        fields.choice("tokenFormat", &[("jwt", ())], ());
        let lifetime_seconds = fields.lifetime_seconds();
        Self {
            audience: fields.optional_text("audience", audience_uri),
            display_name: fields.optional_text("displayName", display_name).unwrap_or_else(|| app_id.clone()),
            active: fields.flag("active", true),
            scopes: scopes(fields),
            signing_alg: fields.choice("signingAlg", SigningAlg::WORDS, SigningAlg::Rs256),
            token_lifetime_seconds: fields.integer(
                "tokenLifetimeSeconds",
                lifetime_seconds,
                TOKEN_LIFETIME_SECONDS_DEFAULT,
            ),
            claims: claims(fields),
            attributes: fields.free_object("attributes"),
            app_id,
            built_in,
        }
    }

    fn members(&self) -> Map<String, Value> {
        let Value::Object(members) = json!({
            "appId": self.app_id,
            "audience": self.audience,
            "displayName": self.display_name,
            "active": self.active,
            "scopes": self.scopes,
            "signingAlg": self.signing_alg.as_str(),
            "tokenFormat": "jwt",
            "tokenLifetimeSeconds": self.token_lifetime_seconds,
            "claims": self.claims,
            "attributes": self.attributes,
            "builtIn": self.built_in,
        }) else {
            return Map::new();
        };
        members
    }
}

impl Api {
    /// What its tokens carry in `aud`.
    #[must_use]
    pub fn aud(&self) -> &str {
        self.audience.as_deref().unwrap_or(&self.app_id)
    }
}

/// RFC 8707 2: an absolute URI without a fragment.
fn audience_uri(text: &str) -> Result<(), String> {
    token_name(text)?;
    let (scheme, rest) = text.split_once(':').ok_or("must be an absolute URI, like https://api.example.com")?;
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !scheme_fits || rest.is_empty() {
        return Err("must be an absolute URI, like https://api.example.com".to_owned());
    }
    if text.contains('#') {
        return Err("must not have a fragment (RFC 8707 2)".to_owned());
    }
    Ok(())
}

fn scopes(fields: &mut Fields<'_>) -> Vec<ApiScope> {
    let mut seen: Vec<String> = Vec::new();
    fields.object_list("scopes", SCOPES_MAX, |fields| {
        let identifier = fields.text("identifier", check_scope_token);
        if !identifier.is_empty() && seen.contains(&identifier) {
            fields.violate("identifier", "this scope stands here twice");
        }
        seen.push(identifier.clone());
        ApiScope {
            display_name: fields.optional_text("displayName", display_name).unwrap_or_else(|| identifier.clone()),
            description: fields.optional_text("description", free_text).unwrap_or_default(),
            sensitivity: fields.choice("sensitivity", SENSITIVITIES, "low").to_owned(),
            default: fields.flag("default", false),
            identifier,
        }
    })
}

fn claims(fields: &mut Fields<'_>) -> BTreeMap<String, ClaimSource> {
    let object = fields.free_object("claims");
    let mut found = BTreeMap::new();
    if object.len() > CLAIMS_MAX {
        fields.violate("claims", format!("may have at most {CLAIMS_MAX} members"));
        return found;
    }
    for (name, source) in object {
        let at = format!("claims/{}", pointer_escape(&name));
        if RESERVED_CLAIMS.contains(&name.as_str()) {
            fields.violate_at(&at, &source, "grantd writes this claim itself: choose another name");
            continue;
        }
        let attribute_fits = |source: &ClaimSource| match source {
            ClaimSource::Value(_) => true,
            ClaimSource::Attribute(path) => reference_name(path).is_ok(),
        };
        match serde_json::from_value::<ClaimSource>(source.clone()) {
            Ok(parsed) if !name.is_empty() && attribute_fits(&parsed) => {
                found.insert(name, parsed);
            }
            _ => fields.violate_at(&at, &source, r#"must be {"value": …} or {"attribute": "path.in.attributes"}"#),
        }
    }
    found
}
