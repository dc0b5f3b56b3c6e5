//! Step 5, what a token says: the claims of RFC 9068 2.2, and those that its API and its policies add.
//!
//! What is the same in every token of a client at an API is written once, and kept beside the grant that it is of.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::json;
use crate::model::api::{ClaimSource, RESERVED_CLAIMS};
use crate::model::id::Id;
use crate::store::{ApiView, ClientView};

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
    /// `aud`, and extra claims; something is granted to the client there
    pub(crate) api: &'a ApiView,
    /// `scp`, and `scope`: the same, separated by blanks
    pub(crate) scopes: &'a [String],
    pub(crate) scope: &'a str,
    /// `exp`, from `iat`
    pub(crate) lifetime_seconds: i64,
    /// Claims that policies add: none of them is one of the others.
    pub(crate) added: &'a Map<String, Value>,
}

/// About what the claims that change take beside the scopes.
const CHANGING_BYTES: usize = 160;

fn unwritten(error: &serde_json::Error) -> Error {
    Error::Internal(format!("claims cannot be written: {error}"))
}

impl Claims<'_> {
    /// The JSON text to sign.
    ///
    /// # Errors
    /// `Internal`: nothing is granted to the client at the API, or a claim has no JSON form.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        let fixed = fixed_claims(self.client, self.api)?;
        let mut text = Vec::with_capacity(self.issuer.len() + fixed.len() + 2 * self.scope.len() + CHANGING_BYTES);
        text.extend_from_slice(br#"{"iss":"#);
        serde_json::to_writer(&mut text, self.issuer).map_err(|error| unwritten(&error))?;
        text.push(b',');
        text.extend_from_slice(fixed);
        json::end_object(&mut text, self).map_err(|error| unwritten(&error))?;
        Ok(text)
    }
}

/// Those that change from token to token.
impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let iat = self.issued_at.unix_seconds();
        let mut claims = serializer.serialize_map(None)?;
        claims.serialize_entry("iat", &iat)?;
        claims.serialize_entry("nbf", &iat)?;
        claims.serialize_entry("exp", &(iat + self.lifetime_seconds))?;
        claims.serialize_entry("jti", self.jti.as_str())?;
        // Both forms: RFC 9068 says the string, and many resource servers read the array.
        claims.serialize_entry("scope", self.scope)?;
        claims.serialize_entry("scp", self.scopes)?;
        for (name, value) in self.added {
            claims.serialize_entry(name, value)?;
        }
        claims.end()
    }
}

/// Those that every token of a client at an API has, as the members of an object, without its braces. Kept for as long as
/// the client and the API stay as they are.
fn fixed_claims<'a>(client: &'a ClientView, api: &ApiView) -> Result<&'a [u8]> {
    let grant = client.grants.iter().find(|grant| grant.api.id == api.id);
    let grant = grant.ok_or_else(|| Error::Internal("a token is for an API at which nothing is granted".to_owned()))?;
    if let Some(kept) = grant.fixed_claims.get() {
        return Ok(kept);
    }
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), client.account_id.as_str().into());
    claims.insert("aud".to_owned(), api.aud().into());
    claims.insert("client_id".to_owned(), client.client_id.as_str().into());
    for (name, source) in &api.claims {
        let value = match source {
            ClaimSource::Value(value) => Some(value),
            ClaimSource::Attribute(path) => attribute(&client.account_attributes, path),
        };
        // Reserved names are refused when an API is saved; a database edited by hand must not get round it.
        if let Some(value) = value.filter(|_| !RESERVED_CLAIMS.contains(&name.as_str())) {
            claims.insert(name.clone(), value.clone());
        }
    }
    let text = serde_json::to_vec(&claims).map_err(|error| unwritten(&error))?;
    let members = text.get(1..text.len() - 1).unwrap_or_default();
    Ok(grant.fixed_claims.get_or_init(|| members.into()))
}

/// The attribute at a dotted path.
fn attribute<'a>(attributes: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.');
    let first = attributes.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))
}
