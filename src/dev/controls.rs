//! What can be done to a server of `grantd dev` while it runs. No other server has any of it.

use std::sync::{Mutex, PoisonError};

use super::faults::{Fault, Faults};
use crate::clock::Clock;
use crate::error::Result;

/// How a server of `grantd dev` is opened.
#[derive(Clone, Debug, Default)]
pub struct DevOptions {
    /// Sign with keys that everybody knows, the same in every run.
    pub fixed_keys: bool,
    /// A clock of the caller's; unless given, one that can be set over HTTP.
    pub clock: Option<Clock>,
}

/// The handles of a running `grantd dev`.
pub(crate) struct Controls {
    pub(crate) fixed_keys: bool,
    faults: Mutex<Faults>,
}

impl Controls {
    pub(crate) fn new(options: &DevOptions) -> Self {
        Self { fixed_keys: options.fixed_keys, faults: Mutex::default() }
    }

    /// What the next token request is to suffer, if anything. It is used up by this.
    pub(crate) fn next_fault(&self) -> Option<Fault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Adds a fault for `count` token requests after those that wait already.
    ///
    /// # Errors
    /// `InUse` when too many wait.
    pub(crate) fn add_fault(&self, count: u32, fault: Fault) -> Result<()> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).add(count, fault)
    }

    /// What waits, with the number of requests that each is for.
    pub(crate) fn faults(&self) -> Vec<(u32, Fault)> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).waiting()
    }

    /// Takes every fault back.
    pub(crate) fn clear_faults(&self) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = Faults::default();
    }
}
