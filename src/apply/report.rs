//! What an apply did, or would do: counted, and told member by member up to a bound.

use serde_json::{Map, Value, json};

use super::form::Form;
use crate::secret::Secret;

/// Changes that are told one by one; all of them are counted.
pub const CHANGES_TOLD_MAX: usize = 10_000;

/// What becomes of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Change,
    Delete,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
        }
    }
}

/// What an apply did, or with a dry run would do.
#[derive(Debug, Default)]
pub struct Report {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Things made.
    pub created: usize,
    /// Things changed.
    pub changed: usize,
    /// Things deleted.
    pub deleted: usize,
    /// Things that were as they should be.
    pub unchanged: usize,
    /// Secrets that were made. They are nowhere else.
    pub secrets: Vec<MadeSecret>,
    changes: Vec<Value>,
}

/// A secret that an apply made.
#[derive(Debug)]
pub struct MadeSecret {
    /// The OAuth client id.
    pub client_id: String,
    /// The client's name.
    pub display_name: String,
    /// The secret.
    pub secret: Secret,
}

impl Report {
    pub(super) fn new(dry_run: bool) -> Self {
        Self { dry_run, ..Self::default() }
    }

    /// Whether anything is, or would be, different.
    #[must_use]
    pub fn is_different(&self) -> bool {
        self.created + self.changed + self.deleted > 0
    }

    /// Counts a change, and tells it while there is room.
    pub(super) fn tell(
        &mut self,
        action: Action,
        resource_type: &str,
        name: &str,
        before: Option<&Form>,
        after: Option<&Form>,
    ) {
        let count = match action {
            Action::Create => &mut self.created,
            Action::Change => &mut self.changed,
            Action::Delete => &mut self.deleted,
        };
        *count += 1;
        if self.changes.len() < CHANGES_TOLD_MAX {
            self.changes.push(json!({
                "action": action.as_str(),
                "resourceType": resource_type,
                "name": name,
                "members": members(before, after),
            }));
        }
    }

    /// As the admin API shows it. The secrets are in it.
    #[must_use]
    pub fn into_json(self) -> Value {
        let told = self.changes.len();
        let is_different = self.is_different();
        let secrets: Vec<Value> = self
            .secrets
            .iter()
            .map(|made| {
                json!({
                    "clientId": made.client_id,
                    "displayName": made.display_name,
                    "clientSecret": made.secret.expose(),
                })
            })
            .collect();
        json!({
            "dryRun": self.dry_run,
            "different": is_different,
            "created": self.created,
            "changed": self.changed,
            "deleted": self.deleted,
            "unchanged": self.unchanged,
            "changes": self.changes,
            "changesNotTold": self.created + self.changed + self.deleted - told,
            "secrets": secrets,
        })
    }
}

/// The members that differ, each with both sides; null where it says nothing.
fn members(before: Option<&Form>, after: Option<&Form>) -> Vec<Value> {
    let none = Map::new();
    let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let names = after.keys().chain(gone).filter(|name| before.get(*name) != after.get(*name));
    names.map(|name| json!({"member": name, "before": before.get(name), "after": after.get(name)})).collect()
}
