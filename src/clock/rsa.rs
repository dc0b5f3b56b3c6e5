//! RSA key pairs: making one takes longer than all else that a start takes.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{KeyPair, KeySize};

use super::{Clock, Source};

/// What manual clocks give, in PKCS #8 (RFC 5958): to each of them the first of these first, then the second.
static OF_TESTS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

impl Clock {
    /// A new pair of 2048 bits. Making it takes some 100 ms, and was 92 % of the instructions of an ordinary test: manual
    /// clocks share what this process has made, and one of them gives no pair twice.
    pub(crate) fn rsa_pair(&self) -> Result<KeyPair, Unspecified> {
        let Source::Manual(manual) = &self.0 else { return KeyPair::generate(KeySize::Rsa2048) };
        let at = manual.rsa_pairs.fetch_add(1, Ordering::SeqCst);
        let mut made = OF_TESTS.lock().unwrap_or_else(PoisonError::into_inner);
        while made.len() <= at {
            let pair = KeyPair::generate(KeySize::Rsa2048)?;
            made.push(AsDer::<Pkcs8V1Der<'_>>::as_der(&pair)?.as_ref().to_vec());
        }
        KeyPair::from_pkcs8(&made[at]).map_err(|_| Unspecified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use aws_lc_rs::signature::KeyPair as _;

    #[test]
    fn a_manual_clock_gives_no_pair_twice_and_the_machines_clock_gives_it_to_nobody_else() {
        let public = |clock: &Clock| clock.rsa_pair().unwrap().public_key().as_ref().to_vec();
        let (one, other) = (Clock::manual(Timestamp::from_ms(0), 1), Clock::manual(Timestamp::from_ms(0), 2));
        let pairs = [public(&one), public(&one)];
        assert_ne!(pairs[0], pairs[1]);
        assert_eq!(pairs, [public(&other), public(&other)]);
        let real = [public(&Clock::system()), public(&Clock::shiftable())];
        assert!(real[0] != real[1] && real.iter().all(|pair| !pairs.contains(pair)));
    }
}
