//! Answers that may be reused: a policy is a pure function, so the same question has the same answer.
//!
//! The key holds, byte for byte, everything that a policy is given: the module, its settings, the account, the client
//! and the API as they are stored now, what was requested and offered, the lifetime, and the values of the inputs that
//! its manifest lists. Nothing has to be forgotten when something is written: the key is then another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};

use super::abi::{Context, Decision};
use crate::config::PoliciesConfig;
use crate::exact::Key;
use crate::secret::Hash;

/// What one entry takes beside its key and its decision's texts.
const ENTRY_BYTES: u64 = 200;
/// Entries are about this large, which sizes the table.
const ENTRY_BYTES_TYPICAL: u64 = 800;

/// Of `answers_kib`, half is for the answers of single policies and half for what whole chains of them said.
pub(super) fn bytes_max(limits: &PoliciesConfig) -> u64 {
    u64::from(limits.answers_kib) * 1024 / 2
}

/// What a policy is asked, by what makes it different from every other question.
pub(super) struct Question<'a> {
    pub(super) module_digest: &'a str,
    pub(super) settings_digest: &'a str,
    /// Digest of the account and the client as stored.
    pub(super) subject: &'a Hash,
    pub(super) auth_method: &'a str,
    /// Digest of the API as stored.
    pub(super) api: &'a Hash,
    pub(super) requested: &'a [String],
    pub(super) offered: &'a [String],
    pub(super) ttl_seconds: u32,
    pub(super) context: &'a Context,
}

impl Question<'_> {
    /// The key: no other question has it.
    pub(super) fn key(&self) -> Box<[u8]> {
        let mut key = Key::new();
        key.text(self.module_digest).text(self.settings_digest).text(self.auth_method);
        key.fixed(*self.subject).fixed(*self.api);
        key.texts(self.requested).texts(self.offered).number(self.ttl_seconds);
        add_context(&mut key, self.context);
        key.finish()
    }
}

/// Adds the inputs that a policy was given.
pub(super) fn add_context(key: &mut Key, context: &Context) {
    // The hour, the minute and the weekday follow from it.
    key.optional(context.time, |key, time| key.number(time.unix_seconds));
    for known in [&context.request_id, &context.remote_address, &context.user_agent] {
        key.optional(known.as_deref(), Key::text);
    }
    key.number(u32::try_from(context.parameters.len()).unwrap_or(u32::MAX));
    for (name, value) in &context.parameters {
        key.text(name).text(value);
    }
}

/// An answer that was given once, and what it cost then.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    pub(super) fuel: u64,
    pub(super) micros: u64,
}

/// How often answers were reused, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reuse {
    /// Questions whose answer was at hand.
    pub hits: u64,
    /// Questions that had to be asked.
    pub misses: u64,
    /// Answers that were dropped to keep within the bound.
    pub evictions: u64,
    /// Answers at hand now.
    pub entries: u64,
    /// What they weigh, and what is kept of whole chains, about, in bytes.
    pub bytes: u64,
}

