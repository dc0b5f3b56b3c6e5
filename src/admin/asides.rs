//! Questions to policies that are no token requests: who would get what, what an answer rests on, what a policy would say.
//! They are asked one at a time for the whole server, so that token requests keep all turns at the sandbox but one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Error, Result};

/// Questions that may be waited for, each by a thread; one more is told to come back.
const WAITING_MAX: usize = 8;

pub(crate) struct Asides {
    places: Semaphore,
    one: Mutex<()>,
}

/// A place among those who ask.
pub(super) struct Place<'a> {
    asides: &'a Asides,
    _place: SemaphorePermit<'a>,
}

impl Default for Asides {
    fn default() -> Self {
        Self { places: Semaphore::new(WAITING_MAX), one: Mutex::default() }
    }
}

impl Asides {
    /// # Errors
    /// `Unavailable` when too many ask already.
    pub(super) fn enter(&self) -> Result<Place<'_>> {
        let place = self.places.try_acquire().map_err(|_| Error::Unavailable {
            detail: "others ask policies at this moment: try again in some seconds".to_owned(),
            cause: format!("{WAITING_MAX} questions beside token requests are waited for"),
        })?;
        Ok(Place { asides: self, _place: place })
    }
}

impl Place<'_> {
    /// Waits until nobody else asks. Blocks.
    pub(super) fn alone(&self) -> MutexGuard<'_, ()> {
        self.asides.one.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
