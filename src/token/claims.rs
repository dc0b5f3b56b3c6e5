//! Step 5, what a token says: the claims of RFC 9068 2.2, then those that its API and its policies add.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::api::{Api, ClaimSource, RESERVED_CLAIMS};
use crate::model::id::Id;
use crate::store::ClientView;

/// Everything a token is made from.
pub(crate) struct Claims<'a> {
    /// `iss`
    pub(crate) issuer: &'a str,
    /// `jti`
    pub(crate) jti: &'a Id,
    /// `iat` and `nbf`
    pub(crate) issued_at: Timestamp,
    /// `client_id`, `sub`, and the attributes that claims are mapped from
    pub(crate) client: &'a ClientView,
    /// `aud`, and extra claims
    pub(crate) api: &'a Api,
    /// `scope` and `scp`
    pub(crate) scopes: &'a [String],
    /// `exp`, from `iat`
    pub(crate) lifetime_seconds: i64,
    /// Claims that policies add: none of them is one of the others.
    pub(crate) added: &'a Map<String, Value>,
}

impl Claims<'_> {
    /// The JSON text to sign.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::Internal(format!("claims cannot be written: {error}")))
    }
}

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let iat = self.issued_at.unix_seconds();
        let mut claims = serializer.serialize_map(None)?;
        claims.serialize_entry("iss", self.issuer)?;
        claims.serialize_entry("sub", self.client.account_id.as_str())?;
        claims.serialize_entry("aud", self.api.aud())?;
        claims.serialize_entry("client_id", &self.client.client_id)?;
        claims.serialize_entry("iat", &iat)?;
        claims.serialize_entry("nbf", &iat)?;
        claims.serialize_entry("exp", &(iat + self.lifetime_seconds))?;
        claims.serialize_entry("jti", self.jti.as_str())?;
        // Both forms: RFC 9068 says the string, and many resource servers read the array.
        claims.serialize_entry("scope", &self.scopes.join(" "))?;
        claims.serialize_entry("scp", self.scopes)?;
        for (name, source) in &self.api.claims {
            let value = match source {
                ClaimSource::Value(value) => Some(value),
                ClaimSource::Attribute(path) => attribute(&self.client.account_attributes, path),
            };
            // Reserved names are refused when an API is saved; a database edited by hand must not get round it.
            if let Some(value) = value.filter(|_| !RESERVED_CLAIMS.contains(&name.as_str())) {
                claims.serialize_entry(name, value)?;
            }
        }
        for (name, value) in self.added {
            claims.serialize_entry(name, value)?;
        }
        claims.end()
    }
}

/// The attribute at a dotted path.
fn attribute<'a>(attributes: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.');
    let first = attributes.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))
}
