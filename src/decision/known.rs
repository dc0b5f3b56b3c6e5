//! What decisions said lately and the database has: each under its number, within a bound.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::store::CONTENT_GRAIN_MS;

/// Memory for the keys, about 100,000 of typical ones. Beyond that all of them are forgotten, and written again when they
/// come again.
const BYTES_MAX: usize = 24 * 1024 * 1024;
/// What one takes beside its key.
const ENTRY_BYTES: usize = 48;

/// The contents that decisions can refer to.
pub(super) struct Known {
    numbers: HashMap<Box<[u8]>, (i64, Timestamp)>,
    bytes: usize,
    last: i64,
}

/// The number of a content.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// It is in the database.
    Known(i64),
    /// It has to be written, under this number, with the decision that says it.
    New(i64),
}

impl Known {
    /// Nothing, where the database has contents up to this number.
    pub(super) fn after(last: i64) -> Self {
        Self { numbers: HashMap::new(), bytes: 0, last }
    }

    /// The number of what a decision of `at` says; `key` tells it from everything else.
    pub(super) fn number(&mut self, key: &[u8], at: Timestamp) -> Number {
        if let Some((number, since)) = self.numbers.get(key)
            && at.since_ms(*since) < CONTENT_GRAIN_MS
        {
            return Number::Known(*number);
        }
        let bytes = key.len() + ENTRY_BYTES;
        if self.bytes + bytes > BYTES_MAX {
            self.forget();
        }
        self.last += 1;
        if self.numbers.insert(key.into(), (self.last, at)).is_none() {
            self.bytes += bytes;
        }
        Number::New(self.last)
    }

    /// Whatever was new may not have been written.
    pub(super) fn forget(&mut self) {
        self.numbers = HashMap::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_new_once_an_hour_and_after_it_was_forgotten() {
        let mut known = Known::after(7);
        let at = Timestamp::from_ms;
        assert_eq!(known.number(b"a", at(0)), Number::New(8));
        assert_eq!(known.number(b"b", at(0)), Number::New(9));
        assert_eq!(known.number(b"a", at(CONTENT_GRAIN_MS - 1)), Number::Known(8));
        assert_eq!(known.number(b"a", at(-CONTENT_GRAIN_MS)), Number::Known(8), "a clock that was set back");
        assert_eq!(known.number(b"a", at(CONTENT_GRAIN_MS)), Number::New(10));
        assert_eq!(known.number(b"a", at(2 * CONTENT_GRAIN_MS - 1)), Number::Known(10));
        known.forget();
        assert_eq!(known.number(b"a", at(2 * CONTENT_GRAIN_MS - 1)), Number::New(11));
    }

    #[test]
    fn memory_is_bounded() {
        let mut known = Known::after(0);
        let key = |n: usize| [&n.to_le_bytes()[..], &[0; 10_000]].concat();
        for n in 0..5000 {
            assert_eq!(known.number(&key(n), Timestamp::from_ms(0)), Number::New(n as i64 + 1));
            assert!(known.bytes <= BYTES_MAX && known.numbers.len() * (10_000 + ENTRY_BYTES) <= BYTES_MAX);
        }
        assert_eq!(known.number(&key(4999), Timestamp::from_ms(0)), Number::Known(5000));
    }
}
