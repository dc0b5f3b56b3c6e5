//! What callers may have under way over HTTP/2, where one connection carries many requests (RFC 9113). Over HTTP/1.1 a
//! connection carries one at a time, and `limits.connections` is the bound. And the count of what found no room.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use h2::server::Builder;

/// Requests under way on one connection. More are refused, and may be sent again (RFC 9113 5.1.2).
pub(super) const REQUESTS_MAX: u32 = 100;
/// The head of a request, each field counted with the 32 bytes of RFC 9113 6.5.2. A larger one is answered with 431.
pub(super) const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// What a caller may send of one body, and of all bodies of a connection, before some of it was read.
const BODY_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// What is held ready of one answer beyond what its body holds.
pub(super) const ANSWER_BYTES_READY: usize = 16 * 1024;
/// Requests that a caller may call off beyond those whose answers it takes: rapid resets (CVE-2023-44487) make work and wait
/// for nothing.
pub(super) const CALLED_OFF_MAX: u64 = 200;
/// Resets before this side has looked at the request at all, and errors in streams (CVE-2025-8671).
const UNSEEN_RESETS_MAX: usize = 20;
const STREAM_ERRORS_MAX: usize = 200;
/// Empty pieces of a body: they cost the sender nothing and count against no window.
pub(super) const EMPTY_PIECES_MAX: u32 = 100;
/// Once a worker is half full, a connection gets no more than this of what is left: whoever fills one half with a few
/// connections leaves the other to everybody else. With so much under way, what finds no room is not told why.
pub(super) const FAIR_SHARE: usize = 8;

/// The bounds that the library keeps by itself.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(REQUESTS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .initial_window_size(BODY_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(ANSWER_BYTES_READY)
        .max_pending_accept_reset_streams(UNSEEN_RESETS_MAX)
        .max_local_error_reset_streams(Some(STREAM_ERRORS_MAX));
    builder
}

/// What was refused since the start, because there was no room for it.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    requests: AtomicU64,
    connections: AtomicU64,
}

impl Refusals {
    /// One connection more than its address may have.
    pub(super) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests, and connections.
    pub(super) fn counts(&self) -> [u64; 2] {
        [&self.requests, &self.connections].map(|count| count.load(Ordering::Relaxed))
    }
}

/// Room for the requests that are under way on one worker.
#[derive(Debug)]
pub(super) struct Room {
    taken: Cell<usize>,
    places: usize,
    /// That it is too small was told, and it has not emptied since.
    is_told: Cell<bool>,
    refusals: Arc<Refusals>,
}

/// A place in a [`Room`], left when dropped.
#[derive(Debug)]
pub(super) struct Place(Rc<Room>);

impl Room {
    pub(super) fn new(places: usize, refusals: Arc<Refusals>) -> Rc<Self> {
        Rc::new(Self { taken: Cell::new(0), places, is_told: Cell::new(false), refusals })
    }

    /// A place, unless there is none for a connection that has `own` already.
    pub(super) fn enter(self: &Rc<Self>, own: usize) -> Option<Place> {
        let taken = self.taken.get();
        let is_free = taken < self.places && (taken < self.places.div_ceil(2) || own < FAIR_SHARE);
        if !is_free {
            self.refusals.requests.fetch_add(1, Ordering::Relaxed);
            if !self.is_told.replace(true) {
                tracing::warn!(taken, "limits.requests: so many are under way on this worker that more are refused");
            }
            return None;
        }
        self.taken.set(taken + 1);
        Some(Place(Rc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = self.0.taken.get() - 1;
        self.0.taken.set(taken);
        if taken == 0 {
            self.0.is_told.set(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_half_of_the_room_is_for_connections_that_have_little() {
        let refusals = Arc::new(Refusals::default());
        let room = Room::new(20, Arc::clone(&refusals));
        let mut greedy: Vec<Place> = (0..30).map_while(|own| room.enter(own)).collect();
        assert_eq!(greedy.len(), 10);
        let mut others: Vec<Place> = (0..30).map_while(|_| room.enter(FAIR_SHARE - 1)).collect();
        assert_eq!(others.len(), 10);
        assert!(room.enter(0).is_none());
        others.pop();
        assert!(room.enter(FAIR_SHARE).is_none() && room.enter(0).is_some());
        greedy.truncate(9);
        others.clear();
        assert!(room.enter(99).is_some());
        assert_eq!(refusals.counts(), [4, 0]);
    }

    #[test]
    fn the_smallest_room_has_a_place() {
        let room = Room::new(1, Arc::default());
        let place = room.enter(0).unwrap();
        assert!(room.enter(0).is_none());
        drop(place);
        assert!(room.enter(0).is_some());
    }
}
