//! What the console keeps in memory until it is taken once: sign-in links, secrets on their way to the screen,
//! and where a form led, for those who send it twice.
//!
//! It is bounded, ends with the process, and holds nothing longer than a day. Keys are secrets of 256 random bits
//! and are kept by their hash alone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::secret::{Hash, Secret};

/// Things that wait at a time; the one that ends first makes room for another.
const WAITING_MAX: usize = 1000;

/// Something that is kept to be taken.
#[derive(Debug)]
pub(crate) enum Kept {
    /// A sign-in link of the API token with this id.
    SignIn { api_token_id: String },
    /// A secret to be shown to the session with this id.
    Shown { session_id: String, secret: Secret },
    /// Where a form, which is known by this key, led.
    Led { to: String },
}

/// What is kept, each under the hash of its key.
#[derive(Debug, Default)]
pub(crate) struct OneTime {
    kept: Mutex<HashMap<Hash, (Timestamp, Kept)>>,
    turn: Mutex<()>,
}

impl OneTime {
    /// Keeps something until it is taken, or until `ends_at`.
    pub(crate) fn keep(&self, key: Hash, kept: Kept, now: Timestamp, ends_at: Timestamp) {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (ends_at, _)| now < *ends_at);
        if all.len() >= WAITING_MAX
            && let Some(first) = all.iter().min_by_key(|(_, (ends_at, _))| *ends_at).map(|(key, _)| *key)
        {
            all.remove(&first);
        }
        all.insert(key, (ends_at, kept));
    }

    /// Takes what is kept under a key: the next one who asks gets nothing.
    pub(crate) fn take(&self, key: &Hash, now: Timestamp) -> Option<Kept> {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(key).filter(|(ends_at, _)| now < *ends_at).map(|(_, kept)| kept)
    }

    /// Held by whoever asks [`OneTime::led_to`] and then does it: two clicks at once must not do it twice.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the form with this key led, if it was sent before. This can be asked again.
    pub(crate) fn led_to(&self, key: &Hash, now: Timestamp) -> Option<String> {
        let all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(key) {
            Some((ends_at, Kept::Led { to })) if now < *ends_at => Some(to.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn link(id: &str) -> Kept {
        Kept::SignIn { api_token_id: id.to_owned() }
    }

    #[test]
    fn what_is_kept_is_taken_once_and_in_time() {
        let kept = OneTime::default();
        kept.keep([1; 32], link("a"), at(0), at(10));
        kept.keep([2; 32], link("b"), at(0), at(10));
        assert!(matches!(kept.take(&[1; 32], at(9)), Some(Kept::SignIn { api_token_id }) if api_token_id == "a"));
        assert!(kept.take(&[1; 32], at(9)).is_none());
        assert!(kept.take(&[2; 32], at(10)).is_none());
        assert!(kept.take(&[3; 32], at(0)).is_none());
    }

    #[test]
    fn where_a_form_led_can_be_asked_again() {
        let kept = OneTime::default();
        kept.keep([1; 32], Kept::Led { to: "/there".to_owned() }, at(0), at(10));
        assert_eq!(kept.led_to(&[1; 32], at(1)).as_deref(), Some("/there"));
        assert_eq!(kept.led_to(&[1; 32], at(2)).as_deref(), Some("/there"));
        assert_eq!(kept.led_to(&[1; 32], at(10)), None);
    }

    #[test]
    fn it_stays_within_its_bound() {
        let kept = OneTime::default();
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            key
        };
        for number in 0..WAITING_MAX + 5 {
            let ends_at = i64::try_from(1000 + number).unwrap();
            kept.keep(key(number), link("x"), at(0), at(ends_at));
        }
        assert!((0..5).all(|number| kept.take(&key(number), at(0)).is_none()), "the ones that end first are gone");
        assert!((5..WAITING_MAX + 5).all(|number| kept.take(&key(number), at(0)).is_some()));
    }
}
