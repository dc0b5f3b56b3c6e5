//! What all policies of a request said together, for as long as the same question comes back: one look-up instead of
//! one for each policy. It holds what [`answers`](super::answers) would give again, and nothing that failed.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Decided;
use super::answers::bytes_max;
use crate::config::PoliciesConfig;
use crate::decision::{Explanation, Verdict};
use crate::error::{Error, OAuthCode, Result};

/// What an explanation takes in memory, as a multiple of its text.
const MEMORY_PER_TEXT: u64 = 3;
/// Entries are about this large, which sizes the table.
const ENTRY_BYTES_TYPICAL: u64 = 4096;

/// How a chain ended, to be given again.
pub(super) struct Ending {
    outcome: Result<Decided, (OAuthCode, String)>,
    explanation: Arc<Explanation>,
}

impl Ending {
    /// `None` for an outcome that must not be given again: something failed.
    pub(super) fn of(outcome: &Result<Decided>, explanation: &Explanation) -> Option<Self> {
        if explanation.steps.iter().any(|step| step.effect.verdict == Verdict::Failed) {
            return None;
        }
        let outcome = match outcome {
            Ok(decided) => Ok(decided.clone()),
            Err(Error::OAuth { code, description }) => Err((*code, description.clone())),
            Err(_) => return None,
        };
        Some(Self { outcome, explanation: Arc::new(explanation.reused()) })
    }

    /// The same again.
    pub(super) fn again(&self) -> (Result<Decided>, Arc<Explanation>) {
        let outcome = match &self.outcome {
            Ok(decided) => Ok(decided.clone()),
            Err((code, description)) => Err(Error::oauth(*code, description.clone())),
        };
        (outcome, Arc::clone(&self.explanation))
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<[u8]>, Arc<Ending>> for Weight {
    fn weight(&self, key: &Box<[u8]>, ending: &Arc<Ending>) -> u64 {
        // The text that is kept, and the same members in memory: small texts take some twice their length there.
        let text = ending.explanation.kept().text.len() as u64;
        key.len() as u64 + MEMORY_PER_TEXT * text
    }
}

/// The bounded cache.
pub(super) struct Endings {
    reuse: bool,
    cache: Cache<Box<[u8]>, Arc<Ending>, Weight>,
}

impl Endings {
    pub(super) fn new(limits: &PoliciesConfig) -> Self {
        let bytes = bytes_max(limits);
        let entries = usize::try_from(bytes / ENTRY_BYTES_TYPICAL).unwrap_or(usize::MAX).max(1);
        Self { reuse: limits.reuse, cache: Cache::with_weighter(entries, bytes, Weight) }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Arc<Ending>> {
        if self.reuse { self.cache.get(key) } else { None }
    }

    /// What they weigh, about, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.cache.weight()
    }

    pub(super) fn put(&self, key: Box<[u8]>, ending: Ending) {
        if self.reuse {
            self.cache.insert(key, Arc::new(ending));
        }
    }
}
