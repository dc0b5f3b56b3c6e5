//! How a policy fails: each kind with its own name, each text with the module, the export and the limit in it.
//!
//! A failure always denies. There is no switch that lets a request pass a policy that failed.

use std::fmt;

use crate::error::Error;

/// What kind of failure it was. The names stand in answers and records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The module is not what it should be: refused before it runs.
    Refused,
    /// It burned its fuel or ran out of time.
    Timeout,
    /// It trapped: a panic, a bad access, too much memory or stack.
    Trap,
    /// It answered, but not in the contract's form.
    Output,
    /// It cannot be loaded.
    Unavailable,
    /// There was no room to run it in; the same request may succeed later.
    Busy,
}

impl FailureKind {
    /// As written in answers and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "policy_refused",
            Self::Timeout => "policy_timeout",
            Self::Trap => "policy_trap",
            Self::Output => "policy_output",
            Self::Unavailable => "policy_unavailable",
            Self::Busy => "policy_busy",
        }
    }
}

/// A policy that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which way.
    pub kind: FailureKind,
    /// The export that was called, where one was.
    pub export: Option<&'static str>,
    /// What happened, and the limit it met.
    pub what: String,
    /// The guest's frames, innermost first, where it trapped. For its author, not for callers.
    pub backtrace: Option<String>,
    /// What the guest printed before, where it could print at all. For its author too.
    pub printed: String,
}

impl Failure {
    pub(super) fn refused(what: String) -> Self {
        Self { kind: FailureKind::Refused, export: None, what, backtrace: None, printed: String::new() }
    }

    pub(super) fn unavailable(what: String) -> Self {
        Self { kind: FailureKind::Unavailable, export: None, what, backtrace: None, printed: String::new() }
    }

    pub(super) fn unreadable(error: &Error) -> Self {
        Self::unavailable(format!("the database cannot be read: {error}"))
    }

    pub(super) fn at(kind: FailureKind, export: &'static str, what: String) -> Self {
        Self { kind, export: Some(export), what, backtrace: None, printed: String::new() }
    }

    pub(super) fn output(export: &'static str, what: String) -> Self {
        Self::at(FailureKind::Output, export, what)
    }
}

impl Failure {
    /// What happened with the guest's frames below it, for the policy's author.
    #[must_use]
    pub fn at_length(&self) -> String {
        match self.backtrace.as_deref().map(str::trim_end) {
            Some(frames) if !frames.is_empty() => format!("{self}\n{frames}"),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.export {
            Some(export) => write!(f, "{export}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}
