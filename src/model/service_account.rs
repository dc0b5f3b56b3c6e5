//! ServiceAccount: who a token is about.

use serde_json::{Map, Value, json};

use super::Resource;
use super::fields::{Fields, display_name, reference_name};

/// A machine's identity: its id is the `sub` of its tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceAccount {
    /// Unique, compared without regard to ASCII case.
    pub user_name: String,
    /// For people.
    pub display_name: String,
    /// An inactive account gets no token.
    pub active: bool,
    /// Free members; claims can be mapped from them.
    pub attributes: Map<String, Value>,
}

impl Resource for ServiceAccount {
    const TYPE: &'static str = "ServiceAccount";
    const PLURAL: &'static str = "ServiceAccounts";
    const WRITABLE: &'static [&'static str] = &["userName", "displayName", "active", "attributes"];

    fn parse(fields: &mut Fields<'_>, _current: Option<&Self>) -> Self {
        let user_name = fields.text("userName", reference_name);
        Self {
            display_name: fields.optional_text("displayName", display_name).unwrap_or_else(|| user_name.clone()),
            // As in Crossid: an account is made first and switched on when it is ready.
            active: fields.flag("active", false),
            attributes: fields.free_object("attributes"),
            user_name,
        }
    }

    fn members(&self) -> Map<String, Value> {
        let Value::Object(members) = json!({
            "userName": self.user_name,
            "displayName": self.display_name,
            "active": self.active,
            "attributes": self.attributes,
        }) else {
            return Map::new();
        };
        members
    }
}
