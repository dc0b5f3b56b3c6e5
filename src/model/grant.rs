//! Grant: this account may have these scopes at this API.

use serde_json::{Map, Value, json};

use super::Resource;
use super::api::SCOPES_MAX;
use super::fields::{Fields, free_text, reference_name};
use crate::clock::Timestamp;
use crate::model::scope::check_scope_token;

/// The ceiling of what a service account can get at an API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Fixed for life. As written by the caller, an id or a userName, until the store resolves it.
    pub service_account_id: String,
    /// Fixed for life. As written by the caller, an id or an appId, until the store resolves it.
    pub api_id: String,
    /// At least one, each defined by the API.
    pub scopes: Vec<String>,
    /// Not before this.
    pub not_before: Option<Timestamp>,
    /// Not from this on.
    pub expires_at: Option<Timestamp>,
    /// Why it was granted.
    pub reason: String,
}

impl Grant {
    /// Whether it holds now.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= now) && self.expires_at.is_none_or(|end| now < end)
    }
}

impl Resource for Grant {
    const TYPE: &'static str = "Grant";
    const PLURAL: &'static str = "Grants";
    const WRITABLE: &'static [&'static str] =
        &["serviceAccountId", "apiId", "scopes", "notBefore", "expiresAt", "reason"];

    fn parse(fields: &mut Fields<'_>, _current: Option<&Self>) -> Self {
        let grant = Self {
            service_account_id: fields.text("serviceAccountId", reference_name),
            api_id: fields.text("apiId", reference_name),
            scopes: fields.text_list("scopes", SCOPES_MAX, check_scope_token),
            not_before: fields.time("notBefore"),
            expires_at: fields.time("expiresAt"),
            reason: fields.optional_text("reason", free_text).unwrap_or_default(),
        };
        if fields.raw("scopes").is_none_or(|scopes| scopes.as_array().is_some_and(Vec::is_empty)) {
            fields.violate("scopes", "name at least one scope; delete the grant to take all of them away");
        }
        if let (Some(start), Some(end)) = (grant.not_before, grant.expires_at)
            && end <= start
        {
            fields.violate("expiresAt", "must be later than notBefore");
        }
        grant
    }

    fn members(&self) -> Map<String, Value> {
        let Value::Object(members) = json!({
            "serviceAccountId": self.service_account_id,
            "apiId": self.api_id,
            "scopes": self.scopes,
            "notBefore": self.not_before.map(|time| time.to_string()),
            "expiresAt": self.expires_at.map(|time| time.to_string()),
            "reason": self.reason,
        }) else {
            return Map::new();
        };
        members
    }
}
