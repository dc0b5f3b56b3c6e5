//! What decisions said lately: a decision that says the same refers to the first that said it.

use std::collections::HashMap;

use crate::store::CONTENT_REACH;

/// Memory for the keys, about 100,000 of typical ones. Beyond that all of them are forgotten: who says one again is the first
/// anew.
const BYTES_MAX: usize = 24 * 1024 * 1024;
/// What one takes beside its key.
const ENTRY_BYTES: usize = 40;

/// Contents, each with the `seq` of the first decision that said it.
#[derive(Default)]
pub(super) struct Known {
    first: HashMap<Box<[u8]>, i64>,
    bytes: usize,
}

impl Known {
    /// Which decision was the first to say what decision `seq` says; `key` tells it from everything else. Its own `seq` when
    /// none was before it, or too long ago.
    pub(super) fn first_to_say(&mut self, key: &[u8], seq: i64) -> i64 {
        if let Some(first) = self.first.get(key)
            && seq - first < CONTENT_REACH
        {
            return *first;
        }
        let bytes = key.len() + ENTRY_BYTES;
        if self.bytes + bytes > BYTES_MAX {
            self.forget();
        }
        if self.first.insert(key.into(), seq).is_none() {
            self.bytes += bytes;
        }
        seq
    }

    /// What was said first may not have been written.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_before_is_known_for_a_while() {
        let mut known = Known::default();
        assert_eq!(known.first_to_say(b"a", 8), 8);
        assert_eq!(known.first_to_say(b"b", 9), 9);
        assert_eq!(known.first_to_say(b"a", 10), 8);
        assert_eq!(known.first_to_say(b"a", 8 + CONTENT_REACH - 1), 8);
        assert_eq!(known.first_to_say(b"a", 8 + CONTENT_REACH), 8 + CONTENT_REACH);
        assert_eq!(known.first_to_say(b"a", 9 + CONTENT_REACH), 8 + CONTENT_REACH);
        known.forget();
        assert_eq!(known.first_to_say(b"a", 10 + CONTENT_REACH), 10 + CONTENT_REACH);
    }

    #[test]
    fn memory_is_bounded() {
        let mut known = Known::default();
        let key = |n: i64| [&n.to_le_bytes()[..], &[0; 10_000]].concat();
        for n in 0..5000 {
            assert_eq!(known.first_to_say(&key(n), n), n);
            assert!(known.bytes <= BYTES_MAX && known.first.len() * (10_000 + ENTRY_BYTES) <= BYTES_MAX);
        }
        assert_eq!(known.first_to_say(&key(4999), 5000), 4999);
    }
}
