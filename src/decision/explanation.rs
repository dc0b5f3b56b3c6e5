//! What the policies of a request were given and what they said. While answers are reused it is the same from request
//! to request, so it is shared in memory, and kept once in the database for all decisions that rest on it.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Given, Step};
use crate::secret::Hash;

/// The policies' part of a decision.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Claims that the policies add.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// What every policy was given.
    pub given: Given,
    /// Each policy in the order in which they were asked.
    pub steps: Vec<Step>,
    #[serde(skip)]
    kept: OnceLock<Kept>,
}

/// How it is kept.
pub(crate) struct Kept {
    /// SHA-256 of the text: its name.
    pub(crate) digest: Hash,
    /// JSON.
    pub(crate) text: String,
    /// The ids of the policies, as a JSON array: what lists find it by.
    pub(crate) policies: String,
}

impl Explanation {
    pub(crate) fn new(given: Given, steps: Vec<Step>, claims: Map<String, Value>) -> Self {
        Self { claims, given, steps, kept: OnceLock::new() }
    }

    /// The same for whoever gets this answer again: nothing was asked for it.
    pub(crate) fn reused(&self) -> Self {
        let steps = self.steps.iter().map(|step| Step { reused: true, ..step.clone() }).collect();
        Self::new(self.given.clone(), steps, self.claims.clone())
    }

    /// How it is kept; made once, however many decisions rest on it.
    pub(crate) fn kept(&self) -> &Kept {
        self.kept.get_or_init(|| {
            // Texts, numbers and JSON values always have a JSON form.
            let text = serde_json::to_string(self).unwrap_or_default();
            let policies = self.steps.iter().map(|step| step.policy_id.as_str()).collect::<Vec<_>>();
            let mut hash = Hash::default();
            hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
            Kept { digest: hash, text, policies: Value::from(policies).to_string() }
        })
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation").field("steps", &self.steps).finish_non_exhaustive()
    }
}
