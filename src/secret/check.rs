//! What a database keeps to be known again: the check value of its master key, and the head of its audit chain.
//!
//! There are two kinds of check value, and nobody makes one of them without the key. Databases of before the chain had
//! a head keep the first; the second also says that there is a head, so that one which was taken away is missed.

use super::{Hash, ServerKeys, hashes_equal, tag};

/// The names under which the two kinds are derived.
pub(super) const WITHOUT_HEAD: &str = "check value";
pub(super) const WITH_HEAD: &str = "check value, audit head";

/// What a check value says of the database that it stands in, beside whose key it was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    /// Its audit chain has a head.
    WithHead,
    /// It was made before there were heads, and no server that makes them has sealed in it yet.
    WithoutHead,
}

impl ServerKeys {
    /// What a database keeps to know its master key again: of the kind that says that there is a head.
    #[must_use]
    pub fn check_value(&self) -> &Hash {
        &self.check
    }

    /// What a stored check value says; `None` when it was made with another key.
    #[must_use]
    pub fn recognise(&self, stored: &[u8]) -> Option<KeyCheck> {
        if hashes_equal(stored, &self.check) {
            return Some(KeyCheck::WithHead);
        }
        hashes_equal(stored, &self.check_without_head).then_some(KeyCheck::WithoutHead)
    }

    /// What authenticates the head of the audit chain: the last commit that is sealed, and its link.
    #[must_use]
    pub fn audit_head(&self, seq: i64, link: &Hash) -> Hash {
        tag(&self.audit_head, &[&seq.to_be_bytes(), link])
    }
}

#[cfg(test)]
mod tests {
    use super::super::master::MasterKey;
    use super::*;

    #[test]
    fn a_check_value_is_recognised_by_its_key_alone_and_says_its_kind() {
        let [keys, others] = [1, 2].map(|byte| ServerKeys::derive(&MasterKey::from_bytes([byte; 32])).unwrap());
        assert_eq!(keys.recognise(keys.check_value()), Some(KeyCheck::WithHead));
        assert_eq!(keys.recognise(&keys.check_without_head), Some(KeyCheck::WithoutHead));
        assert_eq!(keys.recognise(others.check_value()), None);
        assert_eq!(keys.recognise(&others.check_without_head), None);
        for cut in [&keys.check_value()[..31], &[]] {
            assert_eq!(keys.recognise(cut), None);
        }
    }

    #[test]
    fn a_head_depends_on_its_key_its_place_and_its_link() {
        let [keys, others] = [1, 2].map(|byte| ServerKeys::derive(&MasterKey::from_bytes([byte; 32])).unwrap());
        let head = keys.audit_head(1, &[0; 32]);
        assert_eq!(head, keys.audit_head(1, &[0; 32]));
        for other in [others.audit_head(1, &[0; 32]), keys.audit_head(2, &[0; 32]), keys.audit_head(1, &[1; 32])] {
            assert_ne!(head, other);
        }
    }
}
