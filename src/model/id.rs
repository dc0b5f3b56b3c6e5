//! Ids and client ids: how they look and how they are made.

use std::fmt;

use arrayvec::ArrayString;

use crate::clock::{Clock, Timestamp};

/// Letters and digits in ASCII order, so that ids of equal length sort by their number.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^22 just exceeds 2^128.
const ID_CHARS: usize = 22;
pub(crate) const CLIENT_ID_CHARS: usize = 32;

/// 22 characters of `[0-9A-Za-z]`: 48 bits of Unix milliseconds, then 80 random bits. Later ids sort later.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(ArrayString<ID_CHARS>);

impl Id {
    /// A new id for something made at `now`.
    #[must_use]
    pub fn new(clock: &Clock, now: Timestamp) -> Self {
        let mut bytes = [0_u8; 16];
        clock.fill_id(&mut bytes[6..]);
        bytes[..6].copy_from_slice(&now.ms().to_be_bytes()[2..]);
        Self(base62_fixed(u128::from_be_bytes(bytes)))
    }

    /// The first of all ids that something made at this Unix millisecond may have.
    pub(crate) fn first_of(ms: i64) -> Self {
        Self(base62_fixed(u128::from(ms.unsigned_abs()) << 80))
    }

    /// `None` unless the text has the form of an id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == ID_CHARS && text.bytes().all(|b| b.is_ascii_alphanumeric());
        ArrayString::from(text).ok().filter(|_| fits).map(Self)
    }

    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Id").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// 22 base-62 digits, most significant first.
fn base62_fixed(number: u128) -> ArrayString<ID_CHARS> {
    // Dividing u128 is slow: two cuts leave three numbers that fit u64.
    const CHUNK_DIGITS: usize = 10;
    const CHUNK: u128 = 62_u128.pow(10);
    let mut digits = [b'0'; ID_CHARS];
    let mut rest = number;
    let mut end = ID_CHARS;
    while end > 0 {
        let start = end.saturating_sub(CHUNK_DIGITS);
        let mut chunk = (rest % CHUNK) as u64;
        rest /= CHUNK;
        for digit in digits[start..end].iter_mut().rev() {
            *digit = BASE62[(chunk % 62) as usize];
            chunk /= 62;
        }
        end = start;
    }
    // Letters and digits are always text.
    ArrayString::from_byte_string(&digits).unwrap_or_default()
}

/// `count` characters of `[0-9A-Za-z]`, each with the same chance if `fill` gives random bytes.
pub(crate) fn base62_from(count: usize, mut fill: impl FnMut(&mut [u8; 32])) -> String {
    let mut text = String::with_capacity(count);
    let mut bytes = [0_u8; 32];
    while text.len() < count {
        fill(&mut bytes);
        // 248 is the largest multiple of 62 below 256: what lies above would favour the first characters.
        let fair = bytes.iter().filter(|&&b| b < 248).take(count - text.len());
        text.extend(fair.map(|&b| char::from(BASE62[usize::from(b % 62)])));
    }
    text
}

/// A new OAuth `client_id`: 32 letters and digits.
#[must_use]
pub fn new_client_id(clock: &Clock) -> String {
    base62_from(CLIENT_ID_CHARS, |bytes| clock.fill(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_fixed_width_and_sort_by_time() {
        let fixed = |number| Id(base62_fixed(number)).to_string();
        assert_eq!(fixed(0), "0".repeat(22));
        assert_eq!(fixed(61), format!("{}z", "0".repeat(21)));
        assert_eq!(fixed(62_u128.pow(10)), format!("{}1{}", "0".repeat(11), "0".repeat(10)));
        assert_eq!(fixed(u128::MAX), "7n42DGM5Tflk9n8mt7Fhc7");
        let clock = Clock::system();
        let ids: Vec<Id> = (0..200).map(|ms| Id::new(&clock, Timestamp::from_ms(ms * 86_400_000))).collect();
        assert!(ids.is_sorted());
        for (id, ms) in ids.iter().zip(0..) {
            let ms = ms * 86_400_000;
            assert!(Id::first_of(ms) <= *id && *id < Id::first_of(ms + 1));
        }
        assert!(ids.iter().all(|id| Id::parse(id.as_str()).is_some()));
        assert_eq!(Id::parse("short"), None);
        assert_eq!(Id::parse("aaaaaaaaaaaaaaaaaaaaa/"), None);
    }

    #[test]
    fn client_ids_are_32_letters_and_digits() {
        let id = new_client_id(&Clock::system());
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
