//! How a policy fails: each kind with its own name, each text with the module, the export and the limit in it.
//!
//! A failure always denies. There is no switch that lets a request pass a policy that failed.

use std::fmt;
use std::time::Duration;

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
    /// Units of fuel that the call burned; 0 where nothing was called.
    pub fuel: u64,
    /// Microseconds that the call took.
    pub micros: u64,
}

impl Failure {
    fn new(kind: FailureKind, export: Option<&'static str>, what: String) -> Self {
        Self { kind, export, what, backtrace: None, printed: String::new(), fuel: 0, micros: 0 }
    }

    pub(super) fn refused(what: String) -> Self {
        Self::new(FailureKind::Refused, None, what)
    }

    /// A module was looked over, and `error` came of it: `what` is wrong with the module, unless it was the machine that had
    /// no memory or no thread for it. That says nothing about the module.
    pub(super) fn looked_over(error: &wasmtime::Error, what: String) -> Self {
        if is_of_the_machine(error) {
            let what = format!("the machine has no room for it: {}", error.root_cause());
            return Self { kind: FailureKind::Busy, ..Self::unavailable(what) };
        }
        Self::refused(what)
    }

    pub(super) fn unavailable(what: String) -> Self {
        Self::new(FailureKind::Unavailable, None, what)
    }

    pub(super) fn unreadable(error: &Error) -> Self {
        Self::unavailable(format!("the database cannot be read: {error}"))
    }

    pub(super) fn at(kind: FailureKind, export: &'static str, what: String) -> Self {
        Self::new(kind, Some(export), what)
    }

    pub(super) fn output(export: &'static str, what: String) -> Self {
        Self::at(FailureKind::Output, export, what)
    }

    /// With what the call took until it failed, and what the guest printed in it.
    pub(super) fn after(self, fuel: u64, took: Duration, printed: String) -> Self {
        Self { fuel, micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX), printed, ..self }
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

fn is_of_the_machine(error: &wasmtime::Error) -> bool {
    #[cfg(unix)]
    if error.chain().any(<dyn std::error::Error>::is::<rustix::io::Errno>) {
        return true;
    }
    error.is::<wasmtime::OutOfMemory>() || error.chain().any(<dyn std::error::Error>::is::<std::io::Error>)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.export {
            Some(export) => write!(f, "{export}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_not_refused_for_what_the_machine_lacks() {
        let kind = |error: wasmtime::Error| {
            let error = error.context("failed to compile").context("it is not a valid component");
            Failure::looked_over(&error, "not a component".to_owned()).kind
        };
        assert_eq!(kind(wasmtime::Error::msg("unknown section")), FailureKind::Refused);
        assert_eq!(kind(wasmtime::OutOfMemory::new(4096).into()), FailureKind::Busy);
        assert_eq!(kind(std::io::Error::from_raw_os_error(12).into()), FailureKind::Busy);
        #[cfg(unix)]
        assert_eq!(kind(rustix::io::Errno::NOMEM.into()), FailureKind::Busy);
    }
}
