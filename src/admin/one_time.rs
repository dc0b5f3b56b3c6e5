//! What the console keeps in memory until it is taken once: sign-in links, secrets on their way to the screen,
//! and where a form led, for those who send it twice.
//!
//! It is bounded, ends with the process, and holds nothing longer than a day. Keys are secrets of 256 random bits
//! and are kept by their hash alone.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::secret::{Hash, Secret};

/// Things of one kind that are kept at a time; the one that ends first makes room for another.
const KEPT_MAX: usize = 1000;
/// Those of one owner among them: nobody makes so many that others' go.
const KEPT_PER_OWNER_MAX: usize = 50;

/// Something that is kept to be taken.
#[derive(Debug)]
pub(crate) enum Kept {
    /// A sign-in link of the API token with this id.
    SignIn { api_token_id: String },
    /// A secret to be shown to the session with this id.
    Shown { session_id: String, secret: Secret },
}

/// What is kept, each under the hash of its key.
#[derive(Debug, Default)]
pub(crate) struct OneTime {
    kept: Mutex<Shelf<Kept>>,
    /// Where forms led.
    led: Mutex<Shelf<String>>,
    /// The forms that are being obeyed, each by a thread that blocks: there are no more of them than such threads.
    obeyed: Mutex<HashSet<Hash>>,
    ended: Condvar,
}

impl OneTime {
    /// Keeps something until it is taken, or until `ends_at`.
    pub(crate) fn keep(&self, key: Hash, kept: Kept, now: Timestamp, ends_at: Timestamp) {
        let owner = match &kept {
            Kept::SignIn { api_token_id } => api_token_id.clone(),
            Kept::Shown { session_id, .. } => session_id.clone(),
        };
        held(&self.kept).put(key, Place { ends_at, owner, item: kept }, now);
    }

    /// Takes what is kept under a key: the next one who asks gets nothing.
    pub(crate) fn take(&self, key: &Hash, now: Timestamp) -> Option<Kept> {
        held(&self.kept).0.remove(key).filter(|place| now < place.ends_at).map(|place| place.item)
    }

    /// Held by whoever asks [`OneTime::led_to`] of a form and then does it: two clicks at once must not do it twice.
    /// Blocks while another holds that form's.
    pub(crate) fn turn(&self, form: Hash) -> Turn<'_> {
        let obeyed = held(&self.obeyed);
        let waited = self.ended.wait_while(obeyed, |obeyed| obeyed.contains(&form));
        waited.unwrap_or_else(PoisonError::into_inner).insert(form);
        Turn { of: self, form }
    }

    /// Remembers where a form of a session led, until `ends_at`.
    pub(crate) fn lead(&self, form: Hash, session_id: &str, to: String, now: Timestamp, ends_at: Timestamp) {
        held(&self.led).put(form, Place { ends_at, owner: session_id.to_owned(), item: to }, now);
    }

    /// Where the form with this key led, if it was sent before. This can be asked again.
    pub(crate) fn led_to(&self, form: &Hash, now: Timestamp) -> Option<String> {
        let led = held(&self.led);
        led.0.get(form).filter(|place| now < place.ends_at).map(|place| place.item.clone())
    }
}

/// The right to obey a form.
pub(crate) struct Turn<'a> {
    of: &'a OneTime,
    form: Hash,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        held(&self.of.obeyed).remove(&self.form);
        self.of.ended.notify_all();
    }
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Things of one kind, up to [`KEPT_MAX`].
#[derive(Debug)]
struct Shelf<T>(HashMap<Hash, Place<T>>);

#[derive(Debug)]
struct Place<T> {
    ends_at: Timestamp,
    owner: String,
    item: T,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Shelf<T> {
    fn put(&mut self, key: Hash, new: Place<T>, now: Timestamp) {
        self.0.retain(|_, place| now < place.ends_at);
        let of_owner = self.0.values().filter(|place| place.owner == new.owner).count();
        if of_owner >= KEPT_PER_OWNER_MAX {
            self.make_room(|place| place.owner == new.owner);
        } else if self.0.len() >= KEPT_MAX {
            self.make_room(|_| true);
        }
        self.0.insert(key, new);
    }

    fn make_room(&mut self, may_go: impl Fn(&Place<T>) -> bool) {
        let candidates = self.0.iter().filter(|(_, place)| may_go(place));
        if let Some(first) = candidates.min_by_key(|(_, place)| place.ends_at).map(|(key, _)| *key) {
            self.0.remove(&first);
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
        kept.lead([1; 32], "s", "/there".to_owned(), at(0), at(10));
        assert_eq!(kept.led_to(&[1; 32], at(1)).as_deref(), Some("/there"));
        assert_eq!(kept.led_to(&[1; 32], at(2)).as_deref(), Some("/there"));
        assert_eq!(kept.led_to(&[1; 32], at(10)), None);
    }

    fn key(number: usize) -> Hash {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn it_stays_within_its_bound() {
        let kept = OneTime::default();
        for number in 0..KEPT_MAX + 5 {
            let ends_at = i64::try_from(1000 + number).unwrap();
            kept.keep(key(number), link(&number.to_string()), at(0), at(ends_at));
        }
        assert!((0..5).all(|number| kept.take(&key(number), at(0)).is_none()), "the ones that end first are gone");
        assert!((5..KEPT_MAX + 5).all(|number| kept.take(&key(number), at(0)).is_some()));
    }

    #[test]
    fn nobody_pushes_out_what_is_anothers() {
        let kept = OneTime::default();
        kept.keep(key(0), link("a"), at(0), at(10));
        kept.lead(key(0), "s", "/there".to_owned(), at(0), at(10));
        for number in 1..=2 * KEPT_MAX {
            kept.keep(key(number), link("b"), at(0), at(1000));
            kept.lead(key(number), "t", "/elsewhere".to_owned(), at(0), at(1000));
        }
        assert!(kept.take(&key(0), at(1)).is_some());
        assert!(kept.led_to(&key(0), at(1)).is_some());
        assert!(kept.take(&key(2 * KEPT_MAX - KEPT_PER_OWNER_MAX), at(1)).is_none());
        assert!(kept.take(&key(2 * KEPT_MAX), at(1)).is_some(), "the newest of one's own stay");
    }

    #[test]
    fn one_form_waits_for_itself_alone() {
        let kept = OneTime::default();
        let first = kept.turn([1; 32]);
        drop(kept.turn([2; 32]));
        std::thread::scope(|scope| {
            let again = scope.spawn(|| {
                let _turn = kept.turn([1; 32]);
                kept.led_to(&[1; 32], at(0))
            });
            kept.lead([1; 32], "s", "/there".to_owned(), at(0), at(10));
            drop(first);
            assert_eq!(again.join().unwrap().as_deref(), Some("/there"));
        });
    }
}
