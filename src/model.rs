//! The words of grantd: what is stored, how it is written in JSON, and what a valid one is.
//!
//! Constructors parse: a value of these types was checked. Nothing here knows HTTP or SQL.

pub mod api;
pub mod api_token;
pub mod caller;
pub mod console_session;
pub mod credential;
pub mod digest;
pub mod fields;
pub mod grant;
pub mod id;
pub mod machine_to_machine;
pub mod policy;
pub mod scope;
pub mod service_account;

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::model::fields::Fields;
use crate::model::id::Id;

/// What every resource carries beside its own members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub last_modified: Timestamp,
    /// Counts its changes, from 1.
    pub revision: i64,
}

/// A stored resource: its identity and its members.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<R> {
    /// Its id.
    pub id: Id,
    /// Its times and revision.
    pub meta: Meta,
    /// Its own members.
    pub value: R,
}

/// A type of the admin API. Everything generic about it (envelope, list, PATCH, audit) follows from these.
pub trait Resource: Clone + PartialEq + Send + 'static {
    /// Its name on the wire, in paths too: `ServiceAccount`.
    const TYPE: &'static str;
    /// Its other name in paths: `ServiceAccounts`.
    const PLURAL: &'static str;
    /// The members that a caller may write.
    const WRITABLE: &'static [&'static str];

    /// Reads a whole resource out of a body. `current` is what a PUT or PATCH replaces: members that are
    /// fixed for life are compared with it, and what only the server writes is taken from it. Violations
    /// gather in `fields`; when there are any, the value is not used.
    fn parse(fields: &mut Fields<'_>, current: Option<&Self>) -> Self;

    /// Every member, as on the wire.
    fn members(&self) -> Map<String, Value>;
}

/// Members that every body may carry and that are read-only: a resource that was read can be sent back whole.
pub const ENVELOPE_MEMBERS: &[&str] = &["schemas", "id", "meta", "Revision", "revision"];

impl<R: Resource> Record<R> {
    /// The resource as the admin API shows it: its members, `id` and `meta`.
    #[must_use]
    pub fn to_json(&self, public_url: &str) -> Map<String, Value> {
        let mut all = Map::new();
        all.insert("id".to_owned(), json!(self.id.as_str()));
        all.append(&mut self.value.members());
        all.insert(
            "meta".to_owned(),
            json!({
                "tenantId": "default",
                "appId": "cid",
                "resourceType": R::TYPE,
                "created": self.meta.created.to_string(),
                "lastModified": self.meta.last_modified.to_string(),
                "revision": self.meta.revision,
                "location": format!("{public_url}/api/v1/resources/cid/{}/{}", R::TYPE, self.id),
            }),
        );
        all
    }

    /// The members that a caller may write: what PATCH works on.
    #[must_use]
    pub fn writable_json(&self) -> Map<String, Value> {
        self.value.members().into_iter().filter(|(name, _)| R::WRITABLE.contains(&name.as_str())).collect()
    }
}
