//! How token requests ended, counted by the error that they were answered with.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Decision, Outcome};

/// Every error that a decision names, with its outcome: one that is the caller's at one time is the server's at another. What
/// is not here counts as the last.
const ERRORS: [(&str, Outcome); 16] = [
    ("invalid_request", Outcome::Refused),
    ("invalid_client", Outcome::Refused),
    ("unauthorized_client", Outcome::Refused),
    ("unsupported_grant_type", Outcome::Refused),
    ("invalid_scope", Outcome::Refused),
    ("invalid_target", Outcome::Refused),
    ("access_denied", Outcome::Refused),
    ("temporarily_unavailable", Outcome::Refused),
    ("temporarily_unavailable", Outcome::Failed),
    ("policy_refused", Outcome::Failed),
    ("policy_timeout", Outcome::Failed),
    ("policy_trap", Outcome::Failed),
    ("policy_output", Outcome::Failed),
    ("policy_unavailable", Outcome::Failed),
    ("policy_busy", Outcome::Failed),
    ("server_error", Outcome::Failed),
];

/// A counter: that of the tokens, or of one of [`ERRORS`].
pub(super) type Counter = Option<usize>;

fn counter_of(error: &str, outcome: Outcome) -> usize {
    ERRORS.iter().position(|known| *known == (error, outcome)).unwrap_or(ERRORS.len() - 1)
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    issued: AtomicU64,
    errors: [AtomicU64; ERRORS.len()],
}

impl Outcomes {
    /// The counter of decisions that end as this one does.
    pub(super) fn counter_of(decision: &Decision) -> Counter {
        decision.error.as_deref().map(|error| counter_of(error, decision.outcome))
    }

    /// Where what was decided, but cannot be recorded and so is not answered, is counted instead.
    pub(super) fn unrecorded() -> Counter {
        Some(counter_of("temporarily_unavailable", Outcome::Failed))
    }

    pub(super) fn note(&self, counter: Counter) {
        counter.map_or(&self.issued, |at| &self.errors[at]).fetch_add(1, Ordering::Relaxed);
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
