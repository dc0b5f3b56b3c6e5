//! How token requests ended, counted by the error that they were answered with.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Decision, Outcome};

/// Every error that a decision names, with its outcome. One that is not here counts as the last.
const ERRORS: [(&str, Outcome); 16] = [
    ("invalid_request", Outcome::Refused),
    ("invalid_client", Outcome::Refused),
    ("unauthorized_client", Outcome::Refused),
    ("unsupported_grant_type", Outcome::Refused),
    ("invalid_scope", Outcome::Refused),
    ("invalid_target", Outcome::Refused),
    ("access_denied", Outcome::Refused),
    ("temporarily_unavailable", Outcome::Failed),
    ("policy_refused", Outcome::Failed),
    ("policy_timeout", Outcome::Failed),
    ("policy_trap", Outcome::Failed),
    ("policy_output", Outcome::Failed),
    ("policy_unavailable", Outcome::Failed),
    ("policy_busy", Outcome::Failed),
    ("slow_down", Outcome::Refused),
    ("server_error", Outcome::Failed),
];

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    issued: AtomicU64,
    errors: [AtomicU64; ERRORS.len()],
}

impl Outcomes {
    pub(super) fn note(&self, decision: &Decision) {
        let counter = match &decision.error {
            None => &self.issued,
            Some(error) => {
                let at = ERRORS.iter().position(|(name, _)| name == error).unwrap_or(ERRORS.len() - 1);
                &self.errors[at]
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Each outcome with its error, none for a token, and how many there were.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let issued = (Outcome::Issued.as_str(), "", self.issued.load(Ordering::Relaxed));
        let count = |((error, outcome), counter): (&(&'static str, Outcome), &AtomicU64)| {
            (outcome.as_str(), *error, counter.load(Ordering::Relaxed))
        };
        std::iter::once(issued).chain(ERRORS.iter().zip(&self.errors).map(count))
    }
}
