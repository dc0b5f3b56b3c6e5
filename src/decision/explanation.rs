//! What the policies of a request were given and what they said. While answers are reused it is the same from request
//! to request, so it is shared in memory, and kept once in the database for all decisions that rest on it.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Given, Step};
use crate::secret::Hash;

/// What a step takes of memory beside its lists: names, digests, times.
const STEP_BYTES: usize = 1024;
/// What was given takes so much beside attributes and scopes: ids and names.
const GIVEN_BYTES: usize = 512;
/// What a member takes of memory beside its name and what its value refers to.
const PAIR_BYTES: usize = 2 * size_of::<String>() + size_of::<Value>();

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
    /// Whether what keeps answers for later requests has it too.
    #[serde(skip)]
    is_shared: bool,
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
        Self { claims, given, steps, is_shared: false, kept: OnceLock::new() }
    }

    /// The same for whoever gets this answer again: nothing was asked for it.
    pub(crate) fn reused(&self) -> Self {
        let steps = self.steps.iter().map(|step| Step { reused: true, ..step.clone() }).collect();
        Self { is_shared: true, ..Self::new(self.given.clone(), steps, self.claims.clone()) }
    }

    /// About what it takes of memory for one decision alone.
    pub(super) fn own_bytes(&self) -> usize {
        if self.is_shared {
            return 0;
        }
        let Given { account, client, api, .. } = &self.given;
        let given = [&account.attributes, &client.attributes, &api.attributes].map(object_bytes).iter().sum::<usize>();
        let step = |step: &Step| {
            let context = step.context.parameters.iter().map(|(name, value)| name.len() + value.len() + PAIR_BYTES);
            let agent = step.context.user_agent.as_ref().map_or(0, String::len);
            let effect = &step.effect;
            let lists = texts_bytes(&step.offered) + texts_bytes(&effect.left);
            let words = [&effect.note, &effect.reason].into_iter().flatten().map(String::len).sum::<usize>();
            STEP_BYTES + lists + context.sum::<usize>() + agent + object_bytes(&effect.claims) + words
        };
        GIVEN_BYTES
            + given
            + texts_bytes(&api.scopes)
            + object_bytes(&self.claims)
            + self.steps.iter().map(step).sum::<usize>()
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

/// About what a list of texts takes of memory.
pub(super) fn texts_bytes(texts: &[String]) -> usize {
    texts.iter().map(|text| size_of::<String>() + text.len()).sum()
}

fn object_bytes(object: &Map<String, Value>) -> usize {
    object.iter().map(|(name, value)| PAIR_BYTES + name.len() + value_bytes(value)).sum()
}

/// What it refers to; itself it lies in what holds it.
fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| size_of::<Value>() + value_bytes(item)).sum(),
        Value::Object(object) => object_bytes(object),
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation").field("steps", &self.steps).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Effect, Verdict};
    use crate::policy::abi::{self, Context};
    use serde_json::json;

    #[test]
    fn what_a_caller_can_make_long_is_weighed() {
        let step = |parameter: &str| Step {
            policy_id: String::new(),
            policy: String::new(),
            level: String::new(),
            mode: String::new(),
            module_digest: String::new(),
            module: String::new(),
            settings_digest: String::new(),
            revision: 1,
            offered: Vec::new(),
            offered_ttl_seconds: 1,
            context: Context { parameters: vec![("p".to_owned(), parameter.to_owned())], ..Context::default() },
            effect: Effect {
                verdict: Verdict::Permit,
                left: Vec::new(),
                ttl_seconds: 1,
                claims: Map::new(),
                note: None,
                code: None,
                reason: None,
            },
            reused: false,
            fuel: 0,
            micros: 0,
        };
        let given = |text: &str| {
            let Value::Object(attributes) = json!({"a": [{"b": text}, 1, null]}) else { unreachable!() };
            Given {
                account: abi::Account { attributes, ..abi::Account::default() },
                client: abi::Client::default(),
                api: abi::Api::default(),
                grant_type: String::new(),
            }
        };
        let long = "x".repeat(10_000);
        let bytes = |attribute: &str, parameter: &str| {
            Explanation::new(given(attribute), vec![step(parameter)], Map::new()).own_bytes()
        };
        let small = bytes("", "");
        assert_eq!(bytes(&long, "") - small, 10_000);
        assert_eq!(bytes("", &long) - small, 10_000);
        let shared = Explanation::new(given(&long), vec![step(&long)], Map::new()).reused();
        assert_eq!(shared.own_bytes(), 0, "what is kept for later requests is bounded there");
    }
}
