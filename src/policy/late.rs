//! Something that is made when it is first needed. A failure is kept for a moment only: what was short then may be there
//! now.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Stopwatch};

/// Made at most once, by one thread at a time.
pub(super) struct Late<T> {
    made: OnceLock<T>,
    /// Held while it is made: how that last failed, and since when.
    failed: Mutex<Option<(Stopwatch, String)>>,
    again_after: Duration,
}

impl<T> Late<T> {
    /// After a failure it is tried again no sooner than after `again_after`.
    pub(super) fn new(again_after: Duration) -> Self {
        Self { made: OnceLock::new(), failed: Mutex::default(), again_after }
    }

    /// What `make` once made.
    ///
    /// # Errors
    /// Why `make` failed now, or a moment ago.
    pub(super) fn get(&self, clock: &Clock, make: impl FnOnce() -> Result<T, String>) -> Result<&T, String> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        if let Some((_, why)) = failed.as_ref().filter(|(since, _)| since.elapsed() < self.again_after) {
            return Err(why.clone());
        }
        match make() {
            Ok(made) => Ok(self.made.get_or_init(|| made)),
            Err(why) => {
                *failed = Some((clock.stopwatch(), why.clone()));
                Err(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn it_is_made_once_and_a_failure_lasts_a_moment() {
        let clock = Clock::system();
        let tries = AtomicU32::new(0);
        let short = || {
            tries.fetch_add(1, Ordering::SeqCst);
            Err("no threads left".to_owned())
        };
        let patient = Late::<u32>::new(Duration::from_secs(3600));
        for _ in 0..3 {
            assert_eq!(patient.get(&clock, short), Err("no threads left".to_owned()));
        }
        assert_eq!(tries.load(Ordering::SeqCst), 1, "not tried again within the moment");

        let late = Late::new(Duration::ZERO);
        assert!(late.get(&clock, short).is_err());
        let made = AtomicU32::new(0);
        let make = || {
            std::thread::sleep(Duration::from_millis(20));
            Ok(made.fetch_add(1, Ordering::SeqCst))
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(late.get(&clock, make), Ok(&0)));
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1, "two threads never make two");
    }
}
