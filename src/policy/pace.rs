//! Where a module is asked next: by the request's own thread while its calls are brief, and elsewhere while they are not.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::ticker::TICK;

/// After a call that held a request's thread up, as many are made elsewhere before it is tried again. Where the machine was
/// what held it, that costs little; where it was the module, for which a thread has others to serve, one in so many does.
const APART: u32 = 1000;

/// What a module's calls were like so far.
#[derive(Default)]
pub(super) struct Pace {
    /// Whether the last call was brief, and the next one probably is.
    brief: AtomicBool,
    /// Calls that are to be made elsewhere, however brief they are.
    apart: AtomicU32,
}

impl Pace {
    /// Whether the request's own thread may make the next call.
    pub(super) fn is_brief(&self) -> bool {
        self.brief.load(Ordering::Relaxed) && self.apart.load(Ordering::Relaxed) == 0
    }

    /// A call was made by a request's own thread, and held it for so long.
    pub(super) fn was_at_hand(&self, brief: bool, held: Duration) {
        self.brief.store(brief, Ordering::Relaxed);
        if held >= TICK {
            self.apart.store(APART, Ordering::Relaxed);
        }
    }

    /// A call was made where it may take its time.
    pub(super) fn was_elsewhere(&self, brief: bool) {
        self.brief.store(brief, Ordering::Relaxed);
        let _ = self.apart.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_thread_up_is_asked_elsewhere_and_gets_another_chance() {
        let pace = Pace::default();
        assert!(!pace.is_brief(), "nothing is known of it");
        pace.was_elsewhere(true);
        assert!(pace.is_brief());
        pace.was_at_hand(true, TICK / 2);
        assert!(pace.is_brief());
        pace.was_at_hand(false, TICK / 2);
        assert!(!pace.is_brief());
        pace.was_elsewhere(true);
        pace.was_at_hand(true, TICK);
        for _ in 0..APART {
            assert!(!pace.is_brief());
            pace.was_elsewhere(true);
        }
        assert!(pace.is_brief());
        pace.was_elsewhere(false);
        assert!(!pace.is_brief());
    }
}