/// The bounded cache.
pub(super) struct Answers {
    reuse: bool,
    cache: Cache<Box<[u8]>, Arc<Answer>, Weight, DefaultHashBuilder, Evictions>,
    evictions: Evictions,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<[u8]>, Arc<Answer>> for Weight {
    fn weight(&self, key: &Box<[u8]>, answer: &Arc<Answer>) -> u64 {
        let decision = match &answer.decision {
            Decision::Permit(permit) => {
                let scopes: usize = permit.scopes.iter().map(|scope| scope.len() + size_of::<String>()).sum();
                // Claims are kept parsed, at some multiple of their text.
                let claims = if permit.claims.is_empty() { 0 } else { 4 * super::abi::CLAIMS_BYTES_MAX };
                scopes + claims + permit.note.as_ref().map_or(0, String::len)
            }
            Decision::Deny(denial) => denial.code.len() + denial.reason.len(),
        };
        (key.len() + decision) as u64 + ENTRY_BYTES
    }
}

/// Counts what the cache drops.
#[derive(Clone, Default)]
struct Evictions(Arc<AtomicU64>);

impl Lifecycle<Box<[u8]>, Arc<Answer>> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Box<[u8]>, _: Arc<Answer>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Answers {
    pub(super) fn new(limits: &PoliciesConfig) -> Self {
        let bytes = bytes_max(limits);
        let entries = usize::try_from(bytes / ENTRY_BYTES_TYPICAL).unwrap_or(usize::MAX).max(1);
        let evictions = Evictions::default();
        let cache = Cache::with(entries, bytes, Weight, DefaultHashBuilder::default(), evictions.clone());
        Self { reuse: limits.reuse, cache, evictions, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The answer to the question with this key, if it was given.
    pub(super) fn get(&self, key: &[u8]) -> Option<Arc<Answer>> {
        let found = if self.reuse { self.cache.get(key) } else { None };
        if found.is_some() {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Answers that came with others, out of what the whole chain said.
    pub(super) fn note_hits(&self, answers: usize) {
        self.hits.fetch_add(answers as u64, Ordering::Relaxed);
    }

    /// A question that had to be asked, however that ended.
    pub(super) fn note_miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn put(&self, key: Box<[u8]>, answer: Arc<Answer>) {
        if self.reuse {
            self.cache.insert(key, answer);
        }
    }

    pub(super) fn reuse(&self) -> Reuse {
        Reuse {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: self.evictions.0.load(Ordering::Relaxed),
            entries: self.cache.len() as u64,
            bytes: self.cache.weight(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::abi::{Denial, Instant, Permit};
    use proptest::prelude::*;

    /// Everything that a key is made from, owned and comparable.
    #[derive(Clone, Debug, PartialEq)]
    struct Parts {
        texts: [String; 3],
        hashes: [u8; 2],
        requested: Vec<String>,
        offered: Vec<String>,
        ttl: u32,
        context: Context,
    }

    impl Parts {
        fn key(&self) -> Box<[u8]> {
            Question {
                module_digest: &self.texts[0],
                settings_digest: &self.texts[1],
                auth_method: &self.texts[2],
                subject: &[self.hashes[0]; 32],
                api: &[self.hashes[1]; 32],
                requested: &self.requested,
                offered: &self.offered,
                ttl_seconds: self.ttl,
                context: &self.context,
            }
            .key()
        }
    }

    fn parts() -> impl Strategy<Value = Parts> {
        // Few and short values, so that neighbours that could run together do occur.
        let text = || "[ab]{0,2}";
        let list = || proptest::collection::vec("[ab]{0,2}", 0..3);
        let context = (
            proptest::option::of(0..3_u32),
            proptest::option::of(text()),
            proptest::option::of(text()),
            proptest::option::of(text()),
            proptest::collection::vec((text(), text()), 0..2),
        )
            .prop_map(|(time, request_id, remote_address, user_agent, parameters)| Context {
                time: time.map(|unix_seconds| Instant { unix_seconds, ..Instant::default() }),
                request_id,
                remote_address,
                user_agent,
                parameters,
            });
        ([text(), text(), text()], [0..2_u8, 0..2_u8], list(), list(), 0..3_u32, context).prop_map(
            |(texts, hashes, requested, offered, ttl, context)| Parts {
                texts,
                hashes,
                requested,
                offered,
                ttl,
                context,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_key_is_exact(a in parts(), b in parts()) {
            prop_assert_eq!(a == b, a.key() == b.key());
            prop_assert_eq!(a.key(), a.clone().key());
        }
    }

    #[test]
    fn the_cache_is_bounded_and_counts() {
        let answers = Answers::new(&PoliciesConfig { answers_kib: 64, ..PoliciesConfig::default() });
        let permit = Permit { scopes: vec!["s".repeat(500)], ..Permit::default() };
        let answer = Arc::new(Answer { decision: Decision::Permit(permit), fuel: 1, micros: 1 });
        for n in 0..1000_u32 {
            answers.note_miss();
            answers.put(n.to_le_bytes().into(), Arc::clone(&answer));
        }
        assert!(answers.get(&999_u32.to_le_bytes()).is_some());
        assert!(answers.get(b"no such key").is_none());
        let reuse = answers.reuse();
        assert_eq!((reuse.hits, reuse.misses), (1, 1000));
        assert!(reuse.bytes <= 32 * 1024 && reuse.entries < 50, "{reuse:?}");
        assert!(reuse.evictions > 800, "{reuse:?}");
        let denial = Decision::Deny(Denial { code: "c".into(), reason: "r".into() });
        answers.put(Box::new([1]), Arc::new(Answer { decision: denial, fuel: 1, micros: 1 }));
    }
}
