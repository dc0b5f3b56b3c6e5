//! How often one may fail, and how often one may ask: failed authentications by client and address, tokens by client.
//!
//! Who is right is not decided here, and whoever shows a generated secret that is right is never held up by a stranger's
//! failures: the answer to a failure changes, nothing else. An imported secret that was not seen to be right since the start
//! takes a slow hash, and where much failed none is spent. Counts are kept in tables of a fixed size; one that was pushed out
//! starts anew.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use quick_cache::sync::Cache;

use crate::clock::Timestamp;
use crate::config::{QuotaMode, ThrottleConfig};
use crate::error::{Error, Result};
use crate::model::caller::printable;

/// Callers whose failures are remembered, in each of two tables (some 60 bytes each).
const FAILING_MAX: usize = 20_000;
/// Clients whose tokens are counted.
const CLIENTS_COUNTED_MAX: usize = 100_000;
const MINUTE_US: i64 = 60_000_000;

/// Counts of one kind: so many a minute, all of them at once if need be.
struct Rate {
    /// Microseconds from one to the next if they come evenly.
    even_us: i64,
    /// By a keyed hash of whom it is about: when the next one is due if they came evenly, in Unix microseconds.
    due_us: Cache<u64, Arc<AtomicI64>>,
    hasher: RandomState,
}

impl Rate {
    fn new(per_minute: u32, kept_max: usize) -> Self {
        Self {
            even_us: MINUTE_US / i64::from(per_minute.max(1)),
            due_us: Cache::new(kept_max),
            hasher: RandomState::new(),
        }
    }

    fn due(&self, whom: impl std::hash::Hash) -> Arc<AtomicI64> {
        let key = self.hasher.hash_one(whom);
        // An error is what the closure may answer; this one answers none.
        self.due_us.get_or_insert_with(&key, || Ok::<_, ()>(Arc::default())).unwrap_or_default()
    }

    /// How long until one more is within the rate; 0 when it is now.
    fn wait_us(&self, due_us: i64, now: Timestamp) -> i64 {
        let now_us = now.ms() * 1000;
        // A clock that stepped back must not hold anybody up for longer than a minute.
        (due_us.min(now_us + MINUTE_US) + self.even_us - MINUTE_US - now_us).max(0)
    }

    /// Counts one, if it is within the rate; else answers how long to wait.
    fn take(&self, due: &AtomicI64, now: Timestamp) -> i64 {
        let now_us = now.ms() * 1000;
        let next = |due_us: i64| match self.wait_us(due_us, now) {
            0 => due_us.max(now_us) + self.even_us,
            _ => due_us.min(now_us + MINUTE_US),
        };
        let before = due.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |due_us| Some(next(due_us)));
        before.map_or(0, |due_us| self.wait_us(due_us, now))
    }
}

/// Everything that is counted.
pub(crate) struct Throttle {
    by_client_and_address: Rate,
    by_address: Rate,
    tokens: Option<(Rate, QuotaMode)>,
}

/// Where a caller is, as far as it counts: an IPv4 address, or the 64 bits of an IPv6 address that its holder does not
/// choose. `None`: over a socket in the file system, or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place(Option<IpAddr>);

impl Place {
    /// Of the address that a request came from.
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V6(long) => IpAddr::V6(Ipv6Addr::from_bits(long.to_bits() >> 64 << 64)),
            short => short,
        }))
    }
}

impl Throttle {
    pub(crate) fn new(config: &ThrottleConfig) -> Self {
        let tokens = |per_minute| (Rate::new(per_minute, CLIENTS_COUNTED_MAX), config.tokens_mode);
        Self {
            by_client_and_address: Rate::new(config.failures_per_minute, FAILING_MAX),
            by_address: Rate::new(config.failures_per_minute_and_address, FAILING_MAX),
            tokens: config.tokens_per_minute.map(tokens),
        }
    }

    /// Whether so much failed from there, as that client or at all, that a slow look is not worth it.
    pub(crate) fn is_failing(&self, client_id: &str, place: Place, now: Timestamp) -> bool {
        let by_client = &self.by_client_and_address;
        by_client.wait_us(by_client.due((client_id, place)).load(Ordering::SeqCst), now) > 0
            || self.by_address.wait_us(self.by_address.due(place).load(Ordering::SeqCst), now) > 0
    }

    /// Counts a failed authentication. `refusal` is its answer while they are few.
    pub(crate) fn failed(&self, client_id: Option<&str>, place: Place, now: Timestamp, refusal: Error) -> Error {
        let by_client = client_id.map_or(0, |client_id| {
            let rate = &self.by_client_and_address;
            rate.take(&rate.due((client_id, place)), now)
        });
        let wait_us = by_client.max(self.by_address.take(&self.by_address.due(place), now));
        if wait_us == 0 {
            return refusal;
        }
        tracing::debug!(client_id = client_id.map(printable), address = ?place.0, "too many failed authentications");
        too_many("too many failed authentications from this address", wait_us)
    }

    /// Counts a token that an authenticated client asks for.
    ///
    /// # Errors
    /// `TooMany` over the quota, where it is enforced.
    pub(crate) fn asks(&self, client_id: &str, now: Timestamp) -> Result<()> {
        let Some((rate, mode)) = &self.tokens else { return Ok(()) };
        let due = rate.due(client_id);
        let wait_us = rate.take(&due, now);
        match mode {
            _ if wait_us == 0 => Ok(()),
            QuotaMode::Enforce => {
                Err(too_many("this client asks for more tokens than its quota: keep each until it ends", wait_us))
            }
            QuotaMode::Warn => {
                tracing::warn!(
                    client_id,
                    "over its quota of tokens: it would be refused if throttle.tokens_mode were enforce"
                );
                // The next warning comes after another minute's worth.
                due.store(now.ms() * 1000, Ordering::SeqCst);
                Ok(())
            }
        }
    }
}

fn too_many(what: &str, wait_us: i64) -> Error {
    let retry_after_seconds = u64::try_from(wait_us).unwrap_or_default().div_ceil(1_000_000);
    Error::TooMany { detail: format!("{what}; try again in {retry_after_seconds} s"), retry_after_seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_at_once_then_evenly() {
        let rate = Rate::new(6, 10);
        let due = rate.due("a");
        let mut now = Timestamp::from_ms(1_000_000);
        for _ in 0..6 {
            assert_eq!(rate.take(&due, now), 0);
        }
        assert_eq!(rate.take(&due, now), 10_000_000);
        assert_eq!(rate.take(&due, now), 10_000_000, "asking while it waits costs nothing");
        assert_eq!(rate.take(&rate.due("b"), now), 0, "another is not concerned");
        now = now.plus_seconds(10);
        assert_eq!(rate.take(&due, now), 0);
        assert_eq!(rate.take(&due, now), 10_000_000);
        now = now.plus_seconds(-86_400);
        assert!(rate.take(&due, now) <= MINUTE_US, "a clock that steps back holds nobody up for long");
        now = now.plus_seconds(60);
        assert_eq!(rate.take(&due, now), 0);
    }

    #[test]
    fn a_place_is_an_address_or_a_network_of_ipv6() {
        let place = |text: &str| Place::of(text.parse().ok());
        assert_eq!(place("2001:db8:1:2::1"), place("2001:db8:1:2:ffff::9"));
        assert_ne!(place("2001:db8:1:2::1"), place("2001:db8:1:3::1"));
        assert_eq!(place("::ffff:192.0.2.1"), place("192.0.2.1"));
        assert_ne!(place("192.0.2.1"), place("192.0.2.2"));
        assert_eq!(Place::of(None), place("nowhere"));
    }
}
