//! How many connections one address may have open, so that one caller cannot take all that there are. Reverse proxies
//! that are trusted come with everybody's, and are not counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::bounds::Refusals;
use crate::forwarded::TrustedProxies;
use crate::throttle::Place;

/// The count, one for all workers.
#[derive(Clone)]
pub(super) struct PerAddress(Arc<Counted>);

struct Counted {
    open: Mutex<HashMap<Place, usize>>,
    open_max: usize,
    proxies: TrustedProxies,
    refusals: Arc<Refusals>,
}

/// A connection that was let in, until it is dropped.
pub(super) struct LetIn(Option<(Arc<Counted>, Place)>);

impl PerAddress {
    pub(super) fn new(open_max: usize, proxies: TrustedProxies, refusals: Arc<Refusals>) -> Self {
        Self(Arc::new(Counted { open: Mutex::default(), open_max, proxies, refusals }))
    }

    /// Lets a connection in, unless its peer has too many already.
    pub(super) fn enter(&self, peer: Option<IpAddr>) -> Option<LetIn> {
        let Some(address) = peer.filter(|address| !self.0.proxies.trusts(*address)) else { return Some(LetIn(None)) };
        let place = Place::of(Some(address));
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(place).or_default();
        if *count >= self.0.open_max {
            self.0.refusals.connection();
            tracing::debug!(%address, "limits.connections_per_address: one connection more is closed at once");
            return None;
        }
        *count += 1;
        Some(LetIn(Some((Arc::clone(&self.0), place))))
    }
}

impl Drop for LetIn {
    fn drop(&mut self) {
        let Some((counted, place)) = &self.0 else { return };
        let mut open = counted.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(place) {
            *count -= 1;
            if *count == 0 {
                open.remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_count_and_leaves_nothing_behind() {
        let refusals = Arc::new(Refusals::default());
        let proxies = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
        let bound = PerAddress::new(2, proxies, Arc::clone(&refusals));
        let enter = |address: &str| bound.enter(Some(address.parse().unwrap()));
        let first = [enter("192.0.2.1").unwrap(), enter("192.0.2.1").unwrap()];
        assert!(enter("192.0.2.1").is_none());
        // The same, written another way.
        assert!(enter("::ffff:192.0.2.1").is_none());
        // One holder has all of a /64.
        let long = [enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap()];
        assert!(enter("2001:db8::3").is_none());
        let other = enter("2001:db8:0:1::1").unwrap();
        let trusted: Vec<LetIn> = (0..10).map(|_| enter("10.1.2.3").unwrap()).collect();
        let local: Vec<LetIn> = (0..10).map(|_| bound.enter(None).unwrap()).collect();
        assert_eq!(refusals.counts(), [0, 3]);
        drop(first);
        assert!(enter("192.0.2.1").is_some());
        drop((long, other, trusted, local));
        assert!(bound.0.open.lock().unwrap().is_empty());
    }
}
